import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from kronos_quant.stats.intervals import (
    MeanInterval,
    critical_value,
    dates_needed,
    independent_interval,
    mean_interval,
    newey_west,
    paired_test,
    regress,
)


def overlapping(rng, dates, horizon):
    """A daily figure of mean 0 whose neighbours share horizon - 1 of horizon draws."""
    draws = np.concatenate([[0.0], np.cumsum(rng.standard_normal(dates + horizon))])
    return (draws[horizon : horizon + dates] - draws[:dates]) / math.sqrt(horizon)


def test_without_gaps_it_is_the_published_cosine_estimator():
    values = np.random.default_rng(0).standard_normal(100)
    # 0.4 * 100^(2/3) = 8.6 waves
    waves, span = 8, 100
    moments = np.arange(1, span + 1) - 0.5
    looks = [math.sqrt(2 / span) * (np.cos(math.pi * j * moments / span) @ values) for j in range(1, waves + 1)]
    error = math.sqrt(np.mean(np.square(looks)) / span)
    found = mean_interval(values, 1)
    assert found.degrees == waves
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert found.std_error == pytest.approx(error, abs=1e-12)
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, waves) * error, abs=1e-12)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    assert found.std == pytest.approx(values.std(ddof=1))


def test_a_longer_horizon_allows_fewer_waves():
    values = np.random.default_rng(0).standard_normal(120)
    # 0.4 * 120^(2/3) = 9.7; a wave a two horizons: 120 / 20 = 6, 120 / 40 = 3
    assert [mean_interval(values, horizon).degrees for horizon in (1, 10, 20)] == [9, 6, 3]


@pytest.mark.parametrize("count", [0, 1, 11])
def test_fewer_than_twelve_dates_give_no_interval(count):
    found = mean_interval(np.r_[np.full(count, 0.1), np.nan], 1)
    assert (found.known, found.above_zero, found.dates, found.degrees) == (False, False, count, 0)
    assert math.isnan(found.mean) if count == 0 else found.mean == pytest.approx(0.1)
    assert mean_interval(np.full(12, 0.1), 1).known


def test_a_span_shorter_than_four_horizons_gives_no_interval():
    values = np.random.default_rng(0).standard_normal(39)
    assert not mean_interval(values, 10).known
    assert mean_interval(np.append(values, 0.3), 10).known
    assert mean_interval(values, 10).text().endswith(" (no confidence interval)")


def test_equal_values_have_an_interval_without_width():
    found = mean_interval(np.full(50, 0.2), 5)
    assert found.low == pytest.approx(0.2)
    assert found.high == pytest.approx(0.2)
    assert found.above_zero
    assert math.isnan(found.ratio) or found.ratio > 1e9


def test_dates_without_a_value_keep_their_place_and_the_ends_do_not_count():
    values = np.random.default_rng(1).standard_normal(80)
    padded = np.concatenate([[np.nan] * 7, values, [np.nan] * 30])
    assert mean_interval(padded, 5) == mean_interval(values, 5)
    # every fifth session only: returns over 5 sessions do not overlap, and the span allows as many waves
    sparse = np.full(300, np.nan)
    sparse[::5] = values[:60]
    assert mean_interval(sparse, 5).degrees == mean_interval(values[:60], 1).degrees


@pytest.mark.parametrize("horizon", [1, 5])
def test_nineteen_of_twenty_intervals_hold_the_mean(horizon):
    rng = np.random.default_rng(3)
    found = [mean_interval(overlapping(rng, 120, horizon), horizon) for _ in range(1500)]
    held = np.mean([one.low <= 0 <= one.high for one in found])
    assert 0.93 <= held <= 0.97
    assert np.mean([one.above_zero for one in found]) <= 0.04


def test_gaps_leave_the_intervals_true():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(1000):
        values = overlapping(rng, 160, 5)
        values[40:90] = np.nan
        values[rng.random(160) < 0.2] = np.nan
        found = mean_interval(values, 5)
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / 1000 <= 0.98


def test_the_usual_interval_would_not_hold_on_overlapping_dates():
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(500):
        values = overlapping(rng, 120, 5)
        held += abs(values.mean()) <= 1.96 * stats.sem(values)
    assert held / 500 < 0.75


