"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
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
def market_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a made market of 12 stocks and 140 sessions, and nothing trained."""
    from kronos_quant.market import ingest_synthetic

    folder = tmp_path_factory.mktemp("market")
    init_workspace(folder, TINY_CONFIG)
    (folder / "signals" / "default.yaml").write_text(TINY_RECIPE)
    (folder / "strategies" / "topk.yaml").write_text("topk: 4\nn_drop: 1\nhold_thresh: 2\naccount: 1_000_000\n")
    ingest_synthetic(folder, strength=0.2, symbols=12, sessions=140, seed=0)
    return folder


@pytest.fixture(scope="session")
def trained_folder(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a tiny model trained on it."""
    from kronos_quant.workflows.train import run_training

    folder = tmp_path_factory.mktemp("trained") / "workspace"
    shutil.copytree(market_folder, folder)
    run_training(open_workspace_folder(folder), gpus=0)
    return folder


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
