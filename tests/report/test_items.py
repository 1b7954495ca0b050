"""Every figure that a report owes its reader: where it is on the page, and under which name in metrics.json."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report.cases import Examined, examined
from report.pages import Reader
from validity.cases import walks

from kronos_quant.files import write_json
from kronos_quant.report.pages.tearsheet import backtest_document
from kronos_quant.report.periods import by_period
from kronos_quant.report.terms import terms_of

Told = tuple[Examined, Reader, str, dict[str, Any]]


def told(folder: Path, case: Examined) -> Told:
    """A case with its page, its text, and its metrics as a script reads them."""
    result, terms = case.result, terms_of(case.result, case.rules, "SPX")
    document = backtest_document(result, case.found, "topk", terms, benchmark_name="SPX")
    write_json(folder / "m.json", dict(result.metrics) | case.found.as_dict() | by_period(result))
    metrics = json.loads((folder / "m.json").read_text(), parse_constant=pytest.fail)
    return case, Reader(document.to_html()), document.to_text(), metrics


@pytest.fixture(scope="module")
def full(whole_case, tmp_path_factory) -> Told:
    return told(tmp_path_factory.mktemp("items"), whole_case)


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Told:
    folder = tmp_path_factory.mktemp("short")
    return told(folder, examined(folder, walks(60, 24, seed=6), strategy="long_short_quantile", quantile=0.25, every=4))


ITEMS = [
    ("Result, after costs", "annual return", "annual_return", "{:+.2%}"),
    ("Result, after costs", "annual return, before costs", "annual_return_before_cost", "{:+.2%}"),
    ("Result, after costs", "annual volatility", "annual_volatility", "{:.2%}"),
    ("Result, after costs", "Sharpe ratio, annual", "sharpe_ratio", "{:.2f}"),
    ("Result, after costs", "Sortino ratio, annual", "sortino_ratio", "{:.2f}"),
    ("Result, after costs", "Calmar ratio, annual", "calmar_ratio", "{:.2f}"),
    ("Result, after costs", "maximum drawdown", "max_drawdown", "{:.2%}"),
    ("Result, after costs", "winning sessions", "win_rate", "{:.1%}"),
    ("Trading", "turnover per session, two-sided", "turnover", "{:.2%}"),
    ("Trading", "costs per year / account", "annual_cost", "{:.2%}"),
    ("Trading", "trades", "trades", "{:,.0f}"),
    ("Trading", "orders rejected", "rejected", "{:,.0f}"),
    ("Against the benchmark", "annual excess over the benchmark", "excess_annual_return", "{:+.2%}"),
    ("Against the benchmark", "annual excess, before costs", "excess_annual_return_before_cost", "{:+.2%}"),
    ("Against the benchmark", "information ratio, annual", "information_ratio", "{:.2f}"),
    ("Against the benchmark", "alpha, annual", "alpha", "{:+.2%}"),
    ("Against the benchmark", "alpha, t value", "alpha_t", "{:.1f}"),
    ("Against the benchmark", "beta", "beta", "{:.2f}"),
    ("Costs", "commission", "commission", "{:,.2f}"),
    ("Costs", "taxes and fees", "levies", "{:,.2f}"),
    ("Costs", "slippage", "slippage", "{:,.2f}"),
    ("Costs", "impact", "impact", "{:,.2f}"),
    ("Costs", "borrowing", "borrow", "{:,.2f}"),
    ("Costs", "total", "cost", "{:,.2f}"),
]


@pytest.mark.parametrize(("heading", "row", "key", "form"), ITEMS)
def test_a_figure_is_the_same_on_page_in_text_and_in_metrics(full, heading, row, key, form):
    _, page, text, metrics = full
    expected = form.format(metrics[key])
    assert page.table(heading)[row][0] == expected
    section = text[text.index(f"\n{heading}\n") :].split("\n\n")[0]
    [line] = [line for line in section.splitlines() if line.startswith(f"  {row}  ")]
    assert line.removeprefix(f"  {row}").split()[0] == expected


def test_the_annualisation_is_a_figure_and_stands_once_under_the_title(full):
    _, page, text, metrics = full
    assert metrics["sessions_per_year"] == 252
    assert page.text.count("252 sessions per year") == text.count("252 sessions per year") == 1


def test_luck_is_told_by_the_true_number_of_trials(full):
    case, page, text, metrics = full
    assert metrics["trials"] == case.found.luck.whole.trials == 1
    assert metrics["deflated_sharpe_passes"] == (
        metrics["deflated_sharpe_probability"] > metrics["deflated_sharpe_threshold"]
        and metrics["deflated_sharpe_probability_without_universe"] > metrics["deflated_sharpe_threshold"]
    )
    for where in (page.text, " ".join(text.split())):
        probability = f"{metrics['deflated_sharpe_probability']:.3f}"
        assert f"Deflated Sharpe ratio, total return: {probability} (required: > 0.95)" in where
        assert "the probability that the true Sharpe ratio exceeds 0." in where
        assert "Trials counted: 1 distinct configuration in this workspace" in where
        assert "Probability of back-test overfitting (PBO): not available" in where


def test_months_are_a_table_and_a_mapping(full):
    _, page, _, metrics = full
    rows, months = page.table("Monthly returns"), metrics["monthly_returns"]
    assert list(rows) == ["year", *sorted({month[:4] for month in months})]
    assert rows["2023"][0] == f"{months['2023-01']:+.1%}"
    whole = math.prod(1 + value for month, value in months.items() if month.startswith("2023")) - 1
    assert rows["2023"][-2] == f"{whole:+.1%}"


def test_rolling_figures_are_a_table_and_a_mapping(full):
    _, page, _, metrics = full
    rows, rolling = page.table("Rolling half years"), metrics["rolling"]
    assert metrics["rolling_sessions"] == 126
    sharpe = [f"{rolling['sharpe_ratio'][name]:.2f}" for name in ("lowest", "median", "highest", "newest")]
    assert rows["Sharpe ratio, annual"] == sharpe


def test_capacity_is_a_sentence_a_table_and_a_mapping(full):
    _, page, _, metrics = full
    found = metrics["capacity"]
    rows = page.table("Capacity")
    assert found["summary"] in page.text
    for size in found["sizes"]:
        cells = rows[f"{size['account']:,.0f}"]
        assert cells == [f"{size['annual_return']:+.2%}", f"{size['annual_impact']:.2%}", f"{size['edge']:+.2%}"]


def test_holdings_by_date_are_a_table_and_a_list(full):
    _, page, _, metrics = full
    rows = page.table("Holdings by date")
    assert [end["date"] for end in metrics["holdings"]] == list(rows)[1:]
    last = metrics["holdings"][-1]
    symbol, weight = next(iter(last["largest"].items()))
    assert rows[last["date"]][:2] == [str(last["symbols"]), f"{last['long']:.1%}"]
    assert rows[last["date"]][2].startswith(f"{symbol} {weight:.1%}, ")


def test_sources_of_the_return_are_a_table_and_a_list_that_adds_up(full):
    case, page, _, metrics = full
    rows = page.table("Where the return came from")
    names = [part["name"] for part in metrics["attribution"]]
    assert {"market", "size (traded value)", "momentum", "volatility", "industries", "selection"} < set(names)
    assert list(rows)[1:] == [*names, "total, after costs"]
    whole = sum(part["annual_return"] for part in metrics["attribution"])
    assert rows["total, after costs"][0] == f"{whole:+.2%}"
    assert whole == pytest.approx(case.result.returns.mean() * 252)
    assert len(metrics["attribution_industries"]) == 12


def test_a_delay_is_a_table_and_a_mapping(full):
    _, page, _, metrics = full
    row = page.table("One-session delay")["annual return"]
    later = metrics["delayed_one_session"]["annual_return"]
    assert row == [f"{metrics['annual_return']:+.2%}", f"{later:+.2%}"]


def test_legs_are_a_table_and_a_mapping_that_add_up(short):
    case, page, _, metrics = short
    rows, legs = page.table("Long and short"), metrics["legs"]
    assert {side: rows[side][0] for side in legs} == {
        side: f"{legs[side]['annual_return']:+.2%}" for side in ("long", "short")
    }
    whole = legs["long"]["annual_return"] + legs["short"]["annual_return"]
    assert whole == pytest.approx(case.result.returns.mean() * 252, abs=1e-12)
    assert metrics["borrow"] > 0
    assert legs["short"]["mean_weight"] < 0 < legs["long"]["mean_weight"]


def test_without_a_benchmark_its_figures_are_missing_rather_than_zero(short):
    _, page, text, metrics = short
    assert not any(name.startswith("benchmark_") for name in metrics)
    assert {"alpha_t", "beta_error"} <= {name for name, value in metrics.items() if value is None}
    assert "Against the benchmark" not in page.headings
    assert "benchmark      none" in text


def test_what_is_not_determined_is_null_for_scripts_and_a_dash_for_people(tmp_path):
    _, page, text, metrics = told(tmp_path, examined(tmp_path, walks(2, 24, seed=6), benchmark=np.array([100.0, 99.0])))
    assert metrics["sharpe_ratio"] is metrics["capacity"] is metrics["delayed_one_session"] is None
    assert page.table("Result, after costs")["Sharpe ratio, annual"] == ["-", "-", "-"]
    assert not any(word in text.lower().split() for word in ("nan", "inf", "none,", "null"))
