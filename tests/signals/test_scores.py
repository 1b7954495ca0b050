import numpy as np
import pytest

from kronos_quant.signals.scores import SCORES, score_paths


def test_scores_of_two_paths_by_hand():
    # base 100; paths 110 -> 120 and 90 -> 100: mean path 0 %, then +10 %
    close = np.array([[[110.0, 120.0], [90.0, 100.0]]])
    row = score_paths(close, np.array([100.0])).row(0, named=True)
    assert row["mean"] == pytest.approx(0.05)
    assert row["last"] == pytest.approx(0.10)
    assert row["max"] == pytest.approx(0.10)
    assert row["min"] == pytest.approx(0.0)
    assert row["median"] == pytest.approx(0.10)
    assert row["p_rise"] == 0.5
    # returns at the horizon 0.2 and 0.0: quantiles are linear between them
    assert row["q05"] == pytest.approx(0.01)
    assert row["q95"] == pytest.approx(0.19)
    assert row["spread"] == pytest.approx(0.18)
    assert row["shortfall"] == pytest.approx(0.0)
    # standard deviation 0.1414 of two, over sqrt(2)
    assert row["std_error"] == pytest.approx(0.1)


def test_scores_are_returns_so_that_scaling_a_price_changes_nothing():
    rng = np.random.default_rng(0)
    close, base = rng.uniform(9, 11, (5, 30, 4)), rng.uniform(9, 11, 5)
    assert score_paths(close, base).to_numpy() == pytest.approx(score_paths(1000 * close, 1000 * base).to_numpy())


def test_the_shortfall_is_the_mean_of_the_worst_twentieth():
    close = np.arange(1.0, 41.0).reshape(1, 40, 1)
    row = score_paths(close, np.array([1.0])).row(0, named=True)
    # the worst 2 of 40 paths: returns 0 and 1
    assert row["shortfall"] == pytest.approx(0.5)


def test_one_path_has_no_sampling_error():
    row = score_paths(np.ones((1, 1, 3)), np.ones(1)).row(0, named=True)
    assert np.isnan(row["std_error"])
    assert row["last"] == 0


def test_every_score_that_may_rank_is_a_column():
    assert set(SCORES) <= set(score_paths(np.ones((2, 3, 4)), np.ones(2)).columns)
