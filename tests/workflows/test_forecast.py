import html
import json
import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kronos_quant import ConfigError, DataError, schema
from kronos_quant.market import BarBatch, open_market, store_bars
from kronos_quant.market.store import make_instruments
from kronos_quant.model import QUANTILES, Forecast, Repairs
from kronos_quant.model.forecast import day_text
from kronos_quant.model.symbol_forecast import SymbolForecast, random_walk_band
from kronos_quant.runs import finished_runs
from kronos_quant.workflows import forecast as job
from kronos_quant.workflows.forecast import LEAST_SAMPLES, run_forecast


def test_the_naive_band_of_three_closes_by_hand():
    # log returns ln 1.1 and ln 0.9: their sample deviation is half their difference times sqrt 2
    band = random_walk_band(np.array([100.0, 110.0, 99.0]), 4, (0.05, 0.5, 0.95))
    volatility = (math.log(1.1) - math.log(0.9)) / 2 * math.sqrt(2)
    assert band.shape == (3, 4)
    assert band[1] == pytest.approx([99.0] * 4)
    assert band[2, 0] == pytest.approx(99 * math.exp(1.6448536 * volatility))
    # after 4 bars the band is twice as wide as after 1, in logarithms
    assert np.log(band[0, 3] / 99) == pytest.approx(2 * np.log(band[0, 0] / 99))
    assert band[0] * band[2] == pytest.approx(99.0**2)


def test_a_history_that_never_moved_has_a_band_without_width():
    assert random_walk_band(np.full(5, 7.0), 3, (0.05, 0.95)) == pytest.approx(7.0)


def test_a_forecast_leaves_a_table_and_a_picture(trained_workspace):
    found = run_forecast(trained_workspace, "made0001", horizon=5, device="cpu")
    [run] = finished_runs(trained_workspace.runs, "forecast")
    assert sorted(path.name for path in run.path.iterdir()) == [
        "config.yaml",
        "forecast.html",
        "forecast.parquet",
        "forecast.png",
        "manifest.json",
        "metrics.json",
    ]
    assert found.picture == run.path / "forecast.png"
    assert found.picture.read_bytes().startswith(b"\x89PNG")
    assert found.page == run.path / "forecast.html"
    assert pl.read_parquet(run.path / "forecast.parquet").equals(found.bands())
    assert run.metrics()["samples"] == LEAST_SAMPLES
    assert run.metrics()["symbol"] == found.symbol == "MADE0001"
    assert run.manifest()["inputs"]["snapshot"] == open_market(trained_workspace.root).snapshot.digest


def test_the_table_holds_ordered_quantiles_of_the_next_sessions(trained_workspace):
    found = run_forecast(trained_workspace, "MADE0001", horizon=5, device="cpu")
    # 5 June 2025 is a Thursday
    assert found.bands()["time"].to_list() == [datetime(2025, 6, day) for day in (6, 9, 10, 11, 12)]
    assert not found.bands()["estimated"].any()
    names = [f"q{round(level * 100):02d}" for level in QUANTILES]
    quantiles = found.bands().select(names).to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert found.bands()["p_rise"].is_between(0, 1).all()
    bars = open_market(trained_workspace.root).bars(["MADE0001"])
    assert found.last_close[0] == pytest.approx(bars["close"][-1])
    naive = random_walk_band(bars["close"].cast(pl.Float64).to_numpy()[-16:], 5, (0.05, 0.95))
    assert found.bands()["naive_q05"].to_list() == pytest.approx(naive[0])
    assert found.bands()["naive_q95"].to_list() == pytest.approx(naive[1])


def test_a_forecast_in_the_past_sees_nothing_after_its_date(trained_workspace):
    market = open_market(trained_workspace.root)
    on, after = market.sessions()[-3:-1]
    found = run_forecast(trained_workspace, "MADE0001", date=on, device="cpu")
    assert day_text(found.asof[0]) == f"{on}"
    assert found.bands()["time"][0].date() == after
    assert found.bands().height == 3  # the recipe's horizon
    later = market.bars(["MADE0001"]).filter(pl.col("date") > on)
    assert found.realised["time"].to_list() == later["time"].to_list()  # two of the three that were forecast
    assert found.realised["close"].to_list() == pytest.approx(later["close"].to_list())
    assert run_forecast(trained_workspace, "MADE0001", device="cpu").realised is None
    again = run_forecast(trained_workspace, "MADE0001", date=on, device="cpu")
    assert again.bands().equals(found.bands())


