from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import sizeless
from backtest.qlib.directories import made_panel, scores_of, write_directory

from kronos_quant.backtest import rules_of
from kronos_quant.backtest.qlib import parity as module
from kronos_quant.backtest.qlib.market import facts_of_directory
from kronos_quant.backtest.qlib.parity import compare_profiles, ladder, relative
from kronos_quant.backtest.settings import Liquidity, Risk


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    panel = made_panel(7)
    directory = write_directory(panel, tmp_path_factory.mktemp("parity") / "qlib")
    strategy = sizeless({"topk": 5, "n_drop": 2, "hold_thresh": 2})
    rules, facts = rules_of(strategy, panel), facts_of_directory(panel, directory)
    return strategy, panel, rules, facts, compare_profiles(strategy, panel, rules, facts, scores_of(panel), directory)


def test_engine_ledger_and_qlib_agree(found):
    *_, compared = found
    assert compared.holds
    assert compared.qlib.difference < 1e-12
    assert compared.ledger.difference < 1e-12
    assert compared.qlib.orders > 20
    assert compared.ledger.orders > 20


def test_the_ladder_leads_from_one_profile_to_the_other(found):
    strategy, panel, rules, facts, compared = found
    first, *_, last = compared.steps
    qlib = module.run_kernel(strategy.model_copy(update={"profile": "qlib"}), panel, rules, facts)
    assert first.account == qlib.account[-1]
    assert last.account == module.run_kernel(strategy, panel, rules).account[-1]
    whole = np.prod([1 + step.basis_points / 1e4 for step in compared.steps])
    assert first.account * whole == pytest.approx(last.account)
    assert sum(step.basis_points != 0 for step in compared.steps) >= 4


def test_a_rule_that_changes_nothing_is_worth_nothing(found):
    strategy, panel, _, facts, _ = found
    # one lot for all, no limits, Qlib's costs: only the order of events is left
    plain = strategy.model_copy(update={"price_limit": "none", "lot": 100, "profile": "exchange"})
    rules = module.flat_costs(plain, rules_of(plain, panel))
    qlib = module.run_kernel(plain.model_copy(update={"profile": "qlib"}), panel, rules, facts)
    steps = ladder(plain, panel, rules, facts, qlib, module.run_kernel(plain, panel, rules))
    worth = {step.rule: step.basis_points for step in steps}
    assert worth["board lots"] == 0
    assert worth["commission and dated levies"] == 0
    assert worth["buys follow executed sales, a blocked one passes to the next symbol"] != 0


def test_liquidity_and_risk_are_steps_of_their_own(found):
    strategy, panel, rules, facts, compared = found
    plain = [step.rule for step in compared.steps]
    rich = strategy.model_copy(
        update={
            "liquidity": Liquidity.model_validate({"slippage": 0.01, "participation": 0.2}),
            "risk": Risk.model_validate({"max_gross": 0.5}),
        }
    )
    qlib = module.run_kernel(strategy.model_copy(update={"profile": "qlib"}), panel, rules, facts)
    steps = ladder(rich, panel, rules, facts, qlib, module.run_kernel(rich, panel, rules))
    assert [step.rule for step in steps] == [*plain, "slippage, market impact and participation", "risk rules"]
    # the steps before are what they were without both sections
    assert [step.account for step in steps[:-2]] == [step.account for step in compared.steps]
    assert steps[-2].account < steps[-3].account
    assert steps[-1].account == module.run_kernel(rich, panel, rules).account[-1]


def test_a_difference_is_found_and_named(found):
    *_, compared = found
    other = replace(compared.qlib, difference=2e-6)
    assert not other.holds
    assert not replace(compared.ledger, same_orders=False).holds
    assert not replace(compared, qlib=other).holds
    assert relative(np.ones(2), np.ones(3)) == float("inf")
    assert relative(np.array([1.1, 2.0]), np.array([1.0, 2.0])) == pytest.approx(0.1)
