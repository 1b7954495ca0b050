"""The same strategy run again: on scores of a session earlier, without impact and participation, in larger accounts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import Panel, Rules, Strategy
from kronos_quant.backtest.accounts import series_of
from kronos_quant.backtest.engine import exchange_market, run_kernel, trade_exchange
from kronos_quant.backtest.panel import tradable_scores
from kronos_quant.backtest.qlib.market import QlibFacts
from kronos_quant.backtest.result import metrics_of
from kronos_quant.stats.selection import FEWEST_SESSIONS

if TYPE_CHECKING:
    from kronos_quant.backtest.kernel.arrays import MarketArrays

TIMES = (0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0)
"""Accounts that are tried, as multiples of the strategy's own, up to the first without an edge."""


def delayed_metrics(
    strategy: Strategy,
    panel: Panel,
    rules: Rules,
    qlib: QlibFacts | None,
    benchmark: FloatArray | None,
    sessions_per_year: int,
) -> dict[str, float] | None:
    """The key figures of the same strategy on the scores of a session earlier.

    None for a user's own function, which is not called a second time: it may remember what it was shown; and where the
    delay leaves nothing to trade on.
    """
    if strategy.strategy == "python":
        return None
    later = replace(panel, score=tradable_scores(panel.score))
    if np.isnan(later.score[:-1]).all():
        return None
    ledger = run_kernel(strategy, later, rules, qlib)
    return metrics_of(series_of(ledger), ledger, benchmark, sessions_per_year)


def metrics_without_size(
    strategy: Strategy,
    panel: Panel,
    rules: Rules,
    benchmark: FloatArray | None,
    sessions_per_year: int,
    market: MarketArrays | None = None,
) -> dict[str, float] | None:
    """The key figures of the same strategy without impact and participation.

    None where it has neither, and for a user's own function, which is not called a second time.

    Parameters
    ----------
    strategy, panel, rules
        Of the back-test.
    benchmark
        f64[T], its session returns, or None.
    sessions_per_year
        Of annualised figures.
    market
        The panel made ready, where it is.

    Examples
    --------
    >>> Strategy().liquidity.without_size().by_size
    False
    """
    if strategy.strategy == "python" or not strategy.liquidity.by_size:
        return None
    free = strategy.model_copy(update={"liquidity": strategy.liquidity.without_size()})
    ledger = trade_exchange(free, panel, rules, market or exchange_market(strategy, panel, rules))
    return metrics_of(series_of(ledger), ledger, benchmark, sessions_per_year)


@dataclass(frozen=True, slots=True)
class AccountSize:
    """An account that was tried: its annual return, what impact took of it a year, and what is left as an edge.

    mean_cash : share of the account that was not invested, which grows where participation caps the orders
    """

    account: float
    annual_return: float
    annual_impact: float
    edge: float
    mean_cash: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """account : the size at which no edge is left; NaN where none has one, inf where the last one tried still has.

    sizes : those that were tried, ascending; impact : the factor of the square-root law, 0 for none; above : what the
    edge is counted from, in words; participation : the cap of an order in its bar's volume, None without one
    own : the size that is the strategy's, the figures of the back-test itself
    """

    account: float
    sizes: tuple[AccountSize, ...]
    impact: float
    above: str
    participation: float | None
    own: AccountSize

    @property
    def exceeded(self) -> bool:
        """Whether nothing is left of the edge at the strategy's own account."""
        return self.own.edge <= 0

    def verdict(self) -> str:
        """What the account of the back-test means for a significant result that it exceeds the capacity of."""
        found = "none" if math.isnan(self.account) else f"about {self.estimate}"
        return (
            f"FAIL: significant, but at this account ({amount_text(self.own.account)}) the edge (annual return "
            f"above {self.above}) is {self.own.edge:+.1%} per year. Estimated capacity: {found}."
        )

    @property
    def estimate(self) -> str:
        """The account as text; the estimate has no more than two significant digits."""
        return amount_text(float(f"{self.account:.1e}"))

    def line(self) -> str:
        """The estimate in one line."""
        law = f"impact = {self.impact:g} x daily volatility x square root of (order / daily volume), as in the result"
        model = f"Model: {law if self.impact else 'no impact'}; edge = annual return above {self.above}."
        last = self.sizes[-1]
        why = "market impact exceeds the edge"
        if self.participation is not None:
            why = "no edge is left of what fills and what stays in cash"
            model += (
                f" Orders are capped at {self.participation:.3g} of the volume: mean cash is {self.own.mean_cash:.0%} "
                f"at {amount_text(self.own.account)}, {last.mean_cash:.0%} at {amount_text(last.account)}."
            )
        if math.isnan(self.account):
            smallest = amount_text(self.sizes[0].account)
            return f"No capacity: no edge after impact even at the smallest account tested ({smallest}). {model}"
        if math.isinf(self.account):
            return f"Estimated capacity: more than {amount_text(last.account)}, the largest account tested. {model}"
        return f"Estimated capacity: about {self.estimate}. Above it, {why}. {model}"


def amount_text(amount: float) -> str:
    """An amount of money as text.

    >>> amount_text(2.8e8), amount_text(1234.0)
    ('280 million', '1,234')
    """
    for unit, name in ((1e9, "billion"), (1e6, "million")):
        if amount >= unit:
            return f"{amount / unit:,.6g} {name}"
    return f"{amount:,.0f}"


def estimate_capacity(
    strategy: Strategy,
    panel: Panel,
    rules: Rules,
    benchmark: FloatArray | None,
    sessions_per_year: int,
    market: MarketArrays | None = None,
) -> Capacity | None:
    """The estimate, from the same strategy at growing accounts, its own among them.

    None where the size of an account has no effect: with neither impact nor participation, and without volumes; where a
    few sessions have no annual return; and for a user's own function, which is not called a second time.

    Parameters
    ----------
    strategy, panel, rules
        Of the back-test.
    benchmark
        f64[T], its session returns, or None; the edge of a strategy that sells short is its own return, as that of one
        without a benchmark.
    sessions_per_year
        Of annualised figures.
    market
        The panel made ready, where it is.

    Examples
    --------
    >>> amount_text(1e8)
    '100 million'
    """
    liquidity = strategy.liquidity
    if not liquidity.by_size or strategy.strategy == "python" or not (panel.volume > 0).any():
        return None
    if len(panel.sessions) - 1 < FEWEST_SESSIONS:
        return None
    market = market or exchange_market(strategy, panel, rules)
    compared = None if strategy.strategy == "long_short_quantile" else benchmark
    sizes = []
    for times in TIMES:
        sized = strategy.model_copy(update={"account": strategy.account * times})
        ledger = trade_exchange(sized, panel, rules, market)
        series = series_of(ledger)
        found = metrics_of(series, ledger, compared, sessions_per_year)
        impact = found["impact"] / found["cost"] * found["annual_cost"] if found["cost"] else 0.0
        edge = found["annual_return"] - found.get("benchmark_annual_return", 0.0)
        account, cash = strategy.account * times, found["mean_cash"]
        sizes.append(AccountSize(account, found["annual_return"], impact, edge, cash))
        if times >= 1 and edge <= 0:
            break
    above = "0" if compared is None else "the benchmark's"
    return Capacity(
        account=zero_edge_account(sizes),
        sizes=tuple(sizes),
        impact=liquidity.impact,
        above=above,
        participation=liquidity.participation,
        own=sizes[TIMES.index(1.0)],
    )


def zero_edge_account(sizes: Sequence[AccountSize]) -> float:
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
