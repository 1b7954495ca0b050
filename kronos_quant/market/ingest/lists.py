"""CSV files or tables of intervals -> universes, and dated facts about symbols.

Columns symbol, start, end (inclusive; empty: not ended) and, for some kinds, value; in any order, other columns are
ignored. A list replaces the stored list of its name as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant.display import FORMULA, TextReport
from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.inputs import LONGEST_NAME, PathLike, Table, as_frame, as_name, as_path, short_repr
from kronos_quant.market.database import ingest_lock, open_database, statement, transaction
from kronos_quant.market.dialects.cells import MISSING, usual_stamps
from kronos_quant.market.dialects.names import FIELDS, find_columns
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.market.exchanges.funds import FUND_KINDS
from kronos_quant.market.ingest.columns import parse_stamps
from kronos_quant.market.ingest.spellings import unquoted, with_zeros
from kronos_quant.market.ingest.tables import read_text_table
from kronos_quant.market.reader import open_market
from kronos_quant.market.snapshots import publish
from kronos_quant.market.store import make_instruments, store_universes
from kronos_quant.market.symbols import canonical_column, find_fault, symbol_fault
from kronos_quant.market.universes import ALL, INTERVALS, OPEN_END, WITH_VALUE, check_kind, replace_intervals
from kronos_quant.schema import INSTRUMENTS

_COLUMNS = ("symbol", "start", "end", "value")


@dataclass(frozen=True, slots=True, repr=False)
class ListReport(TextReport):
    """What the ingest of one list did."""

    what: str
    """`universe csi300`, `intervals st`."""
    path: str
    intervals: int
    symbols: int
    first: date
    last: date
    """The last start or end; open ends do not count."""
    replaced: int
    """Stored intervals of this name that were replaced."""
    without_bars: tuple[str, ...]
    """Symbols of the list without any stored bar."""
    snapshot: str

    def lines(self) -> list[str]:
        """The report in words, one fact per line."""
        lines = [
            f"{self.path}: {self.what}: {counted(self.intervals, 'interval')} of {counted(self.symbols, 'symbol')}, "
            f"{self.first} to {self.last}; {self.replaced:,} replaced"
        ]
        if self.without_bars:
            lines.append(f"without bars: {counted(len(self.without_bars), 'symbol')} ({listed(self.without_bars)})")
        return [*lines, f"snapshot {self.snapshot[:16]}"]


def ingest_universe(root: PathLike, name: str, source: PathLike | Table) -> ListReport:
    """Read the intervals of a universe into the workspace folder `root` and publish the result.

    Parameters
    ----------
    root, name
        The workspace's folder; the universe's name in letters, digits, `_`, `.` and `-`, kept in lower case.
    source
        A CSV file or a table with symbol, start and end.

    Raises
    ------
    ConfigError
        For an invalid name.
    DataError
        For a source that cannot be read, or a workspace without bars; the store is unchanged then.
    """
    root, name = as_path(root, "root"), as_name(name, "universe name").lower()
    if name == ALL:
        raise ConfigError(f"universe name: {ALL!r} is every stock", hint="Choose another name.")
    intervals = read_intervals(source, open_market(root).exchange).drop("value").with_columns(universe=pl.lit(name))

    def replace(connection: duckdb.DuckDBPyConnection) -> int:
        [(before,)] = connection.execute("SELECT count(*) FROM universes WHERE universe = ?", [name]).fetchall()
        store_universes(connection, intervals)
        return int(before)

    return store_list(root, f"universe {name}", source, intervals, replace)


def ingest_intervals(root: PathLike, kind: str, source: PathLike | Table) -> ListReport:
    """Read dated facts about symbols into the workspace folder `root` and publish the result.

    Parameters
    ----------
    root, kind
        The workspace's folder; st, listing (which also sets the instruments' dates), industry, delisting or fund.
    source
        A CSV file or a table with symbol, start, end and, for industry and fund, value.

    Raises
    ------
    ConfigError
        For another kind.
    DataError
        As `ingest_universe`.
    """
    root = as_path(root, "root")
    check_kind(kind)
    exchange = open_market(root).exchange
    permitted = FUND_KINDS if kind == "fund" else ()
    read = read_intervals(source, exchange, needs_value=kind in WITH_VALUE, permitted=permitted)
    intervals = read.with_columns(kind=pl.lit(kind))

    def replace(connection: duckdb.DuckDBPyConnection) -> int:
        if kind == "listing":
            connection.register("incoming_instruments", _listed_instruments(intervals, exchange).to_arrow())
            connection.execute(statement("merge_instruments"))
        return replace_intervals(connection, kind, intervals)

    return store_list(root, f"intervals {kind}", source, intervals, replace)


def read_intervals(
    source: PathLike | Table, exchange: str, *, needs_value: bool = False, permitted: Sequence[str] = ()
) -> pl.DataFrame:
    """Intervals of a file or table, each once: symbol (canonical), start, end (inclusive; OPEN_END if empty), value.

    permitted : the values that there are, in lower case; empty: any. Raises DataError, with source, line, column and
    value, for what cannot be read.
    """
    place, text = read_cells(source)
    text = _with_names(text)
    names = [name for name in text.columns if name != LINE]
    found = {ours: find_columns(names, FIELDS[ours]) for ours in _COLUMNS}
    columns = {ours: columns[0] for ours, columns in found.items() if columns}
    missing = [name for name in _COLUMNS[: 4 if needs_value else 3] if name not in columns]
    if missing:
        raise DataError(f"{place}: missing columns {', '.join(missing)}; found {listed(names, 20)}")
    empty = pl.Series([None], dtype=pl.String).new_from_index(0, len(text))
    cells = {name: text[columns[name]].str.strip_chars() if name in columns else empty for name in _COLUMNS}
    cells["symbol"] = unquoted(cells["symbol"])
    blank = {name: cell.is_null() | cell.str.to_lowercase().is_in(MISSING) for name, cell in cells.items()}
    if permitted:
        cells["value"] = cells["value"].str.to_lowercase()
    days = {name: parse_stamps(usual_stamps(cells[name], str(place)), None).dt.date() for name in ("start", "end")}
    for name, bad, expected in (
        ("symbol", blank["symbol"], "a symbol"),
        ("start", days["start"].is_null(), "a date like 2024-06-18"),
        ("end", days["end"].is_null() & ~blank["end"], "a date like 2024-06-18, or an empty cell"),
        ("end", (days["end"] < days["start"]).fill_null(False), "an end on or after the start"),
        ("value", blank["value"] & needs_value, "a value"),
        ("value", ~cells["value"].is_in(list(permitted)) & bool(permitted), f"one of {', '.join(permitted)}"),
    ):
        if bad.any():
            row = int(bad.arg_true()[0])
            raise DataError(
                f"{place}: line {text[LINE][row]}: column {columns[name]}: expected {expected}, "
                f"found {repr(cells[name][row]) if cells[name][row] else 'an empty cell'}"
            )
    for name, fault_of in (("symbol", symbol_fault), ("value", value_fault)):
        if (odd := find_fault(cells[name], fault_of)) is not None:
            row, cell, fault = odd
            raise DataError(
                f"{place}: line {text[LINE][row]}: column {columns[name]}: expected a {name}, "
                f"found {short_repr(cell)} ({fault})"
            )
    frame = pl.DataFrame(
        {
            "symbol": canonical_column(with_zeros(cells["symbol"], columns["symbol"], exchange), exchange),
            "start": days["start"],
            "end": days["end"].fill_null(OPEN_END),
            "value": cells["value"].zip_with(~blank["value"], empty),
        },
        schema={name: dtype for name, dtype in INTERVALS.items() if name != "kind"},
    )
    return frame.unique().sort("symbol", "start", "end", "value")


def _with_names(text: pl.DataFrame) -> pl.DataFrame:
    """A list as a Qlib directory has it, without a header (symbol, start, end), with one; others as they are."""
    first = text.columns[1:]
    if len(first) != 3 or parse_stamps(pl.Series(first[1:]), None).null_count():
        return text
    row = pl.DataFrame([[1, *first]], schema=text.schema, orient="row")
    return pl.concat([row, text]).rename(dict(zip(first, _COLUMNS, strict=False)))


def value_fault(value: str) -> str | None:
    """Why a text cannot name a group or an industry, in a report or a spreadsheet; None where it can."""
    if len(value) > LONGEST_NAME:
        return f"{len(value):,} characters, at most {LONGEST_NAME}"
    return None if value.isprintable() and value[:1] not in FORMULA else "it cannot be printed in a cell"


def read_cells(source: PathLike | Table) -> tuple[Path | str, pl.DataFrame]:
    """What errors call a source, and its cells as text."""
    if isinstance(source, str | Path):
        path = as_path(source, "source")
        return path, read_text_table(path).frame
    text = as_frame(source, "table").select(pl.all().cast(pl.String)).with_row_index(LINE, offset=1)
    if text.is_empty():
        raise DataError("table: expected intervals, found an empty table")
    return "table", text


def _listed_instruments(listings: pl.DataFrame, exchange: str) -> pl.DataFrame:
    """Instruments in schema.INSTRUMENTS with the dates of their listings."""
    spans = listings.group_by("symbol").agg(pl.col("start").min(), pl.col("end").max()).sort("symbol")
    known = make_instruments(spans["symbol"].to_list(), exchange)
    dated = known.with_columns(spans["start"].alias("first_date"), spans["end"].alias("last_date"))
    return dated.select(list(INSTRUMENTS))


def store_list(
    root: Path,
    what: str,
    source: PathLike | Table,
    intervals: pl.DataFrame,
    replace: Callable[[duckdb.DuckDBPyConnection], int],
) -> ListReport:
    """Write a list of intervals in one transaction, publish, and report."""
    published = publish_list(root, what, source, intervals, counted(len(intervals), "interval"), replace)
    ends = intervals.filter(pl.col("end") < OPEN_END)["end"].to_list()
    return ListReport(
        what=what,
        path=published.path,
        intervals=len(intervals),
        symbols=intervals["symbol"].n_unique(),
        first=min(intervals["start"]),
        last=max([*ends, *intervals["start"]]),
        replaced=published.replaced,
        without_bars=published.without_bars,
        snapshot=published.snapshot,
    )


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A list that was stored: its source in words, rows that it replaced, symbols without bars, snapshot."""

    path: str
    replaced: int
    without_bars: tuple[str, ...]
    snapshot: str


