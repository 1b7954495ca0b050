"""Which windows a step sees, as pure functions: of the seed and the epoch, never of what was drawn before.

The windows of a split are drawn as seeded permutations laid end to end and cut into epochs: no window comes twice
before every other came once. A pass's windows are the same for any number of ranks; each rank takes its share of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kronos_quant.arrays import IntArray


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


def rank_share(windows: IntArray, rank: int, world: int) -> IntArray:
    """A rank's part of a pass; it may be empty when there are more ranks than windows."""
    return windows[rank::world]


def validation_batches(windows: int, batch_size: int, rank: int, world: int) -> Iterator[IntArray]:
    """A rank's batches of all windows in their order: each batch is the same whatever the number of ranks."""
    for begin in range(rank * batch_size, windows, world * batch_size):
        yield np.arange(begin, min(begin + batch_size, windows), dtype=np.int64)


def evenly(count: int, wanted: int) -> NDArray[np.bool_]:
    """bool[count] with min(count, wanted) evenly spaced true values."""
    keep = np.zeros(count, dtype=bool)
    keep[np.linspace(0, count - 1, min(count, wanted)).round().astype(int)] = True
    return keep
