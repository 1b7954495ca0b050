import warnings

import numpy as np
import pytest

from kronos_quant.signals.steps import neutralise, rank, winsorise, zscore

NAN = np.nan


def test_winsorising_pulls_the_ends_in_to_the_quantiles_of_their_own_date():
    scores = np.array([[0.0, 1, 2, 3, 100], [5, 5, 5, 5, NAN]])
    # a fifth at each end of five: quantiles 0.2 and 0.8 are 0.8 and 22.4
    assert winsorise(scores, 0.2)[0] == pytest.approx([0.8, 1, 2, 3, 22.4])
    assert winsorise(scores, 0.2)[1] == pytest.approx([5, 5, 5, 5, NAN], nan_ok=True)


def test_z_scores_have_mean_0_and_deviation_1_among_those_with_an_opinion():
    assert zscore(np.array([[1.0, 3, NAN]]))[0] == pytest.approx([-1, 1, NAN], nan_ok=True)


def test_ranks_share_their_places_and_lie_within_a_half():
    assert rank(np.array([[10.0, 20, 20, NAN]]))[0] == pytest.approx([-1 / 3, 1 / 6, 1 / 6, NAN], nan_ok=True)


@pytest.mark.parametrize("step", [zscore, rank])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_scores_that_are_all_equal_and_one_symbol_alone_become_0(step, value):
    assert step(np.array([[value] * 3, [NAN, value, NAN]])) == pytest.approx(
        np.array([[0, 0, 0], [NAN, 0, NAN]]), nan_ok=True
    )


def test_a_date_without_any_opinion_stays_without_and_warns_of_nothing():
    empty = np.full((2, 4), NAN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [winsorise(empty, 0.1), zscore(empty), rank(empty), neutralise(empty, np.zeros((2, 4, 1)))]
    assert all(np.isnan(part).all() for part in found)


def test_what_is_left_is_correlated_with_no_exposure():
    rng = np.random.default_rng(0)
    exposures = rng.lognormal(size=(20, 300, 3))
    scores = exposures @ [1.0, -2.0, 0.5] + rng.standard_normal((20, 300))
    residual = neutralise(scores, exposures)
    for t in range(20):
        for k in range(3):
            assert abs(np.corrcoef(residual[t], exposures[t, :, k])[0, 1]) < 1e-10
    assert residual == pytest.approx(scores - np.stack([_fitted(exposures[t], scores[t]) for t in range(20)]), abs=1e-9)


def _fitted(exposures, scores):
    design = np.column_stack([np.ones(len(scores)), exposures])
    return design @ np.linalg.solve(design.T @ design, design.T @ scores)


def test_groups_are_left_with_a_mean_of_0_each():
    scores = np.array([[1.0, 3, 10, 20, 30]])
    residual = neutralise(scores, np.empty((1, 5, 0)), np.array([[1, 1, 2, 2, 2]]))
    assert residual[0] == pytest.approx([-1, 1, -10, 0, 10])


def test_a_symbol_without_an_exposure_has_no_opinion_and_moves_no_other():
    rng = np.random.default_rng(1)
    scores, exposures = rng.standard_normal((1, 50)), rng.standard_normal((1, 50, 1))
    exposures[0, 7] = NAN
    residual = neutralise(scores, exposures)
    assert np.isnan(residual[0, 7])
    keep = np.arange(50) != 7
    assert residual[:, keep] == pytest.approx(neutralise(scores[:, keep], exposures[:, keep]))


def test_an_exposure_that_is_the_same_for_all_changes_nothing_beyond_the_mean():
    scores = np.array([[1.0, 2, 6]])
    assert neutralise(scores, np.full((1, 3, 1), 4.0))[0] == pytest.approx([-2, -1, 3])


def test_as_many_regressors_as_symbols_leave_nothing_to_rank():
    assert np.isnan(neutralise(np.array([[1.0, 2.0]]), np.array([[[1.0], [5.0]]]))).all()
