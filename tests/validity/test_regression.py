from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from kronos_quant.validity import mean_of, paired, regress
from kronos_quant.validity.regression import usual_lags


def series(seed: int, sessions: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    benchmark = rng.normal(0.0005, 0.01, sessions)
    noise = np.convolve(rng.normal(0, 0.004, sessions + 3), np.ones(4), mode="valid")
    return 0.0004 + 0.8 * benchmark + noise, benchmark


@pytest.mark.parametrize("seed", range(3))
def test_alpha_and_beta_are_those_of_statsmodels_with_newey_wests_errors(seed):
    returns, benchmark = series(seed)
    found = regress(returns, benchmark)
    reference = sm.OLS(returns, sm.add_constant(benchmark)).fit(cov_type="HAC", cov_kwds={"maxlags": 5})
    assert found.lags == 5
    assert (found.alpha, found.beta) == pytest.approx(tuple(reference.params), rel=1e-9)
    assert (found.alpha_t, found.beta_error) == pytest.approx((reference.tvalues[0], reference.bse[1]), rel=1e-9)
    assert found.r_squared == pytest.approx(reference.rsquared)


def test_correlated_noise_widens_the_error_by_hand():
    returns, _ = series(1)
    found = mean_of(returns)
    centred, lags = returns - returns.mean(), usual_lags(300)
    weights = [1 - lag / (lags + 1) for lag in range(lags + 1)]
    sums = [centred[lag:] @ centred[: 300 - lag] for lag in range(lags + 1)]
    variance = (sums[0] + 2 * sum(weight * part for weight, part in zip(weights[1:], sums[1:], strict=True))) / 300**2
    assert found.error == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert found.error > 1.3 * returns.std() / math.sqrt(300)
    assert found.t == pytest.approx(returns.mean() / found.error)


def test_what_cannot_be_told_is_nan():
    returns, benchmark = series(0, 9)
    flat, rising = np.ones(50), np.arange(50.0)
    for found in (regress(returns, benchmark), regress(flat, rising), regress(rising, flat)):
        assert math.isnan(found.alpha)
        assert found.lags == 0
    assert math.isnan(mean_of(np.empty(0)).value)
    assert mean_of(np.full(50, 0.01)).value == pytest.approx(0.01)
    assert math.isnan(mean_of(np.full(50, 0.01)).t)


def test_a_pair_is_the_mean_of_its_differences():
    one, other = series(2)
    found = paired(one, other, 250)
    mean = mean_of(one - other)
    assert found.sessions == 300
    assert found.annual_difference == pytest.approx((one - other).mean() * 250)
    assert found.high - found.annual_difference == pytest.approx(1.959964 * mean.error * 250, rel=1e-6)
    assert found.annual_difference - found.low == pytest.approx(found.high - found.annual_difference)
    assert found.correlation == pytest.approx(np.corrcoef(one, other)[0, 1])


def test_the_interval_of_a_pair_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        common = rng.normal(0, 0.01, 250)
        found = paired(common + rng.normal(0.0004, 0.005, 250), common + rng.normal(0, 0.005, 250), 250)
        held += found.low <= 0.1 <= found.high
    assert 0.91 <= held / 400 <= 0.98


@pytest.mark.parametrize("sessions", [0, 1, 9])
def test_few_common_sessions_say_nothing(sessions):
    one, other = series(4)
    found = paired(one[:sessions], other[:sessions], 250)
    assert found.sessions == sessions
    assert math.isnan(found.t)
    assert math.isnan(found.low)


def test_a_run_against_itself_has_no_difference():
    one, _ = series(5)
    found = paired(one, one, 250)
    assert (found.annual_difference, found.correlation) == pytest.approx((0.0, 1.0))
    assert math.isnan(found.t)
