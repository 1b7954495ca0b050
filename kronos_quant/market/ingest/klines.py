"""A table of K-lines, from whatever file or library -> the bars of a `BarBatch`.

The usual columns in any order and under their usual names, as text (CSV) or typed (Parquet, Arrow, pandas). Every row
carries its number in the source, so that an error can name place, row, column and value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path

import polars as pl

from kronos_quant.errors import ConfigError, DataError, listed
from kronos_quant.inputs import short_repr
from kronos_quant.market.ingest.columns import (
    LINE,
    as_number,
    check_numbers,
    check_years,
    has_offsets,
    infer_freq,
    match_columns,
    parse_stamps,
)
from kronos_quant.market.sessions import calendar_name, end_times, time_zone
from kronos_quant.market.snapshots import shared_exchange
from kronos_quant.market.store import BarBatch, make_instruments
from kronos_quant.market.symbols import (
    MAINLAND,
    canonical,
    canonical_column,
    find_fault,
    symbol_fault,
    symbol_from_filename,
)
from kronos_quant.schema import BARS, DAILY, NUMBERS, PRICES, UNIVERSES

AMOUNT_POLICIES = ("derive", "zero", "as_is")
"""derive: volume x mean price where it is missing or 0 throughout; zero: 0 everywhere; as_is: as in the source."""

LABELS = ("end", "start")
"""What a bar's stamp marks: its end or its start."""

_TEXTS = (pl.String, pl.Categorical, pl.Enum, pl.Null)
_CODE_DIGITS = 6
_FIRST_YEAR = 1980  # a clock written as a number (103500000) would be a moment of the 1970s


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a source: what the source itself does not contain."""

    symbol: str | None = None
    """Symbol of all rows; None: from a column or the file name."""
    exchange: str = ""
    """ISO code, "" where unknown."""
    amount: str = "derive"
    """One of AMOUNT_POLICIES."""
    labels: str = "end"
    """One of LABELS."""

    def __post_init__(self) -> None:
        if self.symbol is not None:
            fault = symbol_fault(self.symbol) if isinstance(self.symbol, str) else "not a text"
            if fault is not None:
                raise ConfigError(
                    f"symbol: expected a symbol such as SH600000, found {short_repr(self.symbol)} ({fault})"
                )
        check_labels(self.labels)
        if self.amount not in AMOUNT_POLICIES:
            raise ConfigError(f"amount: expected {', '.join(AMOUNT_POLICIES)}, found {self.amount!r}")
        calendar_name(self.exchange)  # an unknown code is rejected before anything is read


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table as in its source, with each row's number in the column LINE."""

    place: str
    """Its name in errors: a path, or "table"."""
    row: str
    """The name of a row in errors: "line" of a text file, "row" of a table."""
    name: Path | None
    """The file whose name may contain the symbol."""
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Klines:
    """The bars of one table: columns symbol, time and the numbers (float64, null is missing)."""

    name: str
    freq: str
    bars: pl.DataFrame
    notes: tuple[str, ...]


def check_labels(labels: str) -> None:
    """Raise ConfigError unless `labels` is one of LABELS."""
    if labels not in LABELS:
        raise ConfigError(f"labels: expected {' or '.join(LABELS)}, found {labels!r}")


def read_klines(table: RawTable, options: ReadOptions) -> Klines:
    """The bars of one table; DataError, with place, row, column and value, for what cannot be read."""
    columns = match_columns(table.place, table.frame.columns)
    frame = _with_clock(table.frame, columns)
    check_numbers(table.place, table.row, frame, columns)
    symbols = _symbols(table, columns.get("symbol"), options)
    exchange = options.exchange or shared_exchange(symbols.unique().to_list())
    stamps = frame[columns["time"]]
    times = _times(table, frame, columns["time"], time_zone(exchange))
    numbers = [
        as_number(columns[name], frame.schema[columns[name]]).alias(name)
        if name in columns
        else pl.lit(None, pl.Float64).alias(name)
        for name in NUMBERS
    ]
    bars = frame.select(symbols.alias("symbol"), times.alias("time"), *numbers)
    bars, notes = _fill_missing(bars, "factor" in columns, options.amount)
    if not exchange and has_offsets(stamps):
        notes.append("times have a UTC offset but the exchange is unknown: kept as written")
    freq = infer_freq(bars.select("symbol", "time"), table.place)
    if options.labels == "start" and freq != DAILY:
        bars = bars.with_columns(end_times(bars["time"], freq, exchange))
        notes.append("bars labelled at their start: stamps moved to their end")
    return Klines(table.name.name if table.name else table.place, freq, bars, tuple(notes))


def to_batch(klines: Sequence[Klines], kind: str, path: Path | None, options: ReadOptions) -> BarBatch:
    """One batch of the bars of several tables; DataError when they differ in frequency."""
    freq = klines[0].freq
    odd = next((other for other in klines if other.freq != freq), None)
    if odd is not None:
        raise DataError(
            f"{path}: expected one frequency, found {freq} in {klines[0].name} and {odd.freq} in {odd.name}",
            hint="Ingest each frequency separately.",
        )
    bars = _with_dates(pl.concat([one.bars for one in klines]), freq)
    notes = Counter(note for one in klines for note in one.notes)
    return BarBatch(
        source=kind,
        path=path,
        freq=freq,
        bars=bars,
        instruments=make_instruments(bars["symbol"].unique().sort().to_list(), options.exchange),
        universes=pl.DataFrame(schema=UNIVERSES),
        sessions=bars["date"].unique().sort().to_list(),
        exchange=options.exchange,
        notes=tuple(
            note if len(klines) == 1 else f"{note} ({count} of {len(klines)} files)" for note, count in notes.items()
        ),
        options=(("labels", options.labels), ("amount", options.amount)),
    )


