"""From a source's batch to a published snapshot: check, store, publish, report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from kronos_quant.errors import DataError, counted, listed
from kronos_quant.market.database import LOCK_WAIT_SECONDS, ingest_lock, open_database, statement, transaction
from kronos_quant.market.quality.check_tables import CONTRADICTED, check_context
from kronos_quant.market.quality.checks import ScreenedBars, all_checks, screen
from kronos_quant.market.reconcile import Reconciliation, Span, apply_changes, reconcile
from kronos_quant.market.sessions import calendar_name, hours_notes, known_until, sessions_between
from kronos_quant.market.snapshots import Snapshot, publish, shared_exchange
from kronos_quant.market.symbols import exchange_of, looks_like_index
from kronos_quant.market.universes import record_facts, tidy
from kronos_quant.schema import BARS, DAILY, INSTRUMENTS, PRICES, UNIVERSES

_log = logging.getLogger(__name__)

_OUTSIDE = "outside_session"
"""The check that refuses bars of days and hours at which the exchange is closed."""


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
    """schema.INSTRUMENTS; null kind or dates: this source does not say, the bars (or another source) then speak."""
    universes: pl.DataFrame
    """schema.UNIVERSES; a universe named here replaces the stored one of that name."""
    sessions: list[date]
    """Every session of the source, with bars or without."""
    exchange: str
    """As the user named it; "" where nobody did."""
    notes: tuple[str, ...] = ()
    """What the reader assumed, derived or left out, in words."""
    options: tuple[tuple[str, str], ...] = ()
    """(name, value) of how the source was read: labels, amount, volume."""
    unadjusted_volume: tuple[str, ...] = ()
    """Symbols whose volume is the shares really traded; of all others raw volume = volume * factor."""
    complete: bool = False
    """Whether the source holds each symbol's bars over all of `sessions` (a Qlib directory does), or over whatever
    span the symbol's own bars tell (a table). A stored bar that it lacks there has vanished."""

    contradicted: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONTRADICTED))
    """CONTRADICTED: bars that another field of the source contradicts; see `ingest.cross_checks`."""

    @property
    def span(self) -> Span | None:
        """First and last time that every symbol's bars are all there of; None where each has a span of its own."""
        if not self.complete:
            return None
        days = timedelta(days=0 if self.freq == DAILY else 1)
        first, last = (datetime.combine(day, time()) for day in (min(self.sessions), max(self.sessions)))
        return first, last + days


def tidy_bars(batch: BarBatch) -> pl.DataFrame:
    """The batch's bars in schema.BARS: missing is null, rows without any price are gone, no volume is 0.

    Raises DataError when nothing is left.
    """
    floats = [name for name, dtype in BARS.items() if dtype == pl.Float32]
    bars = (
        batch.bars.lazy()
        .select(pl.col(name).cast(dtype) for name, dtype in BARS.items())
        .with_columns(pl.col(floats).fill_nan(None))
        .filter(pl.any_horizontal(pl.col(PRICES).is_not_null()))
        .with_columns(pl.col("volume", "amount").fill_null(0.0))
        .collect()
    )
    if bars.is_empty():
        raise DataError(f"{batch.path or batch.source}: no bar found: every price is missing")
    return bars


def make_instruments(symbols: Sequence[str], exchange: str) -> pl.DataFrame:
    """Instruments as far as the spelling tells: exchange, and "index" or nothing for the kind; dates unknown."""
    return pl.DataFrame(
        {
            "symbol": list(symbols),
            "exchange": [exchange_of(symbol, exchange) for symbol in symbols],
            "kind": ["index" if looks_like_index(symbol) else None for symbol in symbols],
            "first_date": None,
            "last_date": None,
        },
        schema=INSTRUMENTS,
    )


