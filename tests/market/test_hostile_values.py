"""Hostile cells, lines and symbols at every door of the bars: each ends in the right value or in one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kronos_quant.errors import ConfigError, DataError, KronosQuantError
from kronos_quant.market.ingest.klines import ReadOptions
from kronos_quant.market.ingest.lists import read_intervals
from kronos_quant.market.ingest.qlib_dir import read_qlib_dir
from kronos_quant.market.ingest.tables import read_csv_files, read_tables
from kronos_quant.market.quality.checks import screen
from kronos_quant.market.store import BarBatch, tidy_bars
from kronos_quant.market.symbols import LONGEST_SYMBOL, canonical, symbol_fault
from kronos_quant.model.series import read_rows
from kronos_quant.schema import BARS
from kronos_quant.signals.table import read_score_table

PRICES = "date,open,high,low,close"
HEADER = f"{PRICES},volume"
GOOD = "2024-01-02,1,2,0.5,1.5,10\n2024-01-03,1,2,0.5,1.5,10\n"
DOUBLE = "expected one column for open, found open, "

REFUSED = {
    "two columns of one name": (f"{PRICES},open\n{GOOD}", DOUBLE + "open"),
    "one column in two cases": (f"{PRICES},OPEN\n{GOOD}", DOUBLE + "OPEN"),
    "one column with Qlib's mark": (f"{PRICES},$open\n{GOOD}", DOUBLE + "$open"),
    "two names of the volume": (f"{HEADER},vol\n2024-01-02,1,2,1,1,1,1\n", "expected one column for volume, found"),
    "a last row cut after its date": (f"{HEADER}\n{GOOD}2024-01-04", "line 4: expected 6 cells as in line 1, found 1"),
    "a last row cut within": (f"{HEADER}\n{GOOD}2024-01-04,1,2\n", "line 4: expected 6 cells as in line 1, found 3"),
    "a cell too many": (f"{HEADER}\n{GOOD}2024-01-04,1,2,1,1,1,1\n", "line 4: expected 6 cells as in line 1, found 7"),
    "wrong thousands": (f'{HEADER}\n2024-01-02,"1,23.5",2,1,1,1\n', "line 2: column open: expected a number"),
    "a decimal comma among points": (
        f'{HEADER}\n2024-01-02,"1,5",2.5,1,1,1\n',
        "line 2: column open: expected a number, found '1,5'",
    ),
    "semicolons": ("date;open\n2024-01-02;1,5\n", "expected the columns timestamps, open, high, low, close; missing"),
    "a header twice": (f"{HEADER}\n{GOOD}{HEADER}\n", "line 4: column open: expected a number, found 'open'"),
    "a line of totals": (f"{HEADER}\n{GOOD}Total,,,,,20\n", "line 4: column date: expected a time like"),
    "a comment within": (f"{HEADER}\n# bars\n{GOOD}", "line 2: expected 6 cells as in line 1, found 1"),
    "an open quote": (f'{HEADER}\n"2024-01-02,1,2,1,1,1\n{GOOD}', "line 2: a quote is not closed"),
    "a quote over two lines": (f'{HEADER}\n"2024-01-02\n",1,2,1,1,1\n', "line 2: a quote is not closed"),
    "carriage returns": (f"{HEADER}\n{GOOD}".replace("\n", "\r"), "line 1: contains a carriage return"),
    "a carriage return within": (f"{HEADER}\n2024-01-02,1,2\r,1,1,1\n", "line 2: contains a carriage return"),
    "half a UTF-16 letter": (f"{HEADER}\n{GOOD}".encode("utf-16") + b"x", "line 4: expected text in UTF-16"),
    "Latin-1": (f"{HEADER}\n2024-01-02,caf\xe9,2,1,1,1\n".encode("latin-1"), "line 2: expected text in UTF-8, UTF-16"),
    "NUL": (f"{HEADER}\n2024-01-02,1\0,2,1,1,1\n", "line 2: column open: expected a number, found '1\\x00'"),
    "bytes of all kinds": (bytes(range(256)) * 9, "line 2: expected text in UTF-8, UTF-16 and GB18030"),
    "blank lines": ("\n\n\n", "expected a header line and rows, found an empty file"),
    "year 1": (f"{HEADER}\n0001-01-01,1,2,1,1,1\n{GOOD}", "line 2: column date: expected a year from 1800"),
    "year 9999": (f"{HEADER}\n{GOOD}9999-12-31,1,2,1,1,1\n", "line 4: column date: expected a year from 1800"),
    "a day that is none": (f"{HEADER}\n2024-02-30,1,2,1,1,1\n", "line 2: column date: expected a time like"),
    "a number of days": (f"{HEADER}\n15295,1,2,1,1,1\n", "line 2: column date: expected a time like"),
    **{
        f"the number {cell}": (
            f"{HEADER}\n{GOOD}2024-01-04,{cell},9,1,5,1\n",
            f"line 4: column open: expected a number, found {cell!r}",
        )
        for cell in ("0x10", "1_000", "٣", "1 000", "−5", "½", "true", "1d1", "5%", "=1+1")
    },
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_damaged_file_is_refused_with_line_and_column(tmp_path: Path, case: str) -> None:
    content, told = REFUSED[case]
    path = tmp_path / "AAA.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read_csv_files(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: {told}")
    assert line.isprintable()
    assert len(line) < len(str(path)) + 200


@pytest.mark.parametrize(
    ("text", "bars"),
    [
        (f"\ufeff{HEADER}\n{GOOD}", 2),
        (f"{HEADER}\n{GOOD}".replace("\n", "\r\n", 2), 2),
        (f"\n\n{HEADER}\n\n{GOOD}\n,,,,,\n", 2),
        (f"{HEADER}\n{GOOD}\nsource: x\n", 2),
        (f"# bars\n{HEADER}\n{GOOD}", 2),
        (f"{PRICES},note\n2024-01-02,１,２,1,1,x\n", 1),
        (f"{HEADER}\n45295,1,2,1,1,1\n", 1),
        (f"date,,open,high,low,close\n2024-01-02,,{1},2,1,1\n", 1),
        ('"date","open","high","low","close"\n"2024-01-02","1","2","1","1"\n', 1),
        (f"{HEADER},note,note\n2024-01-02,1,2,1,1,1,a,b\n", 1),
        (f"{HEADER}\n2024-01-02,+1, 2 ,1.,1e0,-0.0\n", 1),
    ],
)
def test_an_odd_but_whole_file_is_read(tmp_path: Path, text: str, bars: int) -> None:
    (tmp_path / "AAA.csv").write_bytes(text.encode())
    found = tidy_bars(read_csv_files(tmp_path / "AAA.csv"))
    assert (found.height, found["open"][0], found["high"][0]) == (bars, 1.0, 2.0)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "gb18030"])
def test_a_file_is_read_in_the_encodings_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "AAA.csv").write_bytes(f"{PRICES},成交量\n{GOOD}".encode(encoding))
    assert read_csv_files(tmp_path / "AAA.csv").bars["volume"].to_list() == [10, 10]


@pytest.mark.parametrize(
    ("cells", "bar"),
    [('"1,234.5",2', (1234.5, 2.0)), ('"1,5","2,25"', (1.5, 2.25)), ('"1,234,567",2', (1234567.0, 2.0))],
)
def test_thousands_separators_and_decimal_commas_are_told_apart(
    tmp_path: Path, cells: str, bar: tuple[float, float]
) -> None:
    (tmp_path / "AAA.csv").write_text(f"{HEADER}\n2024-01-02,{cells},1,1,1\n")
    assert read_csv_files(tmp_path / "AAA.csv").bars.select("open", "high").row(0) == bar


def test_a_value_beyond_float32_has_the_name_of_its_fault(tmp_path: Path) -> None:
    names = ("open", "high", "low", "close", "volume", "amount", "factor")
    cells = ("1e39", "1e300", "inf", "1e400")
    cases = [(name, cell) for name in ("open", "volume", "amount", "factor") for cell in cells]
    rows = [dict.fromkeys(names, "1") | {name: cell} for name, cell in cases]
    lines = [f"S{number},2024-01-04,{','.join(row.values())}" for number, row in enumerate(rows)]
    (tmp_path / "a.csv").write_text("\n".join([f"symbol,date,{','.join(names)}", *lines]) + "\n")
    refused = screen(tidy_bars(read_csv_files(tmp_path / "a.csv"))).refused
    assert refused["rules"].to_list() == ["infinite_value"] * len(cases)


def bars_of(symbol: Any) -> pl.DataFrame:
    days = pl.date_range(pl.date(2024, 1, 2), pl.date(2024, 1, 4), eager=True)
    return pl.DataFrame({"symbol": [symbol] * 3, "date": days, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.0})


def stored(symbol: str) -> pl.DataFrame:
    rows = bars_of(symbol).with_columns(time=pl.col("date").cast(pl.Datetime("us")), volume=1.0, amount=1.0, factor=1.0)
    return rows.select(list(BARS)).cast(pl.Schema(BARS))


def csv_with(folder: Path, text: str) -> Path:
    (folder / "a.csv").write_text(text)
    return folder / "a.csv"


def quoted(symbol: str) -> str:
    return '"' + symbol.replace('"', '""') + '"'


def qlib_list(folder: Path, symbol: str) -> BarBatch:
    (folder / "instruments").mkdir()
    (folder / "instruments" / "all.txt").write_text(f"{symbol}\t2024-01-02\t2024-01-04\n")
    return qlib_folder(folder, "sh600000")


def qlib_folder(folder: Path, symbol: str) -> BarBatch:
    (folder / "calendars").mkdir()
    (folder / "calendars" / "day.txt").write_text("2024-01-02\n2024-01-03\n")
    place = folder / "features" / symbol
    place.mkdir(parents=True)
    for field in ("open", "high", "low", "close", "volume", "factor"):
        np.array([0, 1, 1], dtype="<f4").tofile(place / f"{field}.day.bin")
    return read_qlib_dir(folder)


Door = Callable[[Path, str], object]
DOORS: dict[str, Door] = {
    "a CSV column": lambda folder, symbol: read_csv_files(
        csv_with(folder, f"symbol,date,open,high,low,close\n{quoted(symbol)},2024-01-02,1,2,1,1\n")
    ),
    "--symbol": lambda folder, symbol: ReadOptions(symbol),
    "a table in memory": lambda folder, symbol: read_tables(bars_of(symbol)),
    "a pandas table": lambda folder, symbol: read_tables(bars_of(symbol).to_pandas()),
    "bars of a forecast": lambda folder, symbol: read_rows(bars_of(symbol)),
    "stored bars of a forecast": lambda folder, symbol: read_rows(stored(symbol)),
    "a list": lambda folder, symbol: read_intervals(
        csv_with(folder, f"symbol,start,end\n{quoted(symbol)},2024-01-02,\n"), ""
    ),
    "a list of Qlib's": qlib_list,
}
NO_SYMBOLS = (
    "", " ", "A\0B", "A\x1b[31mB", "A\x7fB", "../../X", "..", "/etc", "A\\B", "C:X", "A/B/C", "A..B", "X.", ".",
    "=1+1", "+X", "-X", "@X", "[red]X", "<b>", "A|B", "A*", "A?", "A;B", "A'B", "{A}", "АAPL", "Αlpha", "A\u200bB",
    "A\u202eB", "A\ufeff", "ß", "É", "🙂", "x" * 65, "x" * 100_000,
)  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_what_could_be_no_symbol_is_refused_at_every_door(tmp_path: Path, door: str) -> None:
    for number, symbol in enumerate(NO_SYMBOLS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(KronosQuantError) as caught:
            DOORS[door](folder, symbol)
        line = str(caught.value).replace(str(folder), "")
        assert "expected " in line, symbol
        assert line.isprintable(), symbol
        assert len(line) < 250, symbol


@pytest.mark.parametrize("name", ["A\x1bB", "=1", "x" * 65, "А", "A B."])
def test_a_folder_or_a_file_named_so_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="expected folders named after symbols, found"):
        qlib_folder(tmp_path, name)
    (tmp_path / f"{name}.csv").write_text(f"{HEADER}\n{GOOD}")
    with pytest.raises(DataError, match="expected a symbol in the file's name, found"):
        read_csv_files(tmp_path / f"{name}.csv")


REAL = {
    "SH600000": "SH600000", "000001.SZ": "SZ000001", "brk.b": "BRK.B", "^GSPC": "^GSPC", ".DJI": ".DJI",
    "ES=F": "ES=F", "EURUSD=X": "EURUSD=X", "BTC-USD": "BTC-USD", "BTC/USDT": "BTC-USDT", "M&M.NS": "M&M.NS",
    "BTC/USDT:USDT": "BTC-USDT-USDT", "RB2410.SHFE": "RB2410.SHFE", "ES1!": "ES1!", "GET_PRICE (1)": "GET_PRICE (1)",
    "NASDAQ_AAPL, 1D": "NASDAQ_AAPL, 1D", "bars[1]": "BARS[1]", "CON": "CON", "ＳＨ６０００００": "SH600000",
    "６０００００．ＳＨ": "SH600000", "贵州茅台": "贵州茅台", "x" * LONGEST_SYMBOL: "X" * LONGEST_SYMBOL,
}  # fmt: skip


@pytest.mark.parametrize("text", REAL)
def test_a_real_symbol_is_one_and_has_one_spelling(text: str) -> None:
    assert symbol_fault(text) is None
    assert canonical(text) == REAL[text]
    assert canonical(canonical(text)) == REAL[text]


@pytest.mark.parametrize(
    "table",
    [
        pa.table([["A"], [1.0], [2.0]], names=["symbol", "open", "open"]),
        pd.concat([bars_of("A").to_pandas(), bars_of("A").to_pandas()[["open"]]], axis=1),
        bars_of("A").with_columns(OPEN=pl.lit(3.0)),
        bars_of("A").with_columns(close=pl.lit([1.0])),
        bars_of("A").with_columns(date=pl.lit([1])),
        bars_of("A").with_columns(symbol=pl.lit(["A"])),
        bars_of("A").with_columns(symbol=pl.lit(600000.5)),
        bars_of("A").with_columns(date=pl.date(1, 1, 1)),
        bars_of("A").with_columns(date=pl.date(9999, 12, 31)),
        bars_of("A").with_columns(volume=pl.lit("1_000")),
    ],
    ids=range(10),
)  # fmt: skip
def test_a_damaged_table_in_memory_is_refused_in_one_line(table: Any) -> None:
    with pytest.raises(DataError) as caught:
        read_tables(table)
    assert str(caught.value).startswith("table: ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("stamp", ["0001-01-01", "9999-12-31"])
def test_a_calendar_and_scores_have_years_of_bars(tmp_path: Path, stamp: str) -> None:
    (tmp_path / "calendars").mkdir()
    (tmp_path / "features").mkdir()
    (tmp_path / "calendars" / "day.txt").write_text(f"{stamp}\n")
    with pytest.raises(DataError, match=r"day\.txt: line 1: expected a year from 1800 to 2199, found "):
        read_qlib_dir(tmp_path)
    scores = pl.DataFrame({"date": [stamp], "symbol": ["A"], "score": [1.0]})
    with pytest.raises(DataError, match="scores: date: expected a year from 1800 to 2199, found "):
        read_score_table(scores, ["A"])


def test_scores_with_two_columns_of_a_name_are_refused(tmp_path: Path) -> None:
    path = csv_with(tmp_path, "date,symbol,score,score\n2024-01-02,A,1,2\n")
    with pytest.raises(DataError, match=r"a\.csv: expected one column of each name, found several: score"):
        read_score_table(path, ["A"])


def test_a_symbol_given_for_a_file_is_checked_as_an_argument() -> None:
    with pytest.raises(ConfigError, match=r"symbol: expected a symbol such as SH600000, found '../../X' "):
        ReadOptions("../../X")