def _with_clock(frame: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
    """Append a time of day in a column of its own to its date; full time stamps there replace the date column."""
    if "clock" not in columns:
        return frame
    clock = frame[columns["clock"]]
    known = clock.drop_nulls().head(1)
    if known.is_empty():
        return frame
    if parse_stamps(known, None).dt.year().fill_null(0)[0] >= _FIRST_YEAR:
        columns["time"] = columns["clock"]
        return frame
    day = pl.col(columns["time"])
    days = (day.dt.date() if isinstance(frame.schema[columns["time"]], pl.Datetime) else day).cast(pl.String)
    digits = pl.col(columns["clock"]).cast(pl.String).str.strip_chars()
    # 935, 93500 and 093500000 are clocks written as numbers
    for pattern, spelled in ((r"^(\d?\d)(\d{2})$", "$1:$2"), (r"^(\d?\d)(\d{2})(\d{2})(?:\d{3})?$", "$1:$2:$3")):
        digits = digits.str.replace(pattern, spelled)
    return frame.with_columns(pl.concat_str(days, digits, separator=" ").alias(columns["time"]))


def _times(table: RawTable, frame: pl.DataFrame, column: str, zone: str | None) -> pl.Series:
    times = parse_stamps(frame[column], zone)
    if times.null_count():
        row = int(times.is_null().arg_true()[0])
        raise DataError(
            f"{table.place}: {table.row} {frame[LINE][row]}: column {column}: expected a time like 2019/11/26 9:35, "
            f"found {short_repr(frame[column][row])}"
        )
    check_years(f"{table.place}: {table.row}", frame[LINE], frame[column], times)
    return times


def _symbols(table: RawTable, column: str | None, options: ReadOptions) -> pl.Series:
    """The canonical symbol of every row."""
    frame, exchange = table.frame, options.exchange
    if options.symbol is not None:
        named = frame[column].drop_nulls().unique() if column is not None else ()
        if len(named) > 1:
            raise ConfigError(
                f"symbol: {options.symbol!r} would rename every row: column {column} of {table.place} names "
                f"{len(named):,} symbols: {listed(sorted(map(str, named)))}",
                hint="Leave symbol out, or select the rows of one symbol.",
            )
        return pl.Series([canonical(options.symbol, exchange)]).new_from_index(0, len(frame))
    if column is None:
        if table.name is None:
            raise DataError(
                f"{table.place}: no column with the symbol", hint="Add a column `symbol`, or pass symbol=..."
            )
        stem = symbol_from_filename(table.name, exchange)
        if (fault := symbol_fault(stem)) is not None:
            raise DataError(
                f"{table.place}: expected a symbol in the file's name, found {short_repr(stem)} ({fault})",
                hint="Rename the file, name the symbol with --symbol, or add a column `symbol`.",
            )
        return pl.Series([stem]).new_from_index(0, len(frame))
    if not (frame.schema[column].is_integer() or frame.schema[column] in _TEXTS):
        raise DataError(f"{table.place}: column {column}: expected symbols, found the type {frame.schema[column]}")
    names = frame[column].cast(pl.String)
    if frame.schema[column].is_integer() and exchange in MAINLAND:
        names = names.str.zfill(_CODE_DIGITS)  # a number has lost its leading zeros: 1 is 000001
    empty = names.is_null() | (names.str.strip_chars() == "")
    if empty.any():
        row = int(empty.arg_true()[0])
        raise DataError(
            f"{table.place}: {table.row} {frame[LINE][row]}: column {column}: expected a symbol, found an empty cell"
        )
    if (found := find_fault(names)) is not None:
        row, text, fault = found
        raise DataError(
            f"{table.place}: {table.row} {frame[LINE][row]}: column {column}: expected a symbol, "
            f"found {short_repr(text)} ({fault})"
        )
    return canonical_column(names, exchange)


def _fill_missing(bars: pl.DataFrame, has_factor: bool, amount: str) -> tuple[pl.DataFrame, list[str]]:
    """Volume, amount and factor filled in where the source has none, and notes about it."""
    notes = []
    if bars["volume"].is_null().all():
        notes.append("volume missing: volume and amount set to 0")
        bars = bars.with_columns(volume=pl.lit(0.0), amount=pl.lit(0.0))
    elif amount == "zero":
        notes.append("amount set to 0 (--amount zero)")
        bars = bars.with_columns(amount=pl.lit(0.0))
    elif amount == "derive":
        empty = pl.col("amount").fill_null(0.0).eq(0.0).all().over("symbol")
        derived = pl.col("volume") * pl.mean_horizontal(PRICES)
        missing = empty | pl.col("amount").is_null()
        if bars.select(missing.any()).item():
            notes.append("amount missing or 0 throughout: derived as volume x mean price")
        bars = bars.with_columns(amount=pl.when(missing).then(derived).otherwise(pl.col("amount")))
    else:
        notes.append("amount as in the source, missing ones 0 (--amount as_is)")
    return (bars if has_factor else bars.with_columns(factor=pl.lit(1.0))), notes


def _with_dates(bars: pl.DataFrame, freq: str) -> pl.DataFrame:
    """The bars with the session each belongs to, in schema.BARS."""
    if freq == DAILY:
        bars = bars.with_columns(pl.col("time").dt.truncate("1d"))
        date = pl.col("time").dt.date()
    else:
        # an intraday bar that ends at midnight belongs to the day before
        ends_at_midnight = pl.col("time").dt.time() == time()
        date = (pl.col("time") - pl.when(ends_at_midnight).then(timedelta(days=1)).otherwise(timedelta(0))).dt.date()
    return bars.with_columns(date.alias("date")).select(list(BARS)).cast(pl.Schema(BARS))
