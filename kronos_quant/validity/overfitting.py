"""The probability of back-test overfitting: does what was best in one half of the sessions stay ahead in the other?

Combinatorially symmetric cross-validation: the sessions are cut into blocks, and each choice of half of the blocks is
once the sample that picks the best trial and once the one that it is judged on.

Shape letters: T sessions, N trials, S blocks, K splits.
Source: Bailey, Borwein, Lopez de Prado and Zhu, "The probability of backtest overfitting", Journal of Computational
Finance 20 (2015).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from kronos_quant.arrays import FloatArray

BLOCKS = 16
"""As published: 12,870 splits."""

FEWEST_A_BLOCK = 5
"""Sessions; a shorter back-test is cut into fewer blocks."""

FEWEST_BLOCKS = 4

CELLS = 2**21
"""Splits x trials that are in memory at a time."""

MOST_CELLS = 2**24
"""Splits x trials at most, a second's work: more trials than 1,300 are cut into fewer blocks."""

FLAT = 1e-24
"""Variances below it are rounding noise of returns that do not move."""


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


def overfitting_of(returns: FloatArray, blocks: int = BLOCKS) -> Overfitting | None:
    """The probability of overfitting of trials with session returns f64[T, N].

    blocks : even, the most. None for fewer than two trials and for fewer sessions than 4 blocks of 5.
    """
    T, N = returns.shape
    blocks = min(blocks, T // FEWEST_A_BLOCK // 2 * 2)
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
    return np.asarray(np.divide(mean, spread, out=np.zeros_like(mean), where=variance > FLAT))


def falls_behind(known: FloatArray, judged: FloatArray) -> int:
    """In how many splits the best of `known` f64[K, N] is at or below the median of `judged` f64[K, N]."""
    best = known.argmax(axis=1)
    its = np.take_along_axis(judged, best[:, None], axis=1)
    # its mean rank, from 1 to N: those below it, and half of those that equal it
    rank = (judged < its).sum(axis=1) + ((judged == its).sum(axis=1) + 1) / 2
    return int((rank <= (judged.shape[1] + 1) / 2).sum())
