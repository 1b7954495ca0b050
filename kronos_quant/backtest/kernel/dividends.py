"""What holdings are entitled to on ex-dates, when it is paid, and the tax that a sale owes for it.

Shares are counted adjusted, so that a dividend which is not told reinvests itself. One that is told is cash and whole
new shares: adjusted shares are then those that the raw ones are at the factor after it. Purchases lie in lots, first in
first out, each with the tax that its dividends still owe by the time it is held.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.kernel.arrays import LOT, FloatMatrix, MarketArrays, Purchases, compiled, inner

OF, CASH, FREE, BEFORE, AFTER, PAID, LISTED, WITHHELD, MONTH, YEAR, BEYOND, WHOLE = range(12)
"""Columns of `MarketArrays.payout`: number of the symbol; per raw share cash before tax and new shares; the factor
before and after; the rows in which the cash is paid and the new shares may be sold; per raw share the tax withheld at
payment, and what a sale still owes of it within a month, a year and later; whether shares stay whole."""

PAYOUT_COLUMNS = 12

NEXT, SHARES, SINCE, MONTH_END, YEAR_END, IN_MONTH, IN_YEAR, LATER = range(8)
"""Columns of `Purchases.lots`: number of the symbol's next lot or -1, adjusted shares, first row in which they may be
sold, last days of the first month and year of holding, what a sale of the whole lot owes within them and later."""

LOT_COLUMNS = 8

PAYABLE, RECEIVED, TAXED, ROUNDED = range(4)
"""Columns of `Purchases.flow`, in each row: cash that is paid to the account, dividends that it becomes entitled to
(before tax), tax withheld, and what new shares that were rounded away would have been worth."""

ROW, SYMBOL, CHANGE, MONEY, RAW, GROSS, GIVEN = range(7)
"""Columns of `Purchases.entitled`: row and symbol, by how much the adjusted shares changed, money after the tax at
payment, raw shares held before, money before tax, new raw shares."""

SLACK = 1e-6
"""Of a share or a cent: rounding of float64 puts a whole number just below itself."""

DUST = 1e-9
"""Of a lot: what is left of it by rounding."""


def new_purchases(symbols: int, rows: int, events: int) -> Purchases:
    """Before the first purchase; empty where there are no events."""
    size = 1 if events else 0
    return Purchases(
        lots=np.empty((1024 * size, LOT_COLUMNS)),
        queue=np.full((symbols * size, 2), -1, dtype=np.int64),
        counts=np.zeros(2, dtype=np.int64),
        flow=np.zeros((rows * size, 4)),
        entitled=np.empty((events, 7)),
    )


@inner
def with_lots_nb(purchases: Purchases, lots: int) -> Purchases:
    """The same purchases with place for so many more lots."""
    count = purchases.counts[0]
    if len(purchases.lots) == 0 or count + lots <= len(purchases.lots):
        return purchases
    larger = np.empty((2 * len(purchases.lots) + lots, LOT_COLUMNS))
    for row in range(count):
        for column in range(LOT_COLUMNS):
            larger[row, column] = purchases.lots[row, column]
    return Purchases(larger, purchases.queue, purchases.counts, purchases.flow, purchases.entitled)


@compiled
def cents_nb(money: float, whole: bool) -> float:
    """Money rounded to cents, halves away from 0, where shares are whole too."""
    if not whole:
        return money
    rounded = np.floor(abs(money) * 100.0 + 0.5 + SLACK) / 100.0
    return float(rounded if money >= 0.0 else -rounded)


@inner
def bought_nb(market: MarketArrays, purchases: Purchases, t: int, i: int, shares: float, since: int) -> None:
    """Append a lot of adjusted shares that may be sold from row `since` on."""
    if len(purchases.lots) == 0 or not shares > 0.0:
        return
    number = purchases.counts[0]
    purchases.counts[0] += 1
    lot = purchases.lots[number]
    lot[NEXT], lot[SHARES], lot[SINCE] = -1.0, shares, since
    lot[MONTH_END], lot[YEAR_END] = market.day[t, 1], market.day[t, 2]
    lot[IN_MONTH], lot[IN_YEAR], lot[LATER] = 0.0, 0.0, 0.0
    last = purchases.queue[i, 1]
    if last >= 0:
        purchases.lots[last, NEXT] = number
    else:
        purchases.queue[i, 0] = number
    purchases.queue[i, 1] = number


@inner
def locked_nb(purchases: Purchases, t: int, i: int) -> float:
    """Adjusted shares of a symbol that are not listed yet in row t."""
    locked = 0.0
    if len(purchases.lots) == 0:
        return locked
    number = purchases.queue[i, 0]
    while number >= 0:
        if purchases.lots[number, SINCE] > t:
            locked += purchases.lots[number, SHARES]
        number = int(purchases.lots[number, NEXT])
    return locked


@inner
def owed_nb(market: MarketArrays, lot: FloatArray, t: int) -> float:
    """The tax that a sale of a whole lot in row t owes."""
    if market.day[t, 0] <= lot[MONTH_END]:
        return float(lot[IN_MONTH])
    return float(lot[IN_YEAR] if market.day[t, 0] <= lot[YEAR_END] else lot[LATER])


@inner
def sold_nb(market: MarketArrays, purchases: Purchases, t: int, i: int, shares: float, all_of_it: bool) -> float:
    """Take adjusted shares that are sold from the oldest lots; the tax that is withheld of the proceeds."""
    if len(purchases.lots) == 0:
        return 0.0
    left, tax = shares, 0.0
    number = purchases.queue[i, 0]
    while number >= 0 and (all_of_it or left > DUST * shares):
        lot = purchases.lots[number]
        if all_of_it or lot[SHARES] <= left * (1.0 + DUST):
            tax += owed_nb(market, lot, t)
            left -= lot[SHARES]
            number = int(lot[NEXT])
        else:
            part = left / lot[SHARES]
            tax += part * owed_nb(market, lot, t)
            for column in (SHARES, IN_MONTH, IN_YEAR, LATER):
                lot[column] *= 1.0 - part
            left = 0.0
    purchases.queue[i, 0] = number
    if number < 0:
        purchases.queue[i, 1] = -1
    tax = cents_nb(tax, market.trait[i, LOT] > 0)
    purchases.flow[t, TAXED] += tax
    return float(tax)


@inner
def book_nb(
    market: MarketArrays, purchases: Purchases, cash: FloatArray, shares: FloatArray, pending: FloatArray, t: int,
    event: FloatArray,
) -> None:  # fmt: skip
    """Book what a holding is entitled to: money that is due on the day of payment, and new shares."""
    i, whole = int(event[OF]), event[WHOLE] > 0.0
    held = shares[i]
    raw = held * event[BEFORE]
    new, rounded = raw * event[FREE], 0.0
    if whole:
        kept = np.floor(abs(new) + SLACK)
        rounded = max(abs(new) - kept, 0.0)
        new = kept if raw > 0.0 else -kept
    money = cents_nb(raw * event[CASH], whole)
    tax = cents_nb(raw * event[WITHHELD], whole) if raw > 0.0 else 0.0
    after = (raw + new) / event[AFTER]
    cash[2] += money - tax
    if event[PAID] < len(market.session):
        purchases.flow[int(event[PAID]), PAYABLE] += money - tax
    purchases.flow[t, RECEIVED] += money
    purchases.flow[t, TAXED] += tax
    purchases.flow[t, ROUNDED] += rounded * market.last[t - 1, i] / event[AFTER]
    row = purchases.entitled[purchases.counts[1]]
    row[ROW], row[SYMBOL], row[CHANGE], row[MONEY] = t, i, after - held, money - tax
    row[RAW], row[GROSS], row[GIVEN] = raw, money, new
    purchases.counts[1] += 1
    number = purchases.queue[i, 0]
    while number >= 0:
        lot = purchases.lots[number]
        of_lot = lot[SHARES] * event[BEFORE]
        lot[SHARES] = of_lot / event[AFTER]
        lot[IN_MONTH] += of_lot * event[MONTH]
        lot[IN_YEAR] += of_lot * event[YEAR]
        lot[LATER] += of_lot * event[BEYOND]
        number = int(lot[NEXT])
    bought_nb(market, purchases, t, i, new / event[AFTER], int(event[LISTED]))
    # what is still to be sold whole stays so; else it shrinks as the holding does
    pending[i] = -after if pending[i] == -held else pending[i] * after / held
    shares[i] = after


@inner
def dividends_nb(
    market: MarketArrays, purchases: Purchases, cash: FloatArray, shares: FloatArray, pending: FloatArray, t: int
) -> None:
    """Book the dividends of what was held at the close before, and pay those that are due."""
    if len(purchases.flow) == 0:
        return
    for number in range(market.payouts[t], market.payouts[t + 1]):
        event = market.payout[number]
        if shares[int(event[OF])] != 0.0:
            book_nb(market, purchases, cash, shares, pending, t, event)
    cash[0] += purchases.flow[t, PAYABLE]
    cash[2] -= purchases.flow[t, PAYABLE]


@compiled
def owed_at_end_nb(market: MarketArrays, purchases: Purchases) -> float:
    """The tax that selling everything at the end would owe."""
    owed, t = 0.0, len(market.session) - 1
    for i in range(len(purchases.queue)):
        number = purchases.queue[i, 0]
        while number >= 0:
            owed += owed_nb(market, purchases.lots[number], t)
            number = int(purchases.lots[number, NEXT])
    return owed


def no_payouts() -> FloatMatrix:
    """Events of a market in which every dividend reinvests itself."""
    return np.empty((0, PAYOUT_COLUMNS))
