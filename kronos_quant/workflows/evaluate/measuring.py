"""From stored signals and the market's bars to the scorecard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl

from kronos_quant.arrays import IntArray
from kronos_quant.errors import DataError
from kronos_quant.evaluation import (
    Contender,
    MarketGrid,
    Scorecard,
    history_start,
    make_grid,
    make_scorecard,
    raw_distribution,
    stored_contender,
)
from kronos_quant.evaluation.contender import SIGNAL
from kronos_quant.evaluation.scorecard import DECAY
from kronos_quant.market import Market
from kronos_quant.workflows.evaluate.boundaries import boundaries_of
from kronos_quant.workflows.evaluate.stored import Stored


@dataclass(frozen=True, slots=True)
class Ground:
    """What a signal is measured on: bars, and the signal's place among them."""

    grid: MarketGrid
    rows: IntArray
    universe: str
    signals: pl.DataFrame
    own: Contender


def prepare_ground(market: Market, main: Stored, start: date, end: date, universe: str) -> Ground:
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
    stocks = market.instruments().filter(pl.col("kind") == "stock")["symbol"]
    symbols = stocks.filter(stocks.is_in(membership["symbol"].unique().implode())).to_list()
    bars = market.select_bars(symbols, start=since, end=until)
    if bars.is_empty():
        raise DataError(f"universe {universe}: no bars of any member since {since}")
    shown = ends.filter(pl.col("date").is_between(since, until))
    grid = make_grid(bars, shown["date"].to_list(), membership, shown["time"].to_list())
    rows = _rows(shown, main, signals, start, end)
    own = stored_contender(SIGNAL, main.says, signals, recipe.ranks_by, grid, rows)
    assert own.scores is not None
    if not np.isfinite(own.scores[grid.member[rows]]).any():
        raise DataError(f"recipe {main.name}: none of its scores is of a member of {universe} on its date")
    return Ground(grid, rows, universe, signals, own)


def _rows(bars: pl.DataFrame, main: Stored, signals: pl.DataFrame, start: date, end: date) -> IntArray:
    """int64[T]: the bars at which there are signals or could be."""
    recipe = main.source.recipe
    if recipe.at_close:
        chosen = bars["time"] == bars.select(pl.col("time").max().over("date"))["time"]
    else:
        chosen = bars["time"].is_in(signals["time"].unique().implode()) | pl.Series(recipe.decision_points(bars))
    return (chosen & bars["date"].is_between(start, end)).arg_true().to_numpy().astype(np.int64)


def _uncalibrated(ground: Ground, main: Stored) -> list[str]:
    """What to know where a calibration had too little to learn from."""
    said = ground.own.forecast
    if main.source.recipe.recipe.calibration is None or said is None or ground.own.scores is None:
        return []
    scored = np.isfinite(ground.own.scores).any(axis=1)
    without = scored & ~np.isfinite(said.quantiles).any(axis=(1, 2))
    dates = ground.grid.clock.dates(int(scored.sum()))
    told = "have no calibrated quantiles, for too few past outcomes are known there: nothing is said of them."
    return [f"{int(without.sum())} of {dates} {told}"] if without.any() else []


def measure(ground: Ground, main: Stored, others: Sequence[tuple[str, Stored]], notes: Sequence[str]) -> Scorecard:
    """The scorecard of a signal beside the baselines and others, each under a name."""
    grid, rows, own, horizon = ground.grid, ground.rows, ground.own, main.source.recipe.horizon
    against = raw_distribution(ground.signals, grid, rows)
    told = [
        *notes,
        *_uncalibrated(ground, main),
        *(line for stored in (main, *(other for _, other in others)) for line in stored.lack()),
    ]
    for name, other in others:
        theirs = stored_contender(name, other.says, other.rows(), other.source.recipe.ranks_by, grid, rows)
        alike = (other.source.recipe.horizon, theirs.levels) == (horizon, own.levels)
        if own.forecast and theirs.forecast and not alike:
            told.append(f"{name}: another horizon or other quantiles: only its ranking is compared.")
        if not alike:
            theirs = replace(theirs, forecast=None)
        against.append(theirs)
    return make_scorecard(
        own,
        grid,
        rows,
        horizon,
        against=against,
        boundaries=boundaries_of(main.source),
        universe=ground.universe,
        score=main.source.recipe.ranks_by,
        notes=told,
    )
