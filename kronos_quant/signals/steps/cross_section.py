"""Steps that look at one date at a time. NaN is no opinion: it stays NaN and counts for nothing.

Shapes: T dates, N symbols, K exposures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from kronos_quant.arrays import FloatArray


def winsorise(scores: FloatArray, limit: float) -> FloatArray:
    """float64[T, N]: the scores, none beyond its date's `limit` and `1 - limit` quantile."""
    clipped = scores.copy()
    for t in np.flatnonzero(np.isfinite(scores).any(axis=1)):
        low, high = np.nanquantile(scores[t], (limit, 1 - limit))
        clipped[t] = np.clip(scores[t], low, high)
    return clipped


def zscore(scores: FloatArray) -> FloatArray:
    """float64[T, N]: scores less their date's mean over its population standard deviation; 0 where all are equal."""
    known = np.isfinite(scores)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    away = scores - np.where(known, scores, 0).sum(axis=1, keepdims=True) / count
    deviation = np.sqrt(np.where(known, away**2, 0).sum(axis=1, keepdims=True) / count)
    scale = np.abs(np.where(known, scores, 0)).max(axis=1, keepdims=True, initial=0)
    # the mean of equal numbers can differ from them in the last bits
    equal = deviation <= 1e-14 * scale
    standardised: FloatArray = np.where(known, np.where(equal, 0, away / np.where(equal, 1, deviation)), np.nan)
    return standardised


def rank(scores: FloatArray) -> FloatArray:
    """float64[T, N]: the share of the date's symbols below, ties sharing their mean place, in [-0.5, 0.5]."""
    count = np.maximum(np.isfinite(scores).sum(axis=1, keepdims=True), 1)
    places = rankdata(scores, axis=1, nan_policy="omit")
    ranked: FloatArray = (places - 0.5) / count - 0.5
    return ranked


def neutralise(scores: FloatArray, exposures: FloatArray, groups: NDArray[np.int64] | None = None) -> FloatArray:
    """float64[T, N]: the residual of each date's scores on a constant, the exposures and the groups.

    exposures : float64[T, N, K]; groups : int64[T, N], such as industries, one constant each; None: one for all.
    A symbol without one of the exposures has no opinion. A date with no more symbols than regressors leaves no
    residual: its scores are NaN, rather than rounding noise that would be ranked.
    """
    residual = np.full_like(scores, np.nan)
    usable = np.isfinite(scores) & np.isfinite(exposures).all(axis=2)
    for t in range(len(scores)):
        rows = np.flatnonzero(usable[t])
        if not len(rows):
            continue
        constants = np.ones((len(rows), 1)) if groups is None else _indicators(groups[t, rows])
        known = exposures[t, rows]
        spread = known.std(axis=0)
        varying = spread > 0
        design = np.hstack([constants, (known[:, varying] - known[:, varying].mean(axis=0)) / spread[varying]])
        if len(rows) <= design.shape[1]:
            continue
        coefficients = np.linalg.lstsq(design, scores[t, rows])[0]
        residual[t, rows] = scores[t, rows] - design @ coefficients
    return residual


def _indicators(groups: NDArray[np.int64]) -> FloatArray:
    """float64[n, G]: a column a group."""
    indicators: FloatArray = (groups[:, None] == np.unique(groups)).astype(np.float64)
    return indicators
