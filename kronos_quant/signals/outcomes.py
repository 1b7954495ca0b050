"""What became of forecasts: the returns that followed. Shapes: T moments, N symbols, M bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.market import Market
from kronos_quant.signals.moments import Moments


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Closes from the first of some moments on, to measure from each what came after it."""

    close: NDArray[np.float64]  # [M, N], NaN where a symbol has no bar
    bar: NDArray[np.int64]  # [T], row of each moment; negative where no bar ends at it

    def returns(self, ahead: int) -> NDArray[np.float64]:
        """float64[T, N]: from each moment to the bar `ahead` bars of the market later.

        NaN where the symbol lacks either bar, or the later one is not there yet.
        """
        later = self.bar + ahead
        known = (self.bar >= 0) & (later < len(self.close))
        returns = np.full((len(self.bar), self.close.shape[1]), np.nan)
        returns[known] = self.close[later[known]] / self.close[self.bar[known]] - 1
        return returns


def realised_outcomes(market: Market, moments: Moments, symbols: Sequence[str]) -> Outcomes:
    """The outcomes of forecasts that were made at some moments."""
    start = moments.date[0]
    times = market.times().filter(pl.col("date") >= start).select("time").with_row_index("row")
    bars = market.bars(symbols, start=start).select("symbol", "time", "close").join(times, on="time")
    column = pl.DataFrame({"symbol": list(symbols)}).with_row_index("column")
    placed = bars.join(column, on="symbol")
    close = np.full((times.height, len(symbols)), np.nan)
    close[placed["row"].to_numpy(), placed["column"].to_numpy()] = placed["close"].cast(pl.Float64).to_numpy()
    skipped = market.times().height - times.height
    return Outcomes(close, np.where(moments.exact, moments.bar - skipped, -1))
