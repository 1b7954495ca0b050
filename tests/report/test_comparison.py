from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest
from report.pages import assert_self_contained

from kronos_quant.report.pages.comparison import (
    ComparedRun,
    comparison_document,
    curves_figure,
    figure_of,
    write_comparison,
)
from kronos_quant.stats.intervals import paired_test

EVIL = "<script>alert(1)</script>{{x}}"


def made(name: str, seed: int, start: int = 0, sessions: int = 60, **metrics) -> ComparedRun:
    returns = np.random.default_rng(seed).normal(0, 0.01, sessions)
    dates = tuple(date(2024, 1, 1) + timedelta(days=start + i) for i in range(sessions))
    return ComparedRun(
        name, {"strategy.topk": seed, "strategy.fill": "open"}, {"sharpe_ratio": float(seed)} | metrics, dates, returns
    )


@pytest.fixture
def runs():
    return [made("a", 1, deflated_sharpe_passes=True), made("b", 2, deflated_sharpe_passes=False), made(EVIL, 3)]


def compared(runs):
    return comparison_document(runs, [paired_test(run.returns, runs[0].returns, 252) for run in runs[1:]])


def sections(runs):
    return compared(runs).sections


def test_figures_stand_side_by_side_and_those_that_no_run_has_are_left_out(runs):
    figures = sections(runs)[1]
    rows = {row[0]: row[1:] for row in figures.rows}
    assert figures.columns == ("figure", "a", "b", EVIL)
    assert rows["Sharpe ratio, annual"] == ("1.00", "2.00", "3.00")
    assert rows["period"] == ("2024-01-01 to 2024-02-29",) * 3
    assert "beta" not in rows
    assert not any(figures.word_columns()[1:])  # numbers stand on the right


def test_each_run_is_named_with_its_strategy_period_and_verdict(runs):
    found = sections([*runs[:2], made("c", 3, start=1, strategy="<b>", sessions_per_year=243.0)])[0]
    assert [row[1:2] + row[3:] for row in found.rows] == [
        ("-", "60", "PASS"), ("-", "60", "FAIL"), ("<b>", "60", "-"),
    ]  # fmt: skip
    assert found.rows[2][2] == "2024-01-02 to 2024-03-01"
    assert found.sentences[0].startswith("The runs cover different sessions")
    assert sections(runs)[0].sentences == ()


def test_only_settings_that_differ_are_listed(runs):
    assert sections(runs)[2].rows == (("strategy.topk", "1", "2", "3"),)
    assert sections([runs[0], runs[0]])[2].sentences == ("All settings are the same.",)


@pytest.mark.parametrize(
    ("shift", "words"),
    [(0.0, "no significant difference"), (0.02, "significantly better"), (-0.02, "significantly worse")],
)
def test_the_paired_test_is_put_into_words(shift, words):
    first, other = made("a", 1), made("b", 2)
    test = paired_test(other.returns + shift, first.returns, 252)
    [row] = comparison_document([first, other], [test]).sections[3].rows
    assert words in row[-1]
    assert row[1] == "60"


def test_curves_are_of_the_sessions_that_all_runs_have():
    one, other = made("a", 1), made("b", 2, start=20)
    growth, _ = curves_figure([one, other]).axes
    first, second = growth.get_lines()[:2]
    assert list(first.get_xdata()) == list(second.get_xdata()) == list(range(-1, 40))
    np.testing.assert_allclose(first.get_ydata(), [0, *(np.cumprod(1 + one.returns[20:]) - 1)])
    np.testing.assert_allclose(second.get_ydata(), [0, *(np.cumprod(1 + other.returns[:40]) - 1)])
    assert growth.get_title(loc="left") == "Growth over the sessions of all runs"


def test_runs_that_share_no_session_are_each_on_their_own_and_one_name_may_stand_twice():
    one, other = made("a", 1, strategy="topk"), made("a", 2, start=100, strategy="topk")
    growth, _ = curves_figure([one, other]).axes
    assert list(growth.get_lines()[1].get_xdata()) == list(range(59, 120))
    assert growth.get_title(loc="left") == "Growth, each run over its own sessions"
    assert [text.get_text() for text in growth.get_legend().get_texts()] == ["topk (a)", "topk (a)"]


def test_the_page_is_one_file_that_shows_every_table_as_it_is_with_every_name_escaped(runs, tmp_path):
    document = compared(runs)
    page = write_comparison(tmp_path, document, runs)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    read = assert_self_contained(page.read_text(encoding="utf-8"))
    assert read.headings == ["3 back-tests compared", *(section.title for section in document.sections)]
    for section in document.sections:
        [rows] = [rows for heading, rows in read.tables if heading == section.title]
        assert rows == [list(row) for row in (section.columns, *section.rows)]
    assert read.text.count(EVIL) >= 3
    assert "Whether two lines differ significantly is in the last table" in read.text


def test_the_paired_test_by_hand():
    # differences of 0.01 and 0.03 in turn: their mean is 0.02, a year of 250 sessions 5
    first = np.zeros(40)
    other = np.tile([0.01, 0.03], 20)
    found = paired_test(other, first, 250)
    assert found.annual_difference == pytest.approx(5.0)
    assert (found.low + found.high) / 2 == pytest.approx(5.0)
    assert found.low > 0
    [row] = comparison_document([made("a", 1), made("b", 2)], [found]).sections[3].rows
    assert row[:3] == ("b", "40", "+500.00%")
    assert row[-1] == "significantly better"
    assert row[5] == "-"  # the first one does not move


def test_what_a_run_lacks_is_a_dash_and_no_number(runs):
    bare = ComparedRun(
        "bare", {}, {"sharpe_ratio": None, "trades": "many", "beta": True}, runs[0].dates, runs[0].returns
    )
    assert math.isnan(figure_of(bare, "sharpe_ratio"))
    assert math.isnan(figure_of(bare, "trades"))
    assert math.isnan(figure_of(bare, "nothing"))
    rows = {row[0]: row[1:] for row in sections([runs[0], bare])[1].rows}
    assert rows["Sharpe ratio, annual"] == ("1.00", "-")
    assert sections([runs[0], bare])[2].rows[-1] == ("strategy.topk", "1", "-")
