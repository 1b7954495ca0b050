"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from made import make_bars, weekdays, write_scores

from kronos_quant.workspace import WorkspaceFolder, init_workspace, open_workspace_folder

TINY_CONFIG = """\
market: {exchange: XNYS}
model: {base: scratch, preset: nano}
train:
  lookback_window: 16
  predict_window: 4
  tokenizer_epochs: 1
  predictor_epochs: 2
  samples_per_epoch: 64
  batch_size: 16
  decoded_windows: 60
  decoded_samples: 4
"""

TINY_RECIPE = "samples: 8\nhorizon: 3\n"


@pytest.fixture
def sessions() -> list[date]:
    """Forty weekdays."""
    return weekdays(40)


@pytest.fixture
def bars(sessions: list[date]) -> pl.DataFrame:
    """Bars of three symbols on every session."""
    return make_bars(["AAA", "BBB", "CCC"], sessions)


@pytest.fixture
def without() -> Callable[[pl.DataFrame, str, list[date]], pl.DataFrame]:
    """Remove a symbol's bars on some dates: a suspension."""

    def remove(frame: pl.DataFrame, symbol: str, dates: list[date]) -> pl.DataFrame:
        return frame.filter(~((pl.col("symbol") == symbol) & pl.col("date").is_in(dates)))

    return remove


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A function that gives a folder made once for all test processes; tests that change it copy it.

    shared_folder("name", make) : `make` fills the folder, in the process that needs it first; the others wait
    """
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    root.mkdir(exist_ok=True)

    def give(name: str, make: Callable[[Path], object]) -> Path:
        folder, ready = root / name, root / f"{name}.ready"
        with FileLock(root / f"{name}.lock"):
            if not ready.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                ready.touch()
        return folder

    return give


@pytest.fixture(scope="session")
def no_second_page() -> Iterator[None]:
    """Runs without quantstats' page, which takes another process 5 s; tests/report/test_quantstats_page.py makes it."""
    from kronos_quant.report.quantstats_page import QuantstatsReport

    with pytest.MonkeyPatch.context() as patch:
        child = "kronos_quant.workflows.backtest.quantstats_child"
        patch.setattr(child, lambda given: nullcontext(QuantstatsReport))
        yield


SharedFolder = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def market_folder(shared_folder: SharedFolder) -> Path:
    """A workspace with a synthetic market of 12 stocks and 140 sessions, and nothing trained."""

    def make(folder: Path) -> None:
        from kronos_quant.market import ingest_synthetic

        init_workspace(folder, TINY_CONFIG)
        (folder / "signals" / "default.yaml").write_text(TINY_RECIPE)
        (folder / "strategies" / "topk.yaml").write_text("topk: 4\nn_drop: 1\nhold_thresh: 2\naccount: 1_000_000\n")
        ingest_synthetic(folder, strength=0.2, symbols=12, sessions=140, seed=0)

    return shared_folder("market", make)


@pytest.fixture(scope="session")
def trained_folder(market_folder: Path, shared_folder: SharedFolder) -> Path:
    """The same with a tiny model trained on it."""

    def make(folder: Path) -> None:
        from kronos_quant.workflows.train import run_training

        shutil.copytree(market_folder, folder, dirs_exist_ok=True)
        run_training(open_workspace_folder(folder), gpus=0)

    return shared_folder("trained", make)


@pytest.fixture
def market_workspace(market_folder: Path, tmp_path: Path) -> WorkspaceFolder:
    """A copy, to change, of the workspace with bars."""
    shutil.copytree(market_folder, tmp_path / "workspace")
    return open_workspace_folder(tmp_path / "workspace")


@pytest.fixture
def trained_workspace(trained_folder: Path, tmp_path: Path) -> WorkspaceFolder:
    """A copy, to change, of the workspace with bars and a tiny trained model."""
    shutil.copytree(trained_folder, tmp_path / "workspace")
    return open_workspace_folder(tmp_path / "workspace")


@pytest.fixture
def scored_workspace(market_workspace: WorkspaceFolder) -> WorkspaceFolder:
    """The workspace with bars, and the strategy `own` on made scores of its newest 30 sessions."""
    write_scores(market_workspace, "scores.csv", 30)
    text = "scores: scores.csv\ntopk: 4\nn_drop: 1\nhold_thresh: 2\naccount: 1_000_000\n"
    (market_workspace.root / "strategies" / "own.yaml").write_text(text)
    return market_workspace
