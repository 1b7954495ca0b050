"""`kq backtest`: signals of the range, the simulation, and everything the run leaves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kronos_quant.backtest import BacktestResult, simulate
from kronos_quant.jobs.signals import SignalSummary
from kronos_quant.jobs.trading import Prepared, missing_benchmark, prepare
from kronos_quant.report import performance_png, report_text, write_tearsheet
from kronos_quant.report.text import costs_line, liquidity_lines, rules_line, strategy_line
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.workspace import Workspace


@dataclass(frozen=True, slots=True)
class BacktestSummary:
    """A finished back-test: its folder, its figures and the text of report.txt."""

    folder: Path
    metrics: dict[str, Any]
    report: str
    result: BacktestResult
    signals: SignalSummary | None
    """None where the scores came from a file."""

    @property
    def tearsheet(self) -> Path:
        """The page to open."""
        return self.folder / "tearsheet.html"


def run_backtest(
    workspace: Workspace, strategy_name: str, device: str, *, compute: bool = True, allow_code: bool = False
) -> BacktestSummary:
    """Run a strategy file; signals of its range that are missing are computed first, unless `compute` is False.

    allow_code : whether a strategy may be Python code of somebody's. Raises ConfigError where it may not.
    """
    prepared = prepare(workspace, strategy_name, device, compute=compute, allow_code=allow_code)
    result = simulate(
        prepared.strategy, prepared.panel, prepared.rules, prepared.benchmark_close, prepared.qlib, prepared.decide
    )
    return _leave(workspace, strategy_name, prepared, result)


def _facts(prepared: Prepared, result: BacktestResult) -> list[str]:
    """What was run, for the head of the tearsheet."""
    strategy = prepared.strategy
    return [
        f"{strategy_line(strategy)}; scores of a session trade at the next session's {strategy.fill}",
        *(f"costs: {line}" for line in (*result.rules, *liquidity_lines(strategy))),
        f"rules: {rules_line(strategy)}",
        f"paid: {costs_line(result)}",
        f"{prepared.scored.origin}, bars {prepared.market.snapshot.digest[:16]}",
        "for research only: a back-test is no promise, and nothing here is advice",
    ]


def _leave(workspace: Workspace, strategy_name: str, prepared: Prepared, result: BacktestResult) -> BacktestSummary:
    """Write the run's folder, whole or not at all."""
    name = Path(strategy_name).stem
    scored, benchmark, source = prepared.scored, prepared.benchmark, prepared.scored.source
    digest = prepared.market.snapshot.digest
    seeds = {"sampling": source.recipe.recipe.seed} if source else {}
    inputs = Inputs(digest, source.weights.digest if source else scored.digest, seeds)
    notes = [*scored.notes, *missing_benchmark(prepared)]
    with staged_run(workspace.runs, "backtest", inputs) as run:
        run.write_config({"strategy": prepared.strategy} | ({"recipe": source.recipe.recipe} if source else {}))
        for table in ("orders", "fills", "positions"):
            getattr(result, table).write_parquet(run.folder / f"{table}.parquet")
        result.daily().write_parquet(run.folder / "returns.parquet")
        performance_png(run.folder / "performance.png", result, title=name, benchmark_name=benchmark)
        notes += write_tearsheet(
            run.folder / "tearsheet.html",
            result.dates,
            result.returns,
            result.benchmark_returns,
            title=f"{name} ({run.id})",
            benchmark_name=benchmark,
            sessions_per_year=result.sessions_per_year,
            facts=_facts(prepared, result),
        )
        text = report_text(result, title=name, benchmark_name=benchmark, notes=notes)
        (run.folder / "report.txt").write_text(text, encoding="utf-8")
        metrics = dict(result.metrics) | {
            "benchmark": benchmark,
            "recipe": scored.digest,
            "model": source.weights.name if source else None,
            "rejections": result.rejections,
            "total_return_by_delisting_return": {f"{at:g}": total for at, total in result.delisted.items()},
            "notes": [*result.notes, *notes],
        }
        run.write_metrics(metrics)
    return BacktestSummary(run.path, metrics, text, result, scored.signals)
