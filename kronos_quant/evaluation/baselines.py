"""What a forecast has to be better than. All know only what was known at the close of each date.

Shapes: M bars of the grid, T dates, N symbols, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.evaluation.boosting import EVERY, TRAINED_ON, boosted_scores
from kronos_quant.evaluation.contender import Contender, Distribution
from kronos_quant.evaluation.grid import MarketGrid
from kronos_quant.panel.factors import factor_table, ordinary_factors, volatility

BAND = "volatility band"
BAND_WINDOW = 60
"""Bars that the historical-volatility band is measured over."""
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the distributions, where the signal has none to set them beside."""


def baselines(grid: MarketGrid, rows: IntArray, horizon: int, levels: tuple[float, ...] = LEVELS) -> list[Contender]:
    """Last close, historical-volatility band, momentum, reversal, and LightGBM on ordinary factors.

    rows : int64[T] of the grid; levels : quantile levels of the distributions, so that all are scored alike
    """
    return list(_baselines(grid, rows, horizon, levels))


def _baselines(grid: MarketGrid, rows: IntArray, horizon: int, levels: tuple[float, ...]) -> Iterator[Contender]:
    expressions = ordinary_factors()
    table = factor_table(grid.bars, expressions | {"band": volatility(BAND_WINDOW)})
    factors = {name: grid.spread(table, name) for name in expressions}
    a_bar = grid.spread(table, "band", rows)
    flat = np.zeros_like(a_bar)
    bars = f"{grid.clock.bar}s"
    yield Contender(
        "last close", "the price stays where it is (random walk): it ranks nobody", None, _walk(flat, levels)
    )
    yield Contender(
        BAND,
        f"no drift, and the spread of the last {BAND_WINDOW} {bars}' returns: it ranks nobody",
        None,
        _walk(a_bar * np.sqrt(horizon), levels),
    )
    yield Contender("momentum", f"who rose from 120 to 20 {bars} ago goes on rising", factors["momentum"][rows], None)
    yield Contender("reversal", f"who fell in the last 20 {bars} comes back", factors["reversal"][rows], None)
    yield Contender(
        "LightGBM",
        f"boosted trees on {', '.join(factors)}; learnt from the {TRAINED_ON} {bars} whose returns were known, anew "
        f"every {EVERY} {grid.clock.date}s",
        boosted_scores(grid, factors, rows, horizon),
        None,
    )


def _walk(spread: FloatArray, levels: tuple[float, ...]) -> Distribution:
    """A driftless random walk whose log return has the standard deviation `spread` float64[T, N]."""
    unknown = np.where(np.isfinite(spread), 0.0, np.nan)
    return Distribution(
        levels=levels,
        quantiles=np.expm1(spread[..., None] * stats.norm.ppf(levels)),
        p_rise=unknown + 0.5,
        point=unknown,
    )
