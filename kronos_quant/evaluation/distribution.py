"""Whether a forecast's probabilities are calibrated, from its stored quantiles and, where stored, from its paths.

Shapes: T dates, N symbols, Q quantile levels, B bins, C cells (date, symbol), S paths. Outcomes are returns over the
horizon, as fractions; a cell counts where outcome and forecast are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.evaluation.contender import Distribution
from kronos_quant.panel.matrix import finite_mean, row_means
from kronos_quant.stats.intervals import MeanInterval, mean_interval

NOMINAL = (0.5, 0.8, 0.9, 0.95)
"""The intervals whose coverage is measured, where the quantiles at their ends are stored."""
MOST_BINS = 20
"""Of the histogram of the probability integral transform; of fewer paths it is the histogram of their ranks."""
RELIABILITY_BINS = 10
SEED = 0
"""Of the draws that break the ties of outcomes with paths."""


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
    forecast, rose = p_rise[there], outcome[there] > 0
    tenth = np.minimum((forecast * RELIABILITY_BINS).astype(np.int64), RELIABILITY_BINS - 1)
    count = np.bincount(tenth, minlength=RELIABILITY_BINS).astype(np.float64)
    sums = [np.bincount(tenth, weights=values, minlength=RELIABILITY_BINS) for values in (forecast, rose)]
    empty = np.full(RELIABILITY_BINS, np.nan)
    forecast, came = (np.divide(total, count, out=empty.copy(), where=count > 0) for total in sums)
    return Reliability(forecast, came, count)


def point_errors(point: FloatArray, outcome: FloatArray) -> PointErrors:
    """Errors of the expected returns, over all cells together."""
    there = np.isfinite(outcome) & np.isfinite(point)
    forecast, came = point[there], outcome[there]
    if not len(came):
        return PointErrors(*[math.nan] * 6)
    squared = float(((came - forecast) ** 2).mean())
    signed = (forecast != 0) & (came != 0)
    varied = len(came) > 1 and forecast.std() > 0 and came.std() > 0
    return PointErrors(
        mae=float(np.abs(came - forecast).mean()),
        mse=squared,
        r2=_explained(squared, float(came.var())),
        r2_against_last_close=_explained(squared, float((came**2).mean())),
        correlation=float(np.corrcoef(forecast, came)[0, 1]) if varied else math.nan,
        directional_accuracy=float((np.sign(forecast) == np.sign(came))[signed].mean()) if signed.any() else math.nan,
    )


def _explained(squared: float, reference: float) -> float:
    return 1 - squared / reference if reference > 0 else math.nan


@dataclass(frozen=True, slots=True)
class PathScores:
    """What the paths themselves show beyond their quantiles."""

    members: int
    """S."""
    crps: MeanInterval
    """Of the S returns as they are, mean of each date."""
    crps_by_date: FloatArray
    """[T]."""
    ranks: IntArray
    """[S + 1]: how many outcomes had so many paths below."""
    edges: FloatArray
    """[B + 1]: equal steps from 0 to 1, one a rank where the paths are few."""
    pit: FloatArray
    """[B]: share of outcomes whose probability integral transform lies between the edges."""
    ks: float
    """Kolmogorov and Smirnov's distance between the transform and the uniform."""


@dataclass(frozen=True, slots=True)
class DistributionCard:
    """How a contender's distribution did."""

    levels: tuple[float, ...]
    cells: int
    crps: MeanInterval
    """At the levels, the same for all contenders: twice the mean pinball loss, mean of each date."""
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
    exact: PathScores | None
    """None where only quantiles are stored."""
    by_bar: tuple[MeanInterval, ...] = ()
    """Share of outcomes inside the 90% interval of every bar up to the horizon; none where they are not stored."""

    @property
    def edges(self) -> FloatArray:
        """[Q + 2]: the levels between 0 and 1, the edges of the PIT."""
        return np.array([0.0, *self.levels, 1.0])

    @property
    def measured_from(self) -> str:
        """In words."""
        return f"{len(self.levels)} quantiles" + (
            f", and exactly from {self.exact.members} paths" if self.exact else ""
        )


def measure_distribution(forecast: Distribution, outcome: FloatArray, overlap: int) -> DistributionCard:
    """Measure a distribution against the returns float64[T, N] that followed.

    overlap : dates over which a return reaches, for the intervals
    """
    there = np.isfinite(outcome) & np.isfinite(forecast.quantiles).all(axis=-1)
    came = np.where(there, outcome, np.nan)
    losses = pinball(forecast.levels, forecast.quantiles, came)
    by_date = row_means(2 * losses.mean(axis=-1))
    quantiles = forecast.quantiles[there]
    shares = pit_shares(quantiles, outcome[there])
    certain = bool((quantiles[:, -1] == quantiles[:, 0]).all())
    return DistributionCard(
        levels=forecast.levels,
        cells=int(there.sum()),
        crps=mean_interval(by_date, overlap),
        crps_by_date=by_date,
        pinball=np.array([finite_mean(losses[..., level]) for level in range(len(forecast.levels))]),
        coverage={} if certain else coverages(forecast, came, overlap),
        pit=shares,
        ks=math.nan if certain else ks_distance(forecast.levels, shares),
        brier=brier(forecast.p_rise, came),
        reliability=reliability(forecast.p_rise, came),
        errors=point_errors(forecast.point, came),
        exact=None if forecast.paths is None else _path_scores(forecast.paths, there, outcome, overlap),
    )