def test_the_words_set_the_width_beside_the_naive_one(trained_workspace):
    found = run_forecast(trained_workspace, "MADE0001", horizon=2, device="cpu")
    last = found.bands().row(-1, named=True)
    assert found.width == pytest.approx(last["q95"] - last["q05"])
    assert found.naive_width == pytest.approx(last["naive_q95"] - last["naive_q05"])
    lines = found.lines()
    close = float(found.last_close[0])
    assert f"90% interval after 2 bars: width {found.width / close:.2%} of the last close" in lines[1]
    assert f"of a random walk with the same volatility: {found.naive_width / close:.2%}" in lines[1]
    assert lines[-2:] == [f"picture: {found.picture}", f"page: {found.page}"]
    assert found.rows()[0]["time"] == "2025-06-06"
    told = json.loads(json.dumps(found.as_dict(), default=str))
    assert (len(told["bars"]), told["naive_width"]) == (2, found.naive_width)
    [run] = finished_runs(trained_workspace.runs, "forecast")
    assert run.metrics()["width"] == found.width


def made_forecast(closes, naive_width, realised=None):
    """A forecast of one symbol, one bar after 10.0, with these closes of its paths."""
    forecast = Forecast(
        symbols=("AAA",), asof=np.array(["2025-06-05"], "datetime64[us]"), lookback=np.array([16]),
        last_close=np.array([10.0]), paths=np.array(closes).reshape(1, -1, 1, 1) * np.ones(6),
        times=np.array([["2025-06-06"]], "datetime64[us]"), estimated=np.array([[True]]),
        repairs=Repairs(len(closes), 0, 0, 0), notes=("a note",), realised=realised,
    )  # fmt: skip
    found = SymbolForecast.of(forecast, np.array([10.0, 10.1, 10.0]), "m", Path("run"))
    half = naive_width / 2
    return replace(found, naive=np.array([[10 - half], [10 + half]]))


@pytest.mark.parametrize(
    ("naive_width", "words"),
    [
        (
            1.8,
            "width 9.00% of the last close; of a random walk with the same volatility: 18.00% "
            "(ratio 0.50: the model is more confident)",
        ),
        (0.9, "(ratio 1.00: about the same)"),
        (0.6, "(ratio 1.50: the model is less confident)"),
        (0.0, "0.00% (the history did not move)"),
    ],
)
def test_the_width_is_compared_with_the_random_walks(naive_width, words):
    first, second, estimated, note = made_forecast([9.0, 9.5, 10.0], naive_width).words()
    assert first == "last close 10; median 9.5 after 1 bar (-5.00%); 0% of the paths end above the last close"
    assert second.endswith(words)
    assert estimated.startswith("some time stamps are estimated")
    assert note == "a note"


@pytest.mark.parametrize(("close", "place"), [(9.5, "inside"), (10.5, "outside")])
def test_a_forecast_of_the_past_says_what_followed(close, place):
    bar = {name: [close] for name in ("open", "high", "low", "close")}
    realised = pl.DataFrame({"symbol": ["AAA"], "time": [datetime(2025, 6, 6)], **bar})
    found = made_forecast([9.0, 9.5, 10.0], 1.0, realised)
    change = f"{close / 10 - 1:+.2%}"
    assert found.words()[2] == f"realised close after 1 bar: {close:g} ({change}), {place} the 90% interval"
    assert f"{close:g} (realised)" in repr(found)


