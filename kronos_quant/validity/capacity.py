"""How large an account a strategy bears: at which size the impact of its own orders eats what it earns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import Panel, Rules, Strategy
from kronos_quant.backtest.accounts import series_of
from kronos_quant.backtest.result import metrics_of
from kronos_quant.backtest.sweep import ready
from kronos_quant.stats.selection import FEWEST_SESSIONS

TIMES = (0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0)
"""Accounts that are tried, as multiples of the strategy's own, up to the first without an edge."""

USUAL_IMPACT = 1.0
"""Where a strategy states none: an order of a whole session's volume moves the price by one daily volatility. Measured
square-root laws have factors about 1 (Toth and others, "Anomalous price impact and the critical nature of liquidity in
financial markets", Physical Review X 1, 2011)."""


@dataclass(frozen=True, slots=True)
class Size:
    """An account that was tried: its annual return, what impact took of it a year, and what is left as an edge."""

    account: float
    annual_return: float
    annual_impact: float
    edge: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """account : the size at which no edge is left; NaN where none has one, inf where the last one tried still has.

    sizes : those that were tried, ascending; impact : the factor of the square-root law, `assumed` where the strategy
    states none; above : what the edge is counted from, in words
    """

    account: float
    sizes: tuple[Size, ...]
    impact: float
    assumed: bool
    above: str

    def line(self) -> str:
        """The estimate in words."""
        law = f"impact = {self.impact:g} x daily volatility x the square root of (order / daily volume)"
        origin = "an assumption" if self.assumed else "the strategy's"
        how = f"{law}, {origin}; edge: annual return above {self.above}"
        if math.isnan(self.account):
            smallest, largest = self.sizes[0].account, self.sizes[-1].account
            return f"No edge is left at any account that was tried, from {smallest:,.0f} to {largest:,.0f} ({how})."
        if math.isinf(self.account):
            return f"More than {self.sizes[-1].account:,.0f}: an edge is left at the largest account tried ({how})."
        return f"About {rounded(self.account):,.0f}: at this account impact eats the edge ({how})."


def capacity_of(
    strategy: Strategy, panel: Panel, rules: Rules, benchmark: FloatArray | None, sessions_per_year: int
) -> Capacity | None:
    """The estimate, from the same strategy at growing accounts.

    benchmark : f64[T], its session returns; the edge of a strategy that sells short is its own return, so that of one
    without a benchmark. None where impact cannot be told: the profile qlib has none, without volumes it refers to
    nothing, a few sessions have no annual return, and a user's own function is not called a second time.
    """
    if strategy.profile == "qlib" or strategy.strategy == "python" or not (panel.volume > 0).any():
        return None
    if len(panel.sessions) - 1 < FEWEST_SESSIONS:
        return None
    stated = strategy.liquidity.impact
    liquidity = strategy.liquidity.model_copy(update={"impact": stated or USUAL_IMPACT})
    strategy = strategy.model_copy(update={"liquidity": liquidity})
    trade, _ = ready(strategy, panel, rules, None)
    compared = None if strategy.strategy == "long_short_quantile" else benchmark
    sizes = []
    for times in TIMES:
        ledger = trade(strategy.model_copy(update={"account": strategy.account * times}))
        series = series_of(ledger)
        found = metrics_of(series, ledger, compared, sessions_per_year)
        impact = found["impact"] / found["cost"] * found["annual_cost"] if found["cost"] else 0.0
        edge = found["annual_return"] - found.get("benchmark_annual_return", 0.0)
        sizes.append(Size(strategy.account * times, found["annual_return"], impact, edge))
        if times >= 1 and edge <= 0:
            break
    above = "0" if compared is None else "the benchmark's"
    return Capacity(crossing(sizes), tuple(sizes), liquidity.impact, stated == 0, above)


def crossing(sizes: Sequence[Size]) -> float:
    """The account at which the edge is gone, between two tried on a logarithmic scale; NaN for none, inf beyond all."""
    edges = np.array([size.edge for size in sizes])
    if not (edges > 0).any():
        return math.nan
    # a small account may lose to whole lots and least commissions: what counts is the last size with an edge
    last = int(np.flatnonzero(edges > 0)[-1])
    if last == len(sizes) - 1:
        return math.inf
    part = edges[last] / (edges[last] - edges[last + 1])
    low, high = math.log(sizes[last].account), math.log(sizes[last + 1].account)
    return math.exp(low + float(part) * (high - low))


def rounded(account: float) -> float:
    """An amount with two significant digits: the estimate knows no more."""
    return float(f"{account:.1e}")
