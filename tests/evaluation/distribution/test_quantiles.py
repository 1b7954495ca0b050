import numpy as np
import pytest
import scoringrules
from evaluation.forecasts import LEVELS, normal_forecast
from scipy import stats

from kronos_quant.evaluation.distribution import ks_distance, measure_distribution, pinball, pit_shares


def test_pinball_and_crps_agree_with_scoringrules():
    rng = np.random.default_rng(0)
    said, outcome = normal_forecast(rng, (20, 15))
    losses = pinball(LEVELS, said.quantiles, outcome)
    crps = scoringrules.crps_quantile(outcome, said.quantiles, np.array(LEVELS))
    np.testing.assert_allclose(2 * losses.mean(axis=-1), crps, rtol=0, atol=1e-9)
    for place, level in enumerate(LEVELS):
        expected = scoringrules.quantile_score(outcome, said.quantiles[..., place], level)
        np.testing.assert_allclose(losses[..., place], expected, rtol=0, atol=1e-9)
    card = measure_distribution(said, outcome, 1)
    np.testing.assert_allclose(card.crps_by_date, crps.mean(axis=1), rtol=0, atol=1e-9)
    assert card.crps.mean == pytest.approx(crps.mean(), abs=1e-9)
    assert card.pinball.mean() * 2 == pytest.approx(card.crps.mean, abs=1e-9)


def test_pinball_by_hand():
    # at level 0.9, 1 too low costs 0.9 and 1 too high 0.1
    assert pinball((0.9,), np.array([[2.0]]), np.array([3.0])).item() == pytest.approx(0.9)
    assert pinball((0.9,), np.array([[2.0]]), np.array([1.0])).item() == pytest.approx(0.1)


def test_the_distance_at_the_levels_is_no_more_than_scipys_over_all_of_them():
    rng = np.random.default_rng(3)
    said, outcome = normal_forecast(rng, (1, 4000), spread=0.6)
    values = stats.norm.cdf((outcome - said.point) / 0.6).ravel()
    whole = stats.kstest(values, "uniform").statistic
    found = measure_distribution(said, outcome, 1).ks
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
