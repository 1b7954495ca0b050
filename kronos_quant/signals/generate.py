"""Compute the signals that are missing, date by date.

Every date is its own piece of work (its windows, in the order of time and symbol), so the numbers depend neither on
which dates are asked for together nor on what was there before.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.display import progress
from kronos_quant.errors import listed
from kronos_quant.files import sweep
from kronos_quant.market import Market
from kronos_quant.model import Pair
from kronos_quant.schema import check_table
from kronos_quant.signals.claims import Claims
from kronos_quant.signals.moments import DecisionPoints
from kronos_quant.signals.recipe import ComputedRecipe
from kronos_quant.signals.scorer import CLOSE, DateTask, score_dates
from kronos_quant.signals.store import SignalStore
from kronos_quant.windows import BarTable, WindowIndex, build_index, gather, stamps, universe_table

logger = logging.getLogger(__name__)

PART = 256
"""Windows of a piece, at least: a date of many moments takes little more memory than one of a few."""

POLL_SECONDS = 1.0
"""Between looks at what another process computes."""

ESTIMATE_AFTER = 5
"""Sessions computed before the remaining time is estimated."""


@dataclass(frozen=True, slots=True)
class DateWork:
    """One session date: its windows, the future stamps of each distinct asof, and the digest of all it sees."""

    on: date
    index: WindowIndex
    parts: list[WindowIndex]
    """The same windows in pieces of whole moments that are computed one after another."""
    future: dict[np.datetime64, NDArray[np.int16]]
    seen: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a range of dates needs: `missing` is to be computed, `present` is stored and still valid."""

    table: BarTable
    missing: list[DateWork]
    present: list[date]
    empty: list[date]
    """Sessions on which no symbol has enough bars."""
    seen: dict[date, str]
    """The digest of what each of the others sees."""

    def seen_by_date(self) -> dict[date, str | None]:
        """`seen`, and None for the sessions that are empty."""
        return {**dict.fromkeys(self.empty), **self.seen}

    @property
    def windows(self) -> int:
        """Forecasts to make."""
        return sum(len(work.index) for work in self.missing)


def make_plan(market: Market, recipe: ComputedRecipe, store: SignalStore, dates: Sequence[date]) -> Plan:
    """Find out which sessions are missing from the store or no longer what they would be.

    Raises DataError where the store is of a newer version, before anything is computed for it.
    """
    store.note()
    table, membership = universe_table(market, recipe.universe)
    index = build_index(table, recipe.lookback, 0, recipe.recipe.max_missing_bars, membership)
    points = recipe.recipe.asof
    by_date = _by_date(table, index.where(_decides(market, table, points)[index.anchor]))
    missing, present, empty = [], [], []
    seen = {}
    parts = {on: part for on in dates if (part := by_date.get(np.datetime64(on, "D"))) is not None}
    future = _future_stamps(market, table, parts.values(), recipe.horizon)
    for on in dates:
        if on not in parts:
            empty.append(on)
            continue
        work = _date_work(table, parts[on], on, points, future)
        seen[on] = work.seen
        if store.holds(on, work.seen):
            present.append(on)
        else:
            missing.append(work)
    return Plan(table, missing, present, empty, seen)


def generate(plan: Plan, pair: Pair, recipe: ComputedRecipe, store: SignalStore, devices: Sequence[str]) -> int:
    """Compute and store every missing date of a plan; a date is in the store as soon as it is finished.

    Dates that another process computes meanwhile are left to it, and waited for. Returns how many were computed here.
    devices : a process each, see `score_devices`; the numbers do not depend on how many
    """
    sweep(store.root)
    with progress("signals", plan.windows) as advance, Claims(store.root, store.digest) as claims:
        sharing = _Sharing(plan, store, claims)
        while sharing.left:
            scored = score_dates(sharing.tasks(recipe.clip), sharing.parts, pair, recipe, devices)
            for work in sharing.stored(scored):
                advance(len(work.index))
            for work in sharing.elsewhere():
                advance(len(work.index))
            sharing.wait()
    return sharing.computed


