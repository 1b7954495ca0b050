"""Which source brought which bars, and how it was read.

A reading is a file or a directory together with the options it was read with. Read again with the same options it goes
on: what it no longer has stays, as vanished. Read again with others it is replaced: the bars that only it had brought
go to the history, before those that arrive are compared with the rest. A bar that another reading brought too stays,
with the value that was read last. Tables in memory have no place and are never replaced.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant.errors import DataError, counted
from kronos_quant.market.database import statement
from kronos_quant.market.reconcile import Reconciliation

_READINGS: dict[str, pl.DataType] = {
    "id": pl.Int32(),
    "ingest": pl.Int32(),
    "source": pl.String(),
    "place": pl.String(),
    "freq": pl.String(),
    "exchange": pl.String(),
    "options": pl.String(),
}
_LEAST_SHARE = 0.5
"""Of the bars of an earlier reading: a source with fewer rows does not replace it."""
_SAME_PRICES = 0.5
"""Share of the bars of an earlier reading whose prices arrive again: the same bars under another symbol."""


@dataclass(frozen=True, slots=True)
class SourceReading:
    """One file or directory, and how it was read."""

    place: Path | None
    """None: a table in memory."""
    options: Mapping[str, tuple[str, str]]
    """Name of an option -> as asked for, and as read; "" where not."""


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """Where the bars of a batch come from."""

    source: str
    """What kind of source: qlib, csv, ..."""
    freq: str
    exchange: str
    """As the user set it."""
    readings: tuple[SourceReading, ...]
    origins: pl.DataFrame
    """symbol, reading (place in `readings`), and time where one symbol is in several of them."""
    universes: tuple[str, ...]
    """Names of the universes that come with it."""
    complete: bool
    """Whether it has a calendar of its own, one for each frequency."""

    @property
    def by_time(self) -> bool:
        """Whether the bars of one symbol come from several files."""
        return "time" in self.origins.columns


@dataclass(frozen=True, slots=True)
class Replaced:
    """What of earlier readings of the same places, with other options, gave way to a batch."""

    files: int = 0
    before: tuple[tuple[str, str], ...] = ()
    """The options that differ, as they were."""
    gone: int = 0
    """Bars that the new reading does not have."""
    restated: int = 0
    """Bars that it has with other values."""

    def lines(self) -> list[str]:
        """In words; nothing where no reading gave way."""
        if not self.files:
            return []
        which = f"{counted(self.files, 'file')} read before" if self.files > 1 else "read before"
        options = ", ".join(f"{name} {value}" if value else f"no {name}" for name, value in self.before)
        if not self.gone + self.restated:
            return [f"{which} with {options}; no bar differs"]
        removed = f", {self.gone:,} of them removed" if self.gone else ""
        return [
            f"{which} with {options}: {counted(self.gone + self.restated, 'bar')} of that reading replaced{removed}; "
            "old values: kq history SYMBOL"
        ]


@dataclass(frozen=True, slots=True)
class _Stored:
    """A row of the table `readings`."""

    number: int
    place: str
    freq: str
    exchange: str
    options: dict[str, tuple[str, str]]


def place_name(place: Path, root: Path | None = None) -> str:
    """A path as readings are known by it: without `..`, relative to the workspace `root` where it lies in it.

    >>> place_name(Path("/data/new/../bars.csv")), place_name(Path("/mine/bars.csv"), Path("/mine"))
    ('/data/bars.csv', 'bars.csv')
    """
    path = Path(os.path.abspath(place.expanduser()))  # noqa: PTH100 (resolve() would follow links)
    if root is None:
        return str(path)
    own = Path(os.path.abspath(root))  # noqa: PTH100
    return str(path.relative_to(own) if path.is_relative_to(own) and path != own else path)


def set_aside(connection: duckdb.DuckDBPyConnection, batch: ReadBatch, root: Path) -> tuple[Replaced, list[str]]:
    """Take the bars of replaced readings out of the store, in its transaction; return what was replaced, and notes.

    `incoming` and `refused` are registered. Leaves `leaving` (the bars taken out), `origins` (the symbols of each
    reading of the batch, by the numbers that it gets), `brought` (reading, symbol, time) and `refused_by`. Raises
    DataError for a source with far fewer rows than the reading that it would replace.
    """
    stored = _stored(connection)
    connection.execute(statement("view_owned"))
    numbers, earlier = _numbered(connection, batch, stored, root)
    _register_origins(connection, batch, numbers)
    if not earlier:
        return Replaced(), []
    bars, rows = _sizes(connection, [old.number for _, old, _ in earlier])
    replaced: dict[int, list[str]] = {}
    notes: list[str] = []
    for number, old, reading in earlier:
        differing = differing_options(old.options, reading.options)
        held = bars.get(old.number, 0)
        if "symbol" in differing and _same_prices(connection, old) < _SAME_PRICES * held:
            symbol = old.options["symbol"][1]
            notes.append(
                f"{reading.place}: read before as {symbol or 'other symbols'}, with other prices: "
                f"{counted(held, 'bar')} of it kept" + (f" (kq drop symbol {symbol} removes them)" if symbol else "")
            )
            continue
        if rows.get(number, 0) < _LEAST_SHARE * held:
            options = ", ".join(f"{name} {old.options[name][1] or 'unset'}" for name in differing)
            raise DataError(
                f"{reading.place}: read before with {options}, {counted(held, 'bar')}; now it has "
                f"{counted(rows.get(number, 0), 'row')}, and the others would be lost",
                hint=f"kq drop source {reading.place}",
            )
        replaced[old.number] = differing
    if not replaced:
        return Replaced(), notes
    remove_readings(connection, list(replaced))
    olds = {old.number: old for old in stored}
    before = {name: olds[number].options[name] for number, names in replaced.items() for name in names}
    return Replaced(len(replaced), tuple((name, read or asked) for name, (asked, read) in before.items())), notes


def remove_readings(connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> None:
    """Take the bars that only some readings brought out of the store, with all that only they said.

    The bars stay in `leaving`, and sessions that may have lost their last bar in `bare_sessions`.
    """
    chosen = pl.DataFrame({"reading": numbers}, schema={"reading": pl.Int32})
    connection.register("chosen", chosen.to_arrow())
    connection.execute("CREATE OR REPLACE TEMP TABLE replaced AS SELECT * FROM chosen")
    for name in ("find_leaving", "find_bare_sessions", "remove_leaving", "remove_readings", "remove_unnamed"):
        connection.execute(statement(name))


def compare_replaced(
    connection: duckdb.DuckDBPyConnection, freq: str, found: Reconciliation, replaced: Replaced
) -> tuple[Reconciliation, Replaced]:
    """Count bars that were set aside and arrive again as unchanged or restated, not as new."""
    if not replaced.files:
        return found, replaced
    connection.execute(statement("compare_leaving"), {"freq": freq})
    [(gone, again)] = connection.execute(
        "SELECT count(*) FILTER (gone), count(*) FILTER (NOT gone) FROM read_again"
    ).fetchall()
    counts = dict(
        connection.execute("SELECT symbol, count(*) FROM read_again WHERE restated GROUP BY symbol").fetchall()
    )
    both = {symbol: counts.get(symbol, 0) + found.restated.get(symbol, 0) for symbol in {*counts, *found.restated}}
    restated = dict(sorted(both.items(), key=lambda item: (-item[1], item[0])))
    other = sum(counts.values())
    found = replace(found, added=found.added - again, changed=found.changed + other, restated=restated)
    return found, replace(replaced, gone=gone, restated=other)


def before_changes(connection: duckdb.DuckDBPyConnection, batch: ReadBatch, ingest: int, replaced: Replaced) -> None:
    """Put the former values of replaced bars into the history, and note which bars are new between those of others."""
    if replaced.files:
        connection.execute(statement("insert_replaced"), {"ingest": ingest})
    parameters = {"freq": batch.freq, "by_time": batch.by_time}
    connection.execute(statement("find_around"), parameters)
    [(around,)] = connection.execute("SELECT count(*) FROM around").fetchall()
    if around:
        connection.execute(statement("insert_foreign_gaps"), {"freq": batch.freq})


def after_changes(connection: duckdb.DuckDBPyConnection, batch: ReadBatch, ingest: int, replaced: Replaced) -> None:
    """Record, once all of the batch is stored, what each of its readings brought."""
    connection.execute(statement("find_grown_by_time" if batch.by_time else "find_grown"))
    connection.execute(statement("widen_readings"))
    [(gaps,)] = connection.execute(
        "SELECT count(*) FROM reading_gaps WHERE reading IN (SELECT reading FROM origins)"
    ).fetchall()
    if gaps:
        connection.execute(statement("remove_filled_gaps"))
    [(others,)] = connection.execute(
        "SELECT count(*) - (SELECT count(*) FROM incoming) FROM bars WHERE freq = ?", [batch.freq]
    ).fetchall()
    if others or batch.by_time:
        connection.execute(statement("insert_own_gaps"), {"freq": batch.freq})
    connection.execute("UPDATE readings SET ingest = ? WHERE id IN (SELECT reading FROM origins)", [ingest])
    names = pl.DataFrame({"universe": batch.universes}, schema={"universe": pl.String})
    connection.register("named_universes", names.to_arrow())
    connection.execute(
        "INSERT INTO reading_universes SELECT (SELECT min(reading) FROM origins), universe FROM named_universes"
    )
    if batch.complete:
        connection.execute(
            "INSERT INTO reading_sessions SELECT (SELECT min(reading) FROM origins), date FROM incoming_sessions "
            "EXCEPT SELECT reading, date FROM reading_sessions"
        )
    if replaced.files:
        connection.execute(statement("remove_sessions"))


def differing_options(old: Mapping[str, tuple[str, str]], new: Mapping[str, tuple[str, str]]) -> list[str]:
    """The options in which two readings differ.

    One that was asked for alike is the same although the evidence of the source has changed, but for labels and the
    symbol of a file: its bars are then others.

    >>> differing_options({"labels": ("auto", "end")}, {"labels": ("end", "end")})
    []
    """
    return [name for name in old if name in new and _differs(name, old[name], new[name])]


def _differs(name: str, old: tuple[str, str], new: tuple[str, str]) -> bool:
    (old_asked, old_read), (asked, read) = old, new
    bound = name == "labels" or (name == "symbol" and old_read != "" and read != "")
    return old_read != read and (bound or old_asked != asked)


def _stored(connection: duckdb.DuckDBPyConnection) -> list[_Stored]:
    rows = connection.execute("SELECT id, place, freq, exchange, options FROM readings ORDER BY id").fetchall()
    return [
        _Stored(number, place, freq, exchange, {name: (asked, read) for name, (asked, read) in pairs.items()})
        for number, place, freq, exchange, pairs in ((*row, json.loads(options)) for *row, options in rows)
    ]


def _numbered(
    connection: duckdb.DuckDBPyConnection, batch: ReadBatch, stored: Sequence[_Stored], root: Path
) -> tuple[list[int], list[tuple[int, _Stored, SourceReading]]]:
    """Store the readings of a batch; the number of each, and others of the same places: (number, old, new)."""
    by_place: dict[str, list[_Stored]] = {}
    for old in stored:
        by_place.setdefault(old.place, []).append(old)
    newest = max((old.number for old in stored), default=0)
    rows: list[tuple[object, ...]] = []
    earlier: list[tuple[int, _Stored, SourceReading]] = []
    for reading in batch.readings:
        same, others = None, []
        place = "" if reading.place is None else place_name(reading.place, root)
        for old in by_place.get(place, []):
            # a directory has a calendar for each frequency; a file that is read otherwise may get another one
            if place and differing_options(old.options, reading.options):
                others += [old] if old.freq == batch.freq or not batch.complete else []
            elif old.freq == batch.freq:
                same = old
        newest += same is None
        number = newest if same is None else same.number
        earlier += [(number, old, reading) for old in others]
        exchange = batch.exchange if place or same is None else batch.exchange or same.exchange
        options = json.dumps(dict(reading.options) if place else {})
        rows.append((number, 0, batch.source, place, batch.freq, exchange, options))
    connection.register("read_now", pl.DataFrame(rows, schema=_READINGS, orient="row").to_arrow())
    connection.execute("DELETE FROM readings WHERE id IN (SELECT id FROM read_now)")
    connection.execute("INSERT INTO readings SELECT * FROM read_now")
    return [int(str(row[0])) for row in rows], earlier


def _register_origins(connection: duckdb.DuckDBPyConnection, batch: ReadBatch, numbers: Sequence[int]) -> None:
    numbered = pl.col("reading").replace_strict(list(range(len(numbers))), list(numbers), return_dtype=pl.Int32)
    connection.register("origins", batch.origins.with_columns(numbered).to_arrow())
    keys = "symbol, time" if batch.by_time else "symbol"
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW brought AS SELECT reading, symbol, time FROM incoming "  # noqa: S608 (ours)
        f"JOIN origins USING ({keys})"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW refused_by AS SELECT refused.*, first.reading FROM refused "  # noqa: S608 (ours)
        f"LEFT JOIN (SELECT {keys}, min(reading) AS reading FROM origins GROUP BY ALL) AS first USING ({keys})"
    )


def _sizes(connection: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> tuple[dict[int, int], dict[int, int]]:
    """The bars of stored readings, and the rows that arrive for each reading of the batch, by number."""
    query = "SELECT reading, count(*) FROM owned WHERE reading IN (SELECT unnest($numbers)) GROUP BY reading"
    bars = connection.execute(query, {"numbers": list(numbers)}).fetchall()
    rows = connection.execute(
        "SELECT reading, count(*) FROM (SELECT reading FROM brought UNION ALL SELECT reading FROM refused_by) "
        "GROUP BY reading"
    ).fetchall()
    return dict(bars), dict(rows)


def _same_prices(connection: duckdb.DuckDBPyConnection, old: _Stored) -> int:
    """How many bars of a stored reading have the prices of an arriving one."""
    [(same,)] = connection.execute(statement("count_same_prices"), {"reading": old.number}).fetchall()
    return int(same)
