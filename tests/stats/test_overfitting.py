from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import rankdata

from kronos_quant.stats.selection import block_sums, estimate_overfitting, falls_behind, sharpes_of


def by_the_book(returns: np.ndarray, blocks: int) -> float:
    """The algorithm as the paper words it, a split at a time."""
    parts = np.array_split(np.arange(len(returns)), blocks)
    logits = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        known = np.concatenate([parts[k] for k in chosen])
        judged = np.concatenate([parts[k] for k in range(blocks) if k not in chosen])
        first, second = (returns[rows].mean(axis=0) / returns[rows].std(axis=0) for rows in (known, judged))
        relative = rankdata(second)[first.argmax()] / (returns.shape[1] + 1)
        logits.append(np.log(relative / (1 - relative)))
    return float(np.mean(np.array(logits) <= 0))


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_the_paper_describes(seed):
    rng = np.random.default_rng(seed)
    returns = rng.normal(rng.normal(0, 0.002, 6), 0.01, (int(rng.integers(40, 130)), 6))
    returns[:, 3] = returns[:, 2]  # ties
    blocks = min(10, len(returns) // 5 // 2 * 2)
    found = estimate_overfitting(returns, blocks=10)
    assert found.blocks == blocks
    assert found.probability == pytest.approx(by_the_book(returns, blocks), abs=1e-12)


def test_by_hand_the_best_of_one_half_is_the_worst_of_the_other():
    # four blocks of five sessions; trial 0 is good in blocks 0 and 1, trial 1 in 2 and 3
    swing = np.tile([0.001, -0.001, 0.0, 0.002, -0.002], 4)
    good = np.repeat([0.01, 0.01, -0.01, -0.01], 5)
    found = estimate_overfitting(np.column_stack([swing + good, swing - good]))
    # splits {01}{23} and back: the best falls behind; in the other four both trials have the same mean and spread,
    # and a tie is no better than the median of two
    assert (found.blocks, found.splits, found.probability) == (4, 6, 1.0)


def test_by_hand_a_trial_that_is_always_ahead_is_not_overfit():
    swing = np.tile([0.001, -0.001, 0.0, 0.002, -0.002], 4)
    found = estimate_overfitting(np.column_stack([swing + 0.01, swing, swing - 0.01]))
    assert found.probability == 0.0
    assert (found.trials, found.sessions) == (3, 20)


def test_among_noise_the_best_is_as_often_behind_as_ahead():
    rng = np.random.default_rng(3)
    found = [estimate_overfitting(rng.normal(0, 0.01, (250, 20)), blocks=8).probability for _ in range(200)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_few_sessions_or_one_trial_cannot_say():
    returns = np.random.default_rng(4).normal(0, 0.01, (20, 3))
    assert estimate_overfitting(returns) is not None
    assert estimate_overfitting(returns[:19]) is None
    assert estimate_overfitting(returns[:, :1]) is None
    assert estimate_overfitting(returns[:, :0]) is None


def test_many_trials_are_cut_into_fewer_blocks(monkeypatch):
    monkeypatch.setattr("kronos_quant.stats.selection.MOST_CELLS", 70 * 5)
    assert estimate_overfitting(np.random.default_rng(5).normal(0, 0.01, (200, 5))).blocks == 8


def test_chunks_change_nothing(monkeypatch):
    returns = np.random.default_rng(6).normal(0, 0.01, (100, 5))
    whole = estimate_overfitting(returns)
    monkeypatch.setattr("kronos_quant.stats.selection.CELLS", 35)
    assert estimate_overfitting(returns) == whole


def test_a_trial_that_never_traded_has_a_sharpe_ratio_of_0():
    returns = np.column_stack([np.zeros(20), np.tile([0.01, -0.02], 10)])
    sharpes = sharpes_of(np.array([[1.0, 1.0, 0.0, 0.0]]), block_sums(returns, 4))
    assert sharpes[0, 0] == 0.0
    assert sharpes[0, 1] == pytest.approx(returns[:10, 1].mean() / returns[:10, 1].std())


def test_a_split_is_lost_at_the_median_or_below():
    known = np.array([[3.0, 2.0, 1.0]] * 3)
    judged = np.array([[0.5, 0.4, 0.9], [0.9, 0.1, 0.2], [0.1, 0.2, 0.3]])
    assert falls_behind(known, judged) == 2
