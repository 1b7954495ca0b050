"""From stored signals and the market's bars to the scorecard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from pydantic import Field

from kronos_quant.arrays import IntArray
from kronos_quant.config import Day, Section
from kronos_quant.errors import DataError, counted
from kronos_quant.evaluation.cards import DECAY
from kronos_quant.evaluation.contender import PATHS, SIGNAL, Contender, raw_distribution, stored_contender
from kronos_quant.evaluation.grid import MarketGrid, history_start, make_grid
from kronos_quant.evaluation.scorecard import Scorecard, make_scorecard
from kronos_quant.evaluation.slices import Boundary
from kronos_quant.market import Market
from kronos_quant.signals import SignalSource
from kronos_quant.signals.recipe import ComputedRecipe


@dataclass(frozen=True, slots=True)
class StoredRecipe:
    """A recipe's stored signals: those of `dates`; the `missing` sessions have none."""

    name: str
    source: SignalSource
    dates: list[date]
    missing: list[date]

    @property
    def description(self) -> str:
        """In words."""
        return f"recipe {self.name}, model {self.source.recipe.model}, ranked by {self.source.recipe.ranks_by}"

    @property
    def command(self) -> str | None:
        """What computes the missing sessions."""
        if not self.missing:
            return None
        return f"kq signal --start {self.missing[0]} --end {self.missing[-1]} --recipe {self.name}"

    def notes(self) -> list[str]:
        """What is missing, with the command that computes it."""
        if not self.missing:
            return []
        period = f"{counted(len(self.missing), 'session')} from {self.missing[0]} to {self.missing[-1]}"
        verb = "has" if len(self.missing) == 1 else "have"
        return [f"recipe {self.name}: {period} {verb} no signals; compute them with {self.command}"]

    def rows(self) -> pl.DataFrame:
        """The signals as the evaluation takes them: with their moments as time, and their paths where they are."""
        found, recipe = self.source.read(self.dates, by_bar=True), self.source.recipe
        finals = self.source.path_returns(self.dates, PATHS)
        if finals is not None:
            found = found.join(finals, on=["asof", "symbol"], how="left", maintain_order="left")
        return found.with_columns(recipe.moment.alias("time"))


def find_stored(source: SignalSource, name: str, start: date | None, end: date | None) -> StoredRecipe:
    """The stored signals that are up to date. Raises DataError where there are none."""
    first = source.first_stored() if source.test_start is None else source.first_unseen()
    dates = source.market.session_range(start or first, end)
    there, missing = source.coverage(source.needed(dates))
    found = StoredRecipe(name, source, [on for on in dates if on in there], missing)
    if not found.dates and not missing and not source.stored_dates():
        raise source.nothing_of(dates, f"any session from {dates[0]} to {dates[-1]}", set())
    if not found.dates:
        raise DataError(
            f"recipe {name}: no signals in the store from {dates[0]} to {dates[-1]}",
            hint=found.command or "kq signal list",
        )
    return found


class EvaluationConfig(Section):
    """What was evaluated, with the defaults filled in."""

    signal: str = Field(description="recipe whose signals are evaluated")
    start: Day = Field(description="first session with signals")
    end: Day = Field(description="last session with signals")
    universe: str = Field(description="universe whose constituents are evaluated")
    against: tuple[str, ...] = Field(description="recipes compared with it")


@dataclass(frozen=True, slots=True)
class EvaluationInputs:
    """The bars that a signal is measured on, and the signal's place among them."""

    grid: MarketGrid
    rows: IntArray
    universe: str
    signals: pl.DataFrame
    own: Contender


def read_inputs(market: Market, main: StoredRecipe, start: date, end: date, universe: str) -> EvaluationInputs:
    """The bars from before `start` to after `end`, and the signals on them.

    Raises DataError where the universe has no bars, and where no score is of a member of it.
    """
    signals, recipe = main.rows(), main.source.recipe
    ends = market.times()
    within = ends["date"].is_between(start, end)
    sessions, places = ends["date"].to_list(), within.arg_true()
    since = history_start(sessions, places[0])
    until = sessions[min(places[-1] + max(recipe.horizon, *DECAY), len(sessions) - 1)]
    membership = market.universe(universe)
    symbols = market.traded_members(membership)
    bars = market.select_bars(symbols, start=since, end=until)
    if bars.is_empty():
        raise DataError(f"universe {universe}: no bars of any constituent since {since}")
    shown = ends.filter(pl.col("date").is_between(since, until))
    grid = make_grid(bars, shown["date"].to_list(), membership, shown["time"].to_list())
    rows = _rows(shown, main, signals, start, end)
    own = stored_contender(SIGNAL, main.description, signals, recipe.ranks_by, grid, rows)
    assert own.scores is not None
    if not np.isfinite(own.scores[grid.member[rows]]).any():
        raise DataError(f"recipe {main.name}: no score is of a constituent of {universe} on its date")
    return EvaluationInputs(grid, rows, universe, signals, own)


def _rows(bars: pl.DataFrame, main: StoredRecipe, signals: pl.DataFrame, start: date, end: date) -> IntArray:
    """int64[T]: the bars at which there are signals or could be."""
    recipe = main.source.recipe
    if recipe.at_close:
        chosen = bars["time"] == bars.select(pl.col("time").max().over("date"))["time"]
    else:
        chosen = bars["time"].is_in(signals["time"].unique().implode())
        if isinstance(recipe, ComputedRecipe):
            chosen |= pl.Series(recipe.recipe.asof.among(bars))
    return (chosen & bars["date"].is_between(start, end)).arg_true().to_numpy().astype(np.int64)


def _uncalibrated(inputs: EvaluationInputs, main: StoredRecipe) -> list[str]:
    """What to know where a calibration had too little to learn from."""
    forecast = inputs.own.forecast
    if main.source.recipe.recipe.calibration is None or forecast is None or inputs.own.scores is None:
        return []
    scored = np.isfinite(inputs.own.scores).any(axis=1)
    without = scored & ~np.isfinite(forecast.quantiles).any(axis=(1, 2))
    dates = inputs.grid.clock.dates(int(scored.sum()))
    reason = "have no calibrated quantiles (too few past outcomes) and are excluded from the calibration figures."
    return [f"{int(without.sum())} of {dates} {reason}"] if without.any() else []


def measure(
    inputs: EvaluationInputs, main: StoredRecipe, others: Sequence[tuple[str, StoredRecipe]], notes: Sequence[str]
) -> Scorecard:
    """The scorecard of a signal, the baselines and other recipes, each under a name."""
    grid, rows, own, horizon = inputs.grid, inputs.rows, inputs.own, main.source.recipe.horizon
    against = raw_distribution(inputs.signals, grid, rows)
    lines = [
        *notes,
        *_uncalibrated(inputs, main),
        *(line for stored in (main, *(other for _, other in others)) for line in stored.notes()),
    ]
    for name, other in others:
        theirs = stored_contender(name, other.description, other.rows(), other.source.recipe.ranks_by, grid, rows)
        alike = (other.source.recipe.horizon, theirs.levels) == (horizon, own.levels)
        if own.forecast and theirs.forecast and not alike:
            lines.append(f"{name}: its horizon or quantiles differ, so only its ranking is compared.")
        if not alike:
            theirs = replace(theirs, forecast=None)
        against.append(theirs)
    return make_scorecard(
        own,
        grid,
        rows,
        horizon,
        against=against,
        boundaries=tuple(Boundary(what, until) for what, until in main.source.data_ends().items()),
        universe=inputs.universe,
        score=main.source.recipe.ranks_by,
        notes=lines,
    )
