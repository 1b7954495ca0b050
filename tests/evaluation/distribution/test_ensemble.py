import numpy as np
import pytest
import scoringrules
from scipy import stats

from kronos_quant.evaluation.distribution import crps_ensemble, outcome_ranks, transform


@pytest.mark.parametrize("members", [1, 2, 20, 101])
@pytest.mark.parametrize("estimator", ["nrg", "qd"])
def test_the_crps_of_an_ensemble_agrees_with_scoringrules(members, estimator):
    rng = np.random.default_rng(members)
    paths, outcome = 0.05 * rng.standard_normal((300, members)), 0.05 * rng.standard_normal(300)
    paths[:50] = paths[:50, :1]  # all equal
    outcome[:20] = paths[:20, 0]  # and equal to the outcome
    expected = scoringrules.crps_ensemble(outcome, paths, estimator=estimator)
    np.testing.assert_allclose(crps_ensemble(paths, outcome), expected, rtol=0, atol=1e-9)


def test_the_crps_by_hand():
    # members 0 and 2, outcome 1: mean distance 1, less half of the mean distance of members, (0 + 2 + 2 + 0) / 4 / 2
    assert crps_ensemble(np.array([[2.0, 0.0]]), np.array([1.0])) == pytest.approx([0.5])


def test_of_ever_more_members_it_becomes_that_of_the_distribution():
    rng = np.random.default_rng(0)
    found = crps_ensemble(rng.standard_normal((1, 200_000)), np.array([0.7]))
    assert found == pytest.approx(scoringrules.crps_normal(0.7, 0.0, 1.0), abs=0.005)


def test_the_rank_of_an_outcome_by_hand():
    members = np.array([[1.0, 2.0, 3.0]] * 4)
    assert outcome_ranks(members, np.array([0.0, 1.5, 2.5, 9.0]), np.random.default_rng(0)).tolist() == [0, 1, 2, 3]


def test_tied_ranks_are_drawn_evenly_between_their_ends():
    members = np.tile([1.0, 2.0, 2.0, 3.0], (6000, 1))
    found = outcome_ranks(members, np.full(6000, 2.0), np.random.default_rng(1))
    # one is below, two are equal: ranks 1, 2 and 3
    assert np.bincount(found, minlength=5).tolist()[0::4] == [0, 0]
    assert np.bincount(found)[1:4] / 6000 == pytest.approx([1 / 3] * 3, abs=0.02)


def test_the_transform_of_a_true_ensemble_is_uniform():
    rng = np.random.default_rng(2)
    ranks = outcome_ranks(rng.standard_normal((5000, 7)), rng.standard_normal(5000), rng)
    found = transform(ranks, 7, rng)
    assert np.floor(found * 8).astype(int).tolist() == ranks.tolist()
    assert stats.kstest(found, "uniform").pvalue > 0.01
