"""How true stored quantiles are.

Shapes: T dates, N symbols, Q quantile levels. Outcomes are returns over the horizon, as fractions.
"""

from __future__ import annotations

import math

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.evaluation.contender import Distribution
from kronos_quant.panel.matrix import row_means
from kronos_quant.stats.intervals import MeanInterval, mean_interval

NOMINAL = (0.5, 0.8, 0.9, 0.95)
"""The intervals whose coverage is measured, where the quantiles at their ends are stored."""


def pinball(levels: tuple[float, ...], quantiles: FloatArray, outcome: FloatArray) -> FloatArray:
    """The pinball loss float64[..., Q] of quantiles [..., Q] for outcomes [...]; NaN where either is.

    Twice its mean over the levels is the CRPS as far as these quantiles tell it. (scoringrules has both; its import
    compiles for some seconds, so that it is the witness of the tests instead.)
    """
    levels_array = np.array(levels)
    missed = outcome[..., None] - quantiles
    return np.asarray(np.maximum(levels_array * missed, (levels_array - 1) * missed))


def coverages(said: Distribution, came: FloatArray, overlap: int) -> dict[float, MeanInterval]:
    """Nominal -> share of the outcomes float64[T, N] inside, of the intervals whose ends are stored."""
    found = {}
    for nominal in NOMINAL:
        low, high = _level(said, (1 - nominal) / 2), _level(said, (1 + nominal) / 2)
        if low is not None and high is not None:
            found[nominal] = share_inside(said.quantiles[..., low], said.quantiles[..., high], came, overlap)
    return found


def share_inside(low: FloatArray, high: FloatArray, came: FloatArray, overlap: int) -> MeanInterval:
    """Share of the outcomes between two ends, all float64[T, N]; a cell counts where all three are there."""
    there = np.isfinite(low) & np.isfinite(high) & np.isfinite(came)
    inside = (came >= low) & (came <= high)
    return mean_interval(row_means(np.where(there, inside, np.nan)), overlap).within(0, 1)


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
