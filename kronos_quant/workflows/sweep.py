"""`kq sweep`: one strategy over a grid of settings, every trial recorded, resumable."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.cluster import Cluster, connect_ray, run_on_ray
from kronos_quant.backtest.engine import benchmark_returns
from kronos_quant.backtest.inputs import BacktestInputs, StrategyLike, collect_inputs, facts_of
from kronos_quant.backtest.panel import session_panel
from kronos_quant.backtest.rules import Rules, rules_of
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.backtest.sweep import Grid, Trial, TrialResult, make_trials, parse_grid, run_trials
from kronos_quant.display import Displayed, figure_text, progress, summary_table
from kronos_quant.errors import KronosQuantError, counted, listed
from kronos_quant.files import write_aside, write_json
from kronos_quant.runs import Inputs, Run, continue_run, held_run, start_run, unfinished_runs
from kronos_quant.schema import check_table
from kronos_quant.stats.selection import ReturnMoments, deflated_sharpe, estimate_overfitting
from kronos_quant.validity.holdings import universe_returns, without_universe
from kronos_quant.validity.luck import Luck, assess_luck
from kronos_quant.validity.trials import TrialRow, Trials, read_trials, record_trials, settings_text, strategy_key
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    import pandas as pd

    from kronos_quant.charts import Chart

logger = logging.getLogger(__name__)

TRIALS = "trials.parquet"
SWEEP = "sweep.json"
SAVE_EVERY = 200
"""Trials between two writes of the results."""

SHOWN = (
    "annual_return", "annual_volatility", "sharpe_ratio", "deflated_sharpe_probability", "max_drawdown", "turnover",
    "annual_cost",
)  # fmt: skip
BEST = 10
BIASED = "The best of many trials is biased upwards; the heat maps show whether neighbouring settings agree."


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SweepRun(Displayed):
    """A finished sweep: its folder, its trials (settings and figures, a row each), and what was left out.

    luck : the tests of the trial with the highest Sharpe ratio, None where no trial has one
    resumed : trials that an interrupted run had finished; refused : why combinations are no valid strategy
    """

    folder: Path
    settings: tuple[str, ...]
    trials: pl.DataFrame
    luck: Luck | None
    resumed: int
    refused: list[str]
    seconds: float

    @property
    def title(self) -> str:
        """How many trials, over which settings."""
        return f"Sweep of {', '.join(self.settings)}: {counted(len(self.trials), 'trial')}"

    def summary(self) -> pl.DataFrame:
        """Verdict, settings and figures of the trial with the highest Sharpe ratio."""
        best = self.best().row(0, named=True)
        rows = [(name, f"{best[name]}") for name in self.settings]
        rows += [(name.replace("_", " "), figure_text(float(best[name] or 0.0), "{:.4g}")) for name in SHOWN]
        refused = [f"not valid: {why}" for why in self.refused]
        verdict = None if self.luck is None else self.luck.headline()
        return summary_table(rows, [BIASED, *refused], verdict)

    def plot(self, title: str | None = None, width: float = 11.0) -> Chart:
        """Heat maps over the first two settings that vary. title : None is the result's own; width : inches"""
        from kronos_quant.charts import heatmap_figure
        from kronos_quant.report.pages.sweep import map_settings

        rows, columns = map_settings(self.settings, self.trials)[0]
        return heatmap_figure(self.trials, rows, columns, self.title if title is None else title, width)

    def to_pandas(self) -> pd.DataFrame:
        """All trials as a pandas table."""
        return self.trials.to_pandas()

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "folder": self.folder,
            "trials": len(self.trials),
            "resumed": self.resumed,
            "left_out": self.refused,
            "seconds": self.seconds,
            "best": self.best().to_dicts(),
            "luck": None if self.luck is None else self.luck.as_dict(),
        }

    def best(self) -> pl.DataFrame:
        """The trials with the highest Sharpe ratios."""
        return sort_by_sharpe(self.trials).head(BEST).select(*self.settings, *SHOWN)

    def lines(self) -> list[str]:
        """The outcome in words."""
        count = counted(len(self.trials), "trial")
        lines = [f"{count} in {self.seconds:.1f} s" + (f", {self.resumed:,} of them resumed" if self.resumed else "")]
        if self.refused:
            lines.append(f"{counted(len(self.refused), 'combination')} not valid: {listed(self.refused, 2)}")
        lines.append(f"best {min(BEST, len(self.trials))} of {count} by Sharpe ratio:")
        best = self.best().rename({"deflated_sharpe_probability": "deflated"})
        with pl.Config(tbl_rows=BEST, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
                       tbl_formatting="NOTHING", float_precision=4, tbl_width_chars=160):  # fmt: skip
            lines += str(best).splitlines()
        lines.append(BIASED)
        if self.luck is not None:
            lines += ["best trial:", *(f"  {line}" for line in self.luck.lines())]
        return [*lines, f"page: {self.folder / 'sweep.html'}", f"folder: {self.folder}"]


