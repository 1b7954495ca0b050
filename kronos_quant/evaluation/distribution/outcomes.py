"""The probability of a rise and the expected return against what came. Shapes: T dates, N symbols, B bins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.panel.matrix import finite_mean

RELIABILITY_BINS = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """Forecast probabilities of a rise in tenths: their mean, the share that rose, and how many there were."""

    forecast: FloatArray  # [B], NaN where a tenth holds none
    rose: FloatArray
    count: FloatArray


@dataclass(frozen=True, slots=True)
class PointErrors:
    """The expected return against what came; NaN where it is not defined."""

    mae: float
    mse: float
    r2: float
    """1 - squared error over the outcomes' variance: 0 is as good as knowing their mean."""
    r2_against_last_close: float
    """1 - squared error over that of the forecast "no change"."""
    correlation: float
    directional_accuracy: float
    """Share of forecasts and outcomes of the same sign, among those where neither is 0."""


def brier(p_rise: FloatArray, outcome: FloatArray) -> float:
    """Mean squared difference between the probability of a rise and whether it came; 0.25 is a coin's."""
    rose = np.where(np.isfinite(outcome), outcome > 0, np.nan)
    return finite_mean((p_rise - rose) ** 2)


def reliability(p_rise: FloatArray, outcome: FloatArray) -> Reliability:
    """Forecast and observed shares of rises by tenths of the forecast probability."""
    there = np.isfinite(outcome) & np.isfinite(p_rise)
    said, rose = p_rise[there], outcome[there] > 0
    tenth = np.minimum((said * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
    count = np.bincount(tenth, minlength=RELIABILITY_BINS).astype(np.float64)
    sums = [np.bincount(tenth, weights=values, minlength=RELIABILITY_BINS) for values in (said, rose)]
    empty = np.full(RELIABILITY_BINS, np.nan)
    forecast, came = (np.divide(total, count, out=empty.copy(), where=count > 0) for total in sums)
    return Reliability(forecast, came, count)


def point_errors(point: FloatArray, outcome: FloatArray) -> PointErrors:
    """Errors of the expected returns, over all cells together."""
    there = np.isfinite(outcome) & np.isfinite(point)
    said, came = point[there], outcome[there]
    if not len(came):
        return PointErrors(*[math.nan] * 6)
    squared = float(((came - said) ** 2).mean())
    signed = (said != 0) & (came != 0)
    varied = len(came) > 1 and said.std() > 0 and came.std() > 0
    return PointErrors(
        mae=float(np.abs(came - said).mean()),
        mse=squared,
        r2=_explained(squared, float(came.var())),
        r2_against_last_close=_explained(squared, float((came**2).mean())),
        correlation=float(np.corrcoef(said, came)[0, 1]) if varied else math.nan,
        directional_accuracy=float((np.sign(said) == np.sign(came))[signed].mean()) if signed.any() else math.nan,
    )


def _explained(squared: float, reference: float) -> float:
    return 1 - squared / reference if reference > 0 else math.nan
