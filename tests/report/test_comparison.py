from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from report.pages import Reader

from kronos_quant.report import comparison
from kronos_quant.report.comparison import Shown, comparison_png, comparison_sections, write_comparison
from kronos_quant.validity import paired

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
    return comparison_sections(runs, [paired(run.returns, runs[0].returns, 252) for run in runs[1:]])


def test_figures_stand_side_by_side_and_those_that_no_run_has_are_left_out(runs):
    figures = sections(runs)[0]
    rows = {row[0]: row[1:] for row in figures.rows}
    assert figures.columns == ("figure", "a", "b", EVIL)
    assert rows["Sharpe ratio"] == ("1.00", "2.00", "3.00")
    assert rows["sessions"] == ("60", "60", "60")
    assert rows["more than luck"] == ("yes", "no", "-")
    assert "beta" not in rows


def test_only_settings_that_differ_are_listed(runs):
    assert sections(runs)[1].rows == (("strategy.topk", "1", "2", "3"),)
    assert sections([runs[0], runs[0]])[1].lines == ("The runs have the same settings.",)


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (0.0, "no difference that chance"),
        (0.02, "better than the first by more"),
        (-0.02, "worse than the first by more"),
    ],
)
def test_the_paired_test_is_put_into_words(shift, words):
    first, other = made("a", 1), made("b", 2)
    test = paired(other.returns + shift, first.returns, 252)
    [row] = comparison_sections([first, other], [test])[2].rows
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
    assert list(first.get_xdata()) == list(second.get_xdata()) == list(range(40))
    np.testing.assert_allclose(first.get_ydata(), np.cumprod(1 + one.returns[20:]) - 1)
    np.testing.assert_allclose(second.get_ydata(), np.cumprod(1 + other.returns[:40]) - 1)
    assert growth.get_title(loc="left") == "Growth on the sessions of all runs"
    assert len(depth.get_lines()) == 3


def test_runs_that_share_no_session_are_each_on_their_own(monkeypatch):
    one, other = made("a", 1), made("b", 2, start=100)
    growth, _ = drawn([one, other], monkeypatch).axes
    assert list(growth.get_lines()[1].get_xdata()) == list(range(60, 120))
    assert growth.get_title(loc="left") == "Growth, each on its own sessions"


def test_the_page_is_one_file_with_every_name_escaped(runs, tmp_path):
    comparison_png(tmp_path / "curves.png", runs)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    write_comparison(tmp_path / "c.html", EVIL, sections(runs), tmp_path / "curves.png")
    page = Reader((tmp_path / "c.html").read_text())
    assert "script" not in page.tags
    assert page.tags.count("table") == 3
    assert [reference[:22] for reference in page.references] == ["data:image/png;base64,"]
    assert page.text.count(EVIL) >= 3
