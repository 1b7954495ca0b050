"""CSV and other text files, Parquet, Arrow and Feather files, tables in memory (Polars, pandas, Arrow) -> BarBatch.

The tutorial's form (`timestamps,open,close,high,low,volume,amount`, stamps like 2019/11/26 9:35), any column order, and
the forms of vendors (`market.dialects`), one file per symbol or a column that names it. Text, plain or compressed, is
read as text first, so that an error can name file, line, column and value; of other tables it names the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import polars as pl

from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.inputs import Table as InMemory
from kronos_quant.inputs import as_frame, as_path
from kronos_quant.market.dialects.factors import FACTORS, read_factors
from kronos_quant.market.dialects.layout import AUTO, is_bar_table, is_factor_table, stem_of
from kronos_quant.market.dialects.names import FIELDS, find_columns
from kronos_quant.market.dialects.tdx_files import TDX_FILES, read_tdx_file
from kronos_quant.market.dialects.texts import LINE, TextTable, check_names, read_text
from kronos_quant.market.ingest.klines import Klines, RawTable, ReadOptions, read_klines, to_batch
from kronos_quant.market.store import BarBatch
from kronos_quant.readers import read_ipc, read_packed, read_parquet, regular_file

_PACKED = ("", ".gz", ".zst")
_CSV = tuple(f".csv{packed}" for packed in _PACKED)
_TEXTS = tuple(f"{ending}{packed}" for ending in (".csv", ".txt", ".tsv", ".json") for packed in _PACKED)

Table: TypeAlias = InMemory | Path | str
"""A table in memory, or where its file or folder lies."""

_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".feather", ".ipc")
_IN_MEMORY = "table"
_FACTOR_NAME = re.compile(r"(?:.*[_\-. ])?factors?|.*复权因子.*|(?:adj|adjust)factors?")
"""The name of a file or folder of factors, without its ending."""


def read_csv_files(source: Path, options: ReadOptions | None = None, factors: Path | None = None) -> BarBatch:
    """The bars of a text file, or of all in a folder; factors beside them make adjusted prices of raw ones.

    Parameters
    ----------
    source, options
        The file or folder, and what it does not contain.
    factors
        File or folder of factors; None: those beside the source whose names say so.

    Raises
    ------
    DataError
        With file, line, column and value, for a bad one.
    """
    options = options or ReadOptions()
    _, klines, notes = _read_texts(source, options, factors)
    batch = to_batch(klines, "csv", source, options, factors)
    return replace(batch, notes=(*batch.notes, *notes))


def _read_texts(
    source: Path, options: ReadOptions, factors: Path | None
) -> tuple[list[RawTable], list[Klines], list[str]]:
    """The tables of bars among text files, their bars, and notes about the files beside them."""
    tables, factor_tables, skipped = _gather(source, options.symbol)
    if factors is not None:
        factor_tables += _factor_tables(factors)
    elif not factor_tables:
        factor_tables = _factors_beside(source)
    known = _factors(factor_tables, options.exchange)
    klines = [read_klines(table, _options_for(table, options), known) for table in tables]
    notes = [f"not bars, skipped: {counted(len(skipped), 'file')} ({listed(skipped, 3)})"] if skipped else []
    if factor_tables:
        places = listed([table.name.name for table in factor_tables if table.name is not None], 3)
        notes.append(f"factors read from {counted(len(factor_tables), 'file')} ({places})")
    return tables, klines, notes


def _gather(source: Path, symbol: str | None) -> tuple[list[RawTable], list[RawTable], list[str]]:
    """The tables of bars, the tables of factors, and the names of text files that are neither."""
    bars: list[RawTable] = []
    factors: list[RawTable] = []
    skipped: list[str] = []
    for path in source_files(source, (*_TEXTS, *TDX_FILES), symbol):
        if path.name.lower().endswith(TDX_FILES):
            bars.append(RawTable(str(path), "bar", path, read_tdx_file(path)))
            continue
        doubtful = path != source and not path.name.lower().endswith(_CSV)
        try:
            table = _raw(path, read_text_table(path))
        except DataError:
            if not doubtful:
                raise
            skipped.append(path.name)
            continue
        names = [name for name in table.frame.columns if name != LINE]
        if is_factor_table(names):
            factors.append(table)
        elif doubtful and not _may_be_bars(table):
            skipped.append(path.name)
        else:
            bars.append(table)
    if not bars:
        raise DataError(f"{source}: expected files of bars, found {listed(skipped) or 'factors only'}")
    return bars, factors, skipped


def _options_for(table: RawTable, options: ReadOptions) -> ReadOptions:
    binary = table.text is None and options.dialect == AUTO
    return replace(options, dialect="tongdaxin_files") if binary else options


def _raw(path: Path, text: TextTable) -> RawTable:
    return RawTable(str(path), "line", path, text.frame, text)


def _may_be_bars(table: RawTable) -> bool:
    assert table.text is not None
    return not table.text.has_header or is_bar_table([name for name in table.frame.columns if name != LINE])


def _factors_beside(source: Path) -> list[RawTable]:
    """Tables of factors in files beside the source, or in a folder beside its folder, that are named so."""
    folder = source if source.is_dir() else source.parent
    files = [path for path in folder.iterdir() if path != source and _is_named_factor(path)]
    folders = [path for path in folder.absolute().parent.iterdir() if path.is_dir() and _is_named_factor(path)]
    found = [path for path in files if path.is_file()]
    for place in sorted((*folders, *(path for path in files if path.is_dir()))):
        found += place.iterdir()
    found = _ending(found, _TEXTS)
    stem = stem_of(source)
    if source.is_file() and any(stem_of(path) == stem for path in found):
        found = [path for path in found if stem_of(path) == stem]
    tables = [_raw(path, read_text_table(path)) for path in found]
    return [table for table in tables if is_factor_table(table.frame.columns)]


def _is_named_factor(path: Path) -> bool:
    return _FACTOR_NAME.fullmatch(stem_of(path).lower()) is not None


def _factor_tables(source: Path) -> list[RawTable]:
    tables = [_raw(path, read_text_table(path)) for path in source_files(source, _TEXTS, None)]
    wrong = next((table for table in tables if not is_factor_table(table.frame.columns)), None)
    if wrong is not None:
        found = ", ".join(name for name in wrong.frame.columns if name != LINE)
        raise DataError(f"{wrong.place}: expected a table of factors, found the columns {found}")
    return tables


def _factors(tables: Sequence[RawTable], exchange: str) -> pl.DataFrame | None:
    """All factors; those that multiply raw prices before those that divide them."""
    multiplying, dividing = [pl.DataFrame(schema=FACTORS)], [pl.DataFrame(schema=FACTORS)]
    for table in tables:
        multiplies = find_columns(table.frame.columns, (*FIELDS["raw_factor"], *FIELDS["factor"]))
        own = read_factors(table.place, table.frame, table.name, exchange)
        (multiplying if multiplies else dividing).append(own)
    if not tables:
        return None
    first = pl.concat(multiplying)
    others = pl.concat(dividing).filter(~pl.col("symbol").is_in(first["symbol"].unique().implode()))
    return pl.concat([first, others]).unique(["symbol", "date"], keep="last").sort("symbol", "date")


def source_files(source: Path, suffixes: Sequence[str], symbol: str | None) -> list[Path]:
    """The one file, or the files of a folder (else of the folders in it) that end in one of `suffixes`, by name.

    Raises DataError when there are none, ConfigError when a `symbol` is given for several.
    """
    if source.is_file():
        return [source]
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if not source.is_dir():
        regular_file(source)  # a pipe or a device, or nothing
    paths = _ending(source.iterdir(), suffixes)
    if not paths:
        folders = [folder for folder in source.iterdir() if folder.is_dir()]
        paths = _ending((inner for folder in folders for inner in folder.iterdir()), suffixes)
    if not paths:
        found = listed(sorted(path.name for path in source.iterdir())) or "an empty folder"
        plain = [suffix for suffix in suffixes if not suffix.endswith(_PACKED[1:])]
        raise DataError(f"{source}: expected files that end in {', '.join(plain)}, found {found}")
    if symbol is not None and len(paths) > 1:
        raise ConfigError(f"symbol: given for one file, but {source} contains {len(paths)}", hint="Leave --symbol out.")
    return paths


def _ending(paths: Iterable[Path], suffixes: Sequence[str]) -> list[Path]:
    return sorted(path for path in paths if path.name.lower().endswith(tuple(suffixes)) and not path.is_dir())


def read_text_table(path: Path) -> TextTable:
    """The table of a text file, plain or compressed; DataError for a file without one."""
    return read_text(read_packed(path), str(path))


def read_tables(source: Table, options: ReadOptions | None = None) -> BarBatch:
    """The bars of a table in memory, a Parquet, Arrow or Feather file, or a folder of them; a bad one as above."""
    options = options or ReadOptions()
    place = as_path(source, "source") if isinstance(source, Path | str) else None
    klines = [read_klines(table, options) for table in _raw_tables(source, options.symbol)]
    return to_batch(klines, _IN_MEMORY, place, options)


def _raw_tables(source: Table, symbol: str | None) -> list[RawTable]:
    if not isinstance(source, Path | str):
        return [RawTable(_IN_MEMORY, "row", None, _number_rows(as_frame(source, _IN_MEMORY), _IN_MEMORY))]
    paths = source_files(as_path(source, "source"), (*_PARQUET, *_ARROW), symbol)
    return [RawTable(str(path), "row", path, _number_rows(_read_file(path), str(path))) for path in paths]


def read_sources(
    source: Table, options: ReadOptions, factors: Path | None
) -> tuple[list[RawTable], list[Klines], list[str]]:
    """The tables of a source of either kind, their bars, and notes: files of Parquet and Arrow by their endings."""
    if isinstance(source, Path | str):
        path = as_path(source, "source")
        inside = list(path.iterdir()) if path.is_dir() else [path]
        if _ending(inside, (*_TEXTS, *TDX_FILES)) or not _ending(inside, (*_PARQUET, *_ARROW)):
            return _read_texts(path, options, factors)
    tables = _raw_tables(source, options.symbol)
    return tables, [read_klines(table, options) for table in tables], []


def _read_file(path: Path) -> pl.DataFrame:
    name = path.name.lower()
    if not name.endswith((*_PARQUET, *_ARROW)):
        hint = "kq ingest csv reads CSV files." if ".csv" in name else None
        raise DataError(f"{path}: expected a name that ends in {', '.join((*_PARQUET, *_ARROW))}", hint=hint)
    return read_parquet(path) if name.endswith(_PARQUET) else read_ipc(path)


def _number_rows(frame: pl.DataFrame, place: str) -> pl.DataFrame:
    if frame.is_empty():
        raise DataError(f"{place}: expected bars, found an empty table")
    check_names(frame.columns, place)
    return frame.with_row_index(LINE, offset=1)
