"""What a back-test held and how prices moved, by session and symbol.

Shape letters: S sessions traded, N symbols. A panel by sessions begins with the one before those.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.backtest import BacktestResult, Panel
from kronos_quant.backtest.panel import filled_forward


def moves_of(panel: Panel) -> FloatArray:
    """f64[S, N]: return of each symbol from close to close, 0 without a bar, NaN up to its first one.

    panel : by sessions
    """
    last = filled_forward(panel.close)
    return np.asarray(last[1:] / last[:-1] - 1)


def places(frame: pl.DataFrame, result: BacktestResult) -> tuple[IntArray, IntArray]:
    """The session and the symbol, as numbers, of each line of a table with `date` and `symbol`."""
    rows = np.searchsorted(np.array(result.dates, dtype="datetime64[D]"), frame["date"].to_numpy())
    numbers = {symbol: n for n, symbol in enumerate(result.symbols)}
    columns = frame["symbol"].replace_strict(numbers, return_dtype=pl.Int64).to_numpy()
    return rows.astype(np.int64), columns


def account_before(result: BacktestResult) -> FloatArray:
    """f64[S]: the account at the close before each session."""
    return np.concatenate([[result.strategy.account], result.account[:-1]])


def values_before(result: BacktestResult) -> FloatArray:
    """f64[S, N]: what each holding was worth at the close before each session, negative where short."""
    values = np.zeros((len(result.dates) + 1, len(result.symbols)))
    rows, columns = places(result.positions, result)
    values[rows + 1, columns] = result.positions["value"].to_numpy()
    return values[:-1]


def shares_of(amount: FloatArray, account: FloatArray) -> FloatArray:
    """amount / account f64[S] or f64[S, N], 0 where nothing was left."""
    whole = account if amount.ndim == 1 else account[:, None]
    return np.divide(amount, whole, out=np.zeros_like(amount), where=np.broadcast_to(whole > 0, amount.shape))
