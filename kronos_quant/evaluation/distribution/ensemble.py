"""How true sample paths are, measured exactly: nothing is lost between quantiles.

Shapes: C cells (date, symbol), S members of an ensemble. NaN is nowhere.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from kronos_quant.arrays import FloatArray, IntArray

MOST_BINS = 20
"""Of the histogram of the probability integral transform."""


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


def histogram(transformed: FloatArray, members: int) -> tuple[FloatArray, FloatArray]:
    """Edges float64[B + 1] and shares float64[B]: of few members the rank histogram itself, else of equal bins."""
    edges = np.linspace(0, 1, min(members + 1, MOST_BINS) + 1)
    counts, _ = np.histogram(transformed, edges)
    return edges, counts / max(len(transformed), 1)


def ks_uniform(transformed: FloatArray) -> float:
    """Kolmogorov and Smirnov's distance from the uniform."""
    return float(stats.kstest(transformed, "uniform").statistic)
