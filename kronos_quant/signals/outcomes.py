"""What became of forecasts: the returns that followed. Shapes: T sessions, N symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.market import Market


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Realised returns of forecasts made at the close of each session.

    returns : float64[T, N] from the session's last bar to the bar `horizon` bars later; NaN where the symbol lacks
    either, or the later one is not there yet. sessions_ahead : after so many sessions every one of them is known.
    """

    returns: NDArray[np.float64]
    sessions_ahead: int


def realised_outcomes(market: Market, sessions: Sequence[date], symbols: Sequence[str], horizon: int) -> Outcomes:
    """The outcomes of forecasts of `horizon` bars made on consecutive `sessions`."""
    bars = market.bars(symbols, start=sessions[0]).select("symbol", "date", "time", "close")
    times = bars.select("date", "time").unique().sort("time").with_row_index("bar")
    last_bar = times.group_by("date").agg(pl.col("bar").max()).sort("date")
    row = {on: i for i, on in enumerate(sessions)}
    own = last_bar.filter(pl.col("date").is_in(sessions))
    later = own.with_columns(pl.col("bar") + horizon).join(times, on="bar")
    column = {symbol: i for i, symbol in enumerate(symbols)}

    def wide(at: pl.DataFrame) -> NDArray[np.float64]:
        """float64[T, N]: the closes of the bars at (date of the forecast, time)."""
        closes = np.full((len(sessions), len(symbols)), np.nan)
        found = at.join(bars.select("symbol", "time", "close"), on="time")
        place = ([row[on] for on in found["date"]], [column[symbol] for symbol in found["symbol"]])
        closes[place] = found["close"].cast(pl.Float64).to_numpy()
        return closes

    now = own.join(times.select("bar", "time"), on="bar").select("date", "time")
    calendar = {on: i for i, on in enumerate(market.sessions())}
    ahead = [calendar[then] - calendar[on] for on, then in later.select("date", "date_right").iter_rows()]
    returns = wide(later.select("date", "time")) / wide(now) - 1
    return Outcomes(returns, max(ahead, default=horizon))
