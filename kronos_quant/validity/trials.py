"""The ledger of trials: every configuration that was ever back-tested in a workspace, so that luck can be counted.

runs/trials/ holds a Parquet file for each batch of trials, written whole under a name of its own and never changed: any
number of processes may record at once, and one that is killed leaves its batch or nothing. Its name holds a digest of
its contents, so that a broken disk is noticed. A trial is a configuration
on the scores of one recipe or file. Run again, it is recorded again and counts once, with its newest returns; so does
the same strategy file on the bars of a later day. Removing the folder of a run removes none of its trials.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import Strategy
from kronos_quant.backtest.inputs import BacktestInputs
from kronos_quant.errors import DataError
from kronos_quant.files import file_digest, write_aside
from kronos_quant.readers import read_bytes, reading, scan_parquet
from kronos_quant.schema import check_table
from kronos_quant.stats.selection import return_moments
from kronos_quant.workspace import WorkspaceFolder

FOLDER = "trials"
"""In the folder of the runs."""

COLUMNS: dict[str, pl.DataType] = {
    "trial": pl.String(),
    "recorded": pl.Datetime("us", "UTC"),
    "run": pl.String(),
    "settings": pl.String(),
    "signals": pl.String(),
    "snapshot": pl.String(),
    "first": pl.Date(),
    "last": pl.Date(),
    "sessions": pl.Int64(),
    "calendar": pl.String(),  # digest of the dates: returns of equal ones stand in one row of a matrix
    "sharpe": pl.Float64(),
    "skew": pl.Float64(),
    "kurtosis": pl.Float64(),
    "edge_sharpe": pl.Float64(),  # of the returns without the universe's
    "returns": pl.List(pl.Float64()),
    "universe": pl.String(),  # null in files of before it was recorded
}
"""Of the files; Sharpe ratios are of a session."""

WITHOUT_EFFECT = {"recipe", "scores_file", "benchmark", "sessions_per_year"}
"""Settings that name what the digests identify, or change no trade."""

_LOST = "put it back from a copy, or kq doctor --repair (the trials that it held are no longer counted then)"


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A back-test that was run: which one, and its session returns f64[T], whole and without the universe's.

    universe : of `universe_name`, None where unknown
    """

    key: str
    settings: str
    returns: FloatArray
    edge: FloatArray
    universe: str | None = None


@dataclass(frozen=True, slots=True)
class Trials:
    """The distinct trials of a workspace, oldest first; a column of COLUMNS each but the returns."""

    table: pl.DataFrame
    folder: Path

    def __len__(self) -> int:
        return len(self.table)

    def column(self, name: str) -> FloatArray:
        """f64[N] of a numeric column."""
        return self.table[name].cast(pl.Float64).to_numpy()

    def on_universe(self, universe: str | None) -> Trials:
        """The trials of one universe: only those may be set side by side."""
        return Trials(self.table.filter(pl.col("universe").eq_missing(universe)), self.folder)

    def returns_on(self, dates: Sequence[date], keys: Sequence[str] | None = None) -> FloatArray:
        """f64[T, N] of the trials on exactly these sessions, in the order of the table, or of `keys`, which all are."""
        same = self.table.filter(pl.col("calendar") == calendar_digest(dates))
        if keys is not None:
            same = pl.DataFrame({"trial": keys}).join(same, on="trial", how="inner", maintain_order="left")
        if same.is_empty():
            return np.empty((len(dates), 0))
        newest = scan_parquet(ledger_files(self.folder), schema=COLUMNS).join(
            same.lazy(), on=["trial", "recorded"], how="semi"
        )
        rows = newest.select("trial", "returns").unique("trial").collect()
        ordered = same.select("trial").join(rows, on="trial", how="left", maintain_order="left")["returns"]
        return np.ascontiguousarray(np.vstack([row.to_numpy() for row in ordered]).T)


def trial_key(strategy: Strategy, signals: str, code: str | None = None) -> str:
    """What makes a trial the same as another: its settings, the digest of its scores and of its own Python code.

    Settings at their defaults are left out, so that a field that a later version adds makes no trial another one.
    """
    settings = strategy.digest_settings(WITHOUT_EFFECT, defaults=False)
    return hashlib.sha256(json.dumps([settings, signals, code], sort_keys=True).encode()).hexdigest()


