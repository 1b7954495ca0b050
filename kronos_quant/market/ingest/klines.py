"""A table of K-lines, from whatever file or library -> the bars of a `BarBatch`.

The usual columns in any order and under the names that vendors use, as text (CSV) or typed (Parquet, Arrow, pandas).
Every row carries its number in the source, so that an error can name place, row, column and value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from pathlib import Path

import polars as pl

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.inputs import short_repr
from kronos_quant.market.dialects.cells import has_cell_units, has_decimal_comma, usual_stamps
from kronos_quant.market.dialects.layout import (
    AUTO,
    BAR_FIELDS,
    Layout,
    basis_of_path,
    flatten,
    flatten_frame,
    market_of,
    stem_of,
    understand,
    with_text,
)
from kronos_quant.market.dialects.texts import LINE, TextTable
from kronos_quant.market.dialects.units import Units
from kronos_quant.market.dialects.vendors import UNKNOWN, dialect_named
from kronos_quant.market.ingest.columns import check_years, has_offsets, infer_freq, parse_stamps, read_numbers
from kronos_quant.market.ingest.meaning import check_units, interpret, unit_options
from kronos_quant.market.ingest.spellings import read_symbols, settle_bare_codes
from kronos_quant.market.readings import SourceReading, place_name
from kronos_quant.market.sessions import calendar_name, end_times, time_zone
from kronos_quant.market.snapshots import shared_exchange
from kronos_quant.market.store import BarBatch, make_instruments
from kronos_quant.market.suspensions import PAUSED
from kronos_quant.market.symbols import symbol_fault
from kronos_quant.schema import BARS, DAILY, NUMBERS, PRICES, UNIVERSES

AMOUNT_POLICIES = ("derive", "zero", "as_is")
"""derive: volume x mean price where it is missing or 0 throughout; zero: 0 everywhere; as_is: as in the source."""

LABELS = ("end", "start")
"""What a bar's stamp marks: its end or its start."""

