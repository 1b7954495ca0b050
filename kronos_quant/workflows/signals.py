"""`kq signal`: compute the missing signals of a date or a range, and read them back."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.config import load_yaml
from kronos_quant.errors import ConfigError, DataError, counted
from kronos_quant.files import file_digest
from kronos_quant.market import Market, workspace_market
from kronos_quant.model import ModelCard
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.signals import (
    ERROR_OF,
    Origin,
    Recipe,
    ResolvedRecipe,
    SignalStore,
    Weights,
    blended_rows,
    check_allowed,
    find_own_score,
    find_weights,
    finished_rows,
    generate,
    make_plan,
    resolve_blend,
    resolve_imported,
    resolve_recipe,
    score_devices,
    sessions_needed,
)
from kronos_quant.signals.generate import sessions_between
from kronos_quant.signals.store import IMPORTED_FILE
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)

ZERO_SHOT = "zero-shot"
SHOWN = ("last", "median", "p_rise", "q05", "q95", "std_error")


@dataclass(frozen=True, slots=True)
class SignalSource:
    """A recipe made ready: its weights, its store, and the market it reads; of a blend, its members instead."""

    market: Market
    weights: Weights | Origin
    recipe: ResolvedRecipe
    store: SignalStore
    members: tuple[SignalSource, ...] = ()

    def read(self, dates: Sequence[date], *, by_bar: bool = False) -> pl.DataFrame:
        """The stored rows of `dates`, with what the recipe's calibration and steps make of them.

        by_bar : see `finished_rows`. Whether a row is still what it would be is not looked at: see `ensure_signals`.
        """
        needed = sessions_needed(self.market, self.recipe, dates)
        if self.members:
            rows = blended_rows([(member.recipe, member.read(needed, by_bar=by_bar)) for member in self.members])
        else:
            rows = self.store.read(needed)
        return finished_rows(rows, self.market, self.recipe, dates, by_bar=by_bar)


@dataclass(frozen=True, slots=True)
class SignalSummary:
    """Signals of some dates: which are there, how many were computed now, and where they lie.

    The rows are read when they are asked for, so that a long range takes no memory.
    """

    source: SignalSource
    dates: list[date]
    """Those asked for that have signals."""
    computed: int
    present: int
    empty: list[date]

    @property
    def scores(self) -> pl.DataFrame:
        """The rows of all dates."""
        return self.source.read(self.dates)

    @property
    def score(self) -> str:
        """The column that ranks."""
        return self.recipe.ranks_by

    @property
    def folder(self) -> Path:
        """Where they lie; of a blend, where its members' folders do."""
        return self.source.store.folder.parent if self.source.members else self.source.store.folder

    @property
    def recipe(self) -> ResolvedRecipe:
        """What they were computed with."""
        return self.source.recipe

    @property
    def model(self) -> str:
        """The name of the model."""
        return self.source.weights.name

    def ranked(self, score: str | None = None) -> pl.DataFrame:
        """(date, symbol, score) of all dates: the column that ranks, or another one as it is stored."""
        rows, column = self.scores, score or self.score
        if column not in rows.columns:
            raise ConfigError(f"score: expected a column of the signals, found {column!r}")
        return rows.select("date", "symbol", pl.col(column).alias("score"))

    def best(self, top: int) -> list[dict[str, Any]]:
        """The `top` symbols of the last moment by the recipe's score, ties by symbol, a score that is NaN last."""
        moment = self.recipe.moment
        last = self.source.read(self.dates[-1:]).filter(moment == moment.max())
        return in_order(last, self.score).head(top).select(shown_columns(last, self.score)).to_dicts()

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
        told = [
            f"signals of {counted(len(self.dates), 'session')} from {self.dates[0]} to {self.dates[-1]}: "
            f"{self.computed} computed, {self.present} already there",
            f"model {self.model} (weights {self.recipe.weights[:16]}), recipe {self.recipe.digest}",
            f"store: {self.folder}",
        ]
        if self.empty:
            why = "any symbol" if self.recipe.recipe.imported is None else "any symbol in the import"
            enough = "enough bars" if self.recipe.recipe.imported is None else "a score"
            told.insert(1, f"{counted(len(self.empty), 'session')} without {enough} for {why}")
        return told


