"""A Qlib data directory -> BarBatch.

    calendars/<freq>.txt            one session (or bar end) a line, ascending
    calendars/<freq>_future.txt     the same, and the sessions to come
    instruments/<universe>.txt      SYMBOL <tab> first <tab> last; all.txt lists what there is
    features/<symbol>/<field>.<freq>.bin

As found in practice: folders in either case, fields missing or extra, files of one symbol that differ in length,
volume adjusted or not.
Prices are adjusted (raw = price / factor). Only open, high, low, close, volume, amount and factor are kept: vwap,
adjclose and change can be computed from them, and `change` is often wrong on ex-dividend days. Where present, change
and vwap are compared with the bars (see `cross_checks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from kronos_quant.arrays import Float32Array
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.market.dialects.layout import AUTO
from kronos_quant.market.ingest.cross_checks import CROSS_FIELDS, VolumeVotes, find_contradictions
from kronos_quant.market.ingest.klines import check_labels
from kronos_quant.market.ingest.meaning import check_units, unit_options
from kronos_quant.market.ingest.qlib_files import (
    BinSeries,
    field_files,
    read_bin,
    read_calendar,
    read_future,
    read_lists,
    symbol_folders,
)
from kronos_quant.market.ingest.qlib_units import convert, find_units
from kronos_quant.market.readings import SourceReading
from kronos_quant.market.sessions import calendar_name, end_times
from kronos_quant.market.snapshots import shared_exchange
from kronos_quant.market.store import BarBatch, make_instruments
from kronos_quant.market.universes import ALL
from kronos_quant.schema import BARS, DAILY, NUMBERS, PRICES
from kronos_quant.system import release_memory

_LOST_SHARE = 0.1  # a file that lacks this share of its symbol's sessions at the end was truncated; else the field lags


@dataclass(slots=True)
class _Findings:
    """What was noticed while reading, as lists of symbols."""

    uneven: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    without_volume: list[str] = field(default_factory=list)
    without_factor: list[str] = field(default_factory=list)
    filled_factor: list[str] = field(default_factory=list)
    derived_amount: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    volume: VolumeVotes = field(default_factory=VolumeVotes)

    def notes(self) -> Iterator[str]:
        """The findings in words."""
        for symbols, words in (
            (self.uneven, "files of one symbol differ in length, aligned by their start index"),
            (self.incomplete, "no file for open, high, low or close, skipped"),
            (self.without_volume, "no volume file, volume set to 0"),
            (self.without_factor, "no factor, set to 1"),
            (self.filled_factor, "factor has gaps, filled forward"),
            (self.derived_amount, "amount derived as volume x mean price"),
            (self.unread, "change or vwap is unreadable and not used for checks"),
            (self.backward, "an interval in instruments/ ends before it begins, ignored"),
        ):
            if symbols:
                yield f"{words}: {counted(len(symbols), 'symbol')} ({listed(symbols, 3)})"
        yield from self.volume.notes()


@dataclass(frozen=True, slots=True)
class _Bars:
    """The bars of one symbol: positions in the calendar and values, without suspended sessions."""

    symbol: str
    positions: npt.NDArray[np.int64]
    columns: dict[str, Float32Array]
    others: dict[str, Float32Array]
    """Those of CROSS_FIELDS that there are."""

    @property
    def traded(self) -> bool:
        """Whether any bar has a volume."""
        return bool((self.columns["volume"] > 0).any())


def read_qlib_dir(
    source: Path, freq: str = DAILY, exchange: str = "", labels: str = "end", units: tuple[str, str] = (AUTO, AUTO)
) -> BarBatch:
    """The bars of one frequency in a Qlib directory, with its lists; the arguments are those of `ingest_qlib`.

    units : of volume and of amount. Raises DataError, naming file, place, expected and found: for a directory without
    bars and for a damaged file.
    """
    source = source.expanduser()
    calendar_name(exchange)  # an unknown code is rejected before anything is read
    check_labels(labels)
    check_units(*units)
    _check_layout(source)
    times = read_calendar(source / "calendars", freq)
    lists = read_lists(source / "instruments")
    findings = _Findings()
    series = _read_features(source / "features", freq, len(times), findings)
    raw = findings.volume.verdict() == "raw"
    counted_in = find_units(((one.symbol, one.columns) for one in series), raw_volume=raw, asked=units)
    for one in series:
        convert(one.columns, counted_in.units)
    _derive_amounts(series, raw, findings)
    doubted = [find_contradictions(one.columns, one.others, raw_volume=raw) for one in series]
    for one in series:
        one.others.clear()  # not stored
    if labels == "start" and freq != DAILY:
        named = exchange or shared_exchange([bars.symbol for bars in series])
        times = end_times(pl.Series(times, dtype=pl.Datetime("us")), freq, named).to_list()
    # an interval that ends before it begins contains no day
    forward = pl.col("start") <= pl.col("end")
    findings.backward += lists.filter(~forward)["symbol"].unique().sort().to_list()
    lists = lists.filter(forward)
    instruments, notes = _instruments(series, lists, exchange)
    bars = _frame(series, times)
    suspect = bars.filter(pl.Series(np.concatenate(doubted))).select("symbol", "time")
    traded = bars["date"].unique().sort().to_list()
    sessions = sorted({time.date() for time in times})
    used = [session for session in sessions if traded[0] <= session <= traded[-1]]
    if len(used) < len(sessions):
        notes.append(
            f"{counted(len(sessions) - len(used), 'session')} of the calendar before the first or after the last bar"
        )
    calendar = _calendar(source / "calendars", freq, sessions, notes)
    return BarBatch(
        source="qlib",
        path=source,
        freq=freq,
        bars=bars,
        instruments=instruments,
        universes=lists,
        sessions=used,
        exchange=exchange,
        notes=(*counted_in.notes, *findings.notes(), *notes),
        options=(("labels", labels), ("volume", findings.volume.verdict()), *unit_options(counted_in.units)),
        unadjusted_volume=tuple(bars.symbol for bars in series) if raw else (),
        complete=True,
        contradicted=suspect,
        calendar=calendar,
        readings=(SourceReading(source, _options(exchange, labels, freq, units, unit_options(counted_in.units))),),
    )


def _calendar(folder: Path, freq: str, sessions: list[date], notes: list[str]) -> tuple[date, ...]:
    """Past and future sessions, and a note of it; () where the directory has no future ones."""
    future = read_future(folder, freq)
    if not future:
        return ()
    notes.append(f"calendar of the source: sessions until {future[-1]}")
    return tuple(sorted({*sessions, *future}))


def _options(
    exchange: str, labels: str, freq: str, units: tuple[str, str], found: tuple[tuple[str, str], ...]
) -> dict[str, tuple[str, str]]:
    """How a directory was read: as asked for, and as read."""
    counted_in = {name.replace("_", "-"): (asked, read) for asked, (name, read) in zip(units, found, strict=True)}
    return {"exchange": (exchange, exchange), "labels": (labels, "" if freq == DAILY else labels), **counted_in}


def _check_layout(source: Path) -> None:
    if all((source / name).is_dir() for name in ("calendars", "features")):
        return
    if not source.is_dir():
        raise DataError(f"{source}: no such directory", hint="kq ingest qlib DIR")
    found = listed(sorted(path.name for path in source.iterdir()))
    raise DataError(
        f"{source}: not a Qlib directory: expected calendars/ and features/, found {found or 'nothing'}",
        hint="kq ingest qlib ~/.qlib/qlib_data/cn_data",
    )


def _read_features(folder: Path, freq: str, sessions: int, findings: _Findings) -> list[_Bars]:
    """The bars of every symbol, in the order of the symbols. Raises DataError when there are none."""
    found = []
    for symbol, path in sorted(symbol_folders(folder).items()):
        there = field_files(path, freq)
        files = {name: there[name] for name in (*NUMBERS, *CROSS_FIELDS) if name in there}
        if not files:
            continue
        if not set(PRICES) <= set(files):
            findings.incomplete.append(symbol)
            continue
        bars = _read_symbol(symbol, files, sessions, findings)
        if len(bars.positions):
            found.append(bars)
    if not found and findings.incomplete:
        lacking = findings.incomplete
        raise DataError(
            f"{folder}: no bars: expected {', '.join(PRICES)} for each symbol, found {counted(len(lacking), 'symbol')} "
            f"without one of them ({listed(lacking, 3)})",
            hint="A Qlib directory of bars has all four prices.",
        )
    if not found:
        raise DataError(
            f"{folder}: no bars: expected files like sh600000/close.{freq}.bin with values, found none in "
            f"{len(symbol_folders(folder))} folders",
            hint="Check the frequency and the path.",
        )
    return found


def _read_symbol(symbol: str, files: dict[str, Path], sessions: int, findings: _Findings) -> _Bars:
    """All bars of one symbol, its fields aligned by their start indices."""
    series = {name: read_bin(path, sessions) for name, path in files.items() if name in NUMBERS}
    first, end = min(one.start for one in series.values()), max(one.end for one in series.values())
    if any((one.start, one.end) != (first, end) for one in series.values()):
        _refuse_damaged(series, files, end - first)
        findings.uneven.append(symbol)
    columns = {name: _aligned(one, first, end) for name, one in series.items()}
    traded = ~np.logical_and.reduce([np.isnan(columns[name]) for name in PRICES])
    if traded.any():
        _complete(symbol, columns, traded, findings)
    others: dict[str, Float32Array] = {}
    for name in CROSS_FIELDS:
        if name in files:
            try:
                others[name] = _aligned(read_bin(files[name], sessions), first, end)[traded]
            except DataError:
                findings.unread.append(symbol)
    positions = first + np.flatnonzero(traded)
    return _Bars(symbol, positions, {name: column[traded] for name, column in columns.items()}, others)


def _refuse_damaged(series: dict[str, BinSeries], files: dict[str, Path], length: int) -> None:
    """Raise DataError for a file that was truncated, or that starts elsewhere than the others of equal length."""
    if len({len(one.values) for one in series.values()}) == 1:
        starts = [one.start for one in series.values()]
        usual = max(sorted(set(starts)), key=starts.count)
        odd = next(name for name, one in series.items() if one.start != usual)
        raise DataError(
            f"{files[odd]}: expected session {usual} of the calendar in the first 4 bytes as in the symbol's other "
            f"files of the same length; found {series[odd].start}",
            hint="Copy or write the file again.",
        )
    longest = max(series, key=lambda name: series[name].end)
    for name, one in series.items():
        lost = series[longest].end - one.end
        if lost >= max(1, _LOST_SHARE * length):
            raise DataError(
                f"{files[name]}: truncated: expected values up to session {series[longest].end - 1} of the calendar "
                f"as in {files[longest].name}, found the last at {one.end - 1}",
                hint="Copy or write the file again.",
            )


def _aligned(series: BinSeries, first: int, end: int) -> Float32Array:
    """Values from session `first` to `end` (exclusive), NaN where the file has none."""
    if (series.start, series.end) == (first, end):
        return series.values
    values = np.full(end - first, np.nan, dtype=np.float32)
    since, until = max(series.start, first), min(series.end, end)
    if since < until:
        values[since - first : until - first] = series.values[since - series.start : until - series.start]
    return values


def _complete(
    symbol: str, columns: dict[str, Float32Array], traded: npt.NDArray[np.bool_], findings: _Findings
) -> None:
    """Add the optional fields that a symbol lacks, where it was traded."""
    length = len(traded)
    findings.volume.add(symbol, columns)
    if "volume" not in columns:
        findings.without_volume.append(symbol)
        columns["volume"] = np.zeros(length, dtype=np.float32)
    if "amount" not in columns or not (columns["amount"] > 0).any():  # 0 throughout is no amount
        columns["amount"] = np.full(length, np.nan, dtype=np.float32)
    factor = columns.get("factor")
    if factor is None or np.isnan(factor).all():
        findings.without_factor.append(symbol)
        columns["factor"] = np.ones(length, dtype=np.float32)
    elif np.isnan(factor[traded]).any():
        findings.filled_factor.append(symbol)
        # at the start by the first value
        columns["factor"] = pl.Series(factor).fill_nan(None).forward_fill().backward_fill().to_numpy()


def _derive_amounts(series: list[_Bars], raw: bool, findings: _Findings) -> None:
    """Put volume x mean price where an amount is missing; with a raw volume, x mean raw price."""
    for bars in series:
        columns = bars.columns
        missing = np.isnan(columns["amount"]) & ~np.isnan(columns["volume"])
        if not missing.any():
            continue
        price = np.mean([columns[name] for name in PRICES], axis=0, dtype=np.float64)
        derived = columns["volume"] * (price / columns["factor"] if raw else price)
        columns["amount"] = np.where(missing, derived, columns["amount"]).astype(np.float32)
        findings.derived_amount.append(bars.symbol)


def _frame(series: list[_Bars], times: list[datetime]) -> pl.DataFrame:
    """The bars of all symbols as one frame in schema.BARS, sorted by (symbol, time); their own columns are let go."""
    stamps = np.array(times, dtype="datetime64[us]")
    positions = np.concatenate([bars.positions for bars in series])
    owners = np.repeat(np.arange(len(series)), [len(bars.positions) for bars in series])
    values = {name: np.concatenate([bars.columns.pop(name) for bars in series]) for name in NUMBERS}
    release_memory()
    return pl.DataFrame(
        {
            "symbol": pl.Series([bars.symbol for bars in series]).gather(owners),
            "date": pl.Series(stamps.astype("datetime64[D]").astype(np.int32)[positions]).cast(pl.Date),
            "time": pl.Series(stamps.astype(np.int64)[positions]).cast(pl.Datetime("us")),
            **values,
        },
        schema_overrides=BARS,
    )


def _instruments(series: list[_Bars], lists: pl.DataFrame, exchange: str) -> tuple[pl.DataFrame, list[str]]:
    """Instruments of the directory, and what the lists and the features disagree on."""
    listings = (
        lists.filter(pl.col("universe") == ALL)
        .group_by("symbol")
        .agg(pl.col("start").min().alias("first_date"), pl.col("end").max().alias("last_date"))
    )
    with_bars = {bars.symbol for bars in series}
    named = set(lists["symbol"])
    symbols = sorted(with_bars | set(listings["symbol"]))
    known = make_instruments(symbols, exchange).drop("first_date", "last_date").join(listings, on="symbol", how="left")
    has_list = not listings.is_empty()
    known = known.with_columns(in_all=pl.col("symbol").is_in(listings["symbol"]) if has_list else pl.lit(None))
    in_all, in_others = set(listings["symbol"]), set(lists.filter(pl.col("universe") != ALL)["symbol"])
    # an index is listed with the shares, but is in no other list and has no volume of its own
    untraded = [bars.symbol for bars in series if not bars.traded]
    indices = [symbol for symbol in untraded if in_others and symbol in in_all and symbol not in in_others]
    known = known.with_columns(
        kind=pl.when(pl.col("symbol").is_in(indices)).then(pl.lit("index")).otherwise(pl.col("kind"))
    )
    notes = []
    if absent := sorted(named - with_bars):
        notes.append(f"in instruments/ but without bars: {counted(len(absent), 'symbol')} ({listed(absent, 3)})")
    if named and (unlisted := sorted(with_bars - named)):
        notes.append(f"with bars but not in instruments/: {counted(len(unlisted), 'symbol')} ({listed(unlisted, 3)})")
    return known, notes
