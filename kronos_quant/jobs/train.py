"""`kq train`: a training run in the workspace."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kronos_quant.config import SCRATCH
from kronos_quant.errors import CheckpointError
from kronos_quant.files import write_text
from kronos_quant.jobs.signals import workspace_market
from kronos_quant.model import load_pair
from kronos_quant.report import loss_curve_png
from kronos_quant.runs import Inputs, start_run
from kronos_quant.training import TrainingJob, fill_in, fit, launch, place
from kronos_quant.training.fit import BEST, CHECKPOINTS, read_rows
from kronos_quant.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """A finished training: its run folder, the folder of the best pair, and metrics.json."""

    folder: Path
    best: Path
    metrics: dict[str, Any]

    def lines(self) -> list[str]:
        """The outcome in words."""
        told = [
            f"{phase}: validation loss {loss['before']:.4f} before training, {loss['best']:.4f} at its best "
            f"(epoch {loss['epoch']})"
            for phase, loss in self.metrics["validation_loss"].items()
        ]
        return [*told, f"model:      {self.best}", f"loss curve: {self.folder / 'loss.png'}"]


def run_training(workspace: Workspace, gpus: int | None) -> TrainingSummary:
    """Train on the workspace's bars from `model.base`; `gpus` None is what there is, 0 the CPU.

    Raises ConfigError (more GPUs than there are), DataError (no bars, too few windows), CheckpointError (no weights).
    """
    placement = place(gpus)
    config = workspace.config
    train = fill_in(config.train, config.model)
    market = workspace_market(workspace)
    if config.model.base != SCRATCH:
        _check_base(workspace)
    inputs = Inputs(snapshot=market.snapshot.digest, seeds={"train": train.seed})
    with start_run(workspace.runs, "train", inputs, keep=CHECKPOINTS) as run:
        job = TrainingJob(
            root=workspace.root,
            folder=run.folder,
            freq=config.market.freq,
            universe=train.universe or config.market.universe,
            device=placement.device,
            models=workspace.models,
            model=config.model,
            train=train,
        )
        run.write_config({"market": config.market, "model": config.model, "train": train})
        write_text(run.folder / "job.json", job.model_dump_json(indent=2) + "\n")
        if placement.processes == 1:
            fit(job)
        else:
            launch(run.folder / "job.json", placement.processes)
        rows = read_rows(run.folder)
        loss_curve_png(run.folder / "loss.png", rows)
        metrics = _metrics(rows)
        run.write_metrics(metrics)
    return TrainingSummary(run.path, run.path / BEST, metrics)


def _check_base(workspace: Workspace) -> None:
    model = workspace.config.model
    try:
        load_pair(model.base, model.tokenizer, models_dir=workspace.models, revision=model.revision)
    except CheckpointError as error:
        hint = f"put the weights there, or set in {workspace.root / 'kq.yaml'}: model: {{base: scratch, preset: nano}}"
        raise CheckpointError(str(error), hint=hint) from error


def _metrics(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Validation loss of each phase, before training and at its best."""
    losses: dict[str, Any] = {}
    for row in rows:
        if row["split"] != "val":
            continue
        phase = losses.setdefault(row["phase"], {"before": row["loss"], "best": row["loss"], "epoch": 0})
        if row["loss"] < phase["best"]:
            phase |= {"best": row["loss"], "epoch": row["epoch"]}
    return {"validation_loss": losses, "rows": len(rows)}
