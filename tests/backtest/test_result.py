from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from backtest.markets import PLAIN_COSTS, panel_of, random_market, rules_with, sizeless

from kronos_quant import backtest
from kronos_quant.backtest import simulate


@pytest.fixture(scope="module")
def result():
    panel, limits, lots = random_market(8)
    strategy = sizeless({"topk": 3, "n_drop": 1, "hold_thresh": 1, "account": 1e5, "costs": PLAIN_COSTS})
    return simulate(
        strategy,
        panel,
        rules_with(strategy, panel, limits, lots),
        benchmark_close=np.linspace(100, 110, len(panel.dates)),
    )


def test_daily_has_a_row_for_every_session_traded(result):
    daily = result.daily
    assert daily.columns == [
        "date",
        "return",
        "gross_return",
        "benchmark_return",
        "account",
        "cash",
        "cost",
        "turnover",
        "dividends",
        "dividend_tax",
    ]
    assert daily["date"].to_list() == list(result.dates)
    assert (daily["gross_return"] >= daily["return"]).all()


def test_daily_without_a_benchmark_keeps_its_column():
    panel = panel_of([[2, 1]] * 3, np.full((3, 2), 10.0))
    daily = simulate(sizeless({"topk": 1, "n_drop": 1}), panel).daily
    assert daily["benchmark_return"].dtype == pl.Float64
    assert daily["benchmark_return"].null_count() == 2


def test_account_is_cash_and_the_value_of_the_positions(result):
    value = result.positions.group_by("date").agg(pl.col("value").sum(), pl.col("weight").sum())
    worth = dict(value.select("date", "value").iter_rows())
    for day, account, cash in zip(result.dates, result.account, result.cash, strict=True):
        assert account == pytest.approx(cash + worth.get(day, 0.0))
    assert (value["weight"] <= 1 + 1e-12).all()


def test_account_follows_from_returns_and_costs_from_the_fills(result):
    np.testing.assert_allclose(1e5 * np.cumprod(1 + result.returns), result.account)
    assert result.metrics["cost"] == pytest.approx(result.fills["cost"].sum())
    assert result.metrics["cost"] == pytest.approx(result.metrics["commission"] + result.metrics["levies"])
    assert result.metrics["trades"] == len(result.fills)
    assert result.metrics["orders"] == len(result.orders)


def test_every_order_ends_filled_partly_filled_or_rejected_with_a_reason(result):
    assert set(result.orders["status"]) <= {"filled", "partial", "rejected"}
    short = result.orders.filter(pl.col("status") != "filled")
    assert (short["reason"] != "").all()
    assert sum(result.rejections.values()) == len(short)


def test_raw_and_adjusted_amounts_of_an_order_are_worth_the_same(result):
    fills = result.fills
    np.testing.assert_allclose(fills["shares"] * fills["price"], fills["value"])
    np.testing.assert_allclose(fills["adjusted_shares"] * fills["adjusted_price"], fills["value"])


def test_a_price_that_nobody_knew_is_null(result):
    unknown = result.orders.filter(pl.col("reason") == "no bar")
    assert len(unknown)
    assert unknown["price"].null_count() == len(unknown)
    assert result.orders["price"].is_nan().sum() == 0


def test_metrics_are_floats(result):
    assert all(isinstance(value, float) for value in result.metrics.values())


def test_public_names_are_those_of_all():
    assert all(hasattr(backtest, name) for name in backtest.__all__)
    with pytest.raises(AttributeError, match="attribute fly"):
        backtest.fly  # noqa: B018


def test_reading_a_strategy_loads_neither_numba_nor_vectorbt():
    code = (
        "import sys; from kronos_quant.backtest import Strategy; "
        "assert not {'numba', 'vectorbt', 'pandas', 'polars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
