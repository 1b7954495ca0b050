"""The array types and tolerances that every package shares.

A float array is of 64 bits unless its name says otherwise: figures are computed in float64, bars and weights are stored
in float32.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
RankArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]
StateArray = NDArray[np.uint8]
"""The state of each symbol in each bar, a small code."""

FLOAT32_NOISE = 2e-7
"""Relative error of a raw price that is the ratio of two float32 numbers."""
