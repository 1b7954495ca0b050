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
from kronos_quant.panel.matrix import interval_mask, to_matrix

HISTORY = 420
"""Bars before the first date that the baselines look back on: factors, and what they learn from."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What a grid counts in, in words."""

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

    def spread(self, frame: pl.DataFrame, column: str, rows: IntArray | None = None) -> FloatArray:
        """float64[M, N] of a long frame (time or date, symbol, `column`), or [T, N] of some ascending rows.

        NaN where the frame has no row or no number; of a column with an array a row, [..., S].
        """
        times = self.times if rows is None else [self.times[row] for row in rows]
        if "time" not in frame.columns:
            frame = frame.with_columns(time=pl.col("date").cast(pl.Datetime("us")))
        dtype = np.float32 if frame.schema[column].is_nested() else np.float64  # paths are stored in float32, and many
        return to_matrix(frame, column, times, self.symbols, key="time", dtype=dtype)


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
        close=to_matrix(bars, "close", times, symbols, key="time"),
        amount=to_matrix(bars, "amount", times, symbols, key="time"),
        member=interval_mask(membership, sessions, symbols),
        bars=bars,
    )
