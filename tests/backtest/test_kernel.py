from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import intraday, random_market, random_rules, with_dividends, with_past

from kronos_quant.backtest import Strategy
from kronos_quant.backtest.accounts import order_table
from kronos_quant.backtest.codes import REASONS, RISKS
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.kernel import forget_stale
from kronos_quant.backtest.kernel.book import record_nb
from kronos_quant.backtest.ledger import simulate_slowly, simulate_targets_slowly
from kronos_quant.backtest.panel import SymbolGroups
from kronos_quant.backtest.vectorbt_check import check_accounts, vectorbt_account

CASES, BLOCKS = 240, 3


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
            "only_tradable": bool(rng.random() < 0.6),
        }
        | fields
    )


def random_liquidity(rng) -> dict:
    """Nothing in half of the cases."""
    if rng.random() < 0.5:
        return {"impact": 0.0, "participation": None}
    return {
        "slippage": float(rng.choice([0.0, 0.001, 0.02])),
        "impact": float(rng.choice([0.0, 0.5])),
        "participation": [None, 0.0005, 0.02, 1.0][int(rng.integers(4))],
        "volume": str(rng.choice(["trailing", "bar"])),
        "sessions": int(rng.integers(2, 21)),
        "carry_over": bool(rng.random() < 0.7),
    }


def random_risk(seed: int) -> dict:
    """Some rules of the risk section, often several at once, tight enough to bind."""
    rng = np.random.default_rng([seed, 4])
    rules = {
        "max_weight": float(rng.choice([0.05, 0.2, 0.5])),
        "max_group": float(rng.choice([0.1, 0.4])),
        "max_gross": float(rng.choice([0.3, 0.8])),
        "max_net": float(rng.choice([0.1, 0.5])),
        "stop_loss": float(rng.choice([0.02, 0.1])),
        "take_profit": float(rng.choice([0.03, 0.2])),
        "max_turnover": float(rng.choice([0.05, 0.5, 1.0])),
        "volatility_target": float(rng.choice([0.05, 0.3])),
        "cash_buffer": float(rng.choice([0.05, 0.4])),
        "drawdown_halt": float(rng.choice([0.02, 0.1])),
    }
    chosen = {name: value for name, value in rules.items() if rng.random() < 0.3}
    if chosen.keys() & {"max_weight", "max_group", "max_gross", "max_net", "volatility_target"}:
        chosen["band"] = float(rng.choice([0.0, 0.05, 0.3]))
    if chosen.keys() & {"stop_loss", "take_profit"}:
        chosen["stay_out"] = int(rng.integers(0, 6))
    if "volatility_target" in chosen:
        chosen["volatility_sessions"] = int(rng.integers(10, 14))
    if "drawdown_halt" in chosen and rng.random() < 0.7:
        chosen["resume_after"] = int(rng.integers(1, 6))
    return chosen


def with_groups(seed: int, panel):
    """The panel with three groups that symbols move between, and symbols in none."""
    rng = np.random.default_rng([seed, 5])
    return replace(panel, groups=SymbolGroups(("a", "b", "c"), rng.integers(-1, 3, panel.score.shape)))


def words_in(orders) -> set[str]:
    return {word for reason in orders["reason"] for word in reason.split("; ")}


def compare(ledger, book, panel, seed) -> None:
    traded = ledger.session > 0
    np.testing.assert_allclose(ledger.account[traded], book.accounts, rtol=1e-9, err_msg=f"seed {seed}")
    np.testing.assert_allclose(ledger.cash[traded], book.cashes, rtol=1e-9, atol=1e-6, err_msg=f"seed {seed}")
    orders = order_table(ledger.orders, ledger.factor, panel)
    words = ["date", "symbol", "side", "status", "reason"]
    assert orders.select(words).rows() == [tuple(order[word] for word in words) for order in book.orders], seed
    columns = [(3, "wanted"), (4, "shares"), (5, "price"), (6, "cost"), (9, "levies"), (10, "slippage"), (11, "impact")]
    columns.append((13, "dividend_tax"))
    for column, name in columns:
        np.testing.assert_allclose(
            ledger.orders[:, column],
            [order[name] for order in book.orders],
            rtol=1e-9,
            atol=1e-7,
            err_msg=f"seed {seed}: {name}",
        )


@pytest.mark.parametrize("block", range(BLOCKS))
def test_kernel_equals_the_plain_ledger_on_random_markets(block):
    reasons = set()
    for seed in range(block, CASES, BLOCKS):
        panel = with_past(seed, random_market(seed)[0])
        strategy = random_strategy(seed)
        rules = random_rules(seed, strategy, panel)
        ledger = run_kernel(strategy, panel, rules)
        compare(ledger, simulate_slowly(strategy, panel, rules), panel, seed)
        reasons |= set(order_table(ledger.orders, ledger.factor, panel)["reason"])
    assert reasons == set(REASONS.values()) - {"bought today", "cash buffer", "both limits", "new shares not listed"}