def publish_list(
    root: Path,
    what: str,
    source: PathLike | Table,
    rows: pl.DataFrame,
    note: str,
    replace: Callable[[duckdb.DuckDBPyConnection], int],
) -> PublishedList:
    """Store the rows of a list of symbols in one transaction, with a record of it, and publish.

    Parameters
    ----------
    root, what, source
        The workspace's folder; what the record calls the list, and where it comes from.
    rows, note
        With a column `symbol`; how many they are, in words.
    replace
        Stores the rows and returns how many stored ones they replace.

    >>> publish_list(root, "universe csi300", "csi300.csv", rows, "300 intervals", replace).replaced  # doctest: +SKIP
    300
    """
    path = str(source) if isinstance(source, str | Path) else "table"
    with ingest_lock(root), open_database(root) as connection:
        with transaction(connection):
            replaced = replace(connection)
            connection.execute(statement("insert_list"), {"source": what, "path": path, "notes": [note]})
        connection.register("listed", rows.select("symbol").unique().to_arrow())
        absent = connection.execute(
            "SELECT symbol FROM listed ANTI JOIN bars USING (symbol) ORDER BY symbol"
        ).fetchall()
        snapshot = publish(root, connection)
    return PublishedList(path, replaced, tuple(symbol for (symbol,) in absent), snapshot.digest)


def read_symbols(place: Path | str, cells: pl.DataFrame, column: str, exchange: str) -> pl.Series:
    """The canonical symbols of a column, of which every cell has to hold one.

    Parameters
    ----------
    place, cells, column
        What errors call the source; its cells as text with their LINE; the column's name.
    exchange
        ISO code, for codes of digits alone.

    Raises
    ------
    DataError
        With line and column, for an empty cell or what is no symbol.

    >>> read_symbols("table", pl.DataFrame({LINE: [1], "code": ["600000"]}), "code", "XSHG").to_list()
    ['SH600000']
    """
    text = unquoted(cells[column])
    blank = text.is_null() | text.str.to_lowercase().is_in(MISSING)
    odd = (int(blank.arg_true()[0]), "", "an empty cell") if blank.any() else find_fault(text, symbol_fault)
    if odd is not None:
        row, cell, fault = odd
        raise DataError(
            f"{place}: line {cells[LINE][row]}: column {column}: expected a symbol, found {short_repr(cell)} ({fault})"
        )
    return canonical_column(with_zeros(text, column, exchange), exchange)
