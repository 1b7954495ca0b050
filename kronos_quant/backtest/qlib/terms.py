"""What the profile `qlib` charges and rounds: the strategy's own values, else those of the Kronos fine-tuning guide."""

from __future__ import annotations

from kronos_quant.backtest.qlib.market import LIMIT_THRESHOLD, QlibFacts
from kronos_quant.backtest.qlib.settings import VolumeShares
from kronos_quant.backtest.rules import Terms, percent
from kronos_quant.backtest.strategy import Strategy

OPEN_COST, CLOSE_COST, MIN_COST = 0.001, 0.0015, 5.0
"""The guide's."""

NO_LIMIT = 10.0
"""Qlib cannot do without a threshold; no symbol moves by ten times."""


def qlib_costs(strategy: Strategy) -> tuple[float, float, float]:
    """open_cost, close_cost and min_cost."""
    costs = strategy.costs
    chosen = ((costs.buy, OPEN_COST), (costs.sell, CLOSE_COST), (costs.minimum, MIN_COST))
    buy, sell, minimum = (usual if own is None else own for own, usual in chosen)
    return buy, sell, minimum


def qlib_threshold(strategy: Strategy) -> float:
    """limit_threshold: one for every board, as Qlib has it."""
    if strategy.price_limit == "none":
        return NO_LIMIT
    return LIMIT_THRESHOLD if strategy.price_limit == "exchange" else float(strategy.price_limit)


def qlib_unit(strategy: Strategy, facts: QlibFacts) -> int:
    """trade_unit, 0 where orders are not rounded."""
    if strategy.lot == "exchange" or facts.unit == 0:
        return facts.unit
    return strategy.lot


def qlib_terms(strategy: Strategy, facts: QlibFacts, exchange: Terms) -> Terms:
    """What a reader is told: the figures are annualised as the exchange's sessions are."""
    buy, sell, minimum = qlib_costs(strategy)
    unit = qlib_unit(strategy, facts)
    costs = f"Qlib's: buying {percent(buy)}, selling {percent(sell)}, at least {minimum:g} a trade"
    if strategy.qlib.impact_cost:
        costs += f", and {strategy.qlib.impact_cost:g} x the square of the order's share of the day's value"
    rules = (
        f"Qlib's: limit {qlib_threshold(strategy):g} on the day's close-to-close change, "
        + (f"orders in units of {unit}" if unit else "orders not rounded")
        + said_shares(strategy.qlib.volume_threshold)
        + ", delisted holdings stay at their last close"
    )
    note = (
        "Profile qlib: fills and costs as Qlib has them, with its look-ahead (the day's own close decides what trades "
        "at its open) and its zombies (delisted holdings keep their places). Use it to compare, not to believe."
    )
    return Terms((costs, rules), (note, *facts.notes), exchange.sessions_per_year)


def said_shares(shares: VolumeShares | None) -> str:
    """What a share of the volume lets through, in words after a comma; nothing where there is no bound."""
    if shares is None:
        return ""
    if shares.buy == shares.sell:
        return f", at most {shares.buy:g} of the day's own volume"
    return f", at most {shares.buy:g} of the day's own volume bought and {shares.sell:g} sold"