def sort_by_sharpe(trials: pl.DataFrame) -> pl.DataFrame:
    """The trials by Sharpe ratio, the highest first; those without one last."""
    order = pl.col("sharpe_ratio").fill_nan(None)
    return trials.sort(order, descending=True, nulls_last=True, maintain_order=True)


def run_sweep(
    workspace: WorkspaceFolder,
    strategy: StrategyLike,
    grid: Grid,
    *,
    device: str = "auto",
    compute: bool = True,
    ray: str | None = None,
) -> SweepRun:
    """Run every combination of a grid; the same call resumes a sweep that was interrupted.

    Parameters
    ----------
    strategy
        The name or path of a strategy file, a Strategy, or its settings.
    grid
        Field -> values, or texts like `topk=20,50,100`.
    device, compute
        As of `run_backtest`.
    ray
        Address of a Ray cluster that runs the trials; None: the cores of this machine.

    Raises
    ------
    ConfigError
        For a wrong grid, and where Ray is not installed or its cluster cannot be reached.
    KronosQuantError
        Where another process is running the same sweep.
    """
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
            write_page(run.folder, table, tuple(chosen), inputs, luck)
            figures = {} if luck is None else luck.as_dict()
            run.write_metrics(figures | {"sweep_trials": len(table), "left_out": len(refused)})
    return SweepRun(run.path, tuple(chosen), table, luck, len(done), refused, time.perf_counter() - started)


def sweep_key(inputs: BacktestInputs, trials: Sequence[Trial]) -> str:
    """Digest of what a sweep is made of: bars, scores, strategy and combinations."""
    settings = json.dumps(inputs.strategy.digest_settings(), separators=(",", ":"))
    parts = [inputs.market.snapshot.digest, inputs.scores.digest, settings]
    return hashlib.sha256(json.dumps([*parts, sorted(trial.key for trial in trials)]).encode()).hexdigest()


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
        note = run.folder / SWEEP
        if note.exists() and json.loads(note.read_text(encoding="utf-8"))["key"] == key:
            return run
    return None


def already_running(run: Run) -> KronosQuantError:
    """The error where another process has the sweep: two would overwrite each other's trials."""
    return KronosQuantError(
        f"{run.path}: another process is running this sweep",
        hint="wait for it to finish; if it stops, its trials are kept",
    )


def read_results(path: Path) -> pl.DataFrame:
    """The finished trials of a sweep; none where there is no file."""
    return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema={"trial": pl.String})


def write_results(path: Path, table: pl.DataFrame) -> None:
    """Replace the finished trials of a sweep."""
    check_table("sweep.trials", table)
    with write_aside(path) as partial:
        table.write_parquet(partial)


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


def trial_results(inputs: BacktestInputs, trials: Sequence[Trial], cluster: Cluster | None) -> Iterator[TrialResult]:
    """The results as they arrive, from this machine or a cluster."""
    panel, facts = inputs.panel, facts_of(inputs.market)
    benchmark = None if inputs.benchmark_close is None else benchmark_returns(inputs.benchmark_close, panel)

    def rules(strategy: Strategy) -> Rules:
        return rules_of(strategy, panel, inputs.market.exchange, facts)

    if cluster is not None:
        return run_on_ray(cluster, trials, panel, rules, inputs.qlib, benchmark)
    return run_trials(trials, panel, rules, inputs.qlib, benchmark, len(os.sched_getaffinity(0)))


