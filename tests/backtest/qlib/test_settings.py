from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from kronos_quant.backtest import Strategy
from kronos_quant.backtest.qlib.settings import QlibSettings
from kronos_quant.backtest.qlib.terms import said_shares


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
    told = [said_shares(QlibSettings.model_validate({"volume_threshold": value}).volume_threshold)
            for value in (None, 0.1, {"buy": 0.1, "sell": 0.25})]  # fmt: skip
    assert told == [
        "",
        ", at most 0.1 of the day's own volume",
        ", at most 0.1 of the day's own volume bought and 0.25 sold",
    ]
