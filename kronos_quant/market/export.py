"""Bars for other programs: Parquet, CSV in the tutorial's form, or a Qlib directory that pyqlib reads.

Stored values are written as they are (adjusted float32 prices next to their factor), so that reading them again gives
the same bars bit for bit. The output is written aside and renamed; existing files are never touched.

    calendars/<freq>.txt                    sessions (daily) or bar ends
    instruments/all.txt, <universe>.txt     SYMBOL <tab> first <tab> last, both inclusive
    features/<symbol>/<field>.<freq>.bin    in lower case: pyqlib on Linux finds no other

Fields of a Qlib directory: open, high, low, close, volume, amount and factor as stored; `change` is the return of the
adjusted close since the bar before, so that a split is no loss; `vwap` is amount / volume in adjusted prices. Suspended
sessions are NaN; only the factor continues through them, as in Qlib's own dumps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from kronos_quant.errors import ConfigError, DataError, KronosQuantError, counted, listed
from kronos_quant.files import disk_errors, remove_partials, write_aside, write_text
from kronos_quant.market.reader import Market
from kronos_quant.market.universes import ALL
from kronos_quant.schema import DAILY, PRICES

FORMATS = ("parquet", "csv", "qlib")

_SYMBOLS_A_PART = 500
"""Symbols in memory at a time."""

_CSV_COLUMNS = ("open", "close", "high", "low", "volume", "amount", "factor")

_AS_STORED = (*PRICES, "volume", "amount", "factor")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""Names that Windows reserves; pyqlib looks for such a symbol's folder under the prefix."""
_DEVICE_PREFIX = "_qlib_"
_READ_AS_MISSING = ("NA", "NAN", "NULL")
_PLAUSIBLE = (0.5, 2.0)
"""Between these multiples of the close lies the median of a mean price; else the units are others."""

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported."""

    path: str
    format: str
    freq: str
    symbols: int
    bars: int
    first: date
    last: date
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report for people."""
        held = f"{counted(self.bars, 'bar')} of {counted(self.symbols, 'symbol')} ({self.freq})"
        told = f"{self.path}: {held}, {self.first} to {self.last}, as {self.format}"
        return [told, *(f"note: {note}" for note in self.notes)]

    def as_dict(self) -> dict[str, Any]:
        """The report for `--json`."""
        return asdict(self) | {"first": str(self.first), "last": str(self.last), "notes": list(self.notes)}


def export_bars(
    market: Market,
    out: Path,
    form: str = "parquet",
    *,
    symbols: Sequence[str] | None = None,
    start: date | None = None,
    end: date | None = None,
) -> ExportReport:
    """Write bars to `out`, which must not exist yet.

    form : "parquet" (one file), "csv" (one file where `out` ends in .csv, else a folder with a file a symbol) or
    "qlib" (a directory; see `export.qlib_dir`). symbols : in any spelling, all by default. start, end : inclusive.
    Raises ConfigError for another form or an `out` that exists, DataError for an unknown symbol, an empty selection, or
    a symbol that cannot be the name of a file.
    """
    if form not in FORMATS:
        raise ConfigError(f"format: expected {', '.join(FORMATS)}, found {form!r}")
    out = out.expanduser()
    known = None if symbols is None else tuple(sorted({market.resolve(text) for text in symbols}))
    selection = Selection(market, known, start, end)
    spans: list[pl.DataFrame] = []
    parts = _count_parts(_parts(selection), spans)
    notes: list[str] = []
    with _exclusive_output(out) as leftovers, write_aside(out) as partial:
        if form == "parquet":
            _write_parquet(partial, parts)
        elif form == "csv":
            _write_csv(partial, parts, market.freq, one_file=out.suffix.lower() == ".csv")
        else:
            notes = write_qlib(partial, selection, parts)
        if not spans:
            raise DataError(f"{out}: nothing to export: no bar of these symbols between these dates")
    if leftovers:
        notes.append(f"removed what a killed export to this place had left: {listed(path.name for path in leftovers)}")
    return _report(out, form, market.freq, pl.concat(spans), notes)


