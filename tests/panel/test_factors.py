from __future__ import annotations

import math
from datetime import date

import numpy as np
import polars as pl
import pytest
from made import make_bars, weekdays
from polars.testing import assert_frame_equal

from kronos_quant.errors import DataError
from kronos_quant.panel import factors
from kronos_quant.panel.factors import factor_table, ordinary_factors, style_exposures, style_history
from kronos_quant.panel.matrix import forward_fill, to_matrix

SHORT = {
    "momentum": factors.momentum(4, 1),
    "reversal": factors.reversal(2),
    "volatility": factors.volatility(3),
    "turnover": factors.turnover(3),
    "size": factors.size(3),
}


@pytest.fixture
def bars() -> pl.DataFrame:
    """Two symbols of six bars; A closes at 1, 2, 4, 8, 16, 16 and trades 1, 2, 3, 4, 0, 6."""
    made = make_bars(["A", "B"], weekdays(6))
    closes = pl.Series([1, 2, 4, 8, 16, 16, *made["close"][6:]], dtype=pl.Float32)
    amounts = pl.Series([1, 2, 3, 4, 0, 6, *made["amount"][6:]], dtype=pl.Float32)
    return made.with_columns(closes.alias("close"), amounts.alias("amount"))


def of(table: pl.DataFrame, symbol: str, name: str) -> list[float | None]:
    return table.filter(pl.col("symbol") == symbol)[name].to_list()


def test_momentum_is_the_return_that_ended_skip_bars_ago(bars: pl.DataFrame) -> None:
    # t = 4: close[3] / close[0] - 1 = 8 / 1 - 1; t = 5: 16 / 2 - 1
    assert of(factor_table(bars, SHORT), "A", "momentum") == [None] * 4 + [7.0, 7.0]


def test_reversal_is_minus_the_last_return(bars: pl.DataFrame) -> None:
    # 1 - 4 / 1, 1 - 8 / 2, 1 - 16 / 4, 1 - 16 / 8
    assert of(factor_table(bars, SHORT), "A", "reversal") == [None, None, -3, -3, -3, -1]


def test_volatility_is_the_sample_deviation_of_log_returns(bars: pl.DataFrame) -> None:
    found = of(factor_table(bars, SHORT), "A", "volatility")
    # log returns: ln 2 four times, then 0; of (ln 2, ln 2, 0) it is ln 2 / sqrt(3)
    assert found[:3] == [None] * 3
    assert found[3:] == pytest.approx([0, 0, math.log(2) / math.sqrt(3)])


def test_turnover_is_relative_to_its_own_mean_and_null_without_trade(bars: pl.DataFrame) -> None:
    found = of(factor_table(bars, SHORT), "A", "turnover")
    # amounts 1, 2, 3, 4, 0, 6: means of three 2, 3, 7 / 3, 10 / 3
    assert found[:2] == [None, None]
    assert found[4] is None
    assert [found[2], found[3], found[5]] == pytest.approx([math.log(1.5), math.log(4 / 3), math.log(1.8)])


def test_size_is_the_log_of_the_mean_amount(bars: pl.DataFrame) -> None:
    assert of(factor_table(bars, SHORT), "A", "size")[2:4] == pytest.approx([math.log(2), math.log(3)])
    untraded = factor_table(bars.with_columns(amount=pl.lit(0.0)), SHORT)
    assert of(untraded, "A", "size") == [None] * 6


@pytest.mark.parametrize("window", [20, 130])
def test_exposures_are_the_same_factors_laid_out_by_session(window: int) -> None:
    sessions = weekdays(300, date(2023, 1, 2))
    whole = make_bars(["A", "B", "C"], sessions)
    gap = (pl.col("symbol") == "B") & pl.col("date").is_between(sessions[150], sessions[157])
    bars = whole.filter(~gap & ~((pl.col("symbol") == "C") & (pl.col("date") < sessions[200])))
    close, amount = (to_matrix(bars, name, sessions, ["A", "B", "C"]) for name in ("close", "amount"))
    expressions = {
        "momentum": factors.momentum(),
        "volatility": factors.volatility(window),
        "size": factors.size(window),
    }
    table = factor_table(bars, expressions)
    for name, values in style_exposures(close, amount, window=window).items():
        expected = forward_fill(to_matrix(table, name, sessions, ["A", "B", "C"]))
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)
    # a part of the sessions gives the same bits
    later = style_exposures(close[30:], amount[30:], window=window)
    for name, values in style_exposures(close, amount, window=window).items():
        np.testing.assert_array_equal(later[name][style_history(window) :], values[30 + style_history(window) :])


def test_what_was_long_ago_is_not_known() -> None:
    close = np.full((300, 1), np.nan)
    close[:121] = 20.0
    exposures = style_exposures(close, np.ones((300, 1)))
    assert np.flatnonzero(~np.isnan(exposures["momentum"][:, 0])).tolist() == list(range(120, 241))
    assert np.flatnonzero(~np.isnan(exposures["size"][:, 0])).tolist() == list(range(19, 300))
    assert np.isnan(style_exposures(close[:10], close[:10])["volatility"]).all()


def test_a_symbol_does_not_see_anothers_bars(bars: pl.DataFrame) -> None:
    alone = factor_table(bars.filter(pl.col("symbol") == "B"), SHORT)
    assert_frame_equal(factor_table(bars, SHORT).filter(pl.col("symbol") == "B"), alone)


def test_later_bars_change_nothing_before_them() -> None:
    sessions = weekdays(200, date(2023, 1, 2))
    whole = make_bars(["A", "B", "C"], sessions)
    cut = sessions[150]
    later = pl.col("date") > cut
    rng = np.random.default_rng(0)
    noise = pl.Series(rng.uniform(0.1, 10, len(whole)), dtype=pl.Float32)
    changed = whole.with_columns(
        pl.when(later).then(pl.col(name) * noise).otherwise(pl.col(name)) for name in ("close", "amount", "factor")
    )
    before = factor_table(whole).filter(~later)
    assert_frame_equal(factor_table(changed).filter(~later), before, check_exact=True)
    assert_frame_equal(factor_table(whole.filter(~later)), before, check_exact=True)
    assert not factor_table(changed).equals(factor_table(whole))


def test_the_order_of_the_bars_does_not_matter(bars: pl.DataFrame) -> None:
    assert_frame_equal(factor_table(bars.sample(fraction=1, shuffle=True, seed=1), SHORT), factor_table(bars, SHORT))


def test_the_usual_factors_have_their_names_and_float64_values(bars: pl.DataFrame) -> None:
    table = factor_table(bars)
    assert table.columns == ["symbol", "date", "time", *ordinary_factors()]
    assert set(table.dtypes[3:]) == {pl.Float64}


def test_a_factor_whose_column_is_missing_is_refused(bars: pl.DataFrame) -> None:
    with pytest.raises(DataError, match=r"factors: expected the columns amount, found symbol, date, "):
        factor_table(bars.drop("amount"))
