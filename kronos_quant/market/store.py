"""From a source's batch to a published snapshot: check, store, publish, report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant.errors import DataError, counted
from kronos_quant.market.calendar_files import path_of, read_calendar, store_source_sessions
from kronos_quant.market.calendars import TradingCalendar
from kronos_quant.market.database import LOCK_WAIT_SECONDS, ingest_lock, open_database, statement, transaction
from kronos_quant.market.ingest_report import IngestReport, rule_counts
from kronos_quant.market.listings import SPANS
from kronos_quant.market.quality.check_tables import CONTRADICTED, CheckContext
from kronos_quant.market.quality.checks import Check, ScreenedBars, all_checks, screen
from kronos_quant.market.readings import (
    ReadBatch,
    Replaced,
    SourceReading,
    after_changes,
    before_changes,
    compare_replaced,
    place_name,
    set_aside,
)
from kronos_quant.market.reconcile import Reconciliation, Span, apply_changes, reconcile
from kronos_quant.market.sessions import calendar_name, hours_notes, known_until, night_notes, sessions_between
from kronos_quant.market.snapshots import SUSPENDED, Snapshot, current_snapshot, publish, shared_exchange
from kronos_quant.market.suspensions import PAUSED
from kronos_quant.market.symbols import exchange_of, kind_of
from kronos_quant.market.universes import record_facts, tidy
from kronos_quant.readers import reading, scan_parquet
from kronos_quant.schema import BARS, DAILY, INSTRUMENTS, NUMBERS, PRICES
from kronos_quant.system import release_memory

_log = logging.getLogger(__name__)

_OUTSIDE = "outside_session"  # the check that rejects bars on days and at hours at which the exchange is closed


@dataclass(frozen=True, slots=True)
class BarBatch:
    """Bars of one frequency from one source, not yet checked."""

    source: str
    """What kind of source: qlib, csv, synthetic."""
    path: Path | None
    freq: str
    bars: pl.DataFrame
    """Columns of schema.BARS in any order; NaN or null is missing; a row without any price is no bar (suspended)."""
    instruments: pl.DataFrame
    """schema.INSTRUMENTS; a null kind or date is unknown to this source and taken from the bars or another source."""
    listings: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SPANS), kw_only=True)
    """SPANS: listings that the source states."""
    universes: pl.DataFrame
    """schema.UNIVERSES; a universe named here replaces the stored one of that name."""
    sessions: list[date]
    """Every session of the source, with bars or without."""
    exchange: str
    """ISO code as the user set it; "" where not set."""
    notes: tuple[str, ...] = ()
    """What the reader assumed, derived or skipped, in words."""
    options: tuple[tuple[str, str], ...] = ()
    """(name, value) of how the source was read: labels, amount, volume."""
    unadjusted_volume: tuple[str, ...] = ()
    """Symbols whose volume is the shares really traded; of all others raw volume = volume * factor."""
    paused: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PAUSED))
    """PAUSED: sessions that the source calls suspended, with a bar or without."""
    complete: bool = False
    """Whether the source covers each symbol over all of `sessions` (a Qlib directory does), or only from the symbol's
    first bar to its last (a table). A stored bar that is missing there has vanished."""

    contradicted: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONTRADICTED))
    """CONTRADICTED: bars that another field of the source contradicts; see `ingest.cross_checks`."""
    calendar: tuple[date, ...] = ()
    """Every session that the source publishes, also in advance (a Qlib day_future.txt); () where it has none."""
    readings: tuple[SourceReading, ...] = ()
    """The files or the directory that were read; empty: `path` with `options`."""
    origins: pl.DataFrame | None = None
    """symbol, reading (place in `readings`), and time where one symbol is in several files; None: all of the first."""

    @property
    def read(self) -> ReadBatch:
        """Where the bars come from."""
        symbols = pl.concat([self.instruments["symbol"], self.bars["symbol"]]).unique()
        return ReadBatch(
            self.source,
            self.freq,
            self.exchange,
            self.readings or (SourceReading(self.path, {name: (value, value) for name, value in self.options}),),
            symbols.to_frame().with_columns(reading=pl.lit(0, pl.Int32)) if self.origins is None else self.origins,
            tuple(self.universes["universe"].unique().sort()),
            self.complete,
        )

    @property
    def span(self) -> Span | None:
        """First and last time that the source covers for every symbol; None where each symbol has its own span."""
        if not self.complete:
            return None
        days = timedelta(days=0 if self.freq == DAILY else 1)
        first, last = (datetime.combine(day, time()) for day in (min(self.sessions), max(self.sessions)))
        return first, last + days


def tidy_bars(batch: BarBatch) -> pl.DataFrame:
    """The bars in schema.BARS: missing is null, rows without any price are gone; DataError if all are."""
    bars = batch.bars.select(pl.col(name).cast(dtype) for name, dtype in BARS.items())
    bars = bars.with_columns(pl.col(NUMBERS).fill_nan(None))
    priced = bars.select(pl.any_horizontal(pl.col(PRICES).is_not_null())).to_series()
    # in one piece, so that nothing later copies it to make it one
    bars = bars.rechunk() if priced.all() else bars.filter(priced).rechunk()
    if bars.is_empty():
        raise DataError(f"{batch.path or batch.source}: no bars: every price is missing")
    return bars


def make_instruments(symbols: Sequence[str], exchange: str) -> pl.DataFrame:
    """schema.INSTRUMENTS as far as the spelling gives them: exchange, and the kind of what is no stock; no dates."""
    return pl.DataFrame(
        {
            "symbol": list(symbols),
            "exchange": [exchange_of(symbol, exchange) for symbol in symbols],
            "kind": [None if (kind := kind_of(symbol)) == "stock" else kind for symbol in symbols],
            "first_date": None,
            "last_date": None,
            "in_all": None,
        },
        schema=INSTRUMENTS,
    )


def store_bars(
    root: Path, batch: BarBatch, *, checks: Sequence[Check] | None = None, wait_seconds: float = LOCK_WAIT_SECONDS
) -> IngestReport:
    """Check a batch, store its good bars in the workspace `root`, publish a snapshot.

    New bars are added; restated bars replace the stored ones, whose values go to the history; everything else stays.
    All or nothing: the database commits first, then the snapshot appears. After a crash in between, the next ingest
    publishes what is stored.

    Parameters
    ----------
    root, batch
        The workspace's folder, and what a source holds.
    checks
        Rules for the bars; default: the package's and the workspace's.
    wait_seconds
        How long to wait for another ingest.

    Raises
    ------
    DataError
        When no bar passes the checks.
    KronosQuantError
        When another ingest does not finish in time.
    """
    calendar_name(batch.exchange)  # an unknown code is rejected before anything is written
    calendar = _published_calendar(root, batch)
    around = CheckContext(batch.freq, batch.exchange, batch.sessions, batch.instruments, batch.contradicted, calendar)
    bars = tidy_bars(batch)
    # from here on each large table is let go as soon as it is not needed: of a whole market it is a gigabyte
    batch = replace(batch, bars=batch.bars.clear())
    release_memory()
    screened = screen(bars, all_checks(root) if checks is None else checks, around)
    del bars
    if screened.bars.is_empty():
        raise DataError(
            f"{batch.path or batch.source}: no bar passed the checks: rejected{rule_counts(screened.rejected_by_rule)}"
        )
    batch = replace(batch, sessions=_held_sessions(batch, screened))
    with ingest_lock(root, wait_seconds), open_database(root) as connection:
        with transaction(connection):
            found, replaced, notes = _merge(root, connection, batch, screened)
        for name in ("incoming", "refused"):
            connection.unregister(name)
        screened = replace(screened, bars=screened.bars.select("symbol", "date", "time"))
        release_memory()
        snapshot = publish(root, connection)
    report = _report(replace(batch, notes=(*batch.notes, *notes)), screened, found, replaced, snapshot)
    _log.debug("stored %d bars (%d new, %d changed)", report.bars, found.added, found.changed)
    return report


def _merge(
    root: Path, connection: duckdb.DuckDBPyConnection, batch: BarBatch, screened: ScreenedBars
) -> tuple[Reconciliation, Replaced, list[str]]:
    """Write a screened batch to the tables; return how it differs from what they held, what it replaced, and notes."""
    freq = {"freq": batch.freq}
    connection.register("incoming", screened.bars.to_arrow(compat_level=pl.CompatLevel.newest()))
    connection.register("refused", screened.refused.to_arrow())
    read = batch.read
    replaced, notes = set_aside(connection, read, root)
    found = reconcile(connection, batch.freq, batch.unadjusted_volume, batch.span)
    found, replaced = compare_replaced(connection, batch.freq, found, replaced)
    [(ingest,)] = connection.execute(
        statement("insert_ingest"),
        {
            **freq,
            "source": batch.source,
            "path": None if batch.path is None else str(batch.path.absolute()),
            "exchange": batch.exchange,
            "bars": len(screened.bars),
            "added": found.added,
            "changed": found.changed,
            "restated": sum(found.restated.values()),
            "rescaled": found.rescaled,
            "rejected": len(screened.refused),
            "notes": [*batch.notes, *found.notes, *notes, *replaced.lines()],
        },
    ).fetchall()
    before_changes(connection, read, ingest, replaced)
    apply_changes(connection, batch.freq, ingest)
    connection.execute(statement("forget_rejected"), freq)
    connection.execute(statement("insert_rejected"), {**freq, "ingest": ingest})
    connection.register("contradicted", batch.contradicted.to_arrow())
    connection.execute(statement("forget_contradicted"), freq)
    connection.execute(statement("insert_contradicted"), freq)
    connection.register("paused", batch.paused.to_arrow())
    connection.register("warned", screened.warned.to_arrow())
    connection.execute(statement("forget_warned"), freq)
    connection.execute(statement("insert_warned"), freq)
    connection.execute(statement("forget_paused"), freq)
    connection.execute(statement("insert_paused"), freq)
    _merge_lists(connection, batch)
    record_facts(connection, ingest, batch.freq, batch.options, batch.unadjusted_volume)
    after_changes(connection, read, ingest, replaced)
    return found, replaced, notes


def _merge_lists(connection: duckdb.DuckDBPyConnection, batch: BarBatch) -> None:
    """Instruments, universes and sessions of a batch."""
    instruments = batch.instruments.select(pl.col(name).cast(dtype) for name, dtype in INSTRUMENTS.items())
    connection.register("incoming_instruments", instruments.to_arrow())
    connection.execute(statement("merge_instruments"))
    store_universes(connection, batch.universes)
    if not batch.listings.is_empty():
        connection.register("incoming_listings", batch.listings.select(list(SPANS)).to_arrow())
        connection.execute(
            "DELETE FROM intervals WHERE kind = 'listing' AND symbol IN (SELECT symbol FROM incoming_listings)"
        )
        connection.execute(
            "INSERT INTO intervals SELECT 'listing', symbol, start, \"end\", NULL FROM incoming_listings"
        )
    if batch.complete or batch.calendar:
        place = "" if batch.path is None else place_name(batch.path)
        store_source_sessions(connection, place, batch.exchange, batch.calendar)
    connection.register("incoming_sessions", pl.DataFrame({"date": batch.sessions}, {"date": pl.Date}).to_arrow())
    connection.execute(
        "INSERT INTO sessions SELECT $freq, date FROM incoming_sessions ON CONFLICT DO NOTHING", {"freq": batch.freq}
    )


def store_universes(connection: duckdb.DuckDBPyConnection, intervals: pl.DataFrame) -> None:
    """Store universes (schema.UNIVERSES) instead of the stored ones of their names."""
    connection.register("incoming_universes", tidy(intervals).to_arrow())
    for table in ("universes", "reading_universes"):
        connection.execute(f"DELETE FROM {table} WHERE universe IN (SELECT universe FROM incoming_universes)")  # noqa: S608
    connection.execute("INSERT INTO universes SELECT * FROM incoming_universes")


def _report(
    batch: BarBatch, screened: ScreenedBars, found: Reconciliation, replaced: Replaced, snapshot: Snapshot
) -> IngestReport:
    bars = screened.bars
    return IngestReport(
        source=batch.source,
        path=None if batch.path is None else str(batch.path),
        freq=batch.freq,
        exchange=snapshot.freqs[batch.freq].exchange,
        symbols=bars["symbol"].n_unique(),
        sessions=len(batch.sessions),
        first=min(batch.sessions),
        last=max(batch.sessions),
        bars=len(bars),
        added=found.added,
        changed=found.changed,
        unchanged=len(bars) - found.added - found.changed,
        restated=found.restated,
        rescaled=found.rescaled,
        replaced=replaced,
        vanished=found.vanished,
        first_vanished=tuple(f"{symbol} {stamp_text(time, batch.freq)}" for symbol, time in found.first_vanished),
        rejected=len(screened.refused),
        rejected_by_rule=screened.rejected_by_rule,
        warnings_by_rule=screened.warnings_by_rule,
        suspended=_suspended(bars, batch.sessions),
        suspended_bars=_suspended_bars(bars, batch.freq, snapshot),
        notes=(*batch.notes, *found.notes, *_calendar_notes(batch, bars)),
        snapshot=snapshot.digest,
    )


def stamp_text(moment: datetime, freq: str) -> str:
    """The end of a bar as text: daily ones are dates."""
    return f"{moment:%Y-%m-%d}" if freq == DAILY else f"{moment:%Y-%m-%d %H:%M}"


def _published_calendar(root: Path, batch: BarBatch) -> TradingCalendar | None:
    """The calendar of the stored bars, to which sources and users add, where it begins early enough for a batch."""
    with suppress(DataError):  # a damaged snapshot: this ingest publishes another
        snapshot = current_snapshot(root)
        if snapshot is not None and (path := path_of(snapshot.folder, batch.freq)).exists():
            calendar = read_calendar(path)
            return calendar if calendar.dates[0] <= min(batch.sessions) else None
    return None


def _held_sessions(batch: BarBatch, screened: ScreenedBars) -> list[date]:
    """The source's sessions, without dates whose only bars were rejected as outside of any session."""
    outside = screened.refused.filter(pl.col("rules").str.contains(_OUTSIDE, literal=True))["date"].unique()
    lost = set(outside.to_list()) - set(screened.bars.filter(pl.col("date").is_in(outside.implode()))["date"].unique())
    exchange = batch.exchange or shared_exchange(screened.bars["symbol"].unique().to_list())
    expected = sessions_between(exchange, min(lost), max(lost)) if lost else []
    return [session for session in batch.sessions if session not in lost or session in expected]


