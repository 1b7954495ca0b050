"""Calibrated quantiles: split conformal on the forecasts whose outcome was known by then.

The residual of a past forecast is how far its realised return lay from its median, in units of its own spread. The
quantiles of the residuals of the last `sessions` sessions, all symbols together, times a forecast's spread, added to
its median, are its calibrated quantiles. A forecast enters when its outcome is known, so many bars later; nothing later
is looked at, so no date uses its own future. Each horizon (each bar of the path) is calibrated by its own residuals.
Source: Papadopoulos et al. (2002) and Lei et al. (2018), normalised split conformal prediction; its (n + 1) p-th of n
residuals is the weibull rule of the quantiles here. The window rolls, so that a change of regime passes through.
Residuals over many bars share most of them, and symbols move together, so that n of them tell less than n independent
ones: see `_widening`.
Shapes: T moments, N symbols, K moments learned from, n residuals of them, Q quantiles, W wanted moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.special import ndtr, stdtrit

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.bounds import MOST_BARS_COUNTED, SessionCount
from kronos_quant.config import Section
from kronos_quant.errors import ConfigError
from kronos_quant.panel.matrix import row_means
from kronos_quant.signals.moments import Moments
from kronos_quant.signals.scores import LEVELS, QUANTILES

CALIBRATED = tuple(f"cal_{name}" for name in QUANTILES)
"""The columns of the calibrated quantiles at LEVELS, next to the raw ones."""
CALIBRATED_RISE = "cal_p_rise"
CALIBRATED_PATH = tuple(f"cal_path_{name}" for name in QUANTILES)
"""The columns of the calibrated quantiles at LEVELS of each bar of the path."""

LEAST_SPANS = 4
"""Outcomes one after another, none overlapping the next, without which a date is not calibrated."""


class Calibration(Section):
    """How the quantiles of a recipe are calibrated when they are read."""

    units: ClassVar = {"sessions": "sessions", "residuals": "least"}

    method: Literal["conformal"] = Field("conformal", description="quantiles of past residuals, scaled by the spread")
    sessions: SessionCount = Field(
        250, ge=20, description="past sessions with known outcomes to learn from, more than 3 x horizon"
    )
    least: int = Field(
        200, ge=20, le=MOST_BARS_COUNTED, description="minimum number of residuals; a date with fewer is not calibrated"
    )


def check_history(settings: Calibration | None, horizon: int, name: str) -> None:
    """Raise ConfigError where the sessions learned from can never hold LEAST_SPANS outcomes over `horizon` of them."""
    if settings is not None and settings.sessions - 1 < (LEAST_SPANS - 1) * horizon:
        held = (settings.sessions - 1 + horizon) // horizon
        raise ConfigError(
            f"{name}: calibration: sessions: {settings.sessions} hold {held} non-overlapping outcomes of {horizon} "
            f"bars, expected at least {LEAST_SPANS}",
            hint=f"Set sessions to {(LEAST_SPANS - 1) * horizon + 1} or more, or leave calibration out.",
        )


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
    """Calibrate the forecasts of some moments by the outcomes of moments that lie `ahead` bars or more before.

    Where there are fewer than `settings.least` of them, or fewer than LEAST_SPANS that do not overlap, the result is
    NaN. A forecast without an outcome teaches nothing, one without a spread is not calibrated.
    median, spread, realised : float64[T, N] of each forecast, and its outcome `ahead` bars later; moments : of the T
    rows; wanted : int64[W], ascending, the rows to calibrate
    """
    scale = np.where(spread > 0, spread, np.nan)
    residual = (realised - median) / scale
    oldest = moments.session_before(ahead)[wanted] - settings.sessions
    starts = np.searchsorted(moments.session, oldest, side="right")
    stops = np.searchsorted(moments.bar, moments.bar[wanted] - ahead, side="right")
    quantiles = np.full((len(wanted), median.shape[1], len(LEVELS)), np.nan)
    p_rise = np.full((len(wanted), median.shape[1]), np.nan)
    common = row_means(residual)
    there = np.isfinite(common)
    for row, (t, pool) in enumerate(zip(wanted, _pools(residual, starts, stops), strict=True)):
        learned = np.flatnonzero(there[starts[row] : stops[row]]) + starts[row]
        spans = _spans(moments.bar[learned], ahead)
        if len(pool) < settings.least or spans < LEAST_SPANS:
            continue
        middle = _weibull(pool)[LEVELS.index(0.5)]
        away = pool - middle
        shared = row_means(np.abs(residual[learned] - middle)).var()
        expected = middle + _widening(away, spans, common[learned].var(), shared) * away
        quantiles[row] = median[t, :, None] + _weibull(expected) * scale[t, :, None]
        # the share of the expected residuals that would carry this forecast above 0
        above = len(pool) - np.searchsorted(expected, -median[t] / scale[t], side="right")
        p_rise[row] = np.where(np.isfinite(scale[t]), (above + 0.5) / (len(pool) + 1), np.nan)
    return Calibrated(quantiles, p_rise)


def _pools(residual: FloatArray, starts: IntArray, stops: IntArray) -> Iterator[FloatArray]:
    """The finite residuals of the rows from each start to before its stop, sorted; starts and stops ascend.

    Kept in order from one to the next: sorting each again would take most of the time.
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


def _spans(bar: IntArray, ahead: int) -> float:
    """How many outcomes of `ahead` bars, none overlapping the next, lie in those of moments at these places."""
    return float(min((bar[-1] - bar[0] + ahead) / ahead, len(bar))) if len(bar) else 0.0


def _widening(away: FloatArray, spans: float, common: float, shared: float) -> FloatArray:
    """float64[n]: how many times as far from their middle the next residuals lie as those of a pool.

    away : float64[n] distances of the pool from its middle, ascending; common : the variance of the mean residual of a
    moment, shared : that of its mean absolute distance.
    With k `spans` what all symbols have in common was seen k times. The mean of the pool then has the variance
    V = common / (k - 1); the variance around it is V too small, and that of the next residual V too large. And how far
    residuals lie from the middle is known as well as from so many independent ones as `shared` leaves degrees of
    freedom. Each part is a Student's t of its own degrees of freedom, as many times as wide as a normal as its
    quantiles are. What n independent residuals would have of all this is in the weibull rule.
    """
    count, variance, spread = len(away), away.var(), np.abs(away).var()
    if variance == 0 or spread == 0:
        return np.ones(count)
    mean = max(common / variance / (spans - 1) - 1 / (count - 1), 0.0)
    share = shared / spread
    freedom = 1 / max(share / (spans - 1 + share) - 1 / count, 1 / _MOST_FREEDOM)
    wider = np.sqrt(_over_normal(freedom) ** 2 + 2 * mean * _over_normal(spans - 1) ** 2)
    factors: FloatArray = np.interp(np.arange(1, count + 1) / (count + 1), _KNOTS, wider)
    return factors


_MOST_FREEDOM = 1e9
_KNOT_SCORES = np.linspace(-4, 4, 82)  # normal scores; none is 0
_KNOTS = ndtr(_KNOT_SCORES)


def _over_normal(freedom: float) -> FloatArray:
    """float64[knots]: the quantiles at _KNOTS of Student's t over those of the normal."""
    ratio: FloatArray = stdtrit(freedom, _KNOTS) / _KNOT_SCORES
    return ratio
