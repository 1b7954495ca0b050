"""The processes that train together: where they run, how they are launched, meet, exchange figures and are stopped.

Each is described by torch's launcher in its environment. Ctrl-C and SIGTERM are requests that the loop grants after its
step, so that a state is saved first.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor
from torch import distributed as dist

from kronos_quant.bounds import MOST_GPUS
from kronos_quant.children import cores, inherited_environment, module_command
from kronos_quant.errors import ConfigError, KronosQuantError, listed
from kronos_quant.inputs import as_count, short_repr

logger = logging.getLogger(__name__)

BACKEND_VARIABLE = "DIST_BACKEND"
"""Environment variable with which the published guides name the backend."""
LAUNCHER = "KQ_LAUNCHER"
"""Environment variable: process id of the launcher."""
LAUNCHED = "KQ_LAUNCHED_AT"
"""Environment variable: start of the launch, in seconds since 1970."""
INTERRUPTED = 130
"""Exit code of a process that was stopped and saved its state."""
WINDOWS = "windows"
LONGEST_COUNT = 6
"""Digits of a number of processes."""

_imported_at = time.time()


@dataclass(frozen=True, slots=True)
class Placement:
    """Processes and the kind of device they use (cpu, cuda or mps)."""

    device: str
    processes: int


def place(gpus: int | None = None, command: str = "kq train") -> Placement:
    """The processes and the device for a number of GPUs: None is all there are, 0 the CPU.

    command : named in the hint. Raises ConfigError when the machine has fewer GPUs.

    >>> place(0)
    Placement(device='cpu', processes=1)
    """
    gpus = None if gpus is None else as_count(gpus, "gpus", 0, MOST_GPUS)
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus is None:
        if available:
            return Placement("cuda", available)
        return Placement("mps" if torch.backends.mps.is_available() else "cpu", 1)
    if gpus > available:
        has = f"{available} GPU{'' if available == 1 else 's'}"
        raise ConfigError(f"--gpus {gpus}: this machine has {has}", hint=f"{command} --gpus {available}")
    return Placement("cuda", gpus) if gpus else Placement("cpu", 1)


def launch(job_file: Path, processes: int, started: float | None = None) -> None:
    """Run `python -m kronos_quant.training JOB` in several processes on this machine and wait for them.

    Parameters
    ----------
    job_file : job.json of the run
    processes : ranks to start
    started : start of the launch, in seconds since 1970, for speed.json; None: now

    Raises
    ------
    KeyboardInterrupt when the user stopped it, RankError (KronosQuantError) when a rank failed or was lost.
    """
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
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
        # its default is a temporary folder that nobody removes
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),
    )
    # one thread per rank unless the user sets it: ranks share the cores
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, cores() // processes)))
    begun = time.time() if started is None else started
    given = {"OMP_NUM_THREADS": threads, LAUNCHER: str(os.getpid()), LAUNCHED: str(begun)}
    program, *options = module_command("kronos_quant.training", str(job_file))
    try:
        with inherited_environment(given):
            elastic_launch(config, program)(*options)
    except SignalException:
        raise KeyboardInterrupt from None
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode == INTERRUPTED:
            raise KeyboardInterrupt from None
        raise RankError(rank, failure.exitcode) from error


def launched_at() -> float:
    """Start of the launch of this process; without a launcher, about the start of the process."""
    return float(os.environ.get(LAUNCHED, _imported_at))


class RankError(KronosQuantError):
    """A rank failed or was lost; its own message is on stderr. The command ends with that rank's exit code."""

    def __init__(self, rank: int, exit_code: int) -> None:
        how = f"exit code {exit_code}; its message is above" if exit_code >= 0 else f"signal {-exit_code}"
        super().__init__(f"rank {rank} ended with {how}; the state is kept", hint="kq train")
        if exit_code > 0:
            self.exit_code = exit_code


@dataclass(slots=True)
class StopRequest:
    """Whether the user has requested a stop."""

    requested: bool = False


