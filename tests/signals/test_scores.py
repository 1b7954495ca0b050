import numpy as np
import pytest
from scipy.stats.mstats import mjci

from kronos_quant.signals.scores import ERROR_OF, QUANTILES, SCORES, published_score, score_paths


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
    columns = {*score_paths(np.ones((2, 3, 4)), np.ones(2)).columns, *published_score(np.ones((2, 3))).columns}
    assert {*SCORES, *QUANTILES, *ERROR_OF.values()} <= columns


def test_the_quantiles_are_those_of_the_returns_at_the_horizon():
    close = np.arange(100.0, 121.0).reshape(1, 21, 1)
    row = score_paths(close, np.array([100.0])).row(0, named=True)
    # returns 0, 1, .. 20 %: each hundredth of the levels has a return of its own
    found = [row[name] for name in ("q05", "q10", "q25", "q50", "q75", "q90", "q95")]
    assert found == pytest.approx([0.01, 0.02, 0.05, 0.10, 0.15, 0.18, 0.19])


def test_the_mean_over_the_spread_is_a_ratio_and_nothing_where_there_is_no_spread():
    close = np.array([[[120.0], [100.0]], [[110.0], [110.0]]])
    rows = score_paths(close, np.array([100.0, 100.0]))
    assert rows["mean_over_spread"][0] == pytest.approx(0.1 / 0.18)
    assert rows["mean_over_spread_error"][0] == pytest.approx(0.1 / 0.18)
    assert np.isnan(rows["mean_over_spread"][1])


def test_standard_errors_are_those_of_many_repeated_samplings():
    rng = np.random.default_rng(3)
    # 4,000 symbols whose paths have one law: the spread over symbols is what a standard error estimates
    steps = 0.02 * rng.standard_normal((4000, 40, 3))
    rows = score_paths(np.exp(steps.cumsum(axis=2)), np.ones(4000))
    for score, slack in (("mean", 0.06), ("last", 0.06), ("median", 0.15), ("p_rise", 0.06)):
        told = np.sqrt((rows[ERROR_OF[score]] ** 2).mean())
        assert told == pytest.approx(rows[score].std(), rel=slack), score


def test_the_error_of_the_median_is_that_of_maritz_and_jarrett():
    final = np.random.default_rng(1).standard_normal((3, 25))
    rows = score_paths(1 + 0.01 * final[:, :, None], np.ones(3))
    expected = [mjci(0.01 * row, [0.5])[0] for row in final]
    assert rows["median_error"].to_list() == pytest.approx(expected)


def test_the_error_of_the_best_bar_is_that_of_the_mean_path_where_it_lies():
    # the mean path is highest at the first bar, where the paths are 1.0 and 1.2, and lowest at the second
    row = score_paths(np.array([[[1.0, 1.0], [1.2, 1.0]]]), np.ones(1)).row(0, named=True)
    assert (row["max"], row["max_error"]) == pytest.approx((0.1, 0.1))
    assert (row["min"], row["min_error"]) == pytest.approx((0.0, 0.0))


def test_a_probability_of_one_has_an_error_all_the_same():
    row = score_paths(np.full((1, 16, 1), 1.1), np.ones(1)).row(0, named=True)
    # Agresti and Coull: (16 + 2) / (16 + 4) = 0.9, sqrt(0.9 * 0.1 / 20)
    assert row["p_rise"] == 1
    assert row["p_rise_error"] == pytest.approx(np.sqrt(0.9 * 0.1 / 20))


def test_the_published_score_is_the_mean_change_of_z_scores():
    rows = published_score(np.array([[1.0, 3.0], [0.0, 0.0]]))
    assert rows["published"].to_list() == [2.0, 0.0]
    assert rows["published_error"].to_list() == pytest.approx([1.0, 0.0])
