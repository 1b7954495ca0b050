import math

import numpy as np
import pytest
from scipy import stats

from kronos_quant.evaluation.ranking import measure_timing
from kronos_quant.stats.intervals import mean_interval

NAN = math.nan


def test_one_symbols_correlations_are_those_of_scipy():
    rng = np.random.default_rng(0)
    returns = rng.standard_normal((200, 1))
    scores = 0.3 * returns + rng.standard_normal((200, 1))
    scores[7], returns[11] = NAN, NAN
    known = np.isfinite(scores) & np.isfinite(returns)
    a, b = scores[known], returns[known]
    found = measure_timing(scores, returns, 5)
    assert found.correlation.mean == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-9)
    assert found.rank_correlation.mean == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)
    assert found.same_sign.mean == pytest.approx((np.sign(a) == np.sign(b)).mean())
    assert found.correlation.dates == 198


def test_the_interval_is_that_of_the_products_and_allows_for_the_overlap():
    rng = np.random.default_rng(1)
    scores, returns = rng.standard_normal((2, 150, 1))
    standard = [(values - values.mean()) / values.std() for values in (scores, returns)]
    assert measure_timing(scores, returns, 4).correlation == mean_interval((standard[0] * standard[1])[:, 0], 4)


def test_two_symbols_are_each_measured_over_time_and_averaged():
    time = np.arange(30.0)[:, None]
    # the level of a symbol is no timing: the first goes with its return, the second against it
    scores = np.hstack([time, 1000 - time])
    returns = np.hstack([time, time]) / 100
    found = measure_timing(scores, returns, 1)
    assert found.correlation.mean == pytest.approx(0.0, abs=1e-12)
    alone = measure_timing(scores[:, :1], returns[:, :1], 1)
    assert (alone.correlation.mean, alone.rank_correlation.mean) == pytest.approx((1.0, 1.0))


def test_what_never_changes_has_no_correlation_and_zeros_no_sign():
    scores, returns = np.ones((40, 1)), np.linspace(-1, 1, 40)[:, None]
    found = measure_timing(scores, returns, 1)
    assert math.isnan(found.correlation.mean)
    assert math.isnan(found.rank_correlation.mean)
    assert found.same_sign.mean == pytest.approx(0.5)
    assert math.isnan(measure_timing(np.zeros((40, 1)), returns, 1).same_sign.mean)
    few = measure_timing(np.array([[1.0], [2.0], [NAN]]), np.array([[1.0], [2.0], [3.0]]), 1)
    assert math.isnan(few.correlation.mean)


def test_noise_has_no_correlation_over_time_within_its_interval_in_most_seeds():
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        steps = rng.standard_normal(305)
        returns = np.convolve(steps, np.ones(5), "valid")[:300, None]  # they overlap
        found = measure_timing(rng.standard_normal((300, 1)), returns, 5).correlation
        held += found.low <= 0 <= found.high
    assert held / 200 >= 0.9
