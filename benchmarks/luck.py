"""How many strategies without any edge pass the deflated Sharpe ratio?  `python benchmarks/luck.py [--seeds 400]`

Made markets of 60 symbols; the scores are drawn by lot, so that nothing is to be found, or know a part of the next
session's move. In each seed some configurations are back-tested and the one with the highest Sharpe ratio is judged, by
the true number of trials: a strategy tried once, a grid of 27 on one signal, 30 signals with one configuration. Markets
go nowhere or rise with an annual Sharpe ratio of 2; trading is free, which is hardest for the test, or costs what is
customary. Prints the share of the seeds in which the best passes, by the returns alone and by the verdict (returns, and
returns without the universe's), and the mean probability of back-test overfitting.
"""

import argparse
import logging
import os
from datetime import date, timedelta

import numpy as np

from kronos_quant.backtest import Panel, Strategy, rules_of
from kronos_quant.backtest.sweep import make_trials, run_trials
from kronos_quant.stats.selection import deflated_sharpe, estimate_overfitting, return_moments
from kronos_quant.validity.holdings import universe_returns, without_universe

SYMBOLS = 60
GRID = {"topk": [5, 10, 20], "n_drop": [1, 3, 5], "hold_thresh": [1, 5, 10]}


def made_panel(sessions: int, drift: float, edge: float, seed: int) -> Panel:
    """Random walks with a common factor; scores that know `edge` of the next session's own move.

    drift : annual Sharpe ratio of the common factor
    """
    rng = np.random.default_rng(seed)
    shape = (sessions, SYMBOLS)
    own = rng.normal(0, 0.02, shape)
    moves = own + rng.normal(drift * 0.01 / np.sqrt(252), 0.01, (sessions, 1))
    close = 20 * np.exp(np.cumsum(moves, axis=0))
    opened = np.vstack([close[:1], close[:-1]])
    ahead = np.vstack([own[1:], np.zeros((1, SYMBOLS))]) / 0.02
    score = edge * ahead + np.sqrt(1 - edge**2) * rng.normal(size=shape)
    return Panel(
        dates=tuple(date(2010, 1, 1) + timedelta(days=t) for t in range(sessions)),
        symbols=tuple(f"S{i:03d}" for i in range(SYMBOLS)),
        open=opened, high=close, low=close, close=close, volume=np.full(shape, 1e7), factor=np.ones(shape),
        score=score, gone=np.full(SYMBOLS, sessions, dtype=np.int64),
    )  # fmt: skip


def with_scores(panel: Panel, signals: int, seed: int) -> list[Panel]:
    """The panel with its own scores, and with others drawn by lot."""
    rng = np.random.default_rng([seed, 1])
    others = (rng.normal(size=panel.score.shape) for _ in range(signals - 1))
    fields = {name: getattr(panel, name) for name in Panel.__dataclass_fields__}
    return [panel, *(Panel(**fields | {"score": score}) for score in others)]


def judged(panels: list[Panel], grid: dict, costs: dict, threads: int) -> tuple[bool, bool, float]:
    """Whether the best of all trials passes by its returns, by the verdict, and the probability of overfitting."""
    strategy = Strategy.model_validate(
        {"topk": 10, "n_drop": 3, "hold_thresh": 5, "account": 1e7, "lot": 0, "price_limit": "none", "costs": costs}
    )
    trials, _ = make_trials(strategy, grid)
    returns, edges = [], []
    for panel in panels:
        rules = rules_of(strategy, panel)
        for one in run_trials(trials, panel, lambda _, rules=rules: rules, None, None, threads):
            returns.append(one.returns)
            edges.append(without_universe(one.returns, universe_returns(panel)))
    sharpes, edge_sharpes = (np.array([return_moments(values).sharpe for values in many]) for many in (returns, edges))
    sessions = np.full(len(returns), float(len(returns[0])))
    best = int(sharpes.argmax())
    whole = deflated_sharpe(return_moments(returns[best]), sharpes, sessions)
    without = deflated_sharpe(return_moments(edges[best]), edge_sharpes, sessions)
    found = estimate_overfitting(np.column_stack(returns), blocks=10)
    return whole.passes, whole.passes and without.passes, np.nan if found is None else found.probability


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--seeds", type=int, default=400)
parser.add_argument("--first", type=int, default=0, help="the first of the seeds")
arguments = parser.parse_args()
logging.disable(logging.INFO)
FREE, USUAL = {"buy": 0.0, "sell": 0.0, "minimum": 0.0}, {"buy": 0.0005, "sell": 0.0015}
ONCE = {"topk": [10]}
ROWS = [
    ("one, tried once", 250, 0.0, 0.0, ONCE, 1, FREE),
    ("one, tried once", 60, 0.0, 0.0, ONCE, 1, FREE),
    ("one, tried once, rising market", 250, 2.0, 0.0, ONCE, 1, FREE),
    ("one, tried once, with costs", 250, 0.0, 0.0, ONCE, 1, USUAL),
    ("best of a grid of 27", 250, 0.0, 0.0, GRID, 1, FREE),
    ("best of a grid of 27, rising market", 250, 2.0, 0.0, GRID, 1, FREE),
    ("best of 30 signals", 250, 0.0, 0.0, ONCE, 30, FREE),
    ("best of 30 signals, rising market", 250, 2.0, 0.0, ONCE, 30, FREE),
    ("best of a grid of 27, scores know 10%", 250, 0.0, 0.1, GRID, 1, USUAL),
    ("best of a grid of 27, scores know 20%", 250, 0.0, 0.2, GRID, 1, USUAL),
]
print(f"{arguments.seeds} seeds a row, from {arguments.first} on")
print(f"{'what is judged':<42}{'sessions':>9}{'passes by returns':>19}{'passes':>9}{'overfitting':>13}")
for name, sessions, drift, edge, grid, signals, costs in ROWS:
    found = [
        judged(
            with_scores(made_panel(sessions + 1, drift, edge, seed), signals, seed), grid, costs,
            len(os.sched_getaffinity(0)),
        )
        for seed in range(arguments.first, arguments.first + arguments.seeds)
    ]  # fmt: skip
    returns, verdict, overfit = np.array(found, dtype=float).T
    overfitting = "-" if np.isnan(overfit).all() else f"{overfit.mean():.2f}"
    print(f"{name:<42}{sessions:>9}{returns.mean():>19.1%}{verdict.mean():>9.1%}{overfitting:>13}", flush=True)
