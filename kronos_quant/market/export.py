"""Bars for other programs: Parquet, CSV in the tutorial's form, or a Qlib directory that pyqlib reads.

Stored values are written as they are (adjusted float32 prices next to their factor), so that reading them again gives
the same bars bit for bit. The output is written aside and renamed; existing files are never touched.

    calendars/<freq>.txt                    sessions (daily) or bar ends
    instruments/all.txt, <universe>.txt     SYMBOL <tab> first <tab> last, both inclusive
    features/<symbol>/<field>.<freq>.bin    in lower case: pyqlib on Linux finds no other

Fields of a Qlib directory: open, high, low, close, volume, amount and factor as stored; `change` is the return of the
adjusted close since the bar before, so that a split is no loss; `vwap` is amount / volume in adjusted prices. Sessions
without a stored bar are NaN; only the factor continues through them, as in Qlib's own dumps. A bar that the source has
of a suspended session is written as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from kronos_quant.display import TextReport
from kronos_quant.errors import ConfigError, DataError, KronosQuantError, counted, listed
from kronos_quant.files import others_write, sweep, write_aside, write_text
from kronos_quant.inputs import DateLike, PathLike, Symbols, as_date, as_form, as_path, as_symbols
from kronos_quant.market.reader import Market
from kronos_quant.market.universes import ALL
from kronos_quant.schema import DAILY, NUMBERS, check_table

FORMATS = {"parquet": ".parquet", "csv": ".csv", "qlib": ""}
"""Format -> ending of its files; a Qlib directory has none."""

_SYMBOLS_A_PART = 500  # in memory at the same time
_CSV_COLUMNS = ("open", "close", "high", "low", "volume", "amount", "factor")

_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""Names that Windows reserves; pyqlib looks for the folder of such a symbol under the prefix."""
_DEVICE_PREFIX = "_qlib_"
_READ_AS_MISSING = ("NA", "NAN", "NULL")
_PLAUSIBLE = (0.5, 2.0)  # the median of amount / volume / close lies between these, else the units differ

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, repr=False)
class ExportReport(TextReport):
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
        first = f"{self.path}: {held}, {self.first} to {self.last}, as {self.format}"
        return [first, *(f"note: {note}" for note in self.notes)]


def export_bars(
    market: Market,
    out: PathLike,
    form: str | None = None,
    *,
    symbols: Symbols | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
) -> ExportReport:
    """Write bars to `out`, which must not exist yet.

    Parameters
    ----------
    market
        Of `open_market`.
    out, form
        The file or folder to write, as "parquet" (one file), "csv" (one file if `out` ends in .csv, else a folder with
        one file per symbol) or "qlib" (a directory). None: csv where `out` ends in .csv, else parquet.
    symbols
        One symbol or several, in any spelling; all by default.
    start, end
        First and last session date, inclusive.

    Raises
    ------
    ConfigError
        For another form, an `out` that exists, or one whose ending is that of another form.
    DataError
        For an unknown symbol, an empty selection, or a symbol that cannot be a file name.
    """
    out, given = as_path(out, "out"), as_symbols(symbols)
    form = as_form(form, out, FORMATS)
    known = None if given is None else tuple(sorted({market.resolve(text) for text in given}))
    selection = Selection(market, known, as_date(start, "start"), as_date(end, "end"))
    spans: list[pl.DataFrame] = []
    parts = _count_parts(_parts(selection), spans)
    notes: list[str] = []
    with _new_output(out) as partial:
        if form == "parquet":
            _write_parquet(partial, parts)
        elif form == "csv":
            _write_csv(partial, parts, market.freq, one_file=out.suffix.lower() == ".csv")
        else:
            notes = write_qlib(partial, selection, parts)
        if not spans:
            raise DataError(f"{out}: nothing to export: no bars of these symbols between these dates")
    return _report(out, form, market.freq, pl.concat(spans), notes)


@contextmanager
def _new_output(out: Path) -> Iterator[Path]:
    """Yield where to write `out` aside, which must not exist.

    Raises ConfigError where `out` exists, KronosQuantError while another export writes it.
    """
    exists = ConfigError(f"{out}: exists; an export never overwrites", hint="Choose another path.")
    sweep(out.parent)
    if out.exists() or out.is_symlink():
        raise exists
    if others_write(out):
        raise KronosQuantError(f"{out}: another export is writing it", hint="Choose another path.")
    try:
        with write_aside(out, new=True) as partial:
            yield partial
    except FileExistsError:  # another export was faster
        raise exists from None


