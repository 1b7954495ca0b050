"""`kq backtest`: signals of the range, the simulation, and everything that the run leaves."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kronos_quant.backtest import BacktestResult, simulate
from kronos_quant.backtest.inputs import BacktestInputs, StrategyLike, collect_inputs, missing_benchmark
from kronos_quant.display import summary_table
from kronos_quant.report.pages.tearsheet import backtest_document, headline_document, performance_png, write_tearsheet
from kronos_quant.report.periods import by_period
from kronos_quant.report.terms import terms_of
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.schema import check_table
from kronos_quant.stats.performance import key_figures
from kronos_quant.validity.examination import examine_backtest
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    from kronos_quant.signals import Signals


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class BacktestRun(BacktestResult):
    """A back-test with the run that it left.

    folder : of the run; figures : its metrics.json; report : the text of report.txt, head : the part that comes first
    verdict : whether the result is significant; signals : those that were traded, None for scores from a file
    """

    folder: Path
    figures: dict[str, Any]
    report: str
    head: str
    verdict: str
    signals: Signals | None

    def summary(self) -> pl.DataFrame:
        """Verdict, key figures and notes as text: columns figure and value."""
        return summary_table(self._key_figures(), self.figures["notes"], self.verdict)

    @property
    def tearsheet(self) -> Path:
        """The page to open."""
        return self.folder / "tearsheet.html"


def run_backtest(
    workspace: WorkspaceFolder,
    strategy: StrategyLike = "topk",
    *,
    device: str = "auto",
    compute: bool = True,
    allow_code: bool = False,
    page: bool = True,
) -> BacktestRun:
    """Back-test a strategy; signals of its range that are missing are computed first.

    Parameters
    ----------
    strategy
        The name or path of a strategy file, a Strategy, or its settings.
    device
        For signals that are computed: auto, cpu, cuda, cuda:N or mps.
    compute
        False raises DataError where signals are missing.
    allow_code
        Whether a strategy may be Python code; ConfigError where it may not and is.
    page
        False leaves out tearsheet.html and performance.png, which take longer than the back-test itself.
    """
    inputs = collect_inputs(workspace, strategy, device, compute=compute, allow_code=allow_code)
    result = simulate(inputs.strategy, inputs.panel, inputs.rules, inputs.benchmark_close, inputs.qlib, inputs.decide)
    return _write_run(workspace, inputs, result, page=page)


def result_tables(result: BacktestResult) -> dict[str, pl.DataFrame]:
    """The Parquet tables that a run leaves, by name."""
    tables = {
        "orders": result.orders,
        "fills": result.fills,
        "positions": result.positions,
        "returns": result.daily,
        "bars": result.bars,
        "legs": result.legs,
    }
    return {name: table for name, table in tables.items() if table is not None}


def unknown_figures() -> dict[str, Any]:
    """The names of all key figures, those of a benchmark too: a script finds the same keys in every run."""
    nothing = np.empty(0)
    return dict.fromkeys(key_figures(nothing, nothing, nothing, 1))


def _write_run(
    workspace: WorkspaceFolder, inputs: BacktestInputs, result: BacktestResult, *, page: bool
) -> BacktestRun:
    """Write the run's folder, whole or not at all."""
    scores, benchmark, source = inputs.scores, inputs.benchmark, inputs.scores.source
    digest = inputs.market.snapshot.digest
    seeds = {"sampling": source.recipe.recipe.seed} if source else {}
    notes = [*scores.notes, *missing_benchmark(inputs)]
    with staged_run(
        workspace.runs, "backtest", Inputs(digest, source.recipe.weights if source else scores.digest, seeds)
    ) as run:
        run.write_config({"strategy": inputs.strategy} | ({"recipe": source.recipe.recipe} if source else {}))
        for kind, table in result_tables(result).items():
            check_table(f"backtest.{kind}", table)
            table.write_parquet(run.folder / f"{kind}.parquet")
        examination = examine_backtest(workspace, inputs, result, f"backtest/{run.id}")
        notes += examination.warnings()
        terms = terms_of(result, inputs.rules, benchmark)
        document = backtest_document(result, examination, inputs.name, terms, [*result.notes, *notes], benchmark)
        if page:
            performance_png(run.folder / "performance.png", result, title=inputs.name, benchmark_name=benchmark)
            origin = f"Run {run.id}; {scores.origin}; bars {digest[:16]}."
            notes += write_tearsheet(run.folder / "tearsheet.html", document, result, benchmark, origin)
        all_notes = (*result.notes, *notes)
        document = replace(document, notes=all_notes)
        text, head = document.to_text(), headline_document(document).to_text()
        (run.folder / "report.txt").write_text(text, encoding="utf-8")
        figures = (
            unknown_figures()
            | result.metrics
            | examination.as_dict()
            | {
                "strategy": inputs.name,
                "benchmark": benchmark,
                "recipe": scores.digest,
                "model": source.recipe.model if source else None,
                "rejections": result.rejections,
                "risk": result.risk,
                "terms": [": ".join(term) for term in terms],
                "total_return_by_delisting_return": {f"{at:g}": total for at, total in result.delisted.items()},
                "notes": [*all_notes],
            }
            | by_period(result)
        )
        run.write_metrics(figures)
    values = {field.name: getattr(result, field.name) for field in fields(BacktestResult)}
    verdict, signals = examination.luck.headline(), inputs.scores.signals
    return BacktestRun(
        **values, folder=run.path, figures=figures, report=text, head=head, verdict=verdict, signals=signals
    )
