"""The processes that train together, as torch's launcher describes them in the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all: `rank` of `world`; rank 0 alone logs and saves."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process logs and saves."""
        return self.rank == 0

    def mean(self, sums: Tensor, count: int) -> Tensor:
        """sum / count over all ranks, weighted by how much each saw."""
        total = torch.cat([sums.detach().double().cpu(), torch.tensor([float(count)], dtype=torch.float64)])
        if self.world > 1:
            total = total.to(self.device)
            dist.all_reduce(total)
        return (total[:-1] / total[-1]).cpu()

    def wait(self) -> None:
        """Wait for the other ranks."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def join_ranks(device: str) -> Iterator[Ranks]:
    """Join the process group of the launcher, when there is one; `device` is cpu, cuda or mps."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    placed = torch.device("cuda", local) if device == "cuda" else torch.device(device)
    if placed.type == "cuda":
        torch.cuda.set_device(placed)
    if world > 1:
        dist.init_process_group("nccl" if placed.type == "cuda" else "gloo")
    try:
        yield Ranks(rank, world, placed)
    finally:
        if world > 1:
            dist.destroy_process_group()
