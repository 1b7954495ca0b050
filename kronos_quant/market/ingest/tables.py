"""CSV, Parquet, Arrow and Feather files, and tables in memory (Polars, pandas, Arrow) -> BarBatch.

The tutorial's form (`timestamps,open,close,high,low,volume,amount`, stamps like 2019/11/26 9:35), any column order,
the usual other names, one file per symbol or a column that names it. CSV, plain or compressed, is read as text first,
so that an error can name file, line, column and value; of other tables it names the row, counted from 1.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import polars as pl

from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.inputs import Table as InMemory
from kronos_quant.inputs import as_frame, as_path, short_repr
from kronos_quant.market.ingest.columns import LINE
from kronos_quant.market.ingest.klines import RawTable, ReadOptions, read_klines, to_batch
from kronos_quant.market.store import BarBatch
from kronos_quant.readers import read_csv, read_ipc, read_lines, read_parquet, regular_file

_SUFFIXES = (".csv", ".csv.gz", ".csv.zst")

Table: TypeAlias = InMemory | Path | str
"""A table in memory, or where its file or folder lies."""

_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".feather", ".ipc")
_IN_MEMORY = "table"


def read_csv_files(source: Path, options: ReadOptions | None = None) -> BarBatch:
    """The bars of a CSV file, or of all in a folder; DataError, with file, line, column and value, for a bad one."""
    options = options or ReadOptions()
    paths = source_files(source, _SUFFIXES, options.symbol)
    klines = [read_klines(RawTable(str(path), "line", path, read_text_table(path)), options) for path in paths]
    return to_batch(klines, "csv", source, options)


def source_files(source: Path, suffixes: Sequence[str], symbol: str | None) -> list[Path]:
    """The one file, or the files of a folder that end in one of `suffixes`, sorted by name.

    Raises DataError when there are none, ConfigError when a `symbol` is given for several.
    """
    if source.is_file():
        return [source]
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if not source.is_dir():
        regular_file(source)  # a pipe or a device, or nothing
    paths = sorted(path for path in source.iterdir() if path.name.lower().endswith(tuple(suffixes)))
    if not paths:
        found = listed(sorted(path.name for path in source.iterdir())) or "an empty folder"
        raise DataError(f"{source}: expected files that end in {', '.join(suffixes)}, found {found}")
    if symbol is not None and len(paths) > 1:
        raise ConfigError(f"symbol: given for one file, but {source} contains {len(paths)}", hint="Leave --symbol out.")
    return paths


def read_text_table(path: Path) -> pl.DataFrame:
    """All cells of a CSV file as text, with each row's line number in LINE; DataError for a file without a table."""
    lines = read_lines(path)
    _check_shape(path, lines)
    text = read_csv(path, line=LINE)
    text = text.filter(pl.any_horizontal(pl.exclude(LINE).is_not_null()))
    if text.is_empty():
        raise DataError(f"{path}: expected rows below the header line, found none")
    return text


def _check_shape(path: Path, lines: pl.Series) -> None:
    """Raise DataError for a line with more or fewer cells than the first: a row was cut off, or a comma is in a cell.

    Polars itself would take the missing cells for empty ones. A cell is on one line, so that rows have their numbers.
    """
    if (broken := lines.str.strip_chars_end("\r").str.contains("\r", literal=True).fill_null(False)).any():
        number = int(broken.arg_true()[0]) + 1
        raise DataError(f"{path}: line {number}: contains a carriage return", hint="Save it with the usual line ends.")
    counts = lines.str.count_matches(",", literal=True) + 1
    if lines.str.contains('"', literal=True).any():
        counts = pl.Series([_cells_in(path, number, line) for number, line in enumerate(lines, start=1)])
    written = (lines.str.strip_chars(', \t\r"') != "").fill_null(False).arg_true()
    wrong = counts.gather(written) != counts[int(written[0])] if len(written) else pl.Series([False])
    if not wrong.any():
        return
    first, row = int(written[0]), int(written.filter(wrong)[0])
    if counts[first] == 1 and any(separator in lines[first] for separator in ";\t|"):
        raise DataError(f"{path}: expected columns separated by commas, found {short_repr(lines[first])}")
    is_cut = counts[row] < counts[first]
    raise DataError(
        f"{path}: line {row + 1}: expected {counted(counts[first], 'cell')} as in line {first + 1}, found {counts[row]}"
        + (": the row is cut off" if is_cut else ""),
        hint="Complete or delete the line." if is_cut else "Quote a cell that has a comma.",
    )


def _cells_in(path: Path, number: int, line: str | None) -> int:
    try:
        return len(next(csv.reader([line], strict=True))) if line else 1
    except csv.Error as error:
        reason = "a quote is not closed" if "unexpected end" in str(error) else str(error)
        raise DataError(f"{path}: line {number}: {reason}") from None


def read_tables(source: Table, options: ReadOptions | None = None) -> BarBatch:
    """The bars of a table in memory, a Parquet, Arrow or Feather file, or a folder of them; a bad one as above."""
    options = options or ReadOptions()
    if not isinstance(source, Path | str):
        table = RawTable(_IN_MEMORY, "row", None, _number_rows(as_frame(source, _IN_MEMORY), _IN_MEMORY))
        return to_batch([read_klines(table, options)], _IN_MEMORY, None, options)
    folder = as_path(source, "source")
    paths = source_files(folder, (*_PARQUET, *_ARROW), options.symbol)
    tables = [RawTable(str(path), "row", path, _number_rows(_read_file(path), str(path))) for path in paths]
    return to_batch([read_klines(table, options) for table in tables], _IN_MEMORY, folder, options)


def _read_file(path: Path) -> pl.DataFrame:
    name = path.name.lower()
    if not name.endswith((*_PARQUET, *_ARROW)):
        hint = "kq ingest csv reads CSV files." if ".csv" in name else None
        raise DataError(f"{path}: expected a name that ends in {', '.join((*_PARQUET, *_ARROW))}", hint=hint)
    return read_parquet(path) if name.endswith(_PARQUET) else read_ipc(path)


def _number_rows(frame: pl.DataFrame, place: str) -> pl.DataFrame:
    if frame.is_empty():
        raise DataError(f"{place}: expected bars, found an empty table")
    return frame.with_row_index(LINE, offset=1)
