import numpy as np
import pytest

from kronos_quant.signals import steps

NAN = np.nan


def smooth(scores, sessions):
    """Of moments that are a session each."""
    return steps.smooth(scores, np.arange(len(scores)), sessions)


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


def test_within_a_session_all_moments_of_the_sessions_before_and_its_own_earlier_ones_count():
    session = np.array([7, 7, 8, 8, 11])
    scores = np.array([[1.0], [3.0], [5.0], [9.0], [2.0]])
    # two sessions: 1; 1, 3; 1, 3, 5; 1, 3, 5, 9; and session 11 alone, for 10 has none
    assert steps.smooth(scores, session, 2)[:, 0] == pytest.approx([1, 2, 3, 4.5, 2])
