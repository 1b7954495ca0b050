"""Top-K dropout as Qlib 0.9.7 does it, its surprises included: the event loop of the profile `qlib`.

Rule by rule what Qlib's TopkDropoutStrategy, Exchange and SimulatorExecutor do, in their order of arithmetic, with ties
and lists by symbol: the number of buys follows the PLANNED sales, a place that is blocked stays empty, n_drop 0 sells
everything, the base of a purchase is cash, and a delisted holding stays for ever at its last close.
Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kronos_quant.arrays import BoolArray, IntArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.kernel.arrays import Book, History, MarketArrays, compiled, inner
from kronos_quant.backtest.kernel.book import record_nb, reject_nb, value_nb, with_room_nb

NOTHING = 1e-5
"""A trade worth no more than this is none to Qlib, and costs nothing."""


class Settings(NamedTuple):
    """What Qlib's strategy and exchange are told.

    unit : raw shares that orders are rounded to, 0 for none; forbid_all : forbid_all_trade_at_limit
    buy_share, sell_share : largest shares of the day's volume, infinite for any; the rest as Qlib calls it
    """

    topk: int
    n_drop: int
    hold_thresh: int
    only_tradable: bool
    forbid_all: bool
    unit: int
    risk_degree: float
    open_cost: float
    close_cost: float
    min_cost: float
    buy_share: float
    sell_share: float
    impact_cost: float


@compiled
def rounded_nb(shares: float, factor: float, unit: int) -> float:
    """Adjusted shares rounded down to the unit of raw shares, with Qlib's slack of a tenth of a share."""
    if unit == 0:
        return shares
    return (shares * factor + 0.1) // unit * unit / factor


@compiled
def tradable_nb(state: int, side: int, forbid_all: bool) -> bool:
    """Whether a state lets an order through: any limit blocks both sides where `forbid_all`."""
    if state == codes.TRADABLE:
        return True
    if forbid_all or state == codes.NO_BAR or state == codes.BOTH_LIMITS:
        return False
    return state != (codes.LIMIT_UP if side == codes.BUY else codes.LIMIT_DOWN)


@inner
def first_nb(market: MarketArrays, t: int, symbols: IntArray, count: int, only_tradable: bool) -> IntArray:
    """The first `count` symbols; of the tradable ones at least one, as Qlib's loop counts after it takes."""
    if not only_tradable:
        return symbols[: max(count, 0)]
    taken = np.empty(len(symbols), np.int64)
    found = 0
    for i in symbols:
        if market.state[t, i] == codes.TRADABLE:
            taken[found] = i
            found += 1
            if found >= count:
                break
    return taken[:found].copy()


@inner
def decide_nb(market: MarketArrays, book: Book, t: int, rules: Settings) -> tuple[BoolArray, IntArray]:
    """Which holdings to sell (b1[N]), and what to buy in the order of the scores."""
    ranking, scored = market.ranking[t], market.scored[t]
    held = int(np.sum(book.shares > 0.0))
    others = np.array([i for i in ranking[:scored] if book.shares[i] == 0.0], dtype=np.int64)
    today = first_nb(market, t, others, rules.n_drop + rules.topk - held, rules.only_tradable)
    pooled = book.shares > 0.0
    for i in today:
        pooled[i] = True
    pool = np.array([i for i in ranking if pooled[i]], dtype=np.int64)
    if rules.only_tradable:
        bottom = first_nb(market, t, pool[::-1].copy(), rules.n_drop, True)
    else:
        # Python's [-0:] is the whole list
        bottom = pool[len(pool) - rules.n_drop :] if 0 < rules.n_drop < len(pool) else pool
    sell = np.zeros(len(book.shares), np.bool_)
    for i in bottom:
        sell[i] = book.shares[i] > 0.0
    wanted = int(np.sum(sell)) + rules.topk - held
    # a negative end of Python's slice cuts from the end
    end = wanted if wanted >= 0 else max(len(today) + wanted, 0)
    return sell, today[:end]


@compiled
def close_nb(one: float, other: float) -> bool:
    """numpy's isclose, by which Qlib tells whether a holding is sold whole."""
    return abs(one - other) <= 1e-8 + 1e-5 * abs(other)


@compiled
def through_nb(wanted: float, volume: float, share: float) -> float:
    """What a share of the day's volume lets through; NaN where that is not known. Qlib's limit is a float32."""
    if share == np.inf:
        return wanted
    limit = float(np.float32(share) * np.float32(volume))
    return limit if np.isnan(limit) else max(min(limit, wanted), 0.0)


