"""The files of a Qlib directory: calendars/<freq>.txt, instruments/<universe>.txt, <symbol>/<field>.<freq>.bin.

A .bin file is little-endian float32: the index of the first value in the calendar, then one value per session, NaN
where there is none. Nothing in the format reveals a damaged file, so the first number and the length are checked
against the calendar.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from kronos_quant.bounds import FIRST_YEAR, LAST_YEAR
from kronos_quant.errors import DataError, listed
from kronos_quant.inputs import short_repr
from kronos_quant.market.symbols import canonical, symbol_fault
from kronos_quant.market.universes import tidy
from kronos_quant.paths import NOWHERE, kind_of_path
from kronos_quant.readers import read_bytes, read_text
from kronos_quant.schema import UNIVERSES

RESERVED = "_qlib_"
"""pyqlib puts this before folder names that Windows reserves (con, aux, nul)."""

_WORD = 4
_LARGEST_PLAUSIBLE = 1e16
"""No price, volume or amount of a bar reaches this; a file read as float64 with such values is not float64."""


def read_calendar(folder: Path, freq: str) -> list[datetime]:
    """The sessions (daily) or bar ends of calendars/<freq>.txt; DataError unless they are ascending dates."""
    path = folder / f"{freq}.txt"
    if not os.path.lexists(path):
        found = listed(sorted(other.name for other in folder.glob("*.txt"))) or "nothing"
        raise DataError(f"{path}: no such calendar: found {found}", hint="Set --freq to one of them.")
    times: list[datetime] = []
    for number, line in enumerate(read_text(path, encoding="utf-8-sig").rstrip().splitlines(), start=1):
        try:
            time = datetime.fromisoformat(line.strip())
        except ValueError:
            raise DataError(
                f"{path}: line {number}: expected a date like 2024-06-18, found {short_repr(line)}"
            ) from None
        if not FIRST_YEAR <= time.year <= LAST_YEAR:
            raise DataError(
                f"{path}: line {number}: expected a year from {FIRST_YEAR} to {LAST_YEAR}, found {line.strip()}"
            )
        if times and time <= times[-1]:
            trouble = "is repeated" if time == times[-1] else f"comes after {times[-1]}"
            raise DataError(f"{path}: line {number}: expected ascending dates, but {line.strip()} {trouble}")
        times.append(time)
    if not times:
        raise DataError(f"{path}: expected one date per line, found an empty file")
    return times


def read_future(folder: Path, freq: str) -> list[date]:
    """The sessions of calendars/<freq>_future.txt, else of day_future.txt, both past and future; none without either.

    Raises DataError as `read_calendar`.
    """
    for name in dict.fromkeys((f"{freq}_future", "day_future")):
        if (folder / f"{name}.txt").is_file():
            return sorted({time.date() for time in read_calendar(folder, name)})
    return []


def read_lists(folder: Path) -> pl.DataFrame:
    """All instruments/*.txt as schema.UNIVERSES, named by their files in lower case; DataError for a bad row."""
    columns: dict[str, list[object]] = {name: [] for name in UNIVERSES}
    for path in sorted(folder.glob("*.txt")):
        for number, line in enumerate(read_text(path, encoding="utf-8-sig").splitlines(), start=1):
            if not line.strip():
                continue
            cells = line.split("\t")
            if (fault := symbol_fault(cells[0])) is not None:
                raise DataError(f"{path}: line {number}: expected a symbol, found {short_repr(cells[0])} ({fault})")
            try:
                start, end = (date.fromisoformat(cell.strip()[:10]) for cell in cells[1:3])
            except ValueError:
                raise DataError(
                    f"{path}: line {number}: expected SYMBOL<tab>first date<tab>last date, found {short_repr(line)}"
                ) from None
            for column, cell in zip(
                columns.values(), (path.stem.lower(), canonical(cells[0]), start, end), strict=True
            ):
                column.append(cell)
    return tidy(pl.DataFrame(columns, schema=UNIVERSES))


def symbol_folders(folder: Path) -> dict[str, Path]:
    """Canonical symbol -> its folder, whatever its case. Raises DataError where two folders are one symbol."""
    folders: dict[str, Path] = {}
    with os.scandir(folder) as entries:
        paths = [Path(entry.path) for entry in entries if entry.is_symlink() or entry.is_dir()]
    for path in paths:
        if path.is_symlink() and (kind := kind_of_path(path)) == NOWHERE:
            raise DataError(f"{path}: {kind}, expected the folder of a symbol")
    for path in sorted(path for path in paths if path.is_dir()):
        name = path.name.lower().removeprefix(RESERVED)
        if (fault := symbol_fault(name)) is not None:
            raise DataError(f"{folder}: expected folders named after symbols, found {short_repr(path.name)} ({fault})")
        symbol = canonical(name)
        if symbol in folders:
            raise DataError(f"{folder}: two folders for {symbol}: {folders[symbol].name} and {path.name}")
        folders[symbol] = path
    return folders


def field_files(folder: Path, freq: str) -> dict[str, Path]:
    """Field in lower case -> its file of a frequency, whatever its case. folder : of a symbol"""
    ending = f".{freq}.bin".lower()
    with os.scandir(folder) as entries:
        names = {entry.name.lower(): Path(entry.path) for entry in entries}
    return {name.removesuffix(ending): path for name, path in names.items() if name.endswith(ending)}


@dataclass(frozen=True, slots=True)
class BinSeries:
    """The values of one field over consecutive sessions."""

    start: int
    """Index of the first value in the calendar."""
    values: npt.NDArray[np.float32]

    @property
    def end(self) -> int:
        """Index after the last value."""
        return self.start + len(self.values)


def read_bin(path: Path, calendar_length: int) -> BinSeries:
    """The values of a .bin file; DataError where it is damaged, holds none, or does not fit the calendar."""
    content = read_bytes(path)
    if len(content) % _WORD:
        raise DataError(f"{path}: expected a multiple of {_WORD} bytes (float32), found {len(content)}: truncated?")
    if len(content) <= _WORD:
        raise DataError(f"{path}: expected a start index and values, found {len(content)} bytes")
    words = np.frombuffer(content, "<f4")
    if _is_float64(content, calendar_length):
        raise DataError(f"{path}: expected float32 values, found float64: write them as '<f4'")
    start = float(words[0])
    if not (start.is_integer() and 0 <= start < calendar_length):
        raise DataError(
            f"{path}: expected a start index from 0 to {calendar_length - 1} in the first 4 bytes, found {start:g}"
        )
    series = BinSeries(int(start), words[1:])
    if series.end > calendar_length:
        raise DataError(
            f"{path}: expected at most {calendar_length - series.start} values after session {series.start} of the "
            f"calendar, found {len(series.values)}"
        )
    return series


def _is_float64(content: bytes, calendar_length: int) -> bool:
    """Whether a file is plausible as float64 but not as float32.

    The low halves of doubles read as float32 are noise (half of it negative) or, for short numbers, all zero; fields
    of a bar are never negative.
    """
    if len(content) % (2 * _WORD):
        return False
    doubles = np.frombuffer(content, "<f8")
    start, values = float(doubles[0]), doubles[1:]
    if not (start.is_integer() and start >= 0 and start + len(values) <= calendar_length and len(values)):
        return False
    known = values[~np.isnan(values)]
    if not len(known) or known.min() < 0 or known.max() > _LARGEST_PLAUSIBLE:
        return False
    words = np.frombuffer(content, "<f4")[2:]
    low, high = words[0::2], words[1::2]
    return bool((words < 0).any() or (not low.any() and high.any()) or 1 + len(words) > calendar_length)
