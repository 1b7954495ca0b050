from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from made import MarketOf, make_bars, make_intraday_bars, weekdays

from kronos_quant import DataError
from kronos_quant.signals import Recipe
from kronos_quant.signals.calibration import CALIBRATED, CALIBRATED_PATH
from kronos_quant.signals.moments import MOMENT, Moments
from kronos_quant.signals.reading import blended_rows, finished_rows, realised_returns, sessions_needed
from kronos_quant.signals.recipe import resolve_blend
from kronos_quant.signals.scores import PATH_QUANTILES


@pytest.fixture
def made(bench, tmp_path):
    return bench(tmp_path)


def with_settings(resolved, **settings):
    return replace(
        resolved, recipe=Recipe.model_validate({"samples": 4, "horizon": 2, "max_missing_bars": 200} | settings)
    )


CALIBRATION = {"sessions": 20, "least": 20}


def drawn_rows(market, sessions, seed=0):
    """Rows as the store has them, with scores drawn at random."""
    rng = np.random.default_rng(seed)
    bars = market.bars(start=sessions[0], end=sessions[-1])
    stocks = market.instruments().filter(pl.col("kind") == "stock")["symbol"]
    rows = bars.filter(pl.col("symbol").is_in(stocks.implode())).select("date", pl.col("time").alias("asof"), "symbol")
    rows = rows.sort("asof", "symbol")
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
    sessions = made.market.sessions()[132:136]
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
            close = bars.filter((pl.col("symbol") == symbol) & (pl.col("date") <= on))["close"]
            momentum.append(close[-21] / close[-121])
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


def test_dates_with_too_little_before_them_are_told_of(made, caplog):
    sessions = made.market.sessions()[30:90]
    rows = drawn_rows(made.market, sessions)
    recipe = with_settings(made.recipe, calibration=CALIBRATION)
    # four outcomes of two bars that do not overlap: the ninth date is the first with them
    found = finished_rows(rows, made.market, recipe, sessions[5:12])
    calibrated = found.filter(pl.col("cal_q50").is_not_nan())["date"].unique().sort().to_list()
    assert calibrated == sessions[8:12]
    assert caplog.messages == [
        "no calibrated quantiles on 3 of 7 dates: fewer than 20 known past outcomes, or fewer than 4 "
        "non-overlapping ones"
    ]
    caplog.clear()
    finished_rows(rows, made.market, recipe, sessions[8:12])
    assert not caplog.messages


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
    moments = Moments.of(changed, rows.select("date", pl.col("asof").alias(MOMENT)))
    returns = realised_returns(changed, moments, rows["symbol"].unique().sort().to_list())(2)
    early, late = returns[30], returns[41]
    assert np.nanmax(np.abs(early)) < 1
    assert finished_rows(rows, changed, recipe, sessions[40:41]).equals(before)
    assert np.isfinite(late).any()


def test_a_score_that_is_not_there_is_named(made):
    sessions = made.market.sessions()[40:42]
    recipe = with_settings(made.recipe, steps=[{"step": "rank"}], score="mean")
    with pytest.raises(DataError, match="the signals have no column mean: they have date, asof, symbol, last"):
        finished_rows(drawn_rows(made.market, sessions), made.market, recipe, sessions)


def test_a_blend_is_the_mean_of_its_members_on_the_symbols_of_all(made):
    on = pl.lit(date(2025, 6, 5)).alias("date")
    first = pl.DataFrame(
        {"symbol": ["B", "A"], "last": [0.2, 0.1], "std_error": [0.3, 0.3], "samples": [20, 20]}
    ).select(on, pl.all())
    second = pl.DataFrame(
        {"symbol": ["A", "C"], "last": [0.3, 0.4], "std_error": [0.4, 0.4], "samples": [40, 40]}
    ).select(on, pl.all(), score=pl.col("last") * 10)
    path = pl.Array(pl.Float32, 2)
    first, second = (
        frame.with_columns(pl.Series("path_q50", [[0.1, 0.2], values], dtype=path), pl.Series("paths", [[1.0], [2.0]]))
        for frame, values in ((first, [0.3, 0.4]), (second.reverse(), [0.5, 0.8]))
    )
    ranked = with_settings(made.recipe, steps=[{"step": "zscore"}])
    found = blended_rows([(made.recipe, first), (ranked, second)])
    assert found.columns == ["date", "symbol", "last", "std_error", "samples", "path_q50", "score"]
    assert found.height == 1
    row = found.row(0, named=True)
    assert (row["date"], row["symbol"], row["samples"]) == (date(2025, 6, 5), "A", 60)
    assert (row["last"], row["std_error"], row["score"]) == pytest.approx((0.2, 0.25, (0.1 + 3.0) / 2))
    assert found["path_q50"].dtype == path
    assert row["path_q50"] == pytest.approx([0.4, 0.6])


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


