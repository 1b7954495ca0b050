"""What the universe of a strategy earned by itself, and a strategy's returns without it.

A long portfolio of names drawn by lot earns what its market earns. Its Sharpe ratio may be far from 0 without any edge,
so that the returns are also judged less their share in the mean of all the symbols that could have been picked.

Shape letters: S sessions traded, N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import Panel
from kronos_quant.validity.holdings import moves_of


def universe_returns(panel: Panel) -> FloatArray:
    """f64[S]: mean return, close to close, of the symbols that had a score in the session before; 0 where none had.

    panel : by sessions. A symbol without a bar did not move; one whose first bar is still to come is not counted.
    """
    moves = moves_of(panel)
    counted = ~np.isnan(panel.score[:-1]) & ~np.isnan(moves)
    total = np.where(counted, moves, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, counted.sum(axis=1), out=np.zeros(len(moves)), where=counted.any(axis=1)))


def without_universe(returns: FloatArray, universe: FloatArray) -> FloatArray:
    """Returns f64[S] or f64[S, M] less beta times those of the universe f64[S]; beta is that of the whole period."""
    spread = universe - universe.mean()
    variance = float(spread @ spread)
    if variance == 0:
        return returns
    beta = spread @ returns / variance
    return np.asarray(returns - (universe[:, None] * beta if returns.ndim == 2 else universe * beta))
