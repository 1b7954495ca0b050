"""From the raw rows of the store to those that people and back-tests read.

Here the recipe's calibration and steps are applied, and blends are made. All of it is causal: what a date shows
depends on the rows and bars of that date and of those before it.
Shapes: T sessions, N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.errors import DataError
from kronos_quant.market import Market
from kronos_quant.signals.calibration import CALIBRATED, CALIBRATED_RISE, calibrate
from kronos_quant.signals.outcomes import realised_outcomes
from kronos_quant.signals.recipe import RANKED, ResolvedRecipe
from kronos_quant.signals.scores import ERROR_OF
from kronos_quant.signals.steps import Exposures, apply_steps, history_needed

KEYS = ["date", "symbol"]
DESCRIBES = ("date", "asof", "symbol", "close")
"""Columns that say what a row is of, not what is thought of it."""


def sessions_needed(market: Market, recipe: ResolvedRecipe, dates: Sequence[date]) -> list[date]:
    """`dates` and the sessions before them whose raw rows the recipe's steps and calibration look at, ascending."""
    back = history_needed(recipe.recipe.steps)
    if recipe.recipe.calibration is not None:
        back = max(back, recipe.recipe.calibration.sessions + recipe.horizon - 1)
    if not back:
        return sorted(dates)
    calendar = market.sessions()
    place = {on: i for i, on in enumerate(calendar)}
    wanted = {i for on in dates for i in range(max(place[on] - back, 0), place[on] + 1)}
    return [calendar[i] for i in sorted(wanted)]


def finished_rows(rows: pl.DataFrame, market: Market, recipe: ResolvedRecipe, dates: Sequence[date]) -> pl.DataFrame:
    """The rows of `dates` with what the recipe adds: calibrated quantiles, and `score`, the one after its steps.

    rows : raw ones of `sessions_needed`, or of a blend `blended_rows`. Columns are only added.
    Raises DataError where the rows lack a column that is needed.
    """
    added = []
    settings = recipe.recipe
    if (settings.steps or settings.calibration) and not rows.is_empty():
        grid = _Grid(market, rows)
        if settings.calibration is not None:
            added += _calibrated(grid, rows, recipe)
        if settings.steps:
            raw = grid.matrix(rows, RANKED if recipe.members else settings.score)
            stepped = apply_steps(raw, settings.steps, lambda: Exposures(market, grid.sessions, grid.symbols))
            added.append(grid.column(rows, stepped, RANKED))
    return rows.with_columns(added).filter(pl.col("date").is_in(list(dates)))


def blended_rows(parts: Sequence[tuple[ResolvedRecipe, pl.DataFrame]]) -> pl.DataFrame:
    """The average of several recipes' finished rows, on the symbols that all of them score.

    Every number is the members' mean, quantiles too (Vincent's average of distributions); the Monte-Carlo errors are
    those of a mean of independent ones, samples add up. `score` is the mean of what each member ranks by, after its
    own steps: with a zscore or rank step in each member, none outweighs the others.
    """
    frames = [
        frame.with_columns(pl.col(recipe.ranks_by).alias(RANKED)).filter(pl.col(RANKED).is_finite())
        for recipe, frame in parts
    ]
    shared = [name for name in frames[0].columns if all(name in frame.columns for frame in frames)]
    numbers = [name for name in shared if name not in (*DESCRIBES, "paths", "samples")]
    tall = pl.concat([frame.select(*(n for n in shared if n != "paths")) for frame in frames], how="vertical_relaxed")
    errors = set(ERROR_OF.values())
    means = [
        ((pl.col(name) ** 2).sum().sqrt() / len(parts) if name in errors else pl.col(name).mean()).alias(name)
        for name in numbers
    ]
    samples = [pl.col("samples").sum()] if "samples" in shared else []
    described = [pl.col(name).first() for name in shared if name in DESCRIBES and name not in KEYS]
    joined = tall.group_by(KEYS, maintain_order=True).agg(pl.len().alias("of"), *described, *means, *samples)
    everyone = joined.filter(pl.col("of") == len(parts)).drop("of")
    return everyone.select(name for name in dict.fromkeys([*shared, RANKED]) if name != "paths").sort(KEYS)


def _calibrated(grid: _Grid, rows: pl.DataFrame, recipe: ResolvedRecipe) -> list[pl.Series]:
    assert recipe.recipe.calibration is not None
    median, low, high = (grid.matrix(rows, name) for name in ("median", "q05", "q95"))
    outcomes = realised_outcomes(grid.market, grid.sessions, grid.symbols, recipe.horizon)
    found = calibrate(median, high - low, outcomes.returns, outcomes.sessions_ahead, recipe.recipe.calibration)
    quantiles = [grid.column(rows, found.quantiles[..., i], name) for i, name in enumerate(CALIBRATED)]
    return [*quantiles, grid.column(rows, found.p_rise, CALIBRATED_RISE)]


class _Grid:
    """All sessions from the first to the last of some rows, by all their symbols."""

    def __init__(self, market: Market, rows: pl.DataFrame) -> None:
        first, last = rows["date"].min(), rows["date"].max()
        assert isinstance(first, date)
        assert isinstance(last, date)
        self.market = market
        self.sessions = [on for on in market.sessions() if first <= on <= last]
        self.symbols: list[str] = rows["symbol"].unique().sort().to_list()
        row = pl.DataFrame({"date": self.sessions}, schema={"date": pl.Date}).with_row_index("row")
        column = pl.DataFrame({"symbol": self.symbols}).with_row_index("column")
        placed = rows.select(KEYS).join(row, on="date", how="left", maintain_order="left")
        placed = placed.join(column, on="symbol", how="left", maintain_order="left")
        self._place = (placed["row"].to_numpy(), placed["column"].to_numpy())

    def matrix(self, rows: pl.DataFrame, name: str) -> NDArray[np.float64]:
        """float64[T, N] of a column, NaN where there is no row."""
        if name not in rows.columns:
            raise DataError(f"the signals have no column {name}: they have {', '.join(rows.columns)}")
        wide = np.full((len(self.sessions), len(self.symbols)), np.nan)
        wide[self._place] = rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return wide

    def column(self, rows: pl.DataFrame, wide: NDArray[np.float64], name: str) -> pl.Series:
        """The values of a matrix, a row of `rows` each."""
        return pl.Series(name, wide[self._place])
