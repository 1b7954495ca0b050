"""What each symbol is exposed to, known at the close before a session: size, momentum, volatility, industry.

Shape letters: H sessions before the panel, S sessions traded, N symbols, K styles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import Panel
from kronos_quant.backtest.panel import SymbolGroups
from kronos_quant.panel.factors import style_exposures, style_history

SIZE = "size (traded value)"
"""Bars hold no number of shares, so that the value traded stands for size."""
NAMES = {"size": SIZE, "momentum": "momentum", "volatility": "volatility"}
"""The styles of `panel.factors`, and what they are called in an attribution."""

HISTORY = style_history()
"""Sessions before the first of a panel that all styles need."""

FARTHEST = 3.0
"""Standard deviations; what is farther out counts as much."""


@dataclass(frozen=True, slots=True)
class Background:
    """What is known of a panel's symbols besides the panel.

    close, amount : float64[H + 1 + S, N], of the panel's sessions and of up to HISTORY before them; NaN without a bar
    industries : of the symbols in each session of the panel; None where none are given
    """

    close: FloatArray
    amount: FloatArray
    industries: SymbolGroups | None = None


@dataclass(frozen=True, slots=True)
class StyleScores:
    """names : K styles; values : f64[K, S, N], standard scores at the close before each session, 0 where unknown."""

    names: tuple[str, ...]
    values: FloatArray
    unknown: tuple[str, ...]
    """Styles that no symbol has enough bars for in any session."""


def style_scores(panel: Panel, background: Background) -> StyleScores:
    """The exposures of a panel's symbols; standard scores among those that have the figure in the session.

    panel : by sessions
    """
    styles = style_exposures(background.close, background.amount, tuple(NAMES))
    first = len(background.close) - len(panel.close)
    known = {NAMES[name]: values[first:-1] for name, values in styles.items()}  # the sessions just before those traded
    usable = {name: values for name, values in known.items() if np.isfinite(values).any()}
    shape = (len(usable), *panel.close[1:].shape)
    scores = np.array([standard_scores(values) for values in usable.values()]).reshape(shape)
    return StyleScores(tuple(usable), scores, tuple(name for name in known if name not in usable))


def standard_scores(values: FloatArray) -> FloatArray:
    """f64[S, N]: distance from the session's mean in its standard deviations, bounded; 0 where unknown or alike."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=1), 1)[:, None]
    mean = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / count
    deviation = np.where(known, values - mean, 0.0)
    spread = np.sqrt((deviation**2).sum(axis=1, keepdims=True) / count)
    scores = np.divide(deviation, spread, out=np.zeros_like(deviation), where=spread > 1e-12)
    return np.asarray(np.clip(scores, -FARTHEST, FARTHEST))
