"""Top-K dropout by the exchange's rules: the event loop.

A session goes: delisted holdings leave, what is left of earlier sales, sells, what is left of earlier
purchases, buys, valuation at the close. The strategy decides from `score[t]`
(already that of session t - 1), its own holdings and their age; prices and market states of session t only fill, cut or
reject its orders. Shape letters: T sessions, N symbols.
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
    R1,
    Book,
    Charges,
    History,
    Market,
    RankArray,
    signature,
    tuple_type,
)
from kronos_quant.backtest.kernel.exchange import (
    buy_for_nb,
    buyable_nb,
    carry_on_nb,
    leave_delisted_nb,
    new_book_nb,
    new_history_nb,
    sell_nb,
    value_nb,
    with_room_nb,
)
from kronos_quant.backtest.panel import FloatArray, IntArray


@njit(signature(I1, R1, types.i8, F1, types.i8, types.i8), cache=True)
def dropped_nb(ranking: RankArray, scored: int, shares: FloatArray, topk: int, n_drop: int) -> IntArray:
    """Holdings that rank below topk among all holdings and the best others, worst first; at most n_drop.

    The others are the n_drop best symbols not held, and one more for each free place.
    """
    dropped = np.empty(n_drop, np.int64)
    others = topk + n_drop - np.sum(shares > 0.0)
    place, count = 0, 0
    for position in range(len(ranking)):
        i = ranking[position]
        if shares[i] == 0.0:
            if others == 0 or position >= scored:
                continue
            others -= 1
        place += 1
        if place > topk and shares[i] > 0.0:
            dropped[count] = i
            count += 1
    return dropped[:count][::-1].copy()


@njit(signature(types.f8, MARKET, BOOK, types.i8, R1, types.i8, types.f8), cache=True)
def money_per_buy_nb(market: Market, book: Book, t: int, candidates: RankArray, free: int, risk_degree: float) -> float:
    """Cash x risk_degree, shared by the free places that can be filled (by all of them where none can)."""
    fillable = 0
    for i in candidates:
        if fillable < free and book.shares[i] == 0.0 and book.traded[i] != t and buyable_nb(market.state[t, i]):
            fillable += 1
    return float(book.cash[0] * risk_degree / (fillable if fillable > 0 else free))


@njit(signature(types.void, MARKET, CHARGES, BOOK, types.i8, R1, types.i8, types.f8), cache=True)
def fill_places_nb(
    market: Market, charges: Charges, book: Book, t: int, candidates: RankArray, topk: int, risk_degree: float
) -> None:
    """Fill the free places with the best symbols not held; a blocked symbol's place goes to the next one.

    A place whose money does not buy a lot stays empty for the session. A symbol sold in this session is not bought.
    """
    free = topk - int(np.sum(book.shares > 0.0))
    if free == 0:
        return
    money = money_per_buy_nb(market, book, t, candidates, free, risk_degree)
    for i in candidates:
        if free == 0:
            break
        if book.shares[i] > 0.0 or book.traded[i] == t:
            continue
        blocked = not buyable_nb(market.state[t, i])
        buy_for_nb(market, charges, book, t, i, money)
        if not blocked:
            book.traded[i] = t
            free -= 1


@njit(signature(tuple_type(BOOK, HISTORY), MARKET, CHARGES, *[types.i8] * 3, *[types.f8] * 3), cache=True, nogil=True)
def topk_dropout_nb(
    market: Market, charges: Charges, topk: int, n_drop: int, hold_thresh: int,
    account: float, risk_degree: float, delisting_return: float,
) -> tuple[Book, History]:  # fmt: skip
    """The book after the last session, and the account after each. Session 0 only gives scores."""
    T, N = market.score.shape
    book, history = new_book_nb(account, N), new_history_nb(T, N, account)
    for t in range(1, T):
        book = with_room_nb(book, 5 * N)
        leave_delisted_nb(market, book, t, delisting_return)
        carry_on_nb(market, charges, book, t, False)
        ranking, scored = market.ranking[t], market.scored[t]
        for i in dropped_nb(ranking, scored, book.shares, topk, n_drop):
            if t - book.traded[i] >= hold_thresh and book.pending[i] >= 0.0:
                book.pending[i] = 0.0
                sell_nb(market, charges, book, t, i, book.shares[i])
        carry_on_nb(market, charges, book, t, True)
        fill_places_nb(market, charges, book, t, ranking[:scored], topk, risk_degree)
        value_nb(market, book, history, t, charges.borrow)
    return book, history