def _path_scores(paths: FloatArray, there: BoolArray, outcome: FloatArray, overlap: int) -> PathScores:
    """What paths [T, N, S] tell in the cells that are there."""
    S = paths.shape[-1]
    cells = there & np.isfinite(paths).all(axis=-1)
    members, came = paths[cells], outcome[cells]
    losses = np.full(outcome.shape, np.nan)
    losses[cells] = crps_ensemble(members, came)
    by_date = row_means(losses)
    rng = np.random.default_rng(SEED)
    ranks = outcome_ranks(members, came, rng)
    transformed = transform(ranks, S, rng)
    edges = np.linspace(0, 1, min(S + 1, MOST_BINS) + 1)
    return PathScores(
        members=S,
        crps=mean_interval(by_date, overlap),
        crps_by_date=by_date,
        ranks=np.bincount(ranks, minlength=S + 1),
        edges=edges,
        pit=np.histogram(transformed, edges)[0] / max(len(transformed), 1),
        ks=float(stats.kstest(transformed, "uniform").statistic) if len(transformed) else math.nan,
    )


def pinball(levels: tuple[float, ...], quantiles: FloatArray, outcome: FloatArray) -> FloatArray:
    """The pinball loss float64[..., Q] of quantiles [..., Q] for outcomes [...]; NaN where either is.

    Twice its mean over the levels is the CRPS as far as these quantiles tell it. (scoringrules has both; its import
    compiles for some seconds, so that it is the witness of the tests instead.)
    """
    levels_array = np.array(levels)
    missed = outcome[..., None] - quantiles
    return np.asarray(np.maximum(levels_array * missed, (levels_array - 1) * missed))


def coverages(forecast: Distribution, came: FloatArray, overlap: int) -> dict[float, MeanInterval]:
    """Nominal -> share of the outcomes float64[T, N] inside, of the intervals whose ends are stored."""
    stored = {round(level, 9): forecast.quantiles[..., i] for i, level in enumerate(forecast.levels)}
    ends = {nominal: (round((1 - nominal) / 2, 9), round((1 + nominal) / 2, 9)) for nominal in NOMINAL}
    return {
        nominal: share_inside(stored[low], stored[high], came, overlap)
        for nominal, (low, high) in ends.items()
        if low in stored and high in stored
    }


def share_inside(low: FloatArray, high: FloatArray, came: FloatArray, overlap: int) -> MeanInterval:
    """Share of the outcomes between two ends, all float64[T, N]; a cell counts where all three are there."""
    there = np.isfinite(low) & np.isfinite(high) & np.isfinite(came)
    inside = (came >= low) & (came <= high)
    return mean_interval(row_means(np.where(there, inside, np.nan)), overlap).within(0, 1)


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


def crps_ensemble(members: FloatArray, outcome: FloatArray) -> FloatArray:
    """float64[C]: the continuous ranked probability score of float64[C, S] as the distribution that they are.

    E|X - y| - E|X - X'| / 2 over the members, by their order: Hersbach, Weather and Forecasting 15 (2000). The noise
    of few members counts against them.
    """
    ordered = np.sort(members, axis=1).astype(np.float64)
    S = ordered.shape[1]
    spread = ordered @ (2.0 * np.arange(1, S + 1) - S - 1) / S**2
    return np.asarray(np.abs(ordered - outcome[:, None]).mean(axis=1) - spread)


def outcome_ranks(members: FloatArray, outcome: FloatArray, rng: np.random.Generator) -> IntArray:
    """int64[C]: how many members lie below the outcome, from 0 to S; ties are broken at random."""
    below = (members < outcome[:, None]).sum(axis=1)
    tied = (members == outcome[:, None]).sum(axis=1)
    return np.asarray(below + rng.integers(0, tied + 1))


def transform(ranks: IntArray, members: int, rng: np.random.Generator) -> FloatArray:
    """float64[C]: the probability integral transform of the ranks, uniform over [0, 1] for a true ensemble.

    Source: Czado, Gneiting and Held, Biometrics 65 (2009), randomised.
    """
    return np.asarray((ranks + rng.random(len(ranks))) / (members + 1))
