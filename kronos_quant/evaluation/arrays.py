"""The array types of this room. Shapes: T dates, N symbols, Q quantile levels; NaN is "not there"."""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray


def mean_of(values: FloatArray) -> float:
    """Mean of the finite values; NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def row_means(values: FloatArray) -> FloatArray:
    """float64[T]: mean of each row's finite values, NaN where a row has none."""
    there = np.isfinite(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0.0).sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0))
