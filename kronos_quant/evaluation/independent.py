"""A mean over dates that do not overlap, each an independent draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from kronos_quant.arrays import FloatArray


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


def estimate_mean(values: FloatArray) -> MeanEstimate:
    """Mean of float64[T] over its finite values, which are taken to be independent (dates that do not overlap)."""
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return MeanEstimate(float(finite.mean()) if len(finite) else float("nan"), float("nan"), len(finite))
    return MeanEstimate(float(finite.mean()), float(stats.sem(finite)), len(finite))