_FIRST_YEAR = 1980  # a clock written as a number (103500000) would be a moment of the 1970s
_SAMPLE = 400  # cells of the prices in which a decimal comma is looked for


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a source: what the source itself does not contain."""

    symbol: str | None = None
    """Symbol of all rows; None: from a column or the file name."""
    exchange: str = ""
    """ISO code, "" where unknown."""
    amount: str = "derive"
    """One of AMOUNT_POLICIES."""
    labels: str = AUTO
    """One of LABELS, or AUTO: as the dialect says, else the end."""
    dialect: str = AUTO
    """A name of `dialects.vendors.DIALECTS`; AUTO: recognised."""
    volume_unit: str = AUTO
    """A name of VOLUME_NAMES; AUTO: told by the file."""
    amount_unit: str = AUTO
    """A name of AMOUNT_NAMES; AUTO: told by the file."""
    day_first: bool | None = None
    """Whether 05/06/2024 is in June; None: as the file shows."""

    def __post_init__(self) -> None:
        if self.symbol is not None:
            fault = symbol_fault(self.symbol) if isinstance(self.symbol, str) else "not a text"
            if fault is not None:
                raise ConfigError(
                    f"symbol: expected a symbol such as SH600000, found {short_repr(self.symbol)} ({fault})"
                )
        if self.labels != AUTO:
            check_labels(self.labels)
        if self.amount not in AMOUNT_POLICIES:
            raise ConfigError(f"amount: expected {', '.join(AMOUNT_POLICIES)}, found {self.amount!r}")
        if self.dialect != AUTO:
            dialect_named(self.dialect)
        check_units(self.volume_unit, self.amount_unit)
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
    text: TextTable | None = None
    """The text that the frame was read from."""


@dataclass(frozen=True, slots=True)
class Klines:
    """The bars of one table: columns symbol, time and the numbers (float64, null is missing)."""

    name: str
    place: Path | None
    """The file; None: a table in memory."""
    freq: str
    bars: pl.DataFrame
    notes: tuple[str, ...]
    layout: Layout
    labels: str = "end"
    basis: str = UNKNOWN
    has_factor: bool = False
    units: tuple[Units, ...] = ()
    """Of the source, each once."""
    paused: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PAUSED))

    def facts(self) -> dict[str, str]:
        """How the source was read, as recorded with the ingest."""
        counted_in = [dict(unit_options(units)) for units in self.units]
        return {
            "labels": self.labels,
            "dialect": self.layout.dialect.name,
            **(counted_in[0] if len(counted_in) == 1 else dict.fromkeys(counted_in[0], "several")),
            "prices": self.basis,
        }


def check_labels(labels: str) -> None:
    """Raise ConfigError unless `labels` is one of LABELS."""
    if labels not in LABELS:
        raise ConfigError(f"labels: expected {' or '.join(LABELS)}, found {labels!r}")


def read_klines(table: RawTable, options: ReadOptions, factors: pl.DataFrame | None = None) -> Klines:
    """The bars of one table.

    Parameters
    ----------
    table, options
        The rows, and what they do not contain.
    factors
        Factors of other files (`dialects.factors.FACTORS`), for raw prices.

    Raises
    ------
    DataError
        With place, row, column and value, for what cannot be read.
    """
    frame, layout = understand_table(table, options)
    place, file = table.place, table.name
    columns = dict(layout.columns)
    frame = _with_clock(frame, columns)
    found = {name: columns[name] for name in BAR_FIELDS if name in columns}
    numbers = read_numbers(place, table.row, frame, found, decimal_comma=layout.decimal_comma)
    named = read_symbols(place, table.row, frame, file, layout, options.symbol, options.exchange)
    exchange = options.exchange or shared_exchange(named.symbols.unique().to_list())
    clock_of = exchange or market_of(stem_of(file), layout.dialect)
    stamps = usual_stamps(frame[columns["time"]], place, options.day_first, "Add --day-first or --month-first.")
    times = _times(table, frame, columns["time"], stamps, time_zone(clock_of))
    lacking = [pl.lit(None, pl.Float64).alias(name) for name in BAR_FIELDS if name not in found]
    raw = numbers.select(named.symbols.alias("symbol"), times.alias("time"), *found, *lacking)
    raw, notes = settle_bare_codes(place, raw, named.bare)
    meant = interpret(place, raw, _with_cell_units(layout, frame), factors, (options.volume_unit, options.amount_unit))
    bars, filled = _fill_missing(meant.bars, meant.has_factor, options.amount)
    notes += [*meant.notes, *filled]
    if layout.unread:
        notes.append(f"columns not read: {', '.join(layout.unread)}")
    if not clock_of and has_offsets(stamps):
        notes.append("times have a UTC offset but the exchange is unknown: kept as written")
    labels = layout.dialect.labels if options.labels == AUTO else options.labels
    # a bar that starts at midnight belongs to the day that begins, one that ends then to the day before
    moments = pl.col("time") + pl.duration(microseconds=1 if labels == "start" else 0)
    freq = infer_freq(bars.select("symbol", moments), place)
    if labels == "start" and freq != DAILY:
        bars = bars.with_columns(end_times(bars["time"], freq, clock_of))
        notes.append("bars labelled at their start: stamps moved to their end")
    return Klines(
        name=file.name if file else place,
        place=file,
        freq=freq,
        bars=bars.select("symbol", "time", *NUMBERS),
        notes=tuple(notes),
        layout=layout,
        labels=labels,
        basis=meant.basis,
        has_factor=meant.has_factor,
        units=tuple(dict.fromkeys(meant.units.values())),
        paused=_paused(bars),
    )


def understand_table(table: RawTable, options: ReadOptions) -> tuple[pl.DataFrame, Layout]:
    """The rows with a name for every column, and which is which; DataError where one is missing."""
    stem = stem_of(table.name)
    if table.text is None:
        frame, dialect = flatten_frame(table.frame, stem, options.dialect)
        layout = understand(table.place, frame, dialect)
        return frame, replace(layout, named_basis=basis_of_path(table.name))
    frame, dialect = flatten(table.text, stem, options.dialect)
    layout = replace(understand(table.place, frame, dialect), named_basis=basis_of_path(table.name))
    prices = [frame[layout.columns[price]].drop_nulls().head(_SAMPLE).str.strip_chars() for price in PRICES]
    cells = [cell for column in prices for cell in column]
    if "volume" in layout.columns:  # 1,50M
        counts = frame[layout.columns["volume"]].drop_nulls().head(_SAMPLE).str.strip_chars()
        cells += counts.str.extract(r"^(\d+,\d{1,2})[KMB万亿]$").drop_nulls().to_list()
    return frame, with_text(layout, table.text, has_decimal_comma(cells, table.text.separator))


def _with_cell_units(layout: Layout, frame: pl.DataFrame) -> Layout:
    """The layout with units of 1 for a column whose cells have their unit behind the number."""
    own = {}
    for name in ("volume", "amount"):
        column = layout.columns.get(name)
        if column is not None and frame.schema[column] == pl.String and has_cell_units(frame[column]):
            own[name] = 1.0
    return replace(layout, header_units={**layout.header_units, **own}) if own else layout


def _paused(bars: pl.DataFrame) -> pl.DataFrame:
    """PAUSED: what the source's own column says."""
    paused = (pl.col("paused") == 1).fill_null(False) | (pl.col("traded") == 0).fill_null(False)
    return bars.filter(paused).select("symbol", pl.col("time").dt.date().alias("date")).unique().sort("symbol", "date")


