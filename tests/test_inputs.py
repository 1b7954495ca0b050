"""What the public functions take: dates, symbols, paths and tables in the forms that people have them in."""

from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from kronos_quant import ConfigError, DataError
from kronos_quant.inputs import (
    as_date,
    as_flag,
    as_frame,
    as_name,
    as_new_page,
    as_path,
    as_seed,
    as_symbols,
    as_text,
    as_texts,
)


@pytest.mark.parametrize(
    "given",
    ["2025-06-05", date(2025, 6, 5), datetime(2025, 6, 5), pd.Timestamp("2025-06-05"), np.datetime64("2025-06-05")],
)
def test_a_date_may_be_given_in_any_plain_form(given):
    assert as_date(given, "start") == date(2025, 6, 5)


@pytest.mark.parametrize("given", ["05/06/2025", "2025-13-01", 20250605, datetime(2025, 6, 5, 9, 30), "", True])
def test_what_may_be_another_day_is_refused_by_the_argument_s_name(given):
    with pytest.raises(ConfigError, match=r"start: expected a date such as 2025-06-05, found"):
        as_date(given, "start")


def test_one_symbol_is_one_symbol_not_its_letters():
    assert as_symbols("AAPL") == ["AAPL"]
    assert as_symbols(("B", "A", "B")) == ["B", "A"]
    assert as_symbols(None) is None


@pytest.mark.parametrize("given", [5, [], [5], ["A", ""], ""])
def test_what_is_no_symbol_is_refused(given):
    with pytest.raises(ConfigError, match="symbols: expected a symbol or a list of symbols"):
        as_symbols(given)


def test_the_same_table_of_polars_pandas_and_arrow_is_the_same_frame():
    frame = pl.DataFrame({"symbol": ["A"], "close": [1.0]})
    for given in (
        frame,
        frame.lazy(),
        pd.DataFrame({"symbol": ["A"], "close": [1.0]}),
        pa.table({"symbol": ["A"], "close": [1.0]}),
    ):
        assert as_frame(given, "bars").equals(frame)


def test_a_pandas_index_with_a_name_becomes_a_column():
    table = pd.DataFrame({"close": [1.0]}, index=pd.Index(["A"], name="symbol"))
    assert as_frame(table, "bars").columns == ["symbol", "close"]


@pytest.mark.parametrize("given", [{"a": [1]}, [1, 2], "bars.csv", None, pd.Series([1.0])])
def test_what_is_no_table_is_refused_by_the_argument_s_name(given):
    with pytest.raises(DataError, match="bars: expected a table of Polars, pandas or Arrow, found"):
        as_frame(given, "bars")


def test_a_path_is_text_or_a_path_and_nothing_else():
    assert as_path("~/x", "path") == Path.home() / "x"
    with pytest.raises(ConfigError, match="path: expected a path, found 3"):
        as_path(3, "path")


@pytest.mark.parametrize("given", [True, np.True_])
def test_a_flag_is_true_or_false_of_python_and_numpy(given):
    assert as_flag(given, "compute") is True


@pytest.mark.parametrize(
    ("convert", "given", "expected"),
    [
        *((as_flag, given, "True or False") for given in ("no", "yes", 1, 0, None, [], np.array([True, False]))),
        *((as_seed, given, "a whole number of at least 0") for given in ("x", 1.5, -1, True, None)),
        *((as_text, given, "a text") for given in (5, "", " ", None)),
        *((as_texts, given, "a text") for given in (5, [5], [""], None)),
    ],
)
def test_what_is_none_of_its_kind_is_refused_by_the_argument_s_name(convert, given, expected):
    with pytest.raises(ConfigError, match=f"^given: expected {expected}, found ") as caught:
        convert(given, "given")
    assert "\n" not in str(caught.value)


def test_a_file_to_write_lies_in_a_folder_that_is_there(tmp_path):
    assert as_new_page(tmp_path / "a.html", "page") == tmp_path / "a.html"
    with pytest.raises(ConfigError, match="page: no such folder"):
        as_new_page(tmp_path / "lost" / "a.html", "page")
    with pytest.raises(ConfigError, match="page: expected a file to write, found the folder"):
        as_new_page(tmp_path, "page")
    assert list(tmp_path.iterdir()) == []


NO_NAMES = (
    "", " ", ".", "..", ".hidden", "-x", "../mine", "a/b", "a\\b", "C:x", "a b", "x.", "x ", "a\0b", "a\nb", "\x1b[31m",
    "x" * 65, "x" * 100_000, "CON", "aux.txt", "nul", "LPT1", "é", "Ａ", "a\u200bb", "\u202ea", "=1", None, 5, b"x",
)  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES, ids=range(len(NO_NAMES)))
def test_a_name_that_could_be_no_file_s_is_refused_in_one_line(name):
    with pytest.raises(ConfigError, match=r"^--name: expected ") as caught:
        as_name(name, "--name")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", ["a", "Alpha-2.x", "0_1", "x" * 64, "console", "com10"])
def test_a_name_is_letters_digits_dots_dashes_and_underscores(name):
    assert as_name(name, "--name") == name


@pytest.mark.parametrize("path", ["", " ", "a\0b", "x" * 256, "a/" * 3000, "é" * 128, 5, None])
def test_what_no_file_system_can_hold_is_no_path(path):
    with pytest.raises(ConfigError, match=r"^out: expected a path, found "):
        as_path(path, "out")


def test_the_home_of_nobody_is_a_name_like_any_other():
    assert as_path("~nobody-of-this-name/x", "out") == Path("~nobody-of-this-name/x")


@pytest.mark.parametrize("name", ["kq.yaml", "bars.parquet", "page"])
def test_a_page_replaces_no_file_of_another_kind(tmp_path, name):
    (tmp_path / name).write_text("kept")
    with pytest.raises(ConfigError, match=r"page: expected a file to write that ends in \.html, found "):
        as_new_page(tmp_path / name, "page")
