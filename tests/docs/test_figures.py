"""A figure in prose is the one that was measured."""

import re
from pathlib import Path

import pytest
from doccheck.figures import FIELDS, filled, known_figures, wrong_figures
from doccheck.pages import Page, pages
from made import ROOT

KNOWN = {"speed": {"value": "31.8", "unit": "times"}}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_figures_of_a_page_are_the_measured_ones(page, request):
    if request.config.getoption("--accept"):
        page.path.write_text(filled(page.text, known_figures()), encoding="utf-8")
        page = Page.read(page.path)
    assert wrong_figures(page, known_figures()) == []


@pytest.mark.parametrize(("name", "figure"), list(known_figures().items()), ids=list(known_figures()))
def test_a_figure_says_how_it_was_measured(name, figure):
    assert re.fullmatch(r"[a-z0-9_]+", name)
    assert set(figure) - {"date", "note"} == FIELDS
    assert all(isinstance(figure[field], str) for field in FIELDS)
    [script] = re.findall(r"benchmarks/\w+\.py|kq \w+", figure["command"])[:1]
    assert script.startswith("kq ") or (ROOT / script).is_file()


def test_another_figure_an_unknown_one_and_a_lost_mark_are_found():
    text = """\
<!-- figure speed -->31.8<!-- /figure --> and
<!-- figure speed -->30<!-- /figure --> and <!-- figure none -->1<!-- /figure --> <!-- figure speed -->31.8
"""
    page = Page(Path("/page.md"), text)
    assert wrong_figures(page, KNOWN) == [
        "/page.md:2: figure speed: shows 30, measured 31.8 (make docs-accept)",
        "/page.md:2: figure none: not in benchmarks/figures.json",
        "/page.md: a figure's mark without its other mark",
    ]
    assert "shows" not in str(wrong_figures(Page(page.path, filled(text, KNOWN)), KNOWN))
