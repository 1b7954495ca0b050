"""A result's short repr and its table in a notebook."""

import io
import sys

import polars as pl

from kronos_quant.display import Displayed, figure_text, html_table, progress, summary_table, text_table
from kronos_quant.errors import listed, printable


class Made(Displayed):
    """A result made for these tests."""

    title = "Back-test <b>"

    def summary(self) -> pl.DataFrame:
        return summary_table([("Sharpe ratio", "1.20"), ("costs", "0.1%")])


def test_a_result_shows_its_title_and_one_line_a_figure():
    assert repr(Made()).splitlines() == ["Back-test <b>", "  Sharpe ratio  1.20", "  costs         0.1%"]


def test_a_notebook_gets_a_table_with_every_text_escaped():
    shown = Made()._repr_html_()
    assert "<caption>Back-test &lt;b&gt;</caption>" in shown
    assert "<td>Sharpe ratio</td><td>1.20</td>" in shown
    assert "<td>&lt;i&gt;</td>" in html_table(["a"], [["<i>"]])


def test_a_printed_summary_is_whole():
    note = "a long note " * 20
    table = summary_table([(f"figure {i}", str(i)) for i in range(30)], [note, note], verdict="FAIL: luck")
    lines = str(table).splitlines()
    assert lines[1].split(maxsplit=1) == ["verdict", "FAIL: luck"]
    assert len(lines) == 1 + 1 + 30 + 1
    assert lines[-1] == f"note       {note.strip()}"
    assert repr(table) == str(table)
    assert table["figure"].to_list()[1:3] == ["figure 0", "figure 1"]
    assert "<td>FAIL: luck</td>" in table._repr_html_()


def test_a_figure_that_is_not_determined_says_so_and_zero_has_no_minus():
    assert figure_text(float("nan"), "{:.2f}") == "not available"
    assert figure_text(-0.0001, "{:.2f}") == "0.00"
    assert figure_text(-0.5, "{:+.1%}") == "-50.0%"


def test_a_table_of_text_aligns_numbers_right_and_folds_into_a_terminal():
    rows = [("SH600000", 1.23456789, None), ("[bold]x", 12, True)]
    assert text_table(["symbol", "score", "held"], rows) == (
        "symbol      score  held\nSH600000  1.23457\n[bold]x        12  True"
    )
    folded = text_table(["name", "meaning"], [("a", "one two three four")], width=16).splitlines()
    assert max(map(len, folded)) <= 16
    assert " ".join(" ".join(folded[1:]).split()) == "a one two three four"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_when_stderr_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("signals", 3) as advance:
        advance(3)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_with_its_name_and_count(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with progress("signals", 3) as advance:
        advance(2)
    assert "signals" in stream.getvalue()
    assert "/3" in stream.getvalue()


def test_a_cell_moves_no_cursor_and_is_no_markup():
    told = text_table(["symbol", "\x1b[2J"], [("[red]A[/red]", "a\x1b[31mb\u202ec\ud800")])
    assert told.splitlines() == ["symbol        \\x1b[2J", "[red]A[/red]  a\\x1b[31mb\\u202ec\\ud800"]


def test_a_list_of_offenders_and_a_line_are_printable_and_not_endless():
    assert listed(["a\x1b[31m", "b"]) == "a\\x1b[31m, b"
    assert len(listed(["x" * 10**6])) <= 200
    assert printable("a\nb\rc\x00") == "a\nb\\rc\\x00"
    assert len(printable("x" * 10**6)) == 2000


def test_a_row_is_one_line_whatever_its_cells_hold():
    table = text_table(["setting", "value"], [("universe", "a\nb"), ("seed", "5\r\n6")])
    assert table.splitlines() == ["setting   value", "universe  a\\nb", "seed      5\\r\\n6"]