def strategy_key(workspace: WorkspaceFolder, inputs: BacktestInputs, strategy: Strategy) -> str:
    """What makes a trial of this strategy the same as another."""
    code = None if strategy.code is None else file_digest(workspace.root / Path(strategy.code).expanduser())
    return trial_key(strategy, inputs.scores.digest, code)


def universe_name(inputs: BacktestInputs) -> str:
    """The universe of a back-test: its name, or of scores of a file that names none, a digest of their symbols."""
    name = inputs.strategy.universe or (inputs.scores.source.recipe.universe if inputs.scores.source else None)
    if name is not None:
        return name
    return f"symbols {hashlib.sha256(' '.join(inputs.panel.symbols).encode()).hexdigest()[:16]}"


def settings_text(strategy: Strategy) -> str:
    """A trial's settings, as the ledger keeps them for people; without those that its key leaves out by their value."""
    return json.dumps(strategy.digest_settings(defaults=False), separators=(",", ":"))


def record_trials(
    runs: Path, run: str, signals: str, snapshot: str, dates: Sequence[date], rows: Sequence[TrialRow]
) -> Path:
    """Add trials to the ledger of a workspace; gives back the file, which is on the disk by then.

    runs : the folder of the runs; run : kind and id; dates : the T sessions of the returns
    """
    now = datetime.now(UTC)
    figures = [return_moments(row.returns) for row in rows]
    edges = [return_moments(row.edge) for row in rows]
    frame = pl.DataFrame(
        {
            "trial": [row.key for row in rows],
            "recorded": now,
            "run": run,
            "settings": [row.settings for row in rows],
            "signals": signals,
            "snapshot": snapshot,
            "first": dates[0],
            "last": dates[-1],
            "sessions": len(dates),
            "calendar": calendar_digest(dates),
            "sharpe": [found.sharpe for found in figures],
            "skew": [found.skew for found in figures],
            "kurtosis": [found.kurtosis for found in figures],
            "edge_sharpe": [found.sharpe for found in edges],
            "returns": [row.returns for row in rows],
            "universe": [row.universe for row in rows],
        },
        schema=COLUMNS,
    )
    check_table("trials.ledger", frame)
    held = io.BytesIO()
    frame.write_parquet(held)
    path = runs / FOLDER / f"{now:%Y%m%d-%H%M%S%f}-{digest_of(held.getvalue())}.parquet"
    with write_aside(path) as partial:
        partial.write_bytes(held.getvalue())
    return path


def read_trials(runs: Path) -> Trials:
    """Every distinct trial of a workspace, with what was recorded last of it.

    Raises DataError for a file that is none of the ledger's or was damaged: what it held is no longer counted.
    """
    folder = runs / FOLDER
    small = [name for name in COLUMNS if name != "returns"]
    schema = {name: COLUMNS[name] for name in small}
    files = ledger_files(folder)
    for file in files:
        check_whole(file)
    if not files:
        return Trials(pl.DataFrame(schema=schema), folder)
    with reading(folder, "the ledger of trials"):
        table = scan_parquet(files, schema=COLUMNS).select(small).collect()
    return Trials(table.sort("recorded").unique("trial", keep="last", maintain_order=True), folder)


def ledger_files(folder: Path) -> list[Path]:
    """The finished files of the ledger, oldest first."""
    return sorted(folder.glob("[0-9]*.parquet"))


def check_whole(file: Path) -> None:
    """Raise DataError for a file of the ledger whose contents are not those that its name stands for."""
    if not file.stem.endswith(f"-{digest_of(read_bytes(file, hint=_LOST))}"):
        why = "its contents are not those that were written (a broken disk, or no file of the ledger)"
        raise DataError(f"{file}: damaged file of the ledger of trials: {why}", hint=_LOST)


def digest_of(contents: bytes) -> str:
    """What the name of a file of the ledger says of its contents."""
    return hashlib.sha256(contents).hexdigest()[:16]


def calendar_digest(dates: Sequence[date]) -> str:
    """The same for the same sessions."""
    return hashlib.sha256(" ".join(day.isoformat() for day in dates).encode()).hexdigest()[:16]
