"""`kq train`: train in the workspace, resuming an interrupted run."""

from __future__ import annotations

import time

from kronos_quant.charts import loss_figure, write_png
from kronos_quant.training import fit, launch, place
from kronos_quant.training.logs import read_log
from kronos_quant.training.run import (
    JOB_FILE,
    LOSS_CURVE,
    PreparedTraining,
    TrainingResult,
    open_run,
    plan_training,
    prepare_run_folder,
    write_result,
)
from kronos_quant.workspace import WorkspaceFolder


def run_training(workspace: WorkspaceFolder, gpus: int | None = None, *, resume: bool | None = None) -> TrainingResult:
    """Train on the workspace's bars from `model.base`, see `Workspace.train`.

    Raises KeyboardInterrupt after a state was saved.
    """
    started = time.time()
    plan = plan_training(workspace, place(gpus))
    with open_run(workspace, plan, resume) as (run, job):
        if plan.placement.processes == 1:
            fit(job, started, plan.networks)
        else:
            launch(run.folder / JOB_FILE, plan.placement.processes, started)
        write_png(run.folder / LOSS_CURVE, loss_figure(read_log(run.folder)))
        return write_result(run)


def prepare_training(workspace: WorkspaceFolder, gpus: int | None = None) -> PreparedTraining:
    """Write the run's folder and its job, for torchrun on several machines; errors as of `run_training`."""
    return prepare_run_folder(workspace, plan_training(workspace, place(gpus)))
