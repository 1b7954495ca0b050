"""Long tables as matrices, and what several packages compute on such matrices.

A matrix is float64[T, N]: a row for each time (a session, or the end of an intraday bar), a column for each symbol. NaN
means no bar, or no opinion. Times ascend. Shape letters: T rows, N symbols, H values of a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.errors import DataError, listed

Times = Sequence[date] | Sequence[datetime]


def cell_index(
    frame: pl.DataFrame, times: Times, symbols: Sequence[str], key: str = "date"
) -> tuple[IntArray, IntArray]:
    """Row and column of each line of a long table, -1 for a time or a symbol that is not among those given.

    Parameters
    ----------
    frame : columns `key` and symbol
    times, symbols : of the rows and of the columns of the matrix, each once
    key : the column of times
    """

    def place(column: str, among: Sequence[object]) -> IntArray:
        known = pl.Series(among).cast(frame.schema[column])
        found = frame[column].replace_strict(known, range(len(known)), default=-1, return_dtype=pl.Int64)
        return found.fill_null(-1).to_numpy()

    return place(key, times), place("symbol", symbols)


def to_matrix(
    frame: pl.DataFrame,
    column: str,
    times: Times,
    symbols: Sequence[str],
    *,
    key: str = "date",
    dtype: npt.DTypeLike = np.float64,
) -> FloatArray:
    """A column of a long table as a matrix [T, N], NaN where the table has no line or no number.

    Parameters
    ----------
    frame : columns `key`, symbol and `column`; lines of other times or symbols are left out
    column : numbers, or arrays of H numbers, which make a matrix [T, N, H]
    times, symbols : of the rows and of the columns, each once
    key : the column of times
    dtype : of the matrix

    >>> bars = pl.DataFrame({"date": [1, 2, 2], "symbol": ["A", "A", "B"], "close": [10, 11, 20]})
    >>> to_matrix(bars, "close", [1, 2], ["A", "B"]).tolist()
    [[10.0, nan], [11.0, 20.0]]
    """
    cells = frame.select(key, "symbol", column).drop_nulls()
    values = cells[column]
    numbers = values.to_numpy() if values.dtype.is_nested() else values.cast(pl.Float64).to_numpy()
    rows, columns = cell_index(cells, times, symbols, key)
    inside = (rows >= 0) & (columns >= 0)
    matrix = np.full((len(times), len(symbols), *numbers.shape[1:]), np.nan, dtype=dtype)
    matrix[rows[inside], columns[inside]] = numbers[inside]
    return matrix


def daily_matrices(
    bars: pl.DataFrame, sessions: Sequence[date], symbols: Sequence[str]
) -> tuple[FloatArray, FloatArray]:
    """The last close and the whole amount of each session, [T, N] each; bars : schema.BARS by symbol and time."""
    values = pl.col("close").last().cast(pl.Float64), pl.col("amount").cast(pl.Float64).sum()
    daily = bars.group_by("symbol", "date", maintain_order=True).agg(values)
    return to_matrix(daily, "close", sessions, symbols), to_matrix(daily, "amount", sessions, symbols)


def interval_mask(intervals: pl.DataFrame, dates: Sequence[date], symbols: Sequence[str]) -> BoolArray:
    """bool[T, N]: whether a symbol lies in one of its intervals on a date.

    Parameters
    ----------
    intervals : columns symbol, start, end (inclusive; null: without bound); other symbols are left out
    dates : of the rows, ascending; of intraday bars, the session of each
    symbols : of the columns
    """
    inside = np.zeros((len(dates), len(symbols)), dtype=np.bool_)
    for column, first, stop, _ in _spans(intervals.with_columns(value=None), dates, symbols):
        inside[first:stop, column] = True
    return inside


def interval_groups(
    intervals: pl.DataFrame, dates: Sequence[date], symbols: Sequence[str]
) -> tuple[tuple[str, ...], IntArray]:
    """Names of groups, ascending, and int64[T, N]: the number of a symbol's group on a date, -1 without one.

    Parameters
    ----------
    intervals : columns symbol, value (the group), start, end (inclusive; null: without bound)
    dates, symbols : as of `interval_mask`

    Raises
    ------
    DataError
        where a symbol is in two groups at once.
    """
    known = intervals.filter(pl.col("symbol").is_in(list(symbols)))
    names = tuple(known["value"].unique().sort())
    number = {name: place for place, name in enumerate(names)}
    groups = np.full((len(dates), len(symbols)), -1, dtype=np.int64)
    twice = set()
    for column, first, stop, value in _spans(known, dates, symbols):
        if (groups[first:stop, column] >= 0).any():
            twice.add(symbols[column])
        groups[first:stop, column] = number[value]
    if twice:
        raise DataError(f"symbols in two groups at once: {listed(sorted(twice))}")
    return names, groups


def _spans(intervals: pl.DataFrame, dates: Sequence[date], symbols: Sequence[str]) -> list[tuple[int, int, int, str]]:
    """Column, first row, row after the last, and value of each interval of the symbols, by symbol and start."""
    days = np.array(dates, dtype="datetime64[D]")
    place = {symbol: column for column, symbol in enumerate(symbols)}
    ordered = intervals.select("symbol", "start", "end", "value").sort("symbol", "start", nulls_last=False)
    return [
        (
            place[symbol],
            0 if start is None else int(days.searchsorted(np.datetime64(start))),
            len(days) if end is None else int(days.searchsorted(np.datetime64(end), side="right")),
            value,
        )
        for symbol, start, end, value in ordered.iter_rows()
        if symbol in place
    ]


def forward_fill(values: FloatArray) -> FloatArray:
    """The matrix with each NaN replaced by the last value above it; NaN where there is none.

    >>> forward_fill(np.array([[np.nan], [1.0], [np.nan]])).ravel().tolist()
    [nan, 1.0, 1.0]
    """
    filled = np.array(values, order="C")
    for row in range(1, len(filled)):
        np.copyto(filled[row], filled[row - 1], where=np.isnan(filled[row]))
    return filled


def simple_returns(close: FloatArray) -> FloatArray:
    """float64[T, N]: close over the symbol's last close before it, minus 1; NaN without a bar, and in the first one."""
    last = forward_fill(close)
    returns = np.full(close.shape, np.nan)
    returns[1:] = last[1:] / last[:-1] - 1
    returns[np.isnan(close)] = np.nan
    return returns


