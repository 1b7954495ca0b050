"""How much trades in a session, and how far prices move in one: what caps and impact refer to.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.backtest.panel import FloatArray, Panel, filled_forward
from kronos_quant.backtest.strategy import Liquidity

UNUSED = np.empty((0, 0))


def volumes(liquidity: Liquidity, panel: Panel) -> FloatArray:
    """f64[T, N], adjusted shares: the mean of the bars in the sessions before, or the bar's own; NaN without any.

    Empty where nothing refers to it.
    """
    if liquidity.participation is None and liquidity.impact == 0:
        return UNUSED
    if liquidity.volume == "bar":
        return np.ascontiguousarray(panel.volume)
    known = ~np.isnan(panel.volume)
    total = sums_before(np.where(known, panel.volume, 0.0), liquidity.sessions)
    count = sums_before(known.astype(np.float64), liquidity.sessions)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def volatilities(liquidity: Liquidity, panel: Panel) -> FloatArray:
    """f64[T, N]: standard deviation of the returns in the sessions before, NaN with fewer than two.

    Empty where nothing refers to it.
    """
    if liquidity.impact == 0:
        return UNUSED
    last = filled_forward(panel.close)
    moves = np.full(last.shape, np.nan)
    moves[1:] = last[1:] / last[:-1] - 1
    moves[np.isnan(panel.close)] = np.nan
    known = ~np.isnan(moves)
    moves = np.where(known, moves, 0.0)
    count = sums_before(known.astype(np.float64), liquidity.sessions)
    total, squares = sums_before(moves, liquidity.sessions), sums_before(moves**2, liquidity.sessions)
    enough = count >= 2
    safe = np.where(enough, count, 2.0)
    variance = np.maximum((squares - total**2 / safe) / (safe - 1), 0.0)
    return np.where(enough, np.sqrt(variance), np.nan)


def sums_before(values: FloatArray, sessions: int) -> FloatArray:
    """f64[T, N]: sum over the `sessions` rows before each one, which is not in it."""
    running = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    begin = np.maximum(np.arange(len(values)) - sessions, 0)
    return np.ascontiguousarray(running[:-1] - running[begin])
