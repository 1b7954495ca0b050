"""`kq train`: a training run in the workspace, new or gone on with."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kronos_quant.config import SCRATCH, ModelConfig, TrainConfig, fill_presets
from kronos_quant.errors import CheckpointError, ConfigError, KronosQuantError, listed
from kronos_quant.files import write_text
from kronos_quant.market import ingest_csv, workspace_market
from kronos_quant.model import load_pair, read_card
from kronos_quant.report import loss_curve_png
from kronos_quant.runs import Inputs, Run, continue_run, held_run, prepare_run, start_run, unfinished_runs
from kronos_quant.training import TrainingJob, check_trackers, fit, launch, place
from kronos_quant.training.fit import BEST, CHECKPOINTS, read_rows
from kronos_quant.training.head import HEAD, SCORES_FILE
from kronos_quant.training.job import NO_RESULT
from kronos_quant.training.logs import read_launches, speed_lines
from kronos_quant.training.state import STATE_FOLDER
from kronos_quant.training.validation import decoded_lines
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)

KIND = "train"
JOB_FILE = "job.json"
KEEP = (CHECKPOINTS, STATE_FOLDER)


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """A finished training: its run folder, the folder of the best pair, metrics.json, and how fast it went."""

    folder: Path
    best: Path
    metrics: dict[str, Any]
    launches: list[dict[str, Any]]
    """Of speed.json."""

    def lines(self) -> list[str]:
        """The outcome in words."""
        told = [
            f"{phase}: validation loss {loss['start']:.4f} before training, {loss['best']:.4f} in the epoch "
            f"kept ({loss['epoch']})"
            for phase, loss in self.metrics["validation_loss"].items()
        ]
        told += decoded_lines(self.metrics["decoded"])
        if HEAD in self.metrics:
            file, horizon = self.folder / SCORES_FILE, self.metrics["decoded"]["horizon"]
            told.append(self.metrics[HEAD]["verdict"])
            told.append(f"its scores on unseen dates: kq signal import {file} --name head --horizon {horizon}")
        told += speed_lines(self.launches)
        return [*told, f"model:      {self.best}", f"loss curve: {self.folder / 'loss.png'}"]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return self.metrics | {"launches": self.launches, "folder": self.folder, "best": self.best}


@dataclass(frozen=True, slots=True)
class PreparedTraining:
    """A run that waits for torchrun on several machines."""

    job_file: Path
    processes: int

    def lines(self) -> list[str]:
        """What to run on each machine."""
        return [
            "run on each machine, with the workspace on a disk that all of them see:",
            f"  torchrun --nnodes MACHINES --nproc-per-node {self.processes} --rdzv-backend c10d "
            f"--rdzv-endpoint HOST:PORT -m kronos_quant.training {self.job_file}",
            "and then, on one of them: kq train --resume",
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"job": self.job_file, "processes": self.processes}


def run_training(workspace: WorkspaceFolder, gpus: int | None, resume: bool | None = None) -> TrainingSummary:
    """Train on the workspace's bars from `model.base`; `gpus` None is what there is, 0 the CPU.

    resume : None goes on with the newest unfinished run of the same settings and bars, and begins one when there is
    none; True must go on with the newest unfinished run; False begins one.
    Raises ConfigError (more GPUs than there are, nothing to go on with, other settings), DataError (no bars, too few
    windows), CheckpointError (no weights, a damaged state), KeyboardInterrupt after a state was saved.
    """
    started = time.time()
    placement = place(gpus)
    job = _job(workspace, placement.device)
    former = None if resume is False else _former(workspace, job, required=bool(resume))
    with _under_way(workspace, job, former) as (run, job):
        if placement.processes == 1:
            fit(job, started)
        else:
            launch(run.folder / JOB_FILE, placement.processes, started)
        rows, card = read_rows(run.folder), read_card(run.folder / BEST)
        loss_curve_png(run.folder / "loss.png", rows)
        metrics = {k: v for k, v in card.as_dict().items() if k in ("validation_loss", "decoded", HEAD)}
        metrics["rows"] = len(rows)
        run.write_metrics(metrics)
    return TrainingSummary(run.path, run.path / BEST, metrics, read_launches(run.path))


def prepare_training(workspace: WorkspaceFolder, gpus: int | None) -> PreparedTraining:
    """Write the run's folder and its job, to be run by torchrun on several machines; errors as of `run_training`."""
    placement = place(gpus)
    job = _job(workspace, placement.device)
    run = prepare_run(workspace.runs, KIND, _inputs(job))
    _write_job(workspace, run, job)
    return PreparedTraining(run.folder / JOB_FILE, placement.processes)


