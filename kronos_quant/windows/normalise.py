"""From rows to the numbers of a window: time features, and normalisation by the lookback, compiled.

Nothing that happens after the lookback moves a number inside the window. Statistics are float64; a column that is
constant over the lookback becomes exactly 0 there (in float32 it would turn into rounding noise). Sums are in the order
of the bars, without fused steps; other threads run meanwhile. The compiled functions raise nothing: `samples.gather`
passes only rows that are in the table.
Shapes: R rows of the table, B windows, L lookback, T = L + H bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from kronos_quant.schema import FEATURES

STAMP_COLUMNS = ("minute", "hour", "weekday", "day", "month")
"""Monday is weekday 0."""
STD_FLOOR = 1e-5
"""Added to the standard deviation, as the published model was trained."""
FEATURE_COUNT = len(FEATURES)
STAMP_COUNT = len(STAMP_COLUMNS)
"""Constants, so that the loops over the columns are unrolled."""
ROWS_A_LINE, STAMPS_A_LINE = 2, 6
"""Rows of values and of stamps in a cache line of 64 bytes."""


def stamps(times: pl.Series | Sequence[date]) -> NDArray[np.int16]:
    """Time features of bar-end stamps: int16[N, 5] in the order of STAMP_COLUMNS.

    Daily bars are stamped at 00:00 of their session, so their minute and hour are 0.
    """
    part = pl.Series(times).cast(pl.Datetime("us")).dt
    columns = (part.minute(), part.hour(), part.weekday() - 1, part.day(), part.month())
    return np.stack([column.cast(pl.Int16).to_numpy() for column in columns], axis=1)


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and population standard deviation of each column over the lookback, float64[B, 1, 6]."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]


def denormalise(values: NDArray[np.floating], scale: Scale) -> NDArray[np.float64]:
    """Back to price units: value * (std + 1e-5) + mean; float[B, T, 6] or, for S paths, float[B, S, T, 6]."""
    mean, std = scale.mean, scale.std
    if values.ndim == mean.ndim + 1:
        mean, std = mean[:, None], std[:, None]
    return values * (std + STD_FLOOR) + mean


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
    """Fill out[B, T, 6] with T rows from each `begin`: (value - mean) / (std + 1e-5), clipped to +-clip.

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
