"""The bars and the windows of a training, split by the time of their targets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np

from kronos_quant.config import TrainConfig
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import Market
from kronos_quant.training.batches.cross_sections import CrossSections, draw_cross_sections
from kronos_quant.training.batches.order import EpochPlan, evenly
from kronos_quant.windows import (
    BarTable,
    Scale,
    Splits,
    TimeRange,
    WindowIndex,
    build_index,
    index_scale,
    make_splits,
    target_mask,
    universe_table,
)

logger = logging.getLogger(__name__)

DateRange = tuple[date, date]


@dataclass(frozen=True)
class TrainingData:
    """The bars, and the windows of training, of the validation's loss, and of its decoded forecasts.

    unseen : for a return head, what ends after the targets of training, to the newest bars, whose future is not known
    """

    table: BarTable
    splits: Splits
    train: WindowIndex
    val: WindowIndex
    decoded: CrossSections
    clip: float
    unseen: WindowIndex | None = None

    @cached_property
    def train_scale(self) -> Scale:
        """Statistics of every training window, computed once: a window is drawn many times."""
        return index_scale(self.table, self.train)

    def label(self, index: WindowIndex, window: int) -> str:
        """A window in words: its symbol and the last bar of its lookback."""
        anchor = index.anchor[window]
        asof = str(self.table.time[anchor].astype("datetime64[m]")).replace("T", " ").removesuffix(" 00:00")
        return f"{self.table.symbols[self.table.symbol_id[anchor]]} {asof}"


def load_data(market: Market, config: TrainConfig, universe: str) -> TrainingData:
    """Bars and windows of `universe`; raises DataError when a split has no window."""
    table, membership = universe_table(market, universe)
    splits = split_times(table, config, market.sessions())
    index = build_index(table, config.lookback_window, config.predict_window, config.max_missing_bars, membership)
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
            "left out: %d windows with more than %d sessions without a bar", index.across_holes, config.max_missing_bars
        )
    logger.info("windows: %d for training (%s), %d for validation (%s)", len(train), splits.train, len(val), splits.val)
    horizon = config.decoded_horizon or config.predict_window
    decoded = draw_cross_sections(table, val, config.decoded_windows, horizon)
    logger.info("of these %d at %d times are forecast and decoded after each epoch", len(decoded), decoded.dates)
    if isinstance(config.validation_windows, int):
        val = val.where(evenly(len(val), config.validation_windows))
    unseen = None
    if config.head.epochs:
        open_ended = build_index(table, config.lookback_window, 0, config.max_missing_bars, membership)
        unseen = open_ended.where(table.time[open_ended.anchor] > splits.train.end)
    return TrainingData(table, splits, train, val, decoded, config.clip, unseen)


def split_times(table: BarTable, config: TrainConfig, sessions: Sequence[date]) -> Splits:
    """The target times of each split.

    Ranges of the guides overlap, because they count the lookback in: what of a later split lies within an earlier one
    is lookback only here. Raises ConfigError when nothing is left of a range, DataError when there are too few bars.
    """
    train, val, test = config.train_time_range, config.val_time_range, config.test_time_range
    if train is not None and val is not None:
        val = _after("train.val_time_range", val, "training", train)
        test = None if test is None else _after("train.test_time_range", test, "validation", val)
    splits = make_splits(
        table,
        train_ratio=config.train_ratio,
        val_ratio=config.val_ratio,
        embargo=config.embargo,
        train_dates=train,
        val_dates=val,
        sessions=sessions,
    )
    if test is None:
        return splits
    # both ends are days; make_splits has put the embargo before its own test
    start, end = np.datetime64(test[0], "us"), np.datetime64(test[1] + timedelta(days=1), "us") - 1
    return replace(splits, test=TimeRange(max(splits.test.start, start), min(splits.test.end, end)))


def _after(name: str, later: DateRange, earlier_name: str, earlier: DateRange) -> DateRange:
    if later[1] <= earlier[1]:
        raise ConfigError(
            f"{name}: must end after {earlier_name}'s targets, which end on {earlier[1]}, found {later[1]}",
            hint="splits are by the target's date; the lookback may reach back without being named",
        )
    if later[0] > earlier[1]:
        return later
    start = earlier[1] + timedelta(days=1)
    logger.info(
        "%s: from %s on its bars are targets; those from %s on are %s's and serve as lookback only",
        name, start, later[0], earlier_name,
    )  # fmt: skip
    return start, later[1]


def epoch_plan(data: TrainingData, config: TrainConfig) -> EpochPlan:
    """How epochs are drawn from the training windows; an epoch is one pass over them at most."""
    assert config.batch_size is not None
    assert config.samples_per_epoch is not None
    count = len(data.train)
    samples = count if config.samples_per_epoch == "all" else min(config.samples_per_epoch, count)
    return EpochPlan(count, samples, config.batch_size, config.accumulation_steps, config.seed)
