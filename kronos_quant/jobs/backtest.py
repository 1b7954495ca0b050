"""`kq backtest`: signals of the range, the simulation, and everything the run leaves."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kronos_quant import schema
from kronos_quant.backtest import BacktestResult, Panel, Strategy, build_panel, simulate
from kronos_quant.config import load_yaml
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.jobs.signals import SignalSource, SignalSummary, ensure_signals, open_source, workspace_market
from kronos_quant.market import Market, rules_panel
from kronos_quant.market.symbols import MAINLAND
from kronos_quant.report import performance_png, report_text, write_tearsheet
from kronos_quant.runs import Inputs, staged_run
from kronos_quant.signals import SCORES
from kronos_quant.workspace import Workspace

logger = logging.getLogger(__name__)

UNKNOWN_MODEL_SESSIONS = 250
"""Without a card that says where training ended, the back-test covers the newest this many sessions."""


@dataclass(frozen=True, slots=True)
class BacktestSummary:
    """A finished back-test: its folder, its figures and the text of report.txt."""

    folder: Path
    metrics: dict[str, Any]
    report: str
    result: BacktestResult
    signals: SignalSummary

    @property
    def tearsheet(self) -> Path:
        """The page to open."""
        return self.folder / "tearsheet.html"


def run_backtest(workspace: Workspace, strategy_name: str, device: str, *, compute: bool = True) -> BacktestSummary:
    """Run a strategy file; signals of its range that are missing are computed first, unless `compute` is False."""
    strategy = load_yaml(Strategy, workspace.strategy_file(strategy_name))
    market = workspace_market(workspace)
    benchmark = _check_against(market, strategy)
    source = open_source(workspace, strategy.signal, market)
    sessions = _sessions(source, strategy)
    signals = ensure_signals(source, sessions[:-1], device, compute=compute)
    panel = build_panel(market.bars(start=sessions[0]), _scores(market, strategy, signals), sessions)
    limits, lots = rules_panel(panel.symbols, panel.dates, market.exchange)
    result = simulate(strategy, panel, limits, lots, _benchmark_close(market, benchmark, panel))
    notes = _notes(source, strategy, signals, sessions, benchmark)
    return _leave(workspace, strategy_name, strategy, source, signals, result, benchmark, notes)


def _check_against(market: Market, strategy: Strategy) -> str | None:
    """Refuse what the market does not have, before anything long begins; return the benchmark's symbol, if any."""
    if market.freq != schema.DAILY:
        raise DataError(
            f"back-tests step on daily bars, and this workspace holds {market.freq} bars",
            hint="set market.freq to day in kq.yaml if there are daily bars too; kq forecast works on any",
        )
    for on in (strategy.start, strategy.end):
        if on is not None:
            market.check_session(on)
    if strategy.score is not None and strategy.score not in SCORES:
        raise ConfigError(f"score: expected one of {', '.join(SCORES)}, found {strategy.score!r}")
    if strategy.universe is not None:
        market.universe(strategy.universe)
    return market.benchmark(strategy.benchmark)


def _sessions(source: SignalSource, strategy: Strategy) -> list[date]:
    """The sessions of the back-test: scores of the first trade at the second."""
    market = source.market
    sessions = market.sessions()
    first = strategy.start or first_unseen(source)
    last = strategy.end or sessions[-1]
    chosen = [on for on in sessions if first <= on <= last]
    if len(chosen) < 2:
        raise DataError(
            f"a back-test needs two sessions at least, found {len(chosen)} from {first} to {last}",
            hint="set start and end in the strategy, or ingest newer bars",
        )
    return chosen


def first_unseen(source: SignalSource) -> date:
    """The first session after the model's training and validation targets, by its card."""
    sessions = source.market.sessions()
    start = _test_start(source)
    if start is None:
        return sessions[-min(UNKNOWN_MODEL_SESSIONS, len(sessions))]
    return next((on for on in sessions if on >= start), sessions[-1])


def _test_start(source: SignalSource) -> date | None:
    targets = source.weights.card.get("targets")
    return datetime.fromisoformat(targets["test"][0]).date() if targets else None


