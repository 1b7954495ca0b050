"""What a training keeps on the disk while it runs: its log, its checkpoints and the state to continue from.

Rank 0 writes; the others read. Checkpoints of a phase are `best` (by the figure to choose by), `last` and `epoch_NNN`.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from torch import Tensor

from kronos_quant.errors import ConfigError
from kronos_quant.model import Kronos, KronosTokenizer
from kronos_quant.training.logs import Journal, Speed
from kronos_quant.training.objectives import Phase
from kronos_quant.training.processes import Ranks
from kronos_quant.training.state import STATE_FOLDER, Outcome, Position, TrainingState, load_state, save_state
from kronos_quant.training.validation import Score

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
BEST = f"{CHECKPOINTS}/best"
BEST_NAME, LAST_NAME = "best", "last"
PARTIAL = ".partial-*"


class RunRecord:
    """The files of a run. `finished` are the outcomes of the phases that are done, `control` the figures of the
    networks that it started from."""

    def __init__(self, folder: Path, identity: str, ranks: Ranks, journal: Journal, speed: Speed) -> None:
        self.folder, self.identity, self.ranks, self.journal, self.speed = folder, identity, ranks, journal, speed
        self.serial = 0
        self.finished: dict[Phase, Outcome] = {}
        self.control: Score | None = None
        self._position: Position | None = None
        self._tensors: dict[str, Tensor] = {}

    def continue_from_disk(self) -> None:
        """Take up the newest state, cut the log to it, and clear away what a kill left half-written.

        Raises ConfigError when the state is of another job, CheckpointError when it is damaged.
        """
        found = load_state(self.folder / STATE_FOLDER)
        if found is not None:
            state, self._tensors = found
            if state.identity != self.identity:
                raise ConfigError(
                    f"{self.folder}: its state is of another configuration or of other bars",
                    hint="kq train --fresh starts another run",
                )
            self.serial, self.finished, self._position = state.serial, dict(state.finished), state.position
            self.control = state.control
        # nobody may still be reading the state when rank 0 begins to write
        self.ranks.wait()
        self.journal.cut(found[0].log_bytes if found else 0)
        if self.ranks.first:
            for partial in self.folder.rglob(PARTIAL):
                shutil.rmtree(partial) if partial.is_dir() else partial.unlink()

    def taken_up(self, phase: Phase) -> tuple[Position, dict[str, Tensor]] | None:
        """Where the phase stood, once; None when it begins."""
        position, tensors = self._position, self._tensors
        if position is None or position.outcome.phase != phase:
            return None
        self._position, self._tensors = None, {}
        return position, tensors

    def save(self, position: Position | None, tensors: dict[str, Tensor], log_bytes: int | None = None) -> None:
        """Write a state. log_bytes : where the log ends for it; by default where it ends now."""
        self.serial += 1
        if not self.ranks.first:
            return
        state = TrainingState(
            serial=self.serial,
            identity=self.identity,
            log_bytes=self.journal.size() if log_bytes is None else log_bytes,
            finished=self.finished,
            control=self.control,
            position=position,
        )
        save_state(self.folder / STATE_FOLDER, state, tensors)

    def finish(self, outcome: Outcome) -> None:
        """Note that a phase is done."""
        self.finished[outcome.phase] = outcome
        self.save(None, {})

    def checkpoint(self, phase: Phase, name: str) -> Path:
        """The folder of a phase's checkpoint."""
        return self.folder / CHECKPOINTS / phase / name

    def keep(self, phase: Phase, names: list[str], network: Kronos | KronosTokenizer) -> None:
        """Save the network under each of `names`."""
        if self.ranks.first:
            for name in names:
                network.save_pretrained(self.checkpoint(phase, name))