def test_newey_west_agrees_with_a_regression_of_statsmodels_on_a_constant():
    from statsmodels.regression.linear_model import OLS

    values = overlapping(np.random.default_rng(6), 150, 5)
    found = newey_west(values, 5)
    assert found.lags == math.ceil(1.3 * math.sqrt(150)) - 1
    fitted = OLS(values, np.ones(150)).fit(cov_type="HAC", cov_kwds={"maxlags": found.lags, "use_correction": False})
    assert found.std_error == pytest.approx(fitted.bse[0], abs=1e-9)
    assert found.low == pytest.approx(values.mean() - critical_value((found.lags + 1) / 150) * fitted.bse[0], abs=1e-9)


def test_newey_west_looks_back_over_the_horizon_at_least_and_needs_more_dates_than_that():
    values = np.random.default_rng(7).standard_normal(60)
    assert newey_west(values, 20).lags == 19
    assert math.isnan(newey_west(values[:15], 20).std_error)
    assert newey_west(values[:15], 20).lags == 19
    assert math.isnan(newey_west(np.full(9, np.nan), 5).low)


def test_a_missing_date_is_no_deviation_for_newey_west():
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    values = np.random.default_rng(8).standard_normal(90)
    values[[10, 11, 50]] = np.nan
    there = np.isfinite(values)
    mean = values[there].mean()
    found = newey_west(values, 5)
    inner = S_hac_simple(np.where(there, values - mean, 0.0), nlags=found.lags)[0, 0]
    assert found.std_error == pytest.approx(math.sqrt(inner) / 87, abs=1e-12)


def test_the_critical_values_are_those_of_the_simulated_limit():
    # mean over Newey and West's error of white noise, whose lags are a fixed share of many dates
    rng = np.random.default_rng(9)
    dates, draws = 400, 6000
    values = rng.standard_normal((draws, dates))
    away = values - values.mean(axis=1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(away, 2 * dates)) ** 2
    products = np.fft.irfft(spectrum)[:, :dates]
    for share in (0.1, 0.5):
        bandwidth = round(share * dates)
        weights = 1 - np.arange(1, bandwidth) / bandwidth
        error = np.sqrt(products[:, 0] + 2 * products[:, 1:bandwidth] @ weights) / dates
        assert np.quantile(np.abs(values.mean(axis=1)) / error, 0.95) == pytest.approx(critical_value(share), rel=0.05)


def test_the_dates_needed_by_hand():
    # error 0.02 at 100 dates; 0.05 is told from 0 with a chance of 80% at (1.960 + 0.842) errors:
    # 100 * (2.802 * 0.02 / 0.05)^2 = 125.6
    found = MeanInterval(0.05, 0.02, 0.01, 0.09, 100, 20, 0.2)
    assert dates_needed(found) == 126
    assert dates_needed(MeanInterval(-0.01, 0.02, -0.05, 0.03, 100, 20, 0.2)) is None
    assert dates_needed(MeanInterval(0.05, math.nan, math.nan, math.nan, 5, 0, 0.2)) is None


def test_an_interval_in_other_units_and_in_words():
    found = MeanInterval(0.05, 0.02, 0.01, 0.09, 100, 20, 0.2)
    assert found.scaled(2) == MeanInterval(0.1, 0.04, 0.02, 0.18, 100, 20, 0.4)
    assert found.text() == "+0.050 (95% CI +0.010 to +0.090)"
    assert found.ratio == pytest.approx(0.25)
    assert (found.in_deviations().low, found.in_deviations().high) == pytest.approx((0.05, 0.45))
    assert math.isnan(MeanInterval(0.05, 0.0, 0.05, 0.05, 100, 20, 0.0).in_deviations().low)


def test_an_interval_ends_where_its_mean_cannot_lie():
    found = mean_interval(np.repeat([1.0, 1, 1, 0], 10), 10)
    assert found.high > 1
    assert found.low < 0
    ended = found.within(0, 1)
    assert (ended.mean, ended.low, ended.high, ended.std_error) == (found.mean, 0, 1, found.std_error)
    few = mean_interval(np.ones(3), 1)
    assert few.within(0, 1) is few


