"""The batches of an epoch in the order of its plan, for one rank, prepared by threads ahead of the loop.

The windows of a split are drawn as seeded permutations laid end to end and cut into epochs: no window comes twice
before every other came once. The plan is a function of the seed and the epoch; a pass has the same windows for any
number of ranks, and each rank takes its share of them. Gathering and normalising release the interpreter, so threads
are enough; a batch is a function of its windows and the epoch, so the number of workers changes no number.
Shapes: B windows, T = L + H bars.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl
import torch
from torch import Tensor

from kronos_quant.arrays import IntArray
from kronos_quant.config import AugmentConfig, TrainConfig
from kronos_quant.training.batches.augment import augment
from kronos_quant.training.batches.data import TrainingData
from kronos_quant.training.batches.tokens import TokenTable
from kronos_quant.training.processes import Ranks
from kronos_quant.windows import gather_arrays, gather_stamps

Item = TypeVar("Item")

AHEAD = 2
"""Batches a worker may be ahead."""


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """How epochs are drawn from `windows` windows and cut into steps of `passes` passes of `batch_size` windows."""

    windows: int
    samples: int
    batch_size: int
    passes: int = 1
    seed: int = 0

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last may have fewer windows."""
        return -(-self.samples // (self.batch_size * self.passes))

    def order(self, epoch: int) -> IntArray:
        """The positions, int64[samples], that epoch number `epoch` (from 1) draws."""
        first, stop = (epoch - 1) * self.samples, epoch * self.samples
        rounds = range(first // self.windows, (stop - 1) // self.windows + 1)
        drawn = [np.random.default_rng((self.seed, number)).permutation(self.windows) for number in rounds]
        begin = first - rounds.start * self.windows
        return np.concatenate(drawn)[begin : begin + self.samples]

    def steps_of(self, epoch: int, first: int = 0) -> Iterator[list[IntArray]]:
        """The passes of each step of an epoch, from step number `first` (from 0) on."""
        order, size = self.order(epoch), self.batch_size * self.passes
        for begin in range(first * size, self.samples, size):
            step = order[begin : begin + size]
            yield [step[i : i + self.batch_size] for i in range(0, len(step), self.batch_size)]


def epoch_plan(data: TrainingData, config: TrainConfig) -> EpochPlan:
    """How epochs are drawn from the training windows; an epoch is one pass over them at most."""
    assert config.batch_size is not None
    assert config.samples_per_epoch is not None
    count = len(data.train)
    samples = count if config.samples_per_epoch == "all" else min(config.samples_per_epoch, count)
    return EpochPlan(count, samples, config.batch_size, config.accumulation_steps, config.seed)


def validation_batches(windows: int, batch_size: int, rank: int, world: int) -> Iterator[IntArray]:
    """A rank's batches of all windows in their order: each batch is the same whatever the number of ranks."""
    for begin in range(rank * batch_size, windows, world * batch_size):
        yield np.arange(begin, min(begin + batch_size, windows), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """Either values float32[B, T, 6], normalised by their lookback, or the tokens of them; and stamp int16[B, T, 5]."""

    stamp: Tensor
    values: Tensor | None = None
    tokens: tuple[Tensor, Tensor] | None = None

    def to(self, device: torch.device) -> TrainingBatch:
        """The same on `device`."""
        if device.type == "cpu":
            return self

        def moved(part: Tensor) -> Tensor:
            pinned = part.pin_memory() if device.type == "cuda" else part
            return pinned.to(device, non_blocking=True)

        tokens = None if self.tokens is None else (moved(self.tokens[0]), moved(self.tokens[1]))
        return TrainingBatch(moved(self.stamp), None if self.values is None else moved(self.values), tokens)


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward and backward of a step on this rank.

    windows : this rank's; one window of weight 0 where there are fewer windows than ranks. share : weight of its mean
    in the step's mean over all ranks, times the number of ranks, because DDP divides by it. whole : that of all ranks.
    """

    epoch: int
    step: int
    windows: IntArray
    drawn: int
    share: float
    whole: IntArray
    first: bool
    last: bool


class BatchLoader:
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

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Pass, TrainingBatch]]:
        """The passes of an epoch (from 1) from step number `first_step` (from 0), with their batches on the device."""
        return self._ahead(self._passes(epoch, first_step), lambda item: self.batch(item.windows, epoch))

    def validation(self) -> Iterator[tuple[IntArray, TrainingBatch]]:
        """This rank's validation windows, with their batches on the device.

        A rank without any gets the first batch and no windows: it takes part in the mean with weight 0.
        """
        count, size = len(self.data.val), self.plan.batch_size
        mine = list(validation_batches(count, size, self.ranks.rank, self.ranks.world))
        if mine:
            yield from self._ahead(mine, self.batch)
        else:
            first = next(validation_batches(count, size, 0, 1))
            yield first[:0], self.batch(first).to(self.ranks.device)

    def _passes(self, epoch: int, first_step: int) -> Iterator[Pass]:
        rank, world = self.ranks.rank, self.ranks.world
        for step, passes in enumerate(self.plan.steps_of(epoch, first_step), start=first_step):
            windows = sum(map(len, passes))
            for number, whole in enumerate(passes):
                mine = whole[rank::world]
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

    def batch(self, windows: IntArray, epoch: int = 0) -> TrainingBatch:
        """Training windows as an epoch sees them, or those of validation (epoch 0)."""
        data = self.data
        index, tokens = (data.train, self.train_tokens) if epoch else (data.val, self.val_tokens)
        if tokens is not None:
            stamp = gather_stamps(data.table, index, windows)
            return TrainingBatch(torch.from_numpy(stamp), tokens=tokens.select(torch.from_numpy(windows)))
        scale = data.train_scale if epoch else None
        values, stamp, _ = gather_arrays(data.table, index, windows, data.clip, scale)
        if epoch and self.augmented is not None:
            values = augment(values, windows, self.augmented, self.plan.seed, epoch, data.clip)
        return TrainingBatch(torch.from_numpy(stamp), torch.from_numpy(values))

    def _ahead(
        self, items: Iterable[Item], make: Callable[[Item], TrainingBatch]
    ) -> Iterator[tuple[Item, TrainingBatch]]:
        device = self.ranks.device
        if self.workers == 0:
            for item in items:
                yield item, make(item).to(device)
            return
        pending: deque[tuple[Item, Future[TrainingBatch]]] = deque()
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


def list_windows(
    data: TrainingData, config: TrainConfig, *, ranks: int = 1, workers: int = 0, epoch: int = 1
) -> pl.DataFrame:
    """The windows that each rank trains and validates on in an epoch, one row per window, by rank and step.

    Parameters
    ----------
    data : bars and windows, from `load_data`
    config : settings with no null left (`fill_presets`)
    ranks, workers : processes, and loader threads of each
    epoch : from 1

    Returns
    -------
    Columns split, rank, step, window, symbol, asof (last bar of the lookback). The windows are taken from the loader
    that the training loop uses; the steps of validation are a rank's batches.

    >>> from tempfile import TemporaryDirectory
    >>> from kronos_quant.market import ingest_synthetic, open_market
    >>> from kronos_quant.training import load_data
    >>> with TemporaryDirectory() as folder:
    ...     report = ingest_synthetic(folder, symbols=5, sessions=80)
    ...     config = TrainConfig(lookback_window=16, predict_window=4, batch_size=16, samples_per_epoch=32)
    ...     data = load_data(open_market(folder), config, "all")
    >>> windows = list_windows(data, config, ranks=2)
    >>> windows.filter(split="train").group_by("rank").len().sort("rank").rows()
    [(0, 16), (1, 16)]
    """
    parts: list[tuple[str, int, int, IntArray]] = []
    plan = epoch_plan(data, config)
    for rank in range(ranks):
        loader = BatchLoader(
            data, plan, Ranks(rank, ranks, torch.device("cpu")), augmented=config.augment, workers=workers
        )
        parts += [("train", rank, item.step, item.windows[: item.drawn]) for item, _ in loader.epoch(epoch)]
        parts += [("val", rank, step, windows) for step, (windows, _) in enumerate(loader.validation())]
    return pl.concat(_rows(data, *part) for part in parts)


def _rows(data: TrainingData, split: str, rank: int, step: int, windows: IntArray) -> pl.DataFrame:
    anchor = (data.train if split == "train" else data.val).anchor[windows]
    table = data.table
    return pl.DataFrame(
        {
            "split": [split] * len(windows),
            "rank": [rank] * len(windows),
            "step": [step] * len(windows),
            "window": windows,
            "symbol": [table.symbols[i] for i in table.symbol_id[anchor].tolist()],
            "asof": table.time[anchor],
        },
        schema_overrides={"rank": pl.Int64, "step": pl.Int64, "split": pl.String, "symbol": pl.String},
    )
