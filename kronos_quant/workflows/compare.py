"""`kq compare`: back-tests side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from kronos_quant.errors import ConfigError, DataError, listed
from kronos_quant.report.document import Document
from kronos_quant.report.pages.comparison import (
    FIGURES,
    ComparedRun,
    comparison_document,
    differences,
    figure_of,
    write_comparison,
)
from kronos_quant.report.terms import settings_of
from kronos_quant.runs import Inputs, Run, finished_runs, staged_run
from kronos_quant.stats.intervals import PairedTest, paired_test
from kronos_quant.workspace import WorkspaceFolder

KIND = "backtest"
WIDTH = 110
USUAL_SESSIONS = 252
"""A year, of runs that are older than the figure."""
NEWEST = 3
"""Runs that are named where one is unknown."""


@dataclass(frozen=True, slots=True)
class ComparisonSummary:
    """A comparison that was written: its folder, its runs, the document, and the test of each run."""

    folder: Path
    runs: tuple[ComparedRun, ...]
    document: Document
    tests: tuple[PairedTest, ...]

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.folder / "compare.html"

    def as_dict(self) -> dict[str, Any]:
        """For metrics.json and --json."""
        return {
            "runs": [
                {"run": run.name, "sessions": len(run.dates)} | {key: figure_of(run, key) for _, key, _ in FIGURES}
                for run in self.runs
            ],
            "differences": {row[0]: list(row[1:]) for row in differences(self.runs).rows},
            "against_first": [
                {"run": run.name} | asdict(test) for run, test in zip(self.runs[1:], self.tests, strict=True)
            ],
        }

    def lines(self) -> list[str]:
        """The comparison in words."""
        return [*self.document.to_text(WIDTH).splitlines(), f"page: {self.page}"]


def run_comparison(workspace: WorkspaceFolder, names: Sequence[str]) -> ComparisonSummary:
    """Set back-tests side by side, the first of them the one that the others are tested against.

    names : ids, the beginnings of ids, or folders. Raises ConfigError for fewer than two, for one that is none and for
    one given twice, DataError for a folder that lacks a file.
    """
    if len(names) < 2:
        raise ConfigError("a comparison needs two runs at least", hint="kq compare RUN RUN; runs/backtest/ has them")
    found = [run_named(workspace, name) for name in names]
    twice = sorted({run.id for run in found if [other.path for other in found].count(run.path) > 1})
    if twice:
        raise ConfigError(f"{listed(twice)}: given twice", hint="name each run once")
    runs = tuple(read_run(run) for run in found)
    tests = tuple(tested(runs[0], other) for other in runs[1:])
    document = comparison_document(runs, tests)
    with staged_run(workspace.runs, "compare", Inputs()) as run:
        summary = ComparisonSummary(run.path, runs, document, tests)
        write_comparison(run.folder, document, runs)
        figure_table(runs).write_csv(run.folder / "figures.csv")
        run.write_metrics(summary.as_dict())
    return summary


def run_named(workspace: WorkspaceFolder, name: str) -> Run:
    """The finished back-test of an id, of the beginning of one, or of a folder."""
    known = finished_runs(workspace.runs, KIND)
    fitting = [run for run in known if run.id == name] or [run for run in known if name and run.id.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ConfigError(f"{name}: the beginning of {len(fitting)} runs: {listed(run.id for run in fitting)}")
    folder = Path(name).expanduser()
    if name and (folder / "metrics.json").is_file() and (folder / "returns.parquet").is_file():
        return Run(KIND, folder.resolve().name, folder.resolve(), folder.resolve())
    newest = ", ".join(run.id for run in known[-NEWEST:])
    raise ConfigError(
        f"{name!r}: no finished back-test has this id, and it is no folder of one",
        hint=f"the newest: {newest}" if known else "kq backtest strategies/topk.yaml",
    )


def read_run(run: Run) -> ComparedRun:
    """What a comparison needs of a back-test. Raises DataError where a file is missing or damaged."""
    try:
        daily = pl.read_parquet(run.folder / "returns.parquet", columns=["date", "return"])
        config = yaml.safe_load((run.folder / "config.yaml").read_text(encoding="utf-8"))
        metrics = run.metrics()
    except (OSError, ValueError, yaml.YAMLError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{run.folder}: not a whole back-test: {str(error).partition(chr(10))[0]}") from None
    dates = tuple(daily["date"].to_list())
    if not dates or not isinstance(config, dict) or not isinstance(metrics, dict):
        raise DataError(f"{run.folder}: not a whole back-test: returns, settings or figures are empty")
    returns = np.ascontiguousarray(daily["return"].cast(pl.Float64).to_numpy())
    return ComparedRun(run.id, dict(settings_of(config)), metrics, dates, returns)


def tested(first: ComparedRun, other: ComparedRun) -> PairedTest:
    """The paired test of a run against the first, on the sessions of both."""
    place = {day: i for i, day in enumerate(first.dates)}
    pairs = [(i, place[day]) for i, day in enumerate(other.dates) if day in place]
    mine, its = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    years = int(first.metrics.get("sessions_per_year") or USUAL_SESSIONS)
    return paired_test(other.returns[mine], first.returns[its], years)


def figure_table(runs: Sequence[ComparedRun]) -> pl.DataFrame:
    """A row a figure, a column a run."""
    keys = [key for _, key, _ in FIGURES]
    columns = {run.name: [figure_of(run, key) for key in keys] for run in runs}
    return pl.DataFrame({"figure": keys} | columns).with_columns(pl.col(pl.Float64).fill_nan(None))
