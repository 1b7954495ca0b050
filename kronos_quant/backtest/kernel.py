"""The event loop of Top-K dropout, compiled.

Shape letters: T sessions, N symbols, O orders. Everything is in adjusted units: the number of shares stays the same
through splits, and dividends count as reinvested at the ex-date's prices. A session goes: delisted holdings leave,
sells, buys, valuation at the close. The strategy decides from `score[t]` (already that of session t - 1), its own
holdings and their age; prices and market states of session t only fill, cut or reject its orders.

These functions raise nothing: `engine.run_kernel` checks what it passes in. `tests/backtest/reference.py` says the
same in plain Python.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from kronos_quant.backtest.codes import (
    BELOW_LOT,
    BUY,
    COST,
    COST_ABOVE_VALUE,
    DELISTED,
    FILLED,
    LIMIT_DOWN,
    LIMIT_UP,
    NO_BAR,
    NO_CASH,
    PARTIAL,
    PRICE,
    REASON,
    REJECTED,
    SELL,
    SESSION,
    SHARES,
    SIDE,
    STATUS,
    SYMBOL,
    TRADABLE,
    WANTED,
)
from kronos_quant.backtest.panel import FloatArray, IntArray

StateArray = npt.NDArray[np.uint8]
Book = tuple[FloatArray, int, float]
"""The orders so far, their count, and the cash."""

LOT_SLACK = 1e-6
"""Float32 bars put a whole number of lots up to 1e-7 below itself."""

CASH_MARGIN = 1e-12
"""A buy of everything stops this fraction short, so that rounding never overdraws the cash."""


@njit("f8(f8, f8, i8, f8)", cache=True)
def whole_lots_nb(shares: float, factor: float, lot: int, slack: float) -> float:
    """Adjusted shares rounded down to whole lots of raw shares; lot 0 rounds nothing."""
    if lot == 0:
        return shares
    return float(np.floor(shares * factor / lot * (1.0 + slack)) * lot / factor)


@njit("Tuple((f8[:,::1], i8))(f8[:,::1], i8, i8, i8, i8, f8, f8, f8, f8, i8, i8)", cache=True)
def record_nb(
    orders: FloatArray, count: int, t: int, i: int, side: int,
    wanted: float, shares: float, price: float, cost: float, status: int, reason: int,
) -> tuple[FloatArray, int]:  # fmt: skip
    """The table of orders with one more row, and its count; the table doubles when full."""
    if count == len(orders):
        larger = np.empty((2 * count, orders.shape[1]))
        larger[:count] = orders
        orders = larger
    row = orders[count]
    row[SESSION], row[SYMBOL], row[SIDE], row[STATUS], row[REASON] = t, i, side, status, reason
    row[WANTED], row[SHARES], row[PRICE], row[COST] = wanted, shares, price, cost
    return orders, count + 1


@njit("Tuple((i8[::1], i8))(f8[::1])", cache=True)
def ranked_nb(score: FloatArray) -> tuple[IntArray, int]:
    """Symbols by descending score, ties by symbol, those without one last; and how many have one."""
    keys = np.where(np.isnan(score), np.inf, -score)
    return np.argsort(keys, kind="mergesort"), np.sum(~np.isnan(score))


@njit("i8[::1](i8[::1], i8, f8[::1], i8, i8)", cache=True)
def dropped_nb(ranking: IntArray, scored: int, shares: FloatArray, topk: int, n_drop: int) -> IntArray:
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


@njit("Tuple((f8[:,::1], i8, f8))(f8[:,::1], i8, f8, i8, f8[::1], f8[::1], i8[::1], f8)", cache=True)
def leave_delisted_nb(
    orders: FloatArray, count: int, cash: float, t: int,
    shares: FloatArray, last: FloatArray, gone: IntArray, delisting_return: float,
) -> Book:  # fmt: skip
    """Turn holdings without any further bar into cash, at the last close and the delisting return, at no cost."""
    for i in range(len(shares)):
        if shares[i] > 0.0 and t >= gone[i]:
            price = last[i] * (1.0 + delisting_return)
            orders, count = record_nb(orders, count, t, i, SELL, shares[i], shares[i], price, 0.0, FILLED, DELISTED)
            cash += shares[i] * price
            shares[i] = 0.0
    return orders, count, cash


@njit(
    "Tuple((f8[:,::1], i8, f8))(f8[:,::1], i8, f8, i8, i8[::1], f8[::1], i8[::1], u1[::1], f8[::1], i8, f8, f8)",
    cache=True,
)
def sell_nb(
    orders: FloatArray, count: int, cash: float, t: int, dropped: IntArray, shares: FloatArray, traded: IntArray,
    state: StateArray, price: FloatArray, hold_thresh: int, rate: float, minimum: float,
) -> Book:  # fmt: skip
    """Sell the dropped holdings that are old enough, whole: an odd remainder of a lot leaves with the rest."""
    for i in dropped:
        if t - traded[i] < hold_thresh:
            continue
        value = shares[i] * price[i]
        cost = max(rate * value, minimum)
        reason = TRADABLE
        if state[i] == NO_BAR or state[i] == LIMIT_DOWN:
            reason = int(state[i])
        elif cost > value:
            reason = COST_ABOVE_VALUE
        if reason != TRADABLE:
            orders, count = record_nb(orders, count, t, i, SELL, shares[i], 0.0, price[i], 0.0, REJECTED, reason)
            continue
        orders, count = record_nb(orders, count, t, i, SELL, shares[i], shares[i], price[i], cost, FILLED, reason)
        cash += value - cost
        shares[i] = 0.0
        traded[i] = t
    return orders, count, cash


@njit("f8(f8, i8, i8[::1], f8[::1], i8[::1], u1[::1], i8, f8)", cache=True)
def money_per_buy_nb(
    cash: float, t: int, candidates: IntArray, shares: FloatArray, traded: IntArray,
    state: StateArray, free: int, risk_degree: float,
) -> float:  # fmt: skip
    """Cash x risk_degree, shared by the free places that can be filled (by all of them where none can)."""
    fillable = 0
    for i in candidates:
        if fillable < free and shares[i] == 0.0 and traded[i] != t and state[i] != NO_BAR and state[i] != LIMIT_UP:
            fillable += 1
    return cash * risk_degree / (fillable if fillable > 0 else free)


@njit("Tuple((f8, f8, f8, i8, i8))(f8, f8, f8, f8, i8, f8, f8)", cache=True)
def fill_buy_nb(
    money: float, cash: float, price: float, factor: float, lot: int, rate: float, minimum: float
) -> tuple[float, float, float, int, int]:
    """Fill a buy of `money` as far as lots and cash allow: wanted and bought shares, cost, status, reason."""
    wanted = whole_lots_nb(money / price, factor, lot, LOT_SLACK)
    if wanted <= 0.0:
        return money / price, 0.0, 0.0, REJECTED, BELOW_LOT
    most = min((cash - minimum) / price, cash / (1.0 + rate) / price) * (1.0 - CASH_MARGIN)
    bought = min(wanted, whole_lots_nb(most, factor, lot, 0.0))
    if bought <= 0.0:
        return wanted, 0.0, 0.0, REJECTED, NO_CASH
    cost = max(rate * bought * price, minimum)
    if bought < wanted:
        return wanted, bought, cost, PARTIAL, NO_CASH
    return wanted, bought, cost, FILLED, TRADABLE


@njit(
    "Tuple((f8[:,::1], i8, f8))(f8[:,::1], i8, f8, i8, i8[::1], f8[::1], i8[::1], u1[::1],"
    " f8[::1], f8[::1], f8[::1], i8[::1], i8, f8, f8, f8)",
    cache=True,
)
def buy_nb(
    orders: FloatArray, count: int, cash: float, t: int, candidates: IntArray, shares: FloatArray, traded: IntArray,
    state: StateArray, price: FloatArray, last: FloatArray, factor: FloatArray, lots: IntArray,
    topk: int, risk_degree: float, rate: float, minimum: float,
) -> Book:  # fmt: skip
    """Fill the free places with the best symbols not held; a blocked symbol's place goes to the next one.

    A place whose money does not buy a lot stays empty for the session. A symbol sold in this session is not bought.
    """
    free = topk - int(np.sum(shares > 0.0))
    if free == 0:
        return orders, count, cash
    money = money_per_buy_nb(cash, t, candidates, shares, traded, state, free, risk_degree)
    for i in candidates:
        if free == 0:
            break
        if shares[i] > 0.0 or traded[i] == t:
            continue
        if state[i] == NO_BAR or state[i] == LIMIT_UP:
            near = last[i] if state[i] == NO_BAR else price[i]
            wanted = whole_lots_nb(money / near, factor[i], lots[i], LOT_SLACK)
            orders, count = record_nb(orders, count, t, i, BUY, wanted, 0.0, price[i], 0.0, REJECTED, int(state[i]))
            continue
        wanted, bought, cost, status, reason = fill_buy_nb(money, cash, price[i], factor[i], lots[i], rate, minimum)
        orders, count = record_nb(orders, count, t, i, BUY, wanted, bought, price[i], cost, status, reason)
        cash -= bought * price[i] + cost
        shares[i] = bought
        traded[i] = t
        free -= 1
    return orders, count, cash


@njit(
    "Tuple((f8[:,::1], i8, f8[::1], f8[::1], f8[:,::1]))(f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], u1[:,::1],"
    " i8[::1], i8[::1], i8, i8, i8, f8, f8, f8, f8, f8, f8)",
    cache=True,
)
def topk_dropout_nb(
    score: FloatArray, price: FloatArray, last: FloatArray, factor: FloatArray, state: StateArray,
    gone: IntArray, lots: IntArray, topk: int, n_drop: int, hold_thresh: int, account: float,
    buy_rate: float, sell_rate: float, minimum: float, risk_degree: float, delisting_return: float,
) -> tuple[FloatArray, int, FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Orders f8[O, 9] and their count, account and cash f8[T] after each session, shares held f8[T, N].

    score, price (of execution), last (close, filled forward), factor (filled forward) : f8[T, N]; state : u1[T, N];
    gone, lots : i8[N]. Session 0 only gives scores.
    """
    T, N = score.shape
    orders, count, cash = np.empty((1024, 9)), 0, account
    accounts, cashes, positions = np.full(T, account), np.full(T, account), np.zeros((T, N))
    shares, traded = np.zeros(N), np.full(N, -1)
    for t in range(1, T):
        orders, count, cash = leave_delisted_nb(orders, count, cash, t, shares, last[t], gone, delisting_return)
        ranking, scored = ranked_nb(score[t])
        dropped = dropped_nb(ranking, scored, shares, topk, n_drop)
        orders, count, cash = sell_nb(
            orders, count, cash, t, dropped, shares, traded, state[t], price[t], hold_thresh, sell_rate, minimum
        )
        orders, count, cash = buy_nb(
            orders, count, cash, t, ranking[:scored], shares, traded, state[t], price[t], last[t], factor[t],
            lots, topk, risk_degree, buy_rate, minimum,
        )  # fmt: skip
        value = 0.0
        for i in range(N):
            if shares[i] > 0.0:
                value += shares[i] * last[t, i]
        accounts[t], cashes[t], positions[t] = cash + value, cash, shares
    return orders, count, accounts, cashes, positions
