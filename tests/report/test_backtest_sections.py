from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, panel_of, sizeless
from report.cases import Examined, examined
from validity.cases import walks

from kronos_quant.backtest import simulate
from kronos_quant.report.backtest_sections import (
    delistings,
    figures,
    headline_sections,
    read_first,
    result_sections,
    trading,
)
from kronos_quant.report.document import Part
from kronos_quant.validity.effects import Effect

NAN = float("nan")


def ran(panel, benchmark=None, **fields):
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 1e5, "lot": 100, "price_limit": "none"}
    return simulate(sizeless(plain | {"costs": PLAIN_COSTS} | fields), panel, benchmark_close=benchmark)


@pytest.fixture(scope="module")
def swap():
    """The market of the ledger worked out in tests/backtest/test_engine.py."""
    return panel_of([[2, 1], [1, 2], [1, 2]], [[10, 20], [10.5, 20], [11.5, 22]], open_=[[10, 20], [10, 20], [11, 21]])


def test_figures_stand_beside_the_benchmarks(swap):
    found = figures(ran(swap, benchmark=np.array([100.0, 110.0, 99.0])), "SPX")
    assert found.columns == ("figure", "portfolio", "SPX")
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
    assert "Annual figures are extrapolated from 2 sessions and are unreliable." in figures(ran(swap)).sentences
    assert figures(ran(walks(62, 4), lot=0)).sentences == ()


def test_a_figure_that_is_not_determined_is_a_dash():
    rows = cells(figures(ran(panel_of([[2, 1]] * 3, np.full((3, 2), 10.0)), account=500.0)))
    assert rows["Sharpe ratio, annual"] == ("-",)
    assert rows["winning sessions"] == ("-",)


def test_what_delisted_holdings_are_worth_is_shown_where_there_were_any(swap):
    assert delistings(ran(swap)) is None
    found = delistings(ran(panel_of([[2, 1], [NAN, NAN], [NAN, NAN]], [[10, 10], [10, 10], [NAN, 10]])))
    assert cells(found) == {"+0%": ("-0.10%",), "-30%": ("-28.60%",), "-100%": ("-95.09%",)}


def test_the_verdict_comes_first(whole_case):
    found = headline_sections(whole_case.result, whole_case.found, "SPX")
    assert [section.title for section in found] == ["Significance", "Result, after costs", "Trading"]
    assert found[0].sentences[0] == whole_case.found.luck.headline()


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


def sections(case: Examined) -> dict[str, Part]:
    return {section.title: section for section in result_sections(case.result, case.found)}


@pytest.fixture(scope="module")
def full(whole_case):
    return whole_case.result, sections(whole_case)


def cells(section: Part) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in section.rows}


def test_every_part_is_told_in_the_order_in_which_it_is_read(full):
    assert list(full[1]) == [
        "Against the benchmark",
        "Where the return came from",
        "Industries",
        "One-session delay",
        "Capacity",
        "What each rule is worth",
        "Costs",
        "Limits and rejections",
        "Rolling half years",
        "Monthly returns",
        "Holdings by date",
    ]


def test_what_is_held_against_the_benchmark_are_the_metrics(full):
    result, found = full
    rows, metrics = cells(found["Against the benchmark"]), result.metrics
    assert rows["annual excess over the benchmark"] == (f"{metrics['excess_annual_return']:+.2%}",)
    assert rows["annual excess, before costs"] == (f"{metrics['excess_annual_return_before_cost']:+.2%}",)
    assert rows["information ratio, annual"] == (f"{metrics['information_ratio']:.2f}",)
    assert rows["alpha, annual"] == (f"{metrics['alpha']:+.2%}",)
    assert rows["beta"] == (f"{metrics['beta']:.2f}",)


def test_sources_and_industries_have_a_row_each(full):
    _, found = full
    names = list(cells(found["Where the return came from"]))
    assert names[0] == "market"
    assert {"size (traded value)", "momentum", "volatility", "industries", "selection", "costs"} < set(names)
    assert names[-1] == "total, after costs"
    assert len(found["Industries"].rows) == 10
    assert "The 10 largest of 12; metrics.json lists all." in found["Industries"].sentences
    sizes = [abs(float(row[1].rstrip("%"))) for row in found["Industries"].rows]
    assert sizes == sorted(sizes, reverse=True)


def test_costs_are_split_and_add_up(full):
    result, found = full
    rows = cells(found["Costs"])
    assert list(rows) == ["commission", "taxes and fees", "slippage", "impact", "borrowing", "total"]
    paid = [float(row[0].replace(",", "")) for row in rows.values()]
    assert sum(paid[:-1]) == pytest.approx(paid[-1], abs=0.05)
    assert rows["total"][2] == f"{result.metrics['annual_cost']:.2%}"


def test_months_and_half_years_cover_the_period(full):
    result, found = full
    months = found["Monthly returns"]
    assert months.wide
    assert [row[0] for row in months.rows] == ["2023"]
    [row] = months.rows
    assert row[-2:] == tuple(f"{result.metrics[f'{whose}total_return']:+.1%}" for whose in ("", "benchmark_"))
    assert months.columns[-2:] == ("period", "benchmark")
    rolling = cells(found["Rolling half years"])
    assert list(rolling) == ["annual return", "annual volatility", "Sharpe ratio, annual", "maximum drawdown", "beta"]
    assert "75 overlapping windows of 126 sessions" in found["Rolling half years"].sentences[0]


