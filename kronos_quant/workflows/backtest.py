"""`kq backtest`: signals of the range, the simulation, and everything that the run leaves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace

import numpy as np

from kronos_quant.backtest import BacktestResult, simulate
from kronos_quant.backtest.benchmarks import benchmark_kind, named_benchmark
from kronos_quant.backtest.inputs import BacktestInputs, StrategyLike, collect_inputs, missing_benchmark
from kronos_quant.backtest.result import BacktestRun, result_tables
from kronos_quant.errors import counted
from kronos_quant.report.account_tables import account_tables
from kronos_quant.report.backtest_sections import read_first
from kronos_quant.report.pages.tearsheet import backtest_document, headline_document, performance_png, write_tearsheet
from kronos_quant.report.periods import by_period
from kronos_quant.report.quantstats_page import QuantstatsReport, SessionReturns, quantstats_child
from kronos_quant.report.terms import terms_of
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.schema import check_table
from kronos_quant.stats.performance import key_figures
from kronos_quant.validity.examination import examine_backtest
from kronos_quant.workspace import WorkspaceFolder


def run_backtest(
    workspace: WorkspaceFolder,
    strategy: StrategyLike = "topk",
    *,
    device: str = "auto",
    compute: bool = True,
    allow_code: bool = False,
    page: bool = True,
) -> BacktestRun:
    """Back-test a strategy, see `Workspace.backtest`.

    page : False leaves out tearsheet.html and performance.png, which take longer than the back-test itself
    """
    inputs = collect_inputs(workspace, strategy, device, compute=compute, allow_code=allow_code)
    result = simulate(
        inputs.strategy, inputs.panel, inputs.rules, inputs.benchmark_close, inputs.qlib, inputs.decide,
        benchmark=inputs.benchmark,
    )  # fmt: skip
    return _write_run(workspace, inputs, result, page=page)


def _write_run(
    workspace: WorkspaceFolder, inputs: BacktestInputs, result: BacktestResult, *, page: bool
) -> BacktestRun:
    """Write the run's folder, whole or not at all."""
    scores, benchmark, source = inputs.scores, named_benchmark(inputs.benchmark), inputs.scores.source
    digest = inputs.market.snapshot.digest
    seeds = {"sampling": source.recipe.recipe.seed} if source else {}
    notes = [*scores.notes, *missing_benchmark(inputs)]
    nothing = np.empty(0)  # a script finds the same figures in every run, those of a benchmark too
    used = Inputs(digest, source.recipe.weights if source else scores.digest, seeds)
    with _quantstats(inputs, result, page=page) as quantstats, staged_run(workspace.runs, "backtest", used) as run:
        run.write_config({"strategy": inputs.strategy} | ({"recipe": source.recipe.recipe} if source else {}))
        for kind, table in (result_tables(result) | account_tables(result)).items():
            check_table(f"backtest.{kind}", table)
            table.write_parquet(run.folder / f"{kind}.parquet")
        examination = examine_backtest(workspace, inputs, result, f"backtest/{run.id}")
        notes += examination.warnings()
        terms = terms_of(result, inputs.rules, benchmark)
        first = read_first([*result.notes, *notes], examination)
        document = backtest_document(result, examination, inputs.name, terms, first, benchmark)
        if page:
            performance_png(run.folder / "performance.png", result, title=inputs.name, benchmark_name=benchmark)
            origin = f"Run {run.id}; {scores.origin}; bars {digest[:16]}."
            page_file = run.folder / "tearsheet.html"
            first += tuple(write_tearsheet(page_file, document, result, benchmark, origin, quantstats))
        document = replace(document, notes=first)
        text, head = document.to_text(), headline_document(document).to_text()
        (run.folder / "report.txt").write_text(text, encoding="utf-8")
        figures = (
            dict.fromkeys(key_figures(nothing, nothing, nothing, 1))
            | result.metrics
            | examination.as_dict()
            | {
                "strategy": inputs.name,
                "benchmark": inputs.benchmark,
                "benchmark_kind": benchmark_kind(inputs.benchmark),
                "benchmark_caveat": result.caveat or None,
                "recipe": scores.digest,
                "model": source.recipe.model if source else None,
                "rejections": result.rejections,
                "risk": result.risk,
                "terms": [": ".join(term) for term in terms],
                "total_return_by_delisting_return": {f"{at:g}": total for at, total in result.delisted.items()},
                "notes": [*first],
            }
            | by_period(result)
        )
        run.write_metrics(figures)
    values = {field.name: getattr(result, field.name) for field in fields(BacktestResult)}
    verdict, signals = examination.lines()[0], inputs.scores.signals
    return BacktestRun(
        **values, folder=run.path, figures=figures, report=text, head=head, verdict=verdict, signals=signals
    )


def _quantstats(
    inputs: BacktestInputs, result: BacktestResult, *, page: bool
) -> AbstractContextManager[Callable[[], QuantstatsReport]]:
    """quantstats' report, begun in another process while the run goes on."""
    if not page:
        return nullcontext(QuantstatsReport)
    facts = (
        f"{result.dates[0]} to {result.dates[-1]}, {counted(len(result.dates), 'session')}. Benchmark: "
        f"{inputs.benchmark or 'none'}. {result.sessions_per_year} sessions per year, risk-free rate 0."
    )
    returns, benchmark = result.returns, result.benchmark_returns
    return quantstats_child(
        SessionReturns(result.dates, returns, benchmark, result.sessions_per_year, inputs.name, facts)
    )