def both(kind: str, seed: int, panel, **fields):
    """The kernel and the plain ledger on the same random strategy and rules."""
    own = {} if kind == "dropout" else {"strategy": "python", "code": "own.py", "short": True}
    strategy = random_strategy(seed, **fields, **own)
    next_day = np.random.default_rng([seed, 6]).random(len(panel.symbols)) < 0.5
    rules = replace(random_rules(seed, strategy, panel), borrow=0.0002, next_day=next_day)
    if kind == "dropout":
        return run_kernel(strategy, panel, rules), simulate_slowly(strategy, panel, rules)
    decisions = random_weights(seed, panel)
    rows = {moment: t for t, moment in enumerate(panel.times or panel.dates)}
    ledger = run_kernel(strategy, panel, rules, decide=lambda view: by_name(decisions[rows[view.moment] + 1], panel))
    return ledger, simulate_targets_slowly(strategy, panel, rules, lambda t: decisions[t])


@pytest.mark.parametrize("kind", ["dropout", "weights"])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_risk_rules_cut_as_in_the_plain_ledger(block, kind):
    words = set()
    for seed in range(block, CASES, BLOCKS):
        panel = with_groups(seed, random_market(seed)[0])
        ledger, book = both(kind, seed, panel, risk=random_risk(seed))
        compare(ledger, book, panel, seed)
        words |= words_in(order_table(ledger.orders, ledger.factor, panel))
    assert words >= set(RISKS.values())


@pytest.mark.parametrize("kind", ["dropout", "weights"])
@pytest.mark.parametrize("block", range(BLOCKS))
def test_bars_of_a_session_are_traded_as_in_the_plain_ledger(block, kind):
    words = set()
    for seed in range(block, CASES, BLOCKS):
        rng = np.random.default_rng([seed, 7])
        panel = intraday(with_past(seed, with_groups(seed, random_market(seed)[0])), int(rng.integers(2, 7)))
        ledger, book = both(kind, seed, panel, risk=random_risk(seed) if rng.random() < 0.5 else {})
        compare(ledger, book, panel, seed)
        words |= words_in(order_table(ledger.orders, ledger.factor, panel))
    assert kind == "dropout" or "bought today" in words


@pytest.mark.parametrize("block", range(BLOCKS))
def test_weights_are_traded_as_in_the_plain_ledger(block):
    traded, short = 0, 0
    for seed in range(block, CASES, BLOCKS):
        panel, _, _ = random_market(seed)
        ledger, book = both("weights", seed, panel)
        compare(ledger, book, panel, seed)
        traded += len(ledger.fills)
        short += int((ledger.held < 0).any())
    assert traded > 500
    assert short > 10


@pytest.mark.parametrize("kind", ["dropout", "weights"])
@pytest.mark.parametrize("block", [0, *(pytest.param(block, marks=pytest.mark.slow) for block in range(1, BLOCKS))])
def test_dividends_are_booked_paid_and_taxed_as_in_the_plain_ledger(block, kind):
    words, booked, taxed = set(), 0, 0.0
    for seed in range(block, CASES, BLOCKS):
        rng = np.random.default_rng([seed, 13])
        panel = with_dividends(seed, with_groups(seed, random_market(seed)[0]))
        if rng.random() < 0.3:
            panel = intraday(panel, int(rng.integers(2, 5)))
        tax = "none" if rng.random() < 0.2 else "exchange"
        ledger, book = both(kind, seed, panel, dividend_tax=tax, risk=random_risk(seed) if rng.random() < 0.3 else {})
        compare(ledger, book, panel, seed)
        words |= words_in(order_table(ledger.orders, ledger.factor, panel))
        if ledger.dividends is not None:
            paid, registrar = ledger.dividends, book.exchange.registrar
            booked += len(paid.row)
            taxed += paid.withheld.sum()
            for values, noted in ((paid.received, registrar.received), (paid.withheld, registrar.withheld)):
                assert values.sum() == pytest.approx(sum(money for _, money in noted), rel=1e-9, abs=1e-6), seed
            assert paid.unpaid == pytest.approx(registrar.receivable, rel=1e-9, abs=1e-6), seed
            check_accounts(ledger.account, vectorbt_account(ledger), panel)
    assert booked > 100
    assert taxed > 0
    assert "new shares not listed" in words


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


def by_name(weights, panel):
    return None if weights is None else {panel.symbols[i]: weight for i, weight in weights.items()}


def test_what_was_compiled_before_any_of_its_files_changed_is_forgotten(tmp_path):
    kernels = tmp_path / "kernel"
    (kernels / "__pycache__").mkdir(parents=True)
    for name, when in (("kernel/a.py", 100), ("kernel/b.py", 300), ("codes.py", 200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (when, when))
    for name, when in (("a.f.nbi", 250), ("b.g.nbi", 350), ("a.f.1.nbc", 250)):
        (kernels / "__pycache__" / name).touch()
        os.utime(kernels / "__pycache__" / name, (when, when))
    forget_stale(kernels)
    assert sorted(path.name for path in (kernels / "__pycache__").iterdir()) == ["a.f.1.nbc", "b.g.nbi"]


def test_a_function_that_has_no_wrapper_for_python_refuses_to_be_called_from_there():
    with pytest.raises(TypeError, match="record_nb: only compiled functions call it"):
        record_nb()
