"""Dividends in plain Python: who is entitled to what, when it is paid, and the tax of a sale.

Raw shares are what the rules speak of. A holding is counted in adjusted shares: raw shares / factor, where the factor
after an ex-date without a bar is the one before times close / ex-rights reference price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.strategy import Strategy

TAXES = (
    # record date from, at payment, sold within a month, a year, later
    (date(1994, 1, 1), 0.20, 0.20, 0.20, 0.20),
    (date(2005, 6, 13), 0.10, 0.10, 0.10, 0.10),
    (date(2013, 1, 1), 0.05, 0.20, 0.10, 0.05),
    (date(2015, 9, 8), 0.00, 0.20, 0.10, 0.00),
)


@dataclass
class Lot:
    """A purchase: the day, adjusted shares left of it, the day from which they may be sold, tax owed by period."""

    bought: date
    shares: float
    listed: date
    owed: list[float]


@dataclass
class Registrar:
    """Who holds what since when, and what is due to the account.

    lots : by symbol number, the oldest first; due : day of payment and money; withheld : of every tax, day and money
    """

    strategy: Strategy
    panel: Panel
    lots: dict[int, list[Lot]] = field(default_factory=dict)
    due: list[tuple[date, float]] = field(default_factory=list)
    received: list[tuple[date, float]] = field(default_factory=list)
    withheld: list[tuple[date, float]] = field(default_factory=list)

    @cached_property
    def known(self) -> dict[int, list[dict[str, Any]]]:
        """The dividends by symbol number, by ex-date; none where they reinvest themselves."""
        found: dict[int, list[dict[str, Any]]] = {}
        table = self.panel.dividends
        if table is None or self.strategy.dividends == "reinvest":
            return found
        within = (pl.col("ex_date") > self.panel.dates[0]) & (pl.col("ex_date") <= self.panel.dates[-1])
        for row in table.filter(within).sort("symbol", "ex_date").iter_rows(named=True):
            if row["symbol"] in self.panel.symbols:
                found.setdefault(self.panel.symbols.index(row["symbol"]), []).append(row)
        return found

    @property
    def receivable(self) -> float:
        """What is booked and not paid yet."""
        return sum(money for _, money in self.due)

    def between(self, i: int, after: date, until: date) -> list[dict[str, Any]]:
        """A symbol's dividends with an ex-date after one day, up to another."""
        return [row for row in self.known.get(i, []) if after < row["ex_date"] <= until]

    def last_bar(self, t: int, i: int) -> int | None:
        """The newest row with a bar."""
        return next((row for row in range(t, -1, -1) if not math.isnan(self.panel.factor[row][i])), None)

    def factor(self, t: int, i: int) -> float:
        """The factor of the last bar, moved by the dividends since."""
        bar = self.last_bar(t, i)
        if bar is None:
            return math.nan
        factor = float(self.panel.factor[bar][i])
        if not self.known:
            return factor
        closed = next(row for row in range(bar, -1, -1) if not math.isnan(self.panel.close[row][i]))
        price = float(self.panel.close[closed][i]) / factor
        for row in self.between(i, self.panel.dates[bar], self.panel.dates[t]):
            free, ratio = row["bonus"] + row["transferred"], row["rights_ratio"]
            reference = (price - row["cash"] + ratio * row["rights_price"]) / (1 + free + ratio)
            moved = price / reference if reference > 0 else 1 + free
            factor, price = factor * moved, price / moved
        return factor

    def rounds(self, lot: int, money: float) -> float:
        """Cents, halves away from 0, where shares are whole."""
        return math.copysign(math.floor(abs(money) * 100 + 0.500001) / 100, money) if lot else money

    def rates(self, i: int, row: dict[str, Any]) -> tuple[float, float, float, float]:
        """Rates of the tax on a dividend: at payment, and owed by a sale within a month, a year, later."""
        symbol = self.panel.symbols[i]
        on = row["record_date"] or row["ex_date"]
        found = [rates for since, *rates in TAXES if since <= on]
        share = symbol[:3] in ("SH6", "SH9") or symbol[:3] in ("SZ0", "SZ2", "SZ3") or symbol[:2] == "BJ"
        if not share or not found or self.strategy.dividend_tax == "none":
            return 0.0, 0.0, 0.0, 0.0
        first, *others = found[-1]
        within, year, later = (max(rate - first, 0.0) for rate in others)
        return first, within, year, later

    def open(self, t: int, i: int, shares: float, lot: int) -> float:
        """Book the dividends of a holding at the open of row t; the adjusted shares that it is then."""
        day, before = self.panel.dates[t], self.panel.dates[t - 1]
        rows = self.between(i, before, day)
        last = self.last_bar(t - 1, i)
        resumes = last is not None and self.last_bar(t, i) == t and self.between(i, self.panel.dates[last], before)
        if not rows and not resumes:
            return shares
        old, new = self.factor(t - 1, i), self.factor(t, i)
        raw = shares * old
        lots = [(one, one.shares * old) for one in self.lots.get(i, [])]
        for row in rows:
            raw, lots = self._book(t, i, row, raw, lots, lot)
        for one, of_lot in lots:
            one.shares = of_lot / new
        if lots:
            self.lots[i] = [one for one, _ in lots]
        return raw / new

    def _book(
        self, t: int, i: int, row: dict[str, Any], raw: float, lots: list[tuple[Lot, float]], lot: int
    ) -> tuple[float, list[tuple[Lot, float]]]:
        """Raw shares, in all and of each lot, after one dividend."""
        day = self.panel.dates[t]
        first, *later = self.rates(i, row)
        taxed = row["cash"] + row["bonus"]
        money = self.rounds(lot, raw * row["cash"])
        tax = self.rounds(lot, raw * taxed * first) if raw > 0 else 0.0
        self.due.append((max(row["pay_date"] or day, day), money - tax))
        self.received.append((day, money))
        self.withheld.append((day, tax))
        for one, of_lot in lots:
            one.owed = [owed + of_lot * taxed * rate for owed, rate in zip(one.owed, later, strict=True)]
        given = abs(raw) * (row["bonus"] + row["transferred"])
        given = math.copysign(math.floor(given + 1e-6) if lot else given, raw)
        if given > 0:
            lots = [*lots, (Lot(day, 0.0, max(row["list_date"] or day, day), [0.0, 0.0, 0.0]), given)]
        return raw + given, lots

    def pay(self, t: int) -> float:
        """The money that is paid by row t."""
        day = self.panel.dates[t]
        paid = sum(money for when, money in self.due if when <= day)
        self.due = [(when, money) for when, money in self.due if when > day]
        return paid

    def buy(self, t: int, i: int, shares: float) -> None:
        """Remember a purchase."""
        if self.known and shares > 0:
            day = self.panel.dates[t]
            self.lots.setdefault(i, []).append(Lot(day, shares, day, [0.0, 0.0, 0.0]))

    def unlisted(self, t: int, i: int) -> float:
        """Adjusted shares that may not be sold yet."""
        return sum(one.shares for one in self.lots.get(i, []) if one.listed > self.panel.dates[t])

    def sell(self, t: int, i: int, shares: float, everything: bool, lot: int) -> float:
        """The tax that a sale owes: of the oldest shares first."""
        lots, tax, left = self.lots.get(i, []), 0.0, shares
        while lots and (everything or left > 1e-9 * shares):
            oldest = lots[0]
            part = 1.0 if everything or oldest.shares <= left * (1 + 1e-9) else left / oldest.shares
            tax += part * self._owed(t, oldest)
            left -= part * oldest.shares
            oldest.shares *= 1 - part
            oldest.owed = [owed * (1 - part) for owed in oldest.owed]
            if part == 1:
                lots.pop(0)
        tax = self.rounds(lot, tax)
        self.withheld.append((self.panel.dates[t], tax))
        return tax

    def _owed(self, t: int, lot: Lot) -> float:
        """By how long a lot was held: up to the day before the sale."""
        last = self.panel.dates[t] - timedelta(days=1)
        within, year, later = lot.owed
        if last < same_day(lot.bought, 1):
            return within
        return year if last < same_day(lot.bought, 12) else later


def same_day(day: date, months: int) -> date:
    """The same day some months later, or the last one of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))
