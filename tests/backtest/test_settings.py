"""The sections of a strategy file: what they accept, refuse and say."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from kronos_quant.backtest import Strategy
from kronos_quant.backtest.qlib.market import share_words
from kronos_quant.backtest.settings import QlibSettings, Risk


def shares(value):
    found = QlibSettings.model_validate({"volume_threshold": value}).volume_threshold
    return found and (found.buy, found.sell)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (0.1, (0.1, 0.1)),
        (1, (1.0, 1.0)),
        (["current", "0.1 * $volume"], (0.1, 0.1)),
        (("cum", "$volume*0.25"), (0.25, 0.25)),
        (["current", " $volume "], (1.0, 1.0)),
        (["current", "1e-2 * $volume"], (0.01, 0.01)),
        ({"buy": 0.1, "sell": 0.2}, (0.1, 0.2)),
        ({"all": 0.1}, (0.1, 0.1)),
        ({"all": 0.1, "buy": 0.05}, (0.05, 0.1)),
        ({"all": 0.1, "sell": ["cum", "0.5 * $volume"]}, (0.1, 0.1)),
    ],
)
def test_a_share_of_the_volume_is_a_number_or_what_qlib_has(value, expected):
    assert shares(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "greater than 0"),
        (-0.1, "greater than 0"),
        ("0.1 * $volume", "expected a number, or"),
        (True, "expected a number, or"),
        (["sum", "0.1 * $volume"], "expected a number, or"),
        (["current", "0.1 * $amount"], "expected a number, or"),
        (["current", "0.2 * DayCumsum($volume, '9:45', '14:45')"], "DayCumsum"),
        (["current", "0.1 * $volume * 2"], "expected a number, or"),
        (["current", "1e * $volume"], "expected a number, or"),
        (["current", 0.1], "expected a number, or"),
        (["current"], "expected a number, or"),
        ({"buy": 0.1}, "Qlib wants both sides"),
        ({}, "Qlib wants both sides"),
        ({"buy": 0.1, "hold": 0.2}, "expected all, buy and sell, found hold"),
    ],
)
def test_what_only_qlib_could_evaluate_is_refused_in_one_line(value, message):
    with pytest.raises(ValidationError, match=message.replace("(", r"\(").replace("$", r"\$")) as error:
        shares(value)
    assert error.value.error_count() == 1


def test_the_settings_read_back_from_their_dump():
    strategy = Strategy.model_validate({"profile": "qlib", "qlib": {"volume_threshold": {"all": 0.1, "buy": 0.05}}})
    again = Strategy.model_validate(json.loads(strategy.model_dump_json()))
    assert again == strategy
    assert json.loads(strategy.model_dump_json())["qlib"]["volume_threshold"] == {"buy": 0.05, "sell": 0.1}


def test_a_reader_is_told_the_shares():
    told = [share_words(QlibSettings.model_validate({"volume_threshold": value}).volume_threshold)
            for value in (None, 0.1, {"buy": 0.1, "sell": 0.25})]  # fmt: skip
    assert told == [
        "",
        ", at most 0.1 of the day's own volume",
        ", at most 0.1 of the day's own volume bought and 0.25 sold",
    ]


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
    assert nothing.lines() == []
    for name, value in RULES.items():
        alone = Risk.model_validate({name: value})
        assert alone.active, name
        assert len(alone.lines()) == 1, name
        assert f"{value:.2%}" in alone.lines()[0]


def test_the_rules_are_told_in_one_line():
    [line] = Risk.model_validate(RULES | {"resume_after": 20, "stay_out": 3}).lines()
    assert "maximum weight 10.00% per symbol; maximum weight 30.00% per group" in line
    assert "stop-loss 10.00% below entry, then 3 sessions without the symbol" in line
    assert "halt at a drawdown of 20.00%, for 20 sessions" in line
    assert Risk.model_validate({"drawdown_halt": 0.2}).lines() == ["halt at a drawdown of 20.00%, for good"]
    assert Risk.model_validate({"stop_loss": 0.1, "stay_out": 0}).lines() == ["stop-loss 10.00% below entry"]


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
