from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import BarBatch, ingest_csv, ingest_table, open_market
from kronos_quant.market.ingest.klines import ReadOptions
from kronos_quant.market.ingest.tables import Table, read_tables
from kronos_quant.schema import BARS

FRAME = pl.DataFrame(
    {
        "symbol": ["SH600000", "SH600000", "000001.SZ"],
        "date": [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 3)],
        "open": [10.0, 10.5, 20.0],
        "high": [11.0, 11.5, 21.0],
        "low": [9.0, 9.5, 19.0],
        "close": [10.5, 11.0, 20.5],
        "volume": [100, 200, 300],
        "amount": [1040.0, 2200.0, 6150.0],
    }
)
FIVE_MINUTES = [datetime(2024, 6, 18, 9, 35), datetime(2024, 6, 18, 9, 40), datetime(2024, 6, 18, 9, 45)]


def read(source: Table, **options: Any) -> BarBatch:
    return read_tables(source, ReadOptions(**options))


def intraday(stamps: list[object], dtype: pl.DataType | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {"timestamps": pl.Series(stamps, dtype=dtype), **dict.fromkeys(("open", "high", "low", "close"), 1.0)}
    )


@pytest.mark.parametrize(
    "table",
    [
        FRAME,
        FRAME.to_pandas(),
        FRAME.to_arrow(),
        FRAME.to_pandas().assign(date=lambda frame: pd.to_datetime(frame["date"])).set_index(["date", "symbol"]),
        FRAME.select(pl.all().cast(pl.String)),
        FRAME.rename({"volume": "VOL", "amount": "amt", "symbol": "code"}).select(pl.all().reverse()).reverse(),
        FRAME.with_columns(pl.col("symbol").cast(pl.Categorical)),
    ],
    ids=["polars", "pandas", "arrow", "pandas index", "text", "other names", "categories"],
)
def test_tables_of_any_library_give_the_same_bars(table: Table) -> None:
    bars = read(table).bars
    assert bars.schema == pl.Schema(BARS)
    assert bars.sort("symbol", "time").rows() == [
        ("SH600000", date(2024, 1, 2), datetime(2024, 1, 2), 10, 11, 9, 10.5, 100, 1040, 1),
        ("SH600000", date(2024, 1, 3), datetime(2024, 1, 3), 10.5, 11.5, 9.5, 11, 200, 2200, 1),
        ("SZ000001", date(2024, 1, 3), datetime(2024, 1, 3), 20, 21, 19, 20.5, 300, 6150, 1),
    ]


def test_a_frame_as_qlib_gives_it_loads() -> None:
    frame = FRAME.to_pandas().rename(columns={name: f"${name}" for name in FRAME.columns[2:]})
    frame["date"] = pd.to_datetime(frame["date"])
    frame = frame.rename(columns={"date": "datetime", "symbol": "instrument"}).set_index(["instrument", "datetime"])
    assert read(frame).bars["close"].to_list() == [10.5, 11, 20.5]


def test_an_index_without_a_name_is_the_time() -> None:
    frame = FRAME.head(2).drop("symbol", "date").to_pandas()
    frame.index = pd.DatetimeIndex(["2024-01-02", "2024-01-03"])
    assert read(frame, symbol="aapl").bars["date"].to_list() == [date(2024, 1, 2), date(2024, 1, 3)]


@pytest.mark.parametrize("name", ["bars.parquet", "bars.pq", "bars.arrow", "bars.feather", "BARS.PARQUET"])
def test_parquet_and_arrow_files_load_by_their_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    FRAME.write_parquet(path) if name.lower().endswith(("parquet", "pq")) else FRAME.write_ipc(path)
    assert read(path).bars.equals(read(FRAME).bars)
    assert read(str(path)).path == path


def test_a_folder_gives_one_batch_and_the_names_tell_the_symbols(tmp_path: Path) -> None:
    one = FRAME.head(2).drop("symbol")
    one.write_parquet(tmp_path / "sh600000.parquet")
    one.write_ipc(tmp_path / "600004.SH.feather")
    (tmp_path / "notes.csv").write_text("not read")
    assert read(tmp_path).bars["symbol"].unique().sort().to_list() == ["SH600000", "SH600004"]


def test_a_table_and_a_csv_of_the_same_bars_publish_the_same_snapshot(tmp_path: Path) -> None:
    FRAME.write_csv(tmp_path / "bars.csv")
    from_csv = ingest_csv(tmp_path / "a", tmp_path / "bars.csv")
    from_table = ingest_table(tmp_path / "b", FRAME.to_pandas())
    assert from_csv.snapshot == from_table.snapshot
    assert (from_table.source, from_table.path) == ("table", None)
    assert open_market(tmp_path / "b").bars().height == 3