def store_bars(root: Path, batch: BarBatch, *, wait_seconds: float = LOCK_WAIT_SECONDS) -> IngestReport:
    """Check a batch, store its good bars in the workspace `root`, publish a snapshot.

    New bars are added and restated ones replace the stored, whose values go to the history (see `history`); the rest of
    the store stays. All or nothing: the database commits first, then the snapshot appears; after a crash in between the
    next ingest publishes what is stored.
    Raises DataError when no bar passes the checks, KronosQuantError when another ingest does not finish in time.
    """
    calendar_name(batch.exchange)  # an unknown code is refused before anything is written
    around = check_context(batch.freq, batch.exchange, batch.sessions, batch.instruments, batch.contradicted)
    screened = screen(tidy_bars(batch), all_checks(root), around)
    if screened.bars.is_empty():
        raise DataError(
            f"{batch.path or batch.source}: no bar passed the checks: rejected{rule_counts(screened.rejected_by_rule)}"
        )
    batch = replace(batch, sessions=_held_sessions(batch, screened))
    with ingest_lock(root, wait_seconds), open_database(root) as connection:
        with transaction(connection):
            found = _merge(connection, batch, screened)
        snapshot = publish(root, connection)
    report = _report(batch, screened, found, snapshot)
    _log.debug("stored %d bars (%d new, %d changed)", report.bars, found.added, found.changed)
    return report


def _merge(connection: duckdb.DuckDBPyConnection, batch: BarBatch, screened: ScreenedBars) -> Reconciliation:
    """Bring a screened batch into the tables; return how it differs from what they held."""
    freq = {"freq": batch.freq}
    connection.register("incoming", screened.bars.to_arrow())
    connection.register("refused", screened.refused.to_arrow())
    found = reconcile(connection, batch.freq, batch.unadjusted_volume, batch.span)
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
            "notes": [*batch.notes, *found.notes],
        },
    ).fetchall()
    apply_changes(connection, batch.freq, ingest)
    connection.execute(statement("forget_rejected"), freq)
    connection.execute(statement("insert_rejected"), {**freq, "ingest": ingest})
    connection.register("contradicted", batch.contradicted.to_arrow())
    connection.execute(statement("forget_contradicted"), freq)
    connection.execute(statement("insert_contradicted"), freq)
    _merge_lists(connection, batch)
    record_facts(connection, ingest, batch.freq, batch.options, batch.unadjusted_volume)
    return found


def _merge_lists(connection: duckdb.DuckDBPyConnection, batch: BarBatch) -> None:
    """Instruments, universes and sessions of a batch."""
    instruments = batch.instruments.select(pl.col(name).cast(dtype) for name, dtype in INSTRUMENTS.items())
    connection.register("incoming_instruments", instruments.to_arrow())
    connection.execute(statement("merge_instruments"))
    connection.register("incoming_universes", tidy(batch.universes).select(list(UNIVERSES)).to_arrow())
    connection.execute("DELETE FROM universes WHERE universe IN (SELECT universe FROM incoming_universes)")
    connection.execute("INSERT INTO universes SELECT * FROM incoming_universes")
    connection.register("incoming_sessions", pl.DataFrame({"date": batch.sessions}, {"date": pl.Date}).to_arrow())
    connection.execute(
        "INSERT INTO sessions SELECT $freq, date FROM incoming_sessions ON CONFLICT DO NOTHING", {"freq": batch.freq}
    )


def _report(batch: BarBatch, screened: ScreenedBars, found: Reconciliation, snapshot: Snapshot) -> IngestReport:
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
        vanished=found.vanished,
        first_vanished=tuple(f"{symbol} {_stamp(time, batch.freq)}" for symbol, time in found.first_vanished),
        rejected=len(screened.refused),
        rejected_by_rule=screened.rejected_by_rule,
        warnings_by_rule=screened.warnings_by_rule,
        suspended=_suspended(bars, batch.sessions),
        notes=(*batch.notes, *found.notes, *_calendar_notes(batch, bars)),
        snapshot=snapshot.digest,
    )


def _stamp(moment: datetime, freq: str) -> str:
    return f"{moment:%Y-%m-%d}" if freq == DAILY else f"{moment:%Y-%m-%d %H:%M}"


def _held_sessions(batch: BarBatch, screened: ScreenedBars) -> list[date]:
    """The source's sessions without those that only bars outside of any session made one."""
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