@contextmanager
def _exclusive_output(out: Path) -> Iterator[list[Path]]:
    """Hold the right to write `out`, which must not exist; yields what a killed export left there and is now gone.

    Raises ConfigError where something is there already, KronosQuantError where another export is at work.
    """
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{out}: is there already, and an export replaces nothing", hint="name another place")
    lock = FileLock(out.with_name(f".{out.name}.lock"))
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise KronosQuantError(f"{out}: another export is writing it", hint="name another place") from None
        try:
            # a killed process frees the lock: whoever holds it is the only one
            yield remove_partials(out)
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()


def _parts(selection: Selection) -> Iterator[pl.DataFrame]:
    """The bars in schema.BARS, some hundred symbols at a time, in the order of the symbols."""
    names = selection.names
    for first in range(0, len(names), _SYMBOLS_A_PART):
        part = selection.market.bars(names[first : first + _SYMBOLS_A_PART], selection.start, selection.end)
        if not part.is_empty():
            yield part


def _count_parts(parts: Iterable[pl.DataFrame], spans: list[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Pass the parts on and note the size of each."""
    for part in parts:
        spans.append(
            part.select(
                pl.col("symbol").n_unique().alias("symbols"),
                pl.len().alias("bars"),
                pl.col("date").min().alias("first"),
                pl.col("date").max().alias("last"),
            )
        )
        yield part


def _report(out: Path, form: str, freq: str, spans: pl.DataFrame, notes: list[str]) -> ExportReport:
    [(symbols, bars, first, last)] = spans.select(
        pl.col("symbols").sum(), pl.col("bars").sum(), pl.col("first").min(), pl.col("last").max()
    ).rows()
    return ExportReport(str(out), form, freq, symbols, bars, first, last, tuple(notes))


def _write_parquet(path: Path, parts: Iterable[pl.DataFrame]) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for part in parts:
            table: pa.Table = part.to_arrow()
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _write_csv(path: Path, parts: Iterable[pl.DataFrame], freq: str, *, one_file: bool) -> None:
    """The tutorial's columns beside symbol and factor; a float32 is written with as many digits as it needs."""
    stamps = pl.col("time").dt.to_string("%Y-%m-%d" if freq == DAILY else "%Y-%m-%d %H:%M:%S").alias("timestamps")
    for number, part in enumerate(parts):
        table = part.select(stamps, "symbol", *_CSV_COLUMNS)
        if one_file:
            with path.open("ab") as stream:
                table.write_csv(stream, include_header=number == 0)
            continue
        path.mkdir(exist_ok=True)
        for bars in table.partition_by("symbol", maintain_order=True):
            bars.write_csv(path / f"{file_name(bars['symbol'][0])}.csv")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which bars of a market are wanted."""

    market: Market
    symbols: tuple[str, ...] | None
    """Canonical; None is all."""
    start: date | None
    end: date | None

    @property
    def names(self) -> tuple[str, ...]:
        """The symbols of the selection, sorted, with bars or without."""
        return tuple(self.market.instruments()["symbol"]) if self.symbols is None else self.symbols


def write_qlib(folder: Path, selection: Selection, parts: Iterable[pl.DataFrame]) -> list[str]:
    """Write the directory; returns what a reader should know.

    parts : the selected bars in schema.BARS, whole symbols at a time. Raises DataError for a symbol or a universe that
    cannot be the name of a file.
    """
    freq = selection.market.freq
    times = _calendar(selection)
    layout = "%Y-%m-%d" if freq == DAILY else "%Y-%m-%d %H:%M:%S"
    write_text(folder / "calendars" / f"{freq}.txt", "".join(f"{time:{layout}}\n" for time in times))
    stamps, key = times.to_numpy(), "date" if freq == DAILY else "time"
    with selection.market.connect() as connection:
        unadjusted = {symbol for (symbol,) in connection.sql("SELECT symbol FROM unadjusted_volumes").fetchall()}
    without_vwap = []
    for part in parts:
        for bars in part.partition_by("symbol"):
            symbol: str = bars["symbol"][0]
            columns = _features(bars, symbol in unadjusted)
            if "vwap" not in columns:
                without_vwap.append(symbol)
            place = folder / "features" / _folder_name(symbol)
            place.mkdir(parents=True)
            positions = np.searchsorted(stamps, bars[key].cast(pl.Datetime("us")).to_numpy())
            for name, values in columns.items():
                _on_calendar(name, values, positions).tofile(place / f"{name}.{freq}.bin")
    _write_lists(folder / "instruments", selection)
    return _notes(selection.names, without_vwap)


def file_name(name: str) -> str:
    """Give back a name that can be a file's. Raises DataError for one that leads elsewhere or breaks a line."""
    if name in ("", ".", "..") or any(letter in "/\\" or not letter.isprintable() for letter in name):
        raise DataError(f"{name!r} cannot be the name of a file", hint="leave it out with --symbols")
    return name


def _folder_name(symbol: str) -> str:
    lower = file_name(symbol).lower()
    return _DEVICE_PREFIX + lower if lower in _DEVICES else lower


def _calendar(selection: Selection) -> pl.Series:
    """The stamps of all sessions (daily) or bars in the selected span, ascending."""
    start, end = selection.start or date.min, selection.end or date.max
    if selection.market.freq == DAILY:
        days = [session for session in selection.market.sessions() if start <= session <= end]
        return pl.Series(days, dtype=pl.Date).cast(pl.Datetime("us"))
    with selection.market.connect() as connection:
        query = "SELECT DISTINCT time FROM bars WHERE date BETWEEN ? AND ? ORDER BY time"
        times: pl.Series = connection.sql(query, params=[start, end]).pl()["time"]
    return times.cast(pl.Datetime("us"))


def _features(bars: pl.DataFrame, unadjusted_volume: bool) -> dict[str, npt.NDArray[np.float32]]:
    """The values of each field of one symbol, a value a bar; no vwap where amount / volume is no price."""
    wide = {name: bars[name].to_numpy().astype(np.float64) for name in ("close", "volume", "amount", "factor")}
    change = np.full(len(bars), np.nan)
    change[1:] = wide["close"][1:] / wide["close"][:-1] - 1
    columns = {name: bars[name].to_numpy() for name in _AS_STORED} | {"change": change.astype(np.float32)}
    traded = (wide["volume"] > 0) & (wide["amount"] > 0)
    if traded.any():
        vwap = np.full(len(bars), np.nan)
        vwap[traded] = wide["amount"][traded] / wide["volume"][traded]
        if unadjusted_volume:
            vwap *= wide["factor"]
        if _PLAUSIBLE[0] < np.median(vwap[traded] / wide["close"][traded]) < _PLAUSIBLE[1]:
            columns["vwap"] = vwap.astype(np.float32)
    return columns


def _on_calendar(name: str, values: npt.NDArray[np.float32], positions: Positions) -> npt.NDArray[np.float32]:
    """What a .bin file holds: the index of the first session, then a value a session up to the last bar."""
    first = positions[0]
    series = np.full(positions[-1] - first + 2, np.nan, dtype="<f4")
    series[0] = first
    if name == "factor":
        last_bar = np.searchsorted(positions, np.arange(first, positions[-1] + 1), side="right") - 1
        series[1:] = values[last_bar]
    else:
        series[1 + positions - first] = values
    return series


def _write_lists(folder: Path, selection: Selection) -> None:
    """all.txt with every instrument, and each universe with its members, also those without bars."""
    listings = selection.market.instruments().select("symbol", start="first_date", end="last_date")
    lists = {ALL: listings}
    for name in selection.market.universe_names():
        if name != ALL:
            lists[name] = selection.market.universe(name).select("symbol", "start", "end")
    for name, intervals in lists.items():
        chosen = pl.lit(True) if selection.symbols is None else pl.col("symbol").is_in(selection.symbols)
        kept = intervals.filter(
            chosen,
            pl.col("end") >= (selection.start or date.min),
            pl.col("start") <= (selection.end or date.max),
        ).with_columns(pl.col("start").clip(lower_bound=selection.start), pl.col("end").clip(upper_bound=selection.end))
        lines = [f"{file_name(symbol)}\t{start}\t{end}\n" for symbol, start, end in kept.rows()]
        write_text(folder / f"{file_name(name)}.txt", "".join(lines))


def _notes(symbols: Iterable[str], without_vwap: list[str]) -> list[str]:
    notes = []
    if without_vwap:
        notes.append(
            f"without vwap, for amount / volume is no price: {counted(len(without_vwap), 'symbol')} "
            f"({listed(without_vwap, 3)})"
        )
    if unreadable := sorted(set(symbols) & set(_READ_AS_MISSING)):
        notes.append(f"pyqlib takes these symbols for missing values: {', '.join(unreadable)}")
    return notes
