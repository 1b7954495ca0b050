"""Which windows a step sees.

The windows of a split are drawn as seeded permutations laid end to end and cut into epochs: no window comes twice
before every other came once. A step's windows are the same for any number of ranks; each rank takes its share of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kronos_quant.config import TrainConfig
from kronos_quant.errors import DataError
from kronos_quant.market import Market
from kronos_quant.windows import (
    BarTable,
    Splits,
    WindowIndex,
    build_index,
    gather,
    make_splits,
    target_mask,
    universe_table,
)

logger = logging.getLogger(__name__)

VALIDATION_WINDOWS = 2_000
"""Validation uses this many windows, evenly spaced over the split, when there are more."""


@dataclass(frozen=True, slots=True)
class Batch:
    """values float32[B, L + H, 6] normalised by their lookback; stamp int64[B, L + H, 5]."""

    values: Tensor
    stamp: Tensor


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The bars, and the windows of training and validation."""

    table: BarTable
    splits: Splits
    train: WindowIndex
    val: WindowIndex
    clip: float

    def batch(self, index: WindowIndex, which: NDArray[np.int64], device: torch.device) -> Batch:
        """The windows `which` of an index, on `device`."""
        windows = gather(self.table, index, which, self.clip)
        values = torch.from_numpy(windows.values)
        stamp = torch.from_numpy(windows.stamp).long()
        return Batch(values.to(device, non_blocking=True), stamp.to(device, non_blocking=True))


def load_data(market: Market, config: TrainConfig, universe: str) -> TrainingData:
    """Bars and windows of `universe`; raises DataError when a split has no window."""
    table, membership = universe_table(market, universe)
    splits = make_splits(
        table,
        train_ratio=config.train_ratio,
        val_ratio=config.val_ratio,
        embargo=config.embargo,
        train_dates=config.train_time_range,
        val_dates=config.val_time_range,
        sessions=market.sessions(),
    )
    index = build_index(table, config.lookback_window, config.predict_window, config.max_missing, membership)
    train = index.where(target_mask(table, index, splits.train))
    val = index.where(target_mask(table, index, splits.val))
    for name, part, span in (("training", train, splits.train), ("validation", val, splits.val)):
        if len(part) == 0:
            raise DataError(
                f"{name}: no window of {config.lookback_window} + {config.predict_window} bars has its targets in "
                f"{span} ({len(table.symbols)} symbols, {table.rows} bars)",
                hint="lower train.lookback_window, widen the split, or ingest more bars",
            )
    if index.across_holes:
        logger.info(
            "left out: %d windows with more than %d sessions without a bar", index.across_holes, config.max_missing
        )
    logger.info("windows: %d for training (%s), %d for validation (%s)", len(train), splits.train, len(val), splits.val)
    return TrainingData(table, splits, train, val.where(_evenly(len(val), VALIDATION_WINDOWS)), config.clip)


def epoch_order(count: int, samples: int, epoch: int, seed: int) -> NDArray[np.int64]:
    """The positions, int64[samples], that epoch number `epoch` (from 0) draws from `count` windows."""
    first, stop = epoch * samples, (epoch + 1) * samples
    rounds = range(first // count, (stop - 1) // count + 1)
    drawn = np.concatenate([np.random.default_rng((seed, number)).permutation(count) for number in rounds])
    begin = first - rounds.start * count
    return drawn[begin : begin + samples]


def rank_batches(order: NDArray[np.int64], batch_size: int, rank: int, world: int) -> Iterator[NDArray[np.int64]]:
    """This rank's share of each global batch; a last batch too short for every rank to have one is left out."""
    for begin in range(0, len(order), batch_size):
        share = order[begin : begin + batch_size]
        if len(share) >= world:
            yield share[rank::world]


def _evenly(count: int, wanted: int) -> NDArray[np.bool_]:
    keep = np.zeros(count, dtype=bool)
    keep[np.linspace(0, count - 1, min(count, wanted)).round().astype(int)] = True
    return keep
