"""Boards of the mainland exchanges by date: how far a price may move in a session, and how many shares make a lot.

Each row has its source; "not checked" marks what was not read in it. Funds and convertible bonds: `funds`. Not here:
the opening auctions' own bands. Shape letters of `RulesPanel`: T sessions, N symbols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.market.exchanges.funds import FUND_BOARDS, fund_board
from kronos_quant.market.exchanges.levies import SHANGHAI_B, SHENZHEN_B, brokerage
from kronos_quant.market.exchanges.tables import Board, Delisting, ListingStart, PriceLimit, Resale, in_force
from kronos_quant.market.symbols import MAINLAND, exchange_of

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
_NEXT_DAY = (Resale(date(1995, 1, 1), True, "SZSE chronicle of 1995; SSE and SZSE Trading Rules 2006 3.1.4"),)
_B_RESALE = (
    Resale(date(1992, 2, 21), False, "first listing of B shares; not checked"),
    Resale(
        date(2001, 12, 1),
        True,
        "SSE and SZSE Trading Rules 2006 3.1.5; the day is that of the rules of 2001, not checked",
    ),
)

_NONE_ON_DAY_ONE = date(2020, 12, 31)
_SSE_DELISTING = Delisting(
    (PriceLimit(date(2013, 1, 1), 0.10, "SSE Risk Warning Board Measures of 2012-12-16, article 7"),),
    (PriceLimit(_NONE_ON_DAY_ONE, None, "SSE notice 2020 no. 103"),),
)
_SZSE_DELISTING = Delisting(
    (PriceLimit(date(2012, 12, 17), 0.10, "SZSE Trading Rules 2012 4.5.2"),),
    (PriceLimit(_NONE_ON_DAY_ONE, None, "SZSE Listing Rules of 2020-12-31"),),
)

BOARDS = (
    Board(
        "Shanghai main",
        ("SH600", "SH601", "SH603", "SH605"),
        (_TEN,),
        _ST,
        (_FREE_DAY, ListingStart(date(2013, 12, 13), 1, 0.44, 0.36, "SSE notice 2013 no. 47"), _REGISTERED),
        resale=_NEXT_DAY,
        delisting=_SSE_DELISTING,
    ),
    Board(
        "Shenzhen main",
        ("SZ000", "SZ001", "SZ002", "SZ003"),
        (_TEN,),
        _ST,
        (_FREE_DAY, _SHENZHEN_DAY, _REGISTERED),
        resale=_NEXT_DAY,
        delisting=_SZSE_DELISTING,
    ),
    Board(
        "Shanghai B",
        ("SH900",),
        (_TEN,),
        _ST,
        (),
        tick=0.001,
        resale=_B_RESALE,
        pays=SHANGHAI_B,
        delisting=_SSE_DELISTING,
    ),
    Board("Shenzhen B", ("SZ200",), (_TEN,), _ST, (), resale=_B_RESALE, pays=SHENZHEN_B, delisting=_SZSE_DELISTING),
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
        delisting=Delisting(
            (
                PriceLimit(date(2012, 12, 17), 0.10, "SZSE Trading Rules 2012 4.5.2"),
                PriceLimit(date(2020, 8, 24), 0.20, "SZSE notice 2020 no. 620: periods that begin after the reform"),
            ),
            (PriceLimit(_NONE_ON_DAY_ONE, None, "SZSE Listing Rules of 2020-12-31"),),
        ),
        resale=_NEXT_DAY,
    ),
    Board(
        "STAR",
        ("SH688", "SH689"),
        (PriceLimit(date(2019, 7, 22), 0.20, "SSE notice 2019 no. 23, STAR Trading Special Provisions"),),
        (),
        (ListingStart(date(2019, 7, 22), 5, None, None, "SSE notice 2019 no. 23"),),
        lot=200,
        step=1,
        delisting=Delisting(
            (PriceLimit(date(2019, 7, 22), 0.20, "SSE notice 2019 no. 23, article 18"),),
            (PriceLimit(_NONE_ON_DAY_ONE, None, "SSE notice 2020 no. 101, STAR Listing Rules"),),
        ),
        resale=_NEXT_DAY,
    ),
    Board(
        "Beijing",
        ("BJ4", "BJ83", "BJ87", "BJ88", "BJ92"),
        (PriceLimit(date(2021, 11, 15), 0.30, "BSE Trading Rules (trial) of 2021-09-09, open from 2021-11-15"),),
        (),
        (ListingStart(date(2021, 11, 15), 1, None, None, "BSE Trading Rules (trial)"),),
        lot=100,
        step=1,
        delisting=Delisting(
            (PriceLimit(date(2021, 11, 15), 0.30, "BSE Trading Rules (trial)"),),
            (PriceLimit(date(2021, 11, 15), None, "BSE Trading Rules (trial)"),),
        ),
        resale=(Resale(date(2021, 11, 15), True, "BSE Trading Rules (trial); not checked"),),
    ),
)
"""Lots: SSE and SZSE Trading Rules (100), STAR Special Provisions (200, then by 1), BSE Trading Rules (100, then by 1).
Ticks: SSE and SZSE Trading Rules; Shanghai's B shares trade in US dollars by 0.001."""


