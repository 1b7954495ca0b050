"""Windows cut out of the table and normalised in one pass, compiled.

Shapes: R rows of the table, B windows, L lookback, T = L + H bars. The same numbers, bit for bit, as
`normalise.lookback_scale` and `normalise.normalise` give: float64 sums in the order of the bars, no fused steps. Other
threads run meanwhile. These functions raise nothing: `samples.gather` passes rows in that are in the table.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kronos_quant import schema
from kronos_quant.windows.normalise import STD_FLOOR
from kronos_quant.windows.stamps import STAMP_COLUMNS

FEATURE_COUNT = len(schema.FEATURES)
STAMP_COUNT = len(STAMP_COLUMNS)
"""Constants, so that the loops over the columns are unrolled."""
ROWS_A_LINE, STAMPS_A_LINE = 2, 6
"""Rows of values and of stamps in a cache line of 64 bytes."""


@njit("void(f4[:, ::1], i8[::1], i8, f8[:, ::1], f8[:, ::1])", cache=True, nogil=True)
def scales_nb(
    values: NDArray[np.float32],
    begin: NDArray[np.int64],
    lookback: int,
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
) -> None:
    """Fill mean[B, 6] and std[B, 6] (0: set beforehand) with the statistics of `lookback` rows from each `begin`."""
    for b in range(len(begin)):
        first = begin[b]
        for i in range(first, first + lookback):
            for j in range(FEATURE_COUNT):
                mean[b, j] += np.float64(values[i, j])
        for j in range(FEATURE_COUNT):
            mean[b, j] /= lookback
        for i in range(first, first + lookback):
            for j in range(FEATURE_COUNT):
                away = np.float64(values[i, j]) - mean[b, j]
                std[b, j] += away * away
        for j in range(FEATURE_COUNT):
            std[b, j] = np.sqrt(std[b, j] / lookback)
            same = first
            while same < first + lookback and values[same, j] == values[first, j]:
                same += 1
            if same == first + lookback:
                mean[b, j] = np.float64(values[first, j])
                std[b, j] = 0.0


@njit("f4(f4[:, ::1], i8[::1], f8, f8[:, ::1], f8[:, ::1], f4[:, :, ::1])", cache=True, nogil=True)
def cut_nb(
    values: NDArray[np.float32],
    begin: NDArray[np.int64],
    clip: float,
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    out: NDArray[np.float32],
) -> np.float32:
    """Fill out[B, T, 6] with T rows from each `begin`, normalised by mean[B, 6] and std[B, 6].

    Windows lie anywhere in memory, so the next one is touched before this one is computed: what is returned has no
    meaning but to keep that.
    """
    touched = np.float32(0)
    centre, divisor = np.empty(FEATURE_COUNT, np.float64), np.empty(FEATURE_COUNT, np.float64)
    for b in range(len(begin)):
        for j in range(FEATURE_COUNT):
            centre[j] = mean[b, j]
            divisor[j] = std[b, j] + STD_FLOOR
        following = begin[min(b + 1, len(begin) - 1)]
        for i in range(0, out.shape[1], ROWS_A_LINE):
            touched += values[following + i, 0]
        for i in range(out.shape[1]):
            for j in range(FEATURE_COUNT):
                scaled = (np.float64(values[begin[b] + i, j]) - centre[j]) / divisor[j]
                if scaled > clip:
                    scaled = clip
                if scaled < -clip:
                    scaled = -clip
                out[b, i, j] = np.float32(scaled)
    return touched


@njit("i2(i2[:, ::1], i8[::1], i2[:, :, ::1])", cache=True, nogil=True)
def copy_nb(rows: NDArray[np.int16], begin: NDArray[np.int64], out: NDArray[np.int16]) -> np.int16:
    """Fill out[B, T, :] with T rows from each `begin`; what is returned is that of `cut_nb`."""
    touched = np.int16(0)
    for b in range(len(begin)):
        following = begin[min(b + 1, len(begin) - 1)]
        for i in range(0, out.shape[1], STAMPS_A_LINE):
            touched += rows[following + i, 0]
        for i in range(out.shape[1]):
            for j in range(STAMP_COUNT):
                out[b, i, j] = rows[begin[b] + i, j]
    return touched
