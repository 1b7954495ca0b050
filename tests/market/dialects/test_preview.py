"""`kq ingest csv --dry-run`: what is understood of a source, and nothing written; lists with vendors' names."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kronos_quant.errors import ConfigError
from kronos_quant.market import preview
from kronos_quant.market.ingest.lists import read_intervals

TUSHARE = """\
ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount
600000.SH,20240528,8.0,8.2,7.9,8.1,8.0,0.1,1.25,10000,8050
600000.SH,20240527,8.0,8.2,7.9,8.1,8.0,0.1,1.25,10000.5,8050
"""


def test_a_preview_says_what_was_understood(tmp_path: Path) -> None:
    (tmp_path / "daily.csv").write_text(TUSHARE)
    found = preview(tmp_path / "daily.csv")
    assert (found.dialect, found.volume_unit, found.amount_unit, found.prices) == ("tushare", "lots", "thousand", "raw")
    assert found.columns["symbol"] == "ts_code"
    assert found.unread == ("pre_close", "change", "pct_chg")
    assert (found.symbols, found.bars, found.first) == (("SH600000",), 2, "2024-05-27 00:00:00")
    assert found.before[0]["vol"] == "10000"
    assert found.after[0]["volume"] == 1_000_000
    lines = found.lines()
    assert lines[0] == f"{tmp_path}/daily.csv: tushare daily (tushare), comma, UTF-8"
    assert lines[-1] == "nothing was written"
    assert json.dumps(found.as_dict(), default=str)
    assert list(tmp_path.iterdir()) == [tmp_path / "daily.csv"]


def test_a_table_in_memory_and_a_parquet_file_are_previewed(tmp_path: Path) -> None:
    frame = pl.DataFrame({"order_book_id": ["000001.XSHE"], "date": [date(2024, 5, 27)]}).with_columns(
        **{name: pl.lit(10.0) for name in ("open", "high", "low", "close")}, volume=100, total_turnover=pl.lit(1000.0)
    )
    frame.write_parquet(tmp_path / "bars.parquet")
    for source in (frame, tmp_path / "bars.parquet"):
        found = preview(source)
        assert (found.dialect, found.symbols, found.encoding) == ("ricequant", ("SZ000001",), "")


def test_an_unknown_dialect_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dialect: unknown 'bloomberg'; expected auto, yfinance, "):
        preview(tmp_path, dialect="bloomberg")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("股票代码,纳入日期,剔除日期\n1,20240102,\n600000,2024/1/2,2024年6月28日\n", "gbk"),
        ("con_code;in_date;out_date\n000001.SZ;20240102;\n600000.SH;20240102;20240628\n", "utf-8"),
        ("ts_code\tstart_date\tend_date\n000001.SZ\t20240102\t\n600000.SH\t20240102\t20240628\n", "utf-16"),
    ],
)
def test_lists_take_the_same_names_encodings_and_separators(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "list.csv").write_bytes(text.encode(encoding))
    rows = read_intervals(tmp_path / "list.csv", "XSHG").select("symbol", "start", "end").rows()
    assert [row[0] for row in rows] == ["SH600000", "SZ000001"]
    assert rows[0][1:] == (date(2024, 1, 2), date(2024, 6, 28))
