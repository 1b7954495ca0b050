"""Correlation of scores with what followed, one value a date. Shapes: T dates, N symbols."""

from __future__ import annotations

import numpy as np
from scipy import stats

from kronos_quant.arrays import BoolArray, FloatArray, IntArray

FEWEST_PAIRS = 3


def ic(scores: FloatArray, returns: FloatArray) -> FloatArray:
    """Pearson correlation of scores with returns, one value a date.

    scores, returns : float64[T, N]; pairs with a value that is not finite are left out.
    Returns float64[T], NaN where fewer than 3 pairs remain or one side is constant. Raises ValueError if shapes differ.
    """
    both = _pairs(scores, returns)
    return _correlation(scores, returns, both)


def rank_ic(scores: FloatArray, returns: FloatArray) -> FloatArray:
    """Spearman correlation of scores with returns, as `ic` has Pearson's; ties share their mean rank."""
    both = _pairs(scores, returns)
    return _correlation(ranks(scores, both), ranks(returns, both), both)


def rank_ic_by_group(scores: FloatArray, returns: FloatArray, group: IntArray) -> FloatArray:
    """float64[D]: `rank_ic` of scores and returns float64[n] in each of D groups; group : int64[n], 0 up, ascending.

    A group with a value that is not finite has none. Added up as `np.corrcoef` does: training keeps epochs by its bits.
    """
    parts = np.split(np.arange(len(group)), np.flatnonzero(np.diff(group)) + 1)
    found = [
        correlation(stats.rankdata(scores[part]), stats.rankdata(returns[part]))
        if len(part) >= FEWEST_PAIRS
        else np.nan
        for part in parts
    ]
    return np.array(found)


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson correlation of two float64[n]; NaN where one of them is constant or has a value that is not finite."""
    varied = len(a) > 1 and a.max() > a.min() and b.max() > b.min()
    return float(np.corrcoef(a, b)[0, 1]) if varied else np.nan


def ranks(values: FloatArray, among: BoolArray | None = None) -> FloatArray:
    """Rank of each value in its row, from 1; ties share their mean rank, and what is not ranked is NaN.

    values : float64[T, N]; among : bool[T, N], default: the finite ones.
    """
    among = np.isfinite(values) if among is None else among
    # those left out rank behind all others, so that they change no rank
    ranked = stats.rankdata(np.where(among, values, np.inf), axis=1)
    return np.where(among, ranked, np.nan)


def _pairs(scores: FloatArray, returns: FloatArray) -> BoolArray:
    if scores.shape != returns.shape:
        raise ValueError(f"scores {scores.shape} and returns {returns.shape} differ in shape")
    return np.isfinite(scores) & np.isfinite(returns)


def _correlation(a: FloatArray, b: FloatArray, both: BoolArray) -> FloatArray:
    count = both.sum(axis=1)
    varied = (count >= FEWEST_PAIRS) & _varies(a, both) & _varies(b, both)
    x, y = _centred(a, both, count), _centred(b, both, count)
    scale = np.sqrt((x * x).sum(axis=1)) * np.sqrt((y * y).sum(axis=1))
    product = (x * y).sum(axis=1)
    found = np.divide(product, scale, out=np.full(len(a), np.nan), where=varied & (scale > 0))
    return np.asarray(np.clip(found, -1.0, 1.0))


def _varies(values: FloatArray, both: BoolArray) -> BoolArray:
    """bool[T]: whether a row has two values that differ. (A sum of squares of equal values need not be 0.)"""
    highest = np.where(both, values, -np.inf).max(axis=1, initial=-np.inf)
    lowest = np.where(both, values, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(highest > lowest)


def _centred(values: FloatArray, both: BoolArray, count: FloatArray) -> FloatArray:
    kept = np.where(both, values, 0.0)
    mean = kept.sum(axis=1) / np.maximum(count, 1)
    centred = np.where(both, kept - mean[:, None], 0.0)
    # correlation has no scale; without this the squares of tiny numbers vanish
    largest = np.abs(centred).max(axis=1, initial=0.0)[:, None]
    return np.asarray(np.divide(centred, largest, out=centred, where=largest > 0))