def zero_shot_name(recipe: str) -> str:
    """What the store notes as the name of the signals of a recipe with the base of its model: see `kq evaluate`."""
    return f"{ZERO_SHOT} of {recipe}"


def in_order(rows: pl.DataFrame, score: str) -> pl.DataFrame:
    """Rows from the best to the worst score, ties by symbol, NaN last."""
    column = pl.col(score).fill_nan(None)
    return rows.sort(column, "symbol", descending=[True, False], nulls_last=True)


def shown_columns(rows: pl.DataFrame, score: str) -> list[str]:
    """The columns of a table for people: the score and its error first; asof where it says more than the date."""
    when = ["date"] if (rows["asof"] == rows["date"].cast(pl.Datetime("us"))).all() else ["date", "asof"]
    wanted = (*when, "symbol", "close", score, ERROR_OF.get(score, ""), *SHOWN)
    return [name for name in dict.fromkeys(wanted) if name in rows.columns]


def open_source(workspace: WorkspaceFolder, recipe_name: str, market: Market) -> SignalSource:
    """Load a recipe and its weights, to be used on `market`. Raises ConfigError, DataError or CheckpointError."""
    path = workspace.recipe_file(recipe_name)
    recipe = load_yaml(Recipe, path)
    universe = recipe.universe or workspace.config.market.universe
    if universe != "all":
        market.universe(universe)
    if recipe.members:
        return _open_blend(workspace, path.stem, recipe, market)
    if recipe.imported is not None:
        return _open_import(workspace, path.stem, recipe, market, universe)
    weights = find_weights(workspace, recipe.model)
    own = None if recipe.own_score is None else find_own_score(workspace.root / recipe.own_score.expanduser())
    resolved = resolve_recipe(recipe, weights, universe, market.freq, path.stem, own)
    return SignalSource(market, weights, resolved, SignalStore(workspace.signal_store, resolved))


def _open_import(workspace: WorkspaceFolder, name: str, recipe: Recipe, market: Market, universe: str) -> SignalSource:
    unread = Origin(f"imported as {recipe.imported}", "", ModelCard())
    folder = SignalStore(workspace.signal_store, resolve_imported(recipe, unread, universe, market.freq, name)).folder
    # the recipe's key is its name alone; the content is told by the digest of the file
    table = folder / IMPORTED_FILE
    origin = replace(unread, digest=file_digest(table)) if table.is_file() else unread
    resolved = resolve_imported(recipe, origin, universe, market.freq, name)
    return SignalSource(market, origin, resolved, SignalStore(workspace.signal_store, resolved))


def _open_blend(workspace: WorkspaceFolder, name: str, recipe: Recipe, market: Market) -> SignalSource:
    members = []
    for member in recipe.members:
        if load_yaml(Recipe, workspace.recipe_file(member)).members:
            raise ConfigError(f"{name}: members: {member} is a blend itself", hint="name its members instead")
        members.append(open_source(workspace, member, market))
    resolved = resolve_blend(recipe, tuple(member.recipe for member in members), market.freq, name)
    # the blend has seen what any of its members has
    seen = [(member.weights.card.unseen_from, member.weights.card.targets) for member in members]
    known = [(start, targets) for start, targets in seen if start is not None]
    card = ModelCard(targets=max(known, key=lambda one: one[0])[1]) if len(known) == len(seen) else ModelCard()
    origin = Origin(resolved.model, resolved.weights, card)
    return SignalSource(market, origin, resolved, SignalStore(workspace.signal_store, resolved), tuple(members))


