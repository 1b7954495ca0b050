from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from validity.cases import run, walks

from kronos_quant.backtest import Strategy, rules_of, simulate
from kronos_quant.backtest.risk.groups import Groups
from kronos_quant.report import sections_of
from kronos_quant.report.section import Section
from kronos_quant.validity import (
    HISTORY,
    Background,
    TrialRow,
    examine,
    luck_of,
    read_trials,
    record_trials,
    universe_returns,
    without_universe,
)

PLAIN = {"topk": 8, "n_drop": 2, "hold_thresh": 1, "account": 1e6, "lot": 0, "price_limit": "none"}


def sections(tmp_path, panel, result, rules, industries=None) -> dict[str, Section]:
    edge = without_universe(result.returns, universe_returns(panel))
    record_trials(tmp_path, "r", "s", "p", result.dates, [TrialRow("own", "{}", result.returns, edge)])
    luck = luck_of(result.returns, edge, read_trials(tmp_path), None, result.sessions_per_year)
    earlier = walks(HISTORY, len(panel.symbols), seed=7)
    known = Background(earlier.close, earlier.volume, industries)
    found = sections_of(result, examine(result, panel, rules, None, known, luck))
    return {section.title: section for section in found}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A long-only run of 200 sessions beside a benchmark, with industries."""
    panel = walks(201, 24, seed=6)
    strategy = Strategy.model_validate(PLAIN)
    rules = rules_of(strategy, panel)
    close = 100 * np.cumprod(1 + np.random.default_rng(8).normal(0.0005, 0.01, 201))
    result = simulate(strategy, panel, rules, benchmark_close=close)
    industries = Groups(tuple("ABCDEFG"), np.tile(np.arange(24) % 7, (201, 1)))
    return result, sections(tmp_path_factory.mktemp("full"), panel, result, rules, industries)


def cells(section: Section) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in section.rows}


def test_every_part_is_told_in_the_order_in_which_it_is_read(full):
    assert list(full[1]) == [
        "Is it luck?",
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
    assert len(found["Industries"].rows) == 5
    assert "The 5 largest of 7; metrics.json has all." in found["Industries"].lines


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
    assert list(rolling) == ["annual return", "annual volatility", "Sharpe ratio", "maximum drawdown", "beta"]
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


def test_shorts_have_legs_and_no_benchmark_is_compared(tmp_path):
    panel = walks(60, 24, seed=6)
    _, rules, result = run(panel, strategy="long_short_quantile", quantile=0.25, every=4)
    found = sections(tmp_path, panel, result, rules)
    assert [row[0] for row in found["Long and short"].rows] == ["long", "short"]
    assert not {"Against the benchmark", "Industries", "Rolling half years"} & set(found)
    rows = found["Holdings by date"].rows
    assert "-" in rows[-1][3]  # the largest by size, short ones too


def test_a_run_without_a_trade_is_told_plainly(tmp_path):
    panel = walks(60, 24, seed=6)
    _, rules, result = run(panel, account=1.0, lot=100)
    found = sections(tmp_path, panel, result, rules)
    assert cells(found["Costs"])["all of it"] == ("0.00", "-", "0.00%")
    assert found["Is it luck?"].lines[0].startswith("DOES NOT PASS: returns that do not move")
    assert found["Limits and rejections"].rows[0][0] in ("below one lot", "not enough cash")
    assert found["Holdings by date"].rows[-1][1:] == ("0", "0.0%", "")
    assert not any("nan" in cell for section in found.values() for row in section.rows for cell in row)
