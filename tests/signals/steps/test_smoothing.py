import numpy as np
import pytest

from kronos_quant.signals.steps import smooth

NAN = np.nan


def test_a_date_is_averaged_with_those_before_it_as_many_as_there_are():
    scores = np.array([[1.0], [2.0], [6.0], [4.0]])
    assert smooth(scores, 3)[:, 0] == pytest.approx([1, 1.5, 3, 4])


def test_no_opinion_stays_none_and_is_left_out_of_later_means():
    scores = np.array([[1.0], [NAN], [3.0]])
    assert smooth(scores, 2)[:, 0] == pytest.approx([1, NAN, 3], nan_ok=True)
    assert smooth(scores, 3)[:, 0] == pytest.approx([1, NAN, 2], nan_ok=True)


def test_a_later_date_moves_no_earlier_one():
    scores = np.random.default_rng(0).standard_normal((30, 5))
    changed = scores.copy()
    changed[20:] = 99
    assert (smooth(scores, 4)[:20] == smooth(changed, 4)[:20]).all()
