"""A training run in a workspace: planned from kq.yaml, started or resumed, and its result."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import BaseModel

from kronos_quant.config import SCRATCH, ModelConfig, TrainConfig, fill_presets
from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import CheckpointError, ConfigError, KronosQuantError, listed
from kronos_quant.files import write_text
from kronos_quant.market import ingest_csv, workspace_market
from kronos_quant.model import ModelCard, read_card
from kronos_quant.model.library import BEST
from kronos_quant.readers import pass_over, read_model
from kronos_quant.runs import Inputs, Run, continue_run, held_run, prepare_run, start_run, unfinished_runs
from kronos_quant.training.card import forecast_lines
from kronos_quant.training.head import HEAD, SCORES_FILE
from kronos_quant.training.job import NO_RESULT, Networks, TrainingJob, load_base, starting_networks
from kronos_quant.training.logs import check_trackers, read_launches, read_log, speed_line
from kronos_quant.training.optimise import resolve_precision
from kronos_quant.training.processes import Placement
from kronos_quant.training.state import CHECKPOINTS, STATE_FOLDER
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    import pandas as pd

    from kronos_quant.charts.canvas import Chart

logger = logging.getLogger(__name__)

KIND = "train"
JOB_FILE = "job.json"
LOSS_CURVE = "loss.png"
KEEP = (CHECKPOINTS, STATE_FOLDER)
METRICS = ("validation_loss", "decoded", HEAD)
"""Parts of the card that are metrics."""


@dataclass(frozen=True, slots=True, repr=False)
class TrainingResult(Displayed):
    """A finished training: its run folder, the folder of the best networks, their card, and the launches."""

    folder: Path
    best: Path
    card: ModelCard
    launches: list[dict[str, Any]]
    """The content of speed.json."""

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        figures = {name: value for name, value in self.card.as_dict().items() if name in METRICS}
        return figures | {"rows": len(read_log(self.folder))}

    @property
    def title(self) -> str:
        """The run."""
        return f"training {self.folder.name}"

    def summary(self) -> pl.DataFrame:
        """Validation losses, the verdict on the validation forecasts, and the folder of the model."""
        rows = [
            (f"{phase}, validation loss", f"{loss.best:.4f} (start {loss.start:.4f}), best epoch {loss.epoch}")
            for phase, loss in (self.card.validation_loss or {}).items()
        ]
        for line in self.card.decoded.verdict if self.card.decoded is not None else ():
            name = "rank IC" if line.startswith("rank IC") else line.partition(": ")[0]
            rows.append((name if name != line else "note", line.removeprefix(name).lstrip(": ") or line))
        return summary_table([*rows, ("model", str(self.best))])

    def log(self) -> pl.DataFrame:
        """The rows of log.jsonl: phase, epoch, step, split, and the figures of each."""
        return pl.DataFrame(read_log(self.folder), infer_schema_length=None)

    def plot(self) -> Chart:
        """The losses and the errors of the validation forecasts by step."""
        from kronos_quant.charts import loss_figure

        return loss_figure(read_log(self.folder))

    def to_pandas(self) -> pd.DataFrame:
        """`log` as a pandas frame."""
        return self.log().to_pandas()

    def lines(self) -> list[str]:
        """The result as text."""
        lines = [
            f"{phase}: validation loss {loss.best:.4f} (start {loss.start:.4f}), best epoch {loss.epoch}"
            for phase, loss in (self.card.validation_loss or {}).items()
        ]
        if self.card.decoded is not None:
            lines += forecast_lines(self.card.decoded)
        if self.card.head is not None and self.card.decoded is not None:
            file, horizon = self.folder / SCORES_FILE, self.card.decoded.horizon
            lines.append(self.card.head.verdict)
            lines.append(f"import its scores: kq signal import {file} --name head --horizon {horizon}")
        speed = speed_line(self.launches)
        lines += [] if speed is None else [speed]
        return [*lines, f"model: {self.best}", f"loss curve: {self.folder / LOSS_CURVE}"]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return self.metrics | {"launches": self.launches, "folder": self.folder, "best": self.best}


@dataclass(frozen=True, slots=True)
class PreparedTraining:
    """A run to be trained by torchrun on several machines."""

    job_file: Path
    processes: int

    def lines(self) -> list[str]:
        """The command for each machine."""
        return [
            "Run on every machine (the workspace must be on a shared disk):",
            f"  PYTHONSAFEPATH=1 torchrun --nnodes MACHINES --nproc-per-node {self.processes} --rdzv-backend c10d "
            f"--rdzv-endpoint HOST:PORT -m kronos_quant.training {self.job_file}",
            "Then, on one machine: kq train --resume",
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"job": self.job_file, "processes": self.processes}


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A job without a folder, its processes, and the starting networks where they are loaded."""

    job: TrainingJob
    placement: Placement
    networks: Networks | None

    @property
    def inputs(self) -> Inputs:
        """The data and seeds for the run's manifest."""
        return Inputs(snapshot=self.job.snapshot, weights=self.job.weights, seeds={"train": self.job.train.seed})


