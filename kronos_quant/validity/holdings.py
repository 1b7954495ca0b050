"""What a back-test held, how prices moved, and what the universe of the strategy earned by itself.

Shape letters: S sessions traded, N symbols. A panel by sessions begins with the one before those.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import BacktestResult, Panel
from kronos_quant.panel.matrix import forward_fill, row_means, to_matrix


def moves_of(panel: Panel) -> FloatArray:
    """f64[S, N]: return of each symbol from close to close, 0 without a bar, NaN up to its first one.

    panel : by sessions
    """
    last = forward_fill(panel.close)
    return np.asarray(last[1:] / last[:-1] - 1)


def account_before(result: BacktestResult) -> FloatArray:
    """f64[S]: the account at the close before each session."""
    return np.concatenate([[result.strategy.account], result.account[:-1]])


def values_before(result: BacktestResult) -> FloatArray:
    """f64[S, N]: what each holding was worth at the close before each session, negative where short."""
    held = np.nan_to_num(to_matrix(result.positions, "value", result.dates, result.symbols))
    return np.vstack([np.zeros((1, held.shape[1])), held[:-1]])


def shares_of(amount: FloatArray, account: FloatArray) -> FloatArray:
    """amount / account f64[S] or f64[S, N], 0 where nothing was left."""
    whole = account if amount.ndim == 1 else account[:, None]
    return np.divide(amount, whole, out=np.zeros_like(amount), where=np.broadcast_to(whole > 0, amount.shape))


def universe_returns(panel: Panel) -> FloatArray:
    """f64[S]: mean return, close to close, of the symbols that had a score in the session before; 0 where none had.

    A random long portfolio earns what its universe earns. Its Sharpe ratio may be far from 0 without any edge, so that
    returns are also tested without their share in this mean. panel : by sessions. A symbol without a bar did not move;
    one whose first bar is still to come is not counted.
    """
    return np.nan_to_num(row_means(np.where(np.isnan(panel.score[:-1]), np.nan, moves_of(panel))))


def without_universe(returns: FloatArray, universe: FloatArray) -> FloatArray:
    """Returns f64[S] or f64[S, M] less beta times those of the universe f64[S]; beta is that of the whole period."""
    spread = universe - universe.mean()
    variance = float(spread @ spread)
    if variance == 0:
        return returns
    return np.asarray(returns - np.multiply.outer(universe, spread @ returns / variance))
