"""All bars of a market as one C-ordered array, symbol after symbol, from which any window is one block.

Shapes: R rows (bars), N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant import schema
from kronos_quant.errors import DataError, listed
from kronos_quant.windows.normalise import stamps

if TYPE_CHECKING:
    from kronos_quant.market import Market


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


def universe_table(market: Market, universe: str) -> tuple[BarTable, pl.DataFrame | None]:
    """The bars of every stock that was ever in `universe`, and its membership intervals (None: `all`, no intervals).

    Raises DataError for an unknown universe and for one without bars.
    """
    membership = market.universe(universe)
    symbols = market.traded_members(membership)
    return bar_table(market.select_bars(symbols), market.sessions()), None if universe == "all" else membership


def bar_table(bars: pl.DataFrame, sessions: Sequence[date]) -> BarTable:
    """Lay `bars` (schema.BARS, sorted by symbol and time) out for window gathering.

    sessions : the market's session dates, ascending; they tell a suspension from a holiday.
    Raises DataError for rows out of order, a bar outside the sessions, or a value that is not finite.
    """
    if bars.is_empty():
        raise DataError("no bars to make windows of", hint="kq doctor")
    runs = bars.select(pl.col("symbol").rle()).unnest("symbol")
    offset = np.append(0, runs["len"].to_numpy().cumsum()).astype(np.int64)
    time = np.array(bars["time"].to_numpy(), dtype="datetime64[us]")
    values = np.ascontiguousarray(bars.select(schema.FEATURES).to_numpy(), dtype=np.float32)
    if not (_is_ordered(runs["value"], offset, time) and np.isfinite(values).all()):
        _check(bars)
    calendar = np.array(sessions, dtype="datetime64[D]")
    session = _positions(bars["date"], calendar)
    new_session = np.ones(bars.height, dtype=np.int32)
    new_session[1:] = session[1:] != session[:-1]
    new_session[offset[1:-1]] = 1
    dates = calendar[session]
    return BarTable(
        symbols=runs["value"].to_list(),
        offset=offset,
        values=values,
        factor=bars["factor"].to_numpy(),
        # where every bar is stamped at 00:00 of its session, the time features are the session's
        stamp=stamps(sessions)[session] if (time == dates).all() else stamps(bars["time"]),
        time=time,
        date=dates,
        session=session,
        own_session=np.cumsum(new_session, dtype=np.int32),
        symbol_id=np.repeat(np.arange(runs.height, dtype=np.int32), np.diff(offset)),
    )


def _is_ordered(symbols: pl.Series, offset: NDArray[np.int64], time: NDArray[np.datetime64]) -> bool:
    """Whether each symbol is one run, the runs ascend by symbol, and the times within a run ascend."""
    later = time[1:] > time[:-1]
    later[offset[1:-1] - 1] = True
    return bool(later.all() and (symbols.head(-1) < symbols.tail(-1)).all())


def _positions(dates: pl.Series, calendar: NDArray[np.datetime64]) -> NDArray[np.int32]:
    """int32[R]: where each date stands in the calendar. Raises DataError for dates outside it."""
    if not len(calendar):
        raise DataError("bars outside the calendar: it has no session")
    place = np.full(int((calendar[-1] - calendar[0]).astype(int)) + 1, -1, dtype=np.int32)
    place[(calendar - calendar[0]).astype(int)] = np.arange(len(calendar), dtype=np.int32)
    day = dates.to_physical().to_numpy() - int(calendar[0].astype(int))
    inside = (day >= 0) & (day < len(place))
    position: NDArray[np.int32] = np.where(inside, place[np.where(inside, day, 0)], -1)
    if position.min() < 0:
        outside = dates.filter(pl.Series(position < 0)).unique().sort()
        raise DataError(f"bars outside the calendar on {listed(outside)}")
    return position


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
        raise DataError(
            f"bars with a missing or infinite value: {listed(places)}", hint="remove these bars; an ingest rejects them"
        )
