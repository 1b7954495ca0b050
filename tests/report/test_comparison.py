from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from report.pages import Reader, assert_self_contained

from kronos_quant.report import comparison
from kronos_quant.report.comparison import Shown, comparison_png, comparison_sections, figure_of, write_comparison
from kronos_quant.stats.intervals import paired_test

EVIL = "<script>alert(1)</script>{{x}}"


def made(name: str, seed: int, start: int = 0, sessions: int = 60, **metrics) -> Shown:
    returns = np.random.default_rng(seed).normal(0, 0.01, sessions)
    dates = tuple(date(2024, 1, 1) + timedelta(days=start + i) for i in range(sessions))
    return Shown(
        name, {"strategy.topk": seed, "strategy.fill": "open"}, {"sharpe_ratio": float(seed)} | metrics, dates, returns
    )


@pytest.fixture
def runs():
    return [made("a", 1, deflated_sharpe_passes=True), made("b", 2, deflated_sharpe_passes=False), made(EVIL, 3)]


def sections(runs):
    return comparison_sections(runs, [paired_test(run.returns, runs[0].returns, 252) for run in runs[1:]])


def test_figures_stand_side_by_side_and_those_that_no_run_has_are_left_out(runs):
    figures = sections(runs)[1]
    rows = {row[0]: row[1:] for row in figures.rows}
    assert figures.columns == ("figure", "a", "b", EVIL)
    assert rows["Sharpe ratio, annual"] == ("1.00", "2.00", "3.00")
    assert "beta" not in rows
    assert not any(figures.words()[1:])  # numbers stand on the right


def test_each_run_is_named_with_its_strategy_period_and_verdict(runs):
    found = sections([*runs[:2], made("c", 3, start=1, strategy="<b>", sessions_per_year=243.0)])[0]
    assert [row[1:2] + row[3:] for row in found.rows] == [
        ("-", "60", "yes"), ("-", "60", "no"), ("<b>", "60", "-"),
    ]  # fmt: skip
    assert found.rows[2][2] == "2024-01-02 to 2024-03-01"
    assert found.lines[0].startswith("The runs cover different sessions")
    assert sections(runs)[0].lines == ()


def test_only_settings_that_differ_are_listed(runs):
    assert sections(runs)[2].rows == (("strategy.topk", "1", "2", "3"),)
    assert sections([runs[0], runs[0]])[2].lines == ("The runs have the same settings.",)


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (0.0, "no more different than chance"),
        (0.02, "better than the first by more"),
        (-0.02, "worse than the first by more"),
    ],
)
def test_the_paired_test_is_put_into_words(shift, words):
    first, other = made("a", 1), made("b", 2)
    test = paired_test(other.returns + shift, first.returns, 252)
    [row] = comparison_sections([first, other], [test])[3].rows
    assert words in row[-1]
    assert row[1] == "60"


def drawn(runs, monkeypatch) -> Figure:
    kept = []
    monkeypatch.setattr(comparison, "save_png", lambda figure, path: kept.append(figure))
    comparison_png(Path("unused"), runs)
    return kept[0]


def test_curves_are_of_the_sessions_that_all_runs_have(monkeypatch):
    one, other = made("a", 1), made("b", 2, start=20)
    growth, depth = drawn([one, other], monkeypatch).axes
    first, second = growth.get_lines()[:2]
    assert list(first.get_xdata()) == list(second.get_xdata()) == list(range(-1, 40))
    np.testing.assert_allclose(first.get_ydata(), [0, *(np.cumprod(1 + one.returns[20:]) - 1)])
    np.testing.assert_allclose(second.get_ydata(), [0, *(np.cumprod(1 + other.returns[:40]) - 1)])
    assert growth.get_title(loc="left") == "Growth on the sessions of all runs"
    assert len(depth.get_lines()) == 3


def test_runs_that_share_no_session_are_each_on_their_own(monkeypatch):
    one, other = made("a", 1), made("b", 2, start=100)
    growth, _ = drawn([one, other], monkeypatch).axes
    assert list(growth.get_lines()[1].get_xdata()) == list(range(59, 120))
    assert growth.get_title(loc="left") == "Growth, each on its own sessions"


def test_the_page_is_one_file_with_every_name_escaped(runs, tmp_path):
    comparison_png(tmp_path / "curves.png", runs)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    write_comparison(tmp_path / "c.html", EVIL, sections(runs), tmp_path / "curves.png")
    page = Reader((tmp_path / "c.html").read_text())
    assert "script" not in page.tags
    assert page.tags.count("table") == 4
    assert [reference[:22] for reference in page.references] == ["data:image/png;base64,"]
    assert page.text.count(EVIL) >= 3


def test_a_page_shows_every_table_as_it_is(runs, tmp_path):
    found = sections(runs)
    comparison_png(tmp_path / "curves.png", runs)
    write_comparison(tmp_path / "c.html", "3 back-tests", found, tmp_path / "curves.png")
    page = assert_self_contained((tmp_path / "c.html").read_text(encoding="utf-8"))
    assert page.headings == ["3 back-tests", *(section.title for section in found)]
    for section in found:
        [rows] = [rows for heading, rows in page.tables if heading == section.title]
        assert rows == [list(row) for row in (section.columns, *section.rows)]
    assert "Whether two lines differ by more than chance" in page.text


def test_the_paired_test_by_hand():
    # differences of 0.01 and 0.03 in turn: their mean is 0.02, a year of 250 sessions 5
    first = np.zeros(40)
    other = np.tile([0.01, 0.03], 20)
    found = paired_test(other, first, 250)
    assert found.annual_difference == pytest.approx(5.0)
    assert (found.low + found.high) / 2 == pytest.approx(5.0)
    assert found.low > 0
    [row] = comparison_sections([made("a", 1), made("b", 2)], [found])[3].rows
    assert row[:3] == ("b", "40", "+500.00%")
    assert row[-1] == "better than the first by more than chance"
    assert row[5] == "-"  # the first one does not move


def test_what_a_run_lacks_is_a_dash_and_no_number(runs):
    bare = Shown("bare", {}, {"sharpe_ratio": None, "trades": "many", "beta": True}, runs[0].dates, runs[0].returns)
    assert math.isnan(figure_of(bare, "sharpe_ratio"))
    assert math.isnan(figure_of(bare, "trades"))
    assert math.isnan(figure_of(bare, "nothing"))
    rows = {row[0]: row[1:] for row in sections([runs[0], bare])[1].rows}
    assert rows["Sharpe ratio, annual"] == ("1.00", "-")
    assert sections([runs[0], bare])[2].rows[-1] == ("strategy.topk", "1", "-")


def test_a_single_session_is_a_line_from_0(monkeypatch):
    one, other = made("a", 1, sessions=1), made("b", 2, start=5, sessions=1)
    growth, depth = drawn([one, other], monkeypatch).axes
    np.testing.assert_allclose(growth.get_lines()[0].get_xydata(), [[-1, 0], [0, one.returns[0]]])
    np.testing.assert_allclose(growth.get_lines()[1].get_xydata(), [[0, 0], [1, other.returns[0]]])
    assert all(line.get_ydata()[0] == 0 for line in depth.get_lines()[:2])


def test_more_runs_than_styles_are_drawn_all_the_same(monkeypatch):
    many = [made(f"run {i}", i, strategy="topk") for i in range(7)]
    growth, _ = drawn(many, monkeypatch).axes
    assert [text.get_text() for text in growth.get_legend().get_texts()] == [f"run {i} (topk)" for i in range(7)]
