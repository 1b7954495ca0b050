"""A Qlib directory as the ingest reads it, and made readable for pyqlib, which knows lower-case names only.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import BoolArray, FloatArray
from kronos_quant.backtest.panel import Panel
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.files import make_folder, temporary_folder, write_text
from kronos_quant.market.ingest.qlib_files import (
    RESERVED,
    field_files,
    read_bin,
    read_calendar,
    read_lists,
    symbol_folders,
)
from kronos_quant.panel.matrix import simple_returns
from kronos_quant.readers import read_text
from kronos_quant.schema import DAILY

Days = npt.NDArray[np.datetime64]
Spans = dict[str, list[tuple[date, date]]]

SAME_CLOSE = 1e-6
"""Relative difference of closes below which a directory is the one that a panel was read from."""

CLEAR_MOVE = 0.005
"""Moves of a close from which on a fraction and a percentage cannot be taken for each other."""

MOVES_NEEDED = 5
"""Clear moves that tell the unit of one symbol's `$change`."""

PERCENT = np.float32(100.0)


class OtherBarsError(DataError):
    """A directory does not hold the bars that are traded."""


@dataclass(frozen=True, slots=True)
class QlibDirectory:
    """What lies where in a Qlib directory.

    days : the calendar; folders : by canonical symbol; spans : first and last day of each span of instruments/all.txt
    """

    path: Path
    days: tuple[date, ...]
    folders: dict[str, Path]
    spans: Spans
    _files: dict[str, dict[str, Path]] = field(default_factory=dict, repr=False, compare=False)

    def files(self, symbol: str) -> dict[str, Path]:
        """Field -> its file; none for a symbol without a folder."""
        if symbol not in self._files:
            folder = self.folders.get(symbol)
            self._files[symbol] = {} if folder is None else field_files(folder, DAILY)
        return self._files[symbol]

    def values(self, symbol: str, name: str, first: int, end: int) -> FloatArray:
        """f64[end - first]: a field of a symbol over sessions of the calendar, NaN where it has none."""
        values = np.full(end - first, np.nan)
        path = self.files(symbol).get(name)
        if path is not None:
            series = read_bin(path, len(self.days))
            low, high = max(series.start, first), min(series.end, end)
            if low < high:
                values[low - first : high - first] = series.values[low - series.start : high - series.start]
        return values

    def require(self, symbols: Sequence[str], names: Collection[str]) -> None:
        """Raise DataError where a symbol lacks the file of a field: pyqlib would read NaN, and limit nothing."""
        for name in names:
            lacking = [symbol for symbol in symbols if name not in self.files(symbol)]
            if lacking:
                few = counted(len(lacking), "symbol")
                raise DataError(
                    f"{self.path / 'features'}: expected {name}.{DAILY}.bin for each of {len(symbols)} symbols with "
                    f"bars, found none for {few} ({listed(lacking, 3)})",
                    hint="Write the files again, or choose `price_limit: none` where $change alone is missing.",
                )

    @property
    def plain(self) -> bool:
        """Whether pyqlib finds everything: folders, files and symbols are spelled as it expects them."""
        expected = (({symbol.lower(), RESERVED + symbol.lower()}, folder) for symbol, folder in self.folders.items())
        return (
            all(folder.name in names for names, folder in expected)
            and all(path.name == path.name.lower() for symbol in self.folders for path in self.files(symbol).values())
            and all(name in self.spans for name in _listed_names(self.path / "instruments"))
        )


def open_directory(path: Path) -> QlibDirectory:
    """The names of a Qlib directory. Raises DataError for a damaged one."""
    days = tuple(time.date() for time in read_calendar(path / "calendars", DAILY))
    spans: Spans = {}
    rows = read_lists(path / "instruments").filter(universe="all").select("symbol", "start", "end")
    for symbol, start, end in rows.iter_rows():
        spans.setdefault(symbol, []).append((start, end))
    return QlibDirectory(path, days, symbol_folders(path / "features"), spans)


