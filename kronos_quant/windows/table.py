"""All bars of a market as one C-ordered array, symbol after symbol, from which any window is one block.

Shapes: R rows (bars), N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant import schema
from kronos_quant.errors import DataError, listed
from kronos_quant.windows.stamps import stamps


@dataclass(frozen=True, slots=True)
class BarTable:
    """Bars sorted by (symbol, time); `offset[i]:offset[i + 1]` are the rows of `symbols[i]`."""

    symbols: list[str]
    offset: NDArray[np.int64]  # [N + 1]
    values: NDArray[np.float32]  # [R, 6], C-ordered, in the order of schema.FEATURES
    factor: NDArray[np.float32]  # [R], raw price = price / factor
    stamp: NDArray[np.int16]  # [R, 5]
    time: NDArray[np.datetime64]  # [R], microseconds
    date: NDArray[np.datetime64]  # [R], days
    session: NDArray[np.int32]  # [R], position of the bar's session in the calendar
    own_session: NDArray[np.int32]  # [R], the same counted over the sessions that the symbol has bars in
    symbol_id: NDArray[np.int32]  # [R]

    @property
    def rows(self) -> int:
        """Number of bars."""
        return len(self.values)


def bar_table(bars: pl.DataFrame, sessions: Sequence[date]) -> BarTable:
    """Lay `bars` (schema.BARS, sorted by symbol and time) out for window gathering.

    sessions : the market's session dates, ascending; they tell a suspension from a holiday.
    Raises DataError for rows out of order, a bar outside the sessions, or a value that is not finite.
    """
    if bars.is_empty():
        raise DataError("no bars to make windows of", hint="kq doctor shows what the workspace holds")
    _check(bars)
    runs = bars.select(pl.col("symbol").rle()).unnest("symbol")
    offset = np.append(0, runs["len"].to_numpy().cumsum()).astype(np.int64)
    dates = bars["date"].to_numpy().astype("datetime64[D]")
    calendar = np.array(sessions, dtype="datetime64[D]")
    session = np.searchsorted(calendar, dates)
    outside = (session >= len(calendar)) | (calendar[np.minimum(session, len(calendar) - 1)] != dates)
    if outside.any():
        raise DataError(f"bars outside the calendar on {listed(np.unique(dates[outside]))}")
    new_session = np.ones(bars.height, dtype=np.int32)
    new_session[1:] = dates[1:] != dates[:-1]
    values = np.ascontiguousarray(bars.select(schema.FEATURES).to_numpy(), dtype=np.float32)
    return BarTable(
        symbols=runs["value"].to_list(),
        offset=offset,
        values=values,
        factor=bars["factor"].to_numpy(),
        stamp=stamps(bars["time"]),
        time=bars["time"].to_numpy().astype("datetime64[us]"),
        date=dates,
        session=session.astype(np.int32),
        own_session=np.cumsum(new_session, dtype=np.int32),
        symbol_id=np.repeat(np.arange(runs.height, dtype=np.int32), np.diff(offset)),
    )


def _check(bars: pl.DataFrame) -> None:
    order = bars.select(
        ((pl.col("symbol") == pl.col("symbol").shift()) & (pl.col("time") <= pl.col("time").shift())).alias("back"),
        (pl.col("symbol") < pl.col("symbol").shift()).alias("mixed"),
    ).with_row_index()
    wrong = order.filter(pl.col("back") | pl.col("mixed"))
    if not wrong.is_empty():
        row = bars.row(wrong["index"][0], named=True)
        raise DataError(f"bars must be sorted by symbol and time, each once: {row['symbol']} at {row['time']}")
    bad = bars.filter(~pl.all_horizontal(pl.col(name).is_finite().fill_null(False) for name in schema.FEATURES))
    if not bad.is_empty():
        places = [f"{symbol} {time}" for symbol, time in bad.select("symbol", "time").rows()]
        raise DataError(f"bars with a missing or infinite value: {listed(places)}", hint="kq ingest rejects such bars")
