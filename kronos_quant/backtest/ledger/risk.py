"""The rules of the section `risk` in plain Python."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from itertools import pairwise

from kronos_quant.backtest.ledger.accounts import Accounts

Values = dict[int, float]
"""Money at the last closes by symbol number, negative where short."""

Changes = dict[int, tuple[float, str]]
"""Shares that are left of what was wanted, and the rule that left them, by symbol number."""


@dataclass
class Keeper:
    """What the rules remember, and what they make of what a strategy wants.

    resting : number of the session until which a symbol is not bought; since : that in which a halt began
    """

    book: Accounts
    peak: float
    since: int | None = None
    resting: dict[int, int] = field(default_factory=dict)

    def begin(self, t: int) -> float:
        """Reserve cash, begin or end a halt; the account before row t."""
        book, risk = self.book, self.book.exchange.strategy.risk
        account, session = book.account, book.exchange.session(t)
        book.reserve = risk.cash_buffer * max(account, 0.0)
        if risk.drawdown_halt is None:
            return account
        if self.since is not None and risk.resume_after is not None and session >= self.since + risk.resume_after:
            self.since, self.peak = None, account
        if self.since is None:
            self.peak = max(self.peak, account)
            if account <= self.peak * (1 - risk.drawdown_halt):
                self.since = session
        return account

    @property
    def halted(self) -> bool:
        """Whether a drawdown keeps the strategy from trading."""
        return self.since is not None

    def rests(self, t: int, i: int) -> bool:
        """Whether a symbol was stopped too short a while ago."""
        return self.book.exchange.session(t) < self.resting.get(i, -1)

    def changes(self, t: int, account: float, wanted: dict[int, float] | None) -> Changes:
        """What the rules change of the shares wanted; None: of what is held, by a strategy that decided nothing."""
        book = self.book
        if self.halted:
            return dict.fromkeys(sorted(book.shares), (0.0, "drawdown halt"))
        if account <= 0:
            return {}
        closes = {i: book.exchange.close(t - 1, i) for i in range(len(book.exchange.panel.symbols))}
        known = [i for i in closes if not math.isnan(closes[i])]
        now = {i: book.shares.get(i, 0.0) * closes[i] for i in known}
        aim = dict(now) if wanted is None else {i: wanted[i] * closes[i] for i in known}
        rule: dict[int, str] = {}
        self._stops(t, now, aim, rule, closes)
        band = 0.0 if wanted is not None else book.exchange.strategy.risk.band
        self._caps(t, account, aim, rule, max(band, 1e-9))
        if wanted is not None:
            self._buffer(account, aim, rule)
        self._slowly(t, account, now, aim, rule)
        return {i: (aim[i] / closes[i], why) for i, why in rule.items()}

    def _stops(self, t: int, now: Values, aim: Values, rule: dict[int, str], closes: Values) -> None:
        risk = self.book.exchange.strategy.risk
        for i in aim:
            if i in self.book.shares:
                sign = 1 if self.book.shares[i] > 0 else -1
                gain = sign * (closes[i] / self.book.entry[i] - 1)
                lost = risk.stop_loss is not None and gain <= -risk.stop_loss + 2e-7
                if lost or (risk.take_profit is not None and gain >= risk.take_profit - 2e-7):
                    aim[i], rule[i] = 0.0, "stop-loss" if lost else "take-profit"
                    self.resting[i] = self.book.exchange.session(t) + risk.stay_out
            if self.rests(t, i):
                low, high = sorted((0.0, now[i]))
                if not low <= aim[i] <= high:
                    aim[i], rule[i] = min(max(aim[i], low), high), "stays out after a stop"

    def _caps(self, t: int, account: float, aim: Values, rule: dict[int, str], band: float) -> None:
        risk = self.book.exchange.strategy.risk
        if risk.max_weight is not None:
            for i in aim:
                if abs(aim[i]) > risk.max_weight * account * (1 + band):
                    aim[i], rule[i] = math.copysign(risk.max_weight * account, aim[i]), "maximum weight"
        if risk.max_group is not None:
            for group in sorted({self.group(t, i) for i in aim} - {-1}):
                members = [i for i in aim if self.group(t, i) == group]
                shrink(aim, rule, members, risk.max_group * account, "group cap", band)
        if risk.max_gross is not None:
            shrink(aim, rule, list(aim), risk.max_gross * account, "exposure cap", band)
        net = sum(aim.values())
        if risk.max_net is not None and abs(net) > risk.max_net * account * (1 + band):
            heavy = [i for i in aim if aim[i] * net > 0]
            weight = sum(abs(aim[i]) for i in heavy)
            shrink(aim, rule, heavy, weight - abs(net) + risk.max_net * account, "exposure cap")
        bound = self.bound_by_volatility(t, account, aim)
        if bound is not None:
            shrink(aim, rule, list(aim), bound, "volatility target", band)

    def _buffer(self, account: float, aim: Values, rule: dict[int, str]) -> None:
        risk = self.book.exchange.strategy.risk
        long = [i for i in aim if aim[i] > 0]
        short = sum(value for value in aim.values() if value < 0)
        if risk.cash_buffer > 0:
            shrink(aim, rule, long, (1 - risk.cash_buffer) * account - short, "cash buffer")

    def _slowly(self, t: int, account: float, now: Values, aim: Values, rule: dict[int, str]) -> None:
        risk = self.book.exchange.strategy.risk
        if risk.max_turnover is None:
            return
        taken = [i for i in rule if abs(aim[i]) < abs(now[i])]
        others = [i for i in aim if i not in taken]
        way = sum(abs(aim[i] - now[i]) for i in others)
        room = risk.max_turnover * account - self.traded(t) - sum(abs(aim[i] - now[i]) for i in taken)
        if way <= max(room, 0.0) * (1 + 1e-9):
            return
        for i in others:
            if aim[i] != now[i]:
                aim[i], rule[i] = now[i] + (aim[i] - now[i]) * max(room, 0.0) / way, "turnover cap"

    def group(self, t: int, i: int) -> int:
        """The group of a symbol before row t, -1 without."""
        groups = self.book.exchange.panel.groups
        return -1 if groups is None else int(groups.member[t - 1][i])

    def traded(self, t: int) -> float:
        """Value bought and sold so far in the session of row t."""
        day = self.book.exchange.panel.dates[t]
        todays = (order for order in self.book.orders if order["date"] == day and order["reason"] != "delisted")
        return float(sum(order["shares"] * order["price"] for order in todays if order["shares"] > 0))

    def bound_by_volatility(self, t: int, account: float, mixture: Values) -> float | None:
        """The largest value of all holdings, mixed like `mixture`, within the volatility target; None for any."""
        exchange, risk = self.book.exchange, self.book.exchange.strategy.risk
        if risk.volatility_target is None:
            return None
        rows = exchange.rows_before(t, risk.volatility_sessions + 1)
        ends = [row for row in rows if exchange.session(row) != exchange.session(row + 1)]
        gains = []
        for before, after in list(pairwise(ends))[-risk.volatility_sessions :]:
            gain = 0.0
            for i in mixture:
                first = exchange.close(before, i)
                gain += 0.0 if math.isnan(first) else mixture[i] * (exchange.close(after, i) / first - 1)
            gains.append(gain)
        if len(gains) < 10:
            return None
        a_session = risk.volatility_target / math.sqrt(exchange.rules.terms.sessions_per_year)
        spread = statistics.stdev(gains)
        return sum(abs(value) for value in mixture.values()) * a_session * account / spread if spread > 0 else None


def shrink(aim: Values, rule: dict[int, str], members: list[int], most: float, why: str, band: float = 1e-9) -> None:
    """Scale some values so that their sum without sign is at most `most`, where it is more by more than the band."""
    total = sum(abs(aim[i]) for i in members)
    if total > most * (1 + band):
        for i in members:
            if aim[i]:
                aim[i], rule[i] = aim[i] * most / total, why
