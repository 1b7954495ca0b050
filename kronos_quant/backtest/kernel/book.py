"""The account that the event loops keep: orders, holdings, cash, and what they were after each row.

In the compiled functions plain loops stand for slices and masks, which take seconds to compile.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import IntArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.kernel.arrays import (
    NEXT_DAY,
    PASSED,
    PLACED,
    Book,
    BoolMatrix,
    History,
    MarketArrays,
    compiled,
    inner,
)
from kronos_quant.backtest.kernel.dividends import dividends_nb, locked_nb, new_purchases, sold_nb, with_lots_nb

LEFT = 1e-9
"""Of a holding: less of it than this is rounding."""


def new_book(cash: float, symbols: int, market: MarketArrays | None = None) -> Book:
    """An account of cash alone. market : where dividends are paid in cash"""
    rows, events = (0, 0) if market is None else (len(market.session), len(market.payout))
    return Book(
        orders=np.empty((1024, codes.COLUMNS)),
        placed=np.zeros(2, dtype=np.int64),
        cash=np.array([cash, 0.0, 0.0]),
        shares=np.zeros(symbols),
        entry=np.full(symbols, np.nan),
        traded=np.full(symbols, -1),
        pending=np.zeros(symbols),
        fresh=np.zeros(symbols),
        purchases=new_purchases(symbols, rows, events),
    )


def new_history(rows: int, symbols: int, cash: float) -> History:
    """The account before anything traded, for every row."""
    return History(
        account=np.full(rows, cash),
        cash=np.full(rows, cash),
        borrowed=np.zeros(rows),
        held=np.zeros((rows, symbols)),
        halted=np.zeros(rows, dtype=np.bool_),
    )


@inner
def with_room_nb(book: Book, rows: int) -> Book:
    """The same account with place for `rows` more orders."""
    lots = with_lots_nb(book.purchases, rows)
    if book.placed[PLACED] + rows <= len(book.orders):
        return Book(
            book.orders, book.placed, book.cash, book.shares, book.entry, book.traded, book.pending, book.fresh, lots
        )
    larger = np.empty((2 * len(book.orders) + rows, codes.COLUMNS))
    # a slice would take longer to compile than all the rest of this file
    for row in range(book.placed[PLACED]):
        for column in range(codes.COLUMNS):
            larger[row, column] = book.orders[row, column]
    return Book(larger, book.placed, book.cash, book.shares, book.entry, book.traded, book.pending, book.fresh, lots)


@inner
def record_nb(
    book: Book, t: int, i: int, side: int,
    wanted: float, shares: float, price: float, cost: float, levy: float, reason: int,
) -> None:  # fmt: skip
    """Write an order into the book, filled at the quoted price if at all; the reason tells whether it was cut."""
    row = book.orders[book.placed[PLACED]]
    whole = reason == codes.TRADABLE or reason == codes.DELISTED
    filled = codes.FILLED if whole else codes.PARTIAL
    row[codes.ROW], row[codes.SYMBOL], row[codes.SIDE] = t, i, side
    row[codes.WANTED], row[codes.SHARES], row[codes.PRICE] = wanted, shares, price
    row[codes.COST], row[codes.LEVY], row[codes.REASON] = cost, levy, reason
    row[codes.STATUS] = filled if shares > 0.0 else codes.REJECTED
    row[codes.SLIPPAGE], row[codes.IMPACT], row[codes.RISK], row[codes.TAX] = 0.0, 0.0, codes.UNTOUCHED, 0.0
    book.placed[PLACED] += 1


@inner
def reject_nb(book: Book, t: int, i: int, side: int, wanted: float, price: float, reason: int) -> None:
    """Write an order into the book of which nothing was filled; only a market that is shut lets it be ordered again."""
    record_nb(book, t, i, side, wanted, 0.0, price, 0.0, 0.0, reason)
    if reason >= codes.BELOW_LOT:
        book.pending[i] = 0.0


@inner
def mark_nb(book: Book, asked: float, rule: int) -> None:
    """Say of the newest order that a risk rule made it or cut it; asked : what the strategy wanted instead."""
    row = book.orders[book.placed[PLACED] - 1]
    row[codes.RISK] = rule
    if asked > row[codes.WANTED]:
        row[codes.WANTED] = asked
        if row[codes.STATUS] == codes.FILLED:
            row[codes.STATUS] = codes.PARTIAL


@inner
def hold_nb(book: Book, i: int, shares: float, price: float) -> None:
    """Set a holding after a trade at `price`, and with it the mean price at which it was entered."""
    held, grown = book.shares[i], abs(shares) - abs(book.shares[i])
    if shares == 0.0:
        book.entry[i] = np.nan
    elif held * shares <= 0.0:
        book.entry[i] = price
    elif grown > 0.0:
        book.entry[i] = (book.entry[i] * abs(held) + price * grown) / abs(shares)
    book.shares[i] = shares


@inner
def free_to_sell_nb(market: MarketArrays, book: Book, t: int, i: int) -> float:
    """The shares of a holding that may be sold in a row.

    Not those bought in its session, where that is forbidden, and not new ones that are not listed yet.
    """
    kept = book.fresh[i] if market.trait[i, NEXT_DAY] == 1 else 0.0
    locked = locked_nb(book.purchases, t, i)
    if locked > 0.0:
        free = book.shares[i] - kept - locked
        return float(free if free > LEFT * book.shares[i] else 0.0)
    return float(book.shares[i] - kept) if kept > 0.0 else np.inf


@inner
def why_kept_nb(market: MarketArrays, book: Book, i: int) -> int:
    """Why not all of a holding may be sold, where it may not."""
    return codes.BOUGHT_TODAY if market.trait[i, NEXT_DAY] == 1 and book.fresh[i] > 0.0 else codes.UNLISTED


@inner
def orderable_nb(suspended: BoolMatrix, t: int, i: int) -> bool:
    """Whether a symbol gets orders in a row. suspended : of `MarketArrays`, as all of them cost more to pass on"""
    return len(suspended) == 0 or not suspended[t, i]


@inner
def open_row_nb(market: MarketArrays, book: Book, t: int, delisting_return: float) -> None:
    """Forget what another session bought, book dividends, and turn holdings whose listing is over into cash.

    Those leave at the last close and the delisting return, at no cost.
    """
    if market.session[t] != market.session[t - 1]:
        for i in range(len(book.fresh)):
            book.fresh[i] = 0.0
    dividends_nb(market, book.purchases, book.cash, book.shares, book.pending, t)
    while book.placed[PASSED] < len(market.delisted) and market.delisted[book.placed[PASSED], 0] <= t:
        row, i = market.delisted[book.placed[PASSED], 0], market.delisted[book.placed[PASSED], 1]
        book.placed[PASSED] += 1
        if row == t and book.shares[i] != 0.0:
            shares, price = abs(book.shares[i]), market.last[t - 1, i] * (1.0 + delisting_return)
            side = codes.SELL if book.shares[i] > 0.0 else codes.BUY
            record_nb(book, t, i, side, shares, shares, price, 0.0, 0.0, codes.DELISTED)
            tax = sold_nb(market, book.purchases, t, i, shares, True)
            book.orders[book.placed[PLACED] - 1, codes.TAX] = tax
            book.cash[0] += book.shares[i] * price - tax
            book.pending[i] = 0.0
            hold_nb(book, i, 0.0, price)


@compiled
def first_traded_nb(session: IntArray) -> int:
    """The first row of the second session: the first session only gives scores."""
    t = 0
    while t < len(session) and session[t] == session[0]:
        t += 1
    return t


@inner
def value_nb(market: MarketArrays, book: Book, history: History, t: int, borrow: float) -> None:
    """Value the account at row t's closes; at the end of a session what is short pays for being borrowed."""
    value, short = 0.0, 0.0
    for i in range(len(book.shares)):
        history.held[t, i] = book.shares[i]
    for i in range(len(book.shares)):
        if book.shares[i] != 0.0:
            value += book.shares[i] * market.last[t, i]
            if book.shares[i] < 0.0:
                short -= book.shares[i] * market.last[t, i]
    if t + 1 < len(market.session) and market.session[t + 1] == market.session[t]:
        borrow = 0.0
    book.cash[0] -= borrow * short
    history.account[t], history.cash[t] = book.cash[0] + book.cash[2] + value, book.cash[0]
    history.borrowed[t] = borrow * short
