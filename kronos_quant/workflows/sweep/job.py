"""A sweep from grid to folder: every trial recorded, resumable."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.engine import benchmark_returns
from kronos_quant.backtest.panel import session_panel
from kronos_quant.backtest.rules import Rules, rules_of
from kronos_quant.backtest.settings import OTHER_NAMES
from kronos_quant.backtest.strategy import Strategy, share_setting
from kronos_quant.backtest.sweep import Done, Trial, Value, run_trials, trials_of
from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.files import write_aside, write_json
from kronos_quant.progress import progress
from kronos_quant.runs import Inputs, Run, continue_run, held_run, start_run, unfinished_runs
from kronos_quant.stats.selection import ReturnMoments, deflated_sharpe, estimate_overfitting
from kronos_quant.validity import (
    Luck,
    TrialRow,
    Trials,
    assess_luck,
    read_trials,
    record_trials,
    universe_returns,
    without_universe,
)
from kronos_quant.workflows.examination import key_of, settings_of
from kronos_quant.workflows.sweep.cluster import Cluster, connected, run_on_ray
from kronos_quant.workflows.sweep.summary import BEST, SweepSummary, ranked
from kronos_quant.workflows.trading import Prepared, facts_of, prepare
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)

TRIALS = "trials.parquet"
SWEEP = "sweep.json"
SAVE_EVERY = 200
"""Trials between two writings of what is done."""

OWN_NAMES = {other: name for name, other in OTHER_NAMES}


def run_sweep(
    workspace: WorkspaceFolder,
    strategy_name: str,
    grid: Sequence[str],
    device: str,
    *,
    compute: bool = True,
    ray: str | None = None,
) -> SweepSummary:
    """Run every combination of a grid; a sweep that was interrupted goes on where it was.

    grid : texts like `topk=20,50,100`; ray : address of a Ray cluster that runs the trials, None: this machine's cores
    Raises ConfigError for a grid that is none, and where Ray is not installed or its cluster not reached;
    KronosQuantError where another process is running the same sweep.
    """
    started = time.perf_counter()
    with connected(ray) as cluster:
        prepared = prepare(workspace, strategy_name, device, compute=compute)
        chosen = parsed(grid, prepared.strategy.strategy)
        trials, refused = trials_of(prepared.strategy, chosen)
        key = sweep_key(prepared, trials)
        with sweep_run(workspace, prepared, key) as run:
            run.write_config({"strategy": prepared.strategy})
            write_json(run.folder / SWEEP, {"key": key, "grid": chosen})
            done = read_done(run.folder / TRIALS)
            finish(workspace, run, prepared, trials, done, cluster)
            table, luck = judged(workspace, run, prepared, trials)
            write_report(run.folder, table, tuple(chosen), Path(strategy_name).stem, luck)
            figures = {} if luck is None else luck.as_dict()
            run.write_metrics(figures | {"sweep_trials": len(table), "left_out": len(refused)})
    return SweepSummary(run.path, tuple(chosen), table, luck, len(done), refused, time.perf_counter() - started)


def parsed(grid: Sequence[str], rule: str = "topk_dropout") -> dict[str, list[Value]]:
    """`topk=20,50` -> {"topk": [20, 50]}; a field's other name (`n_symbol_hold`) stands for it.

    Raises ConfigError for other forms and for a field given twice.
    """
    chosen: dict[str, list[Value]] = {}
    for text in grid:
        name, equals, values = text.partition("=")
        *sections, last = name.strip().split(".")
        name = ".".join([*sections, share_setting(rule) if last == "risk_degree" else OWN_NAMES.get(last, last)])
        try:
            found = [value_of(value) for value in values.split(",")] if values.strip() else []
        except ValueError:
            found = []
        if not equals or not name or not found:
            raise ConfigError(f"--grid: expected a field and values like topk=20,50,100, found {text!r}")
        if name in chosen:
            raise ConfigError(f"--grid {name}: given twice")
        chosen[name] = list(dict.fromkeys(found))
    if not chosen:
        raise ConfigError("a sweep needs a grid", hint="kq sweep strategies/topk.yaml --grid topk=20,50,100")
    return chosen


def value_of(text: str) -> Value:
    """A number, word, yes or no as YAML has it. Raises ValueError for a list, a mapping, and what is no YAML."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    # YAML takes 10:20 for a number in base 60
    if not isinstance(value, Value) or (":" in text and not isinstance(value, str)):
        raise ValueError(text)
    return value


def sweep_key(prepared: Prepared, trials: Sequence[Trial]) -> str:
    """What a sweep is made of: bars, scores, strategy and combinations."""
    settings = json.dumps(prepared.strategy.digest_settings(), separators=(",", ":"))
    parts = [prepared.market.snapshot.digest, prepared.scored.digest, settings]
    return hashlib.sha256(json.dumps([*parts, sorted(trial.key for trial in trials)]).encode()).hexdigest()


@contextmanager
def sweep_run(workspace: WorkspaceFolder, prepared: Prepared, key: str) -> Iterator[Run]:
    """The run of a sweep that was interrupted, or a new one; no other process may fill it meanwhile."""
    former = unfinished_sweep(workspace, key)
    if former is not None:
        with held_run(former, swept_elsewhere(former)), continue_run(former, [TRIALS]) as run:
            logger.info("going on with %s", run.path)
            yield run
        return
    inputs = Inputs(prepared.market.snapshot.digest, prepared.scored.digest)
    with start_run(workspace.runs, "sweep", inputs, [TRIALS]) as run, held_run(run, swept_elsewhere(run)):
        yield run


