"""What several tests of this folder start from, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from training.jobs import job_in

from kronos_quant.training import fit
from kronos_quant.workspace import open_workspace_folder


@pytest.fixture(scope="session")
def trained_base(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair trained on the market for an epoch each; only to be read."""
    folder = tmp_path_factory.mktemp("base") / "workspace"
    shutil.copytree(market_folder, folder)
    return fit(job_in(open_workspace_folder(folder), "base", predictor_epochs=1)).best
