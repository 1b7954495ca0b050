from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from validity.cases import run, walks

from kronos_quant.backtest import simulate
from kronos_quant.validity.effects import (
    Effect,
    by_worth,
    delisting_effect,
    measured_effects,
    misread_effect,
    size_effect,
)

PANEL = walks(60, 15, seed=3)
RULES = {
    "price limits": ({"price_limit": 0.002}, {"price_limit": "none"}),
    "board lots": ({"lot": 10_000}, {"lot": 0}),
    "the minimum commission": ({"costs": {"minimum": 500}}, {"costs": {"minimum": 0}}),
    "risk rules": ({"risk": {"max_weight": 0.05}}, {}),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_worth_what_a_back_test_without_it_earns_more_or_less(name):
    with_it, without = RULES[name]
    strategy, rules, result = run(PANEL, **with_it)
    own = result.metrics["annual_return"]
    [found] = [effect for effect in measured_effects(strategy, PANEL, rules, own) if effect.name == name]
    _, _, other = run(PANEL, **with_it | without if without else {})
    assert found.annual_return == other.metrics["annual_return"]
    assert found.basis_points == pytest.approx((own - found.annual_return) * 1e4)
    assert found.basis_points != 0


def test_what_is_run_once_has_no_effects_measured():
    strategy, rules, _ = run(PANEL, price_limit=0.02)
    for other in ({"profile": "qlib"}, {"strategy": "python"}):
        assert measured_effects(strategy.model_copy(update=other), PANEL, rules, 0.1) == []
    assert size_effect(0.1, None) == []
    assert size_effect(0.1, {"annual_return": 0.38}) == [
        Effect("market impact and participation", 0.38, pytest.approx(-2_800))
    ]


def test_delisted_holdings_are_worth_their_price_against_a_total_loss():
    gone = replace(PANEL, close=PANEL.close.copy(), open=PANEL.open.copy(), delisted=np.array([[50, 0]]))
    for values in (gone.close, gone.open):
        values[50:, 0] = np.nan
    gone.score[:, 0] = np.where(np.arange(60) < 50, 99.0, np.nan)
    _, _, result = run(gone, topk=3, n_drop=1)
    _, _, lost = run(gone, topk=3, n_drop=1, delisting_return=-1.0)
    [found] = delisting_effect(result)
    assert found.annual_return == pytest.approx(lost.metrics["annual_return"])
    assert found.basis_points > 0
    assert delisting_effect(lost) == delisting_effect(run(PANEL)[2]) == []


def test_a_jump_that_no_factor_explains_is_worth_its_return_while_held():
    close = np.full((30, 2), 10.0)
    close[20:, 0] = 5.0  # a split that no factor shows
    flat = {name: close.copy() for name in ("open", "high", "low", "close")}
    panel = replace(
        walks(30, 2), **flat, volume=np.full((30, 2), 1e6), factor=np.ones((30, 2)), score=np.tile([2.0, 1.0], (30, 1))
    )
    _, rules, result = run(panel, topk=1, n_drop=0, costs={"buy": 0, "sell": 0, "minimum": 0})
    warned = pl.DataFrame({"symbol": ["S000", "S001"], "date": [panel.dates[20]] * 2, "rule": "unadjusted_split"})
    [found] = misread_effect(result, panel, warned)
    # 95% of the account lost half; without it nothing moved
    assert result.metrics["total_return"] == pytest.approx(-0.475)
    assert found.annual_return == pytest.approx(0.0, abs=1e-12)
    assert found.line().endswith(f"1 bar held across a split or jump that no factor explains (S000 {panel.dates[20]}).")
    assert misread_effect(result, panel, warned.with_columns(rule=pl.lit("missing_sessions"))) == []
    assert misread_effect(result, panel, warned.filter(symbol="S001")) == []
    assert simulate(result.strategy, panel, rules).metrics == result.metrics


def test_the_largest_effect_comes_first():
    small, large = Effect("a", 0.1, 12.0), Effect("b", 0.1, -90.0)
    assert by_worth([small, large]) == (large, small)
