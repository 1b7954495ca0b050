"""A back-test of tables: any library, the same orders as in a workspace, and one line for what is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from made import weekdays

import kronos_quant.backtest as package
from kronos_quant import ConfigError, DataError
from kronos_quant.backtest import Strategy, backtest_frames, simulate
from kronos_quant.backtest.inputs import collect_inputs
from kronos_quant.backtest.panel import NO_DELISTINGS

DAYS = weekdays(12)
SYMBOLS = ("SH600000", "SZ000001", "SH000300")


@pytest.fixture(scope="module")
def tables():
    """Bars of two shares and an index, without amount and factor, and scores of all three."""
    rng = np.random.default_rng(0)
    close = {symbol: np.round(10 * np.exp(np.cumsum(0.01 * rng.standard_normal(12))), 2) for symbol in SYMBOLS}
    rows = [(day, symbol, close[symbol][n]) for symbol in SYMBOLS for n, day in enumerate(DAYS)]
    bars = pl.DataFrame(rows, schema=["date", "symbol", "close"], orient="row").with_columns(
        pl.col("close").alias(name) for name in ("open", "high", "low")
    )
    bars = bars.with_columns(volume=pl.lit(1e6))
    return bars, bars.select("date", "symbol", score=pl.Series(rng.standard_normal(len(bars))))


PLAIN = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "liquidity": {"impact": 0, "participation": None}}


def run(bars, scores, **settings):
    return backtest_frames(bars, scores, **(PLAIN | settings))


def test_any_library_gives_the_same_orders_and_an_index_is_not_traded(tables):
    bars, scores = tables
    result = run(bars, scores)
    assert set(result.fills["symbol"]) == {"SH600000", "SZ000001"}
    assert "Not traded, because an index: SH000300." in result.notes
    assert "Bars: no column factor: prices are taken as raw prices." in result.notes
    assert result.benchmark_returns is not None
    for convert in ("to_pandas", "to_arrow"):
        assert run(getattr(bars, convert)(), getattr(scores, convert)()).orders.equals(result.orders)
    wide = scores.pivot("symbol", index="date", values="score")
    assert run(bars, wide).orders.equals(result.orders)
    # the package is the function of its name
    assert package(bars, scores, Strategy(**PLAIN)).orders.equals(result.orders)


def test_the_orders_are_those_of_a_workspace_with_the_same_bars(scored_workspace):
    inputs = collect_inputs(scored_workspace, "own", compute=False)
    # the made market states the ends of its listings, which tables of bars do not
    panel = replace(inputs.panel, delisted=NO_DELISTINGS)
    expected = simulate(inputs.strategy, panel, inputs.rules, inputs.benchmark_close)
    scores = scored_workspace.root / "scores.csv"
    found = backtest_frames(
        inputs.market.bars(), scores, inputs.strategy.model_copy(update={"scores_file": None}),
        exchange=inputs.market.exchange, benchmark="MADE_INDEX",
    )  # fmt: skip
    assert found.orders.equals(expected.orders)
    np.testing.assert_array_equal(found.benchmark_returns, expected.benchmark_returns)


def test_a_result_shows_itself_and_becomes_a_pandas_table(tables):
    result = run(*tables)
    assert len(repr(result)) < 1_000
    assert repr(result).startswith("Back-test of topk_dropout, ")
    assert result.summary()["figure"][0] == "total return"
    assert "<table>" in result._repr_html_()
    assert result.to_pandas().index.name == "date"
    assert result.daily["date"].to_list() == list(result.dates)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"topk": 0}, "strategy: topk: must be greater than or equal to 1, found 0"),
        ({"topkk": 3}, "strategy: topkk: no such field"),
        ({"recipe": "mine"}, "strategy: recipe: needs a workspace"),
        ({"strategy": 5}, "strategy: expected a Strategy, settings or a strategy file, found 5"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(tables, settings, message):
    with pytest.raises(ConfigError, match=message) as error:
        run(*tables, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bars, scores: (bars.drop("close"), scores), "bars: expected the columns .*; missing close"),
        (lambda bars, scores: (bars.head(0), scores), "bars: the table is empty"),
        (lambda bars, scores: ([1], scores), "bars: expected a table of Polars, pandas or Arrow, found list"),
        (lambda bars, scores: (pl.concat([bars, bars]), scores), "bars: more than one row for "),
        (lambda bars, scores: (bars, scores.drop("symbol")), "scores: expected a column symbol"),
        (lambda bars, scores: (bars, scores.with_columns(symbol=pl.lit("X"))), "scores: no usable score"),
        (lambda bars, scores: (bars, scores.with_columns(date=date(1999, 1, 4)).unique("symbol")), "no score in any"),
    ],
)
def test_wrong_tables_are_refused_in_one_line(tables, change, message):
    with pytest.raises(DataError, match=message) as error:
        run(*change(*tables))
    assert "\n" not in str(error.value)
