"""`kq compare`: back-tests side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kronos_quant.backtest.result import BacktestResult, BacktestRun
from kronos_quant.errors import ConfigError, listed
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.report.pages.comparison import (
    ComparisonRun,
    compare_returns,
    comparison_document,
    figure_table,
    read_run,
    write_comparison,
)
from kronos_quant.runs import Inputs, Run, finished_runs, staged_run
from kronos_quant.runs.manifest import FINISHED, status_of
from kronos_quant.schema import check_table
from kronos_quant.workspace import WorkspaceFolder

KIND = "backtest"
NEWEST = 3
"""How many runs a hint names."""


def run_comparison(workspace: WorkspaceFolder, runs: Sequence[PathLike | BacktestRun]) -> ComparisonRun:
    """Compare back-tests; the others are tested against the first, see `Workspace.compare`."""
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
    return str(as_path(folder, "run")) if str(folder).strip() else ""


def run_named(workspace: WorkspaceFolder, name: str) -> Run:
    """The finished back-test of an id, of the beginning of one, or of a folder. DataError for a damaged manifest."""
    folders = [path for path in workspace.runs.glob(f"{KIND}/[0-9]*") if name and path.name.startswith(name)]
    folders = [path for path in folders if path.name == name] or folders
    if len(folders) == 1:
        only = Run(KIND, folders[0].name, folders[0], folders[0])
        if status_of(only.manifest()) == FINISHED:
            return only
    known = finished_runs(workspace.runs, KIND)
    fitting = [run for run in known if name and run.id.startswith(name)]
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
