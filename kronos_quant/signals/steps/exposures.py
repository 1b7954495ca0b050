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
from kronos_quant.panel.factors import STYLES, style_exposures, style_history
from kronos_quant.panel.matrix import to_matrix

EXPOSURES = STYLES
"""Those that are numbers; industries are groups."""


class Exposures:
    """Measures exposures of symbols at moments of a market.

    dates : the session of each moment, ascending. at_close : whether it has ended by then; of one that goes on nothing
    is known here, and the sessions before it are measured.
    The styles are those of `panel.factors`: momentum is the return from 120 to 20 bars ago, volatility and size are
    those of the last `sessions` bars. NaN where a symbol has too few bars.
    """

    def __init__(self, market: Market, dates: Sequence[date], symbols: Sequence[str], *, at_close: bool = True) -> None:
        self.market, self.dates, self.symbols = market, list(dates), list(symbols)
        self._calendar = market.sessions()
        self._unended = 0 if at_close else 1
        self._measured: dict[int, dict[str, FloatArray]] = {}

    def measured(self, name: str, sessions: int) -> FloatArray:
        """float64[T, N] of one of EXPOSURES."""
        if sessions not in self._measured:
            start, close, amount = self._bars(style_history(sessions))
            calendar = {on: place for place, on in enumerate(self._calendar)}
            ended = np.array([calendar[on] - start - self._unended for on in self.dates])
            styles = style_exposures(close, amount, window=sessions)
            self._measured[sessions] = {
                style: np.where(ended[:, None] >= 0, values[np.maximum(ended, 0)], np.nan)
                for style, values in styles.items()
            }
        return self._measured[sessions][name]

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

    def _bars(self, history: int) -> tuple[int, FloatArray, FloatArray]:
        """The place in the calendar where they begin, and closes and amounts, float64[sessions in between, N]."""
        start = max(self._calendar.index(self.dates[0]) - history - self._unended, 0)
        days = self._calendar[start : self._calendar.index(self.dates[-1]) + 1]
        bars = self.market.bars(self.symbols, start=days[0], end=days[-1])
        daily = bars.group_by("symbol", "date", maintain_order=True).agg(
            pl.col("close").last().cast(pl.Float64), pl.col("amount").cast(pl.Float64).sum()
        )
        close, amount = (to_matrix(daily, name, days, self.symbols) for name in ("close", "amount"))
        return start, close, amount
