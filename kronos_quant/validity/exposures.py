"""What each symbol is exposed to, known at the close before a session: size, momentum, volatility, industry.

Shape letters: H sessions before the panel, S sessions traded, N symbols, K styles, G industries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import Panel
from kronos_quant.backtest.liquidity import sums_over
from kronos_quant.backtest.panel import SymbolGroups, filled_forward

SIZE = "size (traded value)"
"""Bars hold no number of shares, so that the value traded stands for size."""

WINDOW = 60
"""Sessions of the traded value and of the volatility."""

MOMENTUM_FROM, MOMENTUM_TO = 120, 20
"""Momentum is the return from so many sessions ago to so many; the newest are left out, as they tend to reverse."""

HISTORY = MOMENTUM_FROM
"""Sessions before the first of a panel that all styles need."""

FEWEST = 20
"""Bars of the window that a value or a volatility needs."""

FARTHEST = 3.0
"""Standard deviations; what is farther out counts as much."""


@dataclass(frozen=True, slots=True)
class Background:
    """What is known beside a panel.

    close, volume : f64[H, N], adjusted, of the sessions just before the panel's first one; NaN without a bar
    industries : of the symbols in each session of the panel; None where none are given
    """

    close: FloatArray
    volume: FloatArray
    industries: SymbolGroups | None = None


@dataclass(frozen=True, slots=True)
class Exposures:
    """names : K styles; values : f64[K, S, N], standard scores at the close before each session, 0 where unknown."""

    names: tuple[str, ...]
    values: FloatArray
    unknown: tuple[str, ...]
    """Styles that no symbol has enough bars for in any session."""


def exposures_of(panel: Panel, background: Background) -> Exposures:
    """The exposures of a panel's symbols; standard scores among those that have the figure in the session.

    panel : by sessions
    """
    raw = styles(np.vstack([background.close, panel.close]), np.vstack([background.volume, panel.volume]))
    before = slice(len(background.close), -1)  # the sessions just before those traded
    known = {name: values[before] for name, values in raw.items()}
    usable = {name: values for name, values in known.items() if np.isfinite(values).any()}
    shape = (len(usable), *panel.close[1:].shape)
    values = np.array([standard_scores(values) for values in usable.values()]).reshape(shape)
    return Exposures(tuple(usable), values, tuple(name for name in known if name not in usable))


def styles(close: FloatArray, volume: FloatArray) -> Mapping[str, FloatArray]:
    """Each style's figure f64[H + S, N], of bars up to each session; NaN where there are too few."""
    last = filled_forward(close)
    moves = np.full(close.shape, np.nan)
    moves[1:] = last[1:] / last[:-1] - 1
    moves[np.isnan(close)] = np.nan
    momentum = np.full(close.shape, np.nan)
    momentum[MOMENTUM_FROM:] = np.log(last[MOMENTUM_FROM - MOMENTUM_TO : -MOMENTUM_TO] / last[:-MOMENTUM_FROM])
    _, value = window_moments(close * volume)
    value[~(value > 0)] = np.nan
    spread, _ = window_moments(moves)
    return {SIZE: np.log(value), "momentum": momentum, "volatility": spread}


def window_moments(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Standard deviation and mean over the window that ends in each row f64[S, N]; NaN with too few values."""
    known, row = np.isfinite(values), np.arange(len(values))
    begin, end = np.maximum(row - WINDOW + 1, 0), row + 1
    filled = np.where(known, values, 0.0)
    count, total, squares = (sums_over(part, begin, end) for part in (known.astype(np.float64), filled, filled**2))
    enough = count >= FEWEST
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=enough)
    variance = np.divide(squares, count, out=np.full(total.shape, np.nan), where=enough) - mean**2
    return np.sqrt(np.maximum(variance, 0.0)), mean


def standard_scores(values: FloatArray) -> FloatArray:
    """f64[S, N]: distance from the session's mean in its standard deviations, bounded; 0 where unknown or alike."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=1), 1)[:, None]
    mean = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / count
    deviation = np.where(known, values - mean, 0.0)
    spread = np.sqrt((deviation**2).sum(axis=1, keepdims=True) / count)
    scores = np.divide(deviation, spread, out=np.zeros_like(deviation), where=spread > 1e-12)
    return np.asarray(np.clip(scores, -FARTHEST, FARTHEST))
