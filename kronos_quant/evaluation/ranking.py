"""How a ranking did: portfolios by score, and where there are too few symbols to rank, the correlation over time.

Shapes: T dates, N symbols.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kronos_quant.arrays import BoolArray, FloatArray
from kronos_quant.panel.matrix import finite_mean, row_means
from kronos_quant.stats.correlation import rank_ic, ranks
from kronos_quant.stats.intervals import MeanInterval, mean_interval

GROUPS = 5
BASIS_POINTS = 1e4
FEWEST_DATES = 3


@dataclass(frozen=True, slots=True)
class Portfolios:
    """Equal-weighted quintiles of the scored symbols, by score from the lowest to the highest."""

    groups: tuple[MeanInterval, ...]
    """Return over the horizon beyond the mean of all scored symbols of the date."""
    long_short: MeanInterval
    """Return of the top quintile minus that of the bottom one."""
    monotonicity: float
    """Rank correlation of a group's place with its mean return: 1 where each is better than the one below."""
    turnover: float
    """Share of the top and the bottom quintile that is replaced when they are rebalanced after the horizon."""
    daily_turnover: float
    """The same from one date to the next."""
    rank_persistence: float
    """Rank correlation of the scores with those of the date before."""
    break_even_bps: float
    """What buying or selling may cost, of the value traded, before long-short earns nothing; rebalanced after the
    horizon. NaN where nothing is traded."""
    break_even_long_bps: float
    """The same for holding the top quintile alone, against the mean of all scored symbols."""


def quantile_portfolios(scores: FloatArray, returns: FloatArray, overlap: int) -> Portfolios:
    """Portfolios of scores float64[T, N] on the returns float64[T, N] that followed, each over `overlap` dates.

    Equal scores fall into the same group. A date with fewer than 5 scored symbols has no groups.
    """
    member = groups_of(scores)
    paired = np.where(np.isfinite(member), returns, np.nan)
    excess = paired - row_means(paired)[:, None]
    by_group = [row_means(np.where(member == group, excess, np.nan)) for group in range(GROUPS)]
    intervals = tuple(mean_interval(values, overlap) for values in by_group)
    means = np.array([interval.mean for interval in intervals])
    long_short = mean_interval(by_group[-1] - by_group[0], overlap)
    top, bottom = (replaced(member, group, overlap) for group in (GROUPS - 1, 0))
    return Portfolios(
        groups=intervals,
        long_short=long_short,
        monotonicity=_monotonicity(means),
        turnover=(top + bottom) / 2,
        daily_turnover=(replaced(member, GROUPS - 1, 1) + replaced(member, 0, 1)) / 2,
        rank_persistence=finite_mean(rank_ic(scores[1:], scores[:-1])) if len(scores) > 1 else math.nan,
        break_even_bps=_break_even(long_short.mean, top + bottom),
        break_even_long_bps=_break_even(intervals[-1].mean, top),
    )


def groups_of(scores: FloatArray) -> FloatArray:
    """float64[T, N]: 0 for the lowest fifth to 4 for the highest by rank; NaN where there is no score."""
    there = np.isfinite(scores)
    count = there.sum(axis=1, keepdims=True)
    place = (ranks(scores) - 0.5) / np.maximum(count, 1)
    return np.where(there & (count >= GROUPS), np.minimum(np.floor(place * GROUPS), GROUPS - 1), np.nan)


def replaced(groups: FloatArray, group: int, dates: int) -> float:
    """Mean share of a group that did not belong to it `dates` rows earlier, over rows where both have groups."""
    now, before = groups[dates:] == group, groups[:-dates] == group
    size = now.sum(axis=1)
    both = (size > 0) & before.any(axis=1)
    new = (now & ~before).sum(axis=1)
    return float((new[both] / size[both]).mean()) if both.any() else math.nan


def _monotonicity(means: FloatArray) -> float:
    if not np.isfinite(means).all() or (means == means[0]).all():
        return math.nan
    return float(stats.spearmanr(np.arange(len(means)), means).statistic)


def _break_even(gain: float, new_share: float) -> float:
    """Each replaced share is one sale and one purchase."""
    return gain / (2 * new_share) * BASIS_POINTS if new_share > 0 else math.nan


@dataclass(frozen=True, slots=True)
class TimeSeriesFit:
    """How a score goes with the symbol's own return: means over its dates, and over symbols where there are several."""

    correlation: MeanInterval
    """Pearson's, of score and return over time."""
    rank_correlation: MeanInterval
    """Spearman's."""
    same_sign: MeanInterval
    """Share of dates on which score and return had the same sign, among those where neither was 0."""


def measure_timing(scores: FloatArray, returns: FloatArray, overlap: int) -> TimeSeriesFit:
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
    return TimeSeriesFit(pearson.within(-1, 1), spearman.within(-1, 1), signs.within(0, 1))


def _standard(values: FloatArray, both: BoolArray) -> FloatArray:
    """Each column less its mean, over its population deviation; NaN where there are too few dates or no deviation."""
    count = both.sum(axis=0)
    mean = np.where(both, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    away = np.where(both, values - mean, 0.0)
    deviation = np.sqrt((away**2).sum(axis=0) / np.maximum(count, 1))
    usable = both & (count >= FEWEST_DATES) & (np.ptp(np.where(both, values, mean), axis=0) > 0)
    return np.asarray(np.divide(away, deviation, out=np.full(values.shape, np.nan), where=usable & (deviation > 0)))
