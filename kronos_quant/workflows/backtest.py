"""`kq backtest`: signals of the range, the simulation, and everything the run leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kronos_quant.backtest import BacktestResult, simulate
from kronos_quant.report.pages.tearsheet import (
    backtest_document,
    headline_document,
    performance_png,
    write_tearsheet,
)
from kronos_quant.report.periods import by_period
from kronos_quant.report.terms import terms_of
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.stats.performance import key_figures
from kronos_quant.workflows.examination import examined
from kronos_quant.workflows.trading import Prepared, missing_benchmark, prepare
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    from kronos_quant.signals import Signals


@dataclass(frozen=True, slots=True)
class BacktestSummary:
    """A finished back-test: its folder, its figures, the text of report.txt, and the part of it that comes first."""

    folder: Path
    metrics: dict[str, Any]
    report: str
    head: str
    result: BacktestResult
    signals: Signals | None
    """None where the scores came from a file."""

    @property
    def tearsheet(self) -> Path:
        """The page to open."""
        return self.folder / "tearsheet.html"


def run_backtest(
    workspace: WorkspaceFolder, strategy_name: str, device: str, *, compute: bool = True, allow_code: bool = False
) -> BacktestSummary:
    """Run a strategy file; signals of its range that are missing are computed first, unless `compute` is False.

    allow_code : whether a strategy may be Python code of somebody's. Raises ConfigError where it may not.
    """
    prepared = prepare(workspace, strategy_name, device, compute=compute, allow_code=allow_code)
    result = simulate(
        prepared.strategy, prepared.panel, prepared.rules, prepared.benchmark_close, prepared.qlib, prepared.decide
    )
    return _leave(workspace, strategy_name, prepared, result)


def tables_of(result: BacktestResult) -> dict[str, pl.DataFrame]:
    """The Parquet tables that a run leaves, by name."""
    tables = {
        "orders": result.orders,
        "fills": result.fills,
        "positions": result.positions,
        "returns": result.daily(),
    }
    others = {"bars": result.bars, "legs": result.legs}
    return tables | {name: table for name, table in others.items() if table is not None}


def unknown_figures() -> dict[str, Any]:
    """The names of all key figures, those beside a benchmark too: a script finds the same keys in every run."""
    nothing = np.empty(0)
    return dict.fromkeys(key_figures(nothing, nothing, nothing, 1))


def _leave(
    workspace: WorkspaceFolder, strategy_name: str, prepared: Prepared, result: BacktestResult
) -> BacktestSummary:
    """Write the run's folder, whole or not at all."""
    name = Path(strategy_name).stem
    scored, benchmark, source = prepared.scored, prepared.benchmark, prepared.scored.source
    digest = prepared.market.snapshot.digest
    seeds = {"sampling": source.recipe.recipe.seed} if source else {}
    inputs = Inputs(digest, source.recipe.weights if source else scored.digest, seeds)
    notes = [*scored.notes, *missing_benchmark(prepared)]
    with staged_run(workspace.runs, "backtest", inputs) as run:
        run.write_config({"strategy": prepared.strategy} | ({"recipe": source.recipe.recipe} if source else {}))
        for kind, table in tables_of(result).items():
            table.write_parquet(run.folder / f"{kind}.parquet")
        examination = examined(workspace, prepared, result, f"backtest/{run.id}")
        terms = terms_of(result, prepared.rules, benchmark)
        document = backtest_document(result, examination, name, terms, [*result.notes, *notes], benchmark)
        performance_png(run.folder / "performance.png", result, title=name, benchmark_name=benchmark)
        origin = f"Run {run.id}; {scored.origin}; bars {digest[:16]}."
        notes += write_tearsheet(run.folder / "tearsheet.html", document, result, benchmark, origin)
        document = replace(document, notes=(*result.notes, *notes))
        text, head = document.to_text(), headline_document(document).to_text()
        (run.folder / "report.txt").write_text(text, encoding="utf-8")
        metrics = (
            unknown_figures()
            | result.metrics
            | examination.as_dict()
            | {
                "strategy": name,
                "benchmark": benchmark,
                "recipe": scored.digest,
                "model": source.recipe.model if source else None,
                "rejections": result.rejections,
                "risk": result.risk,
                "terms": [": ".join(term) for term in terms],
                "total_return_by_delisting_return": {f"{at:g}": total for at, total in result.delisted.items()},
                "notes": [*result.notes, *notes],
            }
            | by_period(result)
        )
        run.write_metrics(metrics)
    return BacktestSummary(run.path, metrics, text, head, result, scored.signals)
