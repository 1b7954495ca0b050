"""Closes, amounts and members by session and symbol, and the returns that followed.

The return over h sessions is close-to-close: from the close of the date that the scores were made on to the close h
sessions later, both adjusted. It is what a forecast is about; a trade comes a session later and pays (kq backtest).
Shapes: M sessions of the grid, T dates (rows of the grid), N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from kronos_quant.evaluation.arrays import BoolArray, FloatArray, IntArray

HISTORY = 420
"""Sessions before the first date that the baselines look back on: factors, and what they learn from."""


@dataclass(frozen=True, slots=True)
class MarketGrid:
    """Daily bars as arrays [M, N], NaN where a symbol has no bar."""

    sessions: list[date]
    symbols: list[str]
    close: FloatArray
    amount: FloatArray
    member: BoolArray
    """Whether the symbol belongs to the universe on the session."""
    bars: pl.DataFrame
    """What the arrays are made of: schema.BARS, sorted by symbol and time."""

    def rows(self, dates: Sequence[date]) -> IntArray:
        """int64[T]: the grid's row of each date."""
        place = {on: row for row, on in enumerate(self.sessions)}
        return np.array([place[on] for on in dates], dtype=np.int64)

    def spread(self, frame: pl.DataFrame, column: str) -> FloatArray:
        """float64[M, N] of a long frame (date, symbol, `column`); NaN where it has no row or no number."""
        return spread(frame, column, self.sessions, self.symbols)


def history_start(sessions: Sequence[date], first: date) -> date:
    """The session from which on bars are needed to evaluate dates from `first` on."""
    return sessions[max(0, sessions.index(first) - HISTORY)]


def make_grid(bars: pl.DataFrame, sessions: Sequence[date], membership: pl.DataFrame) -> MarketGrid:
    """The bars on all `sessions`.

    bars : schema.BARS of every symbol that is ever looked at, sorted, of these sessions
    membership : symbol, start, end (inclusive)
    """
    symbols = bars["symbol"].unique().sort().to_list()
    return MarketGrid(
        sessions=list(sessions),
        symbols=symbols,
        close=spread(bars, "close", sessions, symbols),
        amount=spread(bars, "amount", sessions, symbols),
        member=_members(membership, sessions, symbols),
        bars=bars,
    )


def spread(frame: pl.DataFrame, column: str, sessions: Sequence[date], symbols: Sequence[str]) -> FloatArray:
    """float64[M, N] of a long frame (date, symbol, `column`); rows of other dates or symbols are left out."""
    places = frame.select(
        pl.col("date").replace_strict(sessions, range(len(sessions)), default=None, return_dtype=pl.Int64).alias("row"),
        pl.col("symbol").replace_strict(symbols, range(len(symbols)), default=None, return_dtype=pl.Int64).alias("at"),
        pl.col(column).cast(pl.Float64).alias("value"),
    ).drop_nulls()
    grid = np.full((len(sessions), len(symbols)), np.nan)
    grid[places["row"].to_numpy(), places["at"].to_numpy()] = places["value"].to_numpy()
    return grid


def _members(membership: pl.DataFrame, sessions: Sequence[date], symbols: Sequence[str]) -> BoolArray:
    member = np.zeros((len(sessions), len(symbols)), dtype=bool)
    calendar = np.array(sessions, dtype="datetime64[D]")
    place = {symbol: at for at, symbol in enumerate(symbols)}
    for symbol, start, end in membership.select("symbol", "start", "end").iter_rows():
        if symbol in place:
            first, stop = (
                calendar.searchsorted(np.datetime64(start)),
                calendar.searchsorted(np.datetime64(end), "right"),
            )
            member[first:stop, place[symbol]] = True
    return member


def forward_returns(close: FloatArray, rows: IntArray, horizon: int) -> FloatArray:
    """float64[T, N]: close `horizon` sessions after each row over the row's own close, minus 1.

    NaN where either session has no bar, as alphalens and Qlib have it, and where the later session is not known yet.
    """
    later = rows + horizon
    known = later < len(close)
    returns = np.full((len(rows), close.shape[1]), np.nan)
    returns[known] = close[later[known]] / close[rows[known]] - 1
    return returns


def carried_returns(close: FloatArray, rows: IntArray, horizon: int) -> FloatArray:
    """`forward_returns` with the last close before it where the later session has no bar.

    A suspended share stands at its last price, and one that is gone at the price it left with.
    """
    return forward_returns(_carried(close), rows, horizon) + np.where(np.isfinite(close[rows]), 0.0, np.nan)


def _carried(close: FloatArray) -> FloatArray:
    row = np.where(np.isfinite(close), np.arange(len(close))[:, None], 0)
    return np.asarray(np.take_along_axis(close, np.maximum.accumulate(row, axis=0), axis=0))


def trailing_mean(values: FloatArray, window: int) -> FloatArray:
    """float64[M, N]: mean over the last `window` sessions' values, this one included; NaN where there is none."""
    there = np.isfinite(values)
    total = _windowed(np.where(there, values, 0.0), window)
    count = _windowed(there.astype(np.float64), window)
    return np.asarray(np.divide(total, count, out=np.full(values.shape, np.nan), where=count > 0))


def _windowed(values: FloatArray, window: int) -> FloatArray:
    sums = np.cumsum(values, axis=0)
    sums[window:] -= sums[:-window].copy()
    return sums
