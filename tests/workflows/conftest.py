"""A back-test that was run once, and the one-process scoring that small tests want."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kronos_quant.backtest.result import BacktestRun
from kronos_quant.signals import scorer
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workspace import WorkspaceFolder, open_workspace_folder


@pytest.fixture(autouse=True, scope="session")
def one_process(no_second_page: None) -> Iterator[None]:
    """Dates are scored in this process: starting others takes longer than the work of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "cores", lambda: 1)
        yield


@pytest.fixture(scope="session")
def backtest(
    one_process: None, trained_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[WorkspaceFolder, BacktestRun]:
    """The workspace in which strategies/topk.yaml was back-tested, and what came out. Not to be changed."""
    folder = tmp_path_factory.mktemp("backtest") / "workspace"
    shutil.copytree(trained_folder, folder)
    workspace = open_workspace_folder(folder)
    return workspace, run_backtest(workspace, device="cpu")


@pytest.fixture
def backtest_workspace(backtest: tuple[WorkspaceFolder, BacktestRun], tmp_path: Path) -> WorkspaceFolder:
    """A copy, to change, of the workspace whose signals of the test period are there."""
    shutil.copytree(backtest[0].root, tmp_path / "backtested")
    return open_workspace_folder(tmp_path / "backtested")