def test_holdings_are_those_of_the_month_ends(full):
    result, found = full
    rows = found["Holdings by date"].rows
    ends = [str(day) for day, after in pairwise(result.dates) if day.month != after.month]
    assert [row[0] for row in rows[:-1]] == ends
    last = result.positions.filter(date=result.dates[-1])
    assert rows[-1][:3] == (str(result.dates[-1]), str(len(last)), f"{last['weight'].sum():.1%}")
    largest = last.sort("weight", descending=True)["symbol"][0]
    assert rows[-1][3].startswith(f"{largest} ")
    assert rows[-1][3].count(",") == 4


def test_the_delay_stands_beside_the_run(full):
    result, found = full
    row = cells(found["One-session delay"])["annual return"]
    assert row[0] == f"{result.metrics['annual_return']:+.2%}"
    assert row[1] != row[0]


def test_rejected_orders_and_those_filled_in_part_are_counted_apart(tmp_path):
    case = examined(tmp_path, walks(60, 24, seed=6), liquidity={"participation": 0.01})
    result, found = case.result, sections(case)["Limits and rejections"]
    cut = int((result.orders["status"] == "partial").sum())
    assert cut > 0
    assert sum(int(row[2].replace(",", "")) for row in found.rows) == cut
    assert sum(int(row[1].replace(",", "")) for row in found.rows) == result.metrics["rejected"]
    assert f"{result.metrics['rejected']:,.0f} were rejected and {cut:,} were filled in part" in found.sentences[0]
    assert cells(trading(result))["orders rejected"] == (f"{result.metrics['rejected']:,.0f}",)


def test_shorts_have_legs_and_no_benchmark_is_compared(tmp_path):
    case = examined(tmp_path, walks(60, 24, seed=6), strategy="long_short_quantile", quantile=0.25, every=4)
    found = sections(case)
    assert [row[0] for row in found["Long and short"].rows] == ["long", "short"]
    assert not {"Against the benchmark", "Industries", "Rolling half years"} & set(found)
    held = found["Holdings by date"]
    assert held.columns[2:4] == ("long", "short")
    last = case.result.positions.filter(date=case.result.dates[-1])["weight"]
    assert held.rows[-1][2:4] == (f"{last.clip(0, None).sum():.1%}", f"{last.clip(None, 0).sum():.1%}")
    assert "-" in held.rows[-1][4]  # the largest by size, short ones too


def test_a_run_without_a_trade_is_told_plainly(tmp_path):
    case = examined(tmp_path, walks(60, 24, seed=6), account=1.0, lot=100)
    found = sections(case)
    assert cells(found["Costs"])["total"] == ("0.00", "-", "0.00%")
    assert case.found.luck.headline().startswith("NO VERDICT: the returns do not vary")
    orders = len(case.result.orders)
    assert found["Limits and rejections"].sentences == (
        f"Of {orders:,} orders, {orders:,} were rejected and 0 were filled in part (100.0% and 0.0%).",
    )
    assert found["Limits and rejections"].rows[0][0] in ("below one lot", "not enough cash")
    assert found["Holdings by date"].rows[-1][1:] == ("0", "0.0%", "")
    assert not any("nan" in cell for section in found.values() for row in section.rows for cell in row)


def test_what_risk_rules_did_stands_apart_from_the_rejections(tmp_path):
    case = examined(tmp_path, walks(60, 24, seed=6), risk={"stop_loss": 0.03})
    found = sections(case)
    assert cells(found["Risk rules"])["stop-loss"] == (f"{case.result.risk['stop-loss']:,}",)
    assert not any("risk rule" in row[0] for row in found["Limits and rejections"].rows)


def test_a_single_session_says_what_it_cannot_tell(tmp_path):
    found = sections(examined(tmp_path, walks(2, 24, seed=6), benchmark=np.array([100.0, 101.0])))
    assert found["One-session delay"].sentences == ("Not available: the delay leaves no session to trade in.",)
    assert "fewer than 20 sessions" in found["Capacity"].sentences[0]
    assert found["Against the benchmark"].sentences == ()


def test_a_users_own_function_is_not_run_again_and_the_report_says_so(whole_case):
    case = whole_case
    own = replace(case.result, strategy=case.result.strategy.model_copy(update={"strategy": "python"}))
    found = {s.title: s for s in result_sections(own, replace(case.found, delayed=None, capacity=None))}
    assert "a strategy in Python is run only once" in found["One-session delay"].sentences[0]
    assert "a strategy in Python is run only once" in found["Capacity"].sentences[0]


def test_what_makes_a_result_void_is_read_before_what_changed_it(whole_case):
    loud, assumed, other = (
        "NO SELECTION: all",
        "Up to 7.5% of the account (on 2024-07-19) was in",
        "No list of ST shares",
    )
    found = replace(whole_case.found, effects=(Effect("price limits", 0.1, -90.0), Effect("board lots", 0.1, 3.0)))
    assert read_first((other, assumed, loud, other), found) == (loud, assumed, found.effects[0].line(), other)
    for name in ("delisted", "unstated"):
        panel = walks(40, 6, seed=1)
        panel.score[:, 0] = 99.0
        for values in (panel.close, panel.open):
            values[30:, 0] = NAN
        events = np.array([[35, 0]] if name == "delisted" else [], dtype=np.int64).reshape(-1, 2)
        notes = ran(replace(panel, delisted=events), lot=0).notes
        assert read_first(notes, found)[0] in notes[:2]
