"""The trials of a sweep: recorded in the ledger of trials and in its own table, and tested for luck."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.inputs import BacktestInputs
from kronos_quant.backtest.panel import session_panel
from kronos_quant.backtest.sweep import Trial, TrialResult
from kronos_quant.errors import DataError, listed
from kronos_quant.files import write_aside
from kronos_quant.inputs import short_repr
from kronos_quant.readers import REPAIR, read_json, read_parquet
from kronos_quant.runs import Run
from kronos_quant.schema import check_table
from kronos_quant.stats.selection import ReturnMoments, deflated_sharpe, estimate_overfitting
from kronos_quant.validity.holdings import universe_returns, without_universe
from kronos_quant.validity.luck import Luck, assess_luck
from kronos_quant.validity.trials import (
    TrialRow,
    Trials,
    read_trials,
    record_trials,
    settings_text,
    strategy_key,
    universe_name,
)
from kronos_quant.workspace import WorkspaceFolder

TRIALS = "trials.parquet"
"""The finished trials, in the folder of a sweep."""
SWEEP = "sweep.json"
"""What the sweep is made of, beside them."""
PROBABILITY = "deflated_sharpe_probability"
"""The column of TRIALS that depends on all trials of the workspace, written at the end."""


def sweep_key(inputs: BacktestInputs, trials: Sequence[Trial]) -> str:
    """Digest of what a sweep is made of: bars, scores, strategy and combinations."""
    settings = json.dumps(inputs.strategy.digest_settings(), separators=(",", ":"))
    parts = [inputs.market.snapshot.digest, inputs.scores.digest, settings]
    return hashlib.sha256(json.dumps([*parts, sorted(trial.key for trial in trials)]).encode()).hexdigest()


def read_key(run: Run) -> str:
    """What a sweep that was begun is made of, as its folder says. Raises DataError for a damaged file."""
    path = run.folder / SWEEP
    key = read_json(path, hint=REPAIR).get("key")
    if not isinstance(key, str):
        raise DataError(f"{path}: key: expected text, found {short_repr(key)}", hint=REPAIR)
    return key


def read_results(path: Path) -> pl.DataFrame:
    """The finished trials of a sweep; none where there is no file."""
    if not path.exists() and not path.is_symlink():
        return pl.DataFrame(schema={"trial": pl.String})
    table = read_parquet(path, hint=REPAIR)
    check_trials(path, table.columns)
    return table


def check_trials(path: Path, columns: Iterable[str]) -> None:
    """Raise DataError where a file of trials has other columns."""
    if "trial" not in {*columns}:
        raise DataError(f"{path}: expected the columns of trials, found {listed(columns)}", hint=REPAIR)


def write_results(path: Path, table: pl.DataFrame) -> None:
    """Replace the finished trials of a sweep."""
    check_table("sweep.trials", table)
    with write_aside(path) as partial:
        table.write_parquet(partial)


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
    keys, universe_of = [strategy_key(workspace, inputs, one.trial.strategy) for one in batch], universe_name(inputs)
    rows = [
        TrialRow(key, settings_text(one.trial.strategy), one.returns, np.ascontiguousarray(edge), universe_of)
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
    # a run that was killed just before its end has the probabilities of then
    done = read_results(run.folder / TRIALS).drop(PROBABILITY, strict=False)
    table = order.join(done, on="trial", how="left", maintain_order="left")
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
    return pl.DataFrame({"ledger": mine["trial"], PROBABILITY: pl.Series(found, dtype=pl.Float64)})


def sort_by_sharpe(trials: pl.DataFrame) -> pl.DataFrame:
    """The trials by Sharpe ratio, the highest first; those without one last."""
    order = pl.col("sharpe_ratio").fill_nan(None)
    return trials.sort(order, descending=True, nulls_last=True, maintain_order=True)
