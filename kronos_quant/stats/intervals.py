"""The mean of a series over time with its 95% interval, and the same errors for alpha and beta: one rule for all.

Returns over h sessions, measured every session, share up to h - 1 sessions with their neighbours, and daily returns are
correlated over time too, so that the usual error of a mean is too small. The rule here is that of Lazarus, Lewis, Stock
and Watson, "HAR inference: recommendations for practice", Journal of Business & Economic Statistics 36 (2018): project
the values on the slowest cosine waves of the span, 0.4 n^(2/3) of them and one per two horizons at most; each gives
one independent look at the variance of the mean, and as many looks make the degrees of freedom of a t interval. It is
a HAC estimator as Newey and West's is. With overlapping returns and few dates theirs covers less than it claims, with
the usual 4 (n / 100)^(2/9) lags far less, and with the 1.3 sqrt(n) lags of the same authors and Kiefer and Vogelsang's
critical values still somewhat less (benchmarks/README.md), so that it is reported for comparison only.

Shapes: T sessions of the span, n dates with a value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from kronos_quant.arrays import BoolArray, FloatArray

CONFIDENCE = 0.95
POWER = 0.8
"""Probability of detecting an edge of the size found, for the count of dates that it needs."""

WAVES = 0.4
"""Waves at most: this times n^(2/3), as recommended for few dates (Lazarus and others 2018)."""
HORIZONS_A_WAVE = 2
"""Each further wave needs this many horizons of sessions: a faster one would no longer see the overlap whole."""
FEWEST_WAVES = 2

ROUNDING = 1e-12
"""An error that is so small against its mean is that of equal values."""
FEWEST_SESSIONS = 10
"""A regression on fewer says nothing."""

BANDWIDTH = 1.3
"""Newey and West's lags: this times sqrt(n) (Lazarus and others 2018)."""


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean over dates and its two-sided 95% interval; all but `mean` is NaN where the dates are too few to say."""

    mean: float
    std_error: float
    low: float
    high: float
    dates: int
    """Dates with a value."""
    degrees: int
    """Of freedom; 0 where the dates are too few."""
    std: float
    """Standard deviation of the values, over dates."""

    @property
    def known(self) -> bool:
        """Whether there are dates enough for an interval."""
        return math.isfinite(self.low)

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above 0: of the rank IC at the main horizon this is what "edge" means."""
        return self.low > 0

    @property
    def ratio(self) -> float:
        """Mean over the dates' standard deviation: of an IC, the ICIR (a date's, not a year's)."""
        return self.mean / self.std if self.std > 0 else math.nan

    def in_deviations(self) -> MeanInterval:
        """The interval of `ratio`, as far as the standard deviation itself is known."""
        return self.scaled(1 / self.std if self.std > 0 else math.nan)

    def scaled(self, factor: float) -> MeanInterval:
        """The interval in other units; factor is above 0."""
        parts = ("mean", "std_error", "low", "high", "std")
        return replace(self, **{name: getattr(self, name) * factor for name in parts})

    def within(self, least: float, most: float) -> MeanInterval:
        """The interval as far as such a mean can lie: a share is nowhere below 0 or above 1."""
        return replace(self, low=max(self.low, least), high=min(self.high, most)) if self.known else self

    @property
    def t(self) -> float:
        """The mean in standard errors; NaN where the error is 0 or unknown."""
        return self.mean / self.std_error if self.std_error > ROUNDING * abs(self.mean) else math.nan

    @property
    def margin(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    def text(self) -> str:
        """The mean and its interval."""
        if math.isnan(self.mean):
            return "not available"
        if not self.known:
            return f"{self.mean:+.3f} (no confidence interval)"
        return f"{self.mean:+.3f} (95% CI {self.low:+.3f} to {self.high:+.3f})"


def mean_interval(values: FloatArray, horizon: int) -> MeanInterval:
    """The mean of float64[T], one value a session in their order, NaN where a session has none; with its interval.

    horizon : sessions that a value looks ahead. No interval is given where n dates allow fewer than 2 waves, that is
    for fewer than 12 dates or a span shorter than 4 horizons.
    """
    there = np.isfinite(values)
    n = int(there.sum())
    mean = float(values[there].mean()) if n else math.nan
    std = float(values[there].std(ddof=1)) if n > 1 else math.nan
    waves = _wave_count(there, horizon)
    if waves < FEWEST_WAVES:
        return MeanInterval(mean, math.nan, math.nan, math.nan, n, 0, std)
    looks = _waves(there, waves).T @ values[there]
    error = float(np.sqrt((looks * looks).mean() / n))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, waves)) * error
    return MeanInterval(mean, error, mean - reach, mean + reach, n, waves, std)


def independent_interval(values: FloatArray) -> MeanInterval:
    """The mean of the finite values of float64[T], taken to be independent, with Student's interval.

    Of returns, only those of dates that do not overlap are. No interval is given for fewer than two values.
    """
    finite = values[np.isfinite(values)]
    n = len(finite)
    mean = float(finite.mean()) if n else math.nan
    if n < 2:
        return MeanInterval(mean, math.nan, math.nan, math.nan, n, 0, math.nan)
    error = float(stats.sem(finite))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return MeanInterval(mean, error, mean - reach, mean + reach, n, n - 1, float(finite.std(ddof=1)))


def dates_needed(found: MeanInterval) -> int | None:
    """Dates that it takes to detect a mean of this size with 80% power; None where it is not above 0.

    The error of a mean falls with the root of the dates; normal quantiles, for there will be many.
    """
    if not (found.known and found.mean > 0):
        return None
    quantiles = stats.norm.ppf((1 + CONFIDENCE) / 2) + stats.norm.ppf(POWER)
    return math.ceil(found.dates * float(quantiles * found.std_error / found.mean) ** 2)


