"""Symbols and sources removed from the store: `kq drop`.

All of it in one transaction, then a snapshot; the values of removed bars stay in the history. Memberships of universes
and dated facts of a removed symbol stay: they are a user's lists.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant.display import TextReport
from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.inputs import PathLike, Symbols, as_path, as_symbols
from kronos_quant.market.calendar_files import forget_dropped_sources
from kronos_quant.market.database import ingest_lock, open_database, statement, transaction
from kronos_quant.market.reader import open_market
from kronos_quant.market.readings import place_name, remove_readings
from kronos_quant.market.snapshots import Snapshot, publish


@dataclass(frozen=True, slots=True, repr=False)
class DropReport(TextReport):
    """What `drop_bars` removed, or would remove."""

    what: str
    """`symbol SH600000`, `source /data/bars.csv`."""
    bars: int
    symbols: tuple[str, ...]
    """Symbols that lose bars."""
    sessions: int
    """Sessions that nothing else has."""
    shared: int
    """Bars of the source that stay, because another source brought them too."""
    universes: tuple[str, ...]
    """Universes that the source had brought, removed with it."""
    lists: tuple[str, ...]
    """Universes and intervals that name a symbol without bars now, kept."""
    deleted: bool
    snapshot: str
    """Content digest of the published snapshot; "" where nothing was removed."""

    def lines(self) -> list[str]:
        """The report in words, one fact per line."""
        done = "removed" if self.deleted else "would be removed"
        lines = [
            f"{self.what}: {counted(self.bars, 'bar')} of {counted(len(self.symbols), 'symbol')} and "
            f"{counted(self.sessions, 'session')} {done}"
        ]
        if self.shared:
            lines.append(f"kept: {counted(self.shared, 'bar')} that other sources brought too")
        if self.universes:
            lines.append(f"universes of the source, {done}: {listed(self.universes)}")
        if self.lists:
            lines.append(f"kept, although they name symbols without bars: {listed(self.lists)}")
        if not self.deleted:
            return [*lines, "nothing was removed yet: add --yes"]
        return [*lines, f"old values: kq history SYMBOL; snapshot {self.snapshot[:16]}"]


class _OnlyShown(Exception):  # noqa: N818 (it undoes the transaction and is no error)
    pass


def drop_bars(
    root: PathLike,
    symbols: Symbols | None = None,
    *,
    source: PathLike | None = None,
    freq: str | None = None,
    delete: bool = False,
) -> DropReport:
    """Remove symbols, or what a source brought, from the workspace folder `root`, and publish the result.

    Parameters
    ----------
    root, symbols
        The workspace's folder; one symbol or several, in any spelling.
    source
        A file, a directory or a folder of files that was read; it need not exist any more. Of its bars those go that no
        other source brought.
    freq
        Only bars of this frequency; default: of all.
    delete
        False only reports.

    Raises
    ------
    ConfigError
        Unless either symbols or a source are given.
    DataError
        For a symbol or source that is unknown, with the nearest ones; the store is unchanged then.

    >>> drop_bars("my-research", "SH600000").bars  # doctest: +SKIP
    """
    root = as_path(root, "root")
    names = as_symbols(symbols)
    if (names is None) == (source is None):
        raise ConfigError("drop: expected symbols or a source", hint="kq drop symbol SH600000")
    market = open_market(root)
    if freq is not None and freq not in market.snapshot.freqs:
        raise DataError(f"{root}: no {freq} bars (stored: {', '.join(market.snapshot.freqs)})")
    report = None
    with ingest_lock(root), open_database(root) as connection:
        with suppress(_OnlyShown), transaction(connection):
            if source is None:
                report = _drop_symbols(connection, sorted({market.resolve(name) for name in names or ()}), freq)
            else:
                published = _is_published(connection, market.snapshot)
                report = _drop_source(connection, root, as_path(source, "source"), freq, published=published)
            if not delete:
                raise _OnlyShown
        assert report is not None
        if not delete:
            return report
        snapshot = publish(root, connection)
    return DropReport(**{**report.as_dict(), "deleted": True, "snapshot": snapshot.digest})


def _drop_symbols(connection: duckdb.DuckDBPyConnection, symbols: Sequence[str], freq: str | None) -> DropReport:
    _register(connection, "dropped", "symbol", symbols)
    freqs = [name for (name,) in connection.execute("SELECT DISTINCT freq FROM bars").fetchall()]
    _register(connection, "dropped_freqs", "freq", freqs if freq is None else [freq])
    connection.execute(statement("remove_symbols"))
    connection.execute(statement("remove_leaving"))
    connection.execute(statement("remove_unnamed"))
    return _finish(connection, f"symbol {listed(symbols)}", 0, ())


def _drop_source(
    connection: duckdb.DuckDBPyConnection, root: Path, source: Path, freq: str | None, *, published: bool
) -> DropReport:
    """published : whether readers see what is stored; if not, an earlier drop was killed before it published."""
    name = place_name(source)
    rows = connection.execute("SELECT id, place, freq FROM readings WHERE place <> ''").fetchall()
    readings = [(number, place_name(root / place), own) for number, place, own in rows]
    mine = [number for number, place, own in readings if _inside(place, name) and freq in (None, own)]
    if not mine and published:
        _refuse_unknown(connection, name, sorted({place for _, place, _ in readings}))
    connection.execute(statement("view_owned"))
    _register(connection, "dropped_readings", "reading", mine)
    [(owned,)] = connection.execute(
        "SELECT count(DISTINCT (freq, symbol, time)) FROM owned SEMI JOIN dropped_readings USING (reading)"
    ).fetchall()
    brought = connection.execute(
        "SELECT DISTINCT universe FROM reading_universes SEMI JOIN dropped_readings USING (reading) ORDER BY universe"
    ).fetchall()
    remove_readings(connection, mine)
    forget_dropped_sources(connection)
    [(left,)] = connection.execute("SELECT count(*) FROM leaving").fetchall()
    report = _finish(connection, f"source {name}", owned - left, tuple(universe for (universe,) in brought))
    paths = connection.execute("SELECT DISTINCT path FROM ingests WHERE bars > 0 AND path IS NOT NULL").fetchall()
    connection.execute(
        "UPDATE ingests SET dropped = (SELECT max(id) FROM ingests) "
        "WHERE path IN (SELECT unnest($paths)) AND coalesce($freq, freq) = freq",
        {"paths": [path for (path,) in paths if _inside(place_name(Path(path)), name)], "freq": freq},
    )
    return report


def _finish(connection: duckdb.DuckDBPyConnection, what: str, shared: int, universes: tuple[str, ...]) -> DropReport:
    """Record what was removed, and remove the sessions that nothing has any more."""
    connection.execute(statement("insert_list"), {"source": "drop", "path": None, "notes": [what]})
    connection.execute(
        "INSERT INTO bars_history SELECT (SELECT max(id) FROM ingests), leaving.*, true, 'dropped' FROM leaving"
    )
    [(before,)] = connection.execute("SELECT count(*) FROM sessions").fetchall()
    connection.execute(statement("remove_sessions"))
    [(after,)] = connection.execute("SELECT count(*) FROM sessions").fetchall()
    symbols = connection.execute("SELECT DISTINCT symbol FROM leaving ORDER BY symbol").fetchall()
    [(bars,)] = connection.execute("SELECT count(*) FROM leaving").fetchall()
    lists = connection.execute(statement("select_lists_left")).fetchall()
    return DropReport(
        what=what,
        bars=bars,
        symbols=tuple(symbol for (symbol,) in symbols),
        sessions=before - after,
        shared=shared,
        universes=universes,
        lists=tuple(name for (name,) in lists),
        deleted=False,
        snapshot="",
    )


def _inside(place: str, name: str) -> bool:
    """Whether a path is `name` or lies in it."""
    return place == name or place.startswith(name.rstrip(os.sep) + os.sep)


def _refuse_unknown(connection: duckdb.DuckDBPyConnection, name: str, places: Sequence[str]) -> None:
    """Raise DataError for a source of which no bars are known."""
    [(read,)] = connection.execute(
        "SELECT count(*) FROM ingests WHERE bars > 0 AND path = ? AND dropped IS NULL", [name]
    ).fetchall()
    if read:
        raise DataError(
            f"{name}: read by an older kronos-quant, which did not record its bars",
            hint="Ingest it once more, then drop it.",
        )
    nearest = difflib.get_close_matches(name, places, n=3)
    raise DataError(
        f"unknown source {name}: bars were read from {counted(len(places), 'other place')}",
        hint=f"nearest: {', '.join(nearest or places[:3])}" if places else None,
    )


def _is_published(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> bool:
    stored = connection.execute("SELECT freq, count(*) FROM bars GROUP BY freq").fetchall()
    return dict(stored) == {freq: span.bars for freq, span in snapshot.freqs.items()}


def _register(connection: duckdb.DuckDBPyConnection, name: str, column: str, values: Sequence[object]) -> None:
    dtype = pl.Int32() if column == "reading" else pl.String()
    connection.register(name, pl.DataFrame({column: values}, schema={column: dtype}).to_arrow())