def test_the_interval_of_independent_values_is_that_of_scipys_t_test():
    values = np.array([0.1, 0.2, np.nan, -0.05, 0.3])
    found, finite = independent_interval(values), values[np.isfinite(values)]
    tested = stats.ttest_1samp(finite, 0)
    assert (found.dates, found.degrees) == (4, 3)
    assert found.mean == pytest.approx(finite.mean())
    assert found.t == pytest.approx(tested.statistic)
    assert (found.low, found.high) == pytest.approx(tuple(tested.confidence_interval(0.95)))
    assert found.margin == pytest.approx(found.high - found.mean)


def test_too_few_independent_values_have_no_error_and_no_t():
    one, none = independent_interval(np.array([0.1])), independent_interval(np.array([np.nan]))
    assert one.mean == 0.1
    assert math.isnan(one.t)
    assert math.isnan(none.mean)
    assert math.isnan(independent_interval(np.array([0.25, 0.25])).t)


def correlated(seed: int, sessions: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Returns with a beta of 0.8 and noise that is correlated over time, and the benchmark's."""
    rng = np.random.default_rng(seed)
    benchmark = rng.normal(0.0005, 0.01, sessions)
    noise = np.convolve(rng.normal(0, 0.004, sessions + 3), np.ones(4), mode="valid")
    return 0.0004 + 0.8 * benchmark + noise, benchmark


@pytest.mark.parametrize("seed", range(3))
def test_alpha_and_beta_are_those_of_least_squares_with_errors_by_cosines(seed):
    returns, benchmark = correlated(seed)
    found = regress(returns, benchmark)
    fitted = OLS(returns, np.column_stack([np.ones(300), benchmark])).fit()
    assert found.degrees == int(0.4 * 300 ** (2 / 3)) == 17
    assert (found.alpha, found.beta) == pytest.approx(tuple(fitted.params), rel=1e-9)
    # by Frisch and Waugh beta's error is that of a mean: of the residuals times the centred benchmark
    centred = benchmark - benchmark.mean()
    scores = fitted.resid * centred * 300 / (centred @ centred)
    assert found.beta_error == pytest.approx(mean_interval(scores, 1).std_error, rel=1e-9)
    assert found.alpha_t != pytest.approx(fitted.tvalues[0], rel=0.1)


def test_the_alpha_of_a_benchmark_of_mean_0_has_the_error_of_a_mean():
    returns, benchmark = correlated(1)
    benchmark = benchmark - benchmark.mean()
    found = regress(returns, benchmark)
    expected = mean_interval(returns - found.beta * benchmark, 1)
    assert found.alpha / found.alpha_t == pytest.approx(expected.std_error, rel=1e-9)


def test_a_regression_that_cannot_say_is_nan():
    returns, benchmark = correlated(0, 9)
    flat, rising = np.ones(50), np.arange(50.0)
    for found in (regress(returns, benchmark), regress(flat, rising), regress(rising, flat)):
        assert math.isnan(found.alpha)
        assert found.degrees == 0
    few = regress(*(series[:11] for series in correlated(0)))
    assert math.isfinite(few.alpha)
    assert math.isnan(few.alpha_t)
    assert math.isnan(mean_interval(np.full(50, 0.01), 1).t)


def test_a_pair_is_the_mean_of_its_differences():
    one, other = correlated(2)
    found, mean = paired_test(one, other, 250), mean_interval(one - other, 1)
    assert found.sessions == 300
    assert found.annual_difference == pytest.approx((one - other).mean() * 250)
    assert (found.low, found.high) == pytest.approx((mean.low * 250, mean.high * 250))
    assert found.correlation == pytest.approx(np.corrcoef(one, other)[0, 1])


def test_the_interval_of_a_pair_contains_the_truth_as_often_as_it_claims():
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        common = rng.normal(0, 0.01, 250)
        found = paired_test(common + rng.normal(0.0004, 0.005, 250), common + rng.normal(0, 0.005, 250), 250)
        held += found.low <= 0.1 <= found.high
    assert 0.91 <= held / 400 <= 0.98


@pytest.mark.parametrize("sessions", [0, 1, 9])
def test_few_common_sessions_say_nothing(sessions):
    one, other = correlated(4)
    found = paired_test(one[:sessions], other[:sessions], 250)
    assert found.sessions == sessions
    assert math.isnan(found.t)
    assert math.isnan(found.low)


def test_a_run_against_itself_has_no_difference():
    one, _ = correlated(5)
    found = paired_test(one, one, 250)
    assert (found.annual_difference, found.correlation) == pytest.approx((0.0, 1.0))
    assert math.isnan(found.t)
