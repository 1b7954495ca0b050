"""The account in plain Python: what is held, what is still to be traded, every order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kronos_quant.backtest.ledger.exchange import Exchange


@dataclass
class Accounts:
    """The account after some sessions, and all orders so far.

    shares : adjusted shares by symbol number, which never change through splits; negative where short
    traded : session of the purchase, or of having left; pending : what a volume cap cut, sales negative
    """

    exchange: Exchange
    cash: float
    shares: dict[int, float] = field(default_factory=dict)
    traded: dict[int, int] = field(default_factory=dict)
    pending: dict[int, float] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[float] = field(default_factory=list)
    cashes: list[float] = field(default_factory=list)

    def leave_delisted(self, t: int) -> None:
        """Holdings without any further bar leave at the last close and the delisting return."""
        panel = self.exchange.panel
        for i in sorted(self.shares):
            if panel.gone[i] <= t:
                shares = self.shares.pop(i)
                self.pending.pop(i, None)
                price = self.exchange.close(t, i) * (1 + self.exchange.strategy.delisting_return)
                self.cash += shares * price
                side = "sell" if shares > 0 else "buy"
                self.note(t, i, side, "filled", "delisted", abs(shares), abs(shares), price)

    def sell(self, t: int, i: int, wanted: float) -> None:
        """Sell as far as state and volume let through."""
        exchange, quoted = self.exchange, self.exchange.price(t, i)
        reason = exchange.blocked(t, i, "sell")
        if reason is not None:
            self.note(t, i, "sell", "rejected", reason, wanted, 0.0, quoted)
            return
        sold = exchange.through(t, i, wanted)
        if sold <= 0:
            self.pending.pop(i, None)
            self.note(t, i, "sell", "rejected", "volume cap", wanted, 0.0, quoted)
            return
        slipped = exchange.slipped(t, i, "sell")
        price = slipped * (1 - exchange.moved(t, i, sold))
        cost, levy = exchange.cost(t, i, "sell", sold, price)
        if cost > sold * price:
            self.pending.pop(i, None)
            self.note(t, i, "sell", "rejected", "cost above value", wanted, 0.0, quoted)
            return
        whole = sold == wanted
        paid = (cost, levy, sold * (quoted - slipped), sold * (slipped - price))
        self.note(
            t, i, "sell", "filled" if whole else "partial", "" if whole else "volume cap", wanted, sold, price, paid
        )
        self.cash += sold * price - cost
        left = 0.0 if sold == self.shares.get(i, 0.0) else self.shares.get(i, 0.0) - sold
        self._keep(i, left)
        self._carry(i, sold - wanted)
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
            self.pending.pop(i, None)
            self.note(t, i, "buy", "rejected", "volume cap", wanted, 0.0, quoted)
            return
        slipped = exchange.slipped(t, i, "buy")
        at_most = slipped * (1 + exchange.moved(t, i, through))
        bought = min(through, exchange.affordable(t, i, self.cash, at_most))
        if bought <= 0:
            self.pending.pop(i, None)
            self.note(t, i, "buy", "rejected", "not enough cash", wanted, 0.0, quoted)
            return
        price = slipped * (1 + exchange.moved(t, i, bought))
        cost, levy = exchange.cost(t, i, "buy", bought, price)
        reason = "" if bought == wanted else "not enough cash" if bought < through else "volume cap"
        paid = (cost, levy, bought * (slipped - quoted), bought * (price - slipped))
        self.note(t, i, "buy", "partial" if reason else "filled", reason, wanted, bought, price, paid)
        self.cash -= bought * price + cost
        if self.shares.get(i, 0.0) <= 0:
            self.traded[i] = t
        self._keep(i, self.shares.get(i, 0.0) + bought)
        self._carry(i, wanted - bought if reason == "volume cap" else 0.0)

    def carry_on(self, t: int, side: str) -> None:
        """Order again what a cap cut before."""
        for i in sorted(self.pending):
            if side == "buy" and self.pending[i] > 0:
                self.buy(t, i, self.pending[i])
            elif side == "sell" and self.pending[i] < 0:
                self.sell(t, i, -self.pending[i])

    def close(self, t: int) -> None:
        """Value the account at the closes; what is short pays for being borrowed."""
        values = {i: shares * self.exchange.close(t, i) for i, shares in sorted(self.shares.items())}
        self.cash += self.exchange.rules.borrow * sum(value for value in values.values() if value < 0)
        self.accounts.append(self.cash + sum(values.values()))
        self.cashes.append(self.cash)

    def _keep(self, i: int, shares: float) -> None:
        if shares == 0:
            self.shares.pop(i, None)
        else:
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
            | {"wanted": wanted, "shares": shares, "price": price}
            | dict(zip(("cost", "levies", "slippage", "impact"), paid, strict=True))
        )
