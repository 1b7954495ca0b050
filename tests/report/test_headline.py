from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, panel_of
from report.cases import examined
from validity.cases import walks

from kronos_quant.backtest import Strategy, simulate
from kronos_quant.report.headline import delistings, figures, headline_of, trading

NAN = float("nan")


def ran(panel, benchmark=None, **fields):
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 1e5, "lot": 100, "price_limit": "none"}
    return simulate(Strategy.model_validate(plain | {"costs": PLAIN_COSTS} | fields), panel, benchmark_close=benchmark)


@pytest.fixture(scope="module")
def swap():
    """The market of the ledger worked out in tests/backtest/test_engine.py."""
    return panel_of([[2, 1], [1, 2], [1, 2]], [[10, 20], [10.5, 20], [11.5, 22]], open_=[[10, 20], [10, 20], [11, 21]])


def cells(section) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in section.rows}


def test_figures_stand_beside_the_benchmarks(swap):
    found = figures(ran(swap, benchmark=np.array([100.0, 110.0, 99.0])), "SPX")
    assert found.columns == ("annual: 252 sessions a year", "portfolio", "SPX")
    rows = cells(found)
    assert rows["total return"] == ("+14.05%", "-1.00%")
    assert rows["maximum drawdown"] == ("0.00%", "-10.00%")
    assert rows["winning sessions"] == ("100.0%", "50.0%")
    assert rows["Sortino ratio, annual"] == ("-", "0.00")
    assert rows["Calmar ratio, annual"] == ("-", "-7.18")
    assert rows["annual return, before costs"][1] == ""


def test_what_was_traded_is_told_with_its_cost(swap):
    rows = cells(trading(ran(swap)))
    assert rows["trades"] == ("3",)
    assert rows["costs, total"] == ("354.65",)


def test_without_a_benchmark_nothing_is_compared(swap):
    found = figures(ran(swap), None)
    assert found.columns[1:] == ("portfolio",)
    assert {len(row) for row in found.rows} == {2}


def test_a_year_that_is_extrapolated_from_a_few_sessions_is_said(swap):
    assert "A year is extrapolated from 2 sessions: its figures say little." in figures(ran(swap)).lines
    assert len(figures(ran(walks(62, 4), lot=0)).lines) == 1


def test_a_figure_that_is_not_determined_is_a_dash():
    rows = cells(figures(ran(panel_of([[2, 1]] * 3, np.full((3, 2), 10.0)), account=500.0)))
    assert rows["Sharpe ratio, annual"] == ("-",)
    assert rows["winning sessions"] == ("-",)


def test_what_delisted_holdings_are_worth_is_shown_where_there_were_any(swap):
    assert delistings(ran(swap)) is None
    found = delistings(ran(panel_of([[2, 1], [NAN, NAN], [NAN, NAN]], [[10, 10], [10, 10], [NAN, 10]])))
    assert cells(found) == {"+0%": ("-0.10%",), "-30%": ("-28.60%",), "-100%": ("-95.09%",)}


def test_the_verdict_comes_first(whole_case):
    found = headline_of(whole_case.result, whole_case.found, "SPX")
    assert [section.title for section in found] == ["Is it luck?", "Result, after costs", "Trading"]
    assert found[0].lines[0] == whole_case.found.luck.headline()


def test_a_run_that_never_trades_has_no_costs_and_all_in_cash(tmp_path):
    case = examined(tmp_path, walks(60, 24, seed=6), account=1.0, lot=100)
    rows = cells(trading(case.result))
    assert rows["trades"] == ("0",)
    assert rows["cash, mean share of the account"] == ("100.0%",)
    assert rows["costs, total"] == ("0.00",)


def test_a_long_name_of_a_benchmark_is_cut_and_one_without_a_name_is_called_benchmark(swap):
    result = ran(swap, benchmark=np.array([100.0, 110.0, 99.0]))
    assert figures(result, "An index with a very long name").columns[2] == "An index with a "
    assert figures(result).columns[2] == "benchmark"
