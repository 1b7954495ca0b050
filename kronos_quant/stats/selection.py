"""How much of the best result chance explains: the deflated Sharpe ratio and the probability of back-test overfitting.

Sharpe ratios here are per session, not annual. Shape letters: T sessions, N trials, S blocks, K splits.
Sources: Bailey and Lopez de Prado, "The deflated Sharpe ratio: correcting for selection bias, backtest overfitting and
non-normality", Journal of Portfolio Management 40 (2014). Bailey, Borwein, Lopez de Prado and Zhu, "The probability of
backtest overfitting", Journal of Computational Finance 20 (2015): combinatorially symmetric cross-validation, in which
the sessions are cut into blocks, and each choice of half of the blocks is once the sample that selects the best trial
and once the one that it is tested on.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from kronos_quant.arrays import FloatArray
from kronos_quant.stats.performance import ZERO_SPREAD

REQUIRED_PROBABILITY = 0.95
"""A strategy passes with a probability above it."""

FEWEST_SESSIONS = 20
"""Below so many returns their skew and kurtosis say nothing."""

BLOCKS = 16
"""As published: 12,870 splits."""

LEAST_BLOCK = 5
"""Sessions; a shorter back-test is cut into fewer blocks."""

FEWEST_BLOCKS = 4

CELLS = 2**21
"""Splits x trials that are in memory at a time."""

MOST_CELLS = 2**24
"""Splits x trials at most, a second's work: more trials than 1,300 are cut into fewer blocks."""

ZERO_VARIANCE = 1e-24
"""Variances below it are rounding noise of returns that do not move."""


@dataclass(frozen=True, slots=True)
class ReturnMoments:
    """What the test needs to know of session returns; NaN where they are flat.

    sharpe : mean / sample standard deviation; skew, kurtosis : of the population, 0 and 3 for a normal distribution
    """

    sessions: int
    sharpe: float
    skew: float
    kurtosis: float


def return_moments(returns: FloatArray) -> ReturnMoments:
    """The moments of returns f64[T]."""
    if len(returns) < 2 or np.std(returns) < ZERO_SPREAD:
        return ReturnMoments(len(returns), math.nan, math.nan, math.nan)
    deviations = (returns - returns.mean()) / returns.std()
    sharpe = float(returns.mean() / returns.std(ddof=1))
    return ReturnMoments(len(returns), sharpe, float((deviations**3).mean()), float((deviations**4).mean()))


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """The test of one Sharpe ratio.

    probability : that the true Sharpe ratio exceeds `expected_max`; NaN for flat and for too few returns
    expected_max : the expected maximum of the Sharpe ratios of so many trials without skill
    trials : how many there were, this one included; variance : of their Sharpe ratios, at this one's length
    """

    probability: float
    expected_max: float
    trials: int
    variance: float
    moments: ReturnMoments

    @property
    def passes(self) -> bool:
        """Whether the probability exceeds REQUIRED_PROBABILITY."""
        return self.probability > REQUIRED_PROBABILITY


def probabilistic_sharpe(moments: ReturnMoments, threshold: float) -> float:
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


def deflated_sharpe(own: ReturnMoments, sharpes: FloatArray, sessions: FloatArray) -> DeflatedSharpe:
    """The test of `own` among all trials.

    sharpes, sessions : f64[N], of every trial, this one included. A trial of too few sessions and one with a NaN Sharpe
    ratio count, and say nothing of the spread: three returns may show any ratio. A Sharpe ratio of noise spreads as
    1 / sqrt(sessions), so that those of other lengths are put at this one's: among trials of one length, the published
    formula.
    """
    known = ~np.isnan(sharpes) & (sessions >= FEWEST_SESSIONS)
    at_this_length = sharpes[known] * np.sqrt(sessions[known] / max(own.sessions, 1))
    variance = float(np.var(at_this_length, ddof=1)) if len(at_this_length) > 1 else 0.0
    expected_max = expected_maximum(variance, len(sharpes))
    probability = probabilistic_sharpe(own, expected_max)
    return DeflatedSharpe(probability, expected_max, len(sharpes), variance, own)


@dataclass(frozen=True, slots=True)
class Overfitting:
    """probability : share of the splits in which the best trial of one half is no better than the median in the other.

    trials, sessions, blocks, splits : what it was worked out from
    """

    probability: float
    trials: int
    sessions: int
    blocks: int
    splits: int


def estimate_overfitting(returns: FloatArray, blocks: int = BLOCKS) -> Overfitting | None:
    """The probability of overfitting of trials with session returns f64[T, N].

    blocks : even, the most. None for fewer than two trials and for fewer sessions than 4 blocks of 5.
    """
    T, N = returns.shape
    blocks = min(blocks, T // LEAST_BLOCK // 2 * 2)
    if N < 2 or blocks < FEWEST_BLOCKS:
        return None
    while blocks > FEWEST_BLOCKS and math.comb(blocks, blocks // 2) * N > MOST_CELLS:
        blocks -= 2
    sums = block_sums(returns, blocks)
    # in this order a choice and what it leaves stand as far from the two ends: the first half has each pair once
    choices = list(itertools.combinations(range(blocks), blocks // 2))
    pairs = choices[: len(choices) // 2]
    behind = 0
    step = max(CELLS // N, 1)
    for start in range(0, len(pairs), step):
        chosen = np.zeros((len(pairs[start : start + step]), blocks))
        np.put_along_axis(chosen, np.array(pairs[start : start + step]), 1.0, axis=1)
        one, other = sharpes_of(chosen, sums), sharpes_of(1 - chosen, sums)
        behind += falls_behind(one, other) + falls_behind(other, one)
    return Overfitting(behind / len(choices), N, T, blocks, len(choices))


@dataclass(frozen=True, slots=True)
class BlockSums:
    """Sessions f64[S], sums of returns and of their squares f64[S, N]."""

    sessions: FloatArray
    total: FloatArray
    squares: FloatArray


def block_sums(returns: FloatArray, blocks: int) -> BlockSums:
    """The sums of as equal blocks of returns f64[T, N] as there are."""
    starts = [part[0] for part in np.array_split(np.arange(len(returns)), blocks)]
    sessions = np.diff([*starts, len(returns)]).astype(np.float64)
    return BlockSums(sessions, np.add.reduceat(returns, starts), np.add.reduceat(returns**2, starts))


def sharpes_of(chosen: FloatArray, sums: BlockSums) -> FloatArray:
    """f64[K, N]: Sharpe ratio of a session over the blocks chosen f64[K, S]; 0 where nothing moved."""
    count = (chosen @ sums.sessions)[:, None]
    mean = chosen @ sums.total / count
    variance = chosen @ sums.squares / count - mean**2
    spread = np.sqrt(np.maximum(variance, 0.0))
    return np.asarray(np.divide(mean, spread, out=np.zeros_like(mean), where=variance > ZERO_VARIANCE))


def falls_behind(known: FloatArray, judged: FloatArray) -> int:
    """In how many splits the best of `known` f64[K, N] is at or below the median of `judged` f64[K, N]."""
    best = known.argmax(axis=1)
    its = np.take_along_axis(judged, best[:, None], axis=1)
    # its mean rank, from 1 to N: those below it, and half of those that equal it
    rank = (judged < its).sum(axis=1) + ((judged == its).sum(axis=1) + 1) / 2
    return int((rank <= (judged.shape[1] + 1) / 2).sum())
