from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import panel_of

from kronos_quant.validity.holdings import universe_returns, without_universe

NAN = float("nan")


def test_the_universe_is_what_had_a_score_in_the_session_before():
    panel = panel_of([[1, 1, NAN], [1, NAN, 1], [1, 1, 1]], [[10, 20, 30], [11, 20, 33], [11, 30, 66]])
    # +10% and 0% of the first two; then 0% and +100% of the first and the third
    np.testing.assert_allclose(universe_returns(panel), [0.05, 0.5])


def test_a_suspended_symbol_does_not_move_and_an_unlisted_one_is_not_counted():
    panel = panel_of([[1, 1, 1]] * 3, [[10, 10, NAN], [12, NAN, NAN], [12, 15, 5]])
    np.testing.assert_allclose(universe_returns(panel), [0.1, 0.25])


def test_a_session_without_any_score_earns_nothing():
    panel = panel_of([[NAN, NAN], [1, 1], [1, 1]], [[10, 10], [20, 20], [30, 30]])
    np.testing.assert_allclose(universe_returns(panel), [0.0, 0.5])


def test_a_later_bar_changes_no_earlier_return():
    close = np.array([[10.0, 20], [11, 22], [12, 21], [13, 25]])
    before = universe_returns(panel_of(np.ones((4, 2)), close))
    close[3] = [1, 90]
    np.testing.assert_array_equal(universe_returns(panel_of(np.ones((4, 2)), close))[:2], before[:2])


def test_what_is_left_has_no_beta_and_keeps_its_alpha():
    rng = np.random.default_rng(0)
    universe = rng.normal(0.001, 0.01, 500)
    own = 0.002 + 0.7 * universe + rng.normal(0, 0.005, 500)
    left = without_universe(own, universe)
    assert np.cov(left, universe)[0, 1] == pytest.approx(0.0, abs=1e-18)
    slope, alpha = np.polyfit(universe, own, 1)
    assert left.mean() == pytest.approx(alpha, rel=1e-10)
    np.testing.assert_allclose(left, own - slope * universe, atol=1e-15)


def test_several_series_at_once_are_each_taken_apart():
    rng = np.random.default_rng(1)
    universe, many = rng.normal(0, 0.01, 60), rng.normal(0, 0.01, (60, 3))
    together = without_universe(many, universe)
    for column in range(3):
        np.testing.assert_allclose(together[:, column], without_universe(many[:, column], universe), atol=1e-16)


def test_a_universe_that_does_not_move_takes_nothing_away():
    own = np.array([0.01, -0.02, 0.03])
    assert without_universe(own, np.zeros(3)) is own
