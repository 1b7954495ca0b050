"""What the exchange does with an order: whole lots, what it costs, whether it fills.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from kronos_quant.backtest.codes import (
    BELOW_LOT,
    BUY,
    COLUMNS,
    COST,
    COST_ABOVE_VALUE,
    DELISTED,
    FILLED,
    IMPACT,
    LEVY,
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
    SLIPPAGE,
    STATUS,
    SYMBOL,
    TRADABLE,
    VOLUME,
    WANTED,
)
from kronos_quant.backtest.kernel.arrays import (
    BOOK,
    CHARGES,
    HISTORY,
    MARKET,
    Book,
    Charges,
    History,
    Market,
    signature,
    tuple_type,
)

LOT_SLACK = 1e-6
"""Float32 bars put a whole number of lots up to 1e-7 below itself."""

CASH_MARGIN = 1e-12
"""A buy of everything stops this fraction short, so that rounding never overdraws the cash."""


@njit(signature(BOOK, types.f8, types.i8), cache=True)
def new_book_nb(cash: float, symbols: int) -> Book:
    """An account of cash alone."""
    return Book(
        np.empty((1024, COLUMNS)),
        np.zeros(1, np.int64),
        np.full(1, cash),
        np.zeros(symbols),
        np.full(symbols, -1),
        np.zeros(symbols),
    )


@njit(signature(BOOK, BOOK, types.i8), cache=True)
def with_room_nb(book: Book, rows: int) -> Book:
    """The same account with place for `rows` more orders."""
    if book.placed[0] + rows <= len(book.orders):
        return book
    larger = np.empty((2 * len(book.orders) + rows, COLUMNS))
    larger[: book.placed[0]] = book.orders[: book.placed[0]]
    return Book(larger, book.placed, book.cash, book.shares, book.traded, book.pending)


@njit(signature(types.void, BOOK, types.i8, types.i8, types.i8, *[types.f8] * 5, types.i8, types.i8), cache=True)
def record_nb(
    book: Book, t: int, i: int, side: int,
    wanted: float, shares: float, price: float, cost: float, levy: float, status: int, reason: int,
) -> None:  # fmt: skip
    """Write an order into the book, filled at the quoted price if at all."""
    row = book.orders[book.placed[0]]
    row[SESSION], row[SYMBOL], row[SIDE], row[STATUS], row[REASON] = t, i, side, status, reason
    row[WANTED], row[SHARES], row[PRICE], row[COST], row[LEVY] = wanted, shares, price, cost, levy
    row[SLIPPAGE], row[IMPACT] = 0.0, 0.0
    book.placed[0] += 1


@njit("f8(f8, f8, i8, i8, f8)", cache=True)
def whole_lots_nb(shares: float, factor: float, lot: int, step: int, slack: float) -> float:
    """Adjusted shares rounded down to what may be ordered: a lot of raw shares, and steps above it; lot 0: any."""
    if lot == 0:
        return shares
    raw = shares * factor * (1.0 + slack)
    if raw < lot:
        return 0.0
    return float((lot + np.floor((raw - lot) / step) * step) / factor)


@njit(signature(types.f8, MARKET, CHARGES, types.i8, types.i8, types.f8), cache=True)
def impact_nb(market: Market, charges: Charges, t: int, i: int, shares: float) -> float:
    """How far an order moves the price, as a fraction: volatility x the square root of its share of the volume."""
    if charges.impact == 0.0 or shares <= 0.0:
        return 0.0
    move = charges.impact * market.volatility[t, i] * np.sqrt(shares / market.volume[t, i])
    return float(move) if move > 0.0 else 0.0  # where volume or volatility is not known


@njit(signature(types.f8, MARKET, CHARGES, types.i8, types.i8, types.f8), cache=True)
def capped_nb(market: Market, charges: Charges, t: int, i: int, shares: float) -> float:
    """As many of `shares` as the cap on the volume lets through, in whole lots where it cuts."""
    if charges.participation == 0.0:
        return shares
    most = charges.participation * market.volume[t, i]
    if shares <= most:
        return shares
    if not most > 0.0:
        return 0.0
    return whole_lots_nb(most, market.factor[t, i], market.lot[i], market.step[i], 0.0)


@njit(signature(types.void, BOOK, CHARGES, types.i8, types.f8, types.i8), cache=True)
def keep_pending_nb(book: Book, charges: Charges, i: int, rest: float, reason: int) -> None:
    """Keep what the volume cap cut of an order (a sale's is negative) for the next session."""
    book.pending[i] = rest if charges.carry and reason == VOLUME else 0.0


@njit(signature(tuple_type(types.f8, types.f8), CHARGES, types.i8, types.i8, types.f8), cache=True)
def buy_cost_nb(charges: Charges, t: int, group: int, value: float) -> tuple[float, float]:
    """What a purchase costs: all of it, and the part that is levied."""
    levy = charges.buy_levy[t, group] * value
    return max(charges.buy[group] * value, charges.minimum[group]) + levy, levy


@njit(signature(tuple_type(types.f8, types.f8), CHARGES, types.i8, types.i8, types.f8, types.f8), cache=True)
def sell_cost_nb(charges: Charges, t: int, group: int, value: float, raw_shares: float) -> tuple[float, float]:
    """What a sale costs: all of it, and the part that is levied."""
    levy = charges.sell_levy[t, group] * value
    levy += min(charges.per_share[t, group] * raw_shares, charges.most[t, group])
    return max(charges.sell[group] * value, charges.minimum[group]) + levy, levy


@njit(signature(types.void, MARKET, BOOK, types.i8, types.f8), cache=True)
def leave_delisted_nb(market: Market, book: Book, t: int, delisting_return: float) -> None:
    """Turn holdings without any further bar into cash, at the last close and the delisting return, at no cost."""
    for i in range(len(book.shares)):
        if book.shares[i] != 0.0 and t >= market.gone[i]:
            shares, price = abs(book.shares[i]), market.last[t, i] * (1.0 + delisting_return)
            side = SELL if book.shares[i] > 0.0 else BUY
            record_nb(book, t, i, side, shares, shares, price, 0.0, 0.0, FILLED, DELISTED)
            book.cash[0] += book.shares[i] * price
            book.shares[i], book.pending[i] = 0.0, 0.0


@njit("b1(u1)", cache=True)
def buyable_nb(state: int) -> bool:
    """Whether a market state lets a symbol be bought."""
    return state != NO_BAR and state != LIMIT_UP


@njit("b1(u1)", cache=True)
def sellable_nb(state: int) -> bool:
    """Whether a market state lets a symbol be sold."""
    return state != NO_BAR and state != LIMIT_DOWN


@njit(signature(types.void, MARKET, CHARGES, BOOK, types.i8, types.i8, types.f8), cache=True)
def sell_nb(market: Market, charges: Charges, book: Book, t: int, i: int, wanted: float) -> None:
    """Sell `wanted` shares as far as the market's state and the volume cap let them through."""
    quoted, group = market.price[t, i], market.group[i]
    if not sellable_nb(market.state[t, i]):
        record_nb(book, t, i, SELL, wanted, 0.0, quoted, 0.0, 0.0, REJECTED, int(market.state[t, i]))
        return
    sold = capped_nb(market, charges, t, i, wanted)
    if sold <= 0.0:
        record_nb(book, t, i, SELL, wanted, 0.0, quoted, 0.0, 0.0, REJECTED, VOLUME)
        book.pending[i] = 0.0
        return
    slipped = quoted * (1.0 - charges.slippage)
    price = slipped * (1.0 - impact_nb(market, charges, t, i, sold))
    value = sold * price
    cost, levy = sell_cost_nb(charges, t, group, value, sold * market.factor[t, i])
    if cost > value:
        record_nb(book, t, i, SELL, wanted, 0.0, quoted, 0.0, 0.0, REJECTED, COST_ABOVE_VALUE)
        book.pending[i] = 0.0
        return
    reason = VOLUME if sold < wanted else TRADABLE
    record_nb(book, t, i, SELL, wanted, sold, price, cost, levy, PARTIAL if sold < wanted else FILLED, reason)
    row = book.orders[book.placed[0] - 1]
    row[SLIPPAGE], row[IMPACT] = sold * (quoted - slipped), sold * (slipped - price)
    book.cash[0] += value - cost
    book.shares[i] = 0.0 if sold == book.shares[i] else book.shares[i] - sold
    keep_pending_nb(book, charges, i, sold - wanted, reason)
    if book.shares[i] == 0.0:
        book.traded[i] = t


@njit(signature(types.f8, MARKET, CHARGES, BOOK, types.i8, types.i8, types.f8), cache=True)
def affordable_nb(market: Market, charges: Charges, book: Book, t: int, i: int, price: float) -> float:
    """The most shares in whole lots that the cash pays at a price, costs included."""
    group, cash = market.group[i], book.cash[0]
    levied = charges.buy_levy[t, group]
    most = min((cash - charges.minimum[group]) / (1.0 + levied), cash / (1.0 + charges.buy[group] + levied)) / price
    return whole_lots_nb(most * (1.0 - CASH_MARGIN), market.factor[t, i], market.lot[i], market.step[i], 0.0)


@njit(signature(types.void, MARKET, CHARGES, BOOK, types.i8, types.i8, types.f8), cache=True)
def buy_nb(market: Market, charges: Charges, book: Book, t: int, i: int, wanted: float) -> None:
    """Buy `wanted` shares as far as the market's state, the volume cap and the cash let them through."""
    quoted = market.price[t, i]
    if not buyable_nb(market.state[t, i]):
        record_nb(book, t, i, BUY, wanted, 0.0, quoted, 0.0, 0.0, REJECTED, int(market.state[t, i]))
        return
    through = capped_nb(market, charges, t, i, wanted)
    if through <= 0.0:
        record_nb(book, t, i, BUY, wanted, 0.0, quoted, 0.0, 0.0, REJECTED, VOLUME)
        book.pending[i] = 0.0
        return
    slipped = quoted * (1.0 + charges.slippage)
    # fewer shares move the price less, so what can be paid at this price can be paid
    price = slipped * (1.0 + impact_nb(market, charges, t, i, through))
    bought = min(through, affordable_nb(market, charges, book, t, i, price))
    if bought <= 0.0:
        record_nb(book, t, i, BUY, wanted, 0.0, quoted, 0.0, 0.0, REJECTED, NO_CASH)
        book.pending[i] = 0.0
        return
    price = slipped * (1.0 + impact_nb(market, charges, t, i, bought))
    cost, levy = buy_cost_nb(charges, t, market.group[i], bought * price)
    reason = TRADABLE if bought == wanted else (NO_CASH if bought < through else VOLUME)
    record_nb(book, t, i, BUY, wanted, bought, price, cost, levy, FILLED if bought == wanted else PARTIAL, reason)
    row = book.orders[book.placed[0] - 1]
    row[SLIPPAGE], row[IMPACT] = bought * (slipped - quoted), bought * (price - slipped)
    book.cash[0] -= bought * price + cost
    if book.shares[i] <= 0.0:
        book.traded[i] = t
    book.shares[i] += bought
    keep_pending_nb(book, charges, i, wanted - bought, reason)


@njit(signature(types.void, MARKET, CHARGES, BOOK, types.i8, types.i8, types.f8), cache=True)
def buy_for_nb(market: Market, charges: Charges, book: Book, t: int, i: int, money: float) -> None:
    """Buy for `money` in whole lots, at the price with its slippage; of a symbol that does not trade, at its last."""
    near = market.last[t, i] if market.state[t, i] == NO_BAR else market.price[t, i] * (1.0 + charges.slippage)
    wanted = whole_lots_nb(money / near, market.factor[t, i], market.lot[i], market.step[i], LOT_SLACK)
    if wanted <= 0.0 and buyable_nb(market.state[t, i]):
        record_nb(book, t, i, BUY, money / near, 0.0, market.price[t, i], 0.0, 0.0, REJECTED, BELOW_LOT)
        return
    buy_nb(market, charges, book, t, i, wanted)


@njit(signature(types.void, MARKET, CHARGES, BOOK, types.i8, types.b1), cache=True)
def carry_on_nb(market: Market, charges: Charges, book: Book, t: int, buys: bool) -> None:
    """Order again what the volume cap cut in the session before: the sales, or the purchases."""
    for i in range(len(book.pending)):
        if buys and book.pending[i] > 0.0:
            buy_nb(market, charges, book, t, i, book.pending[i])
        elif not buys and book.pending[i] < 0.0:
            sell_nb(market, charges, book, t, i, -book.pending[i])


@njit(signature(HISTORY, types.i8, types.i8, types.f8), cache=True)
def new_history_nb(sessions: int, symbols: int, cash: float) -> History:
    """The account before anything traded, for every session."""
    return History(np.full(sessions, cash), np.full(sessions, cash), np.zeros(sessions), np.zeros((sessions, symbols)))


@njit(signature(types.void, MARKET, BOOK, HISTORY, types.i8, types.f8), cache=True)
def value_nb(market: Market, book: Book, history: History, t: int, borrow: float) -> None:
    """Value the account at session t's closes; what is short pays for being borrowed."""
    value, short = 0.0, 0.0
    for i in range(len(book.shares)):
        if book.shares[i] != 0.0:
            value += book.shares[i] * market.last[t, i]
            if book.shares[i] < 0.0:
                short -= book.shares[i] * market.last[t, i]
    book.cash[0] -= borrow * short
    history.account[t], history.cash[t], history.held[t] = book.cash[0] + value, book.cash[0], book.shares
    history.borrowed[t] = borrow * short
