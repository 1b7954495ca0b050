"""One loop for both phases: set-up, epochs, and what an epoch leaves."""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from kronos_quant.config import TrainConfig
from kronos_quant.errors import KronosQuantError
from kronos_quant.progress import progress
from kronos_quant.training.data import TrainingData, epoch_order, rank_batches
from kronos_quant.training.objectives import Phase
from kronos_quant.training.ranks import Ranks

logger = logging.getLogger(__name__)

# of torch's OneCycleLR, as the published fine-tuning sets them
WARM_UP_SHARE = 0.03
START_DIVISOR = 10.0


@dataclass(slots=True)
class PhaseResult:
    """The best epoch of a phase by validation loss (epoch 0 is the model before training)."""

    phase: Phase
    best_epoch: int = 0
    best_loss: float = math.inf
    start_loss: float = math.inf
    checkpoint: Path | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PhaseSetup:
    """What one phase trains: `trained` is the network inside `objective` that is optimised and saved."""

    phase: Phase
    objective: nn.Module
    trained: nn.Module
    epochs: int
    learning_rate: float
    save: Callable[[Path], None]


class Means:
    """Running means of named scalars, weighted by the number of windows they were taken over."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.windows = 0

    def add(self, parts: dict[str, Tensor], windows: int) -> None:
        """Add a batch's means."""
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value.detach() * windows
        self.windows += windows

    def over(self, ranks: Ranks) -> dict[str, float]:
        """The means over everything that all ranks added."""
        means = ranks.mean(torch.stack(list(self.sums.values())), self.windows)
        return dict(zip(self.sums, means.tolist(), strict=True))


def train_phase(
    setup: PhaseSetup, data: TrainingData, config: TrainConfig, ranks: Ranks, folder: Path, log: Path
) -> PhaseResult:
    """Train one phase, keeping its best and its periodic checkpoints under `folder`; rows go to the JSONL `log`."""
    assert config.batch_size is not None
    assert config.samples_per_epoch is not None
    setup.objective.to(ranks.device)
    model = DistributedDataParallel(setup.objective) if ranks.world > 1 else setup.objective
    samples = min(config.samples_per_epoch, len(data.train))
    steps_per_epoch = -(-samples // config.batch_size)
    optimizer, schedule = _optimizer(setup, config, setup.epochs * steps_per_epoch)
    result = PhaseResult(setup.phase)
    checked = _validate(setup, data, config, ranks)
    _record(result, {"epoch": 0, "step": 0, "split": "val"} | checked, log, ranks)
    result.start_loss = result.best_loss = checked["loss"]
    with progress(setup.phase, setup.epochs * steps_per_epoch) as advance:
        for epoch in range(1, setup.epochs + 1):
            started = time.perf_counter()
            means = Means()
            setup.trained.train()
            order = epoch_order(len(data.train), samples, epoch - 1, config.seed)
            for which in rank_batches(order, config.batch_size, ranks.rank, ranks.world):
                batch = data.batch(data.train, which, ranks.device)
                parts = model(batch.values, batch.stamp)
                optimizer.zero_grad(set_to_none=True)
                parts["loss"].backward()
                nn.utils.clip_grad_norm_(setup.trained.parameters(), config.max_grad_norm)
                optimizer.step()
                schedule.step()
                means.add(parts, len(which))
                advance(1)
            trained, seconds = means.over(ranks), round(time.perf_counter() - started, 2)
            place = {"epoch": epoch, "step": epoch * steps_per_epoch}
            timing = {"lr": schedule.get_last_lr()[0], "seconds": seconds}
            _record(result, place | {"split": "train"} | trained | timing, log, ranks)
            _stop_at_nan(setup.phase, epoch, trained["loss"])
            checked = _validate(setup, data, config, ranks)
            _record(result, place | {"split": "val"} | checked, log, ranks)
            _keep(setup, config, result, epoch, checked["loss"], folder, ranks)
            logger.info(
                "%s epoch %d/%d: training %.4f, validation %.4f (before training %.4f), %.0f s",
                setup.phase, epoch, setup.epochs, trained["loss"], checked["loss"], result.start_loss, seconds,
            )  # fmt: skip
            if config.patience and epoch - result.best_epoch >= config.patience:
                logger.info("%s: no better for %d epochs: stopping here", setup.phase, config.patience)
                break
    return result


def _optimizer(
    setup: PhaseSetup, config: TrainConfig, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    optimizer = torch.optim.AdamW(
        setup.trained.parameters(), lr=setup.learning_rate, betas=config.betas, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, setup.learning_rate, total_steps=steps + 1, pct_start=WARM_UP_SHARE, div_factor=START_DIVISOR
    )
    return optimizer, schedule


@torch.no_grad()
def _validate(setup: PhaseSetup, data: TrainingData, config: TrainConfig, ranks: Ranks) -> dict[str, float]:
    """Mean loss parts over the validation windows, each seen once by one rank."""
    assert config.batch_size is not None
    setup.trained.eval()
    means = Means()
    mine = np.arange(ranks.rank, len(data.val), ranks.world)
    for begin in range(0, len(mine), config.batch_size):
        which = mine[begin : begin + config.batch_size]
        batch = data.batch(data.val, which, ranks.device)
        means.add(setup.objective(batch.values, batch.stamp), len(which))
    return means.over(ranks)


def _keep(
    setup: PhaseSetup, config: TrainConfig, result: PhaseResult, epoch: int, loss: float, folder: Path, ranks: Ranks
) -> None:
    """Save the epoch when it is the best so far or due, and drop a former best that was not due."""
    better = loss < result.best_loss
    due = epoch % config.checkpoint_every == 0 or epoch == setup.epochs
    path = folder / f"epoch_{epoch:03d}"
    if ranks.first and (better or due):
        setup.save(path)
    if not better:
        return
    former, former_epoch = result.checkpoint, result.best_epoch
    result.best_epoch, result.best_loss, result.checkpoint = epoch, loss, path
    if ranks.first and former is not None and former_epoch % config.checkpoint_every != 0:
        shutil.rmtree(former)


def _record(result: PhaseResult, row: dict[str, Any], log: Path, ranks: Ranks) -> None:
    named = {"phase": result.phase} | row
    result.rows.append(named)
    if ranks.first:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(named) + "\n")


def _stop_at_nan(phase: Phase, epoch: int, loss: float) -> None:
    if not math.isfinite(loss):
        raise KronosQuantError(
            f"{phase}: the training loss became {loss} in epoch {epoch}",
            hint=f"lower train.{phase}_learning_rate; the checkpoints of earlier epochs are kept",
        )
