"""The shipped strategies, each a small function of a view, and a user's own: a Python file with a function `decide`.

Shape letter: N symbols.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rules import Rules
from kronos_quant.backtest.strategies.optimiser import PortfolioOptimiser
from kronos_quant.backtest.strategies.protocol import Decide, View, Weights
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.own_code import load_function


def decide_of(strategy: Strategy, panel: Panel, rules: Rules) -> Decide:
    """The function of a strategy that is none of a user's. panel, rules : what an optimiser looks up"""
    if strategy.optimises:
        return PortfolioOptimiser(strategy, panel, rules.lot, rules.step, rules.terms.sessions_per_year)
    own = {"topk_rebalance": topk_rebalance, "long_short_quantile": long_short_quantile, "buy_and_hold": buy_and_hold}
    return partial(own[strategy.strategy], strategy=strategy)


def topk_rebalance(view: View, strategy: Strategy) -> Weights | None:
    """The topk best symbols, every n sessions brought back to equal, score or inverse-volatility weights.

    Weights by score are proportional to the score above the lowest one held; a volatility that is not known counts as
    the mean of the others. A suspended holding keeps its place and its weight.
    """
    if view.number % strategy.every or np.isnan(view.candidates).all():
        return None
    kept = np.zeros(len(view.shares), dtype=bool) if view.suspended is None else view.suspended & (view.shares != 0)
    best = ranked(view.candidates)[: max(strategy.topk - int(kept.sum()), 0)]
    if not len(best):
        return {}
    if strategy.weighting == "score":
        raw = view.scores[best] - view.scores[best].min()
    elif strategy.weighting == "inverse_volatility":
        raw = 1 / known_volatility(view, best, strategy.liquidity.sessions)
    else:
        raw = np.ones(len(best))
    if raw.sum() <= 0:  # one symbol, or equal scores
        raw = np.ones(len(best))
    held = float((view.shares[kept] * view.prices[kept]).sum()) / view.account if view.account > 0 else 0.0
    return weighted(view, best, raw / raw.sum() * max(strategy.target_exposure - held, 0.0))


def long_short_quantile(view: View, strategy: Strategy) -> Weights | None:
    """The best and the worst share of the symbols, bought and sold short for half of the account each."""
    if view.number % strategy.every or np.isnan(view.candidates).all():
        return None
    order = ranked(view.candidates)
    count = int(len(order) * strategy.quantile)
    if count == 0:
        return None
    leg = strategy.target_exposure / 2 / count
    return weighted(view, order[:count], np.full(count, leg)) | weighted(view, order[-count:], np.full(count, -leg))


def buy_and_hold(view: View, strategy: Strategy) -> Weights | None:
    """The topk best symbols of the first session with scores, bought equally and kept."""
    if view.shares.any() or np.isnan(view.candidates).all():
        return None
    best = ranked(view.candidates)[: strategy.topk]
    return weighted(view, best, np.full(len(best), strategy.target_exposure / len(best)))


def ranked(scores: FloatArray) -> FloatArray:
    """Numbers of the symbols that have a score, the best first, ties by symbol."""
    order = np.argsort(-scores, kind="stable")
    return np.asarray(order[: int((~np.isnan(scores)).sum())])


def known_volatility(view: View, symbols: FloatArray, sessions: int) -> FloatArray:
    """Standard deviation of the newest returns; the mean of the others where it is not known or nothing moved."""
    close = view.bars("close", sessions + 1)[:, symbols]
    moves = close[1:] / close[:-1] - 1
    enough = (~np.isnan(moves)).sum(axis=0) >= 2
    spread = np.full(len(symbols), np.nan)
    if enough.any():
        spread[enough] = np.nanstd(moves[:, enough], axis=0, ddof=1)
    spread[~(spread > 0)] = np.nan
    known = spread[~np.isnan(spread)]
    return np.where(np.isnan(spread), known.mean() if len(known) else 1.0, spread)


def weighted(view: View, symbols: FloatArray, weights: FloatArray) -> dict[str, float]:
    """Weights by name."""
    return {view.symbols[n]: float(weight) for n, weight in zip(symbols, weights, strict=True)}


def load_decide(path: Path) -> Decide:
    """The function `decide` of a Python file; what it raises names the file's own line.

    Raises ConfigError for a file that is not there, cannot be run, or has no such function.
    """
    return load_function(path, "decide", "view", lambda view: f" (deciding on {view.moment})")
