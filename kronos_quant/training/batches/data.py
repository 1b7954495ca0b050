"""The bars and the windows of a training, split by the time of their targets, and those that validations forecast.

Validation forecasts are made on evenly spaced dates and a random draw of symbols on each. The draw has a seed of its
own, so that every epoch, and every training on the same bars, is measured on the same windows whatever `train.seed`.
Shapes: n windows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np

from kronos_quant.arrays import BoolArray, IntArray
from kronos_quant.bounds import LEAST_LOOKBACK
from kronos_quant.config import TrainConfig
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import Market
from kronos_quant.market.caveats import bar_caveats
from kronos_quant.windows import (
    BarTable,
    Scale,
    Splits,
    TimeRange,
    WindowIndex,
    build_index,
    index_scale,
    longest_lookback,
    make_splits,
    target_mask,
    universe_table,
)
from kronos_quant.windows.splits import time_text

logger = logging.getLogger(__name__)

DateRange = tuple[date, date]

SEED = 0
FEWEST_SYMBOLS = 10
"""Symbols drawn on a date before another date is added: a ranking of fewer means little."""
BLOCK_HORIZONS = 2
"""Length, in horizons, of a block of dates with overlapping targets: most of the overlap is then inside a block."""


@dataclass(frozen=True, slots=True)
class CrossSections:
    """Windows by date: `index` is in the order of the dates, `date` int64[n] numbers them from 0.

    block : int64[n], numbers the blocks of dates whose errors are assumed independent: single dates where the targets
    of different dates do not overlap, else the dates of some horizons.
    """

    index: WindowIndex
    date: IntArray
    block: IntArray

    def __len__(self) -> int:
        return len(self.index)

    @property
    def dates(self) -> int:
        """Number of dates."""
        return int(self.date[-1]) + 1

    @property
    def most_symbols(self) -> int:
        """Windows on the date that has most."""
        return int(np.bincount(self.date).max())


@dataclass(frozen=True)
class TrainingData:
    """The bars, and the windows of training, of the validation loss, and of the validation forecasts.

    unseen : for a return head, the windows that end after the training targets, up to the newest bars
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
        """Mean and deviation of every training window, computed once: a window is drawn many times."""
        return index_scale(self.table, self.train)

    def label(self, index: WindowIndex, window: int) -> str:
        """A window as text: its symbol and the last bar of its lookback."""
        anchor = index.anchor[window]
        return f"{self.table.symbols[self.table.symbol_id[anchor]]} {time_text(self.table.time[anchor])}"


def load_data(market: Market, config: TrainConfig, universe: str) -> TrainingData:
    """The bars of a universe and its windows by split.

    Parameters
    ----------
    market : from `kronos_quant.market.open_market`
    config : the settings under `train`
    universe : `all`, or the name of one

    Raises
    ------
    DataError when a split has no window.

    >>> from tempfile import TemporaryDirectory
    >>> from kronos_quant.market import ingest_synthetic, open_market
    >>> with TemporaryDirectory() as folder:
    ...     report = ingest_synthetic(folder, symbols=5, sessions=80)
    ...     config = TrainConfig(lookback_window=16, predict_window=4)
    ...     data = load_data(open_market(folder), config, "all")
    >>> len(data.train), data.label(data.train, 0)
    (182, 'MADE0000 2025-03-05')
    """
    table, membership = universe_table(market, universe)
    splits = split_times(table, config, market.sessions())
    index = build_index(table, config.lookback_window, config.predict_window, config.max_missing_bars, membership)
    train = index.where(target_mask(table, index, splits.train))
    val = index.where(target_mask(table, index, splits.val))
    for name, part, span in (("training", train, splits.train), ("validation", val, splits.val)):
        if len(part) == 0:
            found = [
                longest_lookback(table, config.predict_window, one.start, one.end) for one in (splits.train, splits.val)
            ]
            raise DataError(
                f"{name}: no window of {config.lookback_window} + {config.predict_window} bars has its targets in "
                f"{span} ({len(table.symbols)} symbols, {table.rows} bars)",
                hint=f"Set train.lookback_window to at most {min(found)}, widen the split, or ingest more bars."
                if min(found) >= LEAST_LOOKBACK
                else "Lower train.predict_window, widen the split, or ingest more bars.",
            )
    if index.across_holes:
        logger.info(
            "windows excluded: %d with more than %d missing sessions", index.across_holes, config.max_missing_bars
        )
    for line in bar_caveats(market, table.symbols, market.sessions()[0], splits.val.end.astype("datetime64[D]").item()):
        logger.warning("%s", line)
    logger.info("windows: %d training (%s), %d validation (%s)", len(train), splits.train, len(val), splits.val)
    horizon = config.decoded_horizon or config.predict_window
    decoded = draw_cross_sections(table, val, config.decoded_windows, horizon)
    logger.info("validation: %d of them (%d dates) are forecast after each epoch", len(decoded), decoded.dates)
    if isinstance(config.validation_windows, int):
        val = val.where(evenly_spaced(len(val), config.validation_windows))
    unseen = None
    if config.head.epochs:
        open_ended = build_index(table, config.lookback_window, 0, config.max_missing_bars, membership)
        unseen = open_ended.where(table.time[open_ended.anchor] > splits.train.end)
    return TrainingData(table, splits, train, val, decoded, config.clip, unseen)


