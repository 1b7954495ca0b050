"""Parquet, Arrow and Feather files, and tables in memory (Polars, pandas, Arrow) -> Batch.

The same columns, names and rules as CSV files; cells may be text or typed. Errors name the row, counted from 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.market.ingest.columns import LINE
from kronos_quant.market.ingest.csv_files import source_files
from kronos_quant.market.ingest.klines import RawTable, Reading, batch_of, read_klines
from kronos_quant.market.store import Batch

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Table: TypeAlias = Union[Path, str, pl.DataFrame, "pd.DataFrame", "pa.Table"]

_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".feather", ".ipc")
_IN_MEMORY = "table"


def read_tables(
    source: Table, symbol: str | None = None, exchange: str = "", amount: str = "derive", labels: str = "end"
) -> Batch:
    """The bars of a table in memory, of a Parquet, Arrow or Feather file, or of every such file in a folder.

    symbol, exchange, amount, labels : as in `read_csv_files`.
    Raises DataError, with place, row, column and value, for what cannot be read; ConfigError for options that do not
    fit.
    """
    reading = Reading(symbol, exchange, amount, labels)
    if not isinstance(source, Path | str):
        table = RawTable(_IN_MEMORY, "row", None, _numbered(_in_memory(source), _IN_MEMORY))
        return batch_of([read_klines(table, reading)], _IN_MEMORY, None, reading)
    folder = Path(source).expanduser()
    paths = source_files(folder, (*_PARQUET, *_ARROW), symbol)
    tables = [RawTable(str(path), "row", path, _numbered(_read_file(path), str(path))) for path in paths]
    return batch_of([read_klines(table, reading) for table in tables], _IN_MEMORY, folder, reading)


def _read_file(path: Path) -> pl.DataFrame:
    name = path.name.lower()
    if not name.endswith((*_PARQUET, *_ARROW)):
        hint = "kq ingest csv reads it" if ".csv" in name else None
        raise DataError(f"{path}: expected a name that ends in {', '.join((*_PARQUET, *_ARROW))}", hint=hint)
    try:
        return pl.read_parquet(path) if name.endswith(_PARQUET) else pl.read_ipc(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        kind = "Parquet" if name.endswith(_PARQUET) else "Arrow"
        raise DataError(f"{path}: not a {kind} file: {str(error).partition(chr(10))[0]}") from None


def _in_memory(source: Any) -> pl.DataFrame:
    """A table of Polars, pandas (its index becomes columns, unless it only counts) or Arrow."""
    if isinstance(source, pl.DataFrame):
        return source
    library = type(source).__module__.partition(".")[0]
    if library == "pandas":
        return _from_pandas(source)
    if library == "pyarrow":
        converted = pl.from_arrow(source)
        assert isinstance(converted, pl.DataFrame)
        return converted
    raise DataError(f"table: expected a path or a table of Polars, pandas or Arrow, found {type(source).__name__}")


def _from_pandas(source: pd.DataFrame) -> pl.DataFrame:
    """A pandas table; an index that only counts (also what a filter left of one) is dropped."""
    index = source.index
    unnamed = index.nlevels == 1 and index.name is None
    try:
        if unnamed and index.dtype.kind in "iu":
            return pl.from_pandas(source.reset_index(drop=True))
        return pl.from_pandas((source.rename_axis("time") if unnamed else source).reset_index())
    except (ValueError, TypeError) as error:  # Arrow's errors are among them
        reason = str(error).partition("\n")[0]
        raise DataError(f"{_IN_MEMORY}: not a table of plain columns: {reason}") from error


def _numbered(frame: pl.DataFrame, place: str) -> pl.DataFrame:
    if frame.is_empty():
        raise DataError(f"{place}: expected bars, found an empty table")
    return frame.with_row_index(LINE, offset=1)
