from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import panel_of, sizeless
from validity.cases import run, walks

from kronos_quant.backtest import simulate
from kronos_quant.validity.examination import legs_of

SHORT = {"strategy": "long_short_quantile", "quantile": 0.25, "every": 3}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "fields", [{}, {"liquidity": {"slippage": 0.001, "impact": 0.5, "participation": 0.05}}, {"costs": {"borrow": 0.5}}]
)
def test_the_legs_add_up_to_the_accounts_return(seed, fields):
    panel = walks(80, 16, seed)
    _, _, result = run(panel, **(SHORT | fields))
    found = legs_of(result)
    np.testing.assert_allclose(found.long + found.short, result.returns, atol=1e-13)
    assert found.mean_long > 0.3
    assert found.mean_short < -0.3


def test_a_long_strategy_has_no_legs():
    panel = walks(30, 12)
    assert legs_of(run(panel)[2]) is None


def test_legs_by_hand():
    # half of 0.95 of 100,000 in each leg at session 1's open, costs of 0.1% a side
    panel = panel_of([[2, 1]] * 3, [[10, 20], [11, 20], [11, 22]], open_=[[10, 20], [10, 20], [11, 20]])
    plain = {"account": 1e5, "lot": 0, "price_limit": "none", "every": 10, "quantile": 0.5, "sessions_per_year": 252}
    costs = {"buy": 0.001, "sell": 0.001, "minimum": 0, "borrow": 0.0}
    strategy = sizeless(plain | {"strategy": "long_short_quantile", "costs": costs})
    result = simulate(strategy, panel)
    found = legs_of(result)
    # session 1: 4,750 shares rise from 10 to 11 and cost 47.5; 2,375 short at 20 stay there and cost 47.5
    np.testing.assert_allclose(result.account, [104_655, 99_905])
    np.testing.assert_allclose(found.long, [(4_750 - 47.5) / 1e5, 0.0], atol=1e-15)
    np.testing.assert_allclose(found.short, [-47.5 / 1e5, -2_375 * 2 / 104_655], atol=1e-15)
    assert found.mean_long == pytest.approx(4_750 * 11 / 104_655 / 2)
    assert found.mean_short == pytest.approx(-2_375 * 20 / 104_655 / 2)


def test_a_trade_through_zero_is_cut_there():
    # the two symbols change places: each trade closes one side and opens the other
    panel = panel_of(
        [[2, 1], [1, 2], [1, 2]], [[10, 20], [10, 20], [12, 25]], open_=[[10, 20], [10, 20], [10, 20]]
    )  # fmt: skip
    plain = {"account": 1e5, "lot": 0, "price_limit": "none", "quantile": 0.5, "every": 1}
    costs = {"buy": 0.0, "sell": 0.0, "minimum": 0, "borrow": 0.0}
    strategy = sizeless(plain | {"strategy": "long_short_quantile", "costs": costs})
    result = simulate(strategy, panel)
    found = legs_of(result)
    # from session 2's open: long 2,375 of the second from 20 to 25, short 4,750 of the first from 10 to 12
    np.testing.assert_allclose(found.long, [0.0, 2_375 * 5 / 1e5], atol=1e-15)
    np.testing.assert_allclose(found.short, [0.0, -4_750 * 2 / 1e5], atol=1e-15)
