"""`kq compare`: back-tests side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import yaml

from kronos_quant.backtest.result import BacktestResult
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.config import read_values
from kronos_quant.display import Displayed, figure_text, summary_table
from kronos_quant.errors import ConfigError, DataError, KronosQuantError, listed
from kronos_quant.inputs import PathLike
from kronos_quant.report.document import Document
from kronos_quant.report.pages.comparison import (
    FIGURES,
    ComparedRun,
    comparison_document,
    curves_figure,
    differences,
    figure_of,
    write_comparison,
)
from kronos_quant.report.terms import settings_of
from kronos_quant.runs import Inputs, Run, finished_runs, staged_run
from kronos_quant.schema import check_table
from kronos_quant.stats.intervals import PairedTest, paired_test
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    import pandas as pd

    from kronos_quant.charts import Chart
    from kronos_quant.workflows.backtest import BacktestRun

KIND = "backtest"
WIDTH = 110
USUAL_SESSIONS = 252
"""Per year, for runs of versions that did not store the figure."""
NEWEST = 3
"""How many runs a hint names."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ComparisonRun(Displayed):
    """A finished comparison: its folder, the runs, the document, and each run's test against the first."""

    folder: Path
    runs: tuple[ComparedRun, ...]
    document: Document
    tests: tuple[PairedTest, ...]

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.folder / "compare.html"

    @property
    def title(self) -> str:
        """Which runs."""
        return f"Comparison of {listed(run.name for run in self.runs)}"

    def summary(self) -> pl.DataFrame:
        """The annualised return of each run."""
        rows = [(run.name, figure_text(figure_of(run, "annual_return"), "{:.2%}")) for run in self.runs]
        return summary_table(rows)

    def plot(self, width: float = 10.0) -> Chart:
        """Growth and drawdowns of the runs. width : inches"""
        return curves_figure(self.runs, width)

    def to_pandas(self) -> pd.DataFrame:
        """A row per figure, a column per run."""
        return figure_table(self.runs).to_pandas()

    def as_dict(self) -> dict[str, Any]:
        """For metrics.json and --json."""
        return {
            "runs": [
                {"run": run.name, "sessions": len(run.dates)} | {key: figure_of(run, key) for key in FIGURES}
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


def run_comparison(workspace: WorkspaceFolder, runs: Sequence[PathLike | BacktestRun]) -> ComparisonRun:
    """Compare back-tests; the others are tested against the first.

    runs : ids, beginnings of ids, folders, or results of `run_backtest`
    Raises ConfigError for fewer than two, an unknown one and one given twice, DataError for an incomplete folder.
    """
    names = [_named(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
    found = [run_named(workspace, name) for name in names]
    if len(names) < 2:
        raise ConfigError("a comparison needs at least 2 runs", hint="kq compare ID ID")
    twice = sorted({run.id for run in found if [other.path for other in found].count(run.path) > 1})
    if twice:
        raise ConfigError(f"{listed(twice)}: given twice", hint="name each run once")
    shown = tuple(read_run(run) for run in found)
    tests = tuple(compare_returns(shown[0], other) for other in shown[1:])
    document = comparison_document(shown, tests)
    with staged_run(workspace.runs, "compare", Inputs()) as run:
        summary = ComparisonRun(run.path, shown, document, tests)
        write_comparison(run.folder, document, shown)
        table = figure_table(shown)
        check_table("compare.figures", table)
        table.write_csv(run.folder / "figures.csv")
        run.write_metrics(summary.as_dict())
    return summary


def _named(run: PathLike | BacktestResult) -> str:
    """The id or folder of a run. Raises ConfigError for a result that left none."""
    folder = getattr(run, "folder", None if isinstance(run, BacktestResult) else run)
    if not isinstance(folder, str | Path):
        raise ConfigError("a comparison needs runs: ids, folders or results of a workspace's back-tests")
    return str(folder)


def run_named(workspace: WorkspaceFolder, name: str) -> Run:
    """The finished back-test of an id, of the beginning of one, or of a folder."""
    known = finished_runs(workspace.runs, KIND)
    fitting = [run for run in known if run.id == name] or [run for run in known if name and run.id.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ConfigError(f"{name}: {len(fitting)} runs begin with this: {listed(run.id for run in fitting)}")
    folder = Path(name).expanduser()
    if name and (folder / "metrics.json").is_file() and (folder / "returns.parquet").is_file():
        return Run(KIND, folder.resolve().name, folder.resolve(), folder.resolve())
    newest = ", ".join(run.id for run in known[-NEWEST:])
    raise ConfigError(
        f"{name!r}: neither the id nor the folder of a finished back-test",
        hint=f"the newest are {newest}" if known else "kq backtest strategies/topk.yaml",
    )


def read_run(run: Run) -> ComparedRun:
    """What a comparison needs of a back-test. Raises DataError where a file is missing or damaged."""
    try:
        daily = pl.read_parquet(run.folder / "returns.parquet", columns=["date", "return"])
        config = yaml.safe_load((run.folder / "config.yaml").read_text(encoding="utf-8"))
        metrics = run.metrics()
    except (OSError, ValueError, yaml.YAMLError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{run.folder}: incomplete back-test: {str(error).partition(chr(10))[0]}") from None
    dates = tuple(daily["date"].to_list())
    if not dates or not isinstance(config, dict) or not isinstance(metrics, dict):
        raise DataError(f"{run.folder}: incomplete back-test: returns, settings or figures are empty")
    returns = np.ascontiguousarray(daily["return"].cast(pl.Float64).to_numpy())
    return ComparedRun(run.id, dict(settings_of(with_new_names(config))), metrics, dates, returns)


def with_new_names(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run under today's names, so that runs of an older version do not differ by names."""
    try:
        return config | {"strategy": read_values(Strategy, config["strategy"]).model_dump(mode="json")}
    except (KeyError, KronosQuantError):  # of a version with other settings
        return config


def compare_returns(first: ComparedRun, other: ComparedRun) -> PairedTest:
    """The paired test of a run against the first, on the sessions of both."""
    place = {day: i for i, day in enumerate(first.dates)}
    pairs = [(i, place[day]) for i, day in enumerate(other.dates) if day in place]
    mine, its = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    years = int(first.metrics.get("sessions_per_year") or USUAL_SESSIONS)
    return paired_test(other.returns[mine], first.returns[its], years)


def figure_table(runs: Sequence[ComparedRun]) -> pl.DataFrame:
    """A row a figure, a column a run."""
    columns = {run.name: [figure_of(run, key) for key in FIGURES] for run in runs}
    return pl.DataFrame({"figure": FIGURES} | columns).with_columns(pl.col(pl.Float64).fill_nan(None))