def to_batch(
    klines: Sequence[Klines], kind: str, path: Path | None, options: ReadOptions, factors: Path | None = None
) -> BarBatch:
    """One batch of the bars of several tables; DataError when they differ in frequency.

    Parameters
    ----------
    klines, kind, path, options
        The tables, of what kind they are and where they lie, and how they were read.
    factors
        The file or folder of factors that was asked for.
    """
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
        options=(("amount", options.amount), *_shared_facts(klines).items()),
        paused=pl.concat([one.paused for one in klines]),
        readings=tuple(_reading(one, options, "" if factors is None else place_name(factors)) for one in klines),
        origins=_origins(klines, bars),
    )


def _reading(klines: Klines, options: ReadOptions, factors: str) -> SourceReading:
    """The options of one table, as asked for and as read."""
    facts, symbols = klines.facts(), klines.bars["symbol"].unique().to_list()
    asked_day = {None: AUTO, True: "day", False: "month"}[options.day_first]
    return SourceReading(
        klines.place,
        {
            "symbol": (options.symbol or "", symbols[0] if len(symbols) == 1 else ""),
            "exchange": (options.exchange, options.exchange or shared_exchange(symbols)),
            "dialect": (options.dialect, facts["dialect"]),
            "labels": (options.labels, facts["labels"] if klines.freq != DAILY else ""),
            "first in dates": (asked_day, asked_day),
            "volume-unit": (options.volume_unit, facts["volume_unit"]),
            "amount-unit": (options.amount_unit, facts["amount_unit"]),
            "amount": (options.amount, options.amount),
            "factors": (factors, factors or ("beside" if klines.has_factor else "")),
        },
    )


def _origins(klines: Sequence[Klines], bars: pl.DataFrame) -> pl.DataFrame | None:
    """BarBatch.origins of several tables, whose bars follow each other in `bars`."""
    if len(klines) == 1:
        return None
    numbers = [pl.repeat(number, len(one.bars), dtype=pl.Int32, eager=True) for number, one in enumerate(klines)]
    numbered = bars.select("symbol", "time", reading=pl.concat(numbers))
    by_symbol = numbered.select("symbol", "reading").unique()
    return by_symbol if by_symbol["symbol"].is_unique().all() else numbered.unique()


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


def _shared_facts(klines: Sequence[Klines]) -> dict[str, str]:
    """What holds of all tables; "several" where they differ."""
    facts = [one.facts() for one in klines]
    return {name: facts[0][name] if len({one[name] for one in facts}) == 1 else "several" for name in facts[0]}


def _times(table: RawTable, frame: pl.DataFrame, column: str, stamps: pl.Series, zone: str | None) -> pl.Series:
    times = parse_stamps(stamps, zone)
    if times.null_count():
        row = int(times.is_null().arg_true()[0])
        raise DataError(
            f"{table.place}: {table.row} {frame[LINE][row]}: column {column}: expected a time like 2019/11/26 9:35, "
            f"found {'an empty cell' if frame[column][row] is None else short_repr(frame[column][row])}"
        )
    check_years(f"{table.place}: {table.row}", frame[LINE], frame[column], times)
    return times


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
        missing = (empty | pl.col("amount").is_null()) & derived.is_not_null()
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