def with_paths(rows, bars=2):
    """The rows with quantiles of every bar of a path that grows with the root of time, the last as the main ones."""
    share = np.sqrt(np.arange(1, bars + 1) / bars)
    median, half = rows["median"].to_numpy()[:, None] * share, 0.01 * share
    kind = pl.Array(pl.Float32, bars)
    ends = zip(PATH_QUANTILES, (median - half, median, median + half), strict=True)
    return rows.with_columns(pl.Series(name, values.astype(np.float32), dtype=kind) for name, values in ends)


def test_every_bar_of_the_path_is_calibrated_by_its_own_outcomes(made):
    sessions = made.market.sessions()[30:90]
    recipe = with_settings(made.recipe, calibration=CALIBRATION)
    rows = with_paths(drawn_rows(made.market, sessions))
    found = finished_rows(rows, made.market, recipe, sessions[-2:], by_bar=True)
    assert found.columns == [*rows.columns, *CALIBRATED, "cal_p_rise", *CALIBRATED_PATH]
    path = {name: found[f"cal_path_{name}"].to_numpy() for name in ("q05", "q50", "q95")}
    for name, values in path.items():
        assert values[:, 1] == pytest.approx(found[f"cal_{name}"].to_numpy(), abs=1e-6)
    assert (path["q05"] <= path["q50"]).all()
    assert (path["q50"] <= path["q95"]).all()
    # by hand, of the first bar: residuals of the twenty forecasts whose next session is known
    bars = made.market.bars().select("symbol", "date", pl.col("close").cast(pl.Float64)).sort("symbol", "date")
    calendar = made.market.sessions()
    closes = {(symbol, on): close for symbol, on, close in bars.rows()}
    after = dict(pairwise(calendar))
    residuals: dict[date, list[float]] = {}
    for on in calendar[calendar.index(sessions[-1]) - 20 : calendar.index(sessions[-1])]:
        for symbol, low, median, high in rows.filter(pl.col("date") == on).select("symbol", *PATH_QUANTILES).rows():
            if (symbol, after[on]) in closes:
                realised = closes[symbol, after[on]] / closes[symbol, on] - 1
                residuals.setdefault(on, []).append((realised - median[0]) / (high[0] - low[0]))
    pool = np.concatenate(list(residuals.values()))
    middle, away = np.quantile(pool, [0.5, 0.95], method="weibull")
    common = np.var([np.mean(values) for values in residuals.values()]) / (20 - 1) / pool.var()
    away = middle + np.sqrt(1 + 2 * (common - 1 / (len(pool) - 1))) * (away - middle)
    last = found.row(-1, named=True)
    expected = last["path_q50"][0] + away * (last["path_q95"][0] - last["path_q05"][0])
    # what the degrees of freedom of the spread add is shown beside `calibrate`
    assert last["cal_path_q95"][0] == pytest.approx(expected, abs=5e-5)


def test_no_bar_of_a_calibrated_path_uses_a_bar_after_the_date(made):
    sessions = made.market.sessions()[30:90]
    recipe = with_settings(made.recipe, calibration=CALIBRATION)
    rows = with_paths(drawn_rows(made.market, sessions), bars=3)
    before = finished_rows(rows, made.market, recipe, sessions[38:44], by_bar=True)
    later = made.market.bars().filter(pl.col("date") > sessions[40])
    factors = pl.Series(np.random.default_rng(1).uniform(0.5, 2, later.height))
    made.ingest(later.with_columns(pl.col(name) * factors for name in ("open", "high", "low", "close")))
    after = finished_rows(rows, made.market, recipe, sessions[38:44], by_bar=True)
    same = [before.filter(pl.col("date") == on).equals(after.filter(pl.col("date") == on)) for on in sessions[38:44]]
    assert same == [True, True, True, False, False, False]


