"""Real bars to a Forecast: price units, quantiles, repairs, and no dependence on anything but a symbol's own past."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest
from made import make_bars, weekdays

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import FutureTimes
from kronos_quant.model.forecast import CLOSE, QUANTILES, repair_bars
from kronos_quant.model.forecaster import Forecaster, forecast_bars, usual_lookback
from kronos_quant.model.sampling import Sampling, series_seed
from kronos_quant.schema import FEATURES, PRICES, quantile_columns, quantile_name
from kronos_quant.windows import denormalise, make_windows, stamps

SESSIONS = weekdays(40)
S, H = 6, 4


@pytest.fixture
def forecaster(make_tokenizer, make_predictor):
    return Forecaster(make_tokenizer(), make_predictor(), max_context=16, device="cpu")


@pytest.fixture
def bars():
    """Three symbols: 40, 40 and 9 daily bars."""
    whole = make_bars(["AAA", "BBB", "CCC"], SESSIONS)
    return whole.filter((pl.col("symbol") != "CCC") | (pl.col("date") >= SESSIONS[-9]))


def run(forecaster, bars, **settings):
    return forecaster.forecast(bars, H, **({"samples": S, "exchange": "XNYS"} | settings))


def of(forecast, symbol):
    return forecast.paths[forecast.symbols.index(symbol)]


def test_a_forecast_has_paths_times_and_what_it_saw(forecaster, bars):
    found = run(forecaster, bars)
    assert found.symbols == ("AAA", "BBB", "CCC")
    assert found.paths.shape == (3, S, H, 6)
    assert found.samples == S
    assert found.lookback.tolist() == [12, 12, 9]  # what fits beside the horizon, or all there are
    assert found.asof.tolist() == [datetime.combine(SESSIONS[-1], datetime.min.time())] * 3
    assert found.last_close == pytest.approx(bars.group_by("symbol", maintain_order=True).last()["close"].to_list())
    assert found.times.shape == found.estimated.shape == (3, H)
    assert found.times[0, 0].astype("datetime64[D]") == np.datetime64("2024-02-26")  # after Friday 23 February
    assert not found.estimated.any()


def test_the_paths_are_those_of_the_normalised_window_in_price_units(forecaster, bars):
    windows = make_windows(bars.filter(pl.col("symbol") == "AAA"), lookback=12, predict=0)
    future = [datetime(2024, 2, day) for day in (26, 27, 28, 29)]
    last = slice(-1, None)
    seed = series_seed(5, "AAA", SESSIONS[-1])
    sampled = forecaster.sampler.sample(
        windows.values[last], windows.stamp[last], stamps(future)[None], S, Sampling(top_p=0.8), np.array([seed])
    )
    scale = type(windows.scale)(windows.scale.mean[last], windows.scale.std[last])
    expected = denormalise(sampled.paths, scale)[0, ..., CLOSE]
    found = run(forecaster, bars, lookback=12, sampling=Sampling(top_p=0.8), seed=5)
    assert of(found, "AAA")[..., CLOSE] == pytest.approx(expected)


def test_a_symbol_is_forecast_the_same_whatever_else_is_in_the_table(forecaster, bars):
    whole = run(forecaster, bars)
    for symbol in whole.symbols:
        alone = run(forecaster, bars.filter(pl.col("symbol") == symbol))
        assert alone.paths[0].tobytes() == of(whole, symbol).tobytes()
    shuffled = run(forecaster, bars.select("symbol", "time", *FEATURES).sample(fraction=1, shuffle=True, seed=1))
    assert shuffled.paths.tobytes() == whole.paths.tobytes()


def test_nothing_before_the_lookback_is_seen(forecaster, bars):
    late = run(forecaster, bars.filter(pl.col("date") >= SESSIONS[-12]), lookback=9)
    assert late.paths.tobytes() == run(forecaster, bars, lookback=9).paths.tobytes()


def test_symbols_that_end_earlier_are_forecast_from_their_own_last_bar(forecaster, bars):
    ended = bars.filter((pl.col("symbol") != "BBB") | (pl.col("date") <= SESSIONS[-6]))
    found = run(forecaster, ended)
    assert found.asof[1].item().date() == SESSIONS[-6]
    # after Friday 16 February 2024 comes a holiday
    assert found.times[1, 0].item() == datetime(2024, 2, 20)
    assert of(found, "AAA").tobytes() == of(run(forecaster, bars), "AAA").tobytes()


def test_every_bar_is_valid(forecaster, bars):
    paths = run(forecaster, bars, sampling=Sampling(temperature=5.0, top_p=1.0)).paths
    opened, high, low, close, volume, amount = np.moveaxis(paths, -1, 0)
    assert (high >= np.maximum(opened, close)).all()
    assert (low <= np.minimum(opened, close)).all()
    assert (low > 0).all()
    assert (volume >= 0).all()
    assert (amount >= 0).all()


def test_a_constant_price_stays_where_it_is(forecaster, bars):
    flat = bars.with_columns(pl.lit(7.5, pl.Float32).alias(name) for name in PRICES)
    paths = run(forecaster, flat).paths[..., : len(PRICES)]
    assert np.abs(paths - 7.5).max() < 1e-3  # a spread of 0 is 1e-5, times a few


def test_two_bars_are_enough(forecaster, bars):
    found = run(forecaster, bars.filter(pl.col("date") >= SESSIONS[-2]))
    assert found.lookback.tolist() == [2, 2, 2]
    assert np.isfinite(found.paths).all()


def test_the_decoded_base_removes_the_tokenizers_error(forecaster, bars):
    actual, decoded = run(forecaster, bars), run(forecaster, bars, base="decoded")
    ratio = decoded.paths[..., : len(PRICES)] / actual.paths[..., : len(PRICES)]
    assert np.ptp(ratio, axis=(1, 2, 3)) == pytest.approx(0, abs=1e-9)  # one number a symbol
    assert (decoded.paths[..., len(PRICES) :] == actual.paths[..., len(PRICES) :]).all()
    windows = make_windows(bars.filter(pl.col("symbol") == "AAA"), lookback=12, predict=0)
    window = windows.values[-1:], windows.stamp[-1:], stamps(actual.times[0].tolist())[None]
    last = forecaster.sampler.sample(*window, samples=1).last[0, CLOSE]
    close = last * (windows.scale.std[-1, 0, CLOSE] + 1e-5) + windows.scale.mean[-1, 0, CLOSE]
    assert ratio[0, 0, 0, 0] == pytest.approx(actual.last_close[0] / close)


def test_repairs_by_hand():
    good = [10.0, 11.0, 9.0, 10.5, 5.0, 50.0]
    crossed = [10.0, 9.5, 10.2, 10.5, 5.0, 50.0]  # high below the close, low above the open
    sunk = [10.0, 11.0, -2.0, 10.5, -1.0, 50.0]  # a low below zero, a negative volume
    paths, repairs = repair_bars(np.array([[[good, crossed, sunk]]]), np.array([100.0]))
    assert paths[0, 0].tolist() == [
        good,
        [10.0, 10.5, 10.0, 10.5, 5.0, 50.0],
        [10.0, 11.0, 0.1, 10.5, 0.0, 50.0],  # a thousandth of the last close
    ]
    assert (repairs.bars, repairs.raised, repairs.widened, repairs.emptied) == (3, 1, 1, 1)
    assert repairs.lines()[0].startswith("1 of 3 sampled bars had a high or low")
    assert repair_bars(paths, np.array([100.0]))[1].lines() == []


def test_quantiles_and_rises_by_hand(forecaster, bars):
    found = run(forecaster, bars)
    table = found.quantiles()
    assert table.columns == ["symbol", "time", "estimated", "q05", "q25", "q50", "q75", "q95"]
    assert table.height == 3 * H
    closes = of(found, "BBB")[:, 2, CLOSE]
    row = table.filter(pl.col("symbol") == "BBB").row(2, named=True)
    assert row["time"] == found.times[1, 2].item()
    assert [row[quantile_name(level)] for level in QUANTILES] == pytest.approx(np.quantile(closes, QUANTILES).tolist())
    rise = found.probability_of_rise().filter(pl.col("symbol") == "BBB")["p_rise"][2]
    assert rise == pytest.approx(np.mean(closes > found.last_close[1]))
    volumes = found.quantiles((0.5,), "volume")["q50"]
    assert volumes[0] == pytest.approx(np.median(found.paths[0, :, 0, 4]))
    assert found.quantiles(0.5, "volume")["q50"].equals(volumes)


def test_the_long_frame_holds_every_number_in_its_place(forecaster, bars):
    found = run(forecaster, bars)
    frame = found.frame()
    assert frame.columns == ["symbol", "sample", "time", "estimated", *FEATURES]
    assert frame.height == 3 * S * H
    row = frame.row((1 * S + 3) * H + 2, named=True)
    assert (row["symbol"], row["sample"], row["time"]) == ("BBB", 3, found.times[1, 2].item())
    assert [row[name] for name in FEATURES] == found.paths[1, 3, 2].tolist()
    assert frame.to_pandas().shape == (3 * S * H, 10)


def test_scaled_prices_leave_volumes_alone(forecaster, bars):
    found = run(forecaster, bars)
    half = found.scaled(0.5)
    assert (half.paths[..., CLOSE] == found.paths[..., CLOSE] / 2).all()
    assert (half.paths[..., 4:] == found.paths[..., 4:]).all()
    assert half.last_close.tolist() == (found.last_close / 2).tolist()
    for factor in (0, -1.0, float("nan"), "2"):
        with pytest.raises(ConfigError, match="factor: expected a number above 0, at most 1e15, found"):
            found.scaled(factor)


def test_notes_and_estimated_stamps_travel_with_the_forecast(forecaster, bars):
    found = run(forecaster, bars.drop("volume", "amount").reverse(), exchange=None)
    assert found.estimated.all()
    assert found.notes == ("rows were not in the order of symbol and time: sorted",)


def test_stamps_that_are_known_better_are_used(forecaster, bars):
    times = [datetime(2024, 3, day) for day in (4, 5, 6, 7)]
    found = run(forecaster, bars, future=FutureTimes(times, [False, False, True, True]))
    assert found.times.tolist() == [times] * 3
    assert found.estimated.tolist() == [[False, False, True, True]] * 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"samples": 0}, "samples: expected a whole number of at least 1, found 0"),
        ({"lookback": 1}, "lookback: expected a whole number of at least 2, found 1"),
        ({"base": "last"}, "base: expected actual or decoded, got 'last'"),
        ({"future": FutureTimes([datetime(2024, 3, 4)], [False])}, "future: expected 4 end stamps, found 1"),
        ({"samples": "9"}, "samples: expected a whole number of at least 1, found .9."),
        ({"sampling": "hot"}, "sampling: expected a Sampling, found str"),
        ({"seed": "x"}, "seed: expected a whole number of at least 0, found .x."),
    ],
)
def test_settings_out_of_range_are_refused(forecaster, bars, settings, words):
    with pytest.raises(ConfigError, match=words.replace("=", r"\=")):
        run(forecaster, bars, **settings)


@pytest.mark.parametrize(
    ("horizon", "words"),
    [
        (0, "a whole number of at least 1, found 0"),
        (100_000, "at most 128 bars, 8 x the model's max_context, found 100000"),
    ],
)
def test_a_horizon_of_nothing_or_beyond_memory_is_refused(forecaster, bars, horizon, words):
    for forecast in (forecaster.forecast, lambda bars, horizon: forecast_bars(bars, forecaster, horizon)):
        with pytest.raises(ConfigError, match=f"horizon: expected {words}"):
            forecast(bars, horizon)


@pytest.mark.parametrize(
    ("levels", "column", "words"),
    [
        ((0.5, 5), "close", "levels: expected probabilities from 0 to 1, found 5"),
        ((), "close", "levels: expected probabilities from 0 to 1, found none"),
        (None, "close", "levels: expected probabilities from 0 to 1, found None"),
        ((0.5,), "price", "column: expected one of open, high, low, close, volume, amount, found 'price'"),
    ],
)
def test_quantiles_that_do_not_exist_are_refused(forecaster, bars, levels, column, words):
    with pytest.raises(ConfigError, match=words):
        run(forecaster, bars).quantiles(levels, column)


def test_a_faulty_table_is_refused_before_anything_is_sampled(forecaster, bars, monkeypatch):
    monkeypatch.setattr(forecaster.sampler, "sample", None)
    with pytest.raises(DataError, match="CCC: expected at least 2 bars"):
        run(forecaster, bars.filter((pl.col("symbol") != "CCC") | (pl.col("date") == SESSIONS[-1])))


def test_the_usual_lookback_leaves_room_for_the_horizon_but_not_too_much():
    assert usual_lookback(512, 10) == 502
    assert usual_lookback(512, 400) == usual_lookback(512, 9000) == 256
    assert usual_lookback(1, 5) == 2


def test_names_of_quantiles_are_read_as_they_are_written():
    levels = (0.0, 0.005, 0.025, 0.05, 0.1, 0.5, 0.975, 1.0)
    names = [quantile_name(level) for level in levels]
    assert names == ["q00", "q005", "q025", "q05", "q10", "q50", "q975", "q100"]
    assert quantile_columns(names) == dict(zip(names, levels, strict=True))


def test_a_forecast_after_a_past_date_keeps_what_followed(forecaster, bars):
    asof = SESSIONS[-3]
    found = run(forecaster, bars, asof=f"{asof}")
    assert found.paths.tobytes() == run(forecaster, bars.filter(pl.col("date") <= asof)).paths.tobytes()
    later = bars.filter(pl.col("date") > asof)
    assert found.realised.select("symbol", "time").equals(later.select("symbol", "time"))
    assert found.realised["close"].to_list() == pytest.approx(later["close"].to_list())
    assert run(forecaster, bars).realised is None
    assert found.history.group_by("symbol", maintain_order=True).last()["close"].to_list() == found.last_close.tolist()
    assert found.scaled(0.5).realised["close"].to_list() == (found.realised["close"] / 2).to_list()
    with pytest.raises(DataError, match="2019-01-01 is before the data"):
        run(forecaster, bars, asof="2019-01-01")


def test_bars_are_forecast_without_a_workspace_and_wrong_models_are_refused(forecaster, bars, pair_folder):
    found = forecast_bars(bars, forecaster, H, samples=S, exchange="XNYS")
    assert found.paths.tobytes() == run(forecaster, bars).paths.tobytes()
    alike = forecast_bars(bars.to_arrow(), pair_folder, H, samples=S, exchange="XNYS", device="cpu", symbol=None)
    assert alike.paths.shape == found.paths.shape
    assert found.to_pandas().shape == (3 * H, 9)
    assert repr(found).startswith("Forecast of AAA, BBB, CCC: 4 bars after 2024-02-23, 6 sample paths")
    assert "<table>" in found._repr_html_()
    with pytest.raises(ConfigError, match="model: expected a folder, a Hub id, a pair or a Forecaster, found int"):
        forecast_bars(bars, 5)
    with pytest.raises(DataError, match="bars: expected a table of Polars, pandas or Arrow, found str"):
        forecast_bars("AAA", forecaster)
