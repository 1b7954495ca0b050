"""The document model: the same sections as plain text and as a page, every text escaped."""

from __future__ import annotations

import pytest
from charts.cases import make_fan
from report.pages import Reader, assert_self_contained

from kronos_quant.charts import bars_figure
from kronos_quant.display import figure_or_dash
from kronos_quant.report.document import Document, Part, Picture, cell_style, small_picture

TABLE = Part("Held", ("A line.",), ("date", "symbols", "largest"), (("2024-01-31", "5", "AAA 3%"), ("x", "10", "")))
NASTY = "<script>alert('x')</script> <b onclick=x> $x$ {{metrics}} [[quantstats]] {% x %}"


def page_of(*sections: Part, **fields) -> Reader:
    return assert_self_contained(Document("T", sections=sections, **fields).to_html())


def test_a_table_puts_words_on_the_left_and_numbers_on_the_right():
    assert TABLE.lines(80) == [
        "Held",
        "  A line.",
        "  date        symbols  largest",
        "  2024-01-31        5  AAA 3%",
        "  x                10",
    ]
    assert TABLE.word_columns() == [True, False, True]


def test_a_section_may_be_sentences_alone_and_long_ones_are_wrapped():
    lines = Part("Long", ("word " * 30,)).lines(40)
    assert max(map(len, lines)) <= 40
    assert len(lines) == 6
    assert Part("Long", ("word",)).word_columns() == []


def test_facts_have_their_label_in_front_and_are_wrapped_under_it():
    lines = Part("What was run", facts=(("costs", "a"), ("", "b " * 60))).lines(100)
    assert lines[:2] == ["What was run", "  costs          a"]
    assert lines[2] == " " * 17 + "b " * 41 + "b"
    assert lines[3].startswith(" " * 17 + "b")
    assert max(map(len, lines)) <= 100


def test_a_page_shows_what_the_text_shows():
    page = page_of(TABLE)
    assert page.tags.count("tr") == 3
    assert "Held A line. date symbols largest 2024-01-31 5 AAA 3% x 10" in page.text


def test_the_text_has_notes_first_and_neither_pictures_nor_what_is_folded():
    folded = Part("All settings", (), ("setting",), (("topk",),), folded=True)
    chart = Part("Charts", pictures=(Picture("a", "<svg></svg>", "b"),))
    notes = ("NO TRADE WAS MADE: none.", "word " * 40)
    text = Document("Back-test: topk", ("1 session",), notes, (TABLE, folded, chart)).to_text()
    head = "Back-test: topk\n1 session\nFor research only: past results do not guarantee future"
    assert text.startswith(head)
    assert text.index("Read this first\n  - NO TRADE WAS MADE: none.\n  - word") < text.index("Held")
    assert "All settings" not in text
    assert "Charts" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert text.endswith("x                10\n")
    assert "Read this first" not in Document("T", sections=(TABLE,)).to_text()


def test_a_page_folds_what_is_long_and_sets_grave_notes_off():
    folded = Part("All settings", (), ("setting", "value"), (("topk", "5"),), folded=True)
    page = page_of(folded, notes=("A note.", "CONTAMINATED: 3 sessions."))
    assert {"details", "summary"} <= set(page.tags)
    assert page.listed == ["A note.", "CONTAMINATED: 3 sessions."]
    assert page.classes.count("loud") == 1
    assert "wide notes grave" in page.classes
    assert "grave" not in " ".join(page_of(folded, notes=("A note.",)).classes)


def test_every_text_is_escaped():
    section = Part(NASTY, (NASTY,), (NASTY,), ((NASTY,),), ((NASTY, NASTY),), (Picture(NASTY, "<svg></svg>", NASTY),))
    html = Document(NASTY, (NASTY,), (NASTY,), (section,), NASTY).to_html()
    page = Reader(html)
    assert "script" not in page.tags
    assert page.handlers == []
    assert page.text.count(" ".join(NASTY.split())) == 13
    assert "alert('x')" not in html


def test_a_picture_labelled_with_html_stays_one_element():
    svg = small_picture(NASTY, bars_figure(make_fan().history, [])).svg
    assert Reader(svg).tags.count("svg") == 1
    assert {"script", "b"}.isdisjoint(Reader(svg).tags)
    assert Reader(svg).handlers == []


def test_a_page_is_the_same_for_the_same_document_and_fits_every_screen():
    document = Document("T", sections=(TABLE,))
    html = document.to_html()
    assert document.to_html() == html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert 'name="viewport" content="width=device-width' in html
    assert html.count('<div class="scroll"><table') == html.count("<table")


def test_wide_pictures_are_there_twice_and_small_ones_once():
    wide, small = Picture("a", "<svg></svg>", "read", "<svg></svg>"), Picture("b", "<svg></svg>", "")
    page = page_of(Part("Charts", pictures=(wide, small)))
    assert page.tags.count("svg") == 3
    assert page.tags.count("figure") == 2
    assert page.classes.count("small") == 1
    assert page.text.count("How to read it: read") == 1
    assert page.tags.count("figcaption") == 1


def test_a_figure_that_is_not_determined_is_a_dash_and_zero_has_no_minus():
    assert (figure_or_dash(float("nan"), "{:.2f}"), figure_or_dash(1.234, "{:.2f}")) == ("-", "1.23")
    zeros = [figure_or_dash(-1e-9, form) for form in ("{:.2f}", "{:+.1%}", "{:.2%}", "{:+.0f}")]
    assert zeros == ["0.00", "+0.0%", "0.00%", "+0"]
    assert figure_or_dash(-0.006, "{:.2f}") == "-0.01"


def test_gains_and_losses_are_shaded_by_their_size_and_nothing_else_is():
    table = Part("Months", (), ("year", "Jan", "Feb", "Mar"), (("2024", "+3.0%", "-30.0%", ""),), shaded=True)
    html = Document("T", sections=(table,)).to_html()
    assert '<td style="background:rgba(0,114,178,0.11)">+3.0%</td>' in html
    assert '<td style="background:rgba(213,94,0,0.55)">-30.0%</td>' in html
    assert html.count("<td style=") == 2
    assert cell_style("3.0%") == ""


@pytest.mark.parametrize(("cell", "state"), [("failed", "bad"), ("warning", "warn"), ("passed", "ok")])
def test_states_have_a_colour(cell, state):
    page = page_of(Part("Gates", (), ("gate", "result"), (("a", cell),)))
    assert f"words {state}" in page.classes
