"""A table of real bars -> the series to forecast: checked bars, and when the next ones end.

Columns, stamps and numbers are read as `kq ingest` reads them (`market.ingest`). What a table may hold, and what
becomes of it:

    rows in any order                         sorted by symbol and time
    the same row twice                        kept once, noted
    two different rows for one time           DataError
    a row without any price (a suspension)    left out, noted
    a row whose values an ingest would reject (missing or impossible ones)     DataError
    no volume in the table                    volume and amount are 0
    no volume in a row                        0 there, noted
    no amount, or 0 throughout a symbol       volume x mean price
    a suspended session                       left out, noted (`market.suspensions`)
    fewer than 2 bars of a symbol             DataError
    bars a week or longer                     DataError
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from kronos_quant.errors import DataError, listed
from kronos_quant.inputs import Table, as_frame, as_text, short_repr
from kronos_quant.market.calendars import RECENT_SESSIONS, FutureTimes, RecentBars, next_times
from kronos_quant.market.dialects.names import FIELDS, find_columns
from kronos_quant.market.ingest.columns import check_years, infer_freq
from kronos_quant.market.ingest.klines import ReadOptions
from kronos_quant.market.ingest.tables import read_tables
from kronos_quant.market.quality.checks import require_valid_bars
from kronos_quant.market.suspensions import split_suspended, suspended_note
from kronos_quant.market.symbols import canonical, exchange_of, find_fault
from kronos_quant.schema import BARS, DAILY, FEATURES, PRICES

LEAST_BARS = 2
"""One bar has no spread to measure its successors by."""

UNNAMED = "SERIES"
"""Name of the one symbol of a table without a symbol column."""

_PLACE = "bars"
_ROW = "row"


@dataclass(frozen=True, slots=True)
class BarSeries:
    """Bars in schema.BARS, sorted, each complete, at least LEAST_BARS of each symbol."""

    bars: pl.DataFrame
    notes: tuple[str, ...]
    """What was done to the rows of the table, in words."""


def read_rows(bars: Table, symbol: str | None = None, exchange: str = "") -> pl.DataFrame:
    """The rows of a table in schema.BARS, before any check of their numbers.

    bars : Polars, pandas or Arrow; schema.BARS as `Market.bars` gives them are taken as they are. symbol : the one
    whose rows are kept, or of all rows, where no column names it. exchange : ISO code, "" where the symbols tell it or
    it is unknown. Raises DataError for a table that cannot be read, and where no row is of `symbol`.
    """
    frame = as_frame(bars, _PLACE)
    if frame.is_empty():
        raise DataError(f"{_PLACE}: expected bars, found an empty table")
    named = bool(find_columns(frame.columns, FIELDS["symbol"]))
    name = None if symbol is None else as_text(symbol, "symbol")
    if frame.schema != pl.Schema(BARS):
        frame = read_tables(frame, ReadOptions(None if named else name or UNNAMED, exchange)).bars
    else:
        _check_stored(frame)
    if name is None or not named:
        return frame
    chosen = frame.filter(pl.col("symbol").is_in([name, canonical(name, exchange)]))
    if chosen.is_empty():
        known = frame["symbol"].unique().sort()
        raise DataError(f"{_PLACE}: no row of symbol {name!r}: found {listed(known)}")
    return chosen


def _check_stored(frame: pl.DataFrame) -> None:
    """What a reader checks of other tables: that rows have a symbol, and a time of an age with bars."""
    numbers = pl.Series(range(1, frame.height + 1))
    empty = frame.select(pl.any_horizontal(pl.col("symbol", "date", "time").is_null())).to_series()
    if empty.any():
        raise DataError(f"{_PLACE}: row {numbers.filter(empty)[0]}: expected a symbol, a date and a time")
    if (found := find_fault(frame["symbol"])) is not None:
        row, text, fault = found
        raise DataError(f"{_PLACE}: row {row + 1}: expected a symbol, found {short_repr(text)} ({fault})")
    check_years(f"{_PLACE}: row", numbers, frame["time"], frame["time"])


def times_after(series: BarSeries, count: int, exchange: str = "") -> dict[str, FutureTimes]:
    """Symbol -> the end stamps of the `count` bars after its last one, ascending by symbol.

    exchange : ISO code; "" takes the one that a symbol's spelling tells. Where neither is known, the symbol's own
    recent weekdays and times of day are continued, and all stamps are flagged as estimated. Only the symbol's own bars
    are used, so that its forecast does not depend on what else is in the table.
    """
    freq = infer_freq(series.bars.select("symbol", "time"), _PLACE)
    scheduled: dict[tuple[str, datetime], FutureTimes] = {}
    ahead = {}
    for (symbol,), own in series.bars.select("symbol", "time").group_by("symbol", maintain_order=True):
        times, known = own["time"], exchange or exchange_of(str(symbol))
        if not known:
            ahead[str(symbol)] = _recent_bars(times, freq).next_times(times[-1], count, freq)
            continue
        key = (known, times[-1])
        if key not in scheduled:
            scheduled[key] = next_times(times[-1], count, freq, known)
        ahead[str(symbol)] = scheduled[key]
    return ahead


def _recent_bars(times: pl.Series, freq: str) -> RecentBars:
    """The recent days of a series, and the times of day at which its bars ended on them."""
    # a bar that ends at midnight belongs to the day before
    ends = times if freq == DAILY else times - timedelta(microseconds=1)
    days = ends.dt.date().unique().sort().tail(RECENT_SESSIONS)
    stamps = times.filter(ends.dt.date() >= days[0]).dt.time().unique().sort()
    return RecentBars(days.to_list(), stamps.to_list())


def check_series(rows: pl.DataFrame) -> BarSeries:
    """Rows in schema.BARS as series, after every check and rule of the module's docstring.

    Raises DataError, naming symbol and row (counted from 1), for what cannot be forecast.
    """
    notes: list[str] = []
    frame = rows.with_row_index(_ROW, offset=1).with_columns(pl.col(FEATURES).fill_nan(None))
    priced = frame.filter(~pl.all_horizontal(pl.col(PRICES).is_null()))
    if left_out := frame.height - priced.height:
        notes.append(f"{left_out} rows without prices left out")
    require_valid_bars(priced, _PLACE)
    without = priced.select((pl.col("volume").is_null() | pl.col("amount").is_null()).sum()).item()
    if without:
        notes.append(f"volume or amount missing in {without} rows: taken as 0")
    whole = priced.with_columns(pl.col("volume", "amount").fill_null(0.0))
    ordered = whole.sort("symbol", "time", maintain_order=True)
    if not ordered[_ROW].is_sorted():
        notes.append("rows were not in the order of symbol and time: sorted")
    distinct = ordered.unique(subset=["symbol", "time", *FEATURES], maintain_order=True)
    if repeated := ordered.height - distinct.height:
        notes.append(f"{repeated} rows repeat another: kept once")
    _check_repeated(distinct)
    traded, suspended = split_suspended(distinct)
    notes += suspended_note(suspended)
    _check_lengths(frame, traded)
    return BarSeries(traded.drop(_ROW), tuple(notes))


def _check_repeated(rows: pl.DataFrame) -> None:
    twice = rows.filter(pl.struct("symbol", "time").is_duplicated())
    if twice.is_empty():
        return
    symbol, time = twice.select("symbol", "time").row(0)
    numbers = twice.filter((pl.col("symbol") == symbol) & (pl.col("time") == time))[_ROW].sort()
    raise DataError(
        f"{symbol}: {numbers.len()} different bars for one time ({time}): rows {listed(numbers)}",
        hint="keep one of them",
    )


def _check_lengths(rows: pl.DataFrame, kept: pl.DataFrame) -> None:
    counts = rows.select(pl.col("symbol").unique()).join(kept.group_by("symbol").len(), on="symbol", how="left")
    short = counts.with_columns(pl.col("len").fill_null(0)).filter(pl.col("len") < LEAST_BARS).sort("symbol")
    if short.is_empty():
        return
    symbol, found = short.row(0)
    row = rows.filter(pl.col("symbol") == symbol)[_ROW][0]
    raise DataError(
        f"{symbol}: expected at least {LEAST_BARS} bars with prices, found {found} (row {row})"
        + (f"; too short as well: {listed(short['symbol'][1:])}" if short.height > 1 else ""),
        hint="give more of its history, or leave the symbol out",
    )
