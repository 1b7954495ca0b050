"""Batches in the order of the plan, prepared by threads ahead of the loop when there are workers.

Gathering and normalising release the interpreter, so threads are enough; a batch is a function of its windows and the
epoch, so the number of workers changes no number.
Shapes: B windows, T = L + H bars.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from kronos_quant.arrays import IntArray
from kronos_quant.config import AugmentConfig
from kronos_quant.training.batches.augment import augment
from kronos_quant.training.batches.data import TrainingData
from kronos_quant.training.batches.order import EpochPlan, rank_share, validation_batches
from kronos_quant.training.batches.tokens import TokenTable
from kronos_quant.training.processes import Ranks
from kronos_quant.windows import WindowIndex, gather_arrays, gather_stamps

Item = TypeVar("Item")

AHEAD = 2
"""Batches a worker may be ahead."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Either values float32[B, T, 6], normalised by their lookback, or the tokens of them; and stamp int16[B, T, 5]."""

    stamp: Tensor
    values: Tensor | None = None
    tokens: tuple[Tensor, Tensor] | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on `device`."""
        if device.type == "cpu":
            return self

        def there(part: Tensor) -> Tensor:
            pinned = part.pin_memory() if device.type == "cuda" else part
            return pinned.to(device, non_blocking=True)

        tokens = None if self.tokens is None else (there(self.tokens[0]), there(self.tokens[1]))
        return Batch(there(self.stamp), None if self.values is None else there(self.values), tokens)


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward and backward of a step on this rank.

    windows : this rank's; one window of no weight where there are fewer windows than ranks. share : what its mean
    counts in the step's mean over all ranks, times the number of ranks, because DDP divides by it. whole : the pass of
    all ranks.
    """

    epoch: int
    step: int
    windows: IntArray
    drawn: int
    share: float
    whole: IntArray
    first: bool
    last: bool


class Feed:
    """Makes the batches of a phase for one rank."""

    def __init__(
        self,
        data: TrainingData,
        plan: EpochPlan,
        ranks: Ranks,
        *,
        augmented: AugmentConfig | None = None,
        train_tokens: TokenTable | None = None,
        val_tokens: TokenTable | None = None,
        workers: int = 0,
    ) -> None:
        self.data, self.plan, self.ranks, self.workers = data, plan, ranks, workers
        self.augmented = augmented if augmented is not None and augmented.any else None
        self.train_tokens, self.val_tokens = train_tokens, val_tokens

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Pass, Batch]]:
        """The passes of an epoch (from 1) from step number `first_step` (from 0), with their batches on the device."""
        return self._ahead(self._passes(epoch, first_step), lambda item: self.training(item.windows, epoch))

    def validation(self) -> Iterator[tuple[IntArray, Batch]]:
        """This rank's validation windows, with their batches on the device.

        A rank for which there is none gets the first batch and no windows: it joins in the mean with no weight.
        """
        count, size = len(self.data.val), self.plan.batch_size
        mine = list(validation_batches(count, size, self.ranks.rank, self.ranks.world))
        if mine:
            yield from self._ahead(mine, self._validation_batch)
        else:
            first = next(validation_batches(count, size, 0, 1))
            yield first[:0], self._validation_batch(first).to(self.ranks.device)

    def _passes(self, epoch: int, first_step: int) -> Iterator[Pass]:
        rank, world = self.ranks.rank, self.ranks.world
        for step, passes in enumerate(self.plan.steps_of(epoch, first_step), start=first_step):
            windows = sum(map(len, passes))
            for number, whole in enumerate(passes):
                mine = rank_share(whole, rank, world)
                yield Pass(
                    epoch=epoch,
                    step=step,
                    windows=mine if len(mine) else whole[:1],
                    drawn=len(mine),
                    share=len(mine) * world / windows,
                    whole=whole,
                    first=number == 0,
                    last=number == len(passes) - 1,
                )

    def training(self, windows: IntArray, epoch: int) -> Batch:
        """Training windows as an epoch sees them, on the CPU."""
        data = self.data
        if self.train_tokens is not None:
            return self._token_batch(self.train_tokens, data.train, windows)
        values, stamp, _ = gather_arrays(data.table, data.train, windows, data.clip, data.train_scale)
        if self.augmented is not None:
            values = augment(values, windows, self.augmented, self.plan.seed, epoch, data.clip)
        return Batch(torch.from_numpy(stamp), torch.from_numpy(values))

    def _validation_batch(self, windows: IntArray) -> Batch:
        data = self.data
        if self.val_tokens is not None:
            return self._token_batch(self.val_tokens, data.val, windows)
        values, stamp, _ = gather_arrays(data.table, data.val, windows, data.clip)
        return Batch(torch.from_numpy(stamp), torch.from_numpy(values))

    def _token_batch(self, tokens: TokenTable, index: WindowIndex, windows: IntArray) -> Batch:
        stamp = gather_stamps(self.data.table, index, windows)
        return Batch(torch.from_numpy(stamp), tokens=tokens.of(torch.from_numpy(windows)))

    def _ahead(self, items: Iterable[Item], make: Callable[[Item], Batch]) -> Iterator[tuple[Item, Batch]]:
        device = self.ranks.device
        if self.workers == 0:
            for item in items:
                yield item, make(item).to(device)
            return
        pending: deque[tuple[Item, Future[Batch]]] = deque()
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                for item in items:
                    pending.append((item, pool.submit(make, item)))
                    if len(pending) >= AHEAD * self.workers:
                        ready, batch = pending.popleft()
                        yield ready, batch.result().to(device)
                while pending:
                    ready, batch = pending.popleft()
                    yield ready, batch.result().to(device)
            finally:
                for _, batch in pending:
                    batch.cancel()
