"""Which validation windows are forecast and decoded: dates evenly spaced, and on each of them symbols drawn.

The draw has a seed of its own, so that every epoch, and every training on the same bars, is measured on the same
windows, whatever its `train.seed`.
Shapes: n windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kronos_quant.arrays import IntArray
from kronos_quant.windows import BarTable, WindowIndex

SEED = 0
FEWEST_SYMBOLS = 10
"""Symbols of a date that are wanted before more dates are: a ranking of fewer says little."""
BLOCK_HORIZONS = 2
"""Horizons of a block of dates whose targets overlap: most of what neighbours share is then inside a block."""


@dataclass(frozen=True, slots=True)
class CrossSections:
    """Windows by date: `index` is in the order of the dates, `date` int64[n] numbers them from 0.

    block : int64[n], numbers the blocks of dates whose errors are taken to be independent of each other's: a date of
    its own where targets of different dates do not overlap, else the dates of some horizons.
    """

    index: WindowIndex
    date: IntArray
    block: IntArray

    def __len__(self) -> int:
        return len(self.index)

    @property
    def dates(self) -> int:
        """How many dates there are."""
        return int(self.date[-1]) + 1

    @property
    def most_symbols(self) -> int:
        """Windows of the largest date."""
        return int(np.bincount(self.date).max())


def draw_cross_sections(table: BarTable, index: WindowIndex, wanted: int, horizon: int) -> CrossSections:
    """About `wanted` windows of an index that has at least one; all of them where there are fewer.

    horizon : bars to forecast, at most those that the index predicts. Dates are as many as there can be without their
    targets overlapping, while each keeps FEWEST_SYMBOLS; where the market has too few symbols for that many windows,
    dates lie closer.
    """
    at = np.unique(table.time[index.anchor], return_inverse=True)[1]
    counts = np.bincount(at)
    typical = int(np.median(counts))
    # at the edges of a split only those have a window that were suspended just then
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
    """`quota` of the windows at a moment, in their order."""
    there = np.flatnonzero(at == place)
    return np.sort(np.random.default_rng((SEED, place)).permutation(there)[:quota])
