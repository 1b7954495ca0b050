"""Boards of the mainland exchanges by date: how far a price may move in a session, and how many shares make a lot.

Each row has its source. Not here: the opening auctions' own bands, the last sessions before a delisting, and funds and
convertible bonds, which have no board and so no limit. Shape letters of `RulesPanel`: T sessions, N symbols.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.market.exchanges.levies import brokerage
from kronos_quant.market.symbols import MAINLAND, exchange_of


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """Maximum move of a price in a session from the previous close, valid from a day on."""

    since: date
    fraction: float
    source: str


@dataclass(frozen=True, slots=True)
class ListingStart:
    """Limits in the first sessions of shares listed from a day on."""

    since: date
    sessions: int
    up: float | None
    """Largest rise above the issue price as a fraction; None: no limit."""
    down: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Board:
    """A board of an exchange, recognised by the first characters of its symbols."""

    name: str
    prefixes: tuple[str, ...]
    limits: tuple[PriceLimit, ...]
    """Ascending; before the first: no limit."""
    st_limits: tuple[PriceLimit, ...]
    """Limits of shares under special treatment (ST, *ST); empty: the same."""
    starts: tuple[ListingStart, ...]
    lot: int = 100
    """Minimum number of shares of a buy order."""
    step: int = 100
    """Increment of larger orders, counted from the lot on."""
    tick: float = 0.01
    """Price step, account currency; limits are rounded to it, halves up."""


_TEN = PriceLimit(date(1996, 12, 16), 0.10, "CSRC notice of 1996-12-13; SZSE retrospective of 2018-03-28")
_ST = (
    PriceLimit(date(1998, 4, 22), 0.05, "SSE chronicle of 1998 (SZSE's retrospective has 1998-04-27)"),
    PriceLimit(date(2026, 7, 6), 0.10, "SSE and SZSE Trading Rules of 2026-04-24, proposed on 2025-06-27"),
)
_FREE_DAY = ListingStart(
    date(1996, 12, 16), 1, None, None, "SSE Trading Rules 3.4.13; SZSE retrospective of 2018-03-28"
)
_SHENZHEN_DAY = ListingStart(date(2014, 6, 13), 1, 0.44, 0.36, "SZSE notice 2014 no. 54")
_REGISTERED = ListingStart(
    date(2023, 4, 10), 5, None, None, "SSE notice 2023 no. 32, SZSE Trading Rules 2023: registered IPOs"
)

BOARDS = (
    Board(
        "Shanghai main",
        ("SH600", "SH601", "SH603", "SH605"),
        (_TEN,),
        _ST,
        (_FREE_DAY, ListingStart(date(2013, 12, 13), 1, 0.44, 0.36, "SSE notice 2013 no. 47"), _REGISTERED),
    ),
    Board("Shenzhen main", ("SZ000", "SZ001", "SZ002", "SZ003"), (_TEN,), _ST, (_FREE_DAY, _SHENZHEN_DAY, _REGISTERED)),
    Board("Shanghai B", ("SH900",), (_TEN,), _ST, (), tick=0.001),
    Board("Shenzhen B", ("SZ200",), (_TEN,), _ST, ()),
    Board(
        "ChiNext",
        ("SZ300", "SZ301", "SZ302"),
        (
            PriceLimit(date(2009, 10, 30), 0.10, "SZSE, first listings of 2009-10-30"),
            PriceLimit(date(2020, 8, 24), 0.20, "SZSE ChiNext Trading Special Provisions of 2020-06-12"),
        ),
        (
            PriceLimit(date(2009, 10, 30), 0.05, "SZSE notice 2020 no. 620, of the time before"),
            PriceLimit(date(2020, 8, 24), 0.20, "SZSE notice 2020 no. 620"),
        ),
        (
            ListingStart(date(2009, 10, 30), 1, None, None, "SZSE notice of 2009-09-24"),
            _SHENZHEN_DAY,
            ListingStart(date(2020, 8, 24), 5, None, None, "SZSE ChiNext Trading Special Provisions of 2020-06-12"),
        ),
    ),
    Board(
        "STAR",
        ("SH688", "SH689"),
        (PriceLimit(date(2019, 7, 22), 0.20, "SSE notice 2019 no. 23, STAR Trading Special Provisions"),),
        (),
        (ListingStart(date(2019, 7, 22), 5, None, None, "SSE notice 2019 no. 23"),),
        lot=200,
        step=1,
    ),
    Board(
        "Beijing",
        ("BJ4", "BJ83", "BJ87", "BJ88", "BJ92"),
        (PriceLimit(date(2021, 11, 15), 0.30, "BSE Trading Rules (trial) of 2021-09-09, open from 2021-11-15"),),
        (),
        (ListingStart(date(2021, 11, 15), 1, None, None, "BSE Trading Rules (trial)"),),
        lot=100,
        step=1,
    ),
)
"""Lots: SSE and SZSE Trading Rules (100), STAR Special Provisions (200, then by 1), BSE Trading Rules (100, then by 1).
Ticks: SSE and SZSE Trading Rules; Shanghai's B shares trade in US dollars by 0.001."""