ONE_TICK_SINCE = {"XSHE": date(2011, 2, 28), "XSHG": date(2023, 4, 10)}
"""From when a limit that would be less than a tick away from the previous close is a tick away from it.

SZSE Trading Rules 2011, SSE Trading Rules 2023.
"""

_BY_PREFIX = {prefix: board for board in (*BOARDS, *FUND_BOARDS) for prefix in board.prefixes}
_LENGTHS = sorted({len(prefix) for prefix in _BY_PREFIX}, reverse=True)


def board_on(symbol: str, exchange: str) -> Board | None:
    """The board of a canonical symbol, or its kind of fund or bond as far as the code tells it.

    None for indices and other bonds, and on any exchange but the mainland's and "".
    """
    if exchange not in ("", *MAINLAND):
        return None
    return next((board for n in _LENGTHS if (board := _BY_PREFIX.get(symbol[:n])) is not None), None)


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
    delisting: Sequence[tuple[str, date, date]] = ()
    """(symbol, start, end) in the delisting period, end inclusive."""
    funds: Sequence[tuple[str, date, date, str]] = ()
    """(symbol, start, end, one of FUND_KINDS), end inclusive; without it, as the code tells."""


@dataclass(frozen=True, slots=True)
class RulesPanel:
    """Price limits, lots and T+1 of N symbols on T dates.

    up, down : float64[T, N], largest rise and fall from the reference, fractions, positive; NaN: no limit
    reference : float64[T, N], the raw price that limits count from where it is not the previous close; NaN elsewhere
    lot, step : int64[N], shares; lot 0: fractions. tick : float64[N]
    next_day : bool[T, N], what is bought is sold in the next session at the earliest
    """

    up: FloatArray
    down: FloatArray
    reference: FloatArray
    lot: IntArray
    step: IntArray
    tick: FloatArray
    next_day: BoolArray


Days = npt.NDArray[np.datetime64]


def rules_panel(symbols: Sequence[str], dates: Sequence[date], exchange: str, facts: Facts | None = None) -> RulesPanel:
    """Price limits and lots of canonical symbols on ascending dates; the customary lot where no board is known.

    >>> rules_panel(["SH688001"], [date(2024, 6, 18)], "XSHG").up
    array([[0.2]])
    """
    days = np.array(dates, dtype="datetime64[D]")
    facts = facts or Facts(sessions=dates)
    places = [exchange_of(symbol, exchange) for symbol in symbols]
    boards = [board_on(symbol, exchange) for symbol in symbols]
    up = np.full((len(days), len(symbols)), np.nan)
    next_day = np.tile(np.array([place in MAINLAND for place in places], dtype=np.bool_), (len(days), 1))
    for board in {id(board): board for board in boards if board is not None}.values():
        columns = np.flatnonzero([listed_on is board for listed_on in boards])
        _write_usual(up, next_day, days, columns, board)
    place = {symbol: n for n, symbol in enumerate(symbols)}
    for symbol, begin, end, kind in facts.funds:
        fund = boards[place[symbol]] if symbol in place else None
        other = fund_board(symbol, kind) if fund is not None and fund.fund else None
        if other is not None:
            _write_usual(up, next_day, days, np.array([place[symbol]]), other, _within(days, begin, end))
    for symbol, begin, end in facts.st:
        special = boards[place[symbol]] if symbol in place else None
        if special is not None:
            _write(up, days, np.array([place[symbol]]), special.st_limits, _within(days, begin, end))
    for symbol, begin, end in facts.delisting:
        leaving = boards[place[symbol]] if symbol in place else None
        if leaving is not None:
            _write_delisting(up[:, place[symbol]], days, facts.sessions, leaving, begin, end)
    down, reference = up.copy(), np.full(up.shape, np.nan)
    for symbol, listed in (facts.listed or {}).items():
        new = boards[place[symbol]] if symbol in place else None
        start = in_force(new.starts, listed) if new is not None else None
        if new is None or start is None:
            continue
        rows, n = first_sessions(days, facts.sessions, listed, start.sessions), place[symbol]
        issued = (facts.issue_price or {}).get(symbol, new.issue_price) if start.up is not None else None
        up[rows, n] = np.nan if issued is None else start.up
        down[rows, n] = np.nan if issued is None else start.down
        reference[rows, n] = np.nan if issued is None else issued
    customary = [brokerage(listed_on).lot for listed_on in places]
    lots = [board.lot if board else lot for board, lot in zip(boards, customary, strict=True)]
    steps = [board.step if board else max(lot, 1) for board, lot in zip(boards, customary, strict=True)]
    ticks = [board.tick if board else 0.01 for board in boards]
    shares = np.array(lots, dtype=np.int64), np.array(steps, dtype=np.int64)
    return RulesPanel(up, down, reference, *shares, np.array(ticks, dtype=np.float64), next_day)


