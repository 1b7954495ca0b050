"""Tiny jobs for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import torch

from kronos_quant.config import ModelConfig
from kronos_quant.market import open_market
from kronos_quant.model import load_pair
from kronos_quant.training import TrainingJob
from kronos_quant.workspace import WorkspaceFolder


def job_in(workspace: WorkspaceFolder, name: str = "run", **changes: object) -> TrainingJob:
    """A job in the folder `name`, of one tokenizer and two predictor epochs of four steps."""
    folder = workspace.root / name
    folder.mkdir()
    quick = {"tokenizer_learning_rate": 4e-3, "predictor_learning_rate": 3e-3, "validation_windows": 48,
             "decoded_windows": 24, "decoded_samples": 4}  # fmt: skip
    values = workspace.config.train.model_dump() | quick | changes
    return TrainingJob(
        root=workspace.root,
        folder=folder,
        freq=None,
        universe="all",
        snapshot=open_market(workspace.root).snapshot.digest,
        device="cpu",
        models=workspace.models,
        model=ModelConfig(base="scratch", preset="nano"),
        train=type(workspace.config.train).model_validate(values),
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All weights of a pair."""
    pair = load_pair(folder)
    named = {"t": pair.tokenizer.state_dict(), "p": pair.predictor.state_dict()}
    return {f"{part}.{name}": value for part, state in named.items() for name, value in state.items()}


def left(folder: Path) -> dict[str, bytes]:
    """The bytes of everything that a run left and that must not depend on interruptions."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("card.json", "speed.json") and path.parts[len(folder.parts)] != "state"
    }
