import math

import numpy as np
import pytest
import scoringrules
from scipy import stats

from kronos_quant.evaluation import Distribution
from kronos_quant.evaluation.distribution import (
    brier,
    judge_distribution,
    ks_distance,
    pinball,
    pit_shares,
    point_errors,
    reliability,
)

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def normal_forecast(rng, shape, spread=1.0):
    """Forecasts of a normal with known mean, whose spread is a multiple of the true one, and outcomes."""
    mean = rng.standard_normal(shape)
    outcome = mean + rng.standard_normal(shape)
    quantiles = mean[..., None] + spread * stats.norm.ppf(LEVELS)
    return Distribution(LEVELS, quantiles, stats.norm.cdf(mean / spread), mean), outcome


def test_pinball_and_crps_agree_with_scoringrules():
    rng = np.random.default_rng(0)
    said, outcome = normal_forecast(rng, (20, 15))
    losses = pinball(LEVELS, said.quantiles, outcome)
    crps = scoringrules.crps_quantile(outcome, said.quantiles, np.array(LEVELS))
    np.testing.assert_allclose(2 * losses.mean(axis=-1), crps, rtol=0, atol=1e-9)
    for place, level in enumerate(LEVELS):
        expected = scoringrules.quantile_score(outcome, said.quantiles[..., place], level)
        np.testing.assert_allclose(losses[..., place], expected, rtol=0, atol=1e-9)
    card = judge_distribution(said, outcome, 1)
    np.testing.assert_allclose(card.crps_by_date, crps.mean(axis=1), rtol=0, atol=1e-9)
    assert card.crps.mean == pytest.approx(crps.mean(), abs=1e-9)
    assert card.pinball.mean() * 2 == pytest.approx(card.crps.mean, abs=1e-9)


def test_pinball_by_hand():
    # at level 0.9, 1 too low costs 0.9 and 1 too high 0.1
    assert pinball((0.9,), np.array([[2.0]]), np.array([3.0])).item() == pytest.approx(0.9)
    assert pinball((0.9,), np.array([[2.0]]), np.array([1.0])).item() == pytest.approx(0.1)


def test_a_true_forecast_covers_what_it_claims_and_has_a_flat_pit():
    said, outcome = normal_forecast(np.random.default_rng(1), (60, 200))
    card = judge_distribution(said, outcome, 1)
    assert sorted(card.coverage) == [0.5, 0.8, 0.9]
    for nominal, found in card.coverage.items():
        assert found.mean == pytest.approx(nominal, abs=0.01)
    np.testing.assert_allclose(card.pit, card.pit_expected, atol=0.01)
    assert card.pit.sum() == pytest.approx(1)
    assert card.ks < 0.01
    assert card.cells == 60 * 200


def test_an_overconfident_forecast_covers_too_little_and_its_pit_has_high_ends():
    said, outcome = normal_forecast(np.random.default_rng(2), (60, 200), spread=0.4)
    card = judge_distribution(said, outcome, 1)
    # within 0.4 * 1.645 standard deviations: 2 * Phi(0.658) - 1
    assert card.coverage[0.9].mean == pytest.approx(2 * stats.norm.cdf(0.4 * 1.6449) - 1, abs=0.01)
    assert card.coverage[0.9].high < 0.9
    assert card.pit[0] > 3 * card.pit_expected[0]
    assert card.ks > 0.15


def test_the_distance_at_the_levels_is_no_more_than_scipys_over_all_of_them():
    rng = np.random.default_rng(3)
    said, outcome = normal_forecast(rng, (1, 4000), spread=0.6)
    values = stats.norm.cdf((outcome - said.point) / 0.6).ravel()
    whole = stats.kstest(values, "uniform").statistic
    found = judge_distribution(said, outcome, 1).ks
    assert found <= whole + 1e-12
    fine = np.arange(1, 1000) / 1000
    shares = pit_shares(np.tile(fine, (len(values), 1)), values)
    assert ks_distance(tuple(fine), shares) == pytest.approx(whole, abs=0.002)


