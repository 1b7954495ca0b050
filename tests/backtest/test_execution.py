"""Fills at average prices: of a bar, and of a part of the session."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest
from backtest.markets import panel_of, random_market, random_rules, sizeless, with_past
from backtest.test_kernel import compare, random_strategy
from pydantic import ValidationError

import kronos_quant as kq
from kronos_quant.backtest import Strategy, simulate
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.execution import add_execution
from kronos_quant.backtest.inputs import collect_inputs
from kronos_quant.backtest.ledger import simulate_slowly
from kronos_quant.backtest.panel import Execution
from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import ingest_table, open_market

PLAIN = {
    "topk": 1, "n_drop": 1, "hold_thresh": 0, "account": 1e5, "lot": 100, "risk_degree": 1.0, "price_limit": 0.1,
    "liquidity": {"impact": 0, "participation": None}, "costs": {"buy": 0, "sell": 0, "minimum": 0},
}  # fmt: skip
FIRST = date(2024, 1, 1)


def strategy(**fields) -> Strategy:
    return sizeless(PLAIN | fields)


def minutes(prices: dict[str, list[float]], volumes: list[float], day: date, factor: float = 1.0) -> pl.DataFrame:
    """Minute bars from 09:31 on, flat, adjusted by `factor`; volumes in adjusted shares."""
    rows = []
    for symbol, of_each in prices.items():
        for number, (price, volume) in enumerate(zip(of_each, volumes, strict=True)):
            end = datetime.combine(day, time(9, 31)) + timedelta(minutes=number)
            adjusted = price * factor
            rows.append((symbol, day, end, *[adjusted] * 4, volume / factor, price * volume, factor))
    names = ("symbol", "date", "time", "open", "high", "low", "close", "volume", "amount", "factor")
    return pl.DataFrame(rows, schema=names, orient="row")


def filled(panel, bars, **fields):
    chosen = strategy(fill="vwap", fill_window="09:30-09:33", **fields)
    return simulate(chosen, add_execution(panel, chosen, bars, by_minutes=True))


def test_a_bars_average_is_its_amount_by_its_volume_and_without_one_the_mean_of_its_prices():
    days = [FIRST + timedelta(days=n) for n in range(4)]
    bars = pl.DataFrame({"date": days, "symbol": "AAA", "open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0})
    bars = bars.with_columns(volume=pl.lit(1e6), amount=pl.Series([1e7, 1.04e7, 5.0, 1e7]))
    scores = pl.DataFrame({"date": days[:3], "symbol": "AAA", "score": [1.0, 1.0, 1.0]})
    result = kq.backtest(bars, scores, **(PLAIN | {"fill": "vwap", "price_limit": "none"}))
    assert result.fills["price"].to_list() == pytest.approx([10.4])
    late = kq.backtest(bars, scores.tail(2), **(PLAIN | {"fill": "vwap", "price_limit": "none"}))
    assert late.fills["price"].to_list() == pytest.approx([(12 + 9 + 11) / 3])
    assert any("outside of the bar in 1 case: the mean of high, low and close instead." in note for note in late.notes)
    with pytest.raises(ConfigError, match="need a workspace with minute bars"):
        kq.backtest(bars, scores, fill="twap")


def test_a_windows_averages_are_of_its_minutes_in_the_panels_units():
    panel = panel_of([[1, 0]] * 2, [[20.0, 20.0]] * 2, factor=[[2.0, 2.0]] * 2)
    bars = minutes({"S00": [9.5, 10.0, 10.2, 99.0]}, [100, 300, 100, 500], FIRST + timedelta(days=1), factor=5.0)
    found = filled(panel, bars).fills
    assert found["price"].to_list() == pytest.approx([(9.5 * 100 + 10 * 300 + 10.2 * 100) / 500])
    chosen = strategy(fill="twap", fill_window="09:31-09:33")
    mean = simulate(chosen, add_execution(panel, chosen, bars, by_minutes=True)).fills["price"].to_list()
    assert mean == pytest.approx([10.1])


def test_a_limit_is_tested_within_the_window():
    panel = panel_of([[1, 0]] * 2, [[10.0, 10.0]] * 2)
    day = FIRST + timedelta(days=1)
    locked = filled(panel, minutes({"S00": [11.0, 11.0, 11.0, 10.5]}, [100] * 4, day)).orders.row(0, named=True)
    assert (locked["symbol"], locked["status"], locked["reason"]) == ("S00", "rejected", "limit up")
    opened = filled(panel, minutes({"S00": [11.0, 10.9, 11.0, 10.5]}, [100] * 4, day)).orders.row(0, named=True)
    assert (opened["status"], opened["price"]) == ("filled", pytest.approx(32.9 / 3))
    late = filled(panel, minutes({"S00": [10.0] * 4}, [100] * 4, day).filter(pl.col("time").dt.minute() > 33))
    assert late.orders["reason"].unique().to_list() == ["no bar"]


def test_participation_is_of_what_is_traded_in_the_window():
    panel = panel_of([[1, 0]] * 2, [[10.0, 10.0]] * 2, volume=[[1e9, 1e9]] * 2)
    bars = minutes({"S00": [10.0] * 4}, [1_000, 2_000, 1_000, 9e9], FIRST + timedelta(days=1))
    result = filled(panel, bars, liquidity={"impact": 0, "participation": 0.1, "volume": "bar"})
    assert result.fills["shares"].to_list() == [400]


@pytest.mark.parametrize("seed", range(12))
def test_kernel_equals_the_plain_ledger(seed):
    rng = np.random.default_rng([seed, 9])
    panel = with_past(seed, random_market(seed)[0])
    low = panel.close * rng.uniform(0.9, 1.0, panel.close.shape)
    high = panel.close * rng.uniform(1.0, 1.1, panel.close.shape)
    locked = rng.random(panel.close.shape) < 0.3
    low, high = np.where(locked, panel.close, low), np.where(locked, panel.close, high)
    price = np.where(rng.random(low.shape) < 0.05, np.nan, low + (high - low) * rng.random(low.shape))
    volume = panel.with_past("volume") * rng.uniform(0.01, 0.3, panel.with_past("volume").shape)
    panel = replace(panel, execution=Execution(price, low, high, volume, 0))
    chosen = random_strategy(seed).model_copy(update={"fill": "vwap"})
    rules = random_rules(seed, chosen, panel)
    compare(run_kernel(chosen, panel, rules), simulate_slowly(chosen, panel, rules), panel, seed)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fill_window": "09:30-10:00"}, "fill_window needs `fill: vwap` or `fill: twap`, found open"),
        ({"fill": "vwap", "fill_window": "09:30"}, "two times such as 09:30-10:00, found '09:30'"),
        ({"fill": "vwap", "fill_window": "10:00-09:30"}, "must end after it begins"),
        ({"fill": "vwap", "profile": "qlib"}, "fill: vwap needs `profile: exchange`"),
    ],
)
def test_settings_that_mean_nothing_are_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        Strategy.model_validate(fields)


def test_a_workspace_fills_by_its_minute_bars(scored_workspace):
    path = scored_workspace.root / "strategies" / "own.yaml"
    path.write_text(path.read_text() + "fill: vwap\nfill_window: 09:30-09:33\nliquidity: {impact: 0}\n")
    with pytest.raises(DataError, match="needs minute bars: only day bars are stored"):
        collect_inputs(scored_workspace, "own", "cpu", compute=False)
    market = open_market(scored_workspace.root)
    daily = market.bars(start=market.sessions()[-30])
    rng = np.random.default_rng(0)
    parts = [
        minutes({symbol: list(opened * rng.uniform(0.999, 1.001, 5) / factor)}, list(rng.uniform(1e3, 9e3, 5)), day)
        for symbol, day, opened, factor in daily.select("symbol", "date", "open", "factor").iter_rows()
    ]
    table = pl.concat(parts).drop("factor", "date")
    ingest_table(scored_workspace.root, table, exchange=market.exchange)
    inputs = collect_inputs(scored_workspace, "own", "cpu", compute=False)
    fills = simulate(inputs.strategy, inputs.panel, inputs.rules).fills.filter(pl.col("reason") != "delisted")
    early = table.filter(pl.col("time").dt.minute() <= 33).with_columns(date=pl.col("time").dt.date())
    vwap = early.group_by("date", "symbol").agg(vwap=pl.col("amount").sum() / pl.col("volume").sum())
    joined = fills.join(vwap, on=["date", "symbol"])
    assert len(joined) == len(fills) > 0
    np.testing.assert_allclose(joined["price"], joined["vwap"], rtol=1e-5)
