"""Back-tests of small made markets for the tests of this room."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from backtest.markets import sizeless

from kronos_quant.backtest import BacktestResult, Panel, Rules, Strategy, rules_of, simulate
from kronos_quant.backtest.panel import NO_DELISTINGS, SymbolGroups
from kronos_quant.validity.attribution import HISTORY, Background


def walks(sessions: int, symbols: int, seed: int = 0, edge: float = 0.0) -> Panel:
    """Random walks with suspensions, whose scores know `edge` of the next session's move."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.02, (sessions, symbols)) + rng.normal(0, 0.01, (sessions, 1))
    close = rng.uniform(5, 60, symbols) * np.exp(np.cumsum(moves, axis=0))
    ahead = np.vstack([moves[1:], np.zeros((1, symbols))]) / 0.02
    score = edge * ahead + np.sqrt(1 - edge**2) * rng.normal(size=(sessions, symbols))
    absent = rng.random((sessions, symbols)) < 0.02
    absent[-1] = False
    opened = np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.003, (sessions, symbols)))
    for values in (close, opened, score):
        values[absent] = np.nan
    return Panel(
        dates=tuple(date(2023, 1, 2) + timedelta(days=t) for t in range(sessions)),
        symbols=tuple(f"S{i:03d}" for i in range(symbols)),
        open=opened,
        high=close,
        low=close,
        close=close,
        volume=np.where(absent, np.nan, rng.uniform(0.5e6, 2e6, (sessions, symbols))),
        factor=np.where(absent, np.nan, 1.0),
        score=score,
        delisted=NO_DELISTINGS,
    )


def background(panel: Panel, seed: int, industries: SymbolGroups | None = None) -> Background:
    """A panel's bars after those of HISTORY other sessions."""
    earlier = walks(HISTORY, len(panel.symbols), seed)
    close, volume = (np.vstack([getattr(earlier, name), getattr(panel, name)]) for name in ("close", "volume"))
    return Background(close, close * volume, industries)


def run(panel: Panel, **fields) -> tuple[Strategy, Rules, BacktestResult]:
    """A strategy with lots of one share, its rules and its back-test."""
    plain = {"topk": 8, "n_drop": 2, "hold_thresh": 1, "account": 1e6, "lot": 0, "price_limit": "none"}
    strategy = sizeless(plain | fields)
    rules = rules_of(strategy, panel)
    return strategy, rules, simulate(strategy, panel, rules)
