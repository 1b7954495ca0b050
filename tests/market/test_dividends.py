"""Dividends as vendors write them, in the store and in its snapshots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from made import store_unchecked

from kronos_quant.errors import DataError
from kronos_quant.market import BarBatch, drop_bars, ingest_dividends, open_market
from kronos_quant.market.ingest.dividends import read_dividends
from kronos_quant.market.snapshots import fault_of

BatchMaker = Callable[..., BarBatch]
EX = date(2024, 6, 18)
VENDORS = {
    "plain.csv": "symbol,record_date,ex_date,pay_date,listing_date,cash,bonus,transferred\n"
    "SH600000,2024-06-17,2024-06-18,2024-06-20,2024-06-19,0.5,0.1,0.2\n",
    "tushare.csv": "ts_code,end_date,ann_date,div_proc,stk_div,stk_bo_rate,stk_co_rate,cash_div,cash_div_tax,"
    "record_date,ex_date,pay_date,div_listdate\n"
    "600000.SH,20231231,20240401,预案,0.3,0.1,0.2,0.45,0.5,,,,\n"
    "600000.SH,20231231,20240601,实施,0.3,0.1,0.2,0.45,0.5,20240617,20240618,20240620,20240619\n",
    "baostock.csv": "code,dividRegistDate,dividOperateDate,dividPayDate,dividStockMarketDate,dividCashPsBeforeTax,"
    "dividCashPsAfterTax,dividStocksPs,dividReserveToStockPs\n"
    "sh.600000,2024-06-17,2024-06-18,2024-06-20,2024-06-19,0.5,0.475,0.1,0.2\n",
    "600000.csv": "实施方案公告日期,分红类型,送股比例,转增比例,派息比例,股权登记日,除权日,派息日,股份到账日,"
    "实施方案分红说明,报告时间\n"
    "2024-06-01,年度分红,1,2,5,2024-06-17,2024-06-18,2024-06-20,2024-06-19,10送1转2派5元,2023年报\n",
}


@pytest.mark.parametrize("name", VENDORS)
def test_every_vendors_columns_give_the_same_dividend(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(VENDORS[name], encoding="utf-8")
    read = read_dividends(tmp_path / name, "XSHG")
    [row] = read.frame.rows()
    assert row == (
        "SH600000", EX, date(2024, 6, 17), date(2024, 6, 20), date(2024, 6, 19), 0.5, 0.1, 0.2, 0.0, 0.0,
    )  # fmt: skip
    assert read.planned == (name == "tushare.csv")


def test_a_folder_has_a_file_for_each_symbol_and_rights_come_from_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "600000.csv").write_text(VENDORS["600000.csv"], encoding="utf-8")
    text = (
        "公告日期,配股方案,配股价格,除权日,股权登记日,配股上市日\n2024-05-01,3,8.5,2024-05-20,2024-05-10,2024-05-30\n"
    )
    (tmp_path / "000001_rights.csv").write_text(text, encoding="utf-8")
    frame = read_dividends(tmp_path).frame
    assert frame.select("symbol", "rights_ratio", "rights_price").rows() == [
        ("SH600000", 0.0, 0.0), ("SZ000001", pytest.approx(0.3), 8.5),
    ]  # fmt: skip


HEAD = "symbol,record_date,ex_date,cash\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + "SH600000,2024-06-18,2024-06-18,0.5\n",
            "line 2: column record_date: expected a day before the ex-date",
        ),
        (HEAD + "SH600000,2024-06-17,2024-06-18,-0.5\n", "line 2: column cash: expected a number from 0, found -0.5"),
        (HEAD + "SH600000,2024-06-17,2024-06-18,some\n", "line 2: column cash: expected a number"),
        (HEAD + "SH600000,soon,2024-06-18,0.5\n", "line 2: column record_date: expected a date"),
        (HEAD + ",2024-06-17,2024-06-18,0.5\n", "line 2: column symbol: expected a symbol, found '' .an empty cell"),
        (HEAD + "SH600000,2024-06-17,,0.5\n", "expected dividends with an ex-date and an amount, found none"),
        ("ts_code,ex_date,cash_div\n600000.SH,20240618,0.45\n", "cash_div is after tax"),
        ("symbol,ex_date,rights_ratio\nSH600000,2024-06-18,0.3\n", "expected the price of the rights issue"),
    ],
)
def test_a_bad_cell_is_named_by_its_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "dividends.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_dividends(path)


def test_of_b_shares_and_foreign_markets_the_record_date_may_be_the_ex_date_or_later(tmp_path: Path) -> None:
    path = tmp_path / "dividends.csv"
    path.write_text(HEAD + "SH900901,2024-06-20,2024-06-18,0.5\nAAPL,2024-06-18,2024-06-18,0.25\n")
    assert read_dividends(path).frame["symbol"].to_list() == ["AAPL", "SH900901"]


def table(*rows: tuple[str, int, float]) -> pl.DataFrame:
    """Dividends of symbols, by day of January 2024 and cash."""
    frame = pl.DataFrame(rows, schema=["symbol", "day", "cash"], orient="row")
    return frame.select("symbol", pl.date(2024, 1, pl.col("day")).alias("ex_date"), "cash")


def test_the_snapshot_holds_them_and_without_any_is_what_it_was(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"SH600000": {1: 10.0, 2: 11.0}}))
    before = open_market(tmp_path)
    assert not (before.snapshot.folder / "dividends.parquet").exists()
    assert before.dividends().is_empty()
    report = ingest_dividends(tmp_path, table(("SH600000", 3, 0.5), ("SH600000", 3, 0.25), ("SZ000001", 4, 0.1)))
    assert (report.dividends, report.added_up, report.without_bars) == (2, 1, ("SZ000001",))
    after = open_market(tmp_path)
    assert after.snapshot.digest != before.snapshot.digest
    assert fault_of(after.snapshot.folder) is None
    assert after.dividends().select("symbol", "cash").rows() == [("SH600000", 0.75), ("SZ000001", 0.1)]


def test_a_source_replaces_what_lies_between_its_dates_of_its_symbols(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"SH600000": {1: 10.0, 2: 11.0}}))
    ingest_dividends(tmp_path, table(*(("SH600000", day, 0.1) for day in (3, 8, 15)), ("SZ000001", 8, 0.1)))
    report = ingest_dividends(tmp_path, table(("SH600000", 3, 0.2), ("SH600000", 10, 0.2)))
    assert report.replaced == 2
    assert open_market(tmp_path).dividends().select("symbol", pl.col("ex_date").dt.day(), "cash").rows() == [
        ("SH600000", 3, 0.2), ("SH600000", 10, 0.2), ("SH600000", 15, 0.1), ("SZ000001", 8, 0.1),
    ]  # fmt: skip


def test_what_contradicts_the_factor_is_told(tmp_path: Path, make_batch: BatchMaker) -> None:
    later = pl.when(pl.col("date") >= date(2024, 1, 3)).then(1.05).otherwise(1.0)
    factor = pl.when(pl.col("symbol") == "SZ000001").then(1.0).otherwise(later)
    closes = {1: 10.5, 2: 10.0 * 1.05}
    batch = make_batch(dict.fromkeys(("SH600000", "SH600001", "SZ000001"), closes), factor=factor)
    store_unchecked(tmp_path, batch)
    report = ingest_dividends(tmp_path, table(("SH600000", 3, 0.5), ("SH600001", 3, 0.1), ("SZ000001", 3, 0.5)))
    # 10.5 less 0.5 is 10, and 10.5 / 10 the factor; SZ000001 has none
    [(place, found, expected)] = report.contradicted
    assert (place, found) == ("SH600001 2024-01-03", pytest.approx(1.05))
    assert expected == pytest.approx(10.5 / 10.4)
    assert "1 dividend (SH600001 2024-01-03: factor x 1.0500, expected 1.0096)" in str(report)


def test_an_ex_date_long_after_the_record_date_is_told(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"SH600000": dict.fromkeys((1, 2, 3, 4), 10.0)}))
    records = [date(2024, 1, 2), date(2024, 1, 2)]
    source = table(("SH600000", 3, 0.1), ("SH600000", 5, 0.1)).with_columns(pl.Series("record_date", records))
    assert ingest_dividends(tmp_path, source).late == ("SH600000 2024-01-05",)


def test_those_of_a_dropped_symbol_stay_and_are_named(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({symbol: {1: 10.0, 2: 11.0} for symbol in ("SH600000", "SZ000001")}))
    ingest_dividends(tmp_path, table(("SZ000001", 3, 0.5)))
    assert drop_bars(tmp_path, "SZ000001", delete=True).lists == ("dividends",)
    assert len(open_market(tmp_path).dividends()) == 1
