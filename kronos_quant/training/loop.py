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

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from kronos_quant.config import TrainConfig
from kronos_quant.errors import KronosQuantError
from kronos_quant.progress import progress
from kronos_quant.training.data import TrainingData, epoch_order, rank_batches
from kronos_quant.training.objectives import Phase
from kronos_quant.training.ranks import Ranks
from kronos_quant.windows import WindowIndex

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


def train_phase(
    setup: PhaseSetup, data: TrainingData, config: TrainConfig, ranks: Ranks, folder: Path, log: Path
) -> PhaseResult:
    """Train one phase, keeping its best and its periodic checkpoints under `folder`; rows go to the JSONL `log`."""
    assert config.batch_size is not None
    assert config.samples_per_epoch is not None
    setup.objective.to(ranks.device)
    model = DistributedDataParallel(setup.objective) if ranks.world > 1 else setup.objective
    parameters = list(setup.trained.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=setup.learning_rate, betas=config.betas, weight_decay=config.weight_decay
    )
    steps = setup.epochs * -(-config.samples_per_epoch // config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, setup.learning_rate, total_steps=steps + 1, pct_start=WARM_UP_SHARE, div_factor=START_DIVISOR
    )
    result = PhaseResult(setup.phase)
    _record(result, {"epoch": 0, "step": 0, "split": "val"} | _validate(setup, data, config, ranks), log, ranks)
    result.start_loss = result.best_loss = result.rows[-1]["loss"]
    with progress(f"{setup.phase}", steps) as advance:
        for epoch in range(1, setup.epochs + 1):
            started = time.perf_counter()
            order = epoch_order(len(data.train), config.samples_per_epoch, epoch - 1, config.seed)
            sums: Tensor | None = None
            names: list[str] = []
            seen = 0
            setup.trained.train()
            for which in rank_batches(order, config.batch_size, ranks.rank, ranks.world):
                batch = data.batch(data.train, which, ranks.device)
                parts = model(batch.values, batch.stamp)
                optimizer.zero_grad(set_to_none=True)
                parts["loss"].backward()
                nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
                optimizer.step()
                schedule.step()
                names = list(parts)
                step_sums = torch.stack([parts[name].detach() for name in names]) * len(which)
                sums = step_sums if sums is None else sums + step_sums
                seen += len(which)
                advance(1)
            assert sums is not None
            row = dict(zip(names, ranks.mean(sums, seen).tolist(), strict=True))
            step = epoch * steps // setup.epochs
            timing = {"lr": schedule.get_last_lr()[0], "seconds": round(time.perf_counter() - started, 2)}
            _record(result, {"epoch": epoch, "step": step, "split": "train"} | row | timing, log, ranks)
            _stop_at_nan(setup.phase, epoch, row["loss"])
            checked = _validate(setup, data, config, ranks)
            _record(result, {"epoch": epoch, "step": step, "split": "val"} | checked, log, ranks)
            _keep(setup, config, result, epoch, checked["loss"], folder, ranks)
            logger.info(
                "%s epoch %d/%d: training %.4f, validation %.4f (before training %.4f)",
                setup.phase, epoch, setup.epochs, row["loss"], checked["loss"], result.start_loss,
            )  # fmt: skip
    return result


@torch.no_grad()
def _validate(setup: PhaseSetup, data: TrainingData, config: TrainConfig, ranks: Ranks) -> dict[str, float]:
    """Mean loss parts over the validation windows, each seen once by one rank."""
    setup.trained.eval()
    index: WindowIndex = data.val
    assert config.batch_size is not None
    sums: Tensor | None = None
    names: list[str] = []
    seen = 0
    positions = torch.arange(len(index)).numpy()[ranks.rank :: ranks.world]
    for begin in range(0, len(positions), config.batch_size):
        which = positions[begin : begin + config.batch_size]
        batch = data.batch(index, which, ranks.device)
        parts = setup.objective(batch.values, batch.stamp)
        names = list(parts)
        step_sums = torch.stack([parts[name] for name in names]) * len(which)
        sums = step_sums if sums is None else sums + step_sums
        seen += len(which)
    assert sums is not None
    return dict(zip(names, ranks.mean(sums, seen).tolist(), strict=True))


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
