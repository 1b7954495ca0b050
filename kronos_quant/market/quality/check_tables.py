"""The tables that a check can read: the bars, and what is known about them.

    incoming     the batch of an ingest, or all stored bars in `kq check`: `row` (its number, ascending by symbol and
                 time) and schema.BARS as in the source (raw price = price / factor); missing values are NULL
    steps        incoming with `number`, the bar's number within its symbol from 0, and the fields of the bar before it:
                 previous_date, previous_time, previous_open ... previous_factor, NULL for a symbol's first bar
    sessions     `date` and `number` of every session from the first bar to the last: the exchange's; where the exchange
                 is unknown, and beyond its calendar, the source's
    hours        `date`, `open`, `close`: the parts of the exchange's sessions (a lunch break makes two), in its local
                 time; empty for daily bars and for an unknown exchange
    instruments  schema.INSTRUMENTS of the symbols in incoming; first_date and last_date NULL where unknown; `traded`:
                 whether any bar of the symbol has a volume
    limits       `prefix`, `board`, `since`, `until`, `fraction`: maximum move of a price from the previous close, by
                 the first characters of a symbol; `until` is exclusive, NULL for the limit in force
    newcomers    `prefix`, `board`, `since`, `until`, `sessions`: number of first sessions without a limit, for shares
                 listed in the period
    ticks        `prefix`, `board`, `tick`: the tick size, by the first characters of a symbol
    contradicted `symbol` and `time` of the bars that another field of their source contradicts

Checks with severity warning run on the bars that passed all checks with severity error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from itertools import zip_longest

import numpy as np
import polars as pl
import pyarrow as pa

from kronos_quant.check_sql import ROW
from kronos_quant.market.calendars import TradingCalendar, exchange_calendar
from kronos_quant.market.exchanges.boards import BOARDS
from kronos_quant.market.exchanges.tables import Board, ListingStart, PriceLimit
from kronos_quant.market.sessions import calendar_name
from kronos_quant.market.symbols import exchange_of, kind_of
from kronos_quant.schema import BARS, DAILY, INSTRUMENTS

_Rows = Sequence[PriceLimit | ListingStart]
_MAINLAND_CALENDAR = "XSHG"
_NUMBER = "number"
CONTRADICTED: dict[str, pl.DataType] = {"symbol": pl.String(), "time": pl.Datetime("us")}
_PERIOD: dict[str, pl.DataType] = {"prefix": pl.String(), "board": pl.String(), "since": pl.Date(), "until": pl.Date()}


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What is known about the bars of a check."""

    freq: str
    exchange: str = ""
    """ISO code as the user set it; "": inferred from the symbols."""
    sessions: Sequence[date] = ()
    """Of the source; empty: the dates of the bars."""
    instruments: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=INSTRUMENTS))
    """schema.INSTRUMENTS, some of the symbols or all."""
    contradicted: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONTRADICTED))
    calendar: TradingCalendar | None = None
    """Published with the bars; None: that of exchange_calendars."""


_VIEWS = pl.CompatLevel.newest()
"""Texts go to Arrow as they lie in memory."""


def context_from_bars(bars: pl.DataFrame) -> CheckContext:
    """What the bars alone show: daily bars are stamped 00:00."""
    midnight = pl.col("time").dt.time() == time()
    daily = bars.select(midnight.all()).item()
    return CheckContext(DAILY if daily else "")


