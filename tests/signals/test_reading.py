from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.signals import (
    CALIBRATED,
    Recipe,
    blended_rows,
    finished_rows,
    realised_outcomes,
    resolve_blend,
    sessions_needed,
)


@pytest.fixture
def made(bench, tmp_path):
    return bench(tmp_path)


def with_settings(resolved, **settings):
    return replace(resolved, recipe=Recipe.model_validate({"samples": 4, "horizon": 2, "max_missing": 200} | settings))


CALIBRATION = {"sessions": 20, "least": 20}


def drawn_rows(market, sessions, seed=0):
    """Rows as the store has them, with scores drawn at random."""
    rng = np.random.default_rng(seed)
    bars = market.bars(start=sessions[0], end=sessions[-1])
    stocks = market.instruments().filter(pl.col("kind") == "stock")["symbol"]
    rows = bars.filter(pl.col("symbol").is_in(stocks.implode())).select("date", "symbol").sort("date", "symbol")
    drawn = {name: 0.02 * rng.standard_normal(rows.height) for name in ("last", "median")}
    rows = rows.with_columns(pl.Series(name, values) for name, values in drawn.items())
    return rows.with_columns(q05=pl.col("median") - 0.01, q95=pl.col("median") + 0.01)


def test_without_steps_the_rows_are_left_as_they_are(made):
    sessions = made.market.sessions()[40:45]
    rows = drawn_rows(made.market, sessions)
    assert sessions_needed(made.market, made.recipe, sessions[:0:-1]) == sessions[1:]
    assert finished_rows(rows, made.market, made.recipe, sessions[2:]).equals(
        rows.filter(pl.col("date") >= sessions[2])
    )


def test_steps_add_a_score_and_change_nothing_else(made):
    sessions = made.market.sessions()[40:45]
    rows = drawn_rows(made.market, sessions)
    recipe = with_settings(made.recipe, steps=[{"step": "zscore"}], score="median")
    found = finished_rows(rows, made.market, recipe, sessions)
    assert found.drop("score").equals(rows)
    by_hand = (pl.col("median") - pl.col("median").mean()) / pl.col("median").std(ddof=0)
    assert found["score"].to_numpy() == pytest.approx(rows.select(by_hand.over("date"))["median"].to_numpy())


def test_smoothing_looks_at_the_sessions_before_and_only_the_dates_asked_for_come_back(made):
    sessions = made.market.sessions()[40:50]
    recipe = with_settings(made.recipe, steps=[{"step": "smooth", "sessions": 3}])
    needed = sessions_needed(made.market, recipe, [sessions[9], sessions[3]])
    assert needed == [*sessions[1:4], *sessions[7:10]]
    rows = drawn_rows(made.market, sessions)
    found = finished_rows(rows.filter(pl.col("date").is_in(needed)), made.market, recipe, [sessions[9]])
    assert found["date"].unique().to_list() == [sessions[9]]
    row = found.row(0, named=True)
    values = rows.filter((pl.col("symbol") == row["symbol"]) & (pl.col("date") >= sessions[7]))["last"]
    assert row["score"] == pytest.approx(values.mean())


def test_neutralised_scores_are_correlated_with_no_exposure_of_the_market(made):
    sessions = made.market.sessions()[60:64]
    names = ["volatility", "momentum", "size"]
    recipe = with_settings(made.recipe, steps=[{"step": "neutralise", "exposures": names}, {"step": "zscore"}])
    rows = drawn_rows(made.market, sessions)
    found = finished_rows(rows, made.market, recipe, sessions).filter(pl.col("score").is_finite())
    bars = made.market.bars().with_columns(pl.col("close", "amount").cast(pl.Float64))
    for on in sessions:
        day = found.filter(pl.col("date") == on)
        assert day.height > 6
        momentum = []
        for symbol in day["symbol"]:
            window = bars.filter((pl.col("symbol") == symbol) & (pl.col("date") <= on))
            first = window.filter(pl.col("date") >= made.market.sessions()[made.market.sessions().index(on) - 20])
            momentum.append(np.log(first["close"][-1] / first["close"][0]))
        assert abs(np.corrcoef(day["score"], momentum)[0, 1]) < 0.02


