"""The market as Qlib's exchange sees it: what `$change` says of the day, the close where a deal price is missing.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import BoolArray, FloatArray, StateArray
from kronos_quant.backtest.codes import LIMIT_DOWN, LIMIT_UP, NO_BAR, TRADABLE
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rules import Terms, percent
from kronos_quant.backtest.settings import VolumeShares
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import DataError
from kronos_quant.market.ingest.qlib_files import read_bin, read_calendar, read_lists
from kronos_quant.panel.matrix import simple_returns
from kronos_quant.schema import DAILY

Days = npt.NDArray[np.datetime64]
Spans = dict[str, list[tuple[date, date]]]

LIMIT_THRESHOLD = 0.095
"""Qlib's for its Chinese region."""

TRADE_UNIT = 100
"""Raw shares that Qlib's Chinese region rounds orders to."""

OPEN_COST, CLOSE_COST, MIN_COST = 0.001, 0.0015, 5.0
"""The guide's."""

NO_LIMIT = 10.0
"""Qlib cannot do without a threshold; no symbol moves by ten times."""

NO_PRICE = 1e-8
"""A deal price up to this is none to Qlib."""

SAME_CLOSE = 1e-6
"""Relative difference of closes below which a directory is the one that a panel was read from."""


@dataclass(frozen=True, slots=True)
class QlibFacts:
    """What Qlib reads in addition to prices.

    change : f64[T, N], the move of each day's close as float32 has it; NaN: not limited
    volume : f64[T, N], as float32 has it and Qlib reads it
    unit : raw shares that orders are rounded to; 0: none
    notes : where these come from, for the reader
    listed : b1[T, N], whether a symbol's bar lies within its spans of instruments/all.txt, without which Qlib has none;
    None where every bar does
    """

    change: FloatArray
    volume: FloatArray
    unit: int
    notes: tuple[str, ...] = ()
    listed: BoolArray | None = None


def derived_facts(panel: Panel) -> QlibFacts:
    """`change` computed from the adjusted closes, the panel's volumes, and orders in units of 100."""
    moved = simple_returns(panel.close), panel.volume
    changes, volumes = (values.astype(np.float32).astype(np.float64) for values in moved)
    return QlibFacts(changes, volumes_read(volumes, panel.dates), TRADE_UNIT)


def volumes_read(volume: FloatArray, days: Sequence[date]) -> FloatArray:
    """The volumes as Qlib's exchange reads them: on the last day before days without trading it sums them, NaN to 0.

    volume : f64[T, N]; days : the T days of the calendar, and the next one where there is one
    """
    sums = np.array([after - before > timedelta(days=1) for before, after in pairwise(days)])[: len(volume)]
    read = volume.copy()
    read[: len(sums)][sums] = np.nan_to_num(volume[: len(sums)][sums], nan=0.0)
    return read


def facts_of_directory(panel: Panel, directory: Path) -> QlibFacts:
    """`$change` and `$volume` as a Qlib directory stores them, and whether Qlib would round orders on it.

    Qlib does not round where any symbol of instruments/all.txt has a close without a factor in the period.
    Raises DataError where the directory has other closes than the panel, or does not cover its sessions.
    """
    calendar = [time.date() for time in read_calendar(directory / "calendars", DAILY)]
    first, end = bisect_left(calendar, panel.dates[0]), bisect_right(calendar, panel.dates[-1])
    if tuple(calendar[first:end]) != panel.dates:
        raise DataError(f"{directory}: its calendar has other sessions from {panel.dates[0]} to {panel.dates[-1]}")
    days, spans = np.array(calendar, dtype="datetime64[D]"), listed_spans(directory)
    change, volume = np.full(panel.close.shape, np.nan), np.full(panel.close.shape, np.nan)
    for n, symbol in enumerate(panel.symbols):
        close = field_values(directory, symbol, "close", len(calendar), first, end)
        both = ~np.isnan(close) & ~np.isnan(panel.close[:, n])
        if (np.abs(close[both] / panel.close[both, n] - 1) > SAME_CLOSE).any():
            raise DataError(
                f"{directory}: the closes of {symbol} differ from the workspace's (another source or download date)"
            )
        change[:, n] = field_values(directory, symbol, "change", len(calendar), first, end)
        volume[:, n] = field_values(directory, symbol, "volume", len(calendar), first, end)
    # the first session only gives scores; Qlib looks at the sessions that it trades in
    unit = 0 if factor_missing(directory, days, spans, first + 1, end) else TRADE_UNIT
    notes = (
        () if unit else ("Qlib does not round orders here, because a symbol of all.txt has a close without a factor.",)
    )
    listed = np.stack([inside(spans.get(symbol, []), days[first:end]) for symbol in panel.symbols], axis=1)
    read = volumes_read(volume, calendar[first : end + 1])
    everything = not spans or bool(listed[~np.isnan(panel.close)].all())
    return QlibFacts(change, read, unit, notes, None if everything else listed)


