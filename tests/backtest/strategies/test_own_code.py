from __future__ import annotations

import pytest

from kronos_quant.backtest.strategies.own_code import load_decide
from kronos_quant.errors import ConfigError, KronosQuantError


class Shown:
    date = moment = "2024-06-18"


def write(folder, text):
    path = folder / "own.py"
    path.write_text(text)
    return path


def test_the_function_of_a_file_is_called_with_the_view(tmp_path):
    decide = load_decide(write(tmp_path, "def decide(view):\n    return {'A': 0.5, 'on': view.date}\n"))
    assert decide(Shown()) == {"A": 0.5, "on": "2024-06-18"}


def test_two_files_of_one_name_are_two_strategies(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = load_decide(write(tmp_path / "a", "def decide(view):\n    return {'A': 1.0}\n"))
    second = load_decide(write(tmp_path / "b", "def decide(view):\n    return {'B': 1.0}\n"))
    assert first(Shown()) == {"A": 1.0}
    assert second(Shown()) == {"B": 1.0}


def test_an_exception_names_the_files_own_line_and_the_session(tmp_path):
    path = write(tmp_path, "import math\n\ndef decide(view):\n    return math.sqrt(\n        -1\n    )\n")
    with pytest.raises(KronosQuantError, match=r"own\.py:4: ValueError: .* \(deciding on 2024-06-18\)"):
        load_decide(path)(Shown())


def test_an_exit_is_an_error_with_its_line_too(tmp_path):
    path = write(tmp_path, "import sys\ndef decide(view):\n    sys.exit(3)\n")
    with pytest.raises(KronosQuantError, match=r"own\.py:3: SystemExit: 3 \(deciding on 2024-06-18\)") as error:
        load_decide(path)(Shown())
    assert error.value.exit_code == 1
    with pytest.raises(ConfigError, match=r"own\.py:1: SystemExit"):
        load_decide(write(tmp_path, "raise SystemExit\ndef decide(view):\n    return {}\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1 / 0\n", r"own\.py:1: ZeroDivisionError"),
        ("def decide(view)\n    return {}\n", r"own\.py:1: SyntaxError"),
        ("def choose(view):\n    return {}\n", r"expected a function decide\(view\), found none"),
        ("decide = 3\n", r"expected a function decide\(view\), found none"),
    ],
)
def test_a_file_that_is_no_strategy_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_decide(write(tmp_path, text))
    with pytest.raises(ConfigError, match="no such file of Python code"):
        load_decide(tmp_path / "nowhere.py")
