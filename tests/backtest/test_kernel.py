from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import random_market, random_rules

from kronos_quant.backtest import Strategy
from kronos_quant.backtest.codes import REASONS
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.ledger import simulate_slowly, simulate_targets_slowly
from kronos_quant.backtest.tables import order_table

CASES = 400


def random_strategy(seed: int, **fields) -> Strategy:
    rng = np.random.default_rng([seed, 1])
    topk = int(rng.integers(1, 8))
    return Strategy.model_validate(
        {
            "topk": topk,
            "n_drop": int(rng.integers(0, topk + 1)),
            "hold_thresh": int(rng.integers(0, 5)),
            "fill": str(rng.choice(["open", "close"])),
            "account": float(rng.choice([300.0, 1e4, 1e6])),
            "risk_degree": float(rng.choice([0.5, 0.95, 1.0])),
            "delisting_return": float(rng.choice([0.0, -0.3, -1.0])),
            "liquidity": random_liquidity(rng),
        }
        | fields
    )


def random_liquidity(rng) -> dict:
    """Nothing in half of the cases."""
    if rng.random() < 0.5:
        return {}
    return {
        "slippage": float(rng.choice([0.0, 0.001, 0.02])),
        "impact": float(rng.choice([0.0, 0.5])),
        "participation": [None, 0.0005, 0.02, 1.0][int(rng.integers(4))],
        "volume": str(rng.choice(["trailing", "bar"])),
        "sessions": int(rng.integers(2, 21)),
        "carry_over": bool(rng.random() < 0.7),
    }


def compare(ledger, book, panel, seed) -> None:
    np.testing.assert_allclose(ledger.account[1:], book.accounts, rtol=1e-9, err_msg=f"seed {seed}")
    np.testing.assert_allclose(ledger.cash[1:], book.cashes, rtol=1e-9, atol=1e-6, err_msg=f"seed {seed}")
    orders = order_table(ledger.orders, ledger.factor, panel)
    words = ["date", "symbol", "side", "status", "reason"]
    assert orders.select(words).rows() == [tuple(order[word] for word in words) for order in book.orders], seed
    columns = [(3, "wanted"), (4, "shares"), (5, "price"), (6, "cost"), (9, "levies"), (10, "slippage"), (11, "impact")]
    for column, name in columns:
        np.testing.assert_allclose(
            ledger.orders[:, column],
            [order[name] for order in book.orders],
            rtol=1e-9,
            atol=1e-7,
            err_msg=f"seed {seed}: {name}",
        )


@pytest.mark.parametrize("block", range(4))
def test_kernel_equals_the_plain_ledger_on_random_markets(block):
    reasons = set()
    for seed in range(block * CASES // 4, (block + 1) * CASES // 4):
        panel, _, _ = random_market(seed)
        strategy = random_strategy(seed)
        rules = random_rules(seed, strategy, panel)
        ledger = run_kernel(strategy, panel, rules)
        compare(ledger, simulate_slowly(strategy, panel, rules), panel, seed)
        reasons |= set(order_table(ledger.orders, ledger.factor, panel)["reason"])
    assert reasons == set(REASONS.values())


@pytest.mark.parametrize("block", range(4))
def test_weights_are_traded_as_in_the_plain_ledger(block):
    traded, short = 0, 0
    for seed in range(block * CASES // 4, (block + 1) * CASES // 4):
        panel, _, _ = random_market(seed)
        strategy = random_strategy(seed, strategy="python", code="own.py", short=True)
        rules = replace(random_rules(seed, strategy, panel), borrow=0.0002)
        decisions = random_weights(seed, panel)
        ledger = run_kernel(
            strategy, panel, rules, decide=lambda view, decisions=decisions, panel=panel: named(decisions, view, panel)
        )
        book = simulate_targets_slowly(strategy, panel, rules, lambda t, decisions=decisions: decisions[t])
        compare(ledger, book, panel, seed)
        traded += len(ledger.fills)
        short += int((ledger.held < 0).any())
    assert traded > 1000
    assert short > 20


def random_weights(seed: int, panel) -> list[dict[int, float] | None]:
    """Weights of each session by symbol number, some of them short; sessions without a decision."""
    rng = np.random.default_rng([seed, 3])
    T, N = panel.score.shape
    decisions: list[dict[int, float] | None] = []
    for _ in range(T):
        if rng.random() < 0.4:
            decisions.append(None)
            continue
        chosen = rng.permutation(N)[: int(rng.integers(0, N + 1))]
        sizes = rng.dirichlet(np.ones(len(chosen))) * rng.uniform(0.3, 1.0) if len(chosen) else []
        sides = np.where(rng.random(len(chosen)) < 0.25, -1, 1)
        decisions.append({int(i): float(w * s) for i, w, s in zip(chosen, sizes, sides, strict=True)})
    return decisions


def named(decisions, view, panel):
    weights = decisions[view.number + 1]
    return None if weights is None else {panel.symbols[i]: weight for i, weight in weights.items()}
