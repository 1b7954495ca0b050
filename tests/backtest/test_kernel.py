from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import random_market
from backtest.reference import simulate_slowly

from kronos_quant.backtest import Strategy
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.tables import order_table

CASES = 400


def random_strategy(seed: int) -> Strategy:
    rng = np.random.default_rng([seed, 1])
    topk = int(rng.integers(1, 8))
    return Strategy.model_validate(
        {
            "topk": topk,
            "n_drop": int(rng.integers(0, topk + 1)),
            "hold_thresh": int(rng.integers(0, 5)),
            "fill": str(rng.choice(["open", "close"])),
            "account": float(rng.choice([300.0, 1e4, 1e6])),
            "costs": {"buy": 0.001, "sell": 0.0015, "minimum": float(rng.choice([0.0, 5.0, 40.0]))},
            "risk_degree": float(rng.choice([0.5, 0.95, 1.0])),
            "delisting_return": float(rng.choice([0.0, -0.3, -1.0])),
        }
    )


@pytest.mark.parametrize("block", range(4))
def test_kernel_equals_the_plain_ledger_on_random_markets(block):
    for seed in range(block * CASES // 4, (block + 1) * CASES // 4):
        panel, limits, lots = random_market(seed)
        strategy = random_strategy(seed)
        ledger = run_kernel(strategy, panel, limits, lots)
        book = simulate_slowly(strategy, panel, limits, lots)
        np.testing.assert_allclose(ledger.account[1:], book.accounts, rtol=1e-9, err_msg=f"seed {seed}")
        np.testing.assert_allclose(ledger.cash[1:], book.cashes, rtol=1e-9, atol=1e-6, err_msg=f"seed {seed}")
        orders = order_table(ledger.orders, ledger.factor, panel)
        words = ["date", "symbol", "side", "status", "reason"]
        assert orders.select(words).rows() == [tuple(order[word] for word in words) for order in book.orders], seed
        for column, name in [(3, "wanted"), (4, "shares"), (5, "price"), (6, "cost")]:
            np.testing.assert_allclose(
                ledger.orders[:, column],
                [order[name] for order in book.orders],
                rtol=1e-9,
                err_msg=f"seed {seed}: {name}",
            )
