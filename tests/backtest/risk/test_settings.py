from __future__ import annotations

import pytest
from pydantic import ValidationError

from kronos_quant.backtest import Strategy
from kronos_quant.backtest.risk.settings import Risk

RULES = {
    "max_weight": 0.1,
    "max_group": 0.3,
    "max_gross": 0.9,
    "max_net": 0.5,
    "stop_loss": 0.1,
    "take_profit": 0.3,
    "max_turnover": 0.2,
    "volatility_target": 0.15,
    "cash_buffer": 0.05,
    "drawdown_halt": 0.2,
}


def test_every_rule_is_off_unless_it_is_set():
    nothing = Risk.model_validate({})
    assert not nothing.active
    assert nothing.said() == []
    for name, value in RULES.items():
        alone = Risk.model_validate({name: value})
        assert alone.active, name
        assert len(alone.said()) == 1, name
        assert f"{value:.2%}" in alone.said()[0]


def test_the_rules_are_told_in_one_line():
    [line] = Risk.model_validate(RULES | {"resume_after": 20, "stay_out": 3}).said()
    assert "at most 10.00% of the account in a symbol; at most 30.00% in a group" in line
    assert "stop-loss 10.00% below entry, then 3 sessions without the symbol" in line
    assert "halt at a drawdown of 20.00%, for 20 sessions" in line
    assert Risk.model_validate({"drawdown_halt": 0.2}).said() == ["halt at a drawdown of 20.00%, for good"]
    assert Risk.model_validate({"stop_loss": 0.1, "stay_out": 0}).said() == ["stop-loss 10.00% below entry"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_weight": 0}, "greater than 0"),
        ({"max_weight": 1.5}, "less than or equal to 1"),
        ({"stop_loss": -0.1}, "greater than 0"),
        ({"cash_buffer": 1.0}, "less than 1"),
        ({"volatility_target": 0.1, "volatility_sessions": 5}, "greater than or equal to 10"),
        ({"maximum_weight": 0.1}, "Extra inputs"),
        ({"groups": "a.csv"}, "groups needs max_group"),
        ({"band": 0.1, "stop_loss": 0.1}, "band needs max_weight, max_group, max_gross, max_net or volatility_target"),
        ({"stay_out": 3}, "stay_out needs stop_loss or take_profit"),
        ({"volatility_sessions": 20}, "volatility_sessions needs volatility_target"),
        ({"resume_after": 5}, "resume_after needs drawdown_halt"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        Risk.model_validate(fields)


def test_qlib_has_no_such_rules():
    with pytest.raises(ValidationError, match="risk needs `profile: exchange`"):
        Strategy.model_validate({"profile": "qlib", "risk": {"max_weight": 0.1}})
