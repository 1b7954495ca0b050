"""What a forecast has to be better than. All know only what was known at the close of each date.

Shapes: M bars of the grid, T dates, N symbols, Q quantile levels, F factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.evaluation.contender import Contender, Distribution
from kronos_quant.evaluation.grid import MarketGrid
from kronos_quant.panel.factors import MOMENTUM, factor_table, ordinary_factors, volatility
from kronos_quant.panel.matrix import forward_returns
from kronos_quant.stats.correlation import ranks

LAST_CLOSE, BAND, LIGHTGBM = "last close", "volatility band", "LightGBM"
MOMENTUM_NAME, REVERSAL = "momentum", "reversal"
"""Names of the baselines."""
BAND_WINDOW = 60
"""Bars that the historical-volatility band is measured over."""
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the distributions, where the signal has none to compare them with."""

EVERY = 20
"""Dates between two fits."""
TRAINED_ON = 250
"""Bars that a fit learns from, at most."""
FEWEST_BARS = 60
"""With fewer bars to learn from there is no score."""
MOST_ROWS = 200_000
"""A fit that has more rows learns from every k-th bar."""

TREES = 60
SETTINGS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "feature_pre_filter": False,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}


def baselines(grid: MarketGrid, rows: IntArray, horizon: int, levels: tuple[float, ...] = LEVELS) -> list[Contender]:
    """Last close, historical-volatility band, momentum, reversal, and LightGBM on ordinary factors.

    rows : int64[T] of the grid; levels : quantile levels of the distributions, so that all are scored alike
    """
    expressions = ordinary_factors()
    table = factor_table(grid.bars, expressions | {"band": volatility(BAND_WINDOW)})
    factors = {name: grid.spread(table, name) for name in expressions}
    a_bar = grid.spread(table, "band", rows)
    flat = np.zeros_like(a_bar)
    words = baseline_words(grid.clock.bar, grid.clock.date, list(factors))
    return [
        Contender(LAST_CLOSE, words[LAST_CLOSE], None, _walk(flat, levels)),
        Contender(BAND, words[BAND], None, _walk(a_bar * np.sqrt(horizon), levels)),
        Contender(MOMENTUM_NAME, words[MOMENTUM_NAME], factors["momentum"][rows], None),
        Contender(REVERSAL, words[REVERSAL], factors["reversal"][rows], None),
        Contender(LIGHTGBM, words[LIGHTGBM], boosted_scores(grid, factors, rows, horizon), None),
    ]


def baseline_words(bar: str = "bar", date: str = "date", factors: Sequence[str] = ()) -> dict[str, str]:
    """Name -> what it is, of every baseline, for markets whose bars and dates are called so.

    factors : that LightGBM learns from; default: the ordinary ones
    """
    used = factors or list(ordinary_factors())
    return {
        LAST_CLOSE: "last price persists (random walk); no ranking",
        BAND: f"no drift, volatility of the last {BAND_WINDOW} {bar}s; no ranking",
        MOMENTUM_NAME: "return from t-{} to t-{} {}s".format(*MOMENTUM, bar),
        REVERSAL: f"minus the return of the last 20 {bar}s",
        LIGHTGBM: f"LightGBM on {', '.join(used)}, trained on the latest {TRAINED_ON} {bar}s with known returns, "
        f"refitted every {EVERY} {date}s",
    }


def _walk(spread: FloatArray, levels: tuple[float, ...]) -> Distribution:
    """A driftless random walk whose log return has the standard deviation `spread` float64[T, N]."""
    unknown = np.where(np.isfinite(spread), 0.0, np.nan)
    return Distribution(
        levels=levels,
        quantiles=np.expm1(spread[..., None] * stats.norm.ppf(levels)),
        p_rise=unknown + 0.5,
        point=unknown,
    )


def boosted_scores(grid: MarketGrid, factors: Mapping[str, FloatArray], rows: IntArray, horizon: int) -> FloatArray:
    """float64[T, N]: forecasts of each member's rank of return; NaN while there is too little to learn from.

    factors : name -> float64[M, N]. Factors and returns are learnt as ranks among the members at their bar. A bar is
    learnt from once the close `horizon` bars after it is known, so that nothing after a date moves it.
    """
    inputs = np.stack([_relative_ranks(np.where(grid.member, values, np.nan)) for values in factors.values()], axis=-1)
    every_row = np.arange(len(grid.close), dtype=np.int64)
    returns = forward_returns(grid.close, every_row, horizon)
    targets = _relative_ranks(np.where(grid.member, returns, np.nan))
    scores = np.full((len(rows), len(grid.symbols)), np.nan)
    for begin in range(0, len(rows), EVERY):
        dates = rows[begin : begin + EVERY]
        stop = int(dates[0]) - horizon + 1
        model = _fit(inputs, targets, max(0, stop - TRAINED_ON), stop)
        here = np.isfinite(grid.close[dates]) & grid.member[dates]
        if model is not None and here.any():
            scores[begin : begin + EVERY][here] = model.predict(inputs[dates][here], num_threads=1)
    return scores


def _fit(inputs: FloatArray, targets: FloatArray, first: int, stop: int) -> Any | None:
    """A model of the bars from `first` to before `stop`; None where they are too few."""
    known = np.isfinite(targets[first : max(stop, 0)])
    if known.any(axis=1).sum() < FEWEST_BARS:
        return None
    step = -(-int(known.sum()) // MOST_ROWS)
    chosen = np.arange(stop - 1, first - 1, -step)[::-1]
    x, y = inputs[chosen], targets[chosen]
    there = np.isfinite(y)
    import lightgbm

    return lightgbm.train(SETTINGS, lightgbm.Dataset(x[there], y[there]), num_boost_round=TREES)


def _relative_ranks(values: FloatArray) -> FloatArray:
    """Ranks in each row from -0.5 to 0.5, NaN where there is no value."""
    count = np.isfinite(values).sum(axis=1, keepdims=True)
    return np.asarray(np.divide(ranks(values), count + 1, out=np.full(values.shape, np.nan), where=count > 0) - 0.5)
