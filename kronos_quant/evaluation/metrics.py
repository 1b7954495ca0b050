"""Pure functions on arrays. Shapes: T dates, N symbols."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

FEWEST_PAIRS = 3


@dataclass(frozen=True, slots=True)
class MeanEstimate:
    """A mean over independent dates with its standard error; `t` is NaN where the error is 0 or unknown."""

    mean: float
    std_error: float
    count: int

    @property
    def t(self) -> float:
        """Mean in standard errors."""
        return self.mean / self.std_error if self.std_error > 0 else float("nan")

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ± {self.std_error:.3f} (t {self.t:.1f}, {self.count} dates)"


def rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman correlation of two float64[N]; NaN pairs are left out.

    NaN where fewer than 3 pairs remain or one side is constant. Source: scipy.stats.spearmanr.
    """
    both = np.isfinite(a) & np.isfinite(b)
    x, y = a[both], b[both]
    if len(x) < FEWEST_PAIRS or (x == x[0]).all() or (y == y[0]).all():
        return float("nan")
    return float(stats.spearmanr(x, y).statistic)


def rank_ic(scores: FloatArray, forward_returns: FloatArray) -> FloatArray:
    """Spearman correlation of scores with forward returns, one value a date.

    scores, forward_returns : float64[T, N]; NaN pairs are left out.
    Returns float64[T], NaN where fewer than 3 pairs remain or one side is constant. Raises ValueError if shapes differ.
    """
    return np.array([rank_correlation(a, b) for a, b in zip(scores, forward_returns, strict=True)])


def estimate_mean(values: FloatArray) -> MeanEstimate:
    """Mean of float64[T] over its finite values, which are taken to be independent (dates that do not overlap)."""
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return MeanEstimate(float(finite.mean()) if len(finite) else float("nan"), float("nan"), len(finite))
    return MeanEstimate(float(finite.mean()), float(stats.sem(finite)), len(finite))
