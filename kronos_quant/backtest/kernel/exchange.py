"""What the exchange does with an order: whole lots, what it costs, whether it fills.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.backtest import codes
from kronos_quant.backtest.kernel.arrays import (
    BUY_RATE,
    GROUP,
    LEVIES,
    LOT,
    MINIMUM,
    MOST,
    PER_SHARE,
    PLACED,
    SELL_RATE,
    STEP,
    UNIT,
    Book,
    Charges,
    MarketArrays,
    compiled,
    inner,
)
from kronos_quant.backtest.kernel.book import (
    free_to_sell_nb,
    hold_nb,
    mark_nb,
    orderable_nb,
    record_nb,
    reject_nb,
    why_kept_nb,
)
from kronos_quant.backtest.kernel.dividends import bought_nb, sold_nb

LOT_SLACK = 1e-6
"""Float32 bars put a whole number of lots up to 1e-7 below itself."""

DUST = 1e-9
"""A change by less than this fraction of a holding is rounding, and no order."""

CENT_SLACK = 1e-12
"""A fee that rounding put this fraction below half a cent is half a cent."""

CASH_MARGIN = 1e-12
"""A buy of everything that rounding would overdraw the cash by stops this fraction short."""


@compiled
def whole_lots_nb(shares: float, factor: float, lot: int, step: int, slack: float) -> float:
    """Adjusted shares rounded down to what may be ordered: a lot of raw shares, and steps above it; lot 0: any."""
    if lot == 0:
        return shares
    raw = shares * factor * (1.0 + slack)
    if raw < lot:
        return 0.0
    return float((lot + np.floor((raw - lot) / step) * step) / factor)


@compiled
def in_lots_nb(shares: float, factor: float, lot: int, step: int) -> float:
    """Shares rounded towards nothing to what may be ordered."""
    lots = whole_lots_nb(abs(shares), factor, lot, step, LOT_SLACK)
    return lots if shares > 0.0 else -lots


@compiled
def less_nb(held: float, target: float, factor: float, lot: int, step: int) -> float:
    """What to sell to come down to `target` shares: a holding that is given up goes whole, part of one in whole lots.

    0 where there is nothing to sell or no target.
    """
    if not held - target > DUST * max(abs(target), abs(held)):
        return 0.0
    if target > 0.0 or held <= 0.0:
        return float(in_lots_nb(held - target, factor, lot, step))
    return float(held - in_lots_nb(target, factor, lot, step))


@compiled
def more_nb(held: float, target: float, factor: float, lot: int, step: int) -> float:
    """What to buy to come up to `target` shares; what is short is bought back whole where it is given up.

    0 where there is nothing to buy or no target.
    """
    if not target - held > DUST * max(abs(target), abs(held)):
        return 0.0
    if held < 0.0 and target >= 0.0:
        return float(in_lots_nb(target, factor, lot, step) - held)
    return float(in_lots_nb(target - held, factor, lot, step))


@compiled
def impact_nb(scale: float, shares: float, volume: float) -> float:
    """How far an order moves the price, as a fraction: `scale` volatilities at a whole volume, by the square root."""
    if scale == 0.0 or shares <= 0.0 or not volume > 0.0:
        return 0.0
    move = scale * np.sqrt(shares / volume)
    return float(move) if move > 0.0 else 0.0  # where the volatility is not known


@compiled
def capped_nb(shares: float, most: float, factor: float, lot: int, step: int) -> float:
    """As many of `shares` as a cap on the volume lets through, in whole lots where it cuts."""
    if shares <= most:
        return shares
    return whole_lots_nb(most, factor, lot, step, 0.0) if most > 0.0 else 0.0


@compiled
def in_cents_nb(fee: float, unit: float) -> float:
    """A fee rounded half up to a unit of money; unit 0: as it is."""
    return float(np.floor(fee * (1.0 + CENT_SLACK) / unit + 0.5) * unit) if unit > 0.0 else fee


@compiled
def fees_nb(charges: Charges, t: int, g: int, side: int, value: float, raw: float) -> tuple[float, float]:
    """What a trade of some raw shares pays on top of its value, and the levied part of that; each fee is rounded."""
    unit, levies = charges.rate[t, g, UNIT], (charges.rate.shape[2] - LEVIES) // 2
    rate, first, levied = charges.rate[t, g, BUY_RATE], LEVIES, 0.0
    if side == codes.SELL:
        rate, first = charges.rate[t, g, SELL_RATE], LEVIES + levies
        levied = in_cents_nb(min(charges.rate[t, g, PER_SHARE] * raw, charges.rate[t, g, MOST]), unit)
    for k in range(first, first + levies):
        levied += in_cents_nb(charges.rate[t, g, k] * value, unit)
    return max(in_cents_nb(rate * value, unit), charges.rate[t, g, MINIMUM]) + levied, levied


@compiled
def affordable_nb(
    charges: Charges, t: int, g: int, cash: float, price: float, factor: float, lot: int, step: int
) -> float:
    """The most shares that some cash pays at a price, costs included: to the last cent, and never more."""
    rate, minimum, levied = charges.rate[t, g, BUY_RATE], charges.rate[t, g, MINIMUM], 0.0
    levies = (charges.rate.shape[2] - LEVIES) // 2
    for k in range(LEVIES, LEVIES + levies):
        levied += charges.rate[t, g, k]
    # rounding moves each fee by half a unit at most, in either direction
    rounded = (1 + levies) * charges.rate[t, g, UNIT] / 2.0
    for margin in (rounded, 0.0, -rounded):
        there = cash + margin
        most = min((there - minimum) / (1.0 + levied), there / (1.0 + rate + levied)) / price
        shares = whole_lots_nb(most, factor, lot, step, CASH_MARGIN)
        value = shares * price
        if value + fees_nb(charges, t, g, codes.BUY, value, shares * factor)[0] <= cash:
            return shares
    return float(whole_lots_nb(most * (1.0 - CASH_MARGIN), factor, lot, step, 0.0))


@compiled
def buyable_nb(state: int) -> bool:
    """Whether a market state lets a symbol be bought."""
    return state != codes.NO_BAR and state != codes.LIMIT_UP


@compiled
def sellable_nb(state: int) -> bool:
    """Whether a market state lets a symbol be sold."""
    return state != codes.NO_BAR and state != codes.LIMIT_DOWN


@inner
def refuse_nb(market: MarketArrays, book: Book, t: int, i: int, side: int, asked: float, rule: int) -> None:
    """Record an order that a risk rule did not let through at all."""
    reject_nb(book, t, i, side, asked, market.price[t, i], codes.TRADABLE)
    mark_nb(book, asked, rule)


@inner
def liquidity_nb(market: MarketArrays, charges: Charges, t: int, i: int) -> tuple[float, float, float]:
    """The most shares that a bar lets through, the volume, and what one whole volume moves the price by."""
    volume, most, scale = np.nan, np.inf, 0.0
    if charges.participation > 0.0:
        volume = market.volume[t, i]
        most = charges.participation * volume
    if charges.impact > 0.0:
        volume = market.volume[t, i]
        scale = charges.impact * market.volatility[t, i]
    return most, volume, scale


@inner
def sell_nb(market: MarketArrays, charges: Charges, book: Book, t: int, i: int, wanted: float) -> None:
    """Sell `wanted` shares as far as the market's state, the day of purchase and the volume cap let them through."""
    quoted, factor, g = market.price[t, i], market.factor[t, i], market.trait[i, GROUP]
    if not sellable_nb(market.state[t, i]):
        reject_nb(book, t, i, codes.SELL, wanted, quoted, int(market.state[t, i]))
        return
    free = min(wanted, free_to_sell_nb(market, book, t, i))
    most, volume, scale = liquidity_nb(market, charges, t, i)
    sold = capped_nb(free, most, factor, market.trait[i, LOT], market.trait[i, STEP]) if free > 0.0 else 0.0
    if sold <= 0.0:
        why = codes.VOLUME if free > 0.0 else why_kept_nb(market, book, i)
        reject_nb(book, t, i, codes.SELL, wanted, quoted, why)
        return
    slipped = quoted * (1.0 - charges.slippage)
    price = slipped * (1.0 - impact_nb(scale, sold, volume))
    value = sold * price
    cost, levy = fees_nb(charges, t, g, codes.SELL, value, sold * factor)
    if cost > value:
        reject_nb(book, t, i, codes.SELL, wanted, quoted, codes.COST_ABOVE_VALUE)
        return
    reason = codes.VOLUME if sold < free else (why_kept_nb(market, book, i) if free < wanted else codes.TRADABLE)
    record_nb(book, t, i, codes.SELL, wanted, sold, price, cost, levy, reason)
    row = book.orders[book.placed[PLACED] - 1]
    row[codes.SLIPPAGE], row[codes.IMPACT] = sold * (quoted - slipped), sold * (slipped - price)
    row[codes.TAX] = sold_nb(market, book.purchases, t, i, sold, sold >= book.shares[i])
    book.cash[0] += value - cost - row[codes.TAX]
    book.pending[i] = sold - wanted if charges.carry and reason == codes.VOLUME else 0.0
    hold_nb(book, i, 0.0 if sold == book.shares[i] else book.shares[i] - sold, price)
    if book.shares[i] == 0.0:
        book.traded[i] = t


