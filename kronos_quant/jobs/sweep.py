"""`kq sweep`: one strategy over a grid of settings, every trial recorded, resumable."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from kronos_quant.backtest.engine import benchmark_returns
from kronos_quant.backtest.rules import rules_of
from kronos_quant.backtest.sweep import Trial, Value, run_trials, trials_of
from kronos_quant.errors import ConfigError, listed
from kronos_quant.files import write_aside, write_json
from kronos_quant.jobs.trading import Prepared, facts_of, prepare
from kronos_quant.progress import progress
from kronos_quant.runs import Inputs, Run, continue_run, start_run, unfinished_runs
from kronos_quant.workspace import Workspace

logger = logging.getLogger(__name__)

TRIALS = "trials.parquet"
SWEEP = "sweep.json"
SAVE_EVERY = 200
"""Trials between two writings of what is done."""

SHOWN = ("annual_return", "annual_volatility", "sharpe_ratio", "max_drawdown", "turnover", "annual_cost", "trades")
BEST = 10


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """A finished sweep: its folder, its trials (settings and figures, a row each), and what was left out."""

    folder: Path
    settings: tuple[str, ...]
    trials: pl.DataFrame
    resumed: int
    refused: list[str]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "folder": self.folder,
            "trials": len(self.trials),
            "resumed": self.resumed,
            "left_out": self.refused,
            "seconds": self.seconds,
            "best": self.best().to_dicts(),
        }

    def best(self) -> pl.DataFrame:
        """The trials with the highest Sharpe ratios."""
        return (
            self.trials.sort("sharpe_ratio", descending=True, nulls_last=True).head(BEST).select(*self.settings, *SHOWN)
        )

    def lines(self) -> list[str]:
        """The outcome in words."""
        again = f", {self.resumed:,} of them from before" if self.resumed else ""
        told = [f"{len(self.trials):,} trials in {self.seconds:.1f} s{again}"]
        if self.refused:
            told.append(f"{len(self.refused)} combinations make no strategy: {listed(self.refused, 2)}")
        told.append(
            f"the {min(BEST, len(self.trials))} best by Sharpe ratio, chosen among {len(self.trials):,} trials:"
        )
        with pl.Config(tbl_rows=BEST, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
                       tbl_formatting="NOTHING", float_precision=4, tbl_width_chars=160):  # fmt: skip
            told += str(self.best()).splitlines()
        return [*told, "the best of many trials looks better than it is; the maps show whether its neighbours agree",
                f"folder: {self.folder}"]  # fmt: skip


def run_sweep(
    workspace: Workspace, strategy_name: str, grid: Sequence[str], device: str, *, compute: bool = True
) -> SweepSummary:
    """Run every combination of a grid; a sweep that was interrupted goes on where it was.

    grid : texts like `topk=20,50,100`. Raises ConfigError for a grid that is none.
    """
    started = time.perf_counter()
    prepared = prepare(workspace, strategy_name, device, compute=compute)
    chosen = parsed(grid)
    trials, refused = trials_of(prepared.strategy, chosen)
    key = sweep_key(prepared, trials)
    with sweep_run(workspace, prepared, key) as run:
        run.write_config({"strategy": prepared.strategy})
        write_json(run.folder / SWEEP, {"key": key, "grid": {name: list(values) for name, values in chosen.items()}})
        done = read_trials(run.folder / TRIALS)
        table = finish(run, prepared, trials, done, tuple(chosen))
        leave_pictures(run.folder, table, tuple(chosen), Path(strategy_name).stem)
        run.write_metrics({"trials": len(table), "left_out": len(refused)})
    return SweepSummary(run.path, tuple(chosen), table, len(done), refused, time.perf_counter() - started)


def parsed(grid: Sequence[str]) -> dict[str, list[Value]]:
    """`topk=20,50` -> {"topk": [20, 50]}. Raises ConfigError for other forms and for a field given twice."""
    chosen: dict[str, list[Value]] = {}
    for text in grid:
        name, equals, values = text.partition("=")
        name = name.strip()
        found = [yaml.safe_load(value) for value in values.split(",")] if values.strip() else []
        if not equals or not name or not found or any(isinstance(value, (list, dict)) for value in found):
            raise ConfigError(f"--grid: expected a field and values like topk=20,50,100, found {text!r}")
        if name in chosen:
            raise ConfigError(f"--grid {name}: given twice")
        chosen[name] = list(dict.fromkeys(found))
    if not chosen:
        raise ConfigError("a sweep needs a grid", hint="kq sweep strategies/topk.yaml --grid topk=20,50,100")
    return chosen


def sweep_key(prepared: Prepared, trials: Sequence[Trial]) -> str:
    """What a sweep is made of: bars, scores, strategy and combinations."""
    parts = [prepared.market.snapshot.digest, prepared.scored.digest, prepared.strategy.model_dump_json()]
    return hashlib.sha256(json.dumps([*parts, sorted(trial.key for trial in trials)]).encode()).hexdigest()


def sweep_run(workspace: Workspace, prepared: Prepared, key: str) -> AbstractContextManager[Run]:
    """The run of a sweep that was interrupted, or a new one."""
    for run in reversed(unfinished_runs(workspace.runs, "sweep")):
        note = run.folder / SWEEP
        if note.exists() and json.loads(note.read_text(encoding="utf-8"))["key"] == key:
            logger.info("going on with %s", run.path)
            return continue_run(run, [TRIALS])
    inputs = Inputs(prepared.market.snapshot.digest, prepared.scored.digest)
    return start_run(workspace.runs, "sweep", inputs, [TRIALS])


def read_trials(path: Path) -> pl.DataFrame:
    """The trials done before; none where there is no file."""
    return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema={"trial": pl.String})


def finish(
    run: Run, prepared: Prepared, trials: Sequence[Trial], done: pl.DataFrame, settings: tuple[str, ...]
) -> pl.DataFrame:
    """Run what is not done yet, and keep it from time to time; all trials, in the order of the grid."""
    known = set(done["trial"])
    missing = [trial for trial in trials if trial.key not in known]
    facts = facts_of(prepared.market)
    benchmark = (
        None if prepared.benchmark_close is None else benchmark_returns(prepared.benchmark_close, prepared.panel)
    )
    rows: list[dict[str, Any]] = []
    table = done
    with progress("trials", len(missing)) as advance:
        for trial, figures in run_trials(
            missing,
            prepared.panel,
            lambda strategy: rules_of(strategy, prepared.panel, prepared.market.exchange, facts),
            prepared.qlib,
            benchmark,
            len(os.sched_getaffinity(0)),
        ):
            rows.append({"trial": trial.key} | dict(trial.values) | figures)
            advance(1)
            if len(rows) % SAVE_EVERY == 0 or len(rows) == len(missing):
                table = pl.concat([done, pl.DataFrame(rows, infer_schema_length=None)], how="diagonal_relaxed")
                with write_aside(run.folder / TRIALS) as partial:
                    table.write_parquet(partial)
    order = pl.DataFrame({"trial": [trial.key for trial in trials]})
    return order.join(table, on="trial", how="left", maintain_order="left")


def leave_pictures(folder: Path, table: pl.DataFrame, settings: tuple[str, ...], name: str) -> None:
    """A map for the first two settings that vary, and one for each further one beside the first."""
    from kronos_quant.report.heatmap import heatmap_png

    varied = [setting for setting in settings if table[setting].n_unique() > 1] or [settings[0]]
    others: list[str | None] = [*varied[1:]] or [None]
    for rows, columns in ((varied[0], other) for other in others):
        file = f"heatmap-{rows}{'-' + columns if columns else ''}.png"
        heatmap_png(folder / file, table, rows, columns, title=f"{name}: mean over {len(table):,} trials")
