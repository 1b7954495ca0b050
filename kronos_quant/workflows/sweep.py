"""`kq sweep`: one strategy over a grid of settings, every trial recorded, resumable."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import polars as pl

from kronos_quant.backtest.benchmarks import named_benchmark, price_index_caveat
from kronos_quant.backtest.cluster import Cluster, connect_ray, trial_results
from kronos_quant.backtest.inputs import BacktestInputs, StrategyLike, collect_inputs
from kronos_quant.backtest.panel import session_panel
from kronos_quant.backtest.sweep import Grid, Trial, TrialResult, make_trials, parse_grid
from kronos_quant.display import progress
from kronos_quant.errors import DataError, KronosQuantError, counted
from kronos_quant.files import write_json
from kronos_quant.readers import pass_over
from kronos_quant.report.pages.sweep import BEST, SweepRun, write_sweep_page
from kronos_quant.runs import Inputs, Run, continue_run, held_run, start_run, unfinished_runs
from kronos_quant.validity.holdings import universe_returns
from kronos_quant.validity.sweep_trials import (
    SWEEP,
    TRIALS,
    append_results,
    evaluate_trials,
    read_key,
    read_results,
    sort_by_sharpe,
    sweep_key,
)
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)

SAVE_EVERY = 200
"""Trials between two writes of the results."""


def run_sweep(
    workspace: WorkspaceFolder,
    strategy: StrategyLike,
    grid: Grid,
    *,
    device: str = "auto",
    compute: bool = True,
    ray: str | None = None,
) -> SweepRun:
    """Run every combination of a grid; the same call resumes a sweep that was interrupted. See `Workspace.sweep`."""
    started = time.perf_counter()
    with connect_ray(ray) as cluster:
        inputs = collect_inputs(workspace, strategy, device, compute=compute)
        chosen = parse_grid(grid, inputs.strategy.strategy)
        trials, refused = make_trials(inputs.strategy, chosen)
        key = sweep_key(inputs, trials)
        with sweep_run(workspace, inputs, key) as run:
            run.write_config({"strategy": inputs.strategy})
            write_json(run.folder / SWEEP, {"key": key, "grid": chosen})
            done = read_results(run.folder / TRIALS)
            complete_trials(workspace, run, inputs, trials, done, cluster)
            table, luck = evaluate_trials(workspace, run, inputs, trials)
            best = sort_by_sharpe(table).head(BEST)
            write_sweep_page(run.folder, inputs.name, [_facts(inputs)], tuple(chosen), table, best, luck)
            figures = {} if luck is None else luck.as_dict()
            run.write_metrics(figures | {"sweep_trials": len(table), "left_out": len(refused)})
    return SweepRun(run.path, tuple(chosen), table, luck, len(done), refused, time.perf_counter() - started)


@contextmanager
def sweep_run(workspace: WorkspaceFolder, inputs: BacktestInputs, key: str) -> Iterator[Run]:
    """The run of a sweep that was interrupted, or a new one; no other process may fill it meanwhile."""
    former = unfinished_sweep(workspace, key)
    if former is not None:
        with held_run(former, already_running(former)), continue_run(former, [TRIALS]) as run:
            logger.info("resuming %s", run.path)
            yield run
        return
    digests = Inputs(inputs.market.snapshot.digest, inputs.scores.digest)
    with start_run(workspace.runs, "sweep", digests, [TRIALS]) as run, held_run(run, already_running(run)):
        yield run


def unfinished_sweep(workspace: WorkspaceFolder, key: str) -> Run | None:
    """The newest run of a sweep that was begun and not finished."""
    for run in reversed(unfinished_runs(workspace.runs, "sweep")):
        try:
            if os.path.lexists(run.folder / SWEEP) and read_key(run) == key:
                return run
        except DataError as error:
            pass_over(error)
    return None


def already_running(run: Run) -> KronosQuantError:
    """The error where another process has the sweep: two would overwrite each other's trials."""
    return KronosQuantError(
        f"{run.path}: another process is running this sweep",
        hint="wait for it to finish; if it stops, its trials are kept",
    )


def complete_trials(
    workspace: WorkspaceFolder,
    run: Run,
    inputs: BacktestInputs,
    trials: Sequence[Trial],
    done: pl.DataFrame,
    cluster: Cluster | None,
) -> None:
    """Run the trials that are missing, and write the results from time to time and at an interruption."""
    known = set(done["trial"])
    missing = [trial for trial in trials if trial.key not in known]
    universe = universe_returns(session_panel(inputs.panel))
    batch: list[TrialResult] = []
    with progress("trials", len(missing)) as advance:
        try:
            for one in trial_results(inputs, missing, cluster):
                batch.append(one)
                advance(1)
                if len(batch) == SAVE_EVERY:
                    whole, batch = batch, []
                    done = append_results(workspace, run, inputs, done, whole, universe)
        finally:
            if batch:
                append_results(workspace, run, inputs, done, batch, universe)


def _facts(inputs: BacktestInputs) -> str:
    """Period, rule, benchmark and annualisation, for the page."""
    days, strategy = inputs.panel.sessions[1:], inputs.strategy
    benchmark, years = named_benchmark(inputs.benchmark) or "none", inputs.rules.terms.sessions_per_year
    caveat = price_index_caveat(inputs.benchmark, inputs.panel)
    return (
        f"{days[0]} to {days[-1]}, {counted(len(days), 'session')}. Rule: {strategy.strategy}. Benchmark: {benchmark}. "
        f"{years} sessions per year, risk-free rate 0, returns after costs, compounded. {caveat}".rstrip()
    )
