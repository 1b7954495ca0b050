"""What the rules of the section `risk` decide before a row trades, from what was known at the close of the row before.

Values are in money at the last closes, negative where short. A rule may sell what is held and cut what a strategy
asks for; it never buys. Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.kernel.arrays import (
    NOTED,
    PEAK,
    PLACED,
    SINCE,
    SPENT,
    SPENT_IN,
    Book,
    Guard,
    History,
    MarketArrays,
    Watch,
    compiled,
    inner,
)

LEAST_RETURNS = 10
"""With fewer known, a volatility is no more than a guess and bounds nothing."""

ROUNDING = 1e-9
"""What fills a bound exactly may be this much more by rounding."""

AT_THE_BOUND = 2e-7
"""A price that float32 put just before a stop has reached it."""


def new_watch(symbols: int, account: float) -> Watch:
    """Nothing remembered."""
    return Watch(resting=np.full(symbols, -1), money=np.array([account, 0.0]), number=np.array([-1, -1, 0]))


@inner
def note_traded_nb(book: Book, watch: Watch) -> None:
    """Add the value of the orders placed since the last call to what the session has traded."""
    for number in range(watch.number[NOTED], book.placed[PLACED]):
        row = book.orders[number]
        if row[codes.SHARES] > 0.0 and row[codes.REASON] != codes.DELISTED:
            watch.money[SPENT] += row[codes.SHARES] * row[codes.PRICE]
    watch.number[NOTED] = book.placed[PLACED]


@compiled
def begin_row_nb(market: MarketArrays, guard: Guard, book: Book, watch: Watch, history: History, t: int) -> None:
    """Reserve cash, begin or end a halt, and forget what another session traded."""
    account, session = history.account[t - 1], market.session[t]
    note_traded_nb(book, watch)
    if watch.number[SPENT_IN] != session:
        watch.money[SPENT], watch.number[SPENT_IN] = 0.0, session
    book.cash[1] = guard.buffer * max(account, 0.0)
    if watch.number[SINCE] >= 0 and guard.resume >= 0 and session - watch.number[SINCE] >= guard.resume:
        watch.number[SINCE], watch.money[PEAK] = -1, account
    if watch.number[SINCE] < 0:
        watch.money[PEAK] = max(watch.money[PEAK], account)
        if account <= watch.money[PEAK] * (1.0 - guard.drawdown):
            watch.number[SINCE] = session
    history.halted[t] = watch.number[SINCE] >= 0


@inner
def session_volatility_nb(market: MarketArrays, t: int, window: int, values: FloatArray) -> float:
    """Standard deviation of what some values would have gained in each of the sessions that ended before row t.

    In money; at most `window` sessions, NaN with fewer than LEAST_RETURNS. A return that is not known is 0.
    """
    gains = np.empty(window)
    count, end = 0, -1
    for row in range(t - 1, -1, -1):
        if market.session[row] == market.session[row + 1]:
            continue
        if end >= 0:
            gain = 0.0
            for i in range(len(values)):
                if values[i] != 0.0 and market.last[row, i] > 0.0:
                    gain += values[i] * (market.last[end, i] / market.last[row, i] - 1.0)
            gains[count] = gain
            count += 1
            if count == window:
                break
        end = row
    if count < LEAST_RETURNS:
        return np.nan
    mean, squares = 0.0, 0.0
    for k in range(count):
        mean += gains[k] / count
    for k in range(count):
        squares += (gains[k] - mean) ** 2
    return float(np.sqrt(squares / (count - 1)))


@inner
def sides_nb(values: FloatArray) -> tuple[float, float]:
    """The sums of the values above and below 0, both positive."""
    above, below = 0.0, 0.0
    for value in values:
        if value > 0.0:
            above += value
        else:
            below -= value
    return above, below


@inner
def gross_bound_nb(market: MarketArrays, guard: Guard, t: int, account: float, values: FloatArray) -> float:
    """How much all holdings together may be worth, so that a mixture like `values` keeps to the volatility target."""
    if guard.volatility == np.inf:
        return np.inf
    moved = session_volatility_nb(market, t, guard.window, values)
    above, below = sides_nb(values)
    return (above + below) * guard.volatility * account / moved if moved > 0.0 else np.inf


@inner
def stop_nb(
    market: MarketArrays, guard: Guard, book: Book, watch: Watch, t: int, values: FloatArray, code: IntArray
) -> None:
    """Give up what reached its stop or its profit, and hold back what rests after one, in place."""
    for i in range(len(values)):
        held = book.shares[i]
        if held != 0.0:
            gain = (market.last[t - 1, i] / book.entry[i] - 1.0) * (1.0 if held > 0.0 else -1.0)
            if gain <= -guard.stop + AT_THE_BOUND or gain >= guard.profit - AT_THE_BOUND:
                code[i] = codes.STOP_LOSS if gain < 0.0 else codes.TAKE_PROFIT
                values[i] = 0.0
                watch.resting[i] = market.session[t] + guard.stay_out
        if market.session[t] < watch.resting[i]:
            now = held * market.last[t - 1, i] if held != 0.0 else 0.0
            bounded = min(max(values[i], min(now, 0.0)), max(now, 0.0))
            if bounded != values[i]:
                values[i], code[i] = bounded, codes.STAY_OUT


@inner
def scale_nb(values: FloatArray, code: IntArray, side: float, factor: float, rule: int) -> None:
    """Multiply the values of a side (1, -1; 0 for both) by a factor below 1, in place."""
    for i in range(len(values)):
        if values[i] != 0.0 and values[i] * side >= 0.0:
            values[i], code[i] = values[i] * factor, rule


@inner
def cap_groups_nb(guard: Guard, t: int, account: float, values: FloatArray, code: IntArray, slack: float) -> None:
    """Bring every group down to its largest share of the account, in place."""
    if len(guard.member) == 0:
        return
    total = np.zeros(guard.groups)
    member = guard.member[t - 1]
    for i in range(len(values)):
        if member[i] >= 0:
            total[member[i]] += abs(values[i])
    for i in range(len(values)):
        if values[i] != 0.0 and member[i] >= 0 and total[member[i]] > guard.group_most * account * slack:
            values[i] *= guard.group_most * account / total[member[i]]
            code[i] = codes.MAX_GROUP


@inner
def cap_nb(
    market: MarketArrays, guard: Guard, t: int, account: float, values: FloatArray, code: IntArray, slack: float
) -> None:
    """Bring values down to the largest weights, group by group and together, in place.

    slack : how many times a bound has to be passed before anything comes down to it
    """
    for i in range(len(values)):
        if abs(values[i]) > guard.weight * account * slack:
            values[i] = guard.weight * account if values[i] > 0.0 else -guard.weight * account
            code[i] = codes.MAX_WEIGHT
    cap_groups_nb(guard, t, account, values, code, slack)
    above, below = sides_nb(values)
    if above + below > guard.gross * account * slack:
        scale_nb(values, code, 0.0, guard.gross * account / (above + below), codes.EXPOSURE)
        above, below = sides_nb(values)
    # the heavier side comes down until what it is more than the other is the bound
    if above - below > guard.net * account * slack:
        scale_nb(values, code, 1.0, (below + guard.net * account) / above, codes.EXPOSURE)
    elif below - above > guard.net * account * slack:
        scale_nb(values, code, -1.0, (above + guard.net * account) / below, codes.EXPOSURE)
    above, below = sides_nb(values)
    bound = gross_bound_nb(market, guard, t, account, values)
    if above + below > bound * slack:
        scale_nb(values, code, 0.0, bound / (above + below), codes.VOLATILITY)


@inner
def slow_nb(
    guard: Guard, watch: Watch, account: float, now: FloatArray, values: FloatArray, code: IntArray
) -> None:  # fmt: skip
    """Go only part of the way from `now` to `values` where all of it is more turnover than is left, in place.

    What the other rules take back of a holding comes first and goes all the way.
    """
    if guard.turnover == np.inf:
        return
    forced, others = 0.0, 0.0
    for i in range(len(values)):
        if code[i] != codes.UNTOUCHED and abs(values[i]) < abs(now[i]):
            forced += abs(values[i] - now[i])
        else:
            others += abs(values[i] - now[i])
    room = max(guard.turnover * account - watch.money[SPENT] - forced, 0.0)
    if others <= room * (1.0 + ROUNDING):
        return
    for i in range(len(values)):
        if values[i] != now[i] and not (code[i] != codes.UNTOUCHED and abs(values[i]) < abs(now[i])):
            values[i], code[i] = now[i] + (values[i] - now[i]) * room / others, codes.TURNOVER


@inner
def guarded_nb(
    market: MarketArrays, guard: Guard, book: Book, watch: Watch, history: History, t: int, asked: FloatArray
) -> tuple[FloatArray, IntArray]:
    """The shares that the rules let a strategy want, and the rule that changed each; the last one where several did.

    asked : f8[N], adjusted shares wanted, NaN for leaving a symbol as it is
    """
    target, code = asked.copy(), np.zeros(len(asked), np.int64)
    account, last = history.account[t - 1], market.last[t - 1]
    N = len(asked)
    if history.halted[t]:
        for i in range(N):
            target[i], code[i] = 0.0, codes.DRAWDOWN if book.shares[i] != 0.0 else codes.UNTOUCHED
        return target, code
    if not account > 0.0:
        return target, code
    now, values, decided = np.zeros(N), np.zeros(N), False
    for i in range(N):
        decided |= not np.isnan(asked[i])
        if last[i] > 0.0:
            now[i] = book.shares[i] * last[i]
            values[i] = now[i] if np.isnan(asked[i]) else asked[i] * last[i]
    stop_nb(market, guard, book, watch, t, values, code)
    # what drifts a little above a bound is not sold bit by bit, what is asked for anew keeps to it
    cap_nb(market, guard, t, account, values, code, 1.0 + max(0.0 if decided else guard.band, ROUNDING))
    bought, sold_short = sides_nb(values)
    most = (1.0 - guard.buffer) * account + sold_short
    if guard.buffer > 0.0 and bought > most * (1.0 + ROUNDING) and decided:
        scale_nb(values, code, 1.0, most / bought, codes.CASH_BUFFER)
    slow_nb(guard, watch, account, now, values, code)
    for i in range(N):
        if code[i] != codes.UNTOUCHED:
            target[i] = values[i] / last[i] if last[i] > 0.0 else 0.0
    return target, code
