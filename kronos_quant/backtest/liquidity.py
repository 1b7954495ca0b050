"""How much trades in a bar, and how far prices move in one: what caps and impact refer to.

In an intraday market both are those of its bars: a bar of half the length has half the volume and, in a random walk,
half the variance, so that the impact of an order is the same.
Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.backtest.panel import Panel, session_numbers
from kronos_quant.backtest.settings import Liquidity
from kronos_quant.errors import DataError
from kronos_quant.panel.matrix import rolling_mean, rolling_std, rolling_sum, simple_returns

UNUSED = np.empty((0, 0))


def execution_prices(panel: Panel, fill: str) -> FloatArray:
    """f64[T, N]: the prices at which orders fill; NaN where there is no bar."""
    if fill in ("vwap", "twap"):
        if panel.execution is None:
            raise DataError(f"fill: {fill} needs the average prices of the panel", hint="add_execution gives them")
        return np.ascontiguousarray(panel.execution.price)
    return np.ascontiguousarray(panel.open if fill == "open" else panel.close)


def volumes(liquidity: Liquidity, panel: Panel) -> FloatArray:
    """f64[T, N], adjusted shares: mean of the sessions before, or the bar's own; empty if unused.

    Infinite where none is known (no bar in those sessions, or a source without volumes): what is unknown neither caps
    an order nor has it an impact. A bar in which nothing was traded lets nothing through where the symbol has had
    volumes before.
    """
    if not liquidity.by_size:
        return UNUSED
    known = panel.with_past("volume") if panel.execution is None else panel.execution.volume
    if liquidity.volume == "trailing":
        rows = rows_before(panel, liquidity.sessions)
        # a sum of zeros may be rounding noise, a count of them is exact
        traded = rolling_sum((known > 0).astype(np.float64), *rows) > 0
        return np.where(traded, rolling_mean(known, *rows), np.inf)
    found = np.where(np.logical_or.accumulate(known > 0) & ~np.isnan(known), known, np.inf)
    return np.ascontiguousarray(found[len(known) - len(panel.dates) :])


def volatilities(liquidity: Liquidity, panel: Panel) -> FloatArray:
    """f64[T, N]: standard deviation of the returns before, NaN with fewer than two, empty where unused."""
    if liquidity.impact == 0:
        return UNUSED
    moves = simple_returns(panel.with_past("close"))
    return rolling_std(moves, *rows_before(panel, liquidity.sessions))


def rows_before(panel: Panel, sessions: int) -> tuple[IntArray, IntArray]:
    """The rows of the sessions before that of each row: from the first up to, and without, the second, i64[T].

    Rows are counted from the first of the past, where there is one.
    """
    past = () if panel.past is None else panel.past.dates
    session = session_numbers((*past, *panel.dates))
    first = np.searchsorted(session, np.arange(session[-1] + 1))
    session = session[len(past) :]
    return first[np.maximum(session - sessions, 0)], first[session]
