import math

import numpy as np
import pytest
from scipy import stats

from kronos_quant.evaluation import MeanEstimate, estimate_mean, rank_correlation, rank_ic


def test_a_perfect_and_a_reversed_order():
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)


def test_by_hand_with_one_swap():
    # ranks 1 2 3 4 against 1 3 2 4: 1 - 6 * (0 + 1 + 1 + 0) / (4 * 15) = 0.8
    assert rank_correlation(np.array([1.0, 2, 3, 4]), np.array([10.0, 30, 20, 40])) == pytest.approx(0.8)


def test_ties_share_their_rank():
    a, b = np.array([1.0, 1, 2, 3]), np.array([1.0, 2, 3, 3])
    assert rank_correlation(a, b) == pytest.approx(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])


def test_nan_pairs_are_left_out():
    a = np.array([1.0, 2, np.nan, 3, 4])
    b = np.array([1.0, 2, 9, np.nan, 4])
    assert rank_correlation(a, b) == pytest.approx(1)


@pytest.mark.parametrize(
    ("a", "b"), [([1.0, 2.0], [1.0, 2.0]), ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]), ([np.nan] * 4, [1.0, 2, 3, 4])]
)
def test_too_few_pairs_or_a_constant_side_is_nan(a, b):
    assert math.isnan(rank_correlation(np.array(a), np.array(b)))


def test_rank_ic_is_one_value_a_date():
    scores = np.array([[1.0, 2, 3], [1.0, 2, 3], [np.nan, 2, 3]])
    returns = np.array([[1.0, 2, 3], [3.0, 2, 1], [1.0, 2, 3]])
    assert rank_ic(scores, returns)[:2].tolist() == pytest.approx([1, -1])
    assert math.isnan(rank_ic(scores, returns)[2])
    with pytest.raises(ValueError, match="zip"):
        rank_ic(scores, returns[:2])


def test_the_estimate_agrees_with_scipys_t_test():
    values = np.array([0.1, 0.2, np.nan, -0.05, 0.3])
    estimate = estimate_mean(values)
    finite = values[np.isfinite(values)]
    assert estimate.count == 4
    assert estimate.mean == pytest.approx(finite.mean())
    assert estimate.t == pytest.approx(stats.ttest_1samp(finite, 0).statistic)
    assert str(estimate) == "+0.138 ± 0.075 (t 1.8, 4 dates)"


def test_too_few_dates_have_no_error_and_no_t():
    one, none = estimate_mean(np.array([0.1])), estimate_mean(np.array([np.nan]))
    assert one.mean == 0.1
    assert math.isnan(one.t)
    assert math.isnan(none.mean)
    assert math.isnan(MeanEstimate(0.1, 0.0, 3).t)
