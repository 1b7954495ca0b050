import numpy as np
import pytest

from kronos_quant import KronosQuantError
from kronos_quant.own_code import find_code
from kronos_quant.signals.scores import load_own_score

RETURNS = np.arange(12.0).reshape(2, 3, 2)


@pytest.fixture
def own(tmp_path):
    def write(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return find_code(path, "own_score")

    return write


def test_the_function_is_given_the_returns_of_every_path(own):
    found = load_own_score(own("def score(returns):\n    return returns[:, :, -1].mean(axis=1)\n"))
    assert found(RETURNS).tolist() == [3.0, 9.0]


def test_what_is_not_finite_is_no_opinion(own):
    found = load_own_score(own("def score(returns):\n    return [float('inf'), 1]\n"))
    assert np.array_equal(found(RETURNS), [np.nan, 1.0], equal_nan=True)


def test_what_it_does_to_the_returns_stays_with_it(own):
    returns = RETURNS.copy()
    load_own_score(own("def score(returns):\n    returns[:] = 0\n    return returns[:, 0, 0]\n"))(returns)
    assert np.array_equal(returns, RETURNS)


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
