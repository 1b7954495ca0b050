from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from report.cases import Examined, examined
from validity.cases import walks

from kronos_quant.report import sections_of
from kronos_quant.report.section import Section


def sections(case: Examined) -> dict[str, Section]:
    return {section.title: section for section in sections_of(case.result, case.found)}


@pytest.fixture(scope="module")
def full(whole_case):
    return whole_case.result, sections(whole_case)


def cells(section: Section) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in section.rows}


def test_every_part_is_told_in_the_order_in_which_it_is_read(full):
    assert list(full[1]) == [
        "Against the benchmark",
        "Where the return came from",
        "Industries",
        "One session later",
        "Capacity",
        "Costs",
        "Limits and rejections",
        "Rolling half years",
        "Months",
        "Holdings by date",
    ]


def test_what_is_held_against_the_benchmark_are_the_metrics(full):
    result, found = full
    rows, metrics = cells(found["Against the benchmark"]), result.metrics
    assert rows["annual excess, after costs"] == (f"{metrics['excess_annual_return']:+.2%}",)
    assert rows["annual excess, before costs"] == (f"{metrics['excess_annual_return_before_cost']:+.2%}",)
    assert rows["information ratio, annual"] == (f"{metrics['information_ratio']:.2f}",)
    assert rows["alpha, annual"] == (f"{metrics['alpha']:+.2%}",)
    assert rows["beta"] == (f"{metrics['beta']:.2f}",)


def test_sources_and_industries_have_a_row_each(full):
    _, found = full
    names = list(cells(found["Where the return came from"]))
    assert names[0] == "market"
    assert {"size (traded value)", "momentum", "volatility", "industries", "selection", "costs"} < set(names)
    assert names[-1] == "all of it, after costs"
    assert len(found["Industries"].rows) == 10
    assert "The 10 largest of 12; metrics.json has all." in found["Industries"].lines
    sizes = [abs(float(row[1].rstrip("%"))) for row in found["Industries"].rows]
    assert sizes == sorted(sizes, reverse=True)


def test_costs_are_split_and_add_up(full):
    result, found = full
    rows = cells(found["Costs"])
    assert list(rows) == ["commission", "taxes and fees", "slippage", "impact", "borrowing", "all of it"]
    paid = [float(row[0].replace(",", "")) for row in rows.values()]
    assert sum(paid[:-1]) == pytest.approx(paid[-1], abs=0.05)
    assert rows["all of it"][2] == f"{result.metrics['annual_cost']:.2%}"


def test_months_and_half_years_cover_the_period(full):
    result, found = full
    months = found["Months"]
    assert months.wide
    assert [row[0] for row in months.rows] == ["2023"]
    [row] = months.rows
    assert row[-1] == f"{result.metrics['total_return']:+.1%}"
    rolling = cells(found["Rolling half years"])
    assert list(rolling) == ["annual return", "annual volatility", "Sharpe ratio, annual", "maximum drawdown", "beta"]
    assert "126 sessions: 75 of them" in found["Rolling half years"].lines[0]


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
    row = cells(found["One session later"])["annual return"]
    assert row[0] == f"{result.metrics['annual_return']:+.2%}"
    assert row[1] != row[0]


def test_every_table_of_annual_figures_names_the_sessions_of_a_year(full):
    _, found = full
    annual = {"Against the benchmark", "Where the return came from", "Industries", "One session later", "Capacity"}
    for title in (*annual, "Costs", "Rolling half years"):
        assert any("252 sessions" in column for column in found[title].columns), title


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
    assert cells(found["Costs"])["all of it"] == ("0.00", "-", "0.00%")
    assert case.found.luck.headline().startswith("NO VERDICT: the returns do not vary")
    orders = len(case.result.orders)
    assert found["Limits and rejections"].lines == (f"{orders:,} of {orders:,} orders were rejected or cut (100.0%).",)
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
    assert found["One session later"].lines == ("Not told: the delay leaves no session to trade in.",)
    assert "fewer than 20 sessions" in found["Capacity"].lines[0]
    assert found["Against the benchmark"].lines == ()


def test_a_users_own_function_is_not_run_again_and_the_report_says_so(whole_case):
    case = whole_case
    own = replace(case.result, strategy=case.result.strategy.model_copy(update={"strategy": "python"}))
    found = {s.title: s for s in sections_of(own, replace(case.found, delayed=None, capacity=None))}
    assert "a user's own function is not called a second time" in found["One session later"].lines[0]
    assert "a user's own function is not called a second time" in found["Capacity"].lines[0]
