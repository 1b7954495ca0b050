"""One loop for both phases: set-up, epochs, and the results of an epoch.

Randomness in a step (dropout, sampled siblings) is keyed by (seed, phase, step, rank): a step is the same whether or
not the training was resumed before it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from kronos_quant.config import TrainConfig
from kronos_quant.display import progress
from kronos_quant.errors import KronosQuantError, listed
from kronos_quant.model import Kronos, KronosTokenizer
from kronos_quant.training.adapt import merged_predictor
from kronos_quant.training.batches.loader import BatchLoader, Pass, TrainingBatch
from kronos_quant.training.objectives import Phase, PredictorObjective, TokenizerObjective
from kronos_quant.training.optimise import Optimiser, warm_up_share
from kronos_quant.training.processes import Ranks, RunningMeans, StopRequest, ValidationStopped
from kronos_quant.training.state import BEST_NAME, LAST_NAME, PhaseOutcome, PhasePosition, RunFiles
from kronos_quant.training.validation import Figures, ValidationScore, forecast_summary

logger = logging.getLogger(__name__)

GPU_CHECK_STEPS = 16
"""Steps between two checks of the losses, each of which makes the CPU wait for the GPU; also before each state."""
BLAMED_WINDOWS = 1024
"""At most this many windows are tried one by one to find those whose loss is not a number."""
PHASE_KEYS: dict[Phase, int] = {"tokenizer": 1, "predictor": 2}


@dataclass(frozen=True, slots=True)
class PhaseSetup:
    """The settings of a phase: `trained` is the network inside `objective` that is optimised and saved.

    choose_by : the validation figure whose best epoch is kept. forecasts : computes the validation forecasts with the
    present weights, in a phase that has them; before the first epoch they are `forecasts_before`, where known.
    """

    phase: Phase
    objective: TokenizerObjective | PredictorObjective
    trained: KronosTokenizer | Kronos
    epochs: int
    learning_rate: float
    choose_by: str
    forecasts: Callable[[], ValidationScore] | None = None
    forecasts_before: ValidationScore | None = None

    @property
    def kept(self) -> Kronos | KronosTokenizer:
        """The network as checkpoints hold it."""
        return merged_predictor(self.trained) if isinstance(self.trained, Kronos) else self.trained


def train_phase(
    setup: PhaseSetup, loader: BatchLoader, config: TrainConfig, ranks: Ranks, files: RunFiles, stop: StopRequest
) -> PhaseOutcome:
    """Train one phase from its saved position, if any; returns its best epoch.

    Raises KeyboardInterrupt when a stop was requested, after a state was saved, and KronosQuantError when a loss is not
    a number.
    """
    loop = PhaseLoop(setup, loader, config, ranks, files, stop)
    loop.begin()
    with progress(setup.phase, loop.total_steps) as advance:
        advance(loop.steps_done)
        while not loop.is_done():
            loop.run_steps(advance)
            loop.close_epoch()
    loop.finish()
    return loop.outcome


class PhaseLoop:
    """A running phase: `step` steps of `epoch` are done."""

    def __init__(
        self,
        setup: PhaseSetup,
        loader: BatchLoader,
        config: TrainConfig,
        ranks: Ranks,
        files: RunFiles,
        stop: StopRequest,
    ) -> None:
        self.setup, self.loader, self.config, self.ranks, self.files, self.stop = (
            setup, loader, config, ranks, files, stop,
        )  # fmt: skip
        setup.objective.to(ranks.device)
        self.total_steps = setup.epochs * loader.plan.steps
        self.optimiser = Optimiser(setup.trained, setup.learning_rate, self.total_steps, config, ranks.device)
        if config.warm_up_steps is not None:
            share = warm_up_share(config, self.total_steps)
            logger.info("%s: warm_up_steps %d is a warm_up_share of %.2g", setup.phase, config.warm_up_steps, share)
        self.epoch, self.step = 1, 0
        self.means, self.recent = RunningMeans(), RunningMeans()
        self.unchecked: list[tuple[Pass, Tensor]] = []
        self.saved_at, self.saved_step = time.monotonic(), 0

    @property
    def steps_done(self) -> int:
        """Steps since the phase began."""
        return (self.epoch - 1) * self.loader.plan.steps + self.step

    def begin(self) -> None:
        """Load the saved state, or score the network that the phase starts with."""
        saved = self.files.pop_position(self.setup.phase)
        if saved is None:
            checked = self._validate(self.setup.forecasts_before)
            self._row({"epoch": 0, "step": 0, "split": "val"} | checked.figures)
            self.outcome = PhaseOutcome(phase=self.setup.phase, start=checked, best=checked)
        else:
            position, tensors = saved
            self.outcome, self.epoch, self.step = position.outcome, position.epoch, position.step
            self.optimiser.load(tensors, position.scaler)
            self.means = RunningMeans.restored(position.epoch_sums, self.ranks)
            self.recent = RunningMeans.restored(position.recent_sums, self.ranks)
            self.saved_step = self.steps_done
            logger.info("%s: resuming at step %d of %d", self.setup.phase, self.steps_done, self.total_steps)
        alone = self.ranks.world == 1
        self.synchronised = None if alone else DistributedDataParallel(self.setup.objective)

    def is_done(self) -> bool:
        """Whether all epochs are done, or patience has run out."""
        done, patience = self.epoch - 1, self.config.patience
        if done >= self.setup.epochs:
            return True
        if patience and done - self.outcome.best_epoch >= patience:
            logger.info("%s: early stop: no improvement for %d epochs", self.setup.phase, patience)
            return True
        return False

    def run_steps(self, advance: Callable[[int], None]) -> None:
        """The rest of the epoch's steps."""
        self.started, windows = time.perf_counter(), self.means.windows
        self.setup.objective.train()
        for item, batch in self.loader.epoch(self.epoch, self.step):
            self._pass(item, batch)
            if not item.last:
                continue
            norm = self.optimiser.clip()
            # gradients of fp16 may overflow: the scaler skips such a step
            if self.config.precision != "fp16":
                self.unchecked.append((item, norm))
            stopping, due = self._exchange()
            self.optimiser.step(self.steps_done)
            self.step += 1
            self.files.speed.reached("first_step")
            advance(1)
            if self.config.log_every_steps and self.steps_done % self.config.log_every_steps == 0:
                place = {"epoch": self.epoch, "step": self.steps_done, "split": "step"}
                self._row(place | self.recent.over(self.ranks) | {"lr": self.optimiser.rate(self.steps_done - 1)})
                self.recent = RunningMeans()
            if stopping or due:
                self._save()
            if stopping:
                raise KeyboardInterrupt
        self.seconds = time.perf_counter() - self.started
        self.windows_run = self.means.windows - windows
        self.files.speed.add_epoch(self.setup.phase, self.windows_run, self.seconds)

    def close_epoch(self) -> None:
        """Log and validate the epoch, save its checkpoints, and save the state."""
        log_bytes = self.files.log.size()
        place = {"epoch": self.epoch, "step": self.steps_done}
        trained = self.means.over(self.ranks)
        self._row(place | {"split": "train"} | trained | {"lr": self.optimiser.rate(self.steps_done - 1)})
        try:
            with self.optimiser.averaged():
                checked = self._validate()
                self._row(place | {"split": "val"} | checked.figures)
                self._save_checkpoints(checked)
        except ValidationStopped:
            self._save(log_bytes)
            raise
        logger.info(
            "%s epoch %d/%d: training loss %.4f, validation loss %.4f (start %.4f), %.0f s, %.0f windows/s%s",
            self.setup.phase, self.epoch, self.setup.epochs, trained["loss"], checked.loss, self.outcome.start.loss,
            self.seconds, self.windows_run * self.ranks.world / max(self.seconds, 1e-9),
            forecast_summary(checked.figures),
        )  # fmt: skip
        self.epoch, self.step = self.epoch + 1, 0
        self.means = RunningMeans()
        self._save()
        if self.ranks.any([self.stop.requested])[0]:
            raise KeyboardInterrupt

    def finish(self) -> None:
        """Check that all ranks hold the same weights, save the last ones, and record the phase as done."""
        self.ranks.check_equal(self.setup.trained.state_dict(), self.setup.phase)
        with self.optimiser.averaged():
            if self.setup.epochs:
                self.files.save_checkpoints(self.setup.phase, [LAST_NAME], self.setup.kept)
        self.files.finish_phase(self.outcome)

    def _pass(self, item: Pass, batch: TrainingBatch) -> None:
        if item.first:
            torch.manual_seed(self._noise_seed())
        inputs = self.setup.objective.inputs(batch, item.drawn)
        shared = self.synchronised
        with shared.no_sync() if shared is not None and not item.last else nullcontext():
            with self.optimiser.autocast():
                parts = (shared or self.setup.objective)(*inputs)
            self.optimiser.backward(parts["loss"] * item.share)
        self.means.add(parts, item.drawn)
        self.recent.add(parts, item.drawn)
        self.unchecked.append((item, parts["loss"].detach().float()))

    def _noise_seed(self) -> int:
        key = (self.config.seed, PHASE_KEYS[self.setup.phase], self.steps_done, self.ranks.rank)
        return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)

    def _exchange(self) -> tuple[bool, bool]:
        """(stop, save) as all ranks see it; raises KronosQuantError when a loss was not a number on any."""
        on_gpu = self.ranks.device.type == "cuda"
        if on_gpu and (self.steps_done + 1) % GPU_CHECK_STEPS and self.step + 1 < self.loader.plan.steps:
            return False, False
        finite = torch.stack([checked for _, checked in self.unchecked]).isfinite().tolist()
        minutes, steps = (time.monotonic() - self.saved_at) / 60, self.steps_done + 1 - self.saved_step
        due = minutes >= self.config.state_every_minutes or steps >= (self.config.state_every_steps or math.inf)
        bad, stopping, saving = self.ranks.any([not all(finite), self.stop.requested, due and self.ranks.first])
        if bad:
            # where it was another rank's loss, it was in the last step
            raise self._not_a_number(*self.unchecked[finite.index(False) if False in finite else -1])
        self.unchecked.clear()
        return stopping, saving

    def _not_a_number(self, item: Pass, found: Tensor) -> KronosQuantError:
        data, tried = self.loader.data, item.whole[:BLAMED_WINDOWS].tolist()
        self.setup.objective.eval()
        bad = [window for window in tried if not math.isfinite(self._loss_of(window, item.epoch))]
        names = listed(data.label(data.train, window) for window in bad or tried)
        which = f"bad windows: {names}" if 0 < len(bad) < len(tried) else f"windows of the step: {names}"
        return KronosQuantError(
            f"{self.setup.phase}: the training loss became {found.item()} in epoch {item.epoch}, step {item.step + 1}; "
            + which,
            hint=f"lower train.{self.setup.phase}_learning_rate or check these bars; the last good state and the "
            "checkpoints are kept",
        )

    @torch.no_grad()
    def _loss_of(self, window: int, epoch: int) -> float:
        batch = self.loader.batch(np.array([window]), epoch).to(self.ranks.device)
        return float(self.setup.objective(*self.setup.objective.inputs(batch))["loss"])

    @torch.no_grad()
    def _validate(self, forecasts: ValidationScore | None = None) -> ValidationScore:
        """Mean loss parts over the validation windows, in float32, each seen once by one rank; and the forecasts.

        forecasts : their score, where it is known already
        """
        self.setup.objective.eval()
        means = RunningMeans()
        for windows, batch in self.loader.validation():
            if self.stop.requested and self.ranks.world == 1:
                raise ValidationStopped
            means.add(self.setup.objective(*self.setup.objective.inputs(batch)), len(windows))
        losses: Figures = {**means.over(self.ranks)}
        if forecasts is None and self.setup.forecasts is not None:
            forecasts = self.setup.forecasts()
        if forecasts is None:
            return ValidationScore(figures=losses)
        return forecasts.model_copy(update={"figures": losses | forecasts.figures})

    def _save_checkpoints(self, checked: ValidationScore) -> None:
        names = [f"epoch_{self.epoch:03d}"] if self.epoch % self.config.checkpoint_every == 0 else []
        if checked.better_than(self.outcome.best, self.setup.choose_by):
            self.outcome.best_epoch, self.outcome.best = self.epoch, checked
            names.append(BEST_NAME)
        if names:
            self.files.save_checkpoints(self.setup.phase, names, self.setup.kept)

    def _save(self, log_bytes: int | None = None) -> None:
        position = PhasePosition(
            outcome=self.outcome,
            epoch=self.epoch,
            step=self.step,
            epoch_sums=self.means.saved(self.ranks),
            recent_sums=self.recent.saved(self.ranks),
            scaler=self.optimiser.scaler.state_dict(),
        )
        self.files.save(position, self.optimiser.tensors(), log_bytes)
        self.saved_at, self.saved_step = time.monotonic(), self.steps_done

    def _row(self, row: dict[str, Any]) -> None:
        self.files.log.append({"phase": self.setup.phase} | row)
