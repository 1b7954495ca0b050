import html
import json
import math
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kronos_quant import DataError, schema
from kronos_quant.market import BarBatch, open_market, store_bars
from kronos_quant.market.store import make_instruments
from kronos_quant.runs import finished_runs
from kronos_quant.workflows import forecast as job
from kronos_quant.workflows.forecast import LEAST_SAMPLES, QUANTILES, random_walk_band, run_forecast


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
    found = run_forecast(trained_workspace, "made0001", None, 5, "default", "cpu")
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
    assert pl.read_parquet(run.path / "forecast.parquet").equals(found.table)
    assert run.metrics()["samples"] == LEAST_SAMPLES
    assert run.metrics()["symbol"] == found.symbol == "MADE0001"
    assert run.manifest()["inputs"]["snapshot"] == open_market(trained_workspace.root).snapshot.digest


def test_the_table_holds_ordered_quantiles_of_the_next_sessions(trained_workspace):
    found = run_forecast(trained_workspace, "MADE0001", None, 5, "default", "cpu")
    # 5 June 2025 is a Thursday
    assert found.table["time"].to_list() == [datetime(2025, 6, day) for day in (6, 9, 10, 11, 12)]
    assert not found.table["estimated"].any()
    names = [f"q{round(level * 100):02d}" for level in QUANTILES]
    quantiles = found.table.select(names).to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert found.table["p_rise"].is_between(0, 1).all()
    bars = open_market(trained_workspace.root).bars(["MADE0001"])
    assert found.last_close == pytest.approx(bars["close"][-1])
    naive = random_walk_band(bars["close"].cast(pl.Float64).to_numpy()[-16:], 5, (0.05, 0.95))
    assert found.table["naive_q05"].to_list() == pytest.approx(naive[0])
    assert found.table["naive_q95"].to_list() == pytest.approx(naive[1])


def test_a_forecast_in_the_past_sees_nothing_after_its_date(trained_workspace):
    market = open_market(trained_workspace.root)
    on, after = market.sessions()[-3:-1]
    found = run_forecast(trained_workspace, "MADE0001", on, None, "default", "cpu")
    assert found.asof == f"{on}"
    assert found.table["time"][0].date() == after
    assert found.table.height == 3  # the recipe's horizon
    again = run_forecast(trained_workspace, "MADE0001", on, None, "default", "cpu")
    assert again.table.equals(found.table)


def test_the_words_set_the_width_beside_the_naive_one(trained_workspace):
    found = run_forecast(trained_workspace, "MADE0001", None, 2, "default", "cpu")
    last = found.table.row(-1, named=True)
    assert found.width == pytest.approx(last["q95"] - last["q05"])
    assert found.naive_width == pytest.approx(last["naive_q95"] - last["naive_q05"])
    lines = found.lines()
    assert f"90 % interval at the end: {found.width:.4g} wide" in lines[1]
    assert f"a random walk with this history's volatility: {found.naive_width:.4g}" in lines[1]
    assert lines[-2:] == [f"picture: {found.picture}", f"page: {found.page}"]
    assert found.rows()[0]["time"] == "2025-06-06"
    told = json.loads(json.dumps(found.as_dict(), default=str))
    assert (len(told["bars"]), told["naive_width"]) == (2, found.naive_width)
    [run] = finished_runs(trained_workspace.runs, "forecast")
    assert run.metrics()["width"] == found.width


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (1.0, "the model's is 0.50 times as wide: it is surer than the random walk"),
        (2.05, "the model is as unsure as the random walk"),
        (3.0, "the model's is 1.50 times as wide: it is less sure than the random walk"),
    ],
)
def test_the_model_is_called_surer_only_when_it_is(width, words):
    bar = {"time": datetime(2025, 6, 6), "estimated": True, "q05": 9.0, "q50": 9.5, "q95": 9.0 + width, "p_rise": 0.25}
    table = pl.DataFrame([bar | {"naive_q05": 9.0, "naive_q95": 11.0}])
    here = Path()
    found = job.SymbolForecast("AAA", "2025-06-05", "m", 200, table, ("a note",), here, here, last_close=10.0)
    first, second, estimated, note = found.words()
    assert first == "last close 10; median 9.5 after 1 bars (-5.00%), 25% of the paths end above the last close"
    assert second.endswith(words)
    assert estimated.startswith("some time stamps are estimated")
    assert note == "a note"


def test_the_page_says_which_model_how_many_paths_and_as_of_when(trained_workspace):
    found = run_forecast(trained_workspace, "MADE0001", None, 2, "default", "cpu")
    page = found.page.read_text(encoding="utf-8")
    assert f"<h1>MADE0001: the next 2 bars after {found.asof}</h1>" in page
    assert f"Model {found.model}, recipe default: {LEAST_SAMPLES} sample paths from the last 16 bars" in page
    assert f"Day bars as of {found.asof}; calendar of XNYS" in page
    assert html.escape(found.words()[1]) in page


def test_quoted_prices_are_adjusted_ones_over_the_last_factor(trained_workspace):
    whole = run_forecast(trained_workspace, "MADE0001", None, 2, "default", "cpu")
    sessions = open_market(trained_workspace.root).sessions()
    add_symbol(trained_workspace, "TWICE", list(sessions), factor=2.0)
    half = run_forecast(trained_workspace, "TWICE", None, 2, "default", "cpu")
    assert half.last_close == pytest.approx(whole.last_close / 2)
    assert half.naive_width == pytest.approx(whole.naive_width / 2)
    assert half.table["q50"][0] == pytest.approx(whole.table["q50"][0] / 2, rel=0.1)  # other paths: another name


def test_a_symbol_without_recent_bars_says_so(trained_workspace):
    sessions = open_market(trained_workspace.root).sessions()
    add_symbol(trained_workspace, "GONE", list(sessions[:-5]))
    found = run_forecast(trained_workspace, "GONE", None, 1, "default", "cpu")
    assert found.asof == f"{sessions[-6]}"
    assert f"no bar since {sessions[-6]}: the session asked for is {sessions[-1]}" in found.lines()


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
        run_forecast(trained_workspace, "YOUNG", None, None, "default", "cpu")
    with pytest.raises(DataError, match=f"YOUNG: 16 bars are needed up to {sessions[50]}, found 0"):
        run_forecast(trained_workspace, "YOUNG", sessions[50], None, "default", "cpu")
    assert not (trained_workspace.runs / "forecast").exists()


def test_a_symbol_that_trades_rarely_is_forecast_from_the_bars_it_has(trained_workspace):
    sessions = open_market(trained_workspace.root).sessions()
    add_symbol(trained_workspace, "RARE", sessions[::-8][::-1])
    assert run_forecast(trained_workspace, "RARE", None, 1, "default", "cpu").table.height == 1


def test_an_unknown_symbol_names_the_nearest(trained_workspace):
    with pytest.raises(DataError, match="unknown symbol 'MADE001'") as caught:
        run_forecast(trained_workspace, "MADE001", None, None, "default", "cpu")
    assert "MADE0001" in caught.value.hint


def test_a_failure_while_drawing_leaves_no_run(trained_workspace, monkeypatch):
    def fail(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "forecast_png", fail)
    with pytest.raises(KeyboardInterrupt):
        run_forecast(trained_workspace, "MADE0001", None, 2, "default", "cpu")
    assert list((trained_workspace.runs / "forecast").iterdir()) == []
