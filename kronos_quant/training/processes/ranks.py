"""The processes that train together, as torch's launcher describes them in the environment."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist

from kronos_quant.errors import ConfigError, KronosQuantError, listed

BACKEND_VARIABLE = "DIST_BACKEND"
"""The guides name the backend in the environment."""


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
        there = part.to(self.device)
        dist.all_reduce(there)
        return there.cpu()

    def pooled(self, mean: Tensor, count: int) -> Tensor:
        """The mean over all ranks of a mean over `count` things on each."""
        if self.world == 1:
            return mean
        sums = torch.cat((mean.double().flatten() * count, mean.new_tensor([count], dtype=torch.float64)))
        dist.all_reduce(sums)
        return (sums[:-1] / sums[-1]).view_as(mean).to(mean.dtype)

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """For each flag, whether any rank has it set."""
        if self.world == 1:
            return list(flags)
        found = torch.tensor(flags, dtype=torch.int32, device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return [bool(flag) for flag in found.tolist()]

    def every(self, row: Sequence[float]) -> list[list[float]]:
        """The rows of all ranks, by rank."""
        if self.world == 1:
            return [list(row)]
        mine = torch.tensor(row, dtype=torch.float64, device=self.device)
        found = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(found, mine)
        return [part.tolist() for part in found]

    def mean(self, sums: Sequence[float], count: float) -> list[float]:
        """sums / count over all ranks, weighted by how much each saw; added up in the order of the ranks."""
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
        found: list[str] = [""] * self.world
        dist.all_gather_object(found, digest.hexdigest())
        unlike = [rank for rank, other in enumerate(found) if other != found[0]]
        if unlike:
            raise KronosQuantError(f"{what}: the weights of rank {listed(unlike)} differ from those of rank 0")

    def wait(self) -> None:
        """Wait for the other ranks."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def join_ranks(device: str, backend: str | None = None) -> Iterator[Ranks]:
    """Join the process group of the launcher, when there is one; `device` is cpu, cuda or mps.

    backend : nccl or gloo; None takes DIST_BACKEND, else what fits the device. Raises ConfigError when it does not fit.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    placed = torch.device("cuda", local) if device == "cuda" else torch.device(device)
    chosen = backend or os.environ.get(BACKEND_VARIABLE) or ("nccl" if placed.type == "cuda" else "gloo")
    if chosen == "nccl" and placed.type != "cuda":
        raise ConfigError(f"train.backend: nccl works between GPUs only, and this runs on {device}", hint="use gloo")
    if placed.type == "cuda":
        if local >= torch.cuda.device_count():
            found = torch.cuda.device_count()
            raise ConfigError(f"rank {rank}: this machine has {found} GPUs", hint=f"torchrun --nproc-per-node {found}")
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
            f"the ranks cannot meet at {where} over {backend}: {str(error).splitlines()[0]}",
            hint="is the port free and open between the machines? torchrun --rdzv-endpoint HOST:PORT chooses another",
        ) from error