class _Sharing:
    """The missing dates of a plan, shared with other processes that compute the same ones."""

    def __init__(self, plan: Plan, store: SignalStore, claims: Claims) -> None:
        self.plan, self.store, self.claims = plan, store, claims
        self.left = list(plan.missing)
        self.computed = 0
        self._claimed: deque[DateWork] = deque()

    @property
    def parts(self) -> int:
        """Tasks at most."""
        return sum(len(work.parts) for work in self.left)

    def tasks(self, clip: float) -> Iterator[DateTask]:
        """The tasks of the dates left that no other process has or finished, each claimed before its first."""
        for work in self.left:
            if not self.claims.take(work.on):
                continue
            if self._held(work):
                self.claims.give_up(work.on)
                continue
            self._claimed.append(work)
            yield from (_task(self.plan.table, work, part, clip) for part in work.parts)

    def stored(self, scored: Iterator[pl.DataFrame]) -> Iterator[DateWork]:
        """Store the rows of the tasks; the dates, each as soon as it is stored."""
        done: list[DateWork] = []
        for first in scored:
            work = self._claimed.popleft()
            rows = pl.concat([first, *islice(scored, len(work.parts) - 1)])
            check_table("signals.store", rows)
            self.store.write(work.on, rows, work.seen)
            self.claims.give_up(work.on)
            self.computed += 1
            done.append(work)
            if len(done) == 1:  # what came before it was the start of the model or of the processes
                begun = time.perf_counter()
            if len(done) == ESTIMATE_AFTER and len(self.left) > 2 * ESTIMATE_AFTER:
                _log_time_left(time.perf_counter() - begun, done, self.left)
            yield work
        # one that another process has replaced since, with what it would see, is not computed again
        stored = {work.on for work in done}
        self.left = [work for work in self.left if work.on not in stored]

    def elsewhere(self) -> list[DateWork]:
        """The dates left that others have stored; they are no longer left."""
        there = {work.on: work for work in self.left if self._held(work)}
        self.left = [work for work in self.left if work.on not in there]
        return list(there.values())

    def wait(self) -> None:
        """Until one of the dates left is stored, or no process computes it any more; nothing is claimed meanwhile."""
        if not self.left:
            return
        logger.info("waiting for another process that computes %s", listed(work.on for work in self.left))
        while not any(self._held(work) for work in self.left):
            for work in self.left:
                if self.claims.take(work.on):
                    self.claims.give_up(work.on)
                    return
            time.sleep(POLL_SECONDS)

    def _held(self, work: DateWork) -> bool:
        return self.store.holds(work.on, work.seen)


def _log_time_left(seconds: float, done: Sequence[DateWork], works: Sequence[DateWork]) -> None:
    """Estimate how long the others take; `seconds` : of those done but the first."""
    first, computed, every = len(done[0].index), *(sum(len(work.index) for work in part) for part in (done, works))
    left = seconds / (computed - first) * (every - computed)
    logger.info("about %s left for %d sessions", duration(left), len(works) - len(done))


def _task(table: BarTable, work: DateWork, part: WindowIndex, clip: float) -> DateTask:
    windows = gather(table, part, slice(None), clip)
    future = np.stack([work.future[asof] for asof in windows.asof])
    close = table.values[part.anchor, CLOSE].astype(np.float64)
    return DateTask(work.on, windows, future, close, table.factor[part.anchor].astype(np.float64))


def _decides(market: Market, table: BarTable, points: DecisionPoints) -> NDArray[np.bool_]:
    """bool[R]: the bars after which signals are made; at the close, each symbol's last one of the session."""
    if points.at_close:
        last = np.ones(table.rows, dtype=bool)
        last[:-1] = (table.date[1:] != table.date[:-1]) | (table.symbol_id[1:] != table.symbol_id[:-1])
        return last
    bars = market.times()
    chosen = np.array(bars.filter(points.among(bars))["time"].to_numpy(), dtype="datetime64[us]")
    return np.isin(table.time, chosen)


def _by_date(table: BarTable, index: WindowIndex) -> dict[np.datetime64, WindowIndex]:
    """The windows by the session date of their anchors, in the order of time and symbol."""
    anchor = index.anchor[np.lexsort((index.anchor, table.time[index.anchor]))]
    days, starts = np.unique(table.date[anchor], return_index=True)
    groups = np.split(anchor, starts[1:])[: len(days)]  # no windows have no days
    return {day: WindowIndex(index.lookback, 0, group) for day, group in zip(days, groups, strict=True)}


def _future_stamps(
    market: Market, table: BarTable, parts: Iterable[WindowIndex], horizon: int
) -> dict[np.datetime64, NDArray[np.int16]]:
    """The stamps int16[horizon, 5] of the bars after each moment at which one of the windows ends."""
    moments = [np.unique(table.time[part.anchor]) for part in parts]
    asofs = np.unique(np.concatenate(moments)) if moments else np.empty(0, dtype="datetime64[us]")
    ends = asofs.astype("datetime64[us]").tolist()
    times = [time for end in ends for time in market.next_times(end, horizon).times]
    return dict(zip(asofs, stamps(times).reshape(len(asofs), horizon, -1), strict=True)) if times else {}


def _date_work(
    table: BarTable,
    index: WindowIndex,
    on: date,
    points: DecisionPoints,
    known: Mapping[np.datetime64, NDArray[np.int16]],
) -> DateWork:
    asofs, starts = np.unique(table.time[index.anchor], return_index=True)
    future = {asof: known[asof] for asof in asofs}
    seen = hashlib.blake2b(digest_size=16)
    for anchor in index.anchor:
        rows = slice(anchor - index.lookback + 1, anchor + 1)
        seen.update(table.symbols[table.symbol_id[anchor]].encode())
        seen.update(table.time[rows].tobytes())
        seen.update(table.values[rows].tobytes())
        # they give the raw closes that are stored with the scores
        seen.update(table.factor[rows].tobytes())
    for asof, stamp in future.items():
        seen.update(str(asof).encode() + stamp.tobytes())
    cuts = [0]
    for start in () if points.at_close else starts:
        cuts += [start] if start - cuts[-1] >= PART else []
    parts = [WindowIndex(index.lookback, 0, group) for group in np.split(index.anchor, cuts[1:])]
    return DateWork(on, index, parts, future, seen.hexdigest())


def duration(seconds: float) -> str:
    """In words: '40 s', '12 min', '3.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
