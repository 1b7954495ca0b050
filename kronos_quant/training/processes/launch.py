"""Where a training runs, and torch's own elastic launcher for more than one process."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.training.logs.speed import LAUNCHED

LAUNCHER = "KRONOS_QUANT_LAUNCHER"
"""Environment variable: the process id of what started the ranks."""

INTERRUPTED = 130
"""Exit code of a rank that was asked to stop and saved its state."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Processes and the kind of device they use (cpu, cuda or mps)."""

    device: str
    processes: int


def place(gpus: int | None, command: str = "kq train") -> Placement:
    """`gpus` as asked for: None is what there is, 0 the CPU. Raises ConfigError, naming `command`, for too many."""
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus is None:
        if found:
            return Placement("cuda", found)
        return Placement("mps" if torch.backends.mps.is_available() else "cpu", 1)
    if gpus > found:
        instead = f"{command} --gpus {found}" if found else f"{command} --gpus 0 (the CPU)"
        there = f"{found} GPU{'' if found == 1 else 's'}"
        raise ConfigError(f"--gpus {gpus}: this machine has {there}", hint=f"run {instead}")
    return Placement("cuda", gpus) if gpus else Placement("cpu", 1)


def launch(job_file: Path, processes: int, started: float | None = None) -> None:
    """Run `python -m kronos_quant.training JOB` in `processes` ranks on this machine and wait for them.

    started : see `fit`.
    Raises KeyboardInterrupt when the user asked to stop, KronosQuantError when a rank failed or was lost.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=job_file.parent.name,
        rdzv_backend="c10d",
        # a free port each time
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        start_method="spawn",
    )
    # one thread a rank unless the user says otherwise: ranks share the cores
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    os.environ[LAUNCHER] = str(os.getpid())
    os.environ[LAUNCHED] = str(time.time() if started is None else started)
    try:
        elastic_launch(config, sys.executable)("-m", "kronos_quant.training", str(job_file))
    except SignalException:
        raise KeyboardInterrupt from None
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode == INTERRUPTED:
            raise KeyboardInterrupt from None
        raise RankError(rank, failure.exitcode) from error
    finally:
        del os.environ[LAUNCHER]


class RankError(KronosQuantError):
    """A rank ended by itself or was lost; its own words are on stderr. It ends with that rank's code."""

    def __init__(self, rank: int, exit_code: int) -> None:
        how = f"exit code {exit_code}; its message is above" if exit_code >= 0 else f"signal {-exit_code}"
        super().__init__(
            f"rank {rank} ended with {how}",
            hint="its state is kept: kq train goes on from there",
        )
        if exit_code > 0:
            self.exit_code = exit_code
