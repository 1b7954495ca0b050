"""Calibrated quantiles: split conformal on the forecasts whose outcome was known by then.

The residual of a past forecast is how far its realised return lay from its median, in units of its own spread. The
quantiles of the residuals of the last `sessions` sessions, all symbols together, times a forecast's spread, added to
its median, are its calibrated quantiles. A forecast enters when its outcome is known, so many bars later; nothing later
is looked at, so no date uses its own future. Each horizon (each bar of the path) is calibrated by its own residuals.
Source: Papadopoulos et al. (2002) and Lei et al. (2018), normalised split conformal prediction; its (n + 1) p-th of n
residuals is the weibull rule of the quantiles here. The window rolls, so that a change of regime passes through.
Residuals over many bars share most of them, and symbols move together, so that n of them tell less than n independent
ones: see `_widening`.
Shapes: T moments, N symbols, Q quantiles, W wanted moments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kronos_quant.config import Section
from kronos_quant.signals.moments import Moments
from kronos_quant.signals.scores import LEVELS, QUANTILES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CALIBRATED = tuple(f"cal_{name}" for name in QUANTILES)
"""The columns of the calibrated quantiles at LEVELS, beside the raw ones."""
CALIBRATED_RISE = "cal_p_rise"
CALIBRATED_PATH = tuple(f"cal_path_{name}" for name in QUANTILES)
"""The columns of the calibrated quantiles at LEVELS of each bar of the path."""


class Calibration(Section):
    """How the quantiles of a recipe are calibrated when they are read."""

    method: Literal["conformal"] = Field("conformal", description="quantiles of past residuals, scaled by the spread")
    sessions: int = Field(250, ge=20, description="past sessions with a known outcome that are learned from")
    least: int = Field(200, ge=20, description="residuals without which a date is not calibrated")


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Calibrated quantiles float64[W, N, Q] and probabilities of a rise float64[W, N]; NaN where none can be."""

    quantiles: FloatArray
    p_rise: FloatArray


def calibrate(
    median: FloatArray,
    spread: FloatArray,
    realised: FloatArray,
    moments: Moments,
    ahead: int,
    settings: Calibration,
    wanted: IntArray,
) -> Calibrated:
    """Calibrate the forecasts made at the `wanted` ones of some moments: int64[W], ascending.

    median, spread : float64[T, N] of each forecast; realised : float64[T, N] its outcome `ahead` bars later.
    All may hold NaN: a forecast without an outcome teaches nothing, one without a spread is not calibrated.
    Looks only at the outcomes of moments that lie `ahead` bars or more before.
    """
    scale = np.where(spread > 0, spread, np.nan)
    residual = (realised - median) / scale
    oldest = moments.session_before(ahead)[wanted] - settings.sessions
    starts = np.searchsorted(moments.session, oldest, side="right")
    stops = np.searchsorted(moments.bar, moments.bar[wanted] - ahead, side="right")
    quantiles = np.full((len(wanted), median.shape[1], len(LEVELS)), np.nan)
    p_rise = np.full((len(wanted), median.shape[1]), np.nan)
    common = _row_means(residual)
    for row, (t, pool) in enumerate(zip(wanted, _pools(residual, starts, stops), strict=True)):
        if len(pool) < settings.least:
            continue
        learned = slice(starts[row], stops[row])
        wider = _widening(pool, common[learned], moments.bar[learned], ahead)
        away = _weibull(pool)
        middle = away[LEVELS.index(0.5)]
        quantiles[row] = median[t, :, None] + (middle + wider * (away - middle)) * scale[t, :, None]
        # the share of the residuals, as far from their middle, that would carry this forecast above 0
        above = len(pool) - np.searchsorted(pool, middle + (-median[t] / scale[t] - middle) / wider, side="right")
        p_rise[row] = np.where(np.isfinite(scale[t]), (above + 0.5) / (len(pool) + 1), np.nan)
    return Calibrated(quantiles, p_rise)


def _pools(residual: FloatArray, starts: IntArray, stops: IntArray) -> Iterator[FloatArray]:
    """The finite residuals of the rows from each start to before its stop, sorted; starts and stops ascend.

    Kept in order from one to the next: sorting each anew would take most of the time.
    """
    pool, born, entered = np.empty(0), np.empty(0, dtype=np.int64), 0
    for start, stop in zip(starts, stops, strict=True):
        for row in range(max(entered, start), stop):
            new = np.sort(residual[row][np.isfinite(residual[row])])
            place = np.searchsorted(pool, new)
            pool, born = np.insert(pool, place, new), np.insert(born, place, row)
        entered = max(entered, stop)
        pool, born = pool[born >= start], born[born >= start]
        yield pool


def _weibull(pool: FloatArray) -> FloatArray:
    """float64[Q]: the quantiles at LEVELS of sorted values, between the (n + 1) p-th and its neighbour."""
    place = np.clip(np.array(LEVELS) * (len(pool) + 1) - 1, 0, len(pool) - 1)
    quantiles: FloatArray = np.interp(place, np.arange(len(pool)), pool)
    return quantiles


def _row_means(residual: FloatArray) -> FloatArray:
    """float64[T]: the mean residual of each moment; NaN where it has none."""
    known = np.isfinite(residual)
    count = known.sum(axis=1)
    total = np.where(known, residual, 0.0).sum(axis=1)
    means: FloatArray = np.divide(total, count, out=np.full(len(residual), np.nan), where=count > 0)
    return means


def _widening(pool: FloatArray, common: FloatArray, bar: IntArray, ahead: int) -> float:
    """How many times as far from their middle the next residuals lie as those of a pool.

    common : float64[K] mean residual of each moment of the pool, bar : int64[K] their places. Moments whose `ahead`
    bars overlap are one look at what symbols have in common, so that the mean of the pool has the variance V of the
    means of its moments over the number of spans of `ahead` bars, less one. The variance s around that mean is V too
    small, and that of the next residual V too large: sqrt(1 + 2 V / s). What n independent residuals would have of it,
    V = s / (n - 1), is in the weibull rule.
    """
    known, spread = np.isfinite(common), pool.var()
    if len(pool) < 2 or spread == 0:
        return 1.0
    places = bar[known]
    spans = min((places[-1] - places[0] + ahead) / ahead, len(places))
    excess = common[known].var() / spread / max(spans - 1, 1) - 1 / (len(pool) - 1)
    return math.sqrt(1 + 2 * max(float(excess), 0.0))
