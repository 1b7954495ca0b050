"""How much trades in a bar, and how far prices move in one: what caps and impact refer to.

In an intraday market both are those of its bars: a bar of half the length has half the volume and, in a random walk,
half the variance, so that the impact of an order is the same.
Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.backtest.accounts import session_numbers
from kronos_quant.backtest.panel import Panel, filled_forward
from kronos_quant.backtest.settings import Liquidity

UNUSED = np.empty((0, 0))


def execution_prices(panel: Panel, fill: str) -> FloatArray:
    """f64[T, N]: the prices at which orders fill; NaN where there is no bar, or one in which nobody traded.

    Some sources keep a suspended session as a flat bar without volume. Of a symbol that had no volume in any bar so
    far, nobody knows.
    """
    price = panel.open if fill == "open" else panel.close
    flat = (panel.volume == 0) & (panel.high == panel.low)
    if not flat.any():
        return np.ascontiguousarray(price)
    traded = np.logical_or.accumulate(panel.with_past("volume") > 0)[-len(price) :]
    return np.ascontiguousarray(np.where(flat & traded, np.nan, price))


def volumes(liquidity: Liquidity, panel: Panel) -> FloatArray:
    """f64[T, N], adjusted shares: the mean of the bars in the sessions before, or the bar's own; NaN without any.

    Empty where nothing refers to it.
    """
    if liquidity.participation is None and liquidity.impact == 0:
        return UNUSED
    if liquidity.volume == "bar":
        return np.ascontiguousarray(panel.volume)
    volume = panel.with_past("volume")
    known = ~np.isnan(volume)
    begin, end = rows_before(panel, liquidity.sessions)
    total = sums_over(np.where(known, volume, 0.0), begin, end)
    count = sums_over(known.astype(np.float64), begin, end)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def volatilities(liquidity: Liquidity, panel: Panel) -> FloatArray:
    """f64[T, N]: standard deviation of the returns in the sessions before, NaN with fewer than two.

    Empty where nothing refers to it.
    """
    if liquidity.impact == 0:
        return UNUSED
    close = panel.with_past("close")
    last = filled_forward(close)
    moves = np.full(last.shape, np.nan)
    moves[1:] = last[1:] / last[:-1] - 1
    moves[np.isnan(close)] = np.nan
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
    """The rows of the sessions before that of each row: from the first up to, and without, the second, i64[T].

    Rows are counted from the first of the past, where there is one.
    """
    past = () if panel.past is None else panel.past.dates
    session = session_numbers((*past, *panel.dates))
    first = np.searchsorted(session, np.arange(session[-1] + 1))
    session = session[len(past) :]
    return first[np.maximum(session - sessions, 0)], first[session]


def sums_over(values: FloatArray, begin: IntArray, end: IntArray) -> FloatArray:
    """f64[T, N]: for each row the sum over the rows from `begin` up to, and without, `end`."""
    running = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.ascontiguousarray(running[end] - running[begin])
