"""The examples of the docstrings are true: `>>>` and fenced Python."""

import doctest
import re
from pathlib import Path

import pytest
from doccheck.strings import SOURCES
from made import ROOT
from sybil.document import PythonDocStringDocument
from sybil.example import SybilFailure
from sybil.parsers.doctest import DocTestParser
from sybil.parsers.markdown import PythonCodeBlockParser

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
PARSERS = (DocTestParser(OPTIONS), PythonCodeBlockParser(doctest_optionflags=OPTIONS))
EXAMPLE = re.compile(r">>> |```python")
WITH_EXAMPLES = [path for path in SOURCES if EXAMPLE.search(path.read_text(encoding="utf-8"))]


def run_docstrings(path: Path) -> int:
    """Run the examples of a file's docstrings, those of one file in one namespace; returns how many."""
    count = 0
    for example in PythonDocStringDocument.parse(str(path), *PARSERS):
        example.evaluate()
        count += 1
    return count


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_the_docstrings_are_true(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_docstrings(path) > 0


WRONG = {
    "wrong_doctest": 'def f():\n    """One.\n\n    >>> 1 + 1\n    3\n    """\n',
    "wrong_block": '"""\n```python\nassert f == 1\n```\n"""\nf = 2\n',
}


@pytest.mark.parametrize("name", WRONG)
def test_an_example_that_is_not_true_fails(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{name}.py").write_text(WRONG[name])
    with pytest.raises((SybilFailure, AssertionError)):
        run_docstrings(tmp_path / f"{name}.py")
