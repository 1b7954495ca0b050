"""One session of a strategy that says how many shares it wants: the step that the event loop of `strategies` takes.

Shape letter: N symbols.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from kronos_quant.backtest.kernel.arrays import (
    BOOK,
    CHARGES,
    F1,
    HISTORY,
    I1,
    MARKET,
    Book,
    Charges,
    History,
    Market,
    signature,
)
from kronos_quant.backtest.kernel.exchange import (
    LOT_SLACK,
    buy_nb,
    carry_on_nb,
    leave_delisted_nb,
    sell_nb,
    value_nb,
    whole_lots_nb,
    with_room_nb,
)
from kronos_quant.backtest.panel import FloatArray, IntArray

DUST = 1e-9
"""A change by less than this fraction of a holding is rounding, and no order."""


@njit(signature(types.f8, MARKET, types.i8, types.i8, types.f8), cache=True)
def in_lots_nb(market: Market, t: int, i: int, shares: float) -> float:
    """Shares rounded towards nothing to what may be ordered."""
    lots = whole_lots_nb(abs(shares), market.factor[t, i], market.lot[i], market.step[i], LOT_SLACK)
    return lots if shares > 0.0 else -lots


@njit(signature(types.void, MARKET, CHARGES, BOOK, types.i8, types.i8, types.f8), cache=True)
def reduce_nb(market: Market, charges: Charges, book: Book, t: int, i: int, target: float) -> None:
    """Sell down to `target` shares: a holding that is given up goes whole, part of one in whole lots."""
    held = book.shares[i]
    if target > 0.0 or held <= 0.0:
        sold = in_lots_nb(market, t, i, held - target)
    else:
        sold = held - in_lots_nb(market, t, i, target)
    if sold > 0.0:
        sell_nb(market, charges, book, t, i, sold)


@njit(signature(types.void, MARKET, CHARGES, BOOK, types.i8, types.i8, types.f8), cache=True)
def increase_nb(market: Market, charges: Charges, book: Book, t: int, i: int, target: float) -> None:
    """Buy up to `target` shares; what is short is bought back whole where it is given up."""
    held = book.shares[i]
    if held < 0.0 and target >= 0.0:
        bought = in_lots_nb(market, t, i, target) - held
    else:
        bought = in_lots_nb(market, t, i, target - held)
    if bought > 0.0:
        buy_nb(market, charges, book, t, i, bought)


@njit(signature(BOOK, MARKET, CHARGES, BOOK, HISTORY, types.i8, F1, I1, types.f8), cache=True)
def session_nb(
    market: Market, charges: Charges, book: Book, history: History, t: int,
    target: FloatArray, order: IntArray, delisting_return: float,
) -> Book:  # fmt: skip
    """The book after session t: delisted holdings leave, sales, purchases, valuation.

    target : f8[N], adjusted shares wanted, NaN for leaving a symbol as it is; order : the symbols by importance
    What a volume cap cut before is ordered again only where the symbol has no new target.
    """
    book = with_room_nb(book, 5 * len(target))
    leave_delisted_nb(market, book, t, delisting_return)
    book.pending[~np.isnan(target)] = 0.0
    carry_on_nb(market, charges, book, t, False)
    less = target < book.shares
    dust = DUST * np.maximum(np.abs(target), np.abs(book.shares))
    for i in order:
        if less[i] and book.shares[i] - target[i] > dust[i]:
            reduce_nb(market, charges, book, t, i, target[i])
    carry_on_nb(market, charges, book, t, True)
    for i in order:
        if not less[i] and target[i] - book.shares[i] > dust[i]:
            increase_nb(market, charges, book, t, i, target[i])
    value_nb(market, book, history, t, charges.borrow)
    return book