class ValidationStopped(KeyboardInterrupt):
    """The user requested a stop inside a validation."""


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Inside the block SIGINT and SIGTERM set `requested`; outside the main thread nothing is caught."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def request(number: int, frame: FrameType | None) -> None:
        if not stop.requested:
            logger.info("stopping after this step")
        stop.requested = True

    former = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all: `rank` of `world`; rank 0 alone logs and saves. Alone, every method is the identity."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process logs and saves."""
        return self.rank == 0

    def total(self, part: Tensor) -> Tensor:
        """The sum of `part` over all ranks, on the CPU."""
        if self.world == 1:
            return part
        summed = part.to(self.device)
        dist.all_reduce(summed)
        return summed.cpu()

    def pooled(self, mean: Tensor, count: int) -> Tensor:
        """The mean over all ranks of a mean over `count` items on each."""
        if self.world == 1:
            return mean
        sums = torch.cat((mean.double().flatten() * count, mean.new_tensor([count], dtype=torch.float64)))
        dist.all_reduce(sums)
        return (sums[:-1] / sums[-1]).view_as(mean).to(mean.dtype)

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """For each flag, whether any rank has it set."""
        if self.world == 1:
            return list(flags)
        raised = torch.tensor(flags, dtype=torch.int32, device=self.device)
        dist.all_reduce(raised, op=dist.ReduceOp.MAX)
        return [bool(flag) for flag in raised.tolist()]

    def every(self, row: Sequence[float]) -> list[list[float]]:
        """The rows of all ranks, by rank."""
        if self.world == 1:
            return [list(row)]
        mine = torch.tensor(row, dtype=torch.float64, device=self.device)
        rows = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(rows, mine)
        return [part.tolist() for part in rows]

    def mean(self, sums: Sequence[float], count: float) -> list[float]:
        """sums / count over all ranks, weighted by their counts; added up in the order of the ranks."""
        rows = self.every([*sums, count])
        totals = [sum(column) for column in zip(*rows, strict=True)]
        return [total / totals[-1] for total in totals[:-1]]

    def check_equal(self, weights: Mapping[str, Tensor], what: str) -> None:
        """Raise KronosQuantError when the ranks do not hold the same bytes."""
        if self.world == 1:
            return
        digest = hashlib.sha256()
        for name, value in weights.items():
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        digests: list[str] = [""] * self.world
        dist.all_gather_object(digests, digest.hexdigest())
        unlike = [rank for rank, other in enumerate(digests) if other != digests[0]]
        if unlike:
            raise KronosQuantError(f"{what}: the weights of rank {listed(unlike)} differ from those of rank 0")

    def wait(self) -> None:
        """Wait for the other ranks."""
        if self.world > 1:
            dist.barrier()


def _count_of_torchrun(name: str, text: str) -> int:
    """A number that torchrun puts into the environment. Raises ConfigError for junk."""
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_COUNT):
        raise ConfigError(
            f"environment: {name}: expected a whole number, found {short_repr(text)}",
            hint=f"Unset {name}: torchrun sets it.",
        )
    return int(text)


@contextmanager
def join_ranks(device: str, backend: str | None = None) -> Iterator[Ranks]:
    """Join the process group of the launcher, when there is one; `device` is cpu, cuda or mps.

    backend : nccl or gloo; None: DIST_BACKEND, else nccl on CUDA and gloo elsewhere. Raises ConfigError when it does
    not fit the device.
    """
    world = _count_of_torchrun("WORLD_SIZE", os.environ.get("WORLD_SIZE", "1"))
    rank = _count_of_torchrun("RANK", os.environ.get("RANK", "0"))
    local = _count_of_torchrun("LOCAL_RANK", os.environ.get("LOCAL_RANK", "0"))
    placed = torch.device("cuda", local) if device == "cuda" else torch.device(device)
    chosen = backend or os.environ.get(BACKEND_VARIABLE) or ("nccl" if placed.type == "cuda" else "gloo")
    if chosen == "nccl" and placed.type != "cuda":
        raise ConfigError(f"train.backend: nccl works between GPUs only; this runs on {device}", hint="use gloo")
    if placed.type == "cuda":
        if local >= torch.cuda.device_count():
            available = torch.cuda.device_count()
            raise ConfigError(
                f"rank {rank}: this machine has {available} GPUs", hint=f"use torchrun --nproc-per-node {available}"
            )
        torch.cuda.set_device(placed)
    if world > 1:
        _join(chosen)
    try:
        yield Ranks(rank, world, placed)
    finally:
        if world > 1:
            dist.destroy_process_group()


def _join(backend: str) -> None:
    try:
        dist.init_process_group(backend)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
        raise KronosQuantError(
            f"the ranks cannot connect at {where} over {backend}: {str(error).splitlines()[0]}",
            hint="check that the port is free and open between the machines, or set another with "
            "torchrun --rdzv-endpoint HOST:PORT",
        ) from error


class RunningMeans:
    """Means of named scalars over the windows that all ranks saw, weighted by the number of windows."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.windows = 0.0

    def add(self, parts: dict[str, Tensor], windows: int) -> None:
        """Add a batch's means; sums stay on the device, so that nothing waits for it."""
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach().to(_wide(value.device)) * windows
        self.windows += windows

    def over(self, ranks: Ranks) -> dict[str, float]:
        """The means over all that the ranks have added."""
        means = ranks.mean([value.item() for value in self.sums.values()], self.windows)
        return dict(zip(self.sums, means, strict=True))

    def saved(self, ranks: Ranks) -> list[dict[str, float]]:
        """The sums of each rank, for `restored`."""
        names = [*self.sums, WINDOWS]
        rows = ranks.every([*(value.item() for value in self.sums.values()), self.windows])
        return [dict(zip(names, row, strict=True)) for row in rows]

    @classmethod
    def restored(cls, saved: Sequence[dict[str, float]], ranks: Ranks) -> RunningMeans:
        """A rank's sums; with another number of ranks than before, rank 0 gets all of them."""
        means = cls()
        if len(saved) == ranks.world:
            mine = dict(saved[ranks.rank])
        else:
            names = saved[0].keys() if saved else ()
            mine = {name: sum(row[name] for row in saved) * ranks.first for name in names}
        means.windows = mine.pop(WINDOWS, 0.0)
        wide = _wide(ranks.device)
        means.sums = {name: torch.tensor(value, dtype=wide, device=ranks.device) for name, value in mine.items()}
        return means


def _wide(device: torch.device) -> torch.dtype:
    """The widest float that the device has."""
    return torch.float32 if device.type == "mps" else torch.float64
