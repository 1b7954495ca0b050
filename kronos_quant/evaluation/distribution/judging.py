"""Whether a forecast's probabilities are true, from its stored quantiles and, where they are stored, from its paths.

Shapes: T dates, N symbols, Q quantile levels, B bins, S paths. Outcomes are returns over the horizon, as fractions; a
cell (date, symbol) counts where outcome and forecast are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.evaluation.contender import Distribution
from kronos_quant.evaluation.distribution.ensemble import (
    crps_ensemble,
    histogram,
    ks_uniform,
    outcome_ranks,
    transform,
)
from kronos_quant.evaluation.distribution.outcomes import PointErrors, Reliability, brier, point_errors, reliability
from kronos_quant.evaluation.distribution.quantiles import coverages, ks_distance, pinball, pit_shares
from kronos_quant.panel.matrix import finite_mean, row_means
from kronos_quant.stats.intervals import MeanInterval, mean_interval

SEED = 0
"""Of the draws that break the ties of outcomes with paths."""


@dataclass(frozen=True, slots=True)
class Exact:
    """What whole paths tell that their quantiles do not."""

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
    exact: Exact | None
    """None where only quantiles are stored."""
    by_bar: tuple[MeanInterval, ...] = ()
    """Share of outcomes inside the 90 % interval of every bar up to the horizon; none where they are not stored."""

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


def judge_distribution(said: Distribution, outcome: FloatArray, overlap: int) -> DistributionCard:
    """Measure a distribution against the returns float64[T, N] that followed.

    overlap : dates over which a return reaches, for the intervals
    """
    there = np.isfinite(outcome) & np.isfinite(said.quantiles).all(axis=-1)
    came = np.where(there, outcome, np.nan)
    losses = pinball(said.levels, said.quantiles, came)
    by_date = row_means(2 * losses.mean(axis=-1))
    quantiles = said.quantiles[there]
    shares = pit_shares(quantiles, outcome[there])
    certain = bool((quantiles[:, -1] == quantiles[:, 0]).all())
    return DistributionCard(
        levels=said.levels,
        cells=int(there.sum()),
        crps=mean_interval(by_date, overlap),
        crps_by_date=by_date,
        pinball=np.array([finite_mean(losses[..., level]) for level in range(len(said.levels))]),
        coverage={} if certain else coverages(said, came, overlap),
        pit=shares,
        ks=math.nan if certain else ks_distance(said.levels, shares),
        brier=brier(said.p_rise, came),
        reliability=reliability(said.p_rise, came),
        errors=point_errors(said.point, came),
        exact=None if said.paths is None else _exact(said.paths, there, outcome, overlap),
    )


def _exact(paths: FloatArray, there: BoolArray, outcome: FloatArray, overlap: int) -> Exact:
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
    edges, shares = histogram(transformed, S)
    return Exact(
        members=S,
        crps=mean_interval(by_date, overlap),
        crps_by_date=by_date,
        ranks=np.bincount(ranks, minlength=S + 1),
        edges=edges,
        pit=shares,
        ks=ks_uniform(transformed) if len(transformed) else math.nan,
    )