ONE_TICK_SINCE = {"XSHE": date(2011, 2, 28), "XSHG": date(2023, 4, 10)}
"""From when a limit that would be less than a tick away from the previous close is a tick away from it.

SZSE Trading Rules 2011, SSE Trading Rules 2023.
"""

Row = TypeVar("Row", PriceLimit, ListingStart)


def in_force(rows: Sequence[Row], on: date) -> Row | None:
    """The last of ascending rows that began on or before a day."""
    place = bisect_right([row.since for row in rows], on)
    return rows[place - 1] if place else None


def board_on(symbol: str, exchange: str) -> Board | None:
    """The board of a canonical symbol; None for indices and funds, and on any exchange but the mainland's and ""."""
    known = BOARDS if exchange in ("", *MAINLAND) else ()
    return next((board for board in known if symbol.startswith(board.prefixes)), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """Dated facts about symbols; without a fact its rule does not apply."""

    sessions: Sequence[date]
    """All known sessions, ascending; the first sessions of a listing are counted in them."""
    st: Sequence[tuple[str, date, date]] = ()
    """(symbol, start, end) under special treatment, end inclusive."""
    listed: Mapping[str, date] | None = None
    """Listing dates; a missing symbol was listed long before."""
    issue_price: Mapping[str, float] | None = None
    """Raw; without it the limits of a first session are unknown."""


@dataclass(frozen=True, slots=True)
class RulesPanel:
    """Price limits and lots of N symbols on T dates.

    up, down : float64[T, N], largest rise and fall from the reference, fractions, positive; NaN: no limit
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
    """Price limits and lots of canonical symbols on ascending dates; the customary lot where no board is known.

    >>> rules_panel(["SH688001"], [date(2024, 6, 18)], "XSHG").up
    array([[0.2]])
    """
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
    customary = [brokerage(exchange_of(symbol, exchange)).lot for symbol in symbols]
    lots = [board.lot if board else lot for board, lot in zip(boards, customary, strict=True)]
    steps = [board.step if board else max(lot, 1) for board, lot in zip(boards, customary, strict=True)]
    ticks = [board.tick if board else 0.01 for board in boards]
    shares = np.array(lots, dtype=np.int64), np.array(steps, dtype=np.int64)
    return RulesPanel(up, down, reference, *shares, np.array(ticks, dtype=np.float64))


def first_sessions(
    days: npt.NDArray[np.datetime64], sessions: Sequence[date], listed: date, count: int
) -> npt.NDArray[np.bool_]:
    """bool[T]: which of `days` are among the first `count` of the known `sessions` of a listing, its day included."""
    known = np.array(sessions, dtype="datetime64[D]")
    begin = int(np.searchsorted(known, np.datetime64(listed)))
    # a listing before the known sessions has an unknown number of sessions behind it
    if begin == 0 and (len(known) == 0 or known[0] != np.datetime64(listed)):
        return np.zeros(len(days), dtype=np.bool_)
    return np.isin(days, known[begin : begin + count])


def _write(
    limits: FloatArray,
    days: npt.NDArray[np.datetime64],
    columns: IntArray,
    rows: Sequence[PriceLimit],
    span: npt.NDArray[np.bool_] | None = None,
) -> None:
    """Put dated limits into their columns, within a span of the days; before the first row nothing changes."""
    for row in rows:
        chosen = days >= np.datetime64(row.since)
        limits[np.ix_(chosen if span is None else chosen & span, columns)] = row.fraction


def levy_exchange(symbol: str, exchange: str) -> str:
    """The exchange whose levies a symbol pays; "" where unknown, and for funds and indices, which pay none."""
    listed_on = exchange_of(symbol, exchange)
    return "" if listed_on in MAINLAND and board_on(symbol, exchange) is None else listed_on
