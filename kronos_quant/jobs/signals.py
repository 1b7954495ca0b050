"""`kq signal`: compute the missing signals of a date or a range, and read them back."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.config import load_yaml
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import Market, open_market
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.signals import (
    Recipe,
    ResolvedRecipe,
    SignalStore,
    Weights,
    find_weights,
    generate,
    make_plan,
    resolve_recipe,
)
from kronos_quant.signals.generate import sessions_between
from kronos_quant.workspace import Workspace

logger = logging.getLogger(__name__)

SHOWN = ("last", "median", "p_rise", "q05", "q95", "std_error")


@dataclass(frozen=True, slots=True)
class SignalSource:
    """A recipe made ready: its weights, its store, and the market it reads."""

    market: Market
    weights: Weights
    recipe: ResolvedRecipe
    store: SignalStore


@dataclass(frozen=True, slots=True)
class SignalSummary:
    """Signals of some dates: the rows, how many dates were computed now, and where they lie."""

    scores: pl.DataFrame
    score: str
    computed: int
    present: int
    empty: list[date]
    folder: Path
    recipe: ResolvedRecipe
    model: str

    def best(self, top: int) -> list[dict[str, Any]]:
        """The `top` symbols of the last date by the recipe's score, ties by symbol."""
        last = self.scores.filter(pl.col("date") == self.scores["date"].max())
        order = last.sort(pl.col(self.score), "symbol", descending=[True, False], nulls_last=True)
        shown = list(dict.fromkeys(["date", "symbol", "close", self.score, *SHOWN]))
        return order.head(top).select(shown).to_dicts()

    def as_dict(self, top: int) -> dict[str, Any]:
        """For --json."""
        return {
            "computed": self.computed,
            "present": self.present,
            "without_bars": self.empty,
            "store": self.folder,
            "recipe_digest": self.recipe.digest,
            "model": self.model,
            "weights": self.recipe.weights,
            "best": self.best(top),
        }

    def lines(self) -> list[str]:
        """The outcome in words."""
        dates = self.scores["date"].unique().sort()
        told = [
            f"signals of {len(dates)} session(s) from {dates[0]} to {dates[-1]}: {self.computed} computed, "
            f"{self.present} already there",
            f"model {self.model} (weights {self.recipe.weights[:16]}), recipe {self.recipe.digest}",
            f"store: {self.folder}",
        ]
        if self.empty:
            told.insert(1, f"{len(self.empty)} session(s) without enough bars for any symbol")
        return told


def workspace_market(workspace: Workspace) -> Market:
    """The market at the frequency that kq.yaml names. Raises DataError when nothing was ingested."""
    return open_market(workspace.root, workspace.config.market.freq)


def open_source(workspace: Workspace, recipe_name: str, market: Market) -> SignalSource:
    """Load a recipe and its weights, to be used on `market`. Raises ConfigError, DataError or CheckpointError."""
    recipe = load_yaml(Recipe, workspace.recipe_file(recipe_name))
    weights = find_weights(workspace, recipe.model)
    universe = recipe.universe or workspace.config.market.universe
    if universe != "all":
        market.universe(universe)
    resolved = resolve_recipe(recipe, weights, universe, market.freq)
    return SignalSource(market, weights, resolved, SignalStore(workspace.signal_store, resolved))


def ensure_signals(source: SignalSource, dates: list[date], device: str, *, compute: bool = True) -> SignalSummary:
    """The signals of `dates`, computing what is missing; with `compute` False a missing date raises DataError."""
    plan = make_plan(source.market, source.recipe, source.store, dates)
    if plan.missing:
        first, last = plan.missing[0].on, plan.missing[-1].on
        count = f"{len(plan.missing)} of {len(dates)} sessions ({first} to {last}) have no signals yet"
        if not compute:
            raise DataError(count, hint=f"kq signal --start {first} --end {last}, or leave out --no-compute")
        logger.info("%s: computing %d forecasts", count, plan.windows)
        started = time.perf_counter()
        generate(plan, source.weights.pair, source.recipe, source.store, device)
        logger.info("computed %d sessions in %.0f s", len(plan.missing), time.perf_counter() - started)
    if not plan.missing and not plan.present:
        lookback = source.recipe.lookback
        raise DataError(
            f"no symbol has {lookback} bars up to any session from {dates[0]} to {dates[-1]}",
            hint="choose later dates, or a recipe with a shorter lookback_window",
        )
    return SignalSummary(
        scores=source.store.read(sorted({*plan.present, *(work.on for work in plan.missing)})),
        score=source.recipe.recipe.score,
        computed=len(plan.missing),
        present=len(plan.present),
        empty=plan.empty,
        folder=source.store.folder,
        recipe=source.recipe,
        model=source.weights.name,
    )


def one_range(on: datetime | None, start: datetime | None, end: datetime | None) -> tuple[date | None, date | None]:
    """The first and last date that --date or --start/--end ask for; raises ConfigError when they contradict."""
    if on is not None and (start is not None or end is not None):
        raise ConfigError("--date: not together with --start or --end", hint="give one date or a range")
    if end is not None and start is None:
        raise ConfigError("--end: needs --start")
    first, last = (on, on) if on is not None else (start, end)
    return first.date() if first else None, last.date() if last else None


def run_signals(
    workspace: Workspace, recipe_name: str, start: date | None, end: date | None, device: str
) -> SignalSummary:
    """Compute the signals of the sessions from `start` to `end` (None: the newest session) and record the run."""
    market = workspace_market(workspace)
    newest = market.sessions()[-1]
    dates = sessions_between(market, start or newest, end or newest)
    source = open_source(workspace, recipe_name, market)
    inputs = Inputs(
        snapshot=source.market.snapshot.digest,
        weights=source.weights.digest,
        seeds={"sampling": source.recipe.recipe.seed},
    )
    with staged_run(workspace.runs, "signal", inputs) as run:
        summary = ensure_signals(source, dates, device)
        run.write_config({"recipe": source.recipe.recipe})
        metrics = {"computed": summary.computed, "present": summary.present, "recipe": source.recipe.as_dict()}
        run.write_metrics(metrics | {"recipe_digest": source.recipe.digest, "rows": summary.scores.height})
    return summary
