"""Parquet, Arrow and Feather files, and tables in memory (Polars, pandas, Arrow) -> Batch.

The same columns, names and rules as CSV files; cells may be text or typed. Errors name the row, counted from 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.inputs import as_frame
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
        table = RawTable(_IN_MEMORY, "row", None, _numbered(as_frame(source, _IN_MEMORY), _IN_MEMORY))
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


def _numbered(frame: pl.DataFrame, place: str) -> pl.DataFrame:
    if frame.is_empty():
        raise DataError(f"{place}: expected bars, found an empty table")
    return frame.with_row_index(LINE, offset=1)