@inner
def buy_nb(market: MarketArrays, charges: Charges, book: Book, t: int, i: int, wanted: float) -> None:
    """Buy `wanted` shares as far as the market's state, the volume cap and the cash let them through."""
    quoted, factor, g = market.price[t, i], market.factor[t, i], market.trait[i, GROUP]
    lot, step = market.trait[i, LOT], market.trait[i, STEP]
    if not buyable_nb(market.state[t, i]):
        reject_nb(book, t, i, codes.BUY, wanted, quoted, int(market.state[t, i]))
        return
    most, volume, scale = liquidity_nb(market, charges, t, i)
    through = capped_nb(wanted, most, factor, lot, step)
    slipped = quoted * (1.0 + charges.slippage)
    # fewer shares move the price less, so what can be paid at this price can be paid
    price = slipped * (1.0 + impact_nb(scale, through, volume))
    bought = min(through, affordable_nb(charges, t, g, book.cash[0] - book.cash[1], price, factor, lot, step))
    lacking = codes.RESERVED if book.cash[1] > 0.0 else codes.NO_CASH
    if bought <= 0.0:
        why = codes.VOLUME if through <= 0.0 else lacking
        reject_nb(book, t, i, codes.BUY, wanted, quoted, why)
        return
    price = slipped * (1.0 + impact_nb(scale, bought, volume))
    value = bought * price
    cost, levy = fees_nb(charges, t, g, codes.BUY, value, bought * factor)
    reason = codes.TRADABLE if bought == wanted else (lacking if bought < through else codes.VOLUME)
    record_nb(book, t, i, codes.BUY, wanted, bought, price, cost, levy, reason)
    row = book.orders[book.placed[PLACED] - 1]
    row[codes.SLIPPAGE], row[codes.IMPACT] = bought * (slipped - quoted), bought * (price - slipped)
    book.cash[0] -= value + cost
    book.pending[i] = wanted - bought if charges.carry and reason == codes.VOLUME else 0.0
    more = min(bought, max(book.shares[i] + bought, 0.0))
    book.fresh[i] += more
    bought_nb(market, book.purchases, t, i, more, t)
    if book.shares[i] <= 0.0:
        book.traded[i] = t
    hold_nb(book, i, book.shares[i] + bought, price)


