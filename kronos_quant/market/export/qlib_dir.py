"""Bars -> a Qlib directory, in the form that pyqlib reads and `ingest.qlib_dir` reads back bit for bit.

    calendars/<freq>.txt                    sessions (daily) or bar ends
    instruments/all.txt, <universe>.txt     SYMBOL <tab> first <tab> last, both inclusive
    features/<symbol>/<field>.<freq>.bin    in lower case: pyqlib on Linux finds no other

Fields: open, high, low, close, volume, amount and factor as stored; `change` is that of the adjusted close over the
last bar before it, so that a split is no fall; `vwap` is amount / volume in adjusted prices. Suspended sessions are
NaN; only the factor goes on through them, as in Qlib's own dumps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from kronos_quant.errors import DataError, counted, listed
from kronos_quant.files import write_text
from kronos_quant.market.reader import Market
from kronos_quant.market.universes import ALL
from kronos_quant.schema import DAILY, PRICES

_AS_STORED = (*PRICES, "volume", "amount", "factor")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
"""Names that Windows reserves; pyqlib looks for such a symbol's folder under the prefix."""
_DEVICE_PREFIX = "_qlib_"
_READ_AS_MISSING = ("NA", "NAN", "NULL")
_PLAUSIBLE = (0.5, 2.0)
"""Between these multiples of the close lies the median of a mean price; else the units are others."""

Positions = npt.NDArray[np.intp]


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