def check_same_bars(directory: QlibDirectory, panel: Panel, first: int, end: int) -> None:
    """Raise OtherBarsError where the panel has closes that the directory does not have in sessions first to end - 1."""
    for n, symbol in enumerate(panel.symbols):
        close, known = directory.values(symbol, "close", first, end), ~np.isnan(panel.close[:, n])
        lacking = int((known & np.isnan(close)).sum())
        if lacking:
            raise OtherBarsError(
                f"{directory.path}: no close of {symbol} in {counted(lacking, 'session')} of the workspace's bars"
            )
        if (np.abs(close[known] / panel.close[known, n] - 1) > SAME_CLOSE).any():
            raise OtherBarsError(
                f"{directory.path}: the closes of {symbol} differ from the workspace's (another source or download "
                "date)"
            )


def in_percent(change: FloatArray, close: FloatArray) -> tuple[BoolArray, float]:
    """b1[N]: whose stored `$change` counts percent; and the share of the clear moves that it explains either way.

    change, close : f64[T, N]. One directory mostly has one unit: a symbol without clear moves follows the majority.
    """
    moved = simple_returns(close)
    clear = (np.abs(moved) > CLEAR_MOVE) & ~np.isnan(change)
    slack = 0.1 * np.abs(moved) + 1e-3
    fraction = clear & (np.abs(change - moved) <= slack)
    percent = clear & (np.abs(change / 100 - moved) <= slack)
    count = clear.sum(axis=0)
    known, found = count >= MOVES_NEEDED, percent.sum(axis=0) > count / 2
    majority = bool(found[known].mean() > 0.5) if known.any() else False
    explained = float((fraction | percent).sum() / clear.sum()) if clear.any() else 1.0
    return np.where(known, found, majority), explained


def inside(spans: Sequence[tuple[date, date]], days: Days) -> BoolArray:
    """b1[T]: whether each of some days lies in one of a symbol's spans."""
    found = np.zeros(len(days), dtype=np.bool_)
    for start, end in spans:
        found |= (days >= np.datetime64(start)) & (days <= np.datetime64(end))
    return found


def factor_missing(directory: QlibDirectory, first: int, end: int) -> bool:
    """Whether a symbol of instruments/all.txt has a close and no factor in its sessions of first to end - 1."""
    days = np.array(directory.days, dtype="datetime64[D]")[first:end]
    for symbol, own in directory.spans.items():
        close, factor = (directory.values(symbol, name, first, end) for name in ("close", "factor"))
        if (inside(own, days) & ~np.isnan(close) & np.isnan(factor)).any():
            return True
    return False


@contextmanager
def for_pyqlib(path: Path, percent: Collection[str] = ()) -> Iterator[Path]:
    """The directory itself where pyqlib can read it, else a folder of links with the names that it expects.

    percent : symbols whose `$change` counts percent and is written as a fraction
    """
    directory = open_directory(path)
    if directory.plain and not percent:
        yield path
        return
    with temporary_folder("qlib-names") as made:
        make_folder(made / "calendars")
        write_text(made / "calendars" / f"{DAILY}.txt", "".join(f"{day}\n" for day in directory.days))
        make_folder(made / "instruments")
        # without a list pyqlib knows no symbol, and the ingest all of them
        whole = {symbol: [(directory.days[0], directory.days[-1])] for symbol in directory.folders}
        lines = (
            f"{symbol}\t{start}\t{end}\n"
            for symbol, spans in (directory.spans or whole).items()
            for start, end in spans
        )
        write_text(made / "instruments" / "all.txt", "".join(lines))
        for symbol in directory.folders:
            folder = made / "features" / symbol.lower()
            make_folder(folder)
            for name, file in directory.files(symbol).items():
                target = folder / f"{name}.{DAILY}.bin"
                if name == "change" and symbol in percent:
                    series = read_bin(file, len(directory.days))
                    np.r_[np.float32(series.start), series.values / PERCENT].astype("<f4").tofile(target)
                else:
                    _link(file.resolve(), target)
        yield made


def _link(file: Path, target: Path) -> None:
    try:
        target.symlink_to(file)
    except OSError:  # Windows asks for a privilege
        shutil.copyfile(file, target)


def _listed_names(folder: Path) -> Iterator[str]:
    """The symbols of instruments/all.txt as they are written; an empty one where the file has another name."""
    path = folder / "all.txt"
    if not path.is_file():
        yield ""
        return
    for line in read_text(path, encoding="utf-8").splitlines():
        if line.strip():
            yield line.split("\t")[0]
