"""quantstats' own report: made in another process, whole without a network, and never an error of the run."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta

import numpy as np
import pytest
from made import HANG_SECONDS
from report.pages import assert_self_contained

from kronos_quant import children
from kronos_quant.report import quantstats_page as module
from kronos_quant.report.quantstats_page import QuantstatsReport, SessionReturns, quantstats_child
from kronos_quant.workflows import backtest as job
from kronos_quant.workflows.backtest import run_backtest

NASTY = "<script>alert(1)</script> {{metrics}} <img src=x>"
FAILED = "quantstats.html and the further statistics are missing: the process of quantstats failed."


def given(sessions: int = 300, benchmark: bool = True, **fields) -> SessionReturns:
    rng = np.random.default_rng(1)
    dates = [date(2023, 1, 2) + timedelta(days=day) for day in range(sessions)]
    returns, other = rng.normal(0.0005, 0.01, (2, sessions))
    values = {"title": NASTY, "facts": NASTY} | fields
    return SessionReturns(dates, returns, other if benchmark else None, 252, **values)


def report_of(one: SessionReturns) -> QuantstatsReport:
    with quantstats_child(one) as wait:
        return wait()


def test_the_other_process_is_told_the_returns_as_they_are():
    one = given()
    other = SessionReturns.from_json(one.to_json())
    np.testing.assert_array_equal(other.returns, one.returns)
    np.testing.assert_array_equal(other.benchmark, one.benchmark)
    assert (other.dates, other.sessions_per_year, other.title) == (one.dates, 252, NASTY)


@pytest.mark.parametrize("code", ["import sys; sys.exit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_a_process_that_fails_is_a_sentence(code, monkeypatch):
    monkeypatch.setattr(module, "CODE", code)
    assert report_of(given()) == QuantstatsReport(troubles=(FAILED,))


def test_what_the_process_found_becomes_sections(monkeypatch):
    answer = {"page": "p", "tables": [{"columns": ["figure", "x"], "rows": [["a", "1"]]}], "troubles": ["t"]}
    monkeypatch.setattr(module, "CODE", f"import sys; sys.stdin.read(); print({json.dumps(answer)!r})")
    report = report_of(given())
    assert (report.page, report.troubles, report.sections[0].rows) == ("p", ("t",), (("a", "1"),))


def test_a_run_that_fails_does_not_wait_for_the_process(monkeypatch):
    monkeypatch.setattr(module, "CODE", f"import time; time.sleep({HANG_SECONDS})")
    processes = []
    start = children.start_python
    monkeypatch.setattr(
        children, "start_python", lambda *code, **pipes: processes.append(start(*code, **pipes)) or processes[0]
    )
    begun = time.monotonic()
    with pytest.raises(KeyError), quantstats_child(given()):
        raise KeyError
    assert time.monotonic() - begun < HANG_SECONDS / 2
    assert processes[0].poll() is not None


@pytest.mark.parametrize("returns", [np.zeros(30), np.array([0.1]), np.full(30, np.nan)])
def test_returns_that_do_not_move_start_no_process(returns, monkeypatch):
    monkeypatch.setattr(module, "answering_python", None)
    one = SessionReturns([date(2024, 1, 1)] * len(returns), returns, None, 252, "t", "f")
    assert report_of(one).page == ""


@pytest.mark.slow
def test_the_page_is_whole_asks_for_nothing_and_runs_nothing():
    report = report_of(given())
    assert report.troubles == ()
    assert {"Further statistics"} == {section.title for section in report.sections}
    read = assert_self_contained(report.page, ("tearsheet.html",))
    assert "script" not in read.tags
    assert "img" not in read.tags
    assert read.tags.count("svg") == 14
    assert "{{" not in report.page.replace("&#123;", "")
    assert NASTY in read.text
    assert "Sharpe" in read.text
    assert report_of(given()).page == report.page


@pytest.mark.slow
def test_without_a_benchmark_its_charts_are_left_out():
    report = report_of(given(benchmark=False))
    assert report.page.count("<svg") == 12
    assert "{{" not in report.page


@pytest.mark.slow
def test_a_run_leaves_the_page_beside_its_tearsheet(scored_workspace, monkeypatch):
    monkeypatch.setattr(job, "quantstats_child", quantstats_child)
    run = run_backtest(scored_workspace, "own")
    page = (run.folder / "quantstats.html").read_text(encoding="utf-8")
    assert "quantstats: own" in page
    assert 'href="quantstats.html"' in run.tearsheet.read_text(encoding="utf-8")
    assert not any("quantstats" in note for note in run.figures["notes"])
