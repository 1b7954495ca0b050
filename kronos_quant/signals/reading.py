"""From the raw rows of the store to those that people and back-tests read.

Here the recipe's calibration and steps are applied, and blends are made. All of it is causal: what a moment shows
depends on the rows and bars of that moment and of those before it.
Shapes: T moments, N symbols, H bars of the path.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from functools import partial

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.errors import DataError
from kronos_quant.market import Market
from kronos_quant.panel.matrix import cell_index, forward_returns, to_matrix
from kronos_quant.signals.calibration import (
    CALIBRATED,
    CALIBRATED_PATH,
    CALIBRATED_RISE,
    LEAST_SPANS,
    Calibrated,
    Calibration,
    calibrate,
)
from kronos_quant.signals.moments import MOMENT, Moments, sessions_back
from kronos_quant.signals.recipe import RANKED, ResolvedRecipe
from kronos_quant.signals.scores import ERROR_OF, PATH_QUANTILES
from kronos_quant.signals.steps import ScoreExposures, apply_steps, history_needed

logger = logging.getLogger(__name__)


KEYS = ["date", MOMENT, "symbol"]
DESCRIBES = ("date", "asof", "symbol", "close")
"""Columns that say what a row is of, not what is thought of it."""


def sessions_needed(market: Market, recipe: ResolvedRecipe, dates: Sequence[date]) -> list[date]:
    """The sessions `dates` and those before them whose raw rows the recipe looks at (steps, calibration), ascending."""
    smoothed = history_needed(recipe.recipe.steps)
    learned = recipe.recipe.calibration
    if not smoothed and learned is None:
        return sorted(dates)
    calendar = market.sessions()
    place = {on: i for i, on in enumerate(calendar)}
    wanted: set[int] = set()
    for on in dates:
        back = smoothed
        if learned is not None:
            back = max(back, learned.sessions - 1 + sessions_back(market, on, recipe.horizon))
        wanted.update(range(max(place[on] - back, 0), place[on] + 1))
    return [calendar[i] for i in sorted(wanted)]


def finished_rows(
    rows: pl.DataFrame, market: Market, recipe: ResolvedRecipe, dates: Sequence[date], *, by_bar: bool = False
) -> pl.DataFrame:
    """The rows of `dates` with what the recipe adds: calibrated quantiles, and `score`, the one after its steps.

    rows : raw ones of `sessions_needed`, or of a blend `blended_rows`; columns are only added. by_bar : calibrate the
    quantiles of every bar of the path too, where they are stored (CALIBRATED_PATH, H values a row), which takes H times
    as long. Raises DataError where the rows lack a column that is needed.
    """
    settings = recipe.recipe
    wanted = pl.col("date").is_in(list(dates))
    if rows.is_empty() or not (settings.steps or settings.calibration):
        return rows.filter(wanted)
    grid = _Grid(market, recipe, rows)
    shown = rows.filter(wanted)
    added: list[pl.Series] = []
    if settings.calibration is not None:
        calibrating = _Calibrating(grid, rows, shown, settings.calibration)
        added += calibrating.main(recipe.horizon)
        if by_bar and set(PATH_QUANTILES) <= set(rows.columns):
            added += calibrating.path()
    if settings.steps:
        moments = grid.moments
        exposures = partial(ScoreExposures, market, moments.date, grid.symbols, at_close=recipe.at_close)
        stepped = apply_steps(grid.matrix(rows, recipe.raw_score), settings.steps, moments.session, exposures)
        added.append(pl.Series(RANKED, stepped[grid.place(shown)]))
    return shown.with_columns(added)


def blended_rows(parts: Sequence[tuple[ResolvedRecipe, pl.DataFrame]]) -> pl.DataFrame:
    """The average of several recipes' finished rows, on the symbols that all of them score at a moment.

    Every number is the members' mean, quantiles too (Vincent's average of distributions); the Monte-Carlo errors are
    those of a mean of independent ones, samples add up. `score` is the mean of what each member ranks by, after its
    own steps: with a zscore or rank step in each member, none outweighs the others.
    """
    frames = [
        frame.with_columns(recipe.moment.alias(MOMENT), pl.col(recipe.ranks_by).alias(RANKED)).filter(
            pl.col(RANKED).is_finite()
        )
        for recipe, frame in parts
    ]
    everyone = frames[0].select(KEYS)
    for frame in frames[1:]:
        everyone = everyone.join(frame, on=KEYS, how="semi")
    aligned = [frame.join(everyone, on=KEYS, how="semi").sort(KEYS) for frame in frames]
    shared = [name for name in aligned[0].columns if all(name in frame.columns for frame in aligned)]
    # paths are draws of one model: there is no mean of them
    kept = dict.fromkeys(name for name in (*shared, RANKED) if name not in ("paths", MOMENT))
    return pl.DataFrame([_blended(name, aligned) for name in kept])


def _blended(name: str, aligned: Sequence[pl.DataFrame]) -> pl.Series:
    columns = [frame[name] for frame in aligned]
    if name == "asof":
        return aligned[0][MOMENT].alias(name)
    if name in DESCRIBES:
        return columns[0]
    values = [column.to_numpy() for column in columns]
    if name == "samples":
        return pl.Series(name, np.sum(values, axis=0), dtype=columns[0].dtype)
    if name in ERROR_OF.values():
        return pl.Series(name, np.sqrt(sum(value**2 for value in values)) / len(values))
    return pl.Series(name, np.mean(values, axis=0), dtype=columns[0].dtype)


class _Calibrating:
    """Calibrates the rows `shown` by those of all `rows`."""

    def __init__(self, grid: _Grid, rows: pl.DataFrame, shown: pl.DataFrame, settings: Calibration) -> None:
        self.grid, self.rows, self.shown, self.settings = grid, rows, shown, settings
        self.returns = realised_returns(grid.market, grid.moments, grid.symbols)
        self.wanted, self.place = np.unique(grid.place(shown)[0], return_inverse=True)

    def main(self, horizon: int) -> Iterator[pl.Series]:
        """The columns of the main horizon."""
        median, low, high = (self.grid.matrix(self.rows, name) for name in ("median", "q05", "q95"))
        found = self._at(median, high - low, horizon)
        without = int(np.isnan(found.quantiles).all(axis=(1, 2)).sum())
        if without:
            logger.warning(
                "no calibrated quantiles on %d of %d dates: fewer than %d known past outcomes, or fewer than %d "
                "non-overlapping ones",
                without,
                len(self.wanted),
                self.settings.least,
                LEAST_SPANS,
            )
        for i, name in enumerate(CALIBRATED):
            yield pl.Series(name, self._of_rows(found.quantiles[..., i]))
        yield pl.Series(CALIBRATED_RISE, self._of_rows(found.p_rise))

    def path(self) -> Iterator[pl.Series]:
        """The columns of every bar of the path."""
        low, median, high = (self.grid.matrix(self.rows, name) for name in PATH_QUANTILES)  # [T, N, H]
        H = median.shape[2]
        found = np.full((self.shown.height, len(CALIBRATED_PATH), H), np.nan, dtype=np.float32)
        for bar in range(H):
            quantiles = self._at(median[..., bar], high[..., bar] - low[..., bar], bar + 1).quantiles
            found[..., bar] = self._of_rows(quantiles)
        for i, name in enumerate(CALIBRATED_PATH):
            yield pl.Series(name, found[:, i], dtype=pl.Array(pl.Float32, H))

    def _at(self, median: FloatArray, spread: FloatArray, ahead: int) -> Calibrated:
        return calibrate(median, spread, self.returns(ahead), self.grid.moments, ahead, self.settings, self.wanted)

    def _of_rows(self, values: FloatArray) -> FloatArray:
        """Of values [W, N, ...] those of the rows shown."""
        return values[self.place, self.grid.place(self.shown)[1]]


class _Grid:
    """The moments of some rows by all their symbols."""

    def __init__(self, market: Market, recipe: ResolvedRecipe, rows: pl.DataFrame) -> None:
        self.market, self._moment = market, recipe.moment.alias(MOMENT)
        self.moments = Moments.of(market, rows.select("date", self._moment))
        self.times: list[datetime] = self.moments.time.tolist()
        self.symbols: list[str] = rows["symbol"].unique().sort().to_list()

    def place(self, rows: pl.DataFrame) -> tuple[IntArray, IntArray]:
        """Row and column of each of some rows."""
        return cell_index(rows.select(self._moment, "symbol"), self.times, self.symbols, MOMENT)

    def matrix(self, rows: pl.DataFrame, name: str) -> FloatArray:
        """float64[T, N], or [T, N, H] of a column with an array a row; NaN where there is no row."""
        if name not in rows.columns:
            raise DataError(f"the signals have no column {name}: they have {', '.join(rows.columns)}")
        return to_matrix(rows.select(self._moment, "symbol", name), name, self.times, self.symbols, key=MOMENT)


def realised_returns(market: Market, moments: Moments, symbols: Sequence[str]) -> Callable[[int], FloatArray]:
    """What gives, for a number of bars of the market, the returns float64[T, N] over them from each moment on.

    NaN where no bar ends at a moment, and else as `forward_returns` has it.
    """
    start, ends = moments.date[0], market.times()
    times = ends.filter(pl.col("date") >= start)["time"].to_list()
    close = to_matrix(market.select_bars(symbols, start=start), "close", times, symbols, key="time")
    rows = np.where(moments.exact, moments.bar - (ends.height - len(times)), -1)
    return partial(forward_returns, close, rows)
