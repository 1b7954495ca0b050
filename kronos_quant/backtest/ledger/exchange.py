"""What is known of prices, and what the rules make of an order, in plain Python."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from functools import cached_property

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.ledger.dividends import Registrar
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rules import Rules
from kronos_quant.backtest.strategy import Strategy


@dataclass(frozen=True)
class Exchange:
    """One market, one set of rules."""

    strategy: Strategy
    panel: Panel
    rules: Rules

    def last(self, t: int, i: int, values: FloatArray) -> float:
        """The value of row t, or the last one before it; NaN where there is none."""
        for row in range(t, -1, -1):
            if not math.isnan(values[row][i]):
                return float(values[row][i])
        return math.nan

    @cached_property
    def registrar(self) -> Registrar:
        """Who holds what since when; it remembers."""
        return Registrar(self.strategy, self.panel)

    @cached_property
    def sessions(self) -> list[int]:
        """The number of the session that each row belongs to."""
        numbers = {day: number for number, day in enumerate(self.panel.sessions)}
        return [numbers[day] for day in self.panel.dates]

    def session(self, t: int) -> int:
        """The number of the session that a row belongs to."""
        return self.sessions[t]

    def ends_session(self, t: int) -> bool:
        """Whether a row is the last of its session."""
        return t + 1 == len(self.panel.dates) or self.panel.dates[t + 1] != self.panel.dates[t]

    def close(self, t: int, i: int) -> float:
        """The last close."""
        return self.last(t, i, self.panel.close)

    def factor(self, t: int, i: int) -> float:
        """The last factor, moved by the dividends since."""
        return self.registrar.factor(t, i)

    def price(self, t: int, i: int) -> float:
        """The quoted price of execution; NaN without one."""
        panel, fill = self.panel, self.strategy.fill
        averages = None if panel.execution is None else panel.execution.price
        values = averages if averages is not None else panel.open if fill == "open" else panel.close
        price = float(values[t][i])
        return price if price > 0 else math.nan

    def slipped(self, t: int, i: int, side: str) -> float:
        """The price with its slippage."""
        away = self.strategy.liquidity.slippage
        return self.price(t, i) * (1 + away if side == "buy" else 1 - away)

    def blocked(self, t: int, i: int, side: str) -> str | None:
        """Why the market lets no order of a side through, if it does not."""
        if math.isnan(self.price(t, i)):
            return "no bar"
        price, factor = self.slipped(t, i, side), float(self.panel.factor[t][i])
        reference = float(self.rules.reference[t][i])
        if math.isnan(reference):
            before = self.rows_before(t, 1)
            reference = self.close(before[-1], i) / factor if before else math.nan
            if before and abs(self.last(before[-1], i, self.panel.factor) / factor - 1) > 2e-7:
                reference = ticks(reference, float(self.rules.tick[i]))
        if math.isnan(reference):
            return None
        if self.panel.execution is not None:
            # an average is at a limit where the whole of what was traded is
            traded, away = self.panel.execution, self.strategy.liquidity.slippage
            price = (
                max(price, float(traded.low[t][i]) * (1 + away))
                if side == "buy"
                else min(price, float(traded.high[t][i]) * (1 - away))
            )
        if side == "buy" and price / factor >= self.limit(t, i, side, reference) * (1 - 2e-7):
            return "limit up"
        if side == "sell" and price / factor <= self.limit(t, i, side, reference) * (1 + 2e-7):
            return "limit down"
        return None

    def untouchable(self, t: int, i: int) -> bool:
        """Whether nothing is ordered of a symbol, as it had no bar in the session before and none in this one yet."""
        if not self.strategy.orders_only_tradable:
            return False
        earlier = [row for row in range(t) if 0 <= self.session(t) - self.session(row) <= 1]
        return all(math.isnan(self.panel.close[row][i]) for row in earlier)

    def limit(self, t: int, i: int, side: str, reference: float) -> float:
        """The price at which a side is shut; NaN without a limit."""
        away, tick = float((self.rules.up if side == "buy" else self.rules.down)[t][i]), float(self.rules.tick[i])
        sign = 1 if side == "buy" else -1
        price = ticks(reference * (1 + sign * away), tick)
        if t >= self.rules.one_tick[i] and sign * (price - reference) < tick * (1 - 1e-6):
            return reference + sign * tick
        return price

    def whole_lots(self, t: int, i: int, shares: float, slack: float) -> float:
        """Adjusted shares rounded down to what may be ordered."""
        lot, step = int(self.rules.lot[i]), int(self.rules.step[i])
        if lot == 0 or math.isnan(shares):
            return shares
        factor = self.factor(t, i)
        raw = shares * factor * (1 + slack)
        return (lot + (raw - lot) // step * step) / factor if raw >= lot else 0.0

    def cost(self, t: int, i: int, side: str, shares: float, price: float) -> tuple[float, float]:
        """All that a trade costs beside its value, and the levied part."""
        rules, g, value = self.rules, int(self.rules.group[i]), shares * price
        unit = float(rules.unit[g])
        buying = side == "buy"
        levies = [float(rate) * value for rate in (rules.buy_levy if buying else rules.sell_levy)[t][g]]
        if not buying:
            by_share = float(rules.per_share[t][g]) * (shares * self.factor(t, i))
            levies.append(min(by_share, float(rules.most[t][g])))
        levy = sum(cents(each, unit) for each in levies)
        commission = cents(float((rules.buy if buying else rules.sell)[g]) * value, unit)
        return max(commission, float(rules.minimum[g])) + levy, levy

    def affordable(self, t: int, i: int, cash: float, price: float) -> float:
        """The most shares that some cash pays at a price: all of it where that is exact, else a trifle less."""
        group = int(self.rules.group[i])
        rates = [float(rate) for rate in self.rules.buy_levy[t][group]]
        levied, rate = sum(rates), float(self.rules.buy[group])
        least, away = float(self.rules.minimum[group]), (1 + len(rates)) * float(self.rules.unit[group]) / 2
        # what rounding may save first, what it may cost last
        for money in (cash + away, cash, cash - away):
            most = min((money - least) / (1 + levied), money / (1 + rate + levied)) / price
            shares = self.whole_lots(t, i, most, 1e-12)
            cost, _ = self.cost(t, i, "buy", shares, price)
            if shares * price + cost <= cash:
                return shares
        return self.whole_lots(t, i, most * (1 - 1e-12), 0.0)

    def rows_before(self, t: int, sessions: int) -> list[int]:
        """The rows of some sessions before that of row t."""
        first = t
        while first > 0 and self.session(t) - self.session(first - 1) <= sessions:
            first -= 1
        return [row for row in range(first, t) if self.session(row) < self.session(t)]

    @cached_property
    def past(self) -> int:
        """How many rows are known of the sessions before the first."""
        return 0 if self.panel.past is None else len(self.panel.past.dates)

    def trailing(self, t: int) -> list[int]:
        """The rows before row t that volume and volatility refer to, counted from the first of the past."""
        sessions = self.strategy.liquidity.sessions
        rows = [self.past + row for row in self.rows_before(t, sessions)]
        missing = sessions - self.session(t)
        if self.panel.past is None or missing <= 0:
            return rows
        known = sorted(set(self.panel.past.dates))[-missing:]
        return [row for row, day in enumerate(self.panel.past.dates) if day in known] + rows

    def volume(self, t: int, i: int) -> float:
        """The volume that an order is held against; NaN where none is known."""
        liquidity = self.strategy.liquidity
        averages = self.panel.execution
        known = self.panel.with_past("volume") if averages is None else averages.volume
        if liquidity.volume == "bar":
            until = [float(row[i]) for row in known[: len(known) - len(self.panel.dates) + t + 1]]
            return until[-1] if any(value > 0 for value in until) else math.nan
        before = [float(known[row][i]) for row in self.trailing(t)]
        there = [value for value in before if not math.isnan(value)]
        return sum(there) / len(there) if sum(there) > 0 else math.nan

    def volatility(self, t: int, i: int) -> float:
        """Standard deviation of the returns before; NaN with fewer than two."""
        moves, closes = [], self.panel.with_past("close")
        for s in self.trailing(t):
            before = self.last(s - 1, i, closes)
            if not math.isnan(closes[s][i]) and not math.isnan(before):
                moves.append(float(closes[s][i]) / before - 1)
        return statistics.stdev(moves) if len(moves) >= 2 else math.nan

    def through(self, t: int, i: int, shares: float) -> float:
        """As many shares as the participation lets through: all where the volume is unknown."""
        share, volume = self.strategy.liquidity.participation, self.volume(t, i)
        if share is None or math.isnan(volume):
            return shares
        most = share * volume
        if shares <= most:
            return shares
        return self.whole_lots(t, i, most, 0.0) if most > 0 else 0.0

    def moved(self, t: int, i: int, shares: float) -> float:
        """How far an order moves the price, as a fraction."""
        k = self.strategy.liquidity.impact
        if k == 0:
            return 0.0
        volume, volatility = self.volume(t, i), self.volatility(t, i)
        if not volume > 0 or not volatility > 0:
            return 0.0
        return k * volatility * math.sqrt(shares / volume)


def cents(fee: float, unit: float) -> float:
    """A fee rounded to a unit of money, halves upwards; as it is where there is none."""
    return math.floor(fee * (1 + 1e-12) / unit + 0.5) * unit if unit > 0 else fee


def ticks(price: float, tick: float) -> float:
    """A price rounded to the tick, halves upwards; NaN stays."""
    return price if math.isnan(price) else math.floor(price * (1 + 2e-7) / tick + 0.5) * tick