def _suspended(bars: pl.DataFrame, sessions: list[date]) -> int:
    """Sessions without a bar within each symbol's own span, summed."""
    number = {session: place for place, session in enumerate(sorted(sessions))}
    lives = bars.group_by("symbol").agg(
        pl.col("date").min().alias("first"), pl.col("date").max().alias("last"), pl.col("date").n_unique().alias("days")
    )
    spans = lives.select("first", "last", "days").iter_rows()
    return sum(number[last] - number[first] + 1 - days for first, last, days in spans)


def _suspended_bars(bars: pl.DataFrame, freq: str, snapshot: Snapshot) -> int:
    """How many of the bars are of sessions that the snapshot says were suspended."""
    span = snapshot.freqs[freq]
    if not span.suspended or len(bars) == span.bars:
        return span.suspended
    path = snapshot.folder / f"bars.{freq}.parquet"
    with reading(path, "a Parquet file"):
        marked = scan_parquet(path).filter(pl.col(SUSPENDED)).select("symbol", "time").collect()
    return len(bars.select("symbol", "time").join(marked, on=["symbol", "time"], how="semi"))


def _calendar_notes(batch: BarBatch, bars: pl.DataFrame) -> list[str]:
    """Where the accepted bars and the exchange's calendar disagree on sessions or hours."""
    exchange = batch.exchange or shared_exchange(bars["symbol"].unique().to_list())
    horizon = known_until(exchange)
    night = [] if batch.freq == DAILY else night_notes(bars["time"])
    if horizon is None:
        return night
    given = {session for session in batch.sessions if session <= horizon}
    expected = set(sessions_between(exchange, min(batch.sessions), max(batch.sessions)))
    notes = []
    if closed := sorted(given - expected):
        notes.append(
            f"{counted(len(closed), 'session')} of the source not in the {exchange} calendar (first: {closed[0]})"
        )
    if missing := sorted(expected - given):
        notes.append(f"{counted(len(missing), 'session')} of {exchange} missing from the source (first: {missing[0]})")
    if batch.freq != DAILY:
        notes += hours_notes(bars["time"], exchange)
    return [*notes, *night]
