"""Evaluate a recipe's stored signals and leave the run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from kronos_quant.config import Section
from kronos_quant.errors import ConfigError
from kronos_quant.evaluation import Scorecard
from kronos_quant.evaluation.tables import as_dict, by_date, figures, summary
from kronos_quant.market import Market, workspace_market
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.signals import ZERO_SHOT, open_source
from kronos_quant.workflows.evaluate.measuring import measure, prepare_ground
from kronos_quant.workflows.evaluate.stored import Stored, find_stored
from kronos_quant.workflows.evaluate.zero_shot import zero_shot
from kronos_quant.workspace import WorkspaceFolder


class EvaluationConfig(Section):
    """What was evaluated, with every blank filled in."""

    signal: str = Field(description="the recipe")
    start: date = Field(description="first session with signals")
    end: date = Field(description="last session with signals")
    universe: str = Field(description="whose members count")
    against: tuple[str, ...] = Field(description="recipes set beside it")


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
    workspace: WorkspaceFolder,
    recipe: str,
    start: date | None,
    end: date | None,
    universe: str | None,
    against: Sequence[str] = (),
    *,
    beside_base: bool | None = None,
) -> EvaluationReport:
    """Evaluate the stored signals of a recipe on the sessions from `start` to `end`, its horizon ahead.

    start : None is the first session after the model's training, or the first stored one where that is not known
    universe : None is the recipe's. beside_base : set the model that training began from beside it; its signals are
    computed where they are not stored, with None only if that takes no more than minutes.
    Raises ConfigError or DataError before anything is written.
    """
    market = workspace_market(workspace)
    names = [recipe, *against]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(f"--against {repeated}: is given twice, or is the signal itself")
    main = find_stored(open_source(workspace, recipe, market), recipe, start, end)
    first, last = main.dates[0], main.dates[-1]
    others = [find_stored(open_source(workspace, name, market), name, first, last) for name in against]
    settings = EvaluationConfig(
        signal=recipe,
        start=first,
        end=last,
        universe=universe or main.source.recipe.universe,
        against=tuple(against),
    )
    ground = prepare_ground(market, main, first, last, settings.universe)
    base, notes = (None, []) if beside_base is False else zero_shot(workspace, main, asked=beside_base is True)
    beside = [(f"recipe {other.name}", other) for other in others]
    if base is not None and all(base.source.recipe.digest != other.source.recipe.digest for other in others):
        beside.insert(0, (ZERO_SHOT, base))
    card = measure(ground, main, beside, notes)
    return _leave(workspace, market, settings, main, card)


def _leave(
    workspace: WorkspaceFolder, market: Market, settings: EvaluationConfig, main: Stored, card: Scorecard
) -> EvaluationReport:
    """Write the run's folder, whole or not at all."""
    from kronos_quant.report.pages.scorecard import write_scorecard_page

    recipe = main.source.recipe
    inputs = Inputs(market.snapshot.digest, main.source.recipe.weights, {"sampling": recipe.recipe.seed})
    facts = [f"{main.says}, {recipe.digest}", f"bars {market.snapshot.digest[:16]}"]
    with staged_run(workspace.runs, "evaluate", inputs) as run:
        run.write_config({"evaluation": settings, "recipe": recipe.recipe})
        figures(card).write_parquet(run.folder / "scorecard.parquet")
        by_date(card).write_parquet(run.folder / "dates.parquet")
        write_scorecard_page(run.folder / "scorecard.html", card, f"recipe {main.name}", facts)
        metrics = as_dict(card) | {
            "recipe": main.name,
            "recipe_digest": recipe.digest,
            "model": main.source.recipe.model,
            "missing_sessions": main.missing,
        }
        run.write_metrics(metrics)
    return EvaluationReport(card, run.path, metrics)
