"""Portfolios by score: what each fifth of the symbols returned, how often it changes, and what a trade may cost.

Shapes: T dates, N symbols, G groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kronos_quant.arrays import FloatArray
from kronos_quant.panel.matrix import finite_mean, row_means
from kronos_quant.stats.correlation import rank_ic, ranks
from kronos_quant.stats.intervals import MeanInterval, mean_interval

GROUPS = 5
BASIS_POINTS = 1e4


@dataclass(frozen=True, slots=True)
class Portfolios:
    """Equal-weighted fifths of the scored symbols, by score from the lowest to the highest."""

    groups: tuple[MeanInterval, ...]
    """Return over the horizon beyond the mean of all scored symbols of the date."""
    long_short: MeanInterval
    """Return of the best fifth less that of the worst."""
    monotonicity: float
    """Rank correlation of a group's place with its mean return: 1 where each is better than the one below."""
    turnover: float
    """Share of the best and the worst fifth that is replaced when they are made anew after the horizon."""
    daily_turnover: float
    """The same from one date to the next."""
    rank_persistence: float
    """Rank correlation of the scores with those of the date before."""
    break_even_bps: float
    """What buying or selling may cost, of the value traded, before long-short earns nothing; made anew after the
    horizon. NaN where nothing is traded."""
    break_even_long_bps: float
    """The same for holding the best fifth alone, against the mean of all scored symbols."""


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
