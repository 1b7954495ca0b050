"""The deflated Sharpe ratio: how sure is a Sharpe ratio, known how many were tried to find it?

Sharpe ratios here are of a session, not annual. Shape letters: T sessions, N trials.
Source: Bailey and Lopez de Prado, "The deflated Sharpe ratio: correcting for selection bias, backtest overfitting and
non-normality", Journal of Portfolio Management 40 (2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from kronos_quant.arrays import FloatArray

ASKED = 0.95
"""A strategy passes with a probability above it."""

FEWEST_SESSIONS = 20
"""Below so many returns their skew and kurtosis say nothing."""

ZERO_SPREAD = 1e-15
"""Below this, a standard deviation of returns is rounding noise of a flat series."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What the test needs to know of session returns; NaN where they are flat.

    sharpe : mean / sample standard deviation; skew, kurtosis : of the population, 0 and 3 for a normal distribution
    """

    sessions: int
    sharpe: float
    skew: float
    kurtosis: float


def moments_of(returns: FloatArray) -> Moments:
    """The moments of returns f64[T]."""
    if len(returns) < 2 or np.std(returns) < ZERO_SPREAD:
        return Moments(len(returns), math.nan, math.nan, math.nan)
    deviations = (returns - returns.mean()) / returns.std()
    sharpe = float(returns.mean() / returns.std(ddof=1))
    return Moments(len(returns), sharpe, float((deviations**3).mean()), float((deviations**4).mean()))


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """The test of one Sharpe ratio.

    probability : that the true Sharpe ratio is above `luck`; NaN for flat and for too few returns
    luck : the highest Sharpe ratio, of a session, that so many worthless trials are expected to show
    trials : how many there were, this one included; variance : of their Sharpe ratios, at this one's length
    """

    probability: float
    luck: float
    trials: int
    variance: float
    moments: Moments

    @property
    def told_luck(self) -> float:
        """`luck`, NaN where the returns cannot be held against it."""
        return math.nan if math.isnan(self.probability) else self.luck

    @property
    def passes(self) -> bool:
        """Whether the probability is as high as asked."""
        return self.probability > ASKED


def probabilistic_sharpe(moments: Moments, threshold: float) -> float:
    """The probability that the true Sharpe ratio is above a threshold; NaN where the returns cannot say.

    Source: Bailey and Lopez de Prado, "The Sharpe ratio efficient frontier", Journal of Risk 15 (2012).
    """
    sharpe = moments.sharpe
    if math.isnan(sharpe) or moments.sessions < FEWEST_SESSIONS:
        return math.nan
    variance = 1 - moments.skew * sharpe + (moments.kurtosis - 1) / 4 * sharpe**2
    # of real moments it is never negative, and 0 only where returns take two values
    error = math.sqrt(max(variance, ZERO_SPREAD) / (moments.sessions - 1))
    return float(ndtr((sharpe - threshold) / error))


def expected_maximum(variance: float, trials: int) -> float:
    """The highest of so many Sharpe ratios that is to be expected where the true ones are 0.

    0 for a single trial: nothing was chosen.
    """
    if trials < 2:
        return 0.0
    typical, rare = ndtri(1 - 1 / trials), ndtri(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * float((1 - np.euler_gamma) * typical + np.euler_gamma * rare)


def deflated_sharpe(own: Moments, sharpes: FloatArray, sessions: FloatArray) -> DeflatedSharpe:
    """The test of `own` among all trials.

    sharpes, sessions : f64[N], of every trial, this one included. A trial of too few sessions and one with a NaN Sharpe
    ratio count, and say nothing of the spread: three returns may show any ratio. A Sharpe ratio of noise spreads as
    1 / sqrt(sessions), so that those of other lengths are put at this one's: among trials of one length, the published
    formula.
    """
    known = ~np.isnan(sharpes) & (sessions >= FEWEST_SESSIONS)
    at_this_length = sharpes[known] * np.sqrt(sessions[known] / max(own.sessions, 1))
    variance = float(np.var(at_this_length, ddof=1)) if len(at_this_length) > 1 else 0.0
    luck = expected_maximum(variance, len(sharpes))
    return DeflatedSharpe(probabilistic_sharpe(own, luck), luck, len(sharpes), variance, own)
