"""Bars out of the market: Parquet, CSV in the tutorial's form, or a Qlib directory that pyqlib reads.

Stored values are written as they are (adjusted float32 prices beside their factor), so that reading them again gives
the same bars bit for bit. The whole is written aside and renamed; nothing that exists is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from kronos_quant.errors import ConfigError, DataError, KronosQuantError, counted, listed
from kronos_quant.files import disk_errors, remove_partials, write_aside
from kronos_quant.market.export.qlib_dir import Selection, file_name, write_qlib
from kronos_quant.market.reader import Market
from kronos_quant.schema import DAILY

FORMATS = ("parquet", "csv", "qlib")

_SYMBOLS_A_PART = 500
"""Symbols in memory at a time."""

_CSV_COLUMNS = ("open", "close", "high", "low", "volume", "amount", "factor")


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
    parts = _tallied(_parts(selection), spans)
    notes: list[str] = []
    with _alone_at(out) as leftovers, write_aside(out) as partial:
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
def _alone_at(out: Path) -> Iterator[list[Path]]:
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


def _tallied(parts: Iterable[pl.DataFrame], spans: list[pl.DataFrame]) -> Iterator[pl.DataFrame]:
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