def _scores(market: Market, strategy: Strategy, signals: SignalSummary) -> pl.DataFrame:
    """(date, symbol, score) of the traded universe."""
    scores = signals.scores.select("date", "symbol", pl.col(strategy.score or signals.score).alias("score"))
    if strategy.universe is None or strategy.universe == "all":
        return scores
    spans = market.universe(strategy.universe)
    return (
        scores.join(spans, on="symbol")
        .filter(pl.col("date").is_between(pl.col("start"), pl.col("end")))
        .select("date", "symbol", "score")
        .unique(["date", "symbol"])
    )


def _benchmark_close(
    market: Market, benchmark: str | None, panel: Panel
) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """float64[T]: the benchmark's close, NaN where it has no bar; None without a benchmark."""
    if benchmark is None:
        return None
    bars = market.bars([benchmark], start=panel.dates[0], end=panel.dates[-1])
    grid = pl.DataFrame({"date": panel.dates}).join(
        bars.select("date", "close"), on="date", how="left", maintain_order="left"
    )
    return grid["close"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _notes(
    source: SignalSource, strategy: Strategy, signals: SignalSummary, sessions: list[date], benchmark: str | None
) -> list[str]:
    """What a reader of the report must know, in plain sentences."""
    notes = []
    start = _test_start(source)
    if start is None:
        notes.append("The model does not say where its training data end: these figures may be contaminated by them.")
    else:
        seen = sum(on < start for on in sessions)
        if seen:
            notes.append(
                f"CONTAMINATED: {seen} of {len(sessions)} sessions lie before {start}, where the model's training and "
                "validation data end."
            )
    if benchmark is None and strategy.benchmark == "auto":
        notes.append("No index was found among the instruments: there is no benchmark (set `benchmark:`).")
    if strategy.price_limit == "exchange" and source.market.exchange in MAINLAND:
        notes.append("Not applied: the 5 % price limit of ST shares, and the free first sessions after a listing.")
    if signals.empty:
        notes.append(f"{len(signals.empty)} sessions have no signals: no symbol had enough bars.")
    return notes


def _facts(strategy: Strategy, source: SignalSource) -> list[str]:
    """What was run, for the head of the tearsheet."""
    costs = strategy.costs
    return [
        f"hold the {strategy.topk} best, replace at most {strategy.n_drop} a session, keep each for "
        f"{strategy.hold_thresh} sessions at least; scores of a session trade at the next session's {strategy.fill}",
        f"costs: buying {costs.buy:.3%}, selling {costs.sell:.3%}, at least {costs.minimum:g} a trade",
        f"model {source.weights.name}, recipe {strategy.signal} ({source.recipe.digest}), bars "
        f"{source.market.snapshot.digest[:16]}",
        "for research only: a back-test is no promise, and nothing here is advice",
    ]


def _leave(
    workspace: Workspace,
    strategy_name: str,
    strategy: Strategy,
    source: SignalSource,
    signals: SignalSummary,
    result: BacktestResult,
    benchmark: str | None,
    notes: list[str],
) -> BacktestSummary:
    """Write the run's folder, whole or not at all."""
    name = Path(strategy_name).stem
    seeds = {"sampling": source.recipe.recipe.seed}
    inputs = Inputs(source.market.snapshot.digest, source.weights.digest, seeds)
    with staged_run(workspace.runs, "backtest", inputs) as run:
        run.write_config({"strategy": strategy, "recipe": source.recipe.recipe})
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
            sessions_per_year=strategy.sessions_per_year,
            facts=_facts(strategy, source),
        )
        text = report_text(result, title=name, benchmark_name=benchmark, notes=notes)
        (run.folder / "report.txt").write_text(text, encoding="utf-8")
        metrics = dict(result.metrics) | {
            "benchmark": benchmark,
            "recipe": source.recipe.digest,
            "model": source.weights.name,
            "rejections": result.rejections,
            "notes": [*result.notes, *notes],
        }
        run.write_metrics(metrics)
    return BacktestSummary(run.path, metrics, text, result, signals)
