"""The rules of many symbols and dates at once. Shape letters: T sessions, N symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.market.exchanges.boards import Limit, board_on, in_force, trading_rules
from kronos_quant.market.symbols import MAINLAND, exchange_of


@dataclass(frozen=True, slots=True)
class Facts:
    """Dated facts about symbols that sharpen the rules; what is not known leaves its rule off."""

    sessions: Sequence[date]
    """All sessions known, ascending: the first ones of a listing are counted in them."""
    st: Sequence[tuple[str, date, date]] = ()
    """(symbol, start, end) under special treatment, end inclusive."""
    listed: Mapping[str, date] | None = None
    """Since when symbols are listed; a symbol that is missing is long listed."""
    issue_price: Mapping[str, float] | None = None
    """Raw; without it the limits of a first session are not known."""


@dataclass(frozen=True, slots=True)
class RulesPanel:
    """`trading_rules` of many symbols and dates.

    up, down : float64[T, N], fractions of the reference; NaN: no limit
    reference : float64[T, N], the raw price that limits count from where it is not the previous close; NaN elsewhere
    lot, step : int64[N], shares; lot 0: fractions. tick : float64[N]
    """

    up: FloatArray
    down: FloatArray
    reference: FloatArray
    lot: IntArray
    step: IntArray
    tick: FloatArray


def rules_panel(symbols: Sequence[str], dates: Sequence[date], exchange: str, facts: Facts | None = None) -> RulesPanel:
    """`trading_rules` of many symbols and dates at once, in the given order."""
    days = np.array(dates, dtype="datetime64[D]")
    shape = (len(days), len(symbols))
    up, reference = np.full(shape, np.nan), np.full(shape, np.nan)
    boards = [board_on(symbol, exchange) for symbol in symbols]
    for board in {id(board): board for board in boards if board is not None}.values():
        columns = np.flatnonzero([listed_on is board for listed_on in boards])
        _write(up, days, columns, board.limits)
    place = {symbol: n for n, symbol in enumerate(symbols)}
    facts = facts or Facts(sessions=dates)
    for symbol, begin, end in facts.st:
        special = boards[place[symbol]] if symbol in place else None
        if special is not None:
            span = (days >= np.datetime64(begin)) & (days <= np.datetime64(end))
            _write(up, days, np.array([place[symbol]]), special.st_limits, span)
    down = up.copy()
    for symbol, listed in (facts.listed or {}).items():
        new = boards[place[symbol]] if symbol in place else None
        start = in_force(new.starts, listed) if new is not None else None
        if start is None:
            continue
        rows, n = first_sessions(days, facts.sessions, listed, start.sessions), place[symbol]
        issued = (facts.issue_price or {}).get(symbol) if start.up is not None else None
        up[rows, n] = np.nan if issued is None else start.up
        down[rows, n] = np.nan if issued is None else start.down
        reference[rows, n] = np.nan if issued is None else issued
    single = [trading_rules(symbol, exchange, date.min) for symbol in symbols]
    return RulesPanel(
        up,
        down,
        reference,
        np.array([rule.lot for rule in single], dtype=np.int64),
        np.array([rule.step for rule in single], dtype=np.int64),
        np.array([rule.tick for rule in single], dtype=np.float64),
    )


def first_sessions(
    days: npt.NDArray[np.datetime64], sessions: Sequence[date], listed: date, count: int
) -> npt.NDArray[np.bool_]:
    """bool[T]: the days among the first `count` sessions of a listing, of which the first is counted too."""
    known = np.array(sessions, dtype="datetime64[D]")
    begin = int(np.searchsorted(known, np.datetime64(listed)))
    # a listing before the sessions known has an unknown number of them behind it: only its own day is sure
    if begin == 0 and (len(known) == 0 or known[0] != np.datetime64(listed)):
        return np.zeros(len(days), dtype=np.bool_)
    return np.isin(days, known[begin : begin + count])


def _write(
    limits: FloatArray,
    days: npt.NDArray[np.datetime64],
    columns: IntArray,
    rows: Sequence[Limit],
    span: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Put dated limits into their columns, within a span of the days; before the first row nothing changes."""
    for row in rows:
        chosen = days >= np.datetime64(row.since)
        limits[np.ix_(chosen if span is None else chosen & span, columns)] = row.fraction


def levied_as(symbol: str, exchange: str) -> str:
    """The exchange whose levies a symbol pays: "" where none is known, and for what is no share (funds, indices)."""
    listed_on = exchange_of(symbol, exchange)
    return "" if listed_on in MAINLAND and board_on(symbol, exchange) is None else listed_on