def test_calibrated_quantiles_stand_beside_the_raw_ones(made):
    sessions = made.market.sessions()[30:90]
    recipe = with_settings(made.recipe, calibration=CALIBRATION)
    needed = sessions_needed(made.market, recipe, sessions[-1:])
    # the twenty forecasts of two bars whose outcome is known, and the date itself
    assert len(needed) == 20 + 2
    rows = drawn_rows(made.market, sessions)
    found = finished_rows(rows.filter(pl.col("date").is_in(needed)), made.market, recipe, sessions[-1:])
    assert found.columns == [*rows.columns, *CALIBRATED, "cal_p_rise"]
    assert found.select(CALIBRATED).to_numpy().all()
    # the same whether other dates are read with it or not
    together = finished_rows(rows, made.market, recipe, sessions)
    assert together.filter(pl.col("date") == sessions[-1]).equals(found)


def test_calibration_in_the_market_uses_no_bar_after_the_date(made):
    sessions = made.market.sessions()[30:90]
    recipe = with_settings(made.recipe, calibration=CALIBRATION)
    rows = drawn_rows(made.market, sessions)
    before = finished_rows(rows, made.market, recipe, sessions[40:41])
    bars = made.market.bars().with_columns(
        pl.when(pl.col("date") > sessions[40]).then(pl.col("close") * 3).otherwise("close").alias("close")
    )
    made.ingest(bars.filter(pl.col("date") > sessions[40]).with_columns(high=pl.col("close") * 2))
    changed = made.market
    assert changed.snapshot.digest != bars.is_empty()
    late = realised_outcomes(changed, sessions, rows["symbol"].unique().sort().to_list(), 2).returns[41]
    early = realised_outcomes(changed, sessions, rows["symbol"].unique().sort().to_list(), 2).returns[30]
    assert np.nanmax(np.abs(early)) < 1
    assert finished_rows(rows, changed, recipe, sessions[40:41]).equals(before)
    assert np.isfinite(late).any()


def test_a_score_that_is_not_there_is_named(made):
    sessions = made.market.sessions()[40:42]
    recipe = with_settings(made.recipe, steps=[{"step": "rank"}], score="mean")
    with pytest.raises(DataError, match="the signals have no column mean: they have date, symbol, last"):
        finished_rows(drawn_rows(made.market, sessions), made.market, recipe, sessions)


def test_a_blend_is_the_mean_of_its_members_on_the_symbols_of_all(made):
    first = pl.DataFrame(
        {"date": [1, 1], "symbol": ["A", "B"], "last": [0.1, 0.2], "std_error": [0.3, 0.3], "samples": [20, 20]}
    )
    second = pl.DataFrame(
        {"date": [1, 1], "symbol": ["A", "C"], "last": [0.3, 0.4], "std_error": [0.4, 0.4], "samples": [40, 40]}
    ).with_columns(score=pl.col("last") * 10)
    ranked = with_settings(made.recipe, steps=[{"step": "zscore"}])
    found = blended_rows([(made.recipe, first), (ranked, second)])
    assert found.columns == ["date", "symbol", "last", "std_error", "samples", "score"]
    assert found.row(0) == pytest.approx((1, "A", 0.2, 0.25, 60, (0.1 + 3.0) / 2))
    assert found.height == 1


def test_the_steps_of_a_blend_start_from_the_blended_score(made):
    sessions = made.market.sessions()[40:42]
    parts = [(made.recipe, drawn_rows(made.market, sessions, seed)) for seed in (1, 2)]
    blend = resolve_blend(
        Recipe.model_validate({"members": ["a", "b"], "steps": [{"step": "rank"}]}), (made.recipe,) * 2, "day", "both"
    )
    rows = blended_rows(parts)
    found = finished_rows(rows, made.market, blend, sessions)
    for _, day in found.join(rows, on=["date", "symbol"], suffix="_before").group_by("date"):
        assert day.sort("score")["score_before"].is_sorted()
        assert day["score"].max() == pytest.approx(0.5 - 0.5 / day.height)