def sort_bars(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars by (symbol, time), stable; as they are where they lie so, which is far cheaper to see than to sort."""
    symbol, end = pl.col("symbol"), pl.col("time")
    later = (symbol > symbol.shift()) | ((symbol == symbol.shift()) & (end >= end.shift()))
    if bars.select(later.slice(1).fill_null(False).all()).item():
        return bars
    return bars.sort("symbol", "time", maintain_order=True)


def number_rows(bars: pl.DataFrame) -> pl.DataFrame:
    """The bars sorted by (symbol, time), stable, with their number in a column `row`."""
    return sort_bars(bars).with_row_index(ROW)


def check_tables(numbered: pl.DataFrame, around: CheckContext) -> dict[str, pa.Table]:
    """The tables behind what checks read (with `check_views`), of `number_rows`; as Arrow, the bars not copied."""
    runs = _runs(numbered)
    instruments = _instruments(runs.filter(pl.col("symbol").is_not_null()), around)
    name = _calendar(instruments)
    calendar = around.calendar if around.calendar and around.calendar.name == name else exchange_calendar(name)
    dates = numbered["date"].drop_nulls()
    sessions = _sessions(dates, around, calendar)
    bars = numbered.with_columns(_numbers(runs["bars"]), pl.col("volume", "amount").fill_null(0.0))
    tables = {
        "sessions": sessions,
        "hours": _hours(sessions, around.freq == DAILY, calendar),
        "instruments": instruments,
        "limits": _periods(name, lambda board: board.limits, "fraction", pl.Float64()),
        "newcomers": _periods(name, lambda board: board.starts, "sessions", pl.Int64()),
        "ticks": _ticks(name),
        "contradicted": around.contradicted.cast(pl.Schema(CONTRADICTED)),
    }
    return {"steps": _with_previous(bars)} | {name: frame.to_arrow() for name, frame in tables.items()}


def check_views() -> dict[str, str]:
    """The SELECTs of the views over `check_tables`."""
    return {"incoming": f"SELECT {ROW}, {', '.join(BARS)} FROM steps"}  # noqa: S608 (ours)


def _with_previous(bars: pl.DataFrame) -> pa.Table:
    """The table `steps`: what is of the bar before is the same memory, read one place later."""
    columns = {name: bars[name].to_arrow(compat_level=_VIEWS) for name in bars.columns}
    rows = max(0, len(bars) - 1)
    follows = bars[_NUMBER].to_numpy()[1:] > 0
    for name in BARS:
        if name == "symbol":
            continue
        before = columns[name].slice(0, rows)
        valid = np.zeros(before.offset + rows, bool)
        valid[before.offset :] = follows & before.is_valid().to_numpy(zero_copy_only=False)
        buffers = [pa.py_buffer(np.packbits(valid, bitorder="little")), before.buffers()[1]]
        shifted = pa.Array.from_buffers(before.type, rows, buffers, offset=before.offset)
        columns[f"previous_{name}"] = pa.chunked_array([pa.nulls(len(bars) - rows, before.type), shifted])
    return pa.table(columns)


def _runs(numbered: pl.DataFrame) -> pl.DataFrame:
    """symbol, bars (their number), traded (whether any has a volume), in order; each symbol is in one piece."""
    runs = numbered["symbol"].rle().struct.unnest().select(symbol="value", bars="len")
    starts = runs["bars"].cum_sum() - runs["bars"]
    volumes = (numbered["volume"] > 0).fill_null(False).to_numpy()
    traded = np.logical_or.reduceat(volumes, starts.to_numpy()) if len(runs) else volumes
    return runs.with_columns(traded=traded)


def _numbers(lengths: pl.Series) -> pl.Series:
    """Each bar's number within its symbol. lengths : bars of each symbol"""
    ends = lengths.cum_sum().to_numpy().astype(np.uint32)
    starts = np.repeat(ends - lengths.to_numpy(), lengths.to_numpy())
    return pl.Series(_NUMBER, np.arange(len(starts), dtype=np.uint32) - starts)


def _instruments(runs: pl.DataFrame, around: CheckContext) -> pl.DataFrame:
    """schema.INSTRUMENTS and `traded` of the symbols of `_runs`; what is unknown is inferred from their spelling."""
    names = runs["symbol"].to_list()
    spelled = pl.DataFrame(
        {
            "symbol": names,
            "traded": runs["traded"],
            "own_exchange": [exchange_of(symbol, around.exchange) for symbol in names],
            "own_kind": [kind_of(symbol) for symbol in names],
        },
        schema={"symbol": pl.String, "traded": pl.Boolean, "own_exchange": pl.String, "own_kind": pl.String},
    )
    given = around.instruments.select(pl.col(name).cast(dtype) for name, dtype in INSTRUMENTS.items())
    return spelled.join(given, on="symbol", how="left", maintain_order="left").select(
        "symbol",
        pl.when(pl.col("exchange") != "").then("exchange").otherwise("own_exchange").alias("exchange"),
        pl.coalesce("kind", "own_kind").alias("kind"),
        "first_date",
        "last_date",
        "traded",
    )


def _calendar(instruments: pl.DataFrame) -> str:
    """The exchange whose calendar all stocks follow, "" where they follow several or it is unknown."""
    stocks = instruments.filter(pl.col("kind") != "index")
    exchanges = (stocks if len(stocks) else instruments)["exchange"].unique().to_list()
    calendars = {calendar_name(exchange) for exchange in exchanges}
    return (calendars.pop() or "") if len(calendars) == 1 else ""


def _sessions(dates: pl.Series, around: CheckContext, calendar: TradingCalendar | None) -> pl.DataFrame:
    found = {*around.sessions, *(() if around.sessions else dates.unique())}
    first, last = dates.min(), dates.max()
    if calendar is not None and calendar.dates and isinstance(first, date) and isinstance(last, date):
        begin, end = calendar.dates[0], calendar.dates[-1]
        own = {session for session in found if not begin <= session <= end or session in calendar.estimated}
        found = own | (set(calendar.between(first, last)) - calendar.estimated)
    return pl.DataFrame({"date": sorted(found)}, {"date": pl.Date}).with_row_index(_NUMBER)


def _hours(sessions: pl.DataFrame, daily: bool, calendar: TradingCalendar | None) -> pl.DataFrame:
    """(date, open, close) of the parts of the sessions in the calendar."""
    if daily or calendar is None or sessions.is_empty():
        return pl.DataFrame(schema={"date": pl.Date, "open": pl.Datetime("us"), "close": pl.Datetime("us")})
    parts = calendar.parts(sessions["date"][0], sessions["date"][-1])
    return parts.select(pl.col("open").dt.date().alias("date"), "open", "close")


def _periods(calendar: str, rows_of: Callable[[Board], _Rows], column: str, dtype: pl.DataType) -> pl.DataFrame:
    """A row per prefix and dated row of each board, with its first day, end (exclusive) and `column`."""
    rows = [
        (prefix, board.name, row.since, later.since if later else None, getattr(row, column))
        for board in _boards(calendar)
        for row, later in zip_longest(rows_of(board), rows_of(board)[1:])
        for prefix in board.prefixes
    ]
    return pl.DataFrame(rows, schema=_PERIOD | {column: dtype}, orient="row")


def _ticks(calendar: str) -> pl.DataFrame:
    """The tick sizes, a row per prefix."""
    rows = [(prefix, board.name, board.tick) for board in _boards(calendar) for prefix in board.prefixes]
    return pl.DataFrame(rows, schema={"prefix": pl.String, "board": pl.String, "tick": pl.Float64}, orient="row")


def _boards(calendar: str) -> tuple[Board, ...]:
    """The boards of the mainland, none on another exchange."""
    return BOARDS if calendar in ("", _MAINLAND_CALENDAR) else ()