@inner
def near_nb(market: MarketArrays, charges: Charges, t: int, i: int) -> float:
    """What a share costs: the price with its slippage; of a symbol that does not trade, its last."""
    return float(
        market.last[t, i] if market.state[t, i] == codes.NO_BAR else market.price[t, i] * (1.0 + charges.slippage)
    )


@inner
def buy_for_nb(
    market: MarketArrays, charges: Charges, book: Book, t: int, i: int, asked: float, money: float, rule: int
) -> None:
    """Buy for `money` in whole lots; asked : the money that there was before a risk rule cut it."""
    near, factor = near_nb(market, charges, t, i), market.factor[t, i]
    lot, step = market.trait[i, LOT], market.trait[i, STEP]
    wanted = whole_lots_nb(money / near, factor, lot, step, LOT_SLACK)
    whole = wanted if rule == codes.UNTOUCHED else whole_lots_nb(asked / near, factor, lot, step, LOT_SLACK)
    if wanted > 0.0 or not buyable_nb(market.state[t, i]):
        buy_nb(market, charges, book, t, i, wanted)
        if whole > wanted:
            mark_nb(book, whole, rule)
    elif whole > 0.0:
        refuse_nb(market, book, t, i, codes.BUY, whole, rule)
    else:
        reject_nb(book, t, i, codes.BUY, money / near, market.price[t, i], codes.BELOW_LOT)


@inner
def buy_rest_nb(market: MarketArrays, charges: Charges, book: Book, t: int, i: int) -> None:
    """Buy what is left of a purchase: an order of its own, which has to be of whole lots again."""
    rest = book.pending[i]
    wanted = rest
    if book.shares[i] >= 0.0:
        wanted = whole_lots_nb(rest, market.factor[t, i], market.trait[i, LOT], market.trait[i, STEP], LOT_SLACK)
    if wanted > 0.0:
        buy_nb(market, charges, book, t, i, wanted)
    else:
        reject_nb(book, t, i, codes.BUY, rest, market.price[t, i], codes.BELOW_LOT)


@inner
def carry_on_nb(market: MarketArrays, charges: Charges, book: Book, t: int, buys: bool) -> None:
    """Order again what the volume cap cut in the row before: the sales, or the purchases."""
    for i in range(len(book.pending)):
        if buys and book.pending[i] > 0.0 and orderable_nb(market.suspended, t, i):
            buy_rest_nb(market, charges, book, t, i)
        elif not buys and book.pending[i] < 0.0 and orderable_nb(market.suspended, t, i):
            sell_nb(market, charges, book, t, i, -book.pending[i])