def _parts(selection: Selection) -> Iterator[pl.DataFrame]:
    """The bars in schema.BARS, some hundred symbols at a time, in the order of the symbols."""
    names = selection.names
    for first in range(0, len(names), _SYMBOLS_A_PART):
        part = selection.market.stored_bars(names[first : first + _SYMBOLS_A_PART], selection.start, selection.end)
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
            check_table("export.bars", part)
            table: pa.Table = part.to_arrow()
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _write_csv(path: Path, parts: Iterable[pl.DataFrame], freq: str, *, one_file: bool) -> None:
    """The tutorial's columns with symbol and factor; a float32 is written with as many digits as it needs."""
    stamps = pl.col("time").dt.to_string("%Y-%m-%d" if freq == DAILY else "%Y-%m-%d %H:%M:%S").alias("timestamps")
    for number, part in enumerate(parts):
        table = part.select(stamps, "symbol", *_CSV_COLUMNS)
        check_table("export.csv", table)
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
    """Write a Qlib directory of `parts`, the bars of a selection, whole symbols at a time; returns notes."""
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
    """A name that can be a file's. Raises DataError for one with a path separator or unprintable letters."""
    if name in ("", ".", "..") or any(letter in "/\\" or not letter.isprintable() for letter in name):
        raise DataError(f"{name!r} cannot be a file name", hint="Leave it out with --symbols.")
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
        query = "SELECT DISTINCT time FROM stored_bars WHERE date BETWEEN ? AND ? ORDER BY time"
        times: pl.Series = connection.sql(query, params=[start, end]).pl()["time"]
    return times.cast(pl.Datetime("us"))


def _features(bars: pl.DataFrame, unadjusted_volume: bool) -> dict[str, npt.NDArray[np.float32]]:
    """The values of each field of one symbol, one per bar; no vwap where amount / volume is not a price."""
    wide = {name: bars[name].to_numpy().astype(np.float64) for name in ("close", "volume", "amount", "factor")}
    change = np.full(len(bars), np.nan)
    change[1:] = wide["close"][1:] / wide["close"][:-1] - 1
    columns = {name: bars[name].to_numpy() for name in NUMBERS} | {"change": change.astype(np.float32)}
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
    """The content of a .bin file: the index of the first session, then one value per session up to the last bar."""
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
    """The lists as their sources gave them; all.txt with the instruments too that no source had a list of."""
    stored = selection.market.source_lists()
    lists = {name: stored.filter(universe=name).drop("universe") for name in sorted(stored["universe"].unique())}
    unlisted = selection.market.instruments().filter(pl.col("in_all").is_null())
    others = unlisted.select("symbol", start="first_date", end="last_date")
    lists[ALL] = pl.concat([lists.get(ALL, others.clear()), others]).unique().sort("symbol", "start")
    for name, intervals in lists.items():
        chosen = pl.lit(True) if selection.symbols is None else pl.col("symbol").is_in(selection.symbols)
        kept = intervals.filter(
            chosen, pl.col("end") >= (selection.start or date.min), pl.col("start") <= (selection.end or date.max)
        ).with_columns(pl.col("start").clip(lower_bound=selection.start), pl.col("end").clip(upper_bound=selection.end))
        lines = [f"{file_name(symbol)}\t{start}\t{end}\n" for symbol, start, end in kept.rows()]
        write_text(folder / f"{file_name(name)}.txt", "".join(lines))


def _notes(symbols: Iterable[str], without_vwap: list[str]) -> list[str]:
    notes = []
    if without_vwap:
        notes.append(
            f"no vwap written, because amount / volume is not a price: {counted(len(without_vwap), 'symbol')} "
            f"({listed(without_vwap, 3)})"
        )
    if unreadable := sorted(set(symbols) & set(_READ_AS_MISSING)):
        notes.append(f"pyqlib reads these symbols as missing values: {', '.join(unreadable)}")
    return notes