def plan_training(workspace: WorkspaceFolder, placement: Placement) -> TrainingPlan:
    """The job that kq.yaml describes; the guides' `data_path` is ingested first.

    Raises ConfigError, DataError (no bars) and CheckpointError (no weights).
    """
    config = workspace.config
    for note in workspace.resolved.notes:
        logger.info(note)
    train = resolve_precision(fill_presets(config.train, config.model), placement.device)
    check_trackers(train.trackers)
    if train.data_path is not None:
        source = workspace.root / train.data_path.expanduser()
        report = ingest_csv(workspace.root, source, exchange=config.market.exchange)
        logger.info("\n".join(report.lines()))
    market = workspace_market(workspace)
    job = TrainingJob(
        root=workspace.root,
        folder=workspace.runs,
        freq=config.market.freq,
        universe=train.universe or config.market.universe,
        snapshot=market.snapshot.digest,
        device=placement.device,
        models=workspace.models,
        model=config.model,
        train=train,
    )
    if config.model.base == SCRATCH:
        return TrainingPlan(job, placement, None)
    try:
        base = load_base(config.model, workspace.models)
    except CheckpointError as error:
        hint = f"put the weights there, or set in {workspace.root / 'kq.yaml'}: model: {{base: scratch, preset: nano}}"
        raise CheckpointError(str(error), hint=hint) from error
    job = job.model_copy(update={"weights": base.digest})
    # several processes load their own
    return TrainingPlan(job, placement, starting_networks(job, base) if placement.processes == 1 else None)


def prepare_run_folder(workspace: WorkspaceFolder, plan: TrainingPlan) -> PreparedTraining:
    """Write the run's folder and its job, to be trained by torchrun on several machines."""
    with prepare_run(workspace.runs, KIND, plan.inputs) as run:
        _write_job(workspace, run, plan.job)
    return PreparedTraining(run.folder / JOB_FILE, plan.placement.processes)


@contextmanager
def open_run(workspace: WorkspaceFolder, plan: TrainingPlan, resume: bool | None) -> Iterator[tuple[Run, TrainingJob]]:
    """The run to train, new or resumed, and the job with its folder; no other process may train it meanwhile.

    resume : None resumes the newest unfinished run of the same settings and bars, and starts one where there is none;
    True requires one; False starts one. Raises ConfigError when there is nothing to resume, or settings differ.
    """
    former = None if resume is False else _former_run(workspace, plan.job, required=bool(resume))
    opened: AbstractContextManager[Run] = (
        start_run(workspace.runs, KIND, plan.inputs, keep=KEEP) if former is None else continue_run(former, KEEP)
    )
    if former is None:
        with opened as run, held_run(run, _held_elsewhere(run)):
            yield run, _write_job(workspace, run, plan.job)
    else:
        with held_run(former, _held_elsewhere(former)), opened as run:
            yield run, _write_job(workspace, run, plan.job)


def write_result(run: Run) -> TrainingResult:
    """Write metrics.json of a trained run; returns its result."""
    result = read_result(run)
    run.write_metrics(result.metrics)
    return result


def read_result(run: Run) -> TrainingResult:
    """The result of a trained run."""
    return TrainingResult(run.path, run.path / BEST, read_card(run.path / BEST), read_launches(run.path))


def _former_run(workspace: WorkspaceFolder, job: TrainingJob, required: bool) -> Run | None:
    """The unfinished run to resume."""
    unfinished = [(run, _read_job(run)) for run in reversed(unfinished_runs(workspace.runs, KIND))]
    for run, former in unfinished:
        if former is not None and former.identity == job.identity:
            logger.info("resuming %s (use kq train --fresh to start a new run)", run.path)
            return run
    if not required:
        return None
    if not unfinished:
        raise ConfigError(f"{workspace.runs / KIND}: no unfinished training to resume", hint="kq train")
    run, former = unfinished[0]
    raise ConfigError(
        f"{run.path}: cannot resume: {listed(_differences(former, job)) if former else 'its job.json cannot be read'}",
        hint="kq train --fresh",
    )


def _read_job(run: Run) -> TrainingJob | None:
    try:
        return read_model(run.path / JOB_FILE, TrainingJob)
    except KronosQuantError as error:
        pass_over(error)
        return None


def _differences(former: TrainingJob, job: TrainingJob) -> list[str]:
    """The changes since a run started, as text."""
    changes = [
        f"the {words} have changed" for name, words in (("snapshot", "bars"), ("weights", "base's weights"))
        if getattr(former, name) != getattr(job, name)
    ]  # fmt: skip
    parts: list[tuple[str, BaseModel, BaseModel, Iterable[str]]] = [
        ("model.", former.model, job.model, ModelConfig.model_fields),
        ("train.", former.train, job.train, TrainConfig.model_fields),
        ("", former, job, ("universe", "freq")),
    ]
    for place, was, now, names in parts:
        pairs = ((name, getattr(was, name), getattr(now, name)) for name in names if name not in NO_RESULT)
        changes += [f"{place}{name} was {old}, is {new}" for name, old, new in pairs if old != new]
    return changes


def _write_job(workspace: WorkspaceFolder, run: Run, job: TrainingJob) -> TrainingJob:
    placed = job.model_copy(update={"folder": run.folder})
    run.write_config({"market": workspace.config.market, "model": job.model, "train": job.train})
    write_text(run.folder / JOB_FILE, placed.model_dump_json(indent=2) + "\n")
    return placed


def _held_elsewhere(run: Run) -> KronosQuantError:
    return KronosQuantError(f"{run.path}: another process is training this run", hint="kq train --fresh")
