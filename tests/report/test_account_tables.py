"""What an account did by session, symbol and year: the tables add up to the account."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from backtest.markets import random_market, with_dividends
from report.cases import index
from report.pages import Reader, assert_self_contained, page_data
from validity.cases import walks

from kronos_quant.backtest import Strategy, rules_of, simulate
from kronos_quant.report import account_sections
from kronos_quant.report.account_sections import contributors, last_holdings, orders, years
from kronos_quant.report.account_tables import (
    account_tables,
    contributor_table,
    drawdown_table,
    exposure_table,
    month_table,
    other_profit,
    year_table,
)
from kronos_quant.report.document import Document
from kronos_quant.schema import check_table

PLAIN = {"account": 1e6, "lot": 0, "price_limit": "none"}


def run(panel, benchmark=None, **fields):
    strategy = Strategy.model_validate(PLAIN | {"topk": 5, "n_drop": 2, "hold_thresh": 1} | fields)
    return simulate(strategy, panel, rules_of(strategy, panel), benchmark_close=benchmark)


@pytest.fixture(scope="module")
def long_only():
    return run(walks(620, 12, seed=3), index(620), liquidity={"slippage": 0.002})


@pytest.fixture(scope="module")
def two_sided():
    return run(walks(60, 12, seed=4), strategy="long_short_quantile", quantile=0.25, every=3)


def test_the_profits_of_the_symbols_are_that_of_the_account(long_only):
    table = contributor_table(long_only)
    assert table["profit"].sum() == pytest.approx(long_only.account[-1] - 1e6, abs=1e-4)
    assert other_profit(long_only) == pytest.approx(0, abs=1e-4)
    assert table["cost"].sum() == pytest.approx(long_only.metrics["cost"])
    assert table["fills"].sum() == long_only.metrics["trades"]
    assert table["contribution"].sum() == pytest.approx(long_only.metrics["total_return"], abs=1e-9)
    assert table["sessions"].sum() == len(long_only.positions)


def test_the_profits_hold_the_dividends_and_their_tax():
    paid = run(with_dividends(5, walks(60, 12, seed=5)))
    table = contributor_table(paid)
    assert paid.metrics["dividends"] > 0
    assert paid.metrics["dividend_tax"] > 0
    assert table["dividends"].sum() == pytest.approx(paid.metrics["dividends"] - paid.metrics["dividend_tax"], abs=1e-4)
    assert other_profit(paid) == pytest.approx(0, abs=1e-4)


def test_what_no_symbol_paid_is_the_borrow_fee(two_sided):
    assert two_sided.metrics["borrow"] > 0
    assert other_profit(two_sided) == pytest.approx(-two_sided.metrics["borrow"], abs=1e-6)
    best, *_ = contributors(two_sided, contributor_table(two_sided))
    assert f"also holds {-two_sided.metrics['borrow']:+,.2f} that no symbol's trades paid" in best.sentences[0]


def test_profits_add_up_with_suspensions_delistings_and_splits():
    reasons = set()
    for seed in range(8):
        panel, *_ = random_market(seed)
        if len(panel.dates) < 3:
            continue
        result = run(panel, topk=3, n_drop=1, delisting_return=-0.5)
        reasons |= set(result.fills["reason"])
        assert other_profit(result) == pytest.approx(0, abs=1e-3)
        for name, table in account_tables(result).items():
            check_table(f"backtest.{name}", table)
    assert "delisted" in reasons


@pytest.mark.parametrize("case", ["long_only", "two_sided"])
def test_every_table_is_as_described(case, request):
    tables = account_tables(request.getfixturevalue(case))
    assert tables["rolling"].is_empty() == (case == "two_sided")
    for name, table in tables.items():
        check_table(f"backtest.{name}", table)
        assert not any(table[column].is_nan().any() for column, kind in table.schema.items() if kind.is_float())


def test_years_and_months_compound_to_the_whole(long_only):
    table, whole = year_table(long_only), 1 + long_only.metrics["total_return"]
    assert len(table) == 2
    assert (1 + table["return"]).product() == pytest.approx(whole)
    assert (1 + month_table(long_only)["return"]).product() == pytest.approx(whole)
    benchmark = 1 + long_only.metrics["benchmark_total_return"]
    assert (1 + table["benchmark_return"]).product() == pytest.approx(benchmark)
    assert (1 + table["excess_return"]).product() == pytest.approx(whole / benchmark)
    assert table["sessions"].sum() == len(long_only.dates)
    rates = long_only.cost / np.concatenate([[1e6], long_only.account[:-1]])
    assert table["cost"].sum() == pytest.approx(rates.sum())
    first = np.array([day.year for day in long_only.dates]) == table["year"][0]
    value = np.cumprod(1 + long_only.returns[first])
    high = np.maximum.accumulate(np.maximum(value, 1))
    assert table["max_drawdown"][0] == pytest.approx((value / high - 1).min())
    assert table["turnover"][0] == pytest.approx(long_only.turnover[first].mean())


@pytest.mark.parametrize("case", ["long_only", "two_sided"])
def test_positions_and_cash_are_the_account(case, request):
    result = request.getfixturevalue(case)
    table = exposure_table(result)
    assert table["date"].to_list() == list(result.dates)
    np.testing.assert_allclose(table["net"] + table["cash"], 1, atol=1e-9)
    assert (table["short"] < 0).any() == (case == "two_sided")
    held = result.positions.group_by("date").len().sort("date")
    assert table.filter(pl.col("holdings") > 0)["holdings"].to_list() == held["len"].to_list()


def test_drawdowns_are_the_spells_below_the_highest_value():
    result = run(walks(40, 6, seed=5), topk=3)
    result = replace(result, returns=np.array([0.1, -0.1, -0.1, 0.3, 0.0, -0.2, *[0.0] * (len(result.dates) - 6)]))
    table = drawdown_table(result)
    days = result.dates
    assert table.rows() == [
        (days[5], days[5], days[-1], pytest.approx(-0.2), len(days) - 5, False),
        (days[1], days[2], days[2], pytest.approx(-0.19), 2, True),
    ]


def test_a_run_without_a_trade_has_tables_without_rows_or_sections():
    result = run(walks(30, 6, seed=5), account=1.0, lot=100)
    tables = account_tables(result)
    assert tables["contributors"].is_empty()
    assert tables["drawdowns"].is_empty()
    for name, table in tables.items():
        check_table(f"backtest.{name}", table)
    assert contributors(result, tables["contributors"]) == []
    assert last_holdings(result) is None


def test_a_page_holds_the_newest_orders_and_says_where_all_are(long_only, monkeypatch):
    monkeypatch.setattr(account_sections, "MOST_ROWS", 300)
    part = orders(long_only)
    count = len(long_only.orders)
    assert part.sentences[0].startswith(f"The 300 newest of {count:,} orders; orders.parquet has every order")
    assert len(part.rows) == 300
    last = long_only.orders.row(-1, named=True)
    assert part.rows[0][:4] == (str(last["date"]), last["symbol"], last["side"], last["status"])
    assert part.rows[0][-1] == f"{last['cost'] + last['slippage'] + last['impact']:,.2f}"
    page = Document("T", sections=(part,)).to_html()
    read = assert_self_contained(page)
    assert len(read.tables[0][1]) == 1 + account_sections.SHOWN
    assert len(page_data(page)[0]) == 300


def test_best_and_worst_are_apart_and_together_every_symbol_of_a_small_run(long_only):
    best, worst = contributors(long_only, contributor_table(long_only))
    assert {row[0] for row in (*best.rows, *worst.rows)} == set(long_only.fills["symbol"])
    assert not {row[0] for row in best.rows} & {row[0] for row in worst.rows}
    profits = [float(row[1].replace(",", "")) for row in (*best.rows, *reversed(worst.rows))]
    assert profits == sorted(profits, reverse=True)


def test_a_year_without_a_benchmark_has_no_columns_of_one(two_sided, long_only):
    assert "excess" not in years(year_table(two_sided)).columns
    [row, _] = years(year_table(long_only)).rows
    assert Reader(Document("T", sections=(years(year_table(long_only)),)).to_html()).table("By year")[row[0]] == [
        *row[1:]
    ]