def split_times(table: BarTable, config: TrainConfig, sessions: Sequence[date]) -> Splits:
    """The target times of each split.

    The guides' ranges overlap, because they include the lookback: the part of a split that lies in an earlier one is
    used as lookback only. Raises ConfigError when nothing is left of a range, DataError when there are too few bars.
    """
    train, val, test = (
        _bounded(span, config) for span in (config.train_time_range, config.val_time_range, config.test_time_range)
    )
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
        bounds=(config.dataset_begin_time, config.dataset_end_time),
    )
    if test is None:
        return splits
    # both ends are days; make_splits has put the embargo before its own test
    start, end = np.datetime64(test[0], "us"), np.datetime64(test[1] + timedelta(days=1), "us") - 1
    return replace(splits, test=TimeRange(max(splits.test.start, start), min(splits.test.end, end)))


def _bounded(span: DateRange | None, config: TrainConfig) -> DateRange | None:
    """A range within the bounds of the dataset."""
    if span is None:
        return None
    return max(span[0], config.dataset_begin_time or span[0]), min(span[1], config.dataset_end_time or span[1])


def _after(name: str, later: DateRange, earlier_name: str, earlier: DateRange) -> DateRange:
    if later[1] <= earlier[1]:
        raise ConfigError(
            f"{name}: must end after the {earlier_name} targets, which end on {earlier[1]}, found {later[1]}",
            hint="ranges are those of the target bars; the lookback before them need not be included",
        )
    if later[0] > earlier[1]:
        return later
    start = earlier[1] + timedelta(days=1)
    logger.info(
        "%s: targets start on %s; bars from %s belong to %s and are used as lookback only",
        name, start, later[0], earlier_name,
    )  # fmt: skip
    return start, later[1]


def draw_cross_sections(table: BarTable, index: WindowIndex, wanted: int, horizon: int) -> CrossSections:
    """About `wanted` windows of an index that has at least one; all of them where there are fewer.

    There are as many dates as possible without overlapping targets while each keeps FEWEST_SYMBOLS; where the market
    has too few symbols for that many windows, dates lie closer. horizon : at most the bars that the index predicts.
    """
    at = np.unique(table.time[index.anchor], return_inverse=True)[1]
    counts = np.bincount(at)
    typical = int(np.median(counts))
    # at the edges of a split only symbols suspended just then have a window
    whole = np.flatnonzero(2 * counts >= typical)
    dates = min(-(-len(whole) // horizon), max(1, wanted // min(typical, FEWEST_SYMBOLS)))
    dates = min(len(whole), max(dates, -(-wanted // typical)))
    places = whole[np.arange(dates) * (len(whole) - 1) // max(dates - 1, 1)]
    quotas = np.diff(np.arange(dates + 1) * wanted // dates)
    chosen = [_drawn(at, place, quota) for place, quota in zip(places.tolist(), quotas.tolist(), strict=True)]
    number = np.repeat(np.arange(dates), [len(windows) for windows in chosen])
    overlapping = bool((np.diff(places) < horizon).any())
    block = places // (BLOCK_HORIZONS * horizon) if overlapping else np.arange(dates)
    kept = WindowIndex(index.lookback, horizon, index.anchor[np.concatenate(chosen)])
    return CrossSections(kept, number, np.unique(block, return_inverse=True)[1][number])


def _drawn(at: IntArray, place: int, quota: int) -> IntArray:
    """`quota` of the windows of a date, in their order."""
    candidates = np.flatnonzero(at == place)
    return np.sort(np.random.default_rng((SEED, place)).permutation(candidates)[:quota])


def evenly_spaced(count: int, wanted: int) -> BoolArray:
    """bool[count] with min(count, wanted) evenly spaced true values."""
    keep = np.zeros(count, dtype=bool)
    keep[np.linspace(0, count - 1, min(count, wanted)).round().astype(int)] = True
    return keep
