"""What a score may be exposed to, measured on bars up to its moment.

Shapes: T moments, N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.arrays import FloatArray
from kronos_quant.errors import DataError
from kronos_quant.market import Market

EXPOSURES = ("volatility", "momentum", "size")
"""Those that are numbers; industries are groups."""
_LEAST_SHARE = 0.5
"""Of the sessions looked back over, at least this share must have bars."""


class Exposures:
    """Measures exposures of symbols at moments of a market.

    dates : the session of each moment, ascending. at_close : whether it has ended by then; of one that goes on nothing
    is known here, and the sessions before it are measured.
    volatility : standard deviation of the daily log returns of the last `sessions` sessions.
    momentum : log return over them.
    size : log of the mean amount traded a session over them (the bars know no shares outstanding).
    A symbol suspended on more than half of them, or whose amounts are unknown, has no exposure (NaN).
    """

    def __init__(self, market: Market, dates: Sequence[date], symbols: Sequence[str], *, at_close: bool = True) -> None:
        self.market, self.dates, self.symbols = market, list(dates), list(symbols)
        self._calendar = market.sessions()
        self._unended = 0 if at_close else 1
        self._wide: dict[int, tuple[int, FloatArray, FloatArray]] = {}

    def measured(self, name: str, sessions: int) -> FloatArray:
        """float64[T, N] of one of EXPOSURES."""
        start, close, amount = self._bars(sessions)
        calendar = {on: place for place, on in enumerate(self._calendar)}
        ended = [calendar[on] - start - self._unended for on in self.dates]
        logs = np.log(close)
        measured = np.full((len(self.dates), len(self.symbols)), np.nan)
        for t, row in enumerate(ended):
            if row < 0:
                continue
            first = max(row - sessions, 0)
            enough = np.isfinite(close[first + 1 : row + 1]).sum(axis=0) >= max(_LEAST_SHARE * sessions, 2)
            if name == "size":
                traded = np.nan_to_num(amount[first + 1 : row + 1]).sum(axis=0)
                value = np.log(np.where(enough & (traded > 0), traded / sessions, np.nan))
            elif name == "volatility":
                value = _deviation(np.diff(logs[first : row + 1], axis=0), enough)
            else:
                value = np.where(enough, _last(logs[first : row + 1]) - _last(logs[first : row + 1][::-1]), np.nan)
            measured[t] = value
        return measured

    def industries(self) -> NDArray[np.int64]:
        """int64[T, N]: the number of each symbol's industry on each date; one more for those without any.

        Raises DataError where no industries were ingested.
        """
        spans = self.market.intervals("industry")
        if spans.is_empty():
            raise DataError(
                "neutralise: industry: no industries are in the market",
                hint="kq ingest intervals --kind industry, or leave it out of the recipe",
            )
        number = {name: i for i, name in enumerate(spans["value"].unique().sort(), start=1)}
        groups = np.zeros((len(self.dates), len(self.symbols)), dtype=np.int64)
        days = np.array(self.dates, dtype="datetime64[D]")
        column = {symbol: i for i, symbol in enumerate(self.symbols)}
        for symbol, start, end, value in spans.select("symbol", "start", "end", "value").iter_rows():
            if symbol in column:
                inside = (days >= np.datetime64(start)) & (days <= np.datetime64(end))
                groups[inside, column[symbol]] = number[value]
        return groups

    def _bars(self, sessions: int) -> tuple[int, FloatArray, FloatArray]:
        """The place in the calendar where they begin, and closes and amounts, float64[sessions in between, N]."""
        if sessions not in self._wide:
            start = max(self._calendar.index(self.dates[0]) - sessions - self._unended, 0)
            days = self._calendar[start : self._calendar.index(self.dates[-1]) + 1]
            bars = self.market.bars(self.symbols, start=days[0], end=days[-1])
            daily = bars.group_by("symbol", "date", maintain_order=True).agg(
                pl.col("close").last().cast(pl.Float64), pl.col("amount").cast(pl.Float64).sum()
            )
            row = {on: i for i, on in enumerate(days)}
            column = {symbol: i for i, symbol in enumerate(self.symbols)}
            close, amount = (np.full((len(days), len(self.symbols)), np.nan) for _ in range(2))
            at = ([row[on] for on in daily["date"]], [column[symbol] for symbol in daily["symbol"]])
            close[at], amount[at] = daily["close"].to_numpy(), daily["amount"].to_numpy()
            self._wide[sessions] = (start, close, amount)
        return self._wide[sessions]


def _deviation(returns: FloatArray, enough: NDArray[np.bool_]) -> FloatArray:
    """float64[N]: sample standard deviation of the finite returns of each column; NaN where there are not enough."""
    known = np.isfinite(returns)
    count = known.sum(axis=0)
    mean = np.where(known, returns, 0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(known, (returns - mean) ** 2, 0).sum(axis=0)
    return np.where(enough & (count > 1), np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def _last(values: FloatArray) -> FloatArray:
    """float64[N]: the last finite value of each column, NaN where there is none."""
    known = np.isfinite(values)
    place = len(values) - 1 - known[::-1].argmax(axis=0)
    return np.where(known.any(axis=0), values[place, np.arange(values.shape[1])], np.nan)
