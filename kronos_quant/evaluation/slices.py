"""The rank IC by year, by the market's volatility, by liquidity, and around what the model has seen.

Shapes: M bars of the grid, T dates (rows of the grid), N symbols. `overlap` : dates over which a return reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.evaluation.grid import MarketGrid
from kronos_quant.panel.matrix import rolling_mean, row_means, window_rows
from kronos_quant.stats.correlation import rank_ic, ranks
from kronos_quant.stats.intervals import MeanInterval, mean_interval

VOLATILITY_WINDOW = 20
COMPARED_WITH = 250
FEWEST_COMPARED = 60
"""The market is turbulent when the volatility of its last 20 bars is above the median of that figure over the 250 bars
before; with fewer than 60 of them it is unknown."""

LIQUIDITY_WINDOW = 20
LIQUIDITY_GROUPS = ("least traded third", "middle third", "most traded third")


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of dates or symbols, and the mean rank IC there."""

    kind: str
    label: str
    rank_ic: MeanInterval


def by_year(dates: Sequence[date], values: FloatArray, overlap: int) -> list[Slice]:
    """The mean of float64[T] in each calendar year."""
    years = np.array([on.year for on in dates])
    return [_slice("year", str(year), values, years == year, overlap) for year in np.unique(years)]


def by_regime(grid: MarketGrid, rows: IntArray, values: FloatArray, overlap: int) -> list[Slice]:
    """The mean of float64[T] on calm and on turbulent dates, by what was known on each."""
    turbulent = turbulence(grid)[rows]
    return [
        _slice("market volatility", label, values, turbulent == flag, overlap)
        for label, flag in (("calm", 0.0), ("turbulent", 1.0))
    ]


def turbulence(grid: MarketGrid) -> FloatArray:
    """float64[M]: 1 on turbulent bars, 0 on calm ones, NaN with too little history; known at each close."""
    close = np.where(grid.member, grid.close, np.nan)
    market = np.full(len(close), np.nan)
    market[1:] = row_means(close[1:] / close[:-1] - 1)
    frame = pl.DataFrame({"market": pl.Series(market).fill_nan(None)}).select(
        now=pl.col("market").rolling_std(VOLATILITY_WINDOW, min_samples=VOLATILITY_WINDOW // 2)
    )
    usual = frame.select(pl.col("now").shift(1).rolling_median(COMPARED_WITH, min_samples=FEWEST_COMPARED))
    flags = frame["now"] > usual["now"]
    return np.array(flags.cast(pl.Float64).fill_null(float("nan")).to_numpy(), dtype=np.float64)


def by_liquidity(
    grid: MarketGrid, rows: IntArray, scores: FloatArray, returns: FloatArray, overlap: int
) -> list[Slice]:
    """The mean rank IC within thirds of the scored symbols by the mean amount of their last 20 bars."""
    amount = rolling_mean(grid.amount, *window_rows(len(grid.amount), LIQUIDITY_WINDOW))[rows]
    scored = np.where(np.isfinite(scores), amount, np.nan)
    count = np.isfinite(scored).sum(axis=1, keepdims=True)
    third = np.floor((ranks(scored) - 0.5) / np.maximum(count, 1) * len(LIQUIDITY_GROUPS))
    return [
        Slice("liquidity", label, mean_interval(rank_ic(np.where(third == place, scores, np.nan), returns), overlap))
        for place, label in enumerate(LIQUIDITY_GROUPS)
    ]


@dataclass(frozen=True, slots=True)
class Boundary:
    """A date up to which a model has seen data, and what it saw them for; `until` is None where unknown."""

    what: str
    until: date | None


def around_boundaries(
    dates: Sequence[date], values: FloatArray, overlap: int, boundaries: Sequence[Boundary]
) -> list[Slice]:
    """The mean of float64[T] before and after each known boundary; before it, the figures are contaminated."""
    slices = []
    for what, until in ((one.what, one.until) for one in boundaries if one.until is not None):
        before = np.array([on <= until for on in dates], dtype=bool)
        for label, keep in ((f"up to {until} (contaminated)", before), (f"after {until}", ~before)):
            slices += [_slice(what, label, values, keep, overlap)] if keep.any() else []
    return slices


def contaminated(dates: Sequence[date], boundaries: Sequence[Boundary]) -> BoolArray:
    """bool[T]: the dates up to a known boundary."""
    known = [boundary.until for boundary in boundaries if boundary.until is not None]
    return np.array([any(on <= until for until in known) for on in dates], dtype=bool)


def _slice(kind: str, label: str, values: FloatArray, keep: BoolArray, overlap: int) -> Slice:
    return Slice(kind, label, mean_interval(np.where(keep, values, np.nan), overlap))