def first_sessions(days: Days, sessions: Sequence[date], listed: date, count: int) -> BoolArray:
    """bool[T]: which of `days` are among the first `count` of the known `sessions` of a listing, its day included."""
    known = np.array(sessions, dtype="datetime64[D]")
    begin = int(np.searchsorted(known, np.datetime64(listed)))
    # a listing before the known sessions has an unknown number of sessions behind it
    if begin == 0 and (len(known) == 0 or known[0] != np.datetime64(listed)):
        return np.zeros(len(days), dtype=np.bool_)
    return np.isin(days, known[begin : begin + count])


def _within(days: Days, begin: date, end: date) -> BoolArray:
    inside: BoolArray = (days >= np.datetime64(begin)) & (days <= np.datetime64(end))
    return inside


def _write_usual(
    up: FloatArray, next_day: BoolArray, days: Days, columns: IntArray, board: Board, span: BoolArray | None = None
) -> None:
    """Put a board's limits and T+1 into its columns, within a span of the days."""
    whole = np.ones(len(days), dtype=np.bool_) if span is None else span
    up[np.ix_(whole, columns)] = np.nan
    _write(up, days, columns, board.limits, whole)
    for n, row in enumerate(board.resale):
        chosen = whole if n == 0 else whole & (days >= np.datetime64(row.since))
        next_day[np.ix_(chosen, columns)] = row.next_day


def _write_delisting(
    limits: FloatArray, days: Days, sessions: Sequence[date], board: Board, begin: date, end: date
) -> None:
    """Put the limits of a delisting period into a symbol's column; before the rules there were none of their own."""
    rules, first = board.delisting.limits, in_force(board.delisting.first_day, begin)
    span = _within(days, begin, end)
    usual = in_force(rules, begin) or next(iter(rules), None)
    if usual is not None:
        later = span & (days >= np.datetime64(usual.since))
        limits[later] = np.nan if usual.fraction is None else usual.fraction
    if first is not None:
        rows = first_sessions(days, sessions, begin, 1) & span
        limits[rows] = np.nan if first.fraction is None else first.fraction


def _write(limits: FloatArray, days: Days, columns: IntArray, rows: Sequence[PriceLimit], span: BoolArray) -> None:
    """Put dated limits into their columns, within a span of the days; before the first row nothing changes."""
    for row in rows:
        chosen = span & (days >= np.datetime64(row.since))
        limits[np.ix_(chosen, columns)] = np.nan if row.fraction is None else row.fraction


def levy_exchange(symbol: str, exchange: str) -> str:
    """Whose levies and commission a symbol has: a name of `levies`; "" where it is unknown, and for indices.

    >>> levy_exchange("SH600000", ""), levy_exchange("SH510300", ""), levy_exchange("SZ127045", "")
    ('XSHG', 'funds', 'bonds')
    """
    listed_on, board = exchange_of(symbol, exchange), board_on(symbol, exchange)
    if board is not None and board.pays:
        return board.pays
    return "" if listed_on in MAINLAND and board is None else listed_on
