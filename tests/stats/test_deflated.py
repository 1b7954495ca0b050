from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kronos_quant.stats.selection import (
    ReturnMoments,
    deflated_sharpe,
    expected_maximum,
    probabilistic_sharpe,
    return_moments,
)

NAN = float("nan")


def test_moments_are_those_of_scipy():
    returns = np.random.default_rng(0).gamma(2.0, 0.01, 300) - 0.015
    found = return_moments(returns)
    assert found.sessions == 300
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    assert found.skew == pytest.approx(stats.skew(returns), rel=1e-12)
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)


@pytest.mark.parametrize("returns", [np.zeros(50), np.full(50, 0.01), np.array([0.1]), np.empty(0)])
def test_returns_that_do_not_move_have_no_moments(returns):
    found = return_moments(returns)
    assert all(math.isnan(value) for value in (found.sharpe, found.skew, found.kurtosis))
    assert not deflated_sharpe(found, np.array([NAN]), np.array([50.0])).passes


def test_the_expected_maximum_is_the_papers():
    # Bailey and Lopez de Prado 2014: 100 trials, annual variance 1/2, 250 sessions a year
    assert expected_maximum(0.5 / 250, 100) == pytest.approx(0.1132, abs=5e-5)
    # one thousand worthless strategies, one of which is expected to show a Sharpe ratio of 3.26
    assert expected_maximum(1.0, 1000) == pytest.approx(3.26, abs=0.005)
    assert expected_maximum(1.0, 1) == 0.0


def test_the_expected_maximum_is_near_that_of_normal_draws():
    for trials in (5, 50, 500):
        drawn = np.random.default_rng(trials).standard_normal((20_000, trials)).max(axis=1).mean()
        assert expected_maximum(1.0, trials) == pytest.approx(drawn, abs=0.06)


@pytest.mark.parametrize(
    ("skew", "kurtosis", "trials", "probability"),
    [(-3.0, 10.0, 100, 0.9004), (-3.0, 10.0, 46, 0.9505), (0.0, 3.0, 88, 0.9505)],
)
def test_the_deflated_sharpe_ratio_is_the_papers(skew, kurtosis, trials, probability):
    # the paper's example: 2.5 a year over 1,250 sessions of 250 a year, trials' annual variance 1/2
    own = ReturnMoments(1250, 2.5 / math.sqrt(250), skew, kurtosis)
    # two values +-d in equal numbers have the sample variance d^2 N / (N - 1)
    spread = math.sqrt(0.5 / 250 * (trials - 1) / trials)
    sharpes = np.tile([spread, -spread], trials // 2)
    found = deflated_sharpe(own, sharpes, np.full(trials, 1250.0))
    assert found.trials == trials
    assert found.variance == pytest.approx(0.5 / 250, rel=1e-12)
    assert found.probability == pytest.approx(probability, abs=5e-5)
    assert found.passes == (probability > 0.95)


@pytest.mark.parametrize(("skew", "kurtosis", "probability"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)])
def test_the_probabilistic_sharpe_ratio_is_the_papers(skew, kurtosis, probability):
    # "The Sharpe ratio efficient frontier": 0.458 a month over 24 months
    assert probabilistic_sharpe(ReturnMoments(24, 0.458, skew, kurtosis), 0.0) == pytest.approx(probability, abs=5e-4)


def test_more_trials_ask_for_more():
    own = ReturnMoments(500, 0.1, 0.0, 3.0)
    rng = np.random.default_rng(1)
    sharpes = rng.normal(0, 0.045, 400)
    found = [deflated_sharpe(own, sharpes[:count], np.full(count, 500.0)) for count in (1, 20, 400)]
    assert found[0].expected_max == 0
    assert found[0].expected_max < found[1].expected_max < found[2].expected_max
    assert found[0].probability > found[1].probability > found[2].probability


def test_trials_of_another_length_are_put_at_this_ones():
    own = ReturnMoments(400, 0.1, 0.0, 3.0)
    same = deflated_sharpe(own, np.array([0.1, -0.1, 0.05]), np.full(3, 400.0))
    # over a quarter of the sessions a Sharpe ratio of noise is twice as large
    other = deflated_sharpe(own, np.array([0.1, -0.2, 0.1]), np.array([400.0, 100.0, 100.0]))
    assert other.variance == pytest.approx(same.variance, rel=1e-12)
    assert other.probability == pytest.approx(same.probability, rel=1e-12)


def test_a_trial_without_a_sharpe_ratio_counts_all_the_same():
    own = ReturnMoments(400, 0.1, 0.0, 3.0)
    flat = deflated_sharpe(own, np.array([0.1, -0.1, NAN]), np.full(3, 400.0))
    assert flat.trials == 3
    assert flat.variance == pytest.approx(0.02)
    assert flat.expected_max == pytest.approx(expected_maximum(0.02, 3))


def test_a_trial_of_a_few_sessions_counts_and_does_not_make_luck_look_large():
    own = ReturnMoments(400, 0.1, 0.0, 3.0)
    sharpes, sessions = np.array([0.1, -0.1, 60.0]), np.array([400.0, 400.0, 3.0])
    found = deflated_sharpe(own, sharpes, sessions)
    assert found.trials == 3
    assert found.variance == pytest.approx(0.02)
    assert deflated_sharpe(own, sharpes, np.array([400.0, 400.0, 20.0])).variance > 1


def test_too_few_sessions_do_not_pass():
    strong = ReturnMoments(19, 5.0, 0.0, 3.0)
    assert math.isnan(deflated_sharpe(strong, np.array([5.0]), np.array([19.0])).probability)
    assert deflated_sharpe(ReturnMoments(20, 5.0, 0.0, 3.0), np.array([5.0]), np.array([20.0])).passes


def test_returns_of_two_values_alone_do_not_break_the_error():
    # 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe^2 is 0 here up to rounding
    returns = np.array([0.01] * 15 + [0.0] * 15)
    assert 0 <= probabilistic_sharpe(return_moments(returns), 0.0) <= 1


def test_noise_alone_passes_in_one_case_of_twenty():
    passed = [
        deflated_sharpe(return_moments(returns), np.array([0.0]), np.array([250.0])).passes
        for returns in np.random.default_rng(2).normal(0, 0.01, (4000, 250))
    ]
    assert np.mean(passed) == pytest.approx(0.05, abs=0.01)
