"""Calibrated quantiles: split conformal on the forecasts whose outcome was known by then.

The residual of a past forecast is how far its realised return lay from its median, in units of its own spread. The
quantiles of the residuals of the last `sessions` sessions, all symbols together, times a forecast's spread, added to
its median, are its calibrated quantiles. A forecast of session t enters at session t + H, when its outcome is known;
nothing later is looked at, so no date uses its own future.
Source: Papadopoulos et al. (2002) and Lei et al. (2018), normalised split conformal prediction; its (n + 1) p-th of n
residuals is the weibull rule of the quantiles here. The window rolls, so that a change of regime passes through.
Shapes: T dates, N symbols, Q quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kronos_quant.config import Section
from kronos_quant.signals.scores import LEVELS, QUANTILES

FloatArray = NDArray[np.float64]

CALIBRATED = tuple(f"cal_{name}" for name in QUANTILES)
"""The columns of the calibrated quantiles at LEVELS, beside the raw ones."""
CALIBRATED_RISE = "cal_p_rise"


class Calibration(Section):
    """How the quantiles of a recipe are calibrated when they are read."""

    method: Literal["conformal"] = Field("conformal", description="quantiles of past residuals, scaled by the spread")
    sessions: int = Field(250, ge=20, description="past sessions with a known outcome that are learned from")
    least: int = Field(200, ge=20, description="residuals without which a date is not calibrated")


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Calibrated quantiles float64[T, N, Q] and probabilities of a rise float64[T, N]; NaN where none can be."""

    quantiles: FloatArray
    p_rise: FloatArray


def calibrate(
    median: FloatArray, spread: FloatArray, realised: FloatArray, horizon: int, settings: Calibration
) -> Calibrated:
    """Calibrate forecasts of consecutive sessions.

    median, spread : float64[T, N] of each forecast; realised : float64[T, N] its outcome `horizon` sessions later.
    All may hold NaN: a forecast without an outcome teaches nothing, one without a spread is not calibrated.
    Row t looks at realised[: t - horizon + 1] only.
    """
    scale = np.where(spread > 0, spread, np.nan)
    residual = (realised - median) / scale
    quantiles = np.full((*median.shape, len(LEVELS)), np.nan)
    p_rise = np.full(median.shape, np.nan)
    for t in range(len(median)):
        known = slice(max(t - horizon + 1 - settings.sessions, 0), max(t - horizon + 1, 0))
        pool = residual[known]
        pool = np.sort(pool[np.isfinite(pool)])
        if len(pool) < settings.least:
            continue
        away = np.quantile(pool, LEVELS, method="weibull")
        quantiles[t] = median[t, :, None] + away * scale[t, :, None]
        # the share of the residuals that would carry this forecast above 0
        above = len(pool) - np.searchsorted(pool, -median[t] / scale[t], side="right")
        p_rise[t] = np.where(np.isfinite(scale[t]), (above + 0.5) / (len(pool) + 1), np.nan)
    return Calibrated(quantiles, p_rise)
