from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import panel_of
from backtest.test_properties import SEEDS, case, run

from kronos_quant.backtest import Strategy, simulate
from kronos_quant.backtest.legs import leg_table
from kronos_quant.backtest.series import series_of


def test_each_leg_has_its_returns_values_and_costs():
    strategy = Strategy.model_validate(
        {
            "strategy": "python",
            "code": "own.py",
            "short": True,
            "lot": 0,
            "price_limit": "none",
            "account": 1_000.0,
            "liquidity": {"slippage": 0.01},
            "costs": {"buy": 0.001, "sell": 0.002, "minimum": 0, "borrow": 0.252},
        }
    )
    panel = panel_of([[2, 1]] * 3, [[10, 20], [11, 19], [12, 18]], open_=[[10, 20], [10, 20], [11, 19]])
    weights = iter([{"S00": 0.5, "S01": -0.4}, None])
    result = simulate(strategy, panel, decide=lambda view: next(weights))
    assert result.legs is not None
    # 50 bought at 10.10 for a cost of 0.505, 20 sold short at 19.80 for 0.792
    bought, sold = 50 * 10.1, 20 * 19.8
    first = {
        "long_value": 550.0,
        "long_return": (550 - bought - 0.001 * bought) / 1_000,
        "long_cost": 0.001 * bought + 5.0,
        "short_value": -380.0,
        "short_return": (sold - 380 - 0.002 * sold - 0.001 * 380) / 1_000,
        "short_cost": 0.002 * sold + 4.0 + 0.001 * 380,
    }
    row = result.legs.row(0, named=True)
    assert row.pop("date") == panel.dates[1]
    assert row == pytest.approx(first, rel=1e-12)
    # then each moves by its prices alone, and the borrowing
    second = result.legs.row(1, named=True)
    assert second["long_return"] == pytest.approx(50 / result.account[0])
    assert second["short_return"] == pytest.approx((20 - 0.001 * 360) / result.account[0])


def test_a_trade_through_zero_is_cut_there():
    strategy = Strategy.model_validate(
        {
            "strategy": "python",
            "code": "own.py",
            "short": True,
            "lot": 0,
            "price_limit": "none",
            "account": 1_000.0,
            "costs": {"buy": 0, "sell": 0.01, "minimum": 0, "borrow": 0},
        }
    )
    panel = panel_of([[1]] * 3, [[10.0]] * 3)
    weights = iter([{"S00": 0.6}, {"S00": -0.2}])
    result = simulate(strategy, panel, decide=lambda view: next(weights))
    # 60 held and 80 sold for 8 in cost: three quarters close the long, a quarter opens the short
    assert result.legs["long_cost"].to_list() == pytest.approx([0, 6])
    assert result.legs["short_cost"].to_list() == pytest.approx([0, 2])
    assert result.legs["short_value"].to_list() == pytest.approx([0, -200])


def test_an_account_without_shorts_has_no_legs():
    strategy = Strategy.model_validate({"topk": 1, "n_drop": 1, "account": 1_000.0})
    assert simulate(strategy, panel_of([[1]] * 3, [[10.0]] * 3)).legs is None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_legs_add_up_to_the_account(seed):
    strategy, panel, rules = case(seed)
    ledger = run(seed, strategy, panel, rules)
    legs, series = leg_table(ledger, panel), series_of(ledger)
    tolerance = {"rtol": 1e-9, "atol": 1e-9}
    both = (legs["long_return"] + legs["short_return"]).to_numpy()
    np.testing.assert_allclose(both, series.returns, **tolerance)
    np.testing.assert_allclose((legs["long_cost"] + legs["short_cost"]).to_numpy(), series.cost, rtol=1e-9, atol=1e-6)
    worth = np.nansum(ledger.held * ledger.last, axis=1)[ledger.ends][1:]
    np.testing.assert_allclose((legs["long_value"] + legs["short_value"]).to_numpy(), worth, rtol=1e-9, atol=1e-6)
