"""What a scorecard compares: the signal, and what it has to be better than.

Shapes: T dates, N symbols, Q quantile levels. Returns are over the horizon, as fractions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.evaluation.grid import MarketGrid
from kronos_quant.schema import quantile_columns

SIGNAL = "signal"
PATHS = "final_returns"
"""The column of the returns of the sample paths, an array a row."""
CALIBRATED = "cal_"
"""What the names of a recipe's calibrated columns begin with."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A contender's forecast of each return."""

    levels: tuple[float, ...]
    """Ascending probabilities."""
    quantiles: FloatArray
    """[T, N, Q]."""
    p_rise: FloatArray
    """[T, N]: probability of a return above 0."""
    point: FloatArray
    """[T, N]: the expected return."""
    paths: FloatArray | None = None
    """[T, N, S]: the return of each sample path, where they are known."""
    by_bar: tuple[FloatArray, FloatArray] | None = None
    """[T, N, H], twice: the ends of the 90% interval of every bar up to the horizon, where they are known."""

    def where(self, cells: BoolArray) -> Distribution:
        """The forecast of the cells bool[T, N] only."""
        wide = cells[..., None]
        return replace(
            self,
            quantiles=np.where(wide, self.quantiles, np.nan),
            p_rise=np.where(cells, self.p_rise, np.nan),
            point=np.where(cells, self.point, np.nan),
            paths=self.paths if self.paths is None else np.where(wide, self.paths, np.nan),
            by_bar=self.by_bar and (np.where(wide, self.by_bar[0], np.nan), np.where(wide, self.by_bar[1], np.nan)),
        )


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to score, on the dates of a scorecard."""

    name: str
    description: str
    """In words, for a reader who does not know it."""
    scores: FloatArray | None
    """[T, N], NaN where it has no opinion; None: it does not rank."""
    forecast: Distribution | None
    """None: it gives no more than a rank."""

    @property
    def levels(self) -> tuple[float, ...]:
        """Of the quantiles; none where it gives no more than a rank."""
        return self.forecast.levels if self.forecast else ()

    def where(self, cells: BoolArray) -> Contender:
        """The contender on the cells bool[T, N] only."""
        return replace(
            self,
            scores=None if self.scores is None else np.where(cells, self.scores, np.nan),
            forecast=None if self.forecast is None else self.forecast.where(cells),
        )


def stored_contender(
    name: str, description: str, signals: pl.DataFrame, score: str, grid: MarketGrid, rows: IntArray
) -> Contender:
    """A recipe's stored signals on rows int64[T] of a grid; of the quantiles the calibrated ones, where there are any.

    signals : date (or time, of bars within sessions), symbol, the column `score` that ranks, and what is stored of the
    distribution; PATHS, the returns of the sample paths, belong to the quantiles before a calibration.
    """
    prefix = CALIBRATED if quantile_columns(signals.columns, CALIBRATED) else ""
    return Contender(name, description, grid.spread(signals, score, rows), _distribution(signals, grid, rows, prefix))


def raw_distribution(signals: pl.DataFrame, grid: MarketGrid, rows: IntArray) -> list[Contender]:
    """The distribution before its calibration, to compare with the calibrated one; none where there is no such."""
    if not quantile_columns(signals.columns, CALIBRATED):
        return []
    raw = _distribution(signals, grid, rows, "")
    return [Contender("uncalibrated", "the signal's quantiles before calibration", None, raw)]


def _distribution(signals: pl.DataFrame, grid: MarketGrid, rows: IntArray, prefix: str) -> Distribution | None:
    levels = quantile_columns(signals.columns, prefix)
    if not levels:
        return None

    def of(*columns: str) -> FloatArray:
        """The first of the columns that is there."""
        found = [column for column in columns if column in signals.columns]
        return grid.spread(signals, found[0], rows) if found else np.full((len(rows), len(grid.symbols)), np.nan)

    ends = [f"{prefix}path_q05", f"{prefix}path_q95"]
    return Distribution(
        levels=tuple(levels.values()),
        quantiles=np.stack([of(column) for column in levels], axis=-1),
        p_rise=of(f"{prefix}p_rise"),
        point=of("last", "median"),
        paths=of(PATHS) if PATHS in signals.columns and not prefix else None,
        by_bar=(of(ends[0]), of(ends[1])) if set(ends) <= set(signals.columns) else None,
    )