def test_calibration_within_sessions_is_of_the_moments_and_causal(intraday):
    made = intraday(asof={"every": 4}, calibration={"sessions": 20, "least": 20})
    sessions = made.market.sessions()
    assert sessions_needed(made.market, made.recipe, sessions[30:31]) == sessions[10:31]
    bars = made.market.bars().filter(pl.col("time").dt.strftime("%H:%M").is_in(["11:30", "15:00"]))
    drawn = 0.01 * np.random.default_rng(0).standard_normal(bars.height)
    rows = bars.select("date", pl.col("time").alias("asof"), "symbol").sort("asof", "symbol")
    rows = rows.with_columns(pl.Series("median", drawn), pl.Series("q05", drawn - 0.01), pl.Series("q95", drawn + 0.01))
    before = finished_rows(rows, made.market, made.recipe, sessions[30:32])
    assert before.height == 2 * 2 * 4
    # a bar of the second afternoon: it is an outcome for its close, the third bar after the morning's
    later = (pl.col("date") == sessions[31]) & (pl.col("time").dt.hour() == 15)
    changed = made.market.bars().filter(later).with_columns(pl.col("close", "high") * 1.5)
    made.ingest(changed, exchange="XSHG", freq="30min")
    after = finished_rows(rows, made.market, made.recipe, sessions[30:32])
    moments = before["asof"].unique().sort()
    same = [before.filter(pl.col("asof") == at).equals(after.filter(pl.col("asof") == at)) for at in moments]
    assert same == [True, True, True, True]
    late = (pl.col("date") == sessions[31]) & (pl.col("time").dt.strftime("%H:%M") == "14:30")
    made.ingest(
        made.market.bars().filter(late).with_columns(pl.col("close", "high") * 1.5), exchange="XSHG", freq="30min"
    )
    after = finished_rows(rows, made.market, made.recipe, sessions[30:32])
    same = [before.filter(pl.col("asof") == at).equals(after.filter(pl.col("asof") == at)) for at in moments]
    # three bars after the morning of that day: known at its close, and at no moment before
    assert same == [True, True, True, False]


def test_steps_rank_moments_of_a_session_apart(intraday):
    made = intraday(asof={"every": 4}, steps=[{"step": "rank"}])
    rows = made.compute(made.market.sessions()[24:25])
    found = finished_rows(rows, made.market, made.recipe, rows["date"].unique().to_list())
    for _, moment in found.group_by("asof"):
        assert sorted(moment["score"]) == pytest.approx([-0.375, -0.125, 0.125, 0.375])


def test_members_of_a_blend_meet_at_their_moments(intraday):
    close, several = intraday(), intraday(asof={"every": 4})
    on = close.market.sessions()[20]
    parts = [(each.recipe, each.compute([on])) for each in (close, several)]
    found = blended_rows(parts)
    # 15:00 is the moment of both; who stopped at 11:30 has no score of the several there
    assert found["asof"].dt.strftime("%H:%M").to_list() == ["15:00"] * 3
    assert found["last"].to_numpy() == pytest.approx(
        parts[0][1].filter(pl.col("asof").dt.hour() == 15)["last"].to_numpy()
    )


def at(market, times):
    """The moments of some times of the market."""
    return Moments.of(market, market.times().filter(pl.col("time").is_in(list(times))).rename({"time": MOMENT}))


def test_outcomes_are_the_returns_that_followed_and_nan_where_none_did(without):
    days = weekdays(10)
    bars = without(make_bars(["AAA", "BBB"], days), "BBB", [days[5]])
    market = MarketOf(bars)
    found = realised_returns(market, at(market, market.times()["time"]), ["AAA", "BBB"])
    close = {key: value for *key, value in bars.select("symbol", "date", "close").rows() for key in [tuple(key)]}
    two = found(2)
    assert two[3, 0] == pytest.approx(close["AAA", days[5]] / close["AAA", days[3]] - 1)
    assert np.isnan(two[[3, 5], 1]).all()  # suspended on the day of the outcome, or of the forecast
    assert two[4, 1] == pytest.approx(close["BBB", days[6]] / close["BBB", days[4]] - 1)
    assert np.isnan(two[8:]).all()
    assert np.isfinite(two[:8, 0]).all()
    assert found(9)[0, 0] == pytest.approx(close["AAA", days[9]] / close["AAA", days[0]] - 1)
    assert np.isnan(found(10)).all()


def test_moments_within_sessions_look_so_many_bars_ahead():
    market = MarketOf(make_intraday_bars(["AAA", "BBB"], weekdays(4)))
    times = market.times()["time"].to_list()
    # of eight bars a session: the fourth of the second day, and its last
    moments = at(market, [times[11], times[15]])
    found = realised_returns(market, moments, ["BBB", "AAA"])
    closes = market.select_bars(["AAA"], weekdays(1)[0])["close"].to_list()
    assert found(3)[:, 1] == pytest.approx([closes[14] / closes[11] - 1, closes[18] / closes[15] - 1])
    assert found(20)[0, 1] == pytest.approx(closes[31] / closes[11] - 1)
    assert np.isnan(found(20)[1]).all()


def test_a_moment_at_which_no_bar_ends_has_no_outcome():
    market = MarketOf(make_intraday_bars(["AAA"], weekdays(3)))
    first = market.times().row(0)
    odd = pl.DataFrame({"date": [first[0]] * 2, MOMENT: [first[1], first[1].replace(minute=7)]})
    returns = realised_returns(market, Moments.of(market, odd), ["AAA"])(1)
    assert np.isfinite(returns[0]).all()
    assert np.isnan(returns[1]).all()