def test_the_pit_by_hand_with_an_outcome_on_a_quantile():
    quantiles = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 1.0]])
    # below, on the first (half and half), above; on both: a third each
    shares = pit_shares(quantiles, np.array([0.0, 1.0, 3.0, 1.0]))
    third = 1 / 3
    assert shares.tolist() == pytest.approx([(1 + 0.5 + third) / 4, (0.5 + third) / 4, (1 + third) / 4])
    assert np.isnan(pit_shares(np.empty((0, 2)), np.empty(0))).all()


def test_brier_agrees_with_scoringrules():
    rng = np.random.default_rng(4)
    p, outcome = rng.random((5, 9)), rng.standard_normal((5, 9))
    expected = scoringrules.brier_score((outcome > 0).astype(float), p).mean()
    assert brier(p, outcome) == pytest.approx(expected, abs=1e-9)
    assert brier(np.full((5, 9), 0.5), outcome) == pytest.approx(0.25)
    outcome[0] = np.nan
    assert brier(p, outcome) == pytest.approx(((p - (outcome > 0)) ** 2)[1:].mean())


def test_reliability_by_hand():
    p = np.array([[0.05, 0.31, 0.39, 1.0, 0.7]])
    outcome = np.array([[-1.0, 1.0, -1.0, 1.0, np.nan]])
    found = reliability(p, outcome)
    assert found.count.tolist() == [1, 0, 0, 2, 0, 0, 0, 0, 0, 1]
    assert found.forecast[[0, 3, 9]].tolist() == pytest.approx([0.05, 0.35, 1.0])
    assert found.rose[[0, 3, 9]].tolist() == [0.0, 0.5, 1.0]
    assert math.isnan(found.rose[1])


def test_errors_of_the_point_by_hand_and_against_scikit_learn():
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    rng = np.random.default_rng(5)
    outcome = rng.standard_normal((6, 8))
    point = 0.3 * outcome + 0.2 * rng.standard_normal((6, 8))
    found = point_errors(point, outcome)
    a, b = outcome.ravel(), point.ravel()
    assert found.mae == pytest.approx(mean_absolute_error(a, b), abs=1e-9)
    assert found.mse == pytest.approx(mean_squared_error(a, b), abs=1e-9)
    assert found.r2 == pytest.approx(r2_score(a, b), abs=1e-9)
    assert found.r2_against_last_close == pytest.approx(1 - ((a - b) ** 2).sum() / (a**2).sum())
    assert found.correlation == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-9)
    assert found.directional_accuracy == pytest.approx((np.sign(a) == np.sign(b)).mean())


def test_no_change_has_no_direction_and_no_correlation():
    found = point_errors(np.zeros((2, 3)), np.array([[0.1, -0.2, 0.0], [np.nan, 0.3, 0.1]]))
    assert math.isnan(found.correlation)
    assert math.isnan(found.directional_accuracy)
    assert found.r2_against_last_close == 0
    assert math.isnan(point_errors(np.zeros((1, 1)), np.full((1, 1), np.nan)).mae)


def test_a_point_forecast_claims_no_interval_and_its_crps_is_its_absolute_error():
    outcome = np.random.default_rng(6).standard_normal((15, 4))
    flat = np.zeros((15, 4))
    said = Distribution((0.05, 0.5, 0.95), np.zeros((15, 4, 3)), flat + 0.5, flat)
    card = judge_distribution(said, outcome, 1)
    assert card.coverage == {}
    assert math.isnan(card.ks)
    assert card.crps.mean == pytest.approx(np.abs(outcome).mean())


def test_cells_without_forecast_or_outcome_do_not_count():
    said, outcome = normal_forecast(np.random.default_rng(7), (12, 5))
    outcome[0] = np.nan
    said.quantiles[1, 2, 3] = np.nan
    card = judge_distribution(said, outcome, 1)
    assert card.cells == 11 * 5 - 1
    assert math.isnan(card.crps_by_date[0])
    assert card.crps.dates == 11
