"""Alpha and beta against a benchmark, with errors that hold where returns are correlated over time.

Shape letter: T sessions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from kronos_quant.arrays import FloatArray

FEWEST = 10
"""Sessions below which a regression says nothing."""


@dataclass(frozen=True, slots=True)
class Regression:
    """Of session returns on those of a benchmark; NaN where they cannot say.

    alpha : mean return a session that beta does not explain; their t values by Newey and West's errors with `lags`
    """

    alpha: float
    beta: float
    alpha_t: float
    beta_error: float
    r_squared: float
    lags: int


def regress(returns: FloatArray, benchmark: FloatArray) -> Regression:
    """The regression of returns f64[T] on a benchmark's f64[T].

    Errors are heteroskedasticity and autocorrelation consistent: statsmodels, Bartlett weights, 4 (T / 100)^(2/9) lags.
    """
    nan = math.nan
    if len(returns) < FEWEST or np.ptp(benchmark) == 0 or np.ptp(returns) == 0:
        return Regression(nan, nan, nan, nan, nan, 0)
    from statsmodels.regression.linear_model import OLS

    lags = usual_lags(len(returns))
    found = OLS(returns, np.column_stack([np.ones(len(benchmark)), benchmark])).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags}
    )
    alpha, beta = found.params
    alpha_error, beta_error = found.bse
    alpha_t = float(alpha / alpha_error) if alpha_error > 0 else nan
    return Regression(float(alpha), float(beta), alpha_t, float(beta_error), float(found.rsquared), lags)


def usual_lags(sessions: int) -> int:
    """Lags for so many sessions. Source: Newey and West, Review of Economic Studies 61 (1994), as commonly used."""
    return int(4 * (sessions / 100) ** (2 / 9))


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over sessions and its error by Newey and West; the error is NaN where the values cannot say."""

    value: float
    error: float

    @property
    def t(self) -> float:
        """The mean over its error."""
        return self.value / self.error if self.error > 0 else math.nan


def mean_of(values: FloatArray) -> Mean:
    """The mean of f64[T]."""
    if len(values) < FEWEST or np.ptp(values) == 0:
        return Mean(float(values.mean()) if len(values) else math.nan, math.nan)
    from statsmodels.regression.linear_model import OLS

    found = OLS(values, np.ones(len(values))).fit(cov_type="HAC", cov_kwds={"maxlags": usual_lags(len(values))})
    return Mean(float(found.params[0]), float(found.bse[0]))


@dataclass(frozen=True, slots=True)
class Paired:
    """One series less another on the same sessions; NaN where they cannot say.

    annual_difference : of the mean returns; low, high : its two-sided 95 % interval; t : of the mean difference
    correlation : of the two
    """

    sessions: int
    annual_difference: float
    low: float
    high: float
    t: float
    correlation: float


def paired(returns: FloatArray, other: FloatArray, sessions_per_year: int) -> Paired:
    """The paired test of returns f64[T] against another's f64[T]."""
    found = mean_of(returns - other)
    reach = float(ndtri(0.975)) * found.error
    moving = len(returns) > 1 and np.ptp(returns) > 0 and np.ptp(other) > 0
    correlation = float(np.corrcoef(returns, other)[0, 1]) if moving else math.nan
    low, high = ((found.value + side) * sessions_per_year for side in (-reach, reach))
    return Paired(len(returns), found.value * sessions_per_year, low, high, found.t, correlation)
