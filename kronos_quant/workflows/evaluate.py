"""`kq evaluate`: the scorecard of the signals that are in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from kronos_quant.errors import ConfigError
from kronos_quant.evaluation.scorecard import EvaluationRun, Scorecard
from kronos_quant.evaluation.stored import EvaluationConfig, StoredRecipe, find_stored, measure, read_inputs
from kronos_quant.evaluation.zero_shot import zero_shot_signals
from kronos_quant.inputs import DateLike, as_date
from kronos_quant.market import Market, workspace_market
from kronos_quant.market.caveats import bar_caveats, survivorship_caveat
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.schema import check_table
from kronos_quant.signals import ZERO_SHOT, open_source
from kronos_quant.workspace import WorkspaceFolder


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
    """Evaluate the stored signals of a recipe, its horizon ahead, see `Workspace.evaluate`."""
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
    notes = [*notes, *bar_caveats(market, inputs.grid.symbols, first, last)]
    notes += survivorship_caveat(market, settings.universe, first, last)
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
