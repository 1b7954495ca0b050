"""The account in plain Python: what is held, what is still to be traded, every order."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from kronos_quant.backtest.ledger.exchange import Exchange
from kronos_quant.backtest.panel import Panel


@dataclass
class Accounts:
    """The account after some sessions, and all orders so far.

    shares : adjusted shares by symbol number, which never change through splits; negative where short
    traded : row of the purchase, or of having left; pending : what a volume cap cut, sales negative
    entry : mean price of what is held; fresh : session of the last purchase, and shares bought in it
    reserve : cash that buys nothing
    """

    exchange: Exchange
    cash: float
    reserve: float = 0.0
    shares: dict[int, float] = field(default_factory=dict)
    entry: dict[int, float] = field(default_factory=dict)
    fresh: dict[int, tuple[int, float]] = field(default_factory=dict)
    traded: dict[int, int] = field(default_factory=dict)
    pending: dict[int, float] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[float] = field(default_factory=list)
    cashes: list[float] = field(default_factory=list)

    @property
    def account(self) -> float:
        """After the last row."""
        return self.accounts[-1] if self.accounts else self.cash

    def receive_dividends(self, t: int) -> None:
        """Book the dividends of the holdings, and take what is paid."""
        registrar = self.exchange.registrar
        for i in sorted(self.shares):
            before = self.shares[i]
            self.shares[i] = registrar.open(t, i, before, int(self.exchange.rules.lot[i]))
            if i in self.pending:
                whole = self.pending[i] == -before
                self.pending[i] = -self.shares[i] if whole else self.pending[i] * self.shares[i] / before
        self.cash += registrar.pay(t)

    def leave_delisted(self, t: int) -> None:
        """Holdings whose listing is over leave at the last close and the delisting return."""
        over = {int(i) for row, i in self.exchange.panel.delisted if row == t}
        for i in sorted(self.shares):
            if i in over:
                shares = self.shares[i]
                self.pending.pop(i, None)
                price = self.exchange.close(t - 1, i) * (1 + self.exchange.strategy.delisting_return)
                tax = self.exchange.registrar.sell(t, i, abs(shares), True, int(self.exchange.rules.lot[i]))
                self.cash += shares * price - tax
                self._keep(i, 0.0, price)
                side = "sell" if shares > 0 else "buy"
                self.note(t, i, side, "filled", "delisted", abs(shares), abs(shares), price)
                self.orders[-1]["dividend_tax"] = tax

    def sell(self, t: int, i: int, wanted: float) -> None:
        """Sell as far as state, day of purchase and volume let through."""
        exchange, quoted = self.exchange, self.exchange.price(t, i)
        reason = exchange.blocked(t, i, "sell")
        if reason is not None:  # a market that is shut lets it be ordered again
            self.note(t, i, "sell", "rejected", reason, wanted, 0.0, quoted)
            return
        free = min(wanted, self.free_to_sell(t, i))
        if free <= 0:
            self.refuse(t, i, "sell", self.why_kept(t, i), wanted)
            return
        sold = exchange.through(t, i, free)
        if sold <= 0:
            self.refuse(t, i, "sell", "volume cap", wanted)
            return
        slipped = exchange.slipped(t, i, "sell")
        price = slipped * (1 - exchange.moved(t, i, sold))
        cost, levy = exchange.cost(t, i, "sell", sold, price)
        if cost > sold * price:
            self.refuse(t, i, "sell", "cost above value", wanted)
            return
        reason = "volume cap" if sold < free else self.why_kept(t, i) if free < wanted else ""
        paid = (cost, levy, sold * (quoted - slipped), sold * (slipped - price))
        self.note(t, i, "sell", "partial" if reason else "filled", reason, wanted, sold, price, paid)
        held = self.shares.get(i, 0.0)
        tax = exchange.registrar.sell(t, i, sold, sold >= held, int(exchange.rules.lot[i])) if held > 0 else 0.0
        self.orders[-1]["dividend_tax"] = tax
        self.cash += sold * price - cost - tax
        left = 0.0 if sold == self.shares.get(i, 0.0) else self.shares.get(i, 0.0) - sold
        self._keep(i, left, price)
        self._carry(i, sold - wanted if reason == "volume cap" else 0.0)
        if left == 0:
            self.traded[i] = t

    def buy(self, t: int, i: int, wanted: float) -> None:
        """Buy as far as state, volume and cash let through."""
        exchange, quoted = self.exchange, self.exchange.price(t, i)
        reason = exchange.blocked(t, i, "buy")
        if reason is not None:
            self.note(t, i, "buy", "rejected", reason, wanted, 0.0, quoted)
            return
        through = exchange.through(t, i, wanted)
        if through <= 0:
            self.refuse(t, i, "buy", "volume cap", wanted)
            return
        slipped = exchange.slipped(t, i, "buy")
        at_most = slipped * (1 + exchange.moved(t, i, through))
        bought = min(through, exchange.affordable(t, i, self.cash - self.reserve, at_most))
        lacking = "cash buffer" if self.reserve > 0 else "not enough cash"
        if bought <= 0:
            self.refuse(t, i, "buy", lacking, wanted)
            return
        price = slipped * (1 + exchange.moved(t, i, bought))
        cost, levy = exchange.cost(t, i, "buy", bought, price)
        reason = "" if bought == wanted else lacking if bought < through else "volume cap"
        paid = (cost, levy, bought * (slipped - quoted), bought * (price - slipped))
        self.note(t, i, "buy", "partial" if reason else "filled", reason, wanted, bought, price, paid)
        self.cash -= bought * price + cost
        held = self.shares.get(i, 0.0)
        if held <= 0:
            self.traded[i] = t
        session, before = self.fresh.get(i, (-1, 0.0))
        more = min(bought, max(held + bought, 0.0))
        exchange.registrar.buy(t, i, more)
        self.fresh[i] = (exchange.session(t), more + (before if session == exchange.session(t) else 0.0))
        self._keep(i, held + bought, price)
        self._carry(i, wanted - bought if reason == "volume cap" else 0.0)

    def carry_on(self, t: int, side: str) -> None:
        """Order again what a cap cut before."""
        for i in sorted(self.pending):
            if self.exchange.untouchable(t, i):
                continue
            if side == "buy" and self.pending[i] > 0:
                self.buy_rest(t, i, self.pending[i])
            elif side == "sell" and self.pending[i] < 0:
                self.sell(t, i, -self.pending[i])

    def buy_rest(self, t: int, i: int, rest: float) -> None:
        """Buy what is left of a purchase, in whole lots again; what is short may be bought back in any number."""
        wanted = rest if self.shares.get(i, 0.0) < 0 else self.exchange.whole_lots(t, i, rest, 1e-6)
        if wanted > 0:
            self.buy(t, i, wanted)
        else:
            self.refuse(t, i, "buy", "below one lot", rest)

    def close(self, t: int) -> None:
        """Value the account at the closes; what is short at the end of a session pays for being borrowed."""
        values = {i: shares * self.exchange.close(t, i) for i, shares in sorted(self.shares.items())}
        if self.exchange.ends_session(t):
            self.cash += self.exchange.rules.borrow * sum(value for value in values.values() if value < 0)
        self.accounts.append(self.cash + self.exchange.registrar.receivable + sum(values.values()))
        self.cashes.append(self.cash)

    def free_to_sell(self, t: int, i: int) -> float:
        """The shares that may be sold today: any, where those of today's purchase and unlisted ones may be, too."""
        bought, unlisted = self._kept_today(t, i), self.exchange.registrar.unlisted(t, i)
        held = self.shares.get(i, 0.0)
        if unlisted > 0:
            free = held - bought - unlisted
            return free if free > 1e-9 * held else 0.0
        return held - bought if bought > 0 else math.inf

    def why_kept(self, t: int, i: int) -> str:
        """Why not all of a holding may be sold."""
        return "bought today" if self._kept_today(t, i) > 0 else "new shares not listed"

    def _kept_today(self, t: int, i: int) -> float:
        session, bought = self.fresh.get(i, (-1, 0.0))
        return bought if self.exchange.rules.next_day[i] and session == self.exchange.session(t) else 0.0

    def blame(self, rule: str, asked: float = 0.0) -> None:
        """Say of the newest order that a risk rule made it or cut it; asked : what was wanted instead."""
        order = self.orders[-1]
        order["reason"] = "; ".join(dict.fromkeys(word for word in (rule, order["reason"]) if word))
        if asked > order["wanted"]:
            order["wanted"] = asked
            order["status"] = "partial" if order["status"] == "filled" else order["status"]

    def refuse(self, t: int, i: int, side: str, reason: str, wanted: float) -> None:
        """Write down an order that filled nothing, and is not ordered again."""
        self.pending.pop(i, None)
        self.note(t, i, side, "rejected", reason, wanted, 0.0, self.exchange.price(t, i))

    def _keep(self, i: int, shares: float, price: float) -> None:
        held = self.shares.get(i, 0.0)
        if shares == 0:
            self.shares.pop(i, None)
            self.entry.pop(i, None)
            return
        if held * shares <= 0:
            self.entry[i] = price
        elif abs(shares) > abs(held):
            self.entry[i] = (self.entry[i] * abs(held) + price * (abs(shares) - abs(held))) / abs(shares)
        self.shares[i] = shares

    def _carry(self, i: int, rest: float) -> None:
        self.pending.pop(i, None)
        if rest and self.exchange.strategy.liquidity.carry_over:
            self.pending[i] = rest

    def note(
        self, t: int, i: int, side: str, status: str, reason: str, wanted: float, shares: float, price: float,
        paid: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
    ) -> None:  # fmt: skip
        """Write an order down. paid : cost, levied part of it, slippage and impact."""
        panel = self.exchange.panel
        self.orders.append(
            {"date": panel.dates[t], "symbol": panel.symbols[i], "side": side, "status": status, "reason": reason}
            | {"dividend_tax": 0.0}
            | {"wanted": wanted, "shares": shares, "price": price}
            | dict(zip(("cost", "levies", "slippage", "impact"), paid, strict=True))
        )


def traded_rows(panel: Panel) -> list[int]:
    """The rows of a panel after its first session, which only gives scores."""
    return [t for t, day in enumerate(panel.dates) if day != panel.dates[0]]