def unfinished_sweep(workspace: WorkspaceFolder, key: str) -> Run | None:
    """The newest run of a sweep that was begun and not finished."""
    for run in reversed(unfinished_runs(workspace.runs, "sweep")):
        note = run.folder / SWEEP
        if note.exists() and json.loads(note.read_text(encoding="utf-8"))["key"] == key:
            return run
    return None


def swept_elsewhere(run: Run) -> KronosQuantError:
    """Two processes that fill one table of trials would write over each other's."""
    return KronosQuantError(
        f"{run.path}: another process is running this sweep", hint="wait for it; its trials are kept if it is stopped"
    )


def read_done(path: Path) -> pl.DataFrame:
    """The trials done before; none where there is no file."""
    return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema={"trial": pl.String})


def finish(
    workspace: WorkspaceFolder,
    run: Run,
    prepared: Prepared,
    trials: Sequence[Trial],
    done: pl.DataFrame,
    cluster: Cluster | None,
) -> None:
    """Run what is not done yet, and keep it from time to time; what was run before an interruption is kept too."""
    known = set(done["trial"])
    missing = [trial for trial in trials if trial.key not in known]
    universe = universe_returns(session_panel(prepared.panel))
    batch: list[Done] = []
    with progress("trials", len(missing)) as advance:
        try:
            for one in trials_done(prepared, missing, cluster):
                batch.append(one)
                advance(1)
                if len(batch) == SAVE_EVERY:
                    whole, batch = batch, []
                    done = with_batch(workspace, run, prepared, done, whole, universe)
        finally:
            if batch:
                with_batch(workspace, run, prepared, done, batch, universe)


def trials_done(prepared: Prepared, trials: Sequence[Trial], cluster: Cluster | None) -> Iterator[Done]:
    """The trials as they are done, on this machine or on a cluster."""
    panel, facts = prepared.panel, facts_of(prepared.market)
    benchmark = None if prepared.benchmark_close is None else benchmark_returns(prepared.benchmark_close, panel)

    def rules(strategy: Strategy) -> Rules:
        return rules_of(strategy, panel, prepared.market.exchange, facts)

    if cluster is not None:
        return run_on_ray(cluster, trials, panel, rules, prepared.qlib, benchmark)
    return run_trials(trials, panel, rules, prepared.qlib, benchmark, len(os.sched_getaffinity(0)))


def with_batch(
    workspace: WorkspaceFolder,
    run: Run,
    prepared: Prepared,
    done: pl.DataFrame,
    batch: Sequence[Done],
    universe: FloatArray,
) -> pl.DataFrame:
    """The table of what is done with a batch more, which is written into the ledger of trials before the table is."""
    edges = without_universe(np.column_stack([one.returns for one in batch]), universe)
    keys = [key_of(workspace, prepared, one.trial.strategy) for one in batch]
    rows = [
        TrialRow(key, settings_of(one.trial.strategy), one.returns, np.ascontiguousarray(edge))
        for key, one, edge in zip(keys, batch, edges.T, strict=True)
    ]
    record_trials(
        workspace.runs, f"sweep/{run.id}", prepared.scored.digest, prepared.market.snapshot.digest,
        prepared.panel.sessions[1:], rows,
    )  # fmt: skip
    figures: list[dict[str, Any]] = [
        {"trial": one.trial.key, "ledger": key, **dict(one.trial.values), **one.figures}
        for key, one in zip(keys, batch, strict=True)
    ]
    table = pl.concat([done, pl.DataFrame(figures, infer_schema_length=None)], how="diagonal_relaxed")
    with write_aside(run.folder / TRIALS) as partial:
        table.write_parquet(partial)
    return table


def judged(
    workspace: WorkspaceFolder, run: Run, prepared: Prepared, trials: Sequence[Trial]
) -> tuple[pl.DataFrame, Luck | None]:
    """All trials in the order of the grid with their deflated Sharpe ratios, and how much luck explains of the best."""
    order = pl.DataFrame({"trial": [trial.key for trial in trials]})
    table = order.join(read_done(run.folder / TRIALS), on="trial", how="left", maintain_order="left")
    ledger = read_trials(workspace.runs)
    table = table.join(deflated(ledger, table), on="ledger", how="left", maintain_order="left")
    with write_aside(run.folder / TRIALS) as partial:
        table.write_parquet(partial)
    returns = ledger.returns_on(prepared.panel.sessions[1:], table["ledger"].to_list())
    best = ranked(table.with_row_index("place")).filter(pl.col("sharpe_ratio").is_not_nan()).head(1)
    if best.is_empty():
        return table, None
    own = np.ascontiguousarray(returns[:, best["place"].item()])
    edge = without_universe(own, universe_returns(session_panel(prepared.panel)))
    years = int(best["sessions_per_year"].item())
    return table, assess_luck(own, edge, ledger, estimate_overfitting(returns), years)


def deflated(ledger: Trials, table: pl.DataFrame) -> pl.DataFrame:
    """The deflated Sharpe ratio's probability of each trial of a sweep, among all of the workspace."""
    sharpes, sessions = ledger.column("sharpe"), ledger.column("sessions")
    mine = ledger.table.filter(pl.col("trial").is_in(table["ledger"].to_list()))
    found = [
        deflated_sharpe(ReturnMoments(*row), sharpes, sessions).probability
        for row in mine.select("sessions", "sharpe", "skew", "kurtosis").iter_rows()
    ]
    return pl.DataFrame({"ledger": mine["trial"], "deflated_sharpe_probability": pl.Series(found, dtype=pl.Float64)})


def write_report(folder: Path, table: pl.DataFrame, settings: tuple[str, ...], name: str, luck: Luck | None) -> None:
    """The page, with a map for the first two settings that vary, and one for each further one with the first."""
    from kronos_quant.report.pages.sweep import write_sweep_page

    write_sweep_page(folder, name, settings, table, ranked(table).head(BEST), luck)