def forward_returns(close: FloatArray, rows: IntArray, horizon: int) -> FloatArray:
    """float64[R, N]: close `horizon` rows after each of some rows over that row's own close, minus 1.

    NaN where the symbol lacks either bar, as alphalens and Qlib have it, where the later one is not known yet, and for
    a row below 0.

    Parameters
    ----------
    close : float64[T, N]
    rows : int64[R], rows of `close`
    horizon : rows ahead

    >>> forward_returns(np.array([[10.0], [11.0], [12.0]]), np.arange(3), 2).ravel().tolist()
    [0.19999999999999996, nan, nan]
    """
    later = rows + horizon
    known = (rows >= 0) & (later < len(close))
    returns = np.full((len(rows), close.shape[1]), np.nan)
    returns[known] = close[later[known]] / close[rows[known]] - 1
    return returns


def carried_forward_returns(close: FloatArray, rows: IntArray, horizon: int) -> FloatArray:
    """`forward_returns` with the last close before it where the symbol lacks the later bar.

    A suspended share stands at its last price, and a delisted one at the price that it left with.
    """
    return forward_returns(forward_fill(close), rows, horizon) + np.where(np.isfinite(close[rows]), 0.0, np.nan)


def overlapping_rows(rows: IntArray, horizon: int) -> int:
    """How many of some ascending rows a return over `horizon` reaches over, at most: itself and those it overlaps.

    Of consecutive rows, the horizon. Rows of a span too short to tell are taken for consecutive.
    """
    reached = np.searchsorted(rows, rows + horizon) - np.arange(len(rows))
    whole = rows + horizon <= rows[-1] + 1 if len(rows) else np.empty(0, dtype=bool)
    return int(reached[whole].max()) if whole.any() else horizon


def window_rows(rows: int, window: int) -> tuple[IntArray, IntArray]:
    """For each of T rows the window that ends in it: its first row, and the row after its last one, int64[T] each."""
    row = np.arange(rows, dtype=np.int64)
    return np.maximum(row - window + 1, 0), row + 1


def rolling_sum(values: FloatArray, begin: IntArray, end: IntArray) -> FloatArray:
    """float64[R, N]: sums over the rows from `begin` up to, and without, `end`, int64[R]. values : without NaN"""
    running = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.ascontiguousarray(running[end] - running[begin])


def rolling_mean(values: FloatArray, begin: IntArray, end: IntArray, least: int = 1) -> FloatArray:
    """float64[R, N]: mean of what is no NaN in each window; NaN with fewer than `least` such values."""
    known = ~np.isnan(values)
    total = rolling_sum(np.where(known, values, 0.0), begin, end)
    count = rolling_sum(known.astype(np.float64), begin, end)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count >= max(least, 1)))


def rolling_std(values: FloatArray, begin: IntArray, end: IntArray, least: int = 2) -> FloatArray:
    """float64[R, N]: sample standard deviation in each window; NaN with fewer than `least` values, two at least."""
    known = ~np.isnan(values)
    kept = np.where(known, values, 0.0)
    count = rolling_sum(known.astype(np.float64), begin, end)
    total, squares = rolling_sum(kept, begin, end), rolling_sum(kept**2, begin, end)
    enough = count >= max(least, 2)
    safe = np.where(enough, count, 2.0)
    variance = np.maximum((squares - total**2 / safe) / (safe - 1), 0.0)
    return np.where(enough, np.sqrt(variance), np.nan)


def standard_scores(values: FloatArray) -> FloatArray:
    """float64[T, N]: values minus their row's mean over its population standard deviation; 0 where all are equal."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    away = values - np.where(known, values, 0).sum(axis=1, keepdims=True) / count
    deviation = np.sqrt(np.where(known, away**2, 0).sum(axis=1, keepdims=True) / count)
    scale = np.abs(np.where(known, values, 0)).max(axis=1, keepdims=True, initial=0)
    # the mean of equal numbers can differ from them in the last bits
    equal = deviation <= 1e-14 * scale
    return np.where(known, np.where(equal, 0, away / np.where(equal, 1, deviation)), np.nan)


def finite_mean(values: FloatArray) -> float:
    """Mean of the finite values; NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def row_means(values: FloatArray) -> FloatArray:
    """float64[T]: mean of each row's finite values, NaN where a row has none."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0))


def first_known(values: FloatArray) -> FloatArray:
    """float64[N]: the first of some rows' values that is none of NaN; NaN where all are. values : float64[T, N]"""
    return np.asarray(values[np.argmax(~np.isnan(values), axis=0), np.arange(values.shape[1])])
