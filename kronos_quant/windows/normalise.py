"""Normalisation by the lookback alone: nothing that happens after it moves a number inside the window.

Shapes: B windows, L lookback, T = L + H bars. Statistics are float64; a column that is constant over the lookback
becomes exactly 0 there (in float32 it would turn into rounding noise).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STD_FLOOR = 1e-5
"""Added to the standard deviation, as the published model was trained."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and population standard deviation of each column over the lookback, float64[B, 1, 6]."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]


def lookback_scale(values: NDArray[np.float32], lookback: int) -> Scale:
    """Statistics of the first `lookback` bars of each window; `values` is float32[B, T, 6]."""
    past = values[:, :lookback].astype(np.float64)
    # the mean of equal numbers can differ from them in the last bit
    constant = (past == past[:, :1]).all(axis=1, keepdims=True)
    mean = np.where(constant, past[:, :1], past.mean(axis=1, keepdims=True))
    return Scale(mean, np.where(constant, 0.0, past.std(axis=1, keepdims=True)))


def normalise(values: NDArray[np.float32], scale: Scale, clip: float) -> NDArray[np.float32]:
    """(value - mean) / (std + 1e-5), clipped to +-clip: float32[B, T, 6]."""
    scaled = (values - scale.mean) / (scale.std + STD_FLOOR)
    return np.clip(scaled, -clip, clip).astype(np.float32)


def denormalise(values: NDArray[np.floating], scale: Scale) -> NDArray[np.float64]:
    """Back to price units: value * (std + 1e-5) + mean; float[B, T, 6] or, for S paths, float[B, S, T, 6]."""
    mean, std = scale.mean, scale.std
    if values.ndim == mean.ndim + 1:
        mean, std = mean[:, None], std[:, None]
    restored: NDArray[np.float64] = values * (std + STD_FLOOR) + mean
    return restored
