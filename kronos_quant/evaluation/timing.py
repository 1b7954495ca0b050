"""Whether a score goes with the symbol's own return over time: what is left to measure where there is nobody to rank.

Shapes: T dates, N symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray
from kronos_quant.panel.matrix import row_means
from kronos_quant.stats.correlation import ranks
from kronos_quant.stats.intervals import MeanInterval, mean_interval

FEWEST_DATES = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """The mean over a symbol's dates, and over symbols where there are several."""

    correlation: MeanInterval
    """Pearson's, of score and return over time."""
    rank_correlation: MeanInterval
    """Spearman's."""
    same_sign: MeanInterval
    """Share of dates on which score and return had the same sign, among those where neither was 0."""


def timing(scores: FloatArray, returns: FloatArray, overlap: int) -> Timing:
    """Compare scores with returns float64[T, N], symbol by symbol; overlap : dates over which a return reaches.

    A correlation is the mean over dates of the product of the two, each less its mean and over its deviation: that mean
    has an interval like any other.
    """
    both = np.isfinite(scores) & np.isfinite(returns)
    signed = both & (scores != 0) & (returns != 0)
    same = np.where(signed, np.sign(scores) == np.sign(returns), np.nan)
    products = _standard(scores, both) * _standard(returns, both)
    ranked = _standard(ranks(scores.T, both.T).T, both) * _standard(ranks(returns.T, both.T).T, both)
    pearson, spearman, signs = (mean_interval(row_means(values), overlap) for values in (products, ranked, same))
    return Timing(pearson.within(-1, 1), spearman.within(-1, 1), signs.within(0, 1))


def _standard(values: FloatArray, both: BoolArray) -> FloatArray:
    """Each column less its mean, over its population deviation; NaN where there are too few dates or no deviation."""
    count = both.sum(axis=0)
    mean = np.where(both, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    away = np.where(both, values - mean, 0.0)
    deviation = np.sqrt((away**2).sum(axis=0) / np.maximum(count, 1))
    usable = both & (count >= FEWEST_DATES) & (np.ptp(np.where(both, values, mean), axis=0) > 0)
    return np.asarray(np.divide(away, deviation, out=np.full(values.shape, np.nan), where=usable & (deviation > 0)))
