"""Normalisation of windows in plain NumPy: what the compiled code of `kronos_quant.windows` has to equal."""

import numpy as np

from kronos_quant.windows import STD_FLOOR, Scale


def lookback_scale(values: np.ndarray, lookback: int) -> Scale:
    """Statistics of the first `lookback` bars of each window; `values` is float32[B, T, 6]."""
    past = values[:, :lookback].astype(np.float64)
    # the mean of equal numbers can differ from them in the last bit
    constant = (past == past[:, :1]).all(axis=1, keepdims=True)
    mean = np.where(constant, past[:, :1], past.mean(axis=1, keepdims=True))
    return Scale(mean, np.where(constant, 0.0, past.std(axis=1, keepdims=True)))


def normalise(values: np.ndarray, scale: Scale, clip: float) -> np.ndarray:
    """(value - mean) / (std + 1e-5), clipped to +-clip: float32[B, T, 6]."""
    scaled = (values - scale.mean) / (scale.std + STD_FLOOR)
    return np.clip(scaled, -clip, clip).astype(np.float32)
