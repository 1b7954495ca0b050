"""`kq evaluate`: the scorecard of the signals that are in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from kronos_quant.config import Section
from kronos_quant.errors import ConfigError
from kronos_quant.evaluation.scorecard import Scorecard
from kronos_quant.evaluation.stored import StoredRecipe, find_stored, measure, read_inputs
from kronos_quant.evaluation.tables import summary
from kronos_quant.evaluation.zero_shot import zero_shot_signals
from kronos_quant.inputs import DateLike, as_date
from kronos_quant.market import Market, workspace_market
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.schema import check_table
from kronos_quant.signals import ZERO_SHOT, open_source
from kronos_quant.workspace import WorkspaceFolder


class EvaluationConfig(Section):
    """What was evaluated, with the defaults filled in."""

    signal: str = Field(description="recipe whose signals are evaluated")
    start: date = Field(description="first session with signals")
    end: date = Field(description="last session with signals")
    universe: str = Field(description="universe whose constituents are evaluated")
    against: tuple[str, ...] = Field(description="recipes compared with it")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class EvaluationRun(Scorecard):
    """A scorecard with the run that it left: its folder, and its metrics.json."""

    folder: Path
    metrics: dict[str, Any]

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.folder / "scorecard.html"

    def rows(self) -> list[dict[str, str]]:
        """The signal and the baselines side by side."""
        return summary(self.cards)

    def head(self) -> list[str]:
        """The verdict, in words."""
        return [self.finding.headline, *self.explained]

    def lines(self) -> list[str]:
        """Notes on the figures, and the page to open."""
        return [*self.notes, f"page: {self.page}"]


def run_evaluation(
    workspace: WorkspaceFolder,
    recipe: str = "default",
    start: DateLike | None = None,
    end: DateLike | None = None,
    universe: str | None = None,
    against: Sequence[str] = (),
    *,
    zero_shot: bool | None = None,
) -> EvaluationRun:
    """Evaluate the stored signals of a recipe on the sessions from `start` to `end`, its horizon ahead.

    Parameters
    ----------
    workspace
        Where bars and signals are stored, and where the run's folder is made.
    recipe
        Name in signals/, or a file.
    start, end
        Dates; default: from the first session after the model's training, or the first stored one where that is not
        known, to the last.
    universe
        Whose constituents are evaluated; default: the recipe's.
    against
        Other recipes to compare with.
    zero_shot
        Also evaluate the model that training began from. Its signals are computed where they are missing; by default
        only if that takes less than 10 minutes.

    Raises
    ------
    ConfigError, DataError
        Before anything is written.
    """
    first_date, last_date = as_date(start, "start"), as_date(end, "end")
    market = workspace_market(workspace)
    names = [recipe, *against]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise ConfigError(f"--against {repeated}: given twice, or the recipe itself")
    main = find_stored(open_source(workspace, recipe, market), recipe, first_date, last_date)
    first, last = main.dates[0], main.dates[-1]
    others = [find_stored(open_source(workspace, name, market), name, first, last) for name in against]
    settings = EvaluationConfig(
        signal=recipe, start=first, end=last, universe=universe or main.source.recipe.universe, against=tuple(against)
    )
    inputs = read_inputs(market, main, first, last, settings.universe)
    base, notes = (None, []) if zero_shot is False else zero_shot_signals(workspace, main, required=bool(zero_shot))
    compared = [(f"recipe {other.name}", other) for other in others]
    if base is not None and all(base.source.recipe.digest != other.source.recipe.digest for other in others):
        compared.insert(0, (ZERO_SHOT, base))
    return _write_run(workspace, market, settings, main, measure(inputs, main, compared, notes))


def _write_run(
    workspace: WorkspaceFolder, market: Market, settings: EvaluationConfig, main: StoredRecipe, card: Scorecard
) -> EvaluationRun:
    """Write the run's folder, whole or not at all."""
    from kronos_quant.report.pages.scorecard import write_scorecard_page

    recipe = main.source.recipe
    inputs = Inputs(market.snapshot.digest, main.source.recipe.weights, {"sampling": recipe.recipe.seed})
    facts = [f"{main.description}, {recipe.digest}", f"bars {market.snapshot.digest[:16]}"]
    with staged_run(workspace.runs, "evaluate", inputs) as run:
        run.write_config({"evaluation": settings, "recipe": recipe.recipe})
        for name, table in (("scorecard", card.figures), ("dates", card.by_date)):
            check_table(f"evaluate.{name}", table)
            table.write_parquet(run.folder / f"{name}.parquet")
        write_scorecard_page(run.folder / "scorecard.html", card, f"recipe {main.name}", facts)
        metrics = card.as_dict() | {
            "recipe": main.name,
            "recipe_digest": recipe.digest,
            "model": main.source.recipe.model,
            "missing_sessions": main.missing,
        }
        run.write_metrics(metrics)
    values = {field.name: getattr(card, field.name) for field in fields(Scorecard)}
    return EvaluationRun(**values, folder=run.path, metrics=metrics)
