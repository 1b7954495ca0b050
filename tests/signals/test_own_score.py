import sys

import numpy as np
import pytest

from kronos_quant import ConfigError, KronosQuantError
from kronos_quant.signals import check_allowed, find_own_score
from kronos_quant.signals.own_score import load_own_score

RETURNS = np.arange(12.0).reshape(2, 3, 2)


@pytest.fixture
def own(tmp_path):
    def write(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return find_own_score(path)

    return write


def test_the_function_is_given_the_returns_of_every_path(own):
    found = load_own_score(own("def score(returns):\n    return returns[:, :, -1].mean(axis=1)\n"))
    assert found(RETURNS).tolist() == [3.0, 9.0]


def test_it_is_loaded_by_its_place_and_not_through_the_path(own, monkeypatch):
    before = list(sys.path), set(sys.modules)
    load_own_score(own("import json\ndef score(returns):\n    return returns[:, 0, 0]\n"))
    assert sys.path == before[0]
    assert "mine" not in sys.modules


def test_what_is_not_finite_is_no_opinion(own):
    found = load_own_score(own("def score(returns):\n    return [float('inf'), 1]\n"))
    assert np.array_equal(found(RETURNS), [np.nan, 1.0], equal_nan=True)


def test_what_it_does_to_the_returns_stays_with_it(own):
    returns = RETURNS.copy()
    load_own_score(own("def score(returns):\n    returns[:] = 0\n    return returns[:, 0, 0]\n"))(returns)
    assert np.array_equal(returns, RETURNS)


def test_what_it_prints_is_none_of_the_commands_output(own, capsys):
    load_own_score(own("print('loaded')\ndef score(returns):\n    print('asked')\n    return returns[:, 0, 0]\n"))(
        RETURNS
    )
    assert capsys.readouterr() == ("", "loaded\nasked\n")


def test_code_runs_only_where_that_was_allowed(own):
    code = own("raise SystemExit\n")
    check_allowed(None, allowed=False)
    check_allowed(code, allowed=True)
    with pytest.raises(ConfigError, match=r"mine\.py: the recipe's own_score is Python code") as caught:
        check_allowed(code, allowed=False)
    assert caught.value.hint.endswith("kq signal --allow-code")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def score(:\n", r"mine\.py:1: SyntaxError"),
        ("x = 1\n1 / 0\n", r"mine\.py:2: ZeroDivisionError"),
        ("score = 3\n", r"mine\.py: expected a function score\(returns\), found none"),
    ],
)
def test_a_file_that_is_no_score_names_its_line(own, text, message):
    with pytest.raises(ConfigError, match=message):
        load_own_score(own(text))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[1, 2, 3]", r"score: expected 2 numbers, found shape \(3,\)"),
        ("returns[5]", r"mine\.py:2: IndexError"),
        ("'abc'", r"mine\.py: ValueError"),
        ("exit(0)", r"mine\.py:2: SystemExit: 0"),
    ],
)
def test_a_score_that_goes_wrong_is_one_clear_line(own, body, message):
    with pytest.raises(KronosQuantError, match=message):
        load_own_score(own(f"def score(returns):\n    return {body}\n"))(RETURNS)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.py: own_score: no such file of Python code"):
        find_own_score(tmp_path / "gone.py")