def _job(workspace: WorkspaceFolder, device: str) -> TrainingJob:
    """What is to be trained; the guides' `data_path` is ingested first. The folder is not known yet."""
    config = workspace.config
    train = fill_presets(config.train, config.model)
    check_trackers(train.trackers)
    if train.data_path is not None:
        source = workspace.root / train.data_path.expanduser()
        report = ingest_csv(workspace.root, source, exchange=config.market.exchange)
        logger.info("\n".join(report.lines()))
    market = workspace_market(workspace)
    return TrainingJob(
        root=workspace.root,
        folder=workspace.runs,
        freq=config.market.freq,
        universe=train.universe or config.market.universe,
        snapshot=market.snapshot.digest,
        weights=_base_digest(workspace),
        device=device,
        models=workspace.models,
        model=config.model,
        train=train,
    )


def _base_digest(workspace: WorkspaceFolder) -> str | None:
    model = workspace.config.model
    if model.base == SCRATCH:
        return None
    try:
        return load_pair(model.base, model.tokenizer, models_dir=workspace.models, revision=model.revision).digest
    except CheckpointError as error:
        hint = f"put the weights there, or set in {workspace.root / 'kq.yaml'}: model: {{base: scratch, preset: nano}}"
        raise CheckpointError(str(error), hint=hint) from error


def _former(workspace: WorkspaceFolder, job: TrainingJob, required: bool) -> Run | None:
    """The unfinished run to go on with."""
    found = [(run, _job_of(run)) for run in reversed(unfinished_runs(workspace.runs, KIND))]
    for run, former in found:
        if former is not None and former.identity == job.identity:
            logger.info("going on with %s (kq train --fresh begins another)", run.path)
            return run
    if not required:
        return None
    if not found:
        raise ConfigError(f"{workspace.runs / KIND}: no unfinished training to go on with", hint="kq train")
    run, former = found[0]
    raise ConfigError(
        f"{run.path}: cannot go on: {listed(_differences(former, job)) if former else 'its job.json cannot be read'}",
        hint="set it back, or begin another run with kq train --fresh",
    )


def _job_of(run: Run) -> TrainingJob | None:
    try:
        return TrainingJob.model_validate_json((run.path / JOB_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def _differences(former: TrainingJob, job: TrainingJob) -> list[str]:
    """What has changed since a run began, in words."""
    told = [
        f"the {words} have changed since" for name, words in (("snapshot", "bars"), ("weights", "base's weights"))
        if getattr(former, name) != getattr(job, name)
    ]  # fmt: skip
    sections: list[tuple[str, ModelConfig | TrainConfig, ModelConfig | TrainConfig]] = [
        ("model", former.model, job.model),
        ("train", former.train, job.train),
    ]
    for section, was, now in sections:
        for name in type(was).model_fields:
            if name not in NO_RESULT and getattr(was, name) != getattr(now, name):
                told.append(f"{section}.{name} was {getattr(was, name)}, is {getattr(now, name)}")
    for name in ("universe", "freq"):
        if getattr(former, name) != getattr(job, name):
            told.append(f"{name} was {getattr(former, name)}, is {getattr(job, name)}")
    return told


@contextmanager
def _under_way(workspace: WorkspaceFolder, job: TrainingJob, former: Run | None) -> Iterator[tuple[Run, TrainingJob]]:
    """The run, new or gone on with, and the job with its folder; no other process may train it meanwhile."""
    begun: AbstractContextManager[Run] = (
        start_run(workspace.runs, KIND, _inputs(job), keep=KEEP) if former is None else continue_run(former, KEEP)
    )
    if former is None:
        with begun as run, held_run(run, _trained_elsewhere(run)):
            yield run, _write_job(workspace, run, job)
    else:
        with held_run(former, _trained_elsewhere(former)), begun as run:
            yield run, _write_job(workspace, run, job)


def _inputs(job: TrainingJob) -> Inputs:
    return Inputs(snapshot=job.snapshot, weights=job.weights, seeds={"train": job.train.seed})


def _write_job(workspace: WorkspaceFolder, run: Run, job: TrainingJob) -> TrainingJob:
    placed = job.model_copy(update={"folder": run.folder})
    run.write_config({"market": workspace.config.market, "model": job.model, "train": job.train})
    write_text(run.folder / JOB_FILE, placed.model_dump_json(indent=2) + "\n")
    return placed


def _trained_elsewhere(run: Run) -> KronosQuantError:
    return KronosQuantError(
        f"{run.path}: is being trained by another process", hint="kq train --fresh begins another run beside it"
    )