def _calendar_notes(batch: BarBatch, bars: pl.DataFrame) -> list[str]:
    """Where the sessions and hours of the accepted bars and the exchange's calendar disagree."""
    exchange = batch.exchange or shared_exchange(bars["symbol"].unique().to_list())
    horizon = known_until(exchange)
    if horizon is None:
        return []
    given = {session for session in batch.sessions if session <= horizon}
    expected = set(sessions_between(exchange, min(batch.sessions), max(batch.sessions)))
    notes = []
    if closed := sorted(given - expected):
        notes.append(f"{len(closed)} sessions of the source are none of {exchange}'s (first: {closed[0]})")
    if missing := sorted(expected - given):
        notes.append(f"{len(missing)} sessions of {exchange} are not in the source (first: {missing[0]})")
    if batch.freq != DAILY:
        notes += hours_notes(bars["time"], exchange)
    return notes


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one ingest did."""

    source: str
    path: str | None
    freq: str
    exchange: str
    """Of the store's bars of this frequency; "" where unknown."""
    symbols: int
    sessions: int
    first: date
    last: date
    bars: int
    """Accepted bars of this batch: added + changed + unchanged."""
    added: int
    changed: int
    """Bars that replace a stored one: restated, or moved along with a factor restated before them."""
    unchanged: int
    restated: dict[str, int]
    """Past bars that came with another raw value or factor, by symbol, most first."""
    rescaled: int
    """Symbols that came in another scale of price and factor and were converted to the stored one."""
    vanished: dict[str, int]
    """Stored bars, kept, that the source no longer has although it covers their symbol and date; by symbol."""
    first_vanished: tuple[str, ...]
    """The first few of them: symbol and time."""
    rejected: int
    rejected_by_rule: dict[str, int]
    """A bar that breaks several rules counts at each."""
    warnings_by_rule: dict[str, int]
    suspended: int
    """Sessions without a bar between a symbol's first and last bar, over all symbols."""
    notes: tuple[str, ...]
    snapshot: str
    """Content digest of the published snapshot."""

    def lines(self) -> list[str]:
        """The report for people, a line a fact."""
        held = f"{counted(self.symbols, 'symbol')}, {counted(self.sessions, 'session')} ({self.freq})"
        lines = [
            f"{self.path or self.source}: {held}, {self.first} to {self.last}",
            f"bars: {self.bars:,} accepted: {self.added:,} new, {self.changed:,} changed, {self.unchanged:,} as before",
            f"rejected: {self.rejected:,}{rule_counts(self.rejected_by_rule)}",
        ]
        if self.restated:
            worst = listed(f"{symbol} {count:,}" for symbol, count in self.restated.items())
            lines.append(
                f"restated: {counted(sum(self.restated.values()), 'past bar')} "
                f"of {counted(len(self.restated), 'symbol')} ({worst}); the old values are in the history"
            )
        if self.rescaled:
            lines.append(f"rescaled: {self.rescaled:,} symbols came in another scale; converted to the stored one")
        if self.vanished:
            count = sum(self.vanished.values())
            lines.append(
                f"vanished from the source: {counted(count, 'stored bar')} of {counted(len(self.vanished), 'symbol')} "
                f"({listed(self.first_vanished, len(self.first_vanished))}"
                + (f" and {count - len(self.first_vanished):,} more" if count > len(self.first_vanished) else "")
                + "); they are kept, and noted in the history"
            )
        if self.warnings_by_rule:
            lines.append(f"kept with a warning:{rule_counts(self.warnings_by_rule)}")
        if self.suspended:
            lines.append(f"suspended: {counted(self.suspended, 'session')} of listed symbols without a bar")
        lines += [f"note: {note}" for note in self.notes]
        return [*lines, f"exchange: {self.exchange or 'unknown'}; snapshot {self.snapshot[:16]}"]

    def as_dict(self) -> dict[str, Any]:
        """The report for `--json`: plain values, dates in ISO form."""
        return asdict(self) | {"first": str(self.first), "last": str(self.last), "notes": list(self.notes)}


def rule_counts(counts: dict[str, int]) -> str:
    """' (rule 3, other 1)', most frequent first; nothing for no counts."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f" ({', '.join(f'{rule} {count:,}' for rule, count in ordered)})" if counts else ""
