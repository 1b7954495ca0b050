"""No text for a reader has a word of docs/wording.yml."""

from pathlib import Path

import pytest
from doccheck.pages import Page, pages
from doccheck.strings import texts
from doccheck.wording import front_docstrings, hits, of_page, printed, unwanted


def test_nothing_that_the_program_prints_has_an_unwanted_word():
    assert hits(printed()) == []


def test_no_docstring_of_the_front_door_has_one():
    assert hits(front_docstrings()) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_no_page_has_one(page):
    assert hits(of_page(page)) == []


def test_an_unwanted_word_is_found_wherever_it_is_printed():
    source = '''
"""A note on what is told."""
raise ValueError(f"{name}: not told from {other}" " here")
app = Field(description="Besides the bars", help="fine")
def run():
    """Example: kq demo

    What is mended.
    """
'''
    assert [text.place for text in texts(source, "a.py") if not text.note and hits([text])] == ["a.py:3", "a.py:4"]
    helps = sorted(text.place for text in texts(source, "a.py", commands=True) if not text.note and hits([text]))
    assert helps == ["a.py:3", "a.py:4", "a.py:6"]
    page = Page(
        Path("a.md"),
        "It is `told`.\n\nNobody asks\nfor it.\n\n```sh\nkq demo  # anew\n```\n```text {.output}\ntold\n```\n",
    )
    assert [hit.split(": ")[0] for hit in hits(of_page(page))] == ["a.md:3", "a.md:3", "a.md:6"]


def test_each_unwanted_word_has_its_better_one():
    assert all(write for _, write in unwanted())
    assert len(unwanted()) > 20