@compiled
def impact_nb(impact: float, value: float, whole: float) -> float:
    """What an order's own weight adds to the rate of its cost: of the value of a day, or all where none is known."""
    return impact * (value / whole) ** 2 if whole != 0.0 and not np.isnan(whole) else impact


@inner
def sell_nb(market: MarketArrays, book: Book, t: int, i: int, rules: Settings) -> None:
    """Sell a holding whole, or what the volume lets through in units, if its costs can be paid."""
    held, price, volume = book.shares[i], market.price[t, i], market.volume[t, i]
    shares = through_nb(held, volume, rules.sell_share)
    rate = rules.close_cost + impact_nb(rules.impact_cost, shares * price, volume * price)
    cut = not close_nb(shares, held)
    if cut:
        # Python's min gives the holding where the volume is NaN
        shares = rounded_nb(held if np.isnan(shares) else min(held, shares), market.factor[t, i], rules.unit)
    value = shares * price
    cost = max(value * rate, rules.min_cost)
    if book.cash[0] + value < cost or value <= NOTHING:
        reject_nb(book, t, i, codes.SELL, held, price, codes.VOLUME if cut else codes.COST_ABOVE_VALUE)
        return
    partly = cut and shares < held
    record_nb(book, t, i, codes.SELL, held, shares, price, cost, 0.0, codes.VOLUME if partly else codes.TRADABLE)
    book.cash[0] += value - cost
    book.shares[i] = 0.0 if close_nb(held, value / price) else held - value / price


@inner
def buy_nb(market: MarketArrays, book: Book, t: int, i: int, money: float, rules: Settings) -> None:
    """Buy for `money`, as far as volume and cash go, in Qlib's order of arithmetic."""
    price, factor, cash, volume = market.price[t, i], market.factor[t, i], book.cash[0], market.volume[t, i]
    wanted = rounded_nb(money / price, factor, rules.unit)
    through = through_nb(wanted, volume, rules.buy_share)
    value = through * price
    rate = rules.open_cost + impact_nb(rules.impact_cost, value, volume * price)
    cost = max(value * rate, rules.min_cost)
    shares = 0.0
    if cash >= value + cost:
        shares = rounded_nb(through, factor, rules.unit)
    elif cash >= cost:
        most = 0.0
        if cash >= rules.min_cost:
            whole = rate > 0.0 and cash >= rules.min_cost / rate + rules.min_cost
            most = cash / (1.0 + rate) / price if whole else (cash - rules.min_cost) / price
        shares = rounded_nb(min(most, through), factor, rules.unit)
    value = shares * price
    lacking = codes.NO_CASH if through == wanted else codes.VOLUME
    if not value > NOTHING:
        why = lacking if wanted > 0.0 else codes.BELOW_LOT
        reject_nb(book, t, i, codes.BUY, wanted, price, why)
        return
    cost = max(value * rate, rules.min_cost)
    cut = shares < wanted * (1.0 - 1e-9)
    record_nb(book, t, i, codes.BUY, wanted, shares, price, cost, 0.0, lacking if cut else codes.TRADABLE)
    book.cash[0] -= value + cost
    book.shares[i] = value / price
    book.traded[i] = t


@inner
def refuse_nb(market: MarketArrays, book: Book, t: int, i: int, side: int, shares: float) -> None:
    """Record an order that the day's state does not let through; Qlib's strategy does not even place it."""
    reject_nb(book, t, i, side, shares, market.price[t, i], int(market.state[t, i]))


@compiled
def qlib_topk_dropout_nb(market: MarketArrays, rules: Settings, book: Book, history: History) -> Book:
    """The book after the last session; `history` is filled. Session 0 only gives scores."""
    T, N = market.price.shape
    for t in range(1, T):
        book = with_room_nb(book, 2 * N)
        if market.scored[t] > 0:
            sell, buy = decide_nb(market, book, t, rules)
            for i in range(N):
                if not sell[i] or t - book.traded[i] < rules.hold_thresh:
                    continue
                if tradable_nb(market.state[t, i], codes.SELL, rules.forbid_all):
                    sell_nb(market, book, t, i, rules)
                else:
                    refuse_nb(market, book, t, i, codes.SELL, book.shares[i])
            money = book.cash[0] * rules.risk_degree / max(len(buy), 1)
            for i in buy:
                if tradable_nb(market.state[t, i], codes.BUY, rules.forbid_all):
                    buy_nb(market, book, t, i, money, rules)
                else:
                    refuse_nb(market, book, t, i, codes.BUY, np.nan)
        value_nb(market, book, history, t, 0.0)
    return book
