"""Closes, amounts and members by bar and symbol, and the returns that followed.

The bars are sessions, or of intraday bars their end stamps. The return over h bars is close-to-close: from the close of
the bar that the scores were made on to the close h bars later, both adjusted. It is what a forecast is about; a trade
comes a bar later and pays (kq backtest).
Shapes: M bars of the grid, T dates (rows of the grid that have scores), N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

import numpy as np
import polars as pl

from kronos_quant.arrays import BoolArray, FloatArray, IntArray

HISTORY = 420
"""Bars before the first date that the baselines look back on: factors, and what they learn from."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What a grid counts in, for whoever reads of it."""

    bar: str
    date: str

    def bars(self, count: int) -> str:
        """'1 session', '5 sessions'."""
        return f"{count} {self.bar}{'' if count == 1 else 's'}"

    def dates(self, count: int) -> str:
        """'1 date', '1,250 dates'."""
        return f"{count:,} {self.date}{'' if count == 1 else 's'}"


DAILY, INTRADAY = Clock("session", "date"), Clock("bar", "moment")


@dataclass(frozen=True, slots=True)
class MarketGrid:
    """Bars as arrays [M, N], NaN where a symbol has no bar."""

    sessions: list[date]
    """Of each row."""
    times: list[datetime]
    """End stamp of each row, ascending."""
    symbols: list[str]
    close: FloatArray
    amount: FloatArray
    member: BoolArray
    """Whether the symbol belongs to the universe on the session."""
    bars: pl.DataFrame
    """What the arrays are made of: schema.BARS, sorted by symbol and time."""

    @property
    def clock(self) -> Clock:
        """Sessions and dates, or bars and moments."""
        return DAILY if all(on.time() == time() for on in self.times) else INTRADAY

    def rows(self, dates: Sequence[date]) -> IntArray:
        """int64[T]: the grid's row of each session, of several the last."""
        place = {on: row for row, on in enumerate(self.sessions)}
        return np.array([place[on] for on in dates], dtype=np.int64)

    def spread(self, frame: pl.DataFrame, column: str, rows: IntArray | None = None) -> FloatArray:
        """float64[M, N] of a long frame (time or date, symbol, `column`), or [T, N] of some ascending rows.

        NaN where the frame has no row or no number; of a column with an array a row, [..., S].
        """
        return spread(frame, column, self.times, self.symbols, rows)


def history_start(sessions: Sequence[date], first: int) -> date:
    """The session from which on bars are needed to evaluate the rows from `first` on; sessions : of each row."""
    return sessions[max(0, first - HISTORY)]


def make_grid(
    bars: pl.DataFrame, sessions: Sequence[date], membership: pl.DataFrame, times: Sequence[datetime] | None = None
) -> MarketGrid:
    """The bars on all `sessions`, or at all `times`.

    bars : schema.BARS of every symbol that is ever looked at, sorted, of these sessions
    sessions : of each row; times : end stamp of each row, ascending; None: daily bars
    membership : symbol, start, end (inclusive)
    """
    symbols = bars["symbol"].unique().sort().to_list()
    times = [datetime.combine(on, time()) for on in sessions] if times is None else list(times)
    return MarketGrid(
        sessions=list(sessions),
        times=times,
        symbols=symbols,
        close=spread(bars, "close", times, symbols),
        amount=spread(bars, "amount", times, symbols),
        member=_members(membership, sessions, symbols),
        bars=bars,
    )


def spread(
    frame: pl.DataFrame,
    column: str,
    times: Sequence[datetime],
    symbols: Sequence[str],
    rows: IntArray | None = None,
) -> FloatArray:
    """See `MarketGrid.spread`; rows of other times or symbols are left out."""
    chosen = times if rows is None else [times[row] for row in rows]
    when = pl.col("time") if "time" in frame.columns else pl.col("date").cast(pl.Datetime("us"))
    places = frame.select(
        when.replace_strict(chosen, range(len(chosen)), default=None, return_dtype=pl.Int64).alias("row"),
        pl.col("symbol").replace_strict(symbols, range(len(symbols)), default=None, return_dtype=pl.Int64).alias("at"),
        pl.col(column).alias("value"),
    ).drop_nulls()
    values = places["value"]
    plain = values.to_numpy() if values.dtype.is_nested() else values.cast(pl.Float64).to_numpy()
    grid = np.full((len(chosen), len(symbols), *plain.shape[1:]), np.nan, dtype=plain.dtype)
    grid[places["row"].to_numpy(), places["at"].to_numpy()] = plain
    return grid


def overlap(rows: IntArray, horizon: int) -> int:
    """How many of the ascending rows a return over `horizon` bars reaches over, at most: itself and those it shares
    bars with.

    Of consecutive rows, the horizon. Rows of too short a span to tell are taken for such.
    """
    reached = np.searchsorted(rows, rows + horizon) - np.arange(len(rows))
    whole = rows + horizon <= rows[-1] + 1 if len(rows) else np.empty(0, dtype=bool)
    return int(reached[whole].max()) if whole.any() else horizon


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
    """float64[T, N]: close `horizon` bars after each row over the row's own close, minus 1.

    NaN where the symbol lacks either bar, as alphalens and Qlib have it, and where the later one is not known yet.
    """
    later = rows + horizon
    known = later < len(close)
    returns = np.full((len(rows), close.shape[1]), np.nan)
    returns[known] = close[later[known]] / close[rows[known]] - 1
    return returns


def carried_returns(close: FloatArray, rows: IntArray, horizon: int) -> FloatArray:
    """`forward_returns` with the last close before it where the symbol lacks the later bar.

    A suspended share stands at its last price, and one that is gone at the price it left with.
    """
    return forward_returns(_carried(close), rows, horizon) + np.where(np.isfinite(close[rows]), 0.0, np.nan)


def _carried(close: FloatArray) -> FloatArray:
    row = np.where(np.isfinite(close), np.arange(len(close))[:, None], 0)
    return np.asarray(np.take_along_axis(close, np.maximum.accumulate(row, axis=0), axis=0))


def trailing_mean(values: FloatArray, window: int) -> FloatArray:
    """float64[M, N]: mean over the last `window` bars' values, this one included; NaN where there is none."""
    there = np.isfinite(values)
    total = _windowed(np.where(there, values, 0.0), window)
    count = _windowed(there.astype(np.float64), window)
    return np.asarray(np.divide(total, count, out=np.full(values.shape, np.nan), where=count > 0))


def _windowed(values: FloatArray, window: int) -> FloatArray:
    sums = np.cumsum(values, axis=0)
    sums[window:] -= sums[:-window].copy()
    return sums