def ensure_signals(
    source: SignalSource,
    dates: Sequence[date],
    device: str,
    *,
    gpus: int | None = None,
    compute: bool = True,
    allow_code: bool = False,
) -> SignalSummary:
    """The signals of `dates`, computing what is missing; with `compute` False a missing date raises DataError.

    Of a recipe that smooths or calibrates, also those of the sessions before that it looks at. device, gpus : see
    `score_devices`. allow_code : whether the recipe's own score may run; what is stored needs none.
    """
    needed = sessions_needed(source.market, source.recipe, dates)
    if source.members:
        parts = [
            ensure_signals(part, needed, device, gpus=gpus, compute=compute, allow_code=allow_code)
            for part in source.members
        ]
        there = set.intersection(*(set(part.dates) for part in parts))
        counts = sum(part.computed for part in parts), sum(part.present for part in parts)
        return _summary(source, dates, there, *counts)
    if source.recipe.recipe.imported is not None:
        there = set(source.store.dates())
        return _summary(source, dates, there, 0, len(there & set(needed)))
    plan = make_plan(source.market, source.recipe, source.store, needed)
    computed = 0
    if plan.missing:
        first, last = plan.missing[0].on, plan.missing[-1].on
        count = f"{len(plan.missing)} of {len(needed)} sessions ({first} to {last}) have no signals yet"
        if not compute:
            raise DataError(count, hint=f"kq signal --start {first} --end {last}, or leave out --no-compute")
        check_allowed(source.recipe.own_score, allowed=allow_code)
        logger.info("%s: computing %d forecasts", count, plan.windows)
        started = time.perf_counter()
        devices = score_devices(device, gpus)
        computed = generate(plan, source.weights.pair, source.recipe, source.store, devices)
        logger.info("computed %d sessions in %.0f s", computed, time.perf_counter() - started)
    there = {*plan.present, *(work.on for work in plan.missing)}
    return _summary(source, dates, there, computed, len(there) - computed)


def _summary(
    source: SignalSource, dates: Sequence[date], there: set[date], computed: int, present: int
) -> SignalSummary:
    """Raises DataError where none of the dates has signals."""
    found = [on for on in sorted(set(dates)) if on in there]
    if found:
        return SignalSummary(source, found, computed, present, [on for on in dates if on not in there])
    asked = str(dates[0]) if dates[0] == dates[-1] else f"any session from {dates[0]} to {dates[-1]}"
    if source.recipe.recipe.imported is not None:
        span = f"they are of {min(there)} to {max(there)}" if there else "nothing was imported under this name"
        raise DataError(
            f"{source.recipe.name}: no imported signals of {asked}: {span}",
            hint=f"choose other dates, or kq signal import FILE --name {source.recipe.recipe.imported}",
        )
    universe = source.recipe.universe
    if not any(source.market.members(universe, on) for on in dates):
        raise DataError(
            f"{source.recipe.name}: universe {universe} has no member on {asked}",
            hint=f"choose other dates; who belongs when is what kq ingest universe {universe} FILE brought in",
        )
    raise DataError(
        f"no symbol has {source.recipe.lookback} bars up to {asked}",
        hint="choose later dates, or a recipe with a shorter lookback_window",
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
    workspace: WorkspaceFolder,
    recipe_name: str,
    start: date | None,
    end: date | None,
    device: str,
    *,
    gpus: int | None = None,
    allow_code: bool = False,
) -> SignalSummary:
    """Compute the signals of the sessions from `start` to `end` (None: the newest session) and record the run.

    device, gpus : see `score_devices`. Raises ConfigError for those that are not there before anything is read.
    """
    score_devices(device, gpus)
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
        summary = ensure_signals(source, dates, device, gpus=gpus, allow_code=allow_code)
        run.write_config({"recipe": source.recipe.recipe})
        metrics = {"computed": summary.computed, "present": summary.present, "recipe": source.recipe.as_dict()}
        run.write_metrics(metrics | {"recipe_digest": source.recipe.digest, "sessions": len(summary.dates)})
    return summary