def append_results(
    workspace: WorkspaceFolder,
    run: Run,
    inputs: BacktestInputs,
    done: pl.DataFrame,
    batch: Sequence[TrialResult],
    universe: FloatArray,
) -> pl.DataFrame:
    """Write a batch of results, first to the ledger of trials, then to the table of the sweep; return that."""
    edges = without_universe(np.column_stack([one.returns for one in batch]), universe)
    keys = [strategy_key(workspace, inputs, one.trial.strategy) for one in batch]
    rows = [
        TrialRow(key, settings_text(one.trial.strategy), one.returns, np.ascontiguousarray(edge))
        for key, one, edge in zip(keys, batch, edges.T, strict=True)
    ]
    record_trials(
        workspace.runs, f"sweep/{run.id}", inputs.scores.digest, inputs.market.snapshot.digest,
        inputs.panel.sessions[1:], rows,
    )  # fmt: skip
    figures: list[dict[str, Any]] = [
        {"trial": one.trial.key, "ledger": key, **dict(one.trial.values), **one.figures}
        for key, one in zip(keys, batch, strict=True)
    ]
    table = pl.concat([done, pl.DataFrame(figures, infer_schema_length=None)], how="diagonal_relaxed")
    write_results(run.folder / TRIALS, table)
    return table


def evaluate_trials(
    workspace: WorkspaceFolder, run: Run, inputs: BacktestInputs, trials: Sequence[Trial]
) -> tuple[pl.DataFrame, Luck | None]:
    """All trials in the order of the grid with their deflated Sharpe ratios, and the tests of the best one."""
    order = pl.DataFrame({"trial": [trial.key for trial in trials]})
    table = order.join(read_results(run.folder / TRIALS), on="trial", how="left", maintain_order="left")
    ledger = read_trials(workspace.runs)
    table = table.join(deflated_probabilities(ledger, table), on="ledger", how="left", maintain_order="left")
    write_results(run.folder / TRIALS, table)
    returns = ledger.returns_on(inputs.panel.sessions[1:], table["ledger"].to_list())
    best = sort_by_sharpe(table.with_row_index("place")).filter(pl.col("sharpe_ratio").is_not_nan()).head(1)
    if best.is_empty():
        return table, None
    own = np.ascontiguousarray(returns[:, best["place"].item()])
    edge = without_universe(own, universe_returns(session_panel(inputs.panel)))
    years = int(best["sessions_per_year"].item())
    return table, assess_luck(own, edge, ledger, estimate_overfitting(returns), years)


def deflated_probabilities(ledger: Trials, table: pl.DataFrame) -> pl.DataFrame:
    """The probability of the deflated Sharpe ratio of each trial, adjusted for all trials of the workspace."""
    sharpes, sessions = ledger.column("sharpe"), ledger.column("sessions")
    mine = ledger.table.filter(pl.col("trial").is_in(table["ledger"].to_list()))
    found = [
        deflated_sharpe(ReturnMoments(*row), sharpes, sessions).probability
        for row in mine.select("sessions", "sharpe", "skew", "kurtosis").iter_rows()
    ]
    return pl.DataFrame({"ledger": mine["trial"], "deflated_sharpe_probability": pl.Series(found, dtype=pl.Float64)})


def write_page(
    folder: Path, table: pl.DataFrame, settings: tuple[str, ...], inputs: BacktestInputs, luck: Luck | None
) -> None:
    """The page, with a heat map of the first setting that varies with each of the others that do."""
    from kronos_quant.report.pages.sweep import write_sweep_page

    days, strategy = inputs.panel.sessions[1:], inputs.strategy
    facts = (
        f"{days[0]} to {days[-1]}, {counted(len(days), 'session')}. Rule: {strategy.strategy}. Benchmark: "
        f"{inputs.benchmark or 'none'}. {inputs.rules.terms.sessions_per_year} sessions per year, risk-free rate 0, "
        "returns after costs, compounded.",
    )
    write_sweep_page(folder, inputs.name, facts, settings, table, sort_by_sharpe(table).head(BEST), luck)
