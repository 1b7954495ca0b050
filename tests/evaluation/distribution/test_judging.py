import math
from dataclasses import replace

import numpy as np
import pytest
import scoringrules
from evaluation.forecasts import LEVELS, normal_forecast
from scipy import stats

from kronos_quant.evaluation.contender import Distribution
from kronos_quant.evaluation.distribution import measure_distribution


def test_a_true_forecast_covers_what_it_claims_and_has_a_flat_pit():
    said, outcome = normal_forecast(np.random.default_rng(1), (60, 200))
    card = measure_distribution(said, outcome, 1)
    assert sorted(card.coverage) == [0.5, 0.8, 0.9, 0.95]
    for nominal, found in card.coverage.items():
        assert found.mean == pytest.approx(nominal, abs=0.01)
    np.testing.assert_allclose(card.pit, np.diff(card.edges), atol=0.01)
    assert card.pit.sum() == pytest.approx(1)
    assert card.ks < 0.01
    assert card.cells == 60 * 200


def test_an_overconfident_forecast_covers_too_little_and_its_pit_has_high_ends():
    said, outcome = normal_forecast(np.random.default_rng(2), (60, 200), spread=0.4)
    card = measure_distribution(said, outcome, 1)
    # within 0.4 * 1.645 standard deviations: 2 * Phi(0.658) - 1
    assert card.coverage[0.9].mean == pytest.approx(2 * stats.norm.cdf(0.4 * 1.6449) - 1, abs=0.01)
    assert card.coverage[0.9].high < 0.9
    assert card.pit[0] > 3 * LEVELS[0]
    assert card.ks > 0.15


def test_a_point_forecast_claims_no_interval_and_its_crps_is_its_absolute_error():
    outcome = np.random.default_rng(6).standard_normal((15, 4))
    flat = np.zeros((15, 4))
    said = Distribution((0.05, 0.5, 0.95), np.zeros((15, 4, 3)), flat + 0.5, flat)
    card = measure_distribution(said, outcome, 1)
    assert card.coverage == {}
    assert math.isnan(card.ks)
    assert card.crps.mean == pytest.approx(np.abs(outcome).mean())


def test_cells_without_forecast_or_outcome_do_not_count():
    said, outcome = normal_forecast(np.random.default_rng(7), (12, 5))
    outcome[0] = np.nan
    said.quantiles[1, 2, 3] = np.nan
    card = measure_distribution(said, outcome, 1)
    assert card.cells == 11 * 5 - 1
    assert math.isnan(card.crps_by_date[0])
    assert card.crps.dates == 11


def with_paths(rng, shape, members=25, spread=1.0):
    """A forecast of a normal with its sample paths, and outcomes."""
    said, outcome = normal_forecast(rng, shape, spread)
    paths = said.point[..., None] + spread * rng.standard_normal((*shape, members))
    return replace(said, paths=paths.astype(np.float32)), outcome


def test_stored_paths_give_the_exact_figures_beside_those_at_the_quantiles():
    said, outcome = with_paths(np.random.default_rng(8), (30, 12))
    card = measure_distribution(said, outcome, 1)
    plain = measure_distribution(replace(said, paths=None), outcome, 1)
    assert plain.exact is None
    assert plain.measured_from == "9 quantiles"
    assert card.measured_from == "9 quantiles, and exactly from 25 paths"
    # what compares with other rows is measured as before
    np.testing.assert_array_equal(card.crps_by_date, plain.crps_by_date)
    np.testing.assert_array_equal(card.pit, plain.pit)
    expected = scoringrules.crps_ensemble(outcome, said.paths.astype(np.float64), estimator="nrg")
    np.testing.assert_allclose(card.exact.crps_by_date, expected.mean(axis=1), rtol=0, atol=1e-9)
    assert card.exact.ranks.sum() == card.cells
    assert len(card.exact.ranks) == 26
    assert (len(card.exact.pit), len(card.exact.edges)) == (20, 21)


def test_a_true_ensemble_has_flat_ranks_and_one_that_is_too_sure_has_high_ends():
    rng = np.random.default_rng(9)
    true, sure = (measure_distribution(*with_paths(rng, (60, 200), 9, spread), 1).exact for spread in (1.0, 0.4))
    np.testing.assert_allclose(true.pit, 0.1, atol=0.01)
    assert true.ks < 0.015
    np.testing.assert_allclose(true.ranks / true.ranks.sum(), true.pit)  # few paths: a bin a rank
    np.testing.assert_allclose(true.edges, np.arange(11) / 10)
    assert sure.pit[0] > 0.25
    assert sure.pit[-1] > 0.25
    assert sure.ks > 0.15


def test_the_ties_of_outcomes_with_paths_are_broken_alike_every_time():
    shape = (20, 10)
    flat = np.zeros(shape)
    said = Distribution((0.5,), np.zeros((*shape, 1)), flat + 0.5, flat, np.zeros((*shape, 4), dtype=np.float32))
    one, other = (measure_distribution(said, flat, 1).exact for _ in range(2))
    # all four paths equal the outcome: every rank is as likely
    assert (one.ranks > 20).all()
    np.testing.assert_array_equal(one.ranks, other.ranks)
    assert one.ks == other.ks
    assert one.crps.mean == 0


def test_a_cell_whose_paths_are_missing_does_not_count_for_the_exact_figures():
    said, outcome = with_paths(np.random.default_rng(10), (15, 4))
    said.paths[0] = np.nan
    said.paths[1, 2, 5] = np.nan
    card = measure_distribution(said, outcome, 1)
    assert card.cells == 60
    assert card.exact.ranks.sum() == 60 - 4 - 1
    assert math.isnan(card.exact.crps_by_date[0])
    none = measure_distribution(replace(said, paths=np.full_like(said.paths, np.nan)), outcome, 1).exact
    assert none.ranks.sum() == 0
    assert math.isnan(none.crps.mean)
    assert math.isnan(none.ks)
