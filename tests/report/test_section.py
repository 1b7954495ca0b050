from __future__ import annotations

import html

from report.pages import Reader

from kronos_quant.report.section import Section, escaped, section_html, section_texts, shown

TABLE = Section("Held", ("A line.",), ("date", "symbols", "largest"), (("2024-01-31", "5", "AAA 3%"), ("x", "10", "")))


def test_a_table_puts_words_on_the_left_and_numbers_on_the_right():
    assert list(section_texts([TABLE], 80)) == [
        [
            "Held",
            "  A line.",
            "  date        symbols  largest",
            "  2024-01-31        5  AAA 3%",
            "  x                10",
        ]
    ]
    assert TABLE.words() == [True, False, True]


def test_a_section_may_be_words_alone_and_long_ones_are_wrapped():
    [lines] = section_texts([Section("Long", ("word " * 30,))], 40)
    assert max(map(len, lines)) <= 40
    assert len(lines) == 6
    assert Section("Long", ("word",)).words() == []
    assert section_html(Section("T", ("word",))) == '<section class=""><h3>T</h3><p>word</p></section>'


def test_a_page_shows_what_the_text_shows():
    page = Reader(section_html(TABLE, "wide"))
    assert page.tags.count("tr") == 3
    assert page.text == "Held A line. date symbols largest 2024-01-31 5 AAA 3% x 10"


def test_every_text_is_escaped():
    nasty = '<b onclick="x">&{{metrics}}[[tables]]'
    page = section_html(Section(nasty, (nasty,), (nasty,), ((nasty,),)))
    assert "<b" not in page.replace("<tbody>", "")
    assert "{" not in page
    assert "[" not in page
    assert html.unescape(escaped(nasty)) == nasty
    assert Reader(page).references == []


def test_a_figure_that_is_not_determined_is_a_dash():
    assert (shown(float("nan"), "{:.2f}"), shown(1.234, "{:.2f}")) == ("-", "1.23")


def test_what_rounds_to_nothing_has_no_minus():
    assert [shown(-1e-9, form) for form in ("{:.2f}", "{:+.1%}", "{:.2%}", "{:+.0f}")] == [
        "0.00",
        "+0.0%",
        "0.00%",
        "+0",
    ]
    assert shown(-0.006, "{:.2f}") == "-0.01"


def test_gains_and_losses_are_shaded_by_their_size_and_nothing_else_is():
    table = Section("Months", (), ("year", "Jan", "Feb", "Mar"), (("2024", "+3.0%", "-30.0%", ""),), shaded=True)
    page = section_html(table)
    assert '<td style="background:rgba(0,114,178,0.11)">+3.0%</td>' in page
    assert '<td style="background:rgba(213,94,0,0.55)">-30.0%</td>' in page
    assert page.count("style=") == 2


def test_a_table_without_a_title_has_no_empty_heading():
    page = Reader(section_html(Section("", (), ("setting", "value"), (("topk", "5"),))))
    assert page.headings == []
    assert page.tables == [("", [["setting", "value"], ["topk", "5"]])]