@dataclass(frozen=True, slots=True)
class Regression:
    """Of session returns on those of a benchmark; NaN where they cannot say.

    alpha : mean return a session that beta does not explain; alpha_t : over its error; degrees : of freedom, of both
    """

    alpha: float
    beta: float
    alpha_t: float
    beta_error: float
    degrees: int


def regress(returns: FloatArray, benchmark: FloatArray) -> Regression:
    """The regression of returns float64[T] on a benchmark's float64[T], with errors by the rule of `mean_interval`."""
    nan, T = math.nan, len(returns)
    if T < FEWEST_SESSIONS or np.ptp(benchmark) == 0 or np.ptp(returns) == 0:
        return Regression(nan, nan, nan, nan, 0)
    X = np.column_stack([np.ones(T), benchmark])
    alpha, beta = (float(value) for value in np.linalg.lstsq(X, returns)[0])
    there = np.ones(T, dtype=bool)
    waves = _wave_count(there, 1)
    if waves < FEWEST_WAVES:
        return Regression(alpha, beta, nan, nan, 0)
    looks = _waves(there, waves).T @ (X * (returns - X @ (alpha, beta))[:, None])
    bread = np.linalg.inv(X.T @ X)
    errors = np.sqrt(np.diag(T * bread @ (looks.T @ looks / waves) @ bread))
    alpha_t = alpha / float(errors[0]) if errors[0] > ROUNDING * abs(alpha) else nan
    return Regression(alpha, beta, alpha_t, float(errors[1]), waves)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """One series minus another on the same sessions; NaN where they cannot say.

    annual_difference : of the mean returns; low, high : its two-sided 95% interval; t : of the mean difference
    correlation : of the two
    """

    sessions: int
    annual_difference: float
    low: float
    high: float
    t: float
    correlation: float


def paired_test(returns: FloatArray, other: FloatArray, sessions_per_year: int) -> PairedTest:
    """Test the difference of returns float64[T] and another's float64[T]."""
    found = mean_interval(returns - other, 1)
    annual = found.scaled(sessions_per_year)
    moving = len(returns) > 1 and np.ptp(returns) > 0 and np.ptp(other) > 0
    correlation = float(np.corrcoef(returns, other)[0, 1]) if moving else math.nan
    return PairedTest(len(returns), annual.mean, annual.low, annual.high, found.t, correlation)


@dataclass(frozen=True, slots=True)
class NeweyWest:
    """Newey and West's standard error of a mean, and the interval with Kiefer and Vogelsang's critical values."""

    lags: int
    std_error: float
    low: float
    high: float


def newey_west(values: FloatArray, horizon: int) -> NeweyWest:
    """Newey and West's interval of the mean of float64[T], NaN where a session has no value.

    Lags: 1.3 sqrt(n) of the span, and horizon - 1 at least. Sessions without a value count as no deviation, in their
    place (Datta and Du, "Nonparametric HAC estimation for time series data with missing observations", 2012).
    All NaN where there are no more dates than lags. Source: statsmodels, without its small-sample factor.
    """
    there = np.isfinite(values)
    n, span = int(there.sum()), _span(there)
    if n == 0:
        return NeweyWest(0, math.nan, math.nan, math.nan)
    lags = max(math.ceil(BANDWIDTH * span / math.sqrt(n)) - 1, horizon - 1)
    if n <= lags or n < 2:
        return NeweyWest(lags, math.nan, math.nan, math.nan)
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    mean = float(values[there].mean())
    first = int(there.argmax())
    deviations = np.where(there, values - mean, 0.0)[first : first + span]
    error = math.sqrt(max(float(S_hac_simple(deviations, nlags=lags)[0, 0]), 0.0)) / n
    reach = critical_value(min((lags + 1) / span, 1.0)) * error
    return NeweyWest(lags, error, mean - reach, mean + reach)


def critical_value(share: float) -> float:
    """The 97.5% point of a mean over Newey and West's error, whose bandwidth is a `share` of the span.

    Source: Kiefer and Vogelsang, "A new asymptotic theory for heteroskedasticity-autocorrelation robust tests",
    Econometric Theory 21 (2005), table 1, Bartlett kernel.
    """
    return 1.9600 + 2.9694 * share + 0.4160 * share**2 - 0.5324 * share**3


def _wave_count(there: BoolArray, horizon: int) -> int:
    """Waves for the dates bool[T] that have a value."""
    return min(int(WAVES * int(there.sum()) ** (2 / 3)), _span(there) // (HORIZONS_A_WAVE * horizon))


def _span(there: BoolArray) -> int:
    """Sessions from the first value to the last."""
    places = np.flatnonzero(there)
    return int(places[-1] - places[0]) + 1 if len(places) else 0


def _waves(there: BoolArray, count: int) -> FloatArray:
    """float64[n, count]: the slowest cosines of the span at the dates with a value, orthonormal and of mean 0.

    Without gaps these are sqrt(2 / T) cos(pi j (t - 1/2) / T) as published.
    """
    places = np.flatnonzero(there)
    moments = (places - places[0] + 0.5) / (places[-1] - places[0] + 1)
    cosines = np.cos(np.pi * np.outer(moments, np.arange(1, count + 1)))
    return np.asarray(np.linalg.qr(cosines - cosines.mean(axis=0))[0], dtype=np.float64)
