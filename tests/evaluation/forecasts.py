"""Made forecasts for the tests of this room."""

from __future__ import annotations

from scipy import stats

from kronos_quant.evaluation.contender import Distribution
from kronos_quant.signals import LEVELS


def normal_forecast(rng, shape, spread=1.0):
    """Forecasts of a normal with known mean, whose spread is a multiple of the true one, and outcomes."""
    mean = rng.standard_normal(shape)
    outcome = mean + rng.standard_normal(shape)
    quantiles = mean[..., None] + spread * stats.norm.ppf(LEVELS)
    return Distribution(LEVELS, quantiles, stats.norm.cdf(mean / spread), mean), outcome
