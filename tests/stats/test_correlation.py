import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kronos_quant.stats.correlation import ic, rank_ic, rank_ic_by_group, ranks


def rank_correlation(a, b):
    return rank_ic(a[None], b[None])[0]


def made(seed, dates=40, symbols=30):
    """Scores with ties and returns, both with holes."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 12, (dates, symbols)).astype(float)
    returns = 0.02 * rng.standard_t(4, (dates, symbols)) + 0.001 * scores
    scores[rng.random(scores.shape) < 0.15] = np.nan
    returns[rng.random(returns.shape) < 0.15] = np.nan
    return scores, returns


def by_pandas(scores, returns, method):
    """As alphalens and Qlib do it: one frame of all pairs, grouped by date."""
    frame = pd.DataFrame(
        {"date": np.repeat(np.arange(len(scores)), scores.shape[1]), "score": scores.ravel(), "label": returns.ravel()}
    ).dropna()
    groups = frame.groupby("date")[["score", "label"]]
    return groups.apply(lambda day: day["score"].corr(day["label"], method=method)).to_numpy()


@pytest.mark.parametrize("seed", range(3))
def test_the_values_of_each_date_agree_with_pandas_groups(seed):
    scores, returns = made(seed)
    np.testing.assert_allclose(ic(scores, returns), by_pandas(scores, returns, "pearson"), rtol=0, atol=1e-9)
    np.testing.assert_allclose(rank_ic(scores, returns), by_pandas(scores, returns, "spearman"), rtol=0, atol=1e-9)


def test_the_values_of_each_date_agree_with_scipy():
    scores, returns = made(7)
    both = np.isfinite(scores) & np.isfinite(returns)
    expected = [stats.spearmanr(a[k], b[k]).statistic for a, b, k in zip(scores, returns, both, strict=True)]
    np.testing.assert_allclose(rank_ic(scores, returns), expected, rtol=0, atol=1e-9)
    plain = [stats.pearsonr(a[k], b[k]).statistic for a, b, k in zip(scores, returns, both, strict=True)]
    np.testing.assert_allclose(ic(scores, returns), plain, rtol=0, atol=1e-9)


def test_a_perfect_and_a_reversed_order():
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)


def test_by_hand_with_one_swap():
    # ranks 1 2 3 4 against 1 3 2 4: 1 - 6 * (0 + 1 + 1 + 0) / (4 * 15) = 0.8
    assert rank_correlation(np.array([1.0, 2, 3, 4]), np.array([10.0, 30, 20, 40])) == pytest.approx(0.8)


def test_ties_share_their_mean_rank():
    assert ranks(np.array([[3.0, 1, 3, np.nan, 2]])).tolist()[0][:3] == [3.5, 1.0, 3.5]
    assert math.isnan(ranks(np.array([[3.0, 1, 3, np.nan, 2]]))[0, 3])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]),
        ([0.1, 0.1, 0.1, 0.1], [1.0, 2.0, 3.0, 5.0]),  # their mean is not exactly 0.1
        ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]),
        ([np.nan] * 4, [1.0, 2, 3, 4]),
        ([np.inf, 1.0, 2.0], [1.0, 2.0, 3.0]),
    ],
)
def test_too_few_pairs_or_a_constant_side_is_nan(a, b):
    assert math.isnan(rank_correlation(np.array(a), np.array(b)))
    assert math.isnan(ic(np.array([a]), np.array([b]))[0])


def test_tiny_and_huge_numbers_have_a_correlation_too():
    a = np.array([[1.0, 2, 3, 5]])
    assert ic(a * 1e-200, a * 1e200)[0] == pytest.approx(1)


def test_dates_do_not_touch_each_other():
    scores, returns = made(1)
    changed = returns.copy()
    changed[5:] = 0.0
    assert rank_ic(scores, changed)[:5].tolist() == rank_ic(scores, returns)[:5].tolist()


def test_the_order_of_the_symbols_does_not_matter():
    scores, returns = made(2)
    order = np.random.default_rng(0).permutation(scores.shape[1])
    np.testing.assert_allclose(rank_ic(scores[:, order], returns[:, order]), rank_ic(scores, returns), atol=1e-12)


def test_shapes_that_differ_are_an_error():
    with pytest.raises(ValueError, match=r"scores \(2, 3\) and returns \(1, 3\) differ in shape"):
        rank_ic(np.ones((2, 3)), np.ones((1, 3)))


def test_the_rank_ic_of_groups_is_that_of_each_by_itself():
    rng = np.random.default_rng(5)
    group = np.repeat([0, 1, 2], [4, 2, 7])
    scores, returns = rng.standard_normal((2, 13))
    expected = [rank_correlation(scores[group == one], returns[group == one]) for one in range(3)]
    np.testing.assert_allclose(rank_ic_by_group(scores, returns, group), expected, rtol=1e-14)
    assert math.isnan(expected[1])
