"""Frames of bars and scores -> arrays of one shape.

Shape letters: T sessions, N symbols. Prices and volumes are in adjusted units (schema.BARS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from kronos_quant.errors import DataError, listed

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FIELDS = ("open", "high", "low", "close", "volume", "factor")


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars and scores of a back-test. NaN: no bar (suspended, not yet listed, delisted), or no opinion.

    dates : T sessions, ascending; symbols : N symbols, ascending
    open, high, low, close, volume, factor, score : float64[T, N]; `score[t]` is known after session t's close
    gone : int64[N], first session after the symbol's last bar; T where it has a bar in the last session or later
    unpriced : symbols with scores and without any bar, left out
    """

    dates: tuple[date, ...]
    symbols: tuple[str, ...]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    factor: FloatArray
    score: FloatArray
    gone: IntArray
    unpriced: tuple[str, ...] = ()


def build_panel(
    bars: pl.DataFrame, scores: pl.DataFrame, sessions: Sequence[date], *, keep_unpriced: bool = False
) -> Panel:
    """Bars and scores of `sessions`, for the symbols that have a score and a bar in them.

    bars : schema.BARS, daily. Bars after the last session are not shown to the strategy; they only tell a suspension
        at the end from a delisting. Bars before the first session are ignored.
    scores : columns date (session whose close the score knows), symbol, score; NaN and null are no opinion.
    keep_unpriced : symbols with scores and without a bar are kept, as Qlib ranks them all the same
    Raises DataError for sessions out of order, a key that occurs twice, an infinite score, a bar without a factor,
    no score at all, or no symbol with both.
    """
    check_sessions(sessions)
    check_unique(bars, "bars")
    check_unique(scores, "scores")
    first, last = sessions[0], sessions[-1]
    scores = scores.filter(pl.col("date").is_between(first, last) & pl.col("score").is_not_nan())
    if scores.is_empty():
        raise DataError(f"no scores from {first} to {last}", hint=f"kq signal --start {first} --end {last}")
    if scores["score"].is_infinite().any():
        infinite = scores.filter(pl.col("score").is_infinite())
        raise DataError(f"infinite scores: {listed(infinite['symbol'].unique().sort())}")
    bars = bars.filter((pl.col("date") >= first) & pl.col("close").is_not_nan() & pl.col("close").is_not_null())
    check_factors(bars)
    inside = bars.filter(pl.col("date") <= last)
    scored, priced = set(scores["symbol"]), set(inside["symbol"])
    symbols = sorted(scored & priced)
    if not symbols:
        raise DataError(f"no bars from {first} to {last} for the {len(scored)} symbols with scores")
    unpriced = tuple(sorted(scored - priced))
    grid = Grid(tuple(sessions), tuple(sorted(scored) if keep_unpriced else symbols))
    return Panel(
        dates=grid.sessions,
        symbols=grid.symbols,
        **{name: grid.fill(inside, name) for name in FIELDS},
        score=grid.fill(scores, "score"),
        gone=grid.first_session_after(bars),
        unpriced=unpriced,
    )


@dataclass(frozen=True, slots=True)
class Grid:
    """The sessions and symbols that the rows and columns of an array stand for."""

    sessions: tuple[date, ...]
    symbols: tuple[str, ...]

    def fill(self, frame: pl.DataFrame, column: str) -> FloatArray:
        """float64[T, N] of a long frame's column; NaN where it has no row."""
        rows = pl.DataFrame({"date": self.sessions, "t": range(len(self.sessions))})
        columns = pl.DataFrame({"symbol": self.symbols, "n": range(len(self.symbols))})
        cells = frame.select("date", "symbol", column).join(rows, on="date").join(columns, on="symbol")
        values = np.full((len(self.sessions), len(self.symbols)), np.nan)
        values[cells["t"].to_numpy(), cells["n"].to_numpy()] = cells[column].cast(pl.Float64).to_numpy()
        return values

    def first_session_after(self, bars: pl.DataFrame) -> IntArray:
        """int64[N]: index of the first session after each symbol's last bar."""
        last = dict(bars.group_by("symbol").agg(pl.col("date").max()).iter_rows())
        ends = np.array([last.get(symbol, date.min) for symbol in self.symbols], dtype="datetime64[D]")
        return np.searchsorted(np.array(self.sessions, dtype="datetime64[D]"), ends, side="right").astype(np.int64)


def tradable_scores(score: FloatArray) -> FloatArray:
    """The scores that may be used when session t trades: those of session t - 1.

    This is the only place where scores are shifted. score : float64[T, N]; the first row of the result is NaN.
    """
    known = np.full(score.shape, np.nan)
    known[1:] = score[:-1]
    return known


def filled_forward(values: FloatArray) -> FloatArray:
    """float64[T, N] with each NaN replaced by the value above it; NaN where there is none above."""
    from kronos_quant.backtest.kernel.states import carry_nb

    carried = np.array(values, dtype=np.float64, order="C")
    carry_nb(carried)
    return carried


def ranking_of(score: FloatArray) -> npt.NDArray[np.int32]:
    """int32[T, N]: the symbols of each session by descending score, ties by symbol, those without one last."""
    # numbers beyond every score keep symbols without one in their order, so that only real ties need a slow sort
    beyond = np.linspace(1e300, 2e300, score.shape[1]) if score.shape[1] else np.empty(0)
    keys = np.where(np.isnan(score), beyond, -score)
    order = np.argsort(keys, axis=1)
    ranked = np.take_along_axis(keys, order, axis=1)
    for t in np.flatnonzero((ranked[:, 1:] == ranked[:, :-1]).any(axis=1)):
        order[t] = np.argsort(keys[t], kind="stable")
    return np.ascontiguousarray(order, dtype=np.int32)


def check_sessions(sessions: Sequence[date]) -> None:
    """Raise DataError unless there are at least two sessions, ascending and unique."""
    if len(sessions) < 2:
        raise DataError(
            f"a back-test needs at least 2 sessions, found {len(sessions)}",
            hint="scores of one session trade at the next: choose an earlier start or a later end",
        )
    wrong = [after for before, after in pairwise(sessions) if after <= before]
    if wrong:
        raise DataError(f"sessions are not ascending and unique at {listed(wrong)}")


def check_unique(frame: pl.DataFrame, name: str) -> None:
    """Raise DataError where a symbol has two rows in a session."""
    twice = frame.filter(pl.struct("date", "symbol").is_duplicated()).select("symbol", "date").unique().sort("symbol")
    if len(twice):
        keys = [f"{symbol} {day}" for symbol, day in twice.iter_rows()]
        raise DataError(f"{name}: more than one row for {listed(keys)}")


def check_factors(bars: pl.DataFrame) -> None:
    """Raise DataError where a bar has no adjustment factor: its raw price and lots would be unknown."""
    usable = pl.col("factor").is_finite() & (pl.col("factor") > 0)
    without = bars.filter(~usable.fill_null(False))["symbol"].unique().sort()
    if len(without):
        raise DataError(f"bars without an adjustment factor: {listed(without)}")