@pytest.mark.parametrize(
    ("stamps", "dtype"),
    [
        ([1718674500, 1718674800, 1718675100], pl.Int64()),  # 2024-06-18 01:35 UTC and on
        ([1718674500000, 1718674800000, 1718675100000], pl.Int64()),
        ([1718674500.0, 1718674800.0, 1718675100.0], pl.Float64()),
        (["1718674500", "1718674800", "1718675100"], pl.String()),
        ([202406180935, 202406180940, 202406180945], pl.Int64()),
        (FIVE_MINUTES, pl.Datetime("ns")),
        (FIVE_MINUTES, pl.Datetime("us", "Asia/Shanghai")),
    ],
)
def test_stamps_come_as_counts_numbers_or_times(stamps: list[object], dtype: pl.DataType) -> None:
    batch = read(intraday(stamps, dtype), symbol="600000.SH")
    assert batch.freq == "5min"
    expected = FIVE_MINUTES
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:  # made from UTC
        expected = [moment.replace(hour=17) for moment in FIVE_MINUTES]
    assert batch.bars["time"].to_list() == expected


def test_days_counted_from_1970_stay_days_west_of_greenwich() -> None:
    # 2024-01-02 and 03, 00:00 UTC: in New York it was the evening before
    frame = intraday([1704153600, 1704240000], pl.Int64())
    assert read(frame, symbol="AAPL", exchange="XNYS").bars["date"].to_list() == [date(2024, 1, 2), date(2024, 1, 3)]


def test_counts_of_an_unknown_exchange_stay_in_utc_and_are_told() -> None:
    batch = read(intraday([1718674500, 1718674800], pl.Int64()), symbol="BTC")
    assert batch.bars["time"][0] == datetime(2024, 6, 18, 1, 35)
    assert "times have a UTC offset but the exchange is unknown: kept as written" in batch.notes


@pytest.mark.parametrize(
    "clock",
    [
        [time(9, 35), time(9, 40), time(9, 45)],
        ["9:35", "9:40", "9:45"],
        [935, 940, 945],
        [93500, 94000, 94500],
        ["093500000", "094000000", "094500000"],
        ["20240618093500000", "20240618094000000", "20240618094500000"],
    ],
)
def test_a_clock_beside_the_date_comes_in_many_spellings(clock: list[object]) -> None:
    frame = intraday([date(2024, 6, 18)] * 3).rename({"timestamps": "date"}).with_columns(time=pl.Series(clock))
    assert read(frame, symbol="SH600000").bars["time"].to_list() == FIVE_MINUTES


def test_codes_that_lost_their_zeros_as_numbers_get_them_back_where_the_exchange_or_another_code_says_so() -> None:
    frame = FRAME.with_columns(symbol=pl.Series([600000, 600000, 1]))
    assert read(frame, exchange="XSHG").bars["symbol"].to_list() == ["SH600000", "SH600000", "SZ000001"]
    assert read(frame).bars["symbol"][2] == "SZ000001"
    assert read(FRAME.with_columns(symbol=pl.Series([7, 8, 1]))).bars["symbol"][2] == "1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high": pl.Series(["1", "x", "1"])}, "table: row 2: column high: expected a number, found 'x'"),
        ({"high": pl.Series([[1], [2], [3]])}, "table: column high: expected numbers, found the type List(Int64)"),
        ({"high": pl.Series([True, True, True])}, "table: column high: expected numbers, found the type Boolean"),
        (
            {"date": pl.Series(["2024-01-02", "soon", "2024-01-03"])},
            "table: row 2: column date: expected a time like 2019/11/26 9:35, found 'soon'",
        ),
        (
            {"date": pl.Series([date(2024, 1, 2), None, date(2024, 1, 3)])},
            "table: row 2: column date: expected a time like 2019/11/26 9:35, found an empty cell",
        ),
        (
            {"symbol": pl.Series(["A", "A", None])},
            "table: row 3: column symbol: expected a symbol, found an empty cell",
        ),
    ],
)
def test_a_bad_cell_is_refused_with_its_row_and_column(change: dict[str, pl.Series], message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(FRAME.with_columns(**change))
    assert str(caught.value) == message


def test_what_is_no_table_of_bars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"table: expected bars, found an empty table"):
        read(FRAME.clear())
    with pytest.raises(DataError, match=r"table: no column with the symbol") as caught:
        read(FRAME.drop("symbol"))
    assert "symbol=" in str(caught.value.hint)
    with pytest.raises(DataError, match=r"table: expected the columns .*; missing close; found symbol, date"):
        read(pa.table(FRAME.drop("close").to_arrow()))
    with pytest.raises(DataError, match=r"table: expected a table of Polars, pandas or Arrow, found dict"):
        read({"open": [1]})  # type: ignore[arg-type]
    for name, kind in (("a.parquet", "Parquet"), ("a.feather", "Arrow")):
        (tmp_path / name).write_bytes(b"garbage")
        with pytest.raises(DataError, match=rf"{name}: not readable as an? {kind} file: "):
            read(tmp_path / name)
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(DataError, match=r"a\.csv: expected a name that ends in \.parquet") as refused:
        read(tmp_path / "a.csv")
    assert refused.value.hint == "kq ingest csv reads CSV files."


def test_options_that_are_none_are_refused_before_reading(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels: expected end or start, found 'middle'"):
        read(tmp_path / "nowhere", labels="middle")
    with pytest.raises(ConfigError, match=r"amount: expected derive, zero, as_is, found 'x'"):
        read(tmp_path / "nowhere", amount="x")
