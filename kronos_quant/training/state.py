"""The files of a training run: the state to resume from, the checkpoints, and the log that goes with them.

    state/00000007/state.json           position in the training, outcomes of finished phases
    state/00000007/tensors.safetensors  weights, AdamW's moments and running averages of the current phase
    checkpoints/PHASE/                  best (by the figure to choose by), last, epoch_NNN

A state is safetensors and JSON, no pickle, written to a temporary folder and renamed. The newest whole one counts; the
one before is removed only when the next exists, so that a crash or a full disk leaves one to resume from. Randomness
needs no state: it is keyed by (seed, phase, step, rank), see `loop`. Rank 0 writes; the others read.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from kronos_quant.errors import CheckpointError, ConfigError
from kronos_quant.files import discard, remove_abandoned, write_aside, write_text
from kronos_quant.model import Kronos, KronosTokenizer
from kronos_quant.readers import read_model, reading, regular_file
from kronos_quant.training.logs import LaunchSpeed, TrainingLog
from kronos_quant.training.objectives import Phase
from kronos_quant.training.processes import Ranks
from kronos_quant.training.validation import ValidationScore

STATE_FOLDER = "state"
STATE_FILE, TENSOR_FILE = "state.json", "tensors.safetensors"
CHECKPOINTS = "checkpoints"
"""In a run's folder: the tokenizer and the predictor that a training leaves, with their card."""
BEST_NAME, LAST_NAME = "best", "last"

_ANEW = "kq train --fresh"


class PhaseOutcome(BaseModel):
    """The best epoch of a phase so far (epoch 0 is the network that the phase starts with), and both validations."""

    model_config = ConfigDict(extra="forbid")

    phase: Phase
    start: ValidationScore
    best: ValidationScore
    best_epoch: int = 0


class PhasePosition(BaseModel):
    """Position inside a phase: `step` steps of `epoch` are done, and the outcome of the epochs before."""

    model_config = ConfigDict(extra="forbid")

    outcome: PhaseOutcome
    epoch: int
    step: int
    epoch_sums: list[dict[str, float]] = []
    """For each rank: the loss parts of the epoch so far, summed over windows, and the number of windows."""
    recent_sums: list[dict[str, float]] = []
    """The same since the last logged row of steps."""
    scaler: dict[str, Any] = {}
    """The loss scaler's state_dict (fp16)."""


class TrainingState(BaseModel):
    """state.json."""

    model_config = ConfigDict(extra="forbid")

    serial: int
    identity: str
    """Digest of the job and of the bars: no other training may resume from here."""
    log_bytes: int
    """Rows of log.jsonl beyond this belong to steps that will run again."""
    finished: dict[Phase, PhaseOutcome]
    control: ValidationScore | None = None
    """Validation forecasts of the networks that the training started from."""
    position: PhasePosition | None = None


def save_state(folder: Path, state: TrainingState, tensors: dict[str, Tensor]) -> None:
    """Write the state under `folder`, then remove older ones; raises KronosQuantError when the disk is full."""
    target = folder / f"{state.serial:08d}"
    with write_aside(target) as partial:
        partial.mkdir()
        if tensors:
            copies = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
            save_file(copies, partial / TENSOR_FILE, metadata={"format": "pt"})
        write_text(partial / STATE_FILE, state.model_dump_json(indent=2) + "\n")
    _remove_older(folder)


def _remove_older(folder: Path) -> None:
    for older in _states(folder)[:-1]:
        with suppress(OSError):
            discard(older)


def load_state(folder: Path) -> tuple[TrainingState, dict[str, Tensor]] | None:
    """The newest state under `folder` with its tensors, or None; raises CheckpointError when it is damaged."""
    states = _states(folder)
    if not states:
        return None
    newest = states[-1]
    state = read_model(newest / STATE_FILE, TrainingState, CheckpointError, _ANEW)
    if state.position is None:
        return state, {}
    tensors = regular_file(newest / TENSOR_FILE, CheckpointError, _ANEW)
    with reading(tensors, "a safetensors file", CheckpointError, _ANEW):
        return state, load_file(tensors)


def check_state(folder: Path) -> None:
    """Raise CheckpointError where the newest state under `folder` cannot be read; no tensor is loaded."""
    newest = _states(folder)[-1:]
    for place in newest:
        if read_model(place / STATE_FILE, TrainingState, CheckpointError, _ANEW).position is not None:
            tensors = regular_file(place / TENSOR_FILE, CheckpointError, _ANEW)
            with reading(tensors, "a safetensors file", CheckpointError, _ANEW), safe_open(tensors, "pt"):
                pass


def _states(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


class RunFiles:
    """The files of a run. `finished` are the outcomes of the finished phases, `control` the figures of the networks
    that it started from."""

    def __init__(self, folder: Path, identity: str, ranks: Ranks, log: TrainingLog, speed: LaunchSpeed) -> None:
        self.folder, self.identity, self.ranks, self.log, self.speed = folder, identity, ranks, log, speed
        self.serial = 0
        self.finished: dict[Phase, PhaseOutcome] = {}
        self.control: ValidationScore | None = None
        self._position: PhasePosition | None = None
        self._tensors: dict[str, Tensor] = {}

    def resume(self) -> None:
        """Load the newest state, cut the log to it, and delete what a kill left half written.

        Raises ConfigError when the state belongs to another job, CheckpointError when it is damaged.
        """
        loaded = load_state(self.folder / STATE_FOLDER)
        if loaded is not None:
            state, self._tensors = loaded
            if state.identity != self.identity:
                raise ConfigError(
                    f"{self.folder}: its state belongs to another configuration or to other bars",
                    hint="kq train --fresh",
                )
            self.serial, self.finished, self._position = state.serial, dict(state.finished), state.position
            self.control = state.control
        # no rank may still be reading the state when rank 0 begins to write
        self.ranks.wait()
        self.log.cut(loaded[0].log_bytes if loaded else 0)
        if self.ranks.first:
            remove_abandoned(self.folder)
            _remove_older(self.folder / STATE_FOLDER)  # a training that was killed after its last state saves no other

    def pop_position(self, phase: Phase) -> tuple[PhasePosition, dict[str, Tensor]] | None:
        """The saved position inside a phase, once; None when the phase begins."""
        position, tensors = self._position, self._tensors
        if position is None or position.outcome.phase != phase:
            return None
        self._position, self._tensors = None, {}
        return position, tensors

    def save(self, position: PhasePosition | None, tensors: dict[str, Tensor], log_bytes: int | None = None) -> None:
        """Write a state. log_bytes : length of the log that belongs to it; None: its present one."""
        self.serial += 1
        if not self.ranks.first:
            return
        state = TrainingState(
            serial=self.serial,
            identity=self.identity,
            log_bytes=self.log.size() if log_bytes is None else log_bytes,
            finished=self.finished,
            control=self.control,
            position=position,
        )
        save_state(self.folder / STATE_FOLDER, state, tensors)

    def finish_phase(self, outcome: PhaseOutcome) -> None:
        """Record that a phase is done."""
        self.finished[outcome.phase] = outcome
        self.save(None, {})

    def checkpoint_folder(self, phase: Phase, name: str) -> Path:
        """The folder of a phase's checkpoint."""
        return self.folder / CHECKPOINTS / phase / name

    def save_checkpoints(self, phase: Phase, names: list[str], network: Kronos | KronosTokenizer) -> None:
        """Save the network under each of `names`."""
        if self.ranks.first:
            for name in names:
                network.save_pretrained(self.checkpoint_folder(phase, name))
