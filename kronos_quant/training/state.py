"""The state that a training continues from: safetensors and JSON, no pickle, one folder written aside and renamed.

    state/00000007/state.json           where the training stands, and what finished phases found
    state/00000007/tensors.safetensors  weights, AdamW's moments and averages of the phase under way

The newest whole folder counts; the one before is removed only when the next is there, so that a crash or a full disk
leaves one to go on from. Randomness needs no state: it is keyed by (seed, phase, step, rank), see `loop`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from kronos_quant.errors import CheckpointError
from kronos_quant.files import write_aside, write_text
from kronos_quant.training.objectives import Phase
from kronos_quant.training.validation import Score

STATE_FOLDER = "state"
STATE_FILE, TENSOR_FILE = "state.json", "tensors.safetensors"


class Outcome(BaseModel):
    """The best epoch of a phase so far (epoch 0 is the network that the phase starts with), and both validations."""

    model_config = ConfigDict(extra="forbid")

    phase: Phase
    start: Score
    best: Score
    best_epoch: int = 0

    @property
    def start_loss(self) -> float:
        """Validation loss before the phase."""
        return self.start.loss

    @property
    def best_loss(self) -> float:
        """Validation loss of the best epoch."""
        return self.best.loss


class Position(BaseModel):
    """Where a phase stands: `step` steps of `epoch` are done, and the outcome of the epochs before."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome
    epoch: int
    step: int
    epoch_sums: list[dict[str, float]] = []
    """Of each rank: the loss parts of the epoch so far, summed over windows, and the number of windows."""
    recent_sums: list[dict[str, float]] = []
    """The same since the last row of steps."""
    scaler: dict[str, Any] = {}
    """Of fp16."""


class TrainingState(BaseModel):
    """state.json."""

    model_config = ConfigDict(extra="forbid")

    serial: int
    identity: str
    """Digest of the job and of the bars: another training must not go on from here."""
    log_bytes: int
    """Rows of log.jsonl beyond this were written by steps that will be made again."""
    finished: dict[Phase, Outcome]
    control: Score | None = None
    """Of the networks that the training started from."""
    position: Position | None = None


def save_state(folder: Path, state: TrainingState, tensors: dict[str, Tensor]) -> None:
    """Write the state under `folder`, then remove older ones; raises KronosQuantError when the disk is full."""
    target = folder / f"{state.serial:08d}"
    with write_aside(target) as partial:
        partial.mkdir()
        if tensors:
            there = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
            save_file(there, partial / TENSOR_FILE, metadata={"format": "pt"})
        write_text(partial / STATE_FILE, state.model_dump_json(indent=2) + "\n")
    for older in _states(folder)[:-1]:
        shutil.rmtree(older, ignore_errors=True)


def load_state(folder: Path) -> tuple[TrainingState, dict[str, Tensor]] | None:
    """The newest state under `folder` with its tensors, or None; raises CheckpointError when it is damaged."""
    found = _states(folder)
    if not found:
        return None
    newest = found[-1]
    try:
        state = TrainingState.model_validate_json((newest / STATE_FILE).read_text(encoding="utf-8"))
        tensors = load_file(newest / TENSOR_FILE) if state.position is not None else {}
    except (OSError, ValueError, ValidationError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{newest}: the state cannot be read: {reason}", hint="kq train --fresh starts another run"
        ) from error
    return state, tensors


def _states(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())