def test_the_page_says_which_model_how_many_paths_and_as_of_when(trained_workspace):
    found = run_forecast(trained_workspace, "MADE0001", horizon=2, device="cpu")
    page = found.page.read_text(encoding="utf-8")
    assert f"<h1>MADE0001: the next 2 bars after {day_text(found.asof[0])}</h1>" in page
    assert f"Model {found.model}, recipe default: {LEAST_SAMPLES} sample paths from the last 16 bars" in page
    assert f"Day bars as of {day_text(found.asof[0])}; calendar of XNYS" in page
    assert html.escape(found.words()[1]) in page


def test_quoted_prices_are_adjusted_ones_over_the_last_factor(trained_workspace):
    whole = run_forecast(trained_workspace, "MADE0001", horizon=2, device="cpu")
    sessions = open_market(trained_workspace.root).sessions()
    add_symbol(trained_workspace, "TWICE", list(sessions), factor=2.0)
    half = run_forecast(trained_workspace, "TWICE", horizon=2, device="cpu")
    assert half.last_close == pytest.approx(whole.last_close / 2)
    assert half.naive_width == pytest.approx(whole.naive_width / 2)
    assert half.bands()["q50"][0] == pytest.approx(whole.bands()["q50"][0] / 2, rel=0.1)  # other paths: another name


def test_a_symbol_without_recent_bars_says_so(trained_workspace):
    sessions = open_market(trained_workspace.root).sessions()
    add_symbol(trained_workspace, "GONE", list(sessions[:-5]))
    found = run_forecast(trained_workspace, "GONE", horizon=1, device="cpu")
    assert day_text(found.asof[0]) == f"{sessions[-6]}"
    assert f"no bar since {sessions[-6]}; the forecast was requested for {sessions[-1]}" in found.lines()


def add_symbol(workspace, name, dates, factor=1.0):
    market = open_market(workspace.root)
    bars = (
        market.bars(["MADE0001"])
        .filter(pl.col("date").is_in(dates))
        .with_columns(symbol=pl.lit(name), factor=pl.lit(factor, pl.Float32))
    )
    universes = pl.DataFrame(schema=schema.UNIVERSES)
    instruments = make_instruments([name], "XNYS")
    store_bars(workspace.root, BarBatch("test", None, schema.DAILY, bars, instruments, universes, list(dates), "XNYS"))


def test_a_symbol_with_too_few_bars_says_how_many_are_needed(trained_workspace):
    sessions = open_market(trained_workspace.root).sessions()
    add_symbol(trained_workspace, "YOUNG", sessions[-7:])
    with pytest.raises(DataError, match="YOUNG: 16 bars are needed up to the newest, found 7"):
        run_forecast(trained_workspace, "YOUNG", device="cpu")
    with pytest.raises(DataError, match=f"YOUNG: 16 bars are needed up to {sessions[50]}, found 0"):
        run_forecast(trained_workspace, "YOUNG", date=sessions[50], device="cpu")
    assert not (trained_workspace.runs / "forecast").exists()


def test_a_symbol_that_trades_rarely_is_forecast_from_the_bars_it_has(trained_workspace):
    sessions = open_market(trained_workspace.root).sessions()
    add_symbol(trained_workspace, "RARE", sessions[::-8][::-1])
    assert run_forecast(trained_workspace, "RARE", horizon=1, device="cpu").horizon == 1


def test_an_unknown_symbol_names_the_nearest(trained_workspace):
    with pytest.raises(DataError, match="unknown symbol 'MADE001'") as caught:
        run_forecast(trained_workspace, "MADE001", device="cpu")
    assert "MADE0001" in caught.value.hint


def test_a_horizon_beyond_memory_is_refused(trained_workspace):
    words = "horizon: expected at most 4096 bars, 8 x the model's max_context, found 100000"
    with pytest.raises(ConfigError, match=words):
        run_forecast(trained_workspace, "MADE0001", horizon=100_000, device="cpu")


def test_a_failure_while_drawing_leaves_no_run(trained_workspace, monkeypatch):
    def fail(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "forecast_png", fail)
    with pytest.raises(KeyboardInterrupt):
        run_forecast(trained_workspace, "MADE0001", horizon=2, device="cpu")
    assert list((trained_workspace.runs / "forecast").iterdir()) == []
