import sys

import pytest

from kronos_quant.errors import ConfigError, KronosQuantError
from kronos_quant.files import file_digest
from kronos_quant.own_code import check_allowed, find_code, load_function, raised


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
    with pytest.raises(KronosQuantError) as error:
        load_function(path, "score", "returns", lambda returns: f" (of {returns})")(0)
    assert str(error.value).startswith(f"{path}:3: JSONDecodeError: ")
    assert str(error.value).endswith(" (of 0)")


def test_an_error_from_elsewhere_has_no_line_of_the_file(tmp_path):
    assert raised(tmp_path / "mine.py", ValueError("far away")) == f"{tmp_path / 'mine.py'}: ValueError: far away"


def test_it_is_loaded_by_its_place_and_what_it_prints_goes_to_stderr(tmp_path, capsys):
    before = list(sys.path)
    path = written(tmp_path, "import json\nprint('loaded')\ndef score(returns):\n    print('called')\n")
    load_function(path, "score", "returns")(0)
    assert sys.path == before
    assert "mine" not in sys.modules
    assert capsys.readouterr() == ("", "loaded\ncalled\n")


def test_code_runs_only_where_that_was_allowed(tmp_path):
    path = written(tmp_path, "raise SystemExit\n")
    check_allowed(path, "the recipe's own_score is", allowed=True)
    with pytest.raises(ConfigError, match=r"mine\.py: the recipe's own_score is Python code") as caught:
        check_allowed(path, "the recipe's own_score is", allowed=False)
    assert caught.value.hint.endswith("with --allow-code.")
    with pytest.raises(ConfigError, match=r"gone\.py: no such file"):
        check_allowed(tmp_path / "gone.py", "the strategy runs", allowed=False)


def test_a_file_is_known_by_its_content_or_is_not_there(tmp_path):
    path = written(tmp_path, "x = 1\n")
    assert find_code(path, "own_score").digest == file_digest(path)
    with pytest.raises(ConfigError, match=r"gone\.py: own_score: no such file of Python code"):
        find_code(tmp_path / "gone.py", "own_score")
