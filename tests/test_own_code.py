import pytest

from kronos_quant.errors import ConfigError
from kronos_quant.own_code import load_function, raised


def written(folder, text):
    path = folder / "mine.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_function_of_the_file_is_returned(tmp_path):
    path = written(tmp_path, "SCALE = 3\ndef score(returns):\n    return SCALE * returns\n")
    assert load_function(path, "score", "returns")(2) == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nx.missing\n", ":2: AttributeError: "),
        ("def score(returns:\n    pass\n", ":1: SyntaxError: "),
        ("score = 4\n", ": expected a function score(returns), found none"),
        ("", ": expected a function score(returns), found none"),
    ],
)
def test_a_file_without_a_usable_function_is_refused_with_its_line(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        load_function(path, "score", "returns")
    assert str(error.value).startswith(f"{path}{words}")


def test_the_line_told_is_the_innermost_one_of_the_file_itself(tmp_path):
    path = written(tmp_path, "import json\ndef inner():\n    json.loads('{')\ndef score(returns):\n    inner()\n")
    with pytest.raises(ValueError) as error:  # noqa: PT011 - what json raises is not the point
        load_function(path, "score", "returns")(0)
    assert raised(path, error.value).startswith(f"{path}:3: JSONDecodeError: ")


def test_an_error_from_elsewhere_has_no_line_of_the_file(tmp_path):
    assert raised(tmp_path / "mine.py", ValueError("far away")) == f"{tmp_path / 'mine.py'}: ValueError: far away"
