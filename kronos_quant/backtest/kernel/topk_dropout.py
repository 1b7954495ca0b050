"""Top-K dropout by the exchange's rules: the event loop.

A row goes: delisted holdings leave, what the risk rules take back, what is left of earlier sales, sells, what is left
of earlier purchases, buys, valuation at the close. The strategy decides from `score[t]` (already that of row t - 1),
its own holdings and their age; prices and market states of row t only fill, cut or reject its orders.
Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray, IntArray, RankArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.kernel.arrays import (
    LOT,
    SPENT,
    STEP,
    Book,
    BoolMatrix,
    Charges,
    Guard,
    History,
    MarketArrays,
    Watch,
    compiled,
    inner,
)
from kronos_quant.backtest.kernel.book import (
    first_traded_nb,
    free_to_sell_nb,
    mark_nb,
    open_row_nb,
    orderable_nb,
    value_nb,
    with_room_nb,
)
from kronos_quant.backtest.kernel.exchange import (
    buy_for_nb,
    buyable_nb,
    carry_on_nb,
    less_nb,
    near_nb,
    refuse_nb,
    sell_nb,
)
from kronos_quant.backtest.kernel.risk import ROUNDING, begin_row_nb, gross_bound_nb, guarded_nb, note_traded_nb


@inner
def dropped_nb(
    ranking: RankArray, scored: int, suspended: BoolMatrix, shares: FloatArray, t: int, topk: int, n_drop: int
) -> IntArray:
    """Holdings that rank below topk among all holdings and the best others, worst first; at most n_drop.

    The others are the n_drop best symbols not held, and one more for each free place. A holding that gets no order
    keeps its place, and the rest rank for those that are left.
    """
    dropped = np.empty(n_drop, np.int64)
    others, places = topk + n_drop, topk
    for i in range(len(shares)):
        if shares[i] > 0.0:
            others -= 1
            places -= not orderable_nb(suspended, t, i)
    place, count = 0, 0
    for position in range(len(ranking)):
        i = ranking[position]
        if shares[i] == 0.0:
            if others == 0 or position >= scored:
                continue
            others -= 1
        elif not orderable_nb(suspended, t, i):
            continue
        place += 1
        if place > places and shares[i] > 0.0:
            dropped[count] = i
            count += 1
    return dropped[:count][::-1].copy()


@inner
def sales_nb(market: MarketArrays, book: Book, t: int, topk: int, n_drop: int, hold_thresh: int) -> IntArray:
    """Holdings to sell: those dropped that are old enough, may be sold, and are not being sold already."""
    ranking, scored = market.ranking[t], market.scored[t]
    dropped = dropped_nb(ranking, scored, market.suspended, book.shares, t, topk, n_drop)
    count = 0
    for i in dropped:
        age = market.session[t] - market.session[book.traded[i]]
        if age >= hold_thresh and book.pending[i] >= 0.0 and free_to_sell_nb(market, book, t, i) > 0.0:
            dropped[count] = i
            count += 1
    return dropped[:count].copy()


@inner
def fillable_nb(market: MarketArrays, book: Book, watch: Watch, t: int, candidates: RankArray, free: int) -> int:
    """How many of the free places can be filled in row t; all of them where none can."""
    fillable = 0
    for i in candidates:
        if fillable == free:
            break
        if book.shares[i] == 0.0 and book.traded[i] != t and buyable_nb(market.state[t, i]):
            fillable += market.session[t] >= watch.resting[i]
    return fillable if fillable > 0 else free


@inner
def values_of_nb(book: Book, last: FloatArray) -> FloatArray:
    """What each holding is worth at some closes."""
    values = np.zeros(len(last))
    for i in range(len(last)):
        if book.shares[i] != 0.0:
            values[i] = book.shares[i] * last[i]
    return values


@inner
def bounded_money_nb(
    market: MarketArrays, guard: Guard, book: Book, account: float, t: int,
    candidates: RankArray, topk: int, places: int, money: float,
) -> tuple[float, int]:  # fmt: skip
    """The money for each purchase that the risk rules leave, and the rule that cut it most."""
    values = values_of_nb(book, market.last[t - 1])
    held = np.sum(values)
    mixture = values
    if held == 0.0:
        # before the first purchase: what is about to be bought
        for i in candidates[:topk]:
            mixture[i] = 1.0
    rule = codes.UNTOUCHED
    for bound, by in (
        (guard.weight * account, codes.MAX_WEIGHT),
        ((min(guard.gross, guard.net) * account - held) / places, codes.EXPOSURE),
        ((gross_bound_nb(market, guard, t, account, mixture) - held) / places, codes.VOLATILITY),
        ((book.cash[0] - book.cash[1]) / places, codes.CASH_BUFFER),
    ):
        if bound < money:  # what rounding leaves of a bound that is filled buys nothing
            money, rule = bound if bound > ROUNDING * abs(account) else 0.0, by
    return money, rule


@inner
def refusal_nb(
    market: MarketArrays, guard: Guard, book: Book, watch: Watch, account: float, t: int, i: int, money: float
) -> int:
    """The risk rule that lets a symbol not be bought at all for some money in row t, if there is one."""
    if market.session[t] < watch.resting[i]:
        return codes.STAY_OUT
    if len(guard.member) > 0 and guard.member[t - 1, i] >= 0:
        group, total = guard.member[t - 1, i], money
        for j in range(len(book.shares)):
            if book.shares[j] != 0.0 and guard.member[t - 1, j] == group:
                total += book.shares[j] * market.last[t - 1, j]
        if total > guard.group_most * account * (1.0 + ROUNDING):
            return codes.MAX_GROUP
    if guard.turnover < np.inf:
        note_traded_nb(book, watch)
        if watch.money[SPENT] + money > guard.turnover * account * (1.0 + ROUNDING):
            return codes.TURNOVER
    return codes.UNTOUCHED


@inner
def fill_places_nb(
    market: MarketArrays, charges: Charges, guard: Guard, book: Book, watch: Watch, account: float, t: int,
    candidates: RankArray, topk: int, risk_degree: float,
) -> None:  # fmt: skip
    """Fill the free places with the best symbols not held; a blocked symbol's place goes to the next one.

    Each place gets the same part of the cash x risk_degree. A place whose money does not buy a lot stays empty for the
    row, and so does one that the turnover cap closes. A symbol sold in this row is not bought.
    """
    free = topk - int(np.sum(book.shares > 0.0))
    if free == 0:
        return
    places = fillable_nb(market, book, watch, t, candidates, free)
    asked = money = float(book.cash[0] * risk_degree / places)
    rule = codes.UNTOUCHED
    if guard.on:
        money, rule = bounded_money_nb(market, guard, book, account, t, candidates, topk, places, asked)
    for i in candidates:
        if free == 0:
            break
        if book.shares[i] > 0.0 or book.traded[i] == t:
            continue
        refused = refusal_nb(market, guard, book, watch, account, t, i, money) if guard.on else codes.UNTOUCHED
        if refused != codes.UNTOUCHED:
            refuse_nb(market, book, t, i, codes.BUY, asked / near_nb(market, charges, t, i), refused)
            free -= refused == codes.TURNOVER
            continue
        blocked = not buyable_nb(market.state[t, i])
        buy_for_nb(market, charges, book, t, i, asked, money, rule)
        if not blocked:
            book.traded[i] = t
            free -= 1


@inner
def taken_back_nb(
    market: MarketArrays, guard: Guard, book: Book, watch: Watch, history: History, t: int
) -> tuple[FloatArray, IntArray]:
    """The shares that the risk rules leave of each holding, and the rule; what is still to be traded is dropped there.

    A holding that is being sold already goes on being sold, unless all of it is to go at once.
    """
    target, rule = guarded_nb(market, guard, book, watch, history, t, np.full(len(book.shares), np.nan))
    for i in range(len(rule)):
        if history.halted[t] and book.pending[i] > 0.0:
            book.pending[i] = 0.0
        if rule[i] == codes.UNTOUCHED:
            continue
        if target[i] > 0.0 and book.pending[i] < 0.0:
            rule[i] = codes.UNTOUCHED
        else:
            book.pending[i] = 0.0
    return target, rule


@inner
def take_back_nb(
    market: MarketArrays, charges: Charges, book: Book, t: int, target: FloatArray, rule: IntArray, sales: IntArray
) -> None:
    """Sell down to what the risk rules leave; of what the strategy sells whole anyway nothing is taken in part."""
    parting = np.zeros(len(rule), np.bool_)
    for i in sales:
        parting[i] = True
    for i in range(len(rule)):
        if rule[i] == codes.UNTOUCHED or (target[i] > 0.0 and parting[i]) or not orderable_nb(market.suspended, t, i):
            rule[i] = codes.UNTOUCHED
            continue
        sold = less_nb(book.shares[i], target[i], market.factor[t, i], market.trait[i, LOT], market.trait[i, STEP])
        if sold > 0.0 and free_to_sell_nb(market, book, t, i) > 0.0:
            sell_nb(market, charges, book, t, i, sold)
            mark_nb(book, 0.0, rule[i])


@inner
def drop_nb(
    market: MarketArrays, charges: Charges, guard: Guard, book: Book, watch: Watch, account: float, t: int,
    sales: IntArray,
) -> None:  # fmt: skip
    """Sell holdings whole; with a turnover cap while half of what is left of it pays for purchases of the same size."""
    capped, room = guard.turnover < np.inf, np.inf
    if capped:
        note_traded_nb(book, watch)
        room = (guard.turnover * account - watch.money[SPENT]) / 2.0
    for i in sales:
        if capped:
            room -= book.shares[i] * market.last[t - 1, i]
            if room < 0.0:
                refuse_nb(market, book, t, i, codes.SELL, book.shares[i], codes.TURNOVER)
                continue
        book.pending[i] = 0.0
        sell_nb(market, charges, book, t, i, book.shares[i])


@inner
def left_nb(sales: IntArray, rule: IntArray, pending: FloatArray) -> IntArray:
    """The sales of what no risk rule has sold in this row, and what was not being sold already: one order a row."""
    left, count = np.empty(len(sales), np.int64), 0
    for i in sales:
        if rule[i] == codes.UNTOUCHED and pending[i] >= 0.0:
            left[count] = i
            count += 1
    return left[:count].copy()


@compiled
def topk_dropout_nb(
    market: MarketArrays, charges: Charges, guard: Guard, book: Book, watch: Watch, history: History,
    topk: int, n_drop: int, hold_thresh: int, risk_degree: float, delisting_return: float,
) -> Book:  # fmt: skip
    """The book after the last row; `history` is filled. The first session only gives scores."""
    T, N = market.price.shape
    target, rule = np.zeros(N), np.zeros(N, np.int64)
    for t in range(first_traded_nb(market.session), T):
        book, before = with_room_nb(book, 6 * N), history.account[t - 1]
        open_row_nb(market, book, t, delisting_return)
        if guard.on:
            begin_row_nb(market, guard, book, watch, history, t)
            target, rule = taken_back_nb(market, guard, book, watch, history, t)
        pending = book.pending.copy() if guard.on else book.pending
        carry_on_nb(market, charges, book, t, False)
        sales = sales_nb(market, book, t, topk, n_drop, hold_thresh)
        if guard.on:
            take_back_nb(market, charges, book, t, target, rule, sales)
            sales = left_nb(sales, rule, pending)
        drop_nb(market, charges, guard, book, watch, before, t, sales)
        carry_on_nb(market, charges, book, t, True)
        if not history.halted[t]:
            candidates = market.ranking[t, : market.scored[t]]
            fill_places_nb(market, charges, guard, book, watch, before, t, candidates, topk, risk_degree)
        value_nb(market, book, history, t, charges.borrow)
    return book
