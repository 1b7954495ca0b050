from __future__ import annotations

import numpy as np
from backtest.markets import panel_of
from validity.cases import run, walks

from kronos_quant.validity.holdings import account_before, moves_of, shares_of, values_before

NAN = float("nan")


def test_moves_are_from_close_to_close():
    panel = panel_of([[1, NAN]] * 3, [[10, NAN], [NAN, 20], [12, 21]])
    np.testing.assert_allclose(moves_of(panel), [[0, NAN], [0.2, 0.05]])


def test_holdings_are_what_they_were_worth_the_close_before():
    panel = walks(30, 12)
    _, _, result = run(panel)
    values, before = values_before(result), account_before(result)
    assert before[0] == 1e6
    np.testing.assert_array_equal(before[1:], result.account[:-1])
    assert not values[0].any()
    # what is not held is cash
    np.testing.assert_allclose(values[1:].sum(axis=1) + result.cash[:-1], result.account[:-1], rtol=1e-12)


def test_nothing_is_held_of_an_account_that_is_gone():
    np.testing.assert_array_equal(shares_of(np.array([1.0, 2.0]), np.array([4.0, 0.0])), [0.25, 0])
    found = shares_of(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([2.0, -1.0]))
    np.testing.assert_array_equal(found, [[0.5, 1], [0, 0]])
