import numpy as np
import polars as pl
import pytest
from scipy.stats.mstats import mjci

from kronos_quant import KronosQuantError
from kronos_quant.own_code import find_code
from kronos_quant.signals.scores import (
    ERROR_OF,
    LEVELS,
    PATH_LEVELS,
    PATH_QUANTILES,
    QUANTILES,
    SCORES,
    load_own_score,
    published_score,
    score_paths,
)


def test_scores_of_two_paths_by_hand():
    # base 100; paths 110 -> 120 and 90 -> 100: mean path 0%, then +10%
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
    one, other = score_paths(close, base), score_paths(1000 * close, 1000 * base)
    for name in one.columns:
        assert one[name].to_numpy() == pytest.approx(other[name].to_numpy(), abs=1e-7 if "path" in name else 1e-12)


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
    # returns 0, 1, .. 20%: each hundredth of the levels has a return of its own
    assert [row[name] for name in QUANTILES] == pytest.approx([0.2 * level for level in LEVELS])
    assert row["spread"] == pytest.approx(0.18)


def test_the_columns_of_the_quantiles_tell_their_levels():
    assert [float(f"0.{name[1:]}") for name in QUANTILES] == list(LEVELS)
    assert [float(f"0.{name[6:]}") for name in PATH_QUANTILES] == list(PATH_LEVELS)
    for nominal in (0.5, 0.8, 0.9, 0.95):
        ends = [(1 - nominal) / 2, (1 + nominal) / 2]
        assert all(any(level == pytest.approx(end) for level in LEVELS) for end in ends)


def test_every_bar_of_the_path_has_its_median_and_the_ends_of_its_ninety_percent():
    close = np.random.default_rng(3).uniform(9, 11, (4, 50, 6))
    rows = score_paths(close, np.full(4, 10.0))
    assert rows["path_q50"].dtype == pl.Array(pl.Float32, 6)
    for name, level in zip(PATH_QUANTILES, PATH_LEVELS, strict=True):
        np.testing.assert_allclose(rows[name].to_numpy(), np.quantile(close / 10 - 1, level, axis=1), atol=1e-7)
    for bar, main in zip(PATH_QUANTILES, ("q05", "median", "q95"), strict=True):
        assert rows[bar].to_numpy()[:, -1] == pytest.approx(rows[main].to_numpy(), abs=1e-7)


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


RETURNS = np.arange(12.0).reshape(2, 3, 2)


@pytest.fixture
def own(tmp_path):
    def write(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return find_code(path, "own_score")

    return write


def test_the_function_is_given_the_returns_of_every_path(own):
    found = load_own_score(own("def score(returns):\n    return returns[:, :, -1].mean(axis=1)\n"))
    assert found(RETURNS).tolist() == [3.0, 9.0]


def test_what_is_not_finite_is_no_opinion(own):
    found = load_own_score(own("def score(returns):\n    return [float('inf'), 1]\n"))
    assert np.array_equal(found(RETURNS), [np.nan, 1.0], equal_nan=True)


def test_what_it_does_to_the_returns_stays_with_it(own):
    returns = RETURNS.copy()
    load_own_score(own("def score(returns):\n    returns[:] = 0\n    return returns[:, 0, 0]\n"))(returns)
    assert np.array_equal(returns, RETURNS)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[1, 2, 3]", r"score: expected 2 numbers, found shape \(3,\)"),
        ("returns[5]", r"mine\.py:2: IndexError"),
        ("'abc'", r"mine\.py: ValueError"),
        ("exit(0)", r"mine\.py:2: SystemExit: 0"),
    ],
)
def test_a_score_that_goes_wrong_is_one_clear_line(own, body, message):
    with pytest.raises(KronosQuantError, match=message):
        load_own_score(own(f"def score(returns):\n    return {body}\n"))(RETURNS)
