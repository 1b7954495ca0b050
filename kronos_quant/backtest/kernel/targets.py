"""One row of a strategy that says how many shares it wants: the step that the event loop of `strategies` takes.

Shape letter: N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.kernel.arrays import (
    LOT,
    STEP,
    Book,
    Charges,
    Guard,
    History,
    MarketArrays,
    Watch,
    compiled,
    inner,
)
from kronos_quant.backtest.kernel.book import mark_nb, open_row_nb, orderable_nb, value_nb, with_room_nb
from kronos_quant.backtest.kernel.exchange import buy_nb, carry_on_nb, less_nb, more_nb, refuse_nb, sell_nb
from kronos_quant.backtest.kernel.risk import guarded_nb


@inner
def reduce_nb(
    market: MarketArrays, charges: Charges, book: Book, t: int, i: int, target: float, asked: float, rule: int
) -> bool:
    """Sell down to `target` shares, where that takes a sale; returns whether it does.

    asked : what the strategy wanted, which a risk rule may have changed
    """
    held, factor, lot, step = book.shares[i], market.factor[t, i], market.trait[i, LOT], market.trait[i, STEP]
    sold, whole = less_nb(held, target, factor, lot, step), less_nb(held, asked, factor, lot, step)
    if sold > 0.0:
        sell_nb(market, charges, book, t, i, sold)
        if rule != codes.UNTOUCHED:
            mark_nb(book, whole, rule)
    elif whole > 0.0:
        refuse_nb(market, book, t, i, codes.SELL, whole, rule)
    return sold > 0.0


@inner
def increase_nb(
    market: MarketArrays, charges: Charges, book: Book, t: int, i: int, target: float, asked: float, rule: int
) -> None:
    """Buy up to `target` shares; asked : what the strategy wanted, which a risk rule may have changed."""
    held, factor, lot, step = book.shares[i], market.factor[t, i], market.trait[i, LOT], market.trait[i, STEP]
    bought, whole = more_nb(held, target, factor, lot, step), more_nb(held, asked, factor, lot, step)
    if bought > 0.0:
        buy_nb(market, charges, book, t, i, bought)
        if rule != codes.UNTOUCHED:
            mark_nb(book, whole, rule)
    elif whole > 0.0:
        refuse_nb(market, book, t, i, codes.BUY, whole, rule)


@compiled
def session_nb(
    market: MarketArrays, charges: Charges, guard: Guard, book: Book, watch: Watch, history: History, t: int,
    asked: FloatArray, order: IntArray, delisting_return: float,
) -> Book:  # fmt: skip
    """The book after row t: delisted holdings leave, sales, purchases, valuation.

    asked : f8[N], adjusted shares wanted, NaN for leaving a symbol as it is; order : the symbols by importance
    What a volume cap cut before is ordered again only where the symbol has no new target.
    """
    book = with_room_nb(book, 5 * len(asked))
    open_row_nb(market, book, t, delisting_return)
    target, rule = asked, np.zeros(len(asked), np.int64)
    if guard.on:
        target, rule = guarded_nb(market, guard, book, watch, history, t, asked)
    for i in range(len(target)):
        if not np.isnan(target[i]):
            book.pending[i] = 0.0
    carry_on_nb(market, charges, book, t, False)
    reduced = np.zeros(len(asked), np.bool_)
    for i in order:
        reduced[i] = orderable_nb(market.suspended, t, i) and reduce_nb(
            market, charges, book, t, i, target[i], asked[i], rule[i]
        )
    carry_on_nb(market, charges, book, t, True)
    for i in order:
        if not reduced[i] and orderable_nb(market.suspended, t, i):
            increase_nb(market, charges, book, t, i, target[i], asked[i], rule[i])
    value_nb(market, book, history, t, charges.borrow)
    return book
