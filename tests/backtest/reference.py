"""The `exchange` profile of Top-K dropout as a slow ledger in plain Python, one symbol and one order at a time.

Written from the rules, not from the kernel: dictionaries of holdings, sorted lists, raw shares and raw prices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date

from kronos_quant.backtest import Panel, Strategy


@dataclass
class Holding:
    """Raw shares bought at `factor`; adjusted shares never change."""

    adjusted_shares: float
    bought: int


@dataclass
class Book:
    """The account after some sessions, and all orders so far."""

    cash: float
    holdings: dict[int, Holding] = field(default_factory=dict)
    orders: list[dict] = field(default_factory=list)
    accounts: list[float] = field(default_factory=list)
    cashes: list[float] = field(default_factory=list)


class Exchange:
    """What is known of prices: the bar of a session, or the last one before it."""

    def __init__(self, strategy: Strategy, panel: Panel, limits, lots) -> None:
        self.strategy, self.panel, self.limits, self.lots = strategy, panel, limits, lots
        self.fill = panel.open if strategy.fill == "open" else panel.close

    def last(self, t: int, i: int, values) -> float:
        for session in range(t, -1, -1):
            if not math.isnan(values[session][i]):
                return float(values[session][i])
        return math.nan

    def price(self, t: int, i: int) -> float:
        price = float(self.fill[t][i])
        return price if price > 0 else math.nan

    def blocked(self, t: int, i: int, side: str) -> str | None:
        price = self.price(t, i)
        if math.isnan(price):
            return "no bar"
        fraction = self.limits[t][i]
        before = self.last(t - 1, i, self.panel.close)
        if math.isnan(fraction) or math.isnan(before):
            return None
        factor = float(self.panel.factor[t][i])
        reference = before / factor
        if side == "buy" and price / factor >= cents(reference * (1 + fraction)) * (1 - 2e-7):
            return "limit up"
        if side == "sell" and price / factor <= cents(reference * (1 - fraction)) * (1 + 2e-7):
            return "limit down"
        return None

    def whole_lots(self, t: int, i: int, adjusted_shares: float, slack: float) -> float:
        lot = int(self.lots[i])
        if lot == 0 or math.isnan(adjusted_shares):
            return adjusted_shares
        factor = self.last(t, i, self.panel.factor)
        return math.floor(adjusted_shares * factor / lot * (1 + slack)) * lot / factor


def cents(price: float) -> float:
    return math.floor(price * (1 + 2e-7) * 100 + 0.5) / 100


def simulate_slowly(strategy: Strategy, panel: Panel, limits, lots) -> Book:
    """Orders, account and cash of `strategy`, one session after the other."""
    exchange = Exchange(strategy, panel, limits, lots)
    book = Book(cash=strategy.account)
    for t in range(1, len(panel.dates)):
        leave_delisted(book, exchange, t)
        scores = {i: float(s) for i, s in enumerate(panel.score[t - 1]) if not math.isnan(s)}
        sold = sell(book, exchange, t, scores)
        buy(book, exchange, t, [i for i in by_rank(scores) if i not in book.holdings and i not in sold])
        value = sum(h.adjusted_shares * exchange.last(t, i, panel.close) for i, h in sorted(book.holdings.items()))
        book.accounts.append(book.cash + value)
        book.cashes.append(book.cash)
    return book


def by_rank(scores: dict[int, float]) -> list[int]:
    return sorted(scores, key=lambda i: (-scores[i], i))


def leave_delisted(book: Book, exchange: Exchange, t: int) -> None:
    close = exchange.panel.close
    for i in sorted(book.holdings):
        if all(math.isnan(close[s][i]) for s in range(t, len(close))) and exchange.panel.gone[i] <= t:
            shares = book.holdings.pop(i).adjusted_shares
            price = exchange.last(t, i, close) * (1 + exchange.strategy.delisting_return)
            book.cash += shares * price
            note(book, exchange, t, i, "sell", "filled", "delisted", shares, shares, price, 0.0)


def sell(book: Book, exchange: Exchange, t: int, scores: dict[int, float]) -> set[int]:
    s = exchange.strategy
    held = sorted(book.holdings)
    ranked = by_rank(scores)
    others = [i for i in ranked if i not in book.holdings][: s.n_drop + s.topk - len(held)]
    pool = [i for i in ranked if i in book.holdings or i in others] + [i for i in held if i not in scores]
    sold = set()
    for i in reversed(pool[s.topk :]):
        if i not in book.holdings or t - book.holdings[i].bought < s.hold_thresh:
            continue
        shares, price = book.holdings[i].adjusted_shares, exchange.price(t, i)
        reason = exchange.blocked(t, i, "sell")
        value = shares * price
        cost = max(s.costs.sell * value, s.costs.minimum)
        if reason is None and cost > value:
            reason = "cost above value"
        if reason is not None:
            note(book, exchange, t, i, "sell", "rejected", reason, shares, 0.0, price, 0.0)
            continue
        note(book, exchange, t, i, "sell", "filled", "", shares, shares, price, cost)
        book.cash += value - cost
        del book.holdings[i]
        sold.add(i)
    return sold


def buy(book: Book, exchange: Exchange, t: int, candidates: list[int]) -> None:
    s = exchange.strategy
    places = s.topk - len(book.holdings)
    if places == 0 or not candidates:
        return
    fillable = [i for i in candidates if exchange.blocked(t, i, "buy") is None][:places]
    money = book.cash * s.risk_degree / (len(fillable) or places)
    for i in candidates:
        if places == 0:
            return
        price, reason = exchange.price(t, i), exchange.blocked(t, i, "buy")
        if reason is not None:
            near = exchange.last(t, i, exchange.panel.close) if math.isnan(price) else price
            wanted = exchange.whole_lots(t, i, money / near, 1e-6)
            note(book, exchange, t, i, "buy", "rejected", reason, wanted, 0.0, price, 0.0)
            continue
        places -= 1
        buy_one(book, exchange, t, i, money, price)


def buy_one(book: Book, exchange: Exchange, t: int, i: int, money: float, price: float) -> None:
    costs = exchange.strategy.costs
    wanted = exchange.whole_lots(t, i, money / price, 1e-6)
    if wanted <= 0:
        note(book, exchange, t, i, "buy", "rejected", "below one lot", money / price, 0.0, price, 0.0)
        return
    most = min((book.cash - costs.minimum) / price, book.cash / (1 + costs.buy) / price) * (1 - 1e-12)
    shares = min(wanted, exchange.whole_lots(t, i, most, 0.0))
    if shares <= 0:
        note(book, exchange, t, i, "buy", "rejected", "not enough cash", wanted, 0.0, price, 0.0)
        return
    cost = max(costs.buy * shares * price, costs.minimum)
    status, reason = ("filled", "") if shares == wanted else ("partial", "not enough cash")
    note(book, exchange, t, i, "buy", status, reason, wanted, shares, price, cost)
    book.cash -= shares * price + cost
    book.holdings[i] = Holding(shares, t)


def note(book, exchange, t, i, side, status, reason, wanted, shares, price, cost) -> None:
    day: date = exchange.panel.dates[t]
    book.orders.append(
        {
            "date": day,
            "symbol": exchange.panel.symbols[i],
            "side": side,
            "status": status,
            "reason": reason,
            "wanted": wanted,
            "shares": shares,
            "price": price,
            "cost": cost,
        }
    )
