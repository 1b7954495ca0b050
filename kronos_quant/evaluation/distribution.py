"""Whether a forecast's probabilities are true, from its stored quantiles.

Shapes: T dates, N symbols, Q quantile levels, B bins. Outcomes are returns over the horizon, as fractions; a cell
(date, symbol) counts where outcome and forecast are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kronos_quant.evaluation.arrays import FloatArray, mean_of, row_means
from kronos_quant.evaluation.contender import Distribution
from kronos_quant.evaluation.interval import MeanInterval, mean_interval

NOMINAL = (0.5, 0.8, 0.9, 0.95)
"""The intervals whose coverage is measured, where the quantiles at their ends are stored."""
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


@dataclass(frozen=True, slots=True)
class DistributionCard:
    """How a contender's distribution did."""

    levels: tuple[float, ...]
    cells: int
    crps: MeanInterval
    """Twice the mean pinball loss at the levels, mean of each date."""
    crps_by_date: FloatArray
    """[T]."""
    pinball: FloatArray
    """[Q]."""
    coverage: dict[float, MeanInterval]
    """Nominal -> share of outcomes inside; only intervals whose ends are stored, none for a forecast without spread."""
    pit: FloatArray
    """[Q + 1]: share of outcomes below the first quantile, between neighbours, and above the last."""
    ks: float
    """Kolmogorov and Smirnov's distance between the PIT and the uniform, at the levels."""
    brier: float
    reliability: Reliability
    errors: PointErrors

    @property
    def pit_expected(self) -> FloatArray:
        """[Q + 1]: the shares of a true forecast."""
        return np.diff(np.array([0.0, *self.levels, 1.0]))


def judge_distribution(said: Distribution, outcome: FloatArray, horizon: int) -> DistributionCard:
    """Measure a distribution against the returns float64[T, N] that followed."""
    there = np.isfinite(outcome) & np.isfinite(said.quantiles).all(axis=-1)
    came = np.where(there, outcome, np.nan)
    losses = pinball(said.levels, said.quantiles, came)
    by_date = row_means(2 * losses.mean(axis=-1))
    shares = pit_shares(said.quantiles[there], outcome[there])
    certain = bool((said.quantiles[there][:, -1] == said.quantiles[there][:, 0]).all())
    return DistributionCard(
        levels=said.levels,
        cells=int(there.sum()),
        crps=mean_interval(by_date, horizon),
        crps_by_date=by_date,
        pinball=np.array([mean_of(losses[..., level]) for level in range(len(said.levels))]),
        coverage={} if certain else _coverages(said, came, horizon),
        pit=shares,
        ks=math.nan if certain else ks_distance(said.levels, shares),
        brier=brier(said.p_rise, came),
        reliability=reliability(said.p_rise, came),
        errors=point_errors(said.point, came),
    )


def pinball(levels: tuple[float, ...], quantiles: FloatArray, outcome: FloatArray) -> FloatArray:
    """The pinball loss float64[..., Q] of quantiles [..., Q] for outcomes [...]; NaN where either is.

    Twice its mean over the levels is the CRPS as far as these quantiles tell it. (scoringrules has both; its import
    compiles for some seconds, so that it is the witness of the tests instead.)
    """
    levels_array = np.array(levels)
    missed = outcome[..., None] - quantiles
    return np.asarray(np.maximum(levels_array * missed, (levels_array - 1) * missed))


def _coverages(said: Distribution, came: FloatArray, horizon: int) -> dict[float, MeanInterval]:
    found = {}
    for nominal in NOMINAL:
        low, high = _level(said, (1 - nominal) / 2), _level(said, (1 + nominal) / 2)
        if low is not None and high is not None:
            inside = (came >= said.quantiles[..., low]) & (came <= said.quantiles[..., high])
            by_date = row_means(np.where(np.isfinite(came), inside, np.nan))
            found[nominal] = mean_interval(by_date, horizon)
    return found


def _level(said: Distribution, level: float) -> int | None:
    return next((i for i, stored in enumerate(said.levels) if math.isclose(stored, level, abs_tol=1e-9)), None)


def pit_shares(quantiles: FloatArray, outcome: FloatArray) -> FloatArray:
    """float64[Q + 1]: share of outcomes [cells] in each gap of their ascending quantiles [cells, Q].

    The histogram of the probability integral transform, with the levels as edges. An outcome that equals several
    quantiles is shared among the gaps that they bound, so that ties are no bias.
    """
    if not len(outcome):
        return np.full(quantiles.shape[-1] + 1, np.nan)
    below = (quantiles < outcome[:, None]).sum(axis=1)
    upto = (quantiles <= outcome[:, None]).sum(axis=1)
    gaps = np.arange(quantiles.shape[-1] + 1)
    held = (gaps >= below[:, None]) & (gaps <= upto[:, None])
    return np.asarray((held / held.sum(axis=1, keepdims=True)).mean(axis=0))


def ks_distance(levels: tuple[float, ...], shares: FloatArray) -> float:
    """The largest difference between the share of outcomes up to a quantile and its level.

    shares : float64[Q + 1] of `pit_shares`. Between the levels nothing is known, so that the distance over all
    probabilities may be larger. No p-value goes with it: the symbols of a date move together.
    """
    return float(np.abs(np.cumsum(shares)[:-1] - np.array(levels)).max())


def brier(p_rise: FloatArray, outcome: FloatArray) -> float:
    """Mean squared difference between the probability of a rise and whether it came; 0.25 is a coin's."""
    rose = np.where(np.isfinite(outcome), outcome > 0, np.nan)
    return mean_of((p_rise - rose) ** 2)


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
