"""`kq evaluate`: the scorecard of the signals that are in the store. No model is run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from kronos_quant import schema
from kronos_quant.config import SCRATCH, Section
from kronos_quant.errors import CheckpointError, ConfigError, DataError
from kronos_quant.evaluation import (
    Boundary,
    Scorecard,
    history_start,
    make_grid,
    make_scorecard,
    raw_distribution,
    stored_contender,
)
from kronos_quant.evaluation.contender import SIGNAL
from kronos_quant.evaluation.tables import as_dict, by_date, figures, summary
from kronos_quant.jobs.signals import SignalSource, open_source
from kronos_quant.jobs.trading import first_unseen
from kronos_quant.market import Market, workspace_market
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.signals import make_plan, sessions_needed
from kronos_quant.signals.generate import sessions_between
from kronos_quant.workspace import Workspace

CUTOFF = "pretraining_cutoff"
"""In a model's card: the last date of the data that its base was pre-trained on."""


class EvaluationConfig(Section):
    """What was evaluated, with every blank filled in."""

    signal: str = Field(description="the recipe")
    start: date = Field(description="first session with signals")
    end: date = Field(description="last session with signals")
    universe: str = Field(description="whose members count")
    against: tuple[str, ...] = Field(description="recipes set beside it")


@dataclass(frozen=True, slots=True)
class Stored:
    """A recipe's signals that are there already: those of `dates`; the `missing` sessions have none."""

    name: str
    source: SignalSource
    dates: list[date]
    missing: list[date]

    @property
    def says(self) -> str:
        """In words."""
        return f"recipe {self.name}, model {self.source.weights.name}, ranked by {self.source.recipe.ranks_by}"

    @property
    def command(self) -> str | None:
        """What computes the missing sessions."""
        if not self.missing:
            return None
        return f"kq signal --start {self.missing[0]} --end {self.missing[-1]} --recipe {self.name}"

    def lack(self) -> list[str]:
        """What is missing, with the command that computes it."""
        count = f"{len(self.missing)} session{'s' if len(self.missing) > 1 else ''}"
        told = f"recipe {self.name}: {count} from {self.missing[0]} to {self.missing[-1]}" if self.missing else ""
        return [f"{told} have no signals; to compute them: {self.command}"] if told else []


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """A finished scorecard and where it lies."""

    card: Scorecard
    folder: Path
    metrics: dict[str, Any]

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.folder / "scorecard.html"

    def as_dict(self) -> dict[str, Any]:
        """For --json: metrics.json and the folder."""
        return self.metrics | {"folder": self.folder}

    def rows(self) -> list[dict[str, str]]:
        """The signal and the baselines side by side."""
        return summary(self.card)

    def head(self) -> list[str]:
        """The finding, in words."""
        return [self.card.finding.headline, *self.card.explained]

    def lines(self) -> list[str]:
        """What to know about the figures, and where the rest is."""
        return [*self.card.notes, f"page: {self.page}"]


def run_evaluation(
    workspace: Workspace,
    recipe: str,
    start: date | None,
    end: date | None,
    universe: str | None,
    against: Sequence[str] = (),
) -> EvaluationReport:
    """Evaluate the stored signals of a recipe on the sessions from `start` to `end`, its horizon ahead.

    start : None is the first session after the model's training, or the first stored one where that is not known
    universe : None is the recipe's. Raises ConfigError or DataError before anything is written.
    """
    market = workspace_market(workspace)
    if market.freq != schema.DAILY:
        raise DataError(
            f"the scorecard counts sessions of daily bars, and this workspace holds {market.freq} bars",
            hint="set market.freq to day in kq.yaml if there are daily bars too",
        )
    names = [recipe, *against]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(f"--against {repeated}: is given twice, or is the signal itself")
    main = _stored(open_source(workspace, recipe, market), recipe, start, end)
    first, last = main.dates[0], main.dates[-1]
    others = [_stored(open_source(workspace, name, market), name, first, last) for name in against]
    settings = EvaluationConfig(
        signal=recipe,
        start=first,
        end=last,
        universe=universe or main.source.recipe.universe,
        against=tuple(against),
    )
    card = _scorecard(market, settings, main, others)
    return _leave(workspace, market, settings, main, card)


def _stored(source: SignalSource, name: str, start: date | None, end: date | None) -> Stored:
    """What the store holds and would compute alike today. Raises DataError where that is nothing."""
    dates = sessions_between(source.market, start or _first(source), end)
    there, missing = stored_dates(source, sessions_needed(source.market, source.recipe, dates))
    found = Stored(name, source, [on for on in dates if on in there], missing)
    if not found.dates:
        raise DataError(
            f"recipe {name}: no signals in the store from {dates[0]} to {dates[-1]}",
            hint=found.command or "kq signal list shows what is there",
        )
    return found


def _first(source: SignalSource) -> date | None:
    if source.weights.card.get("targets"):
        return first_unseen(source)
    folders = [member.store for member in source.members] or [source.store]
    return max((dates[0] for dates in (folder.dates() for folder in folders) if dates), default=None)