def field_values(directory: Path, symbol: str, name: str, length: int, first: int, end: int) -> npt.NDArray[np.float64]:
    """A field of a symbol over sessions first to end - 1 of the calendar, NaN where it has none."""
    values = np.full(end - first, np.nan)
    path = directory / "features" / symbol.lower() / f"{name}.{DAILY}.bin"
    if path.is_file():
        series = read_bin(path, length)
        low, high = max(series.start, first), min(series.end, end)
        if low < high:
            values[low - first : high - first] = series.values[low - series.start : high - series.start]
    return values


def listed_spans(directory: Path) -> Spans:
    """The first and the last day of each span of instruments/all.txt, by symbol."""
    spans: Spans = {}
    rows = read_lists(directory / "instruments").filter(universe="all").select("symbol", "start", "end")
    for symbol, start, end in rows.iter_rows():
        spans.setdefault(symbol, []).append((start, end))
    return spans


def inside(spans: Sequence[tuple[date, date]], days: Days) -> BoolArray:
    """b1[T]: whether each of some days lies in one of a symbol's spans."""
    found = np.zeros(len(days), dtype=np.bool_)
    for start, end in spans:
        found |= (days >= np.datetime64(start)) & (days <= np.datetime64(end))
    return found


def factor_missing(directory: Path, days: Days, spans: Spans, first: int, end: int) -> bool:
    """Whether a symbol of instruments/all.txt has a close and no factor in its sessions of first to end - 1."""
    for symbol, own in spans.items():
        close = field_values(directory, symbol, "close", len(days), first, end)
        factor = field_values(directory, symbol, "factor", len(days), first, end)
        if (inside(own, days[first:end]) & ~np.isnan(close) & np.isnan(factor)).any():
            return True
    return False


def as_listed(panel: Panel, facts: QlibFacts) -> Panel:
    """The panel without the prices that Qlib does not read."""
    if facts.listed is None:
        return panel
    opened, close = (np.where(facts.listed, values, np.nan) for values in (panel.open, panel.close))
    return replace(panel, open=opened, close=close)


def qlib_prices(panel: Panel, fill: str) -> FloatArray:
    """The deal prices f64[T, N]: the close where the field is missing or 0."""
    price = panel.open if fill == "open" else panel.close
    return np.ascontiguousarray(np.where(price > NO_PRICE, price, panel.close))


def qlib_states(panel: Panel, change: FloatArray, threshold: float) -> StateArray:
    """uint8[T, N]: suspended, or at a limit by the day's own close-to-close change (Qlib looks ahead here)."""
    states = np.full(panel.close.shape, TRADABLE, dtype=np.uint8)
    moved, limit = change.astype(np.float32), np.float32(threshold)  # Qlib compares float32 numbers
    states[moved >= limit] = LIMIT_UP
    states[moved <= -limit] = LIMIT_DOWN
    states[np.isnan(panel.close)] = NO_BAR
    return states


def qlib_costs(strategy: Strategy) -> tuple[float, float, float]:
    """open_cost, close_cost and min_cost."""
    costs = strategy.costs
    chosen = ((costs.buy, OPEN_COST), (costs.sell, CLOSE_COST), (costs.minimum, MIN_COST))
    buy, sell, minimum = (usual if own is None else own for own, usual in chosen)
    return buy, sell, minimum


def qlib_threshold(strategy: Strategy) -> float:
    """limit_threshold: one for every board, as Qlib has it."""
    if strategy.price_limit == "none":
        return NO_LIMIT
    return LIMIT_THRESHOLD if strategy.price_limit == "exchange" else float(strategy.price_limit)


def qlib_unit(strategy: Strategy, facts: QlibFacts) -> int:
    """trade_unit, 0 where orders are not rounded."""
    if strategy.lot == "exchange" or facts.unit == 0:
        return facts.unit
    return strategy.lot


def qlib_terms(strategy: Strategy, facts: QlibFacts, exchange: Terms) -> Terms:
    """The rules in words; figures are annualised as the exchange's sessions are."""
    buy, sell, minimum = qlib_costs(strategy)
    unit = qlib_unit(strategy, facts)
    costs = f"Qlib's: buying {percent(buy)}, selling {percent(sell)}, at least {minimum:g} per trade"
    if strategy.qlib.impact_cost:
        costs += f", and {strategy.qlib.impact_cost:g} x the square of the order's share of the day's value"
    rules = (
        f"Qlib's: limit {qlib_threshold(strategy):g} on the day's close-to-close change, "
        + (f"orders in units of {unit}" if unit else "orders not rounded")
        + share_words(strategy.qlib.volume_threshold)
        + ", delisted holdings stay at their last close"
    )
    note = (
        "Profile qlib: fills and costs as in Qlib, with its look-ahead (the same day's close decides what trades at "
        "the open) and without delistings (delisted holdings keep their places). For comparison, not for evaluation."
    )
    return Terms((costs, rules), (note, *facts.notes), exchange.sessions_per_year)


def share_words(shares: VolumeShares | None) -> str:
    """The volume limit in words after a comma; nothing without one."""
    if shares is None:
        return ""
    if shares.buy == shares.sell:
        return f", at most {shares.buy:g} of the day's own volume"
    return f", at most {shares.buy:g} of the day's own volume bought and {shares.sell:g} sold"
