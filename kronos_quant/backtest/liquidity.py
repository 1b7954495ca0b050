"""How much trades in a bar, and how far prices move in one: what caps and impact refer to.

In an intraday market both are those of its bars: a bar of half the length has half the volume and, in a random walk,
half the variance, so that the impact of an order is the same.
Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.backtest.panel import FloatArray, IntArray, Panel, filled_forward
from kronos_quant.backtest.series import session_numbers
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
    begin, end = rows_before(panel, liquidity.sessions)
    total = sums_over(np.where(known, panel.volume, 0.0), begin, end)
    count = sums_over(known.astype(np.float64), begin, end)
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
    begin, end = rows_before(panel, liquidity.sessions)
    count = sums_over(known.astype(np.float64), begin, end)
    total, squares = sums_over(moves, begin, end), sums_over(moves**2, begin, end)
    enough = count >= 2
    safe = np.where(enough, count, 2.0)
    variance = np.maximum((squares - total**2 / safe) / (safe - 1), 0.0)
    return np.where(enough, np.sqrt(variance), np.nan)


def rows_before(panel: Panel, sessions: int) -> tuple[IntArray, IntArray]:
    """The rows of the sessions before that of each row: from the first up to, and without, the second, i64[T]."""
    session = session_numbers(panel.dates)
    first = np.searchsorted(session, np.arange(session[-1] + 1))
    return first[np.maximum(session - sessions, 0)], first[session]


def sums_over(values: FloatArray, begin: IntArray, end: IntArray) -> FloatArray:
    """f64[T, N]: for each row the sum over the rows from `begin` up to, and without, `end`."""
    running = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.ascontiguousarray(running[end] - running[begin])