def stored_dates(source: SignalSource, dates: Sequence[date]) -> tuple[set[date], list[date]]:
    """Those of `dates` that are stored and would be computed alike today, and those that a command could compute."""
    if source.members:
        parts = [
            stored_dates(member, sessions_needed(source.market, member.recipe, dates)) for member in source.members
        ]
        there = set.intersection(*(part[0] for part in parts))
        return there, sorted({on for _, missing in parts for on in missing})
    if source.recipe.recipe.imported is not None:
        return set(source.store.dates()) & set(dates), []
    plan = make_plan(source.market, source.recipe, source.store, dates)
    return set(plan.present), [work.on for work in plan.missing]


def boundaries_of(source: SignalSource) -> tuple[Boundary, ...]:
    """Until when a recipe's models have seen data, by their cards: for training, and for what they started from."""
    if source.recipe.recipe.imported is not None:
        return (Boundary("data behind the imported signals", None),)
    if source.members:
        return _latest(boundary for member in source.members for boundary in boundaries_of(member))
    card = source.weights.card
    targets = card.get("targets")
    trained = max(_day(targets[part][1]) for part in ("train", "val")) if targets else None
    found = [Boundary("training data", trained)]
    if not str(card.get("base", "")).startswith(SCRATCH):
        cutoff = card.get(CUTOFF)
        found.append(Boundary("pre-training data", None if cutoff is None else _day(cutoff)))
    return tuple(found)


def _latest(boundaries: Iterable[Boundary]) -> tuple[Boundary, ...]:
    """One boundary of each kind: the latest, or none where one is not known."""
    kinds: dict[str, list[date | None]] = {}
    for boundary in boundaries:
        kinds.setdefault(boundary.what, []).append(boundary.until)
    known = {what: [until for until in found if until is not None] for what, found in kinds.items()}
    return tuple(Boundary(what, max(known[what]) if len(known[what]) == len(kinds[what]) else None) for what in kinds)


def _day(text: object) -> date:
    try:
        return datetime.fromisoformat(str(text)).date()
    except ValueError:
        raise CheckpointError(f"card.json: expected a date, found {text!r}") from None


def _scorecard(market: Market, settings: EvaluationConfig, main: Stored, others: Sequence[Stored]) -> Scorecard:
    sessions = market.sessions()
    membership = market.universe(settings.universe)
    stocks = market.instruments().filter(pl.col("kind") == "stock")["symbol"]
    symbols = stocks.filter(stocks.is_in(membership["symbol"].unique().implode())).to_list()
    since = history_start(sessions, settings.start)
    bars = market.bars(symbols, start=since)
    if bars.is_empty():
        raise DataError(f"universe {settings.universe}: no bars of any member since {since}")
    grid = make_grid(bars, [on for on in sessions if on >= since], membership)
    first, last = grid.rows([settings.start, settings.end]).tolist()
    rows, horizon = np.arange(first, last + 1), main.source.recipe.horizon
    signals = main.source.read(main.dates)
    own = stored_contender(SIGNAL, main.says, signals, main.source.recipe.ranks_by, grid, rows)
    assert own.scores is not None
    if not np.isfinite(own.scores[grid.member[rows]]).any():
        raise DataError(f"recipe {main.name}: none of its scores is of a member of {settings.universe} on its date")
    against = raw_distribution(signals, grid, rows)
    notes = [line for stored in (main, *others) for line in stored.lack()]
    for other in others:
        found = other.source.read(other.dates)
        theirs = stored_contender(f"recipe {other.name}", other.says, found, other.source.recipe.ranks_by, grid, rows)
        alike = (other.source.recipe.horizon, theirs.levels) == (horizon, own.levels)
        if own.forecast and theirs.forecast and not alike:
            notes.append(f"recipe {other.name}: another horizon or other quantiles: only its ranking is compared.")
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
        universe=settings.universe,
        score=main.source.recipe.ranks_by,
        notes=notes,
    )


def _leave(
    workspace: Workspace, market: Market, settings: EvaluationConfig, main: Stored, card: Scorecard
) -> EvaluationReport:
    """Write the run's folder, whole or not at all."""
    from kronos_quant.report.scorecard_page import write_scorecard_page

    recipe = main.source.recipe
    inputs = Inputs(market.snapshot.digest, main.source.weights.digest, {"sampling": recipe.recipe.seed})
    facts = [f"{main.says}, {recipe.digest}", f"bars {market.snapshot.digest[:16]}"]
    with staged_run(workspace.runs, "evaluate", inputs) as run:
        run.write_config({"evaluation": settings, "recipe": recipe.recipe})
        figures(card).write_parquet(run.folder / "scorecard.parquet")
        by_date(card).write_parquet(run.folder / "dates.parquet")
        write_scorecard_page(run.folder / "scorecard.html", card, f"recipe {main.name}", facts)
        metrics = as_dict(card) | {
            "recipe": main.name,
            "recipe_digest": recipe.digest,
            "model": main.source.weights.name,
            "missing_sessions": main.missing,
        }
        run.write_metrics(metrics)
    return EvaluationReport(card, run.path, metrics)
