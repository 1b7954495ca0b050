from __future__ import annotations

import struct
import warnings
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from backtest.markets import random_market, rules_with
from matplotlib.figure import Figure

from kronos_quant.backtest import Strategy, simulate
from kronos_quant.report import Fan, canvas, forecast_png, performance_png

LEVELS = (0.05, 0.5, 0.95)


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def figures(monkeypatch):
    """The figures drawn in a test, kept to be looked at."""
    drawn = []
    save = canvas.save_png

    def keep(figure: Figure, path) -> None:
        drawn.append(figure)
        save(figure, path)

    monkeypatch.setattr("kronos_quant.report.plots.save_png", keep)
    return drawn


@pytest.fixture(scope="module")
def result():
    panel, limits, lots = random_market(8)
    strategy = Strategy.model_validate({"topk": 3, "n_drop": 1, "hold_thresh": 1, "account": 1e5})
    return simulate(
        strategy,
        panel,
        rules_with(strategy, panel, limits, lots),
        benchmark_close=np.linspace(100, 110, len(panel.dates)),
    )


def history(count: int, step: timedelta) -> pl.DataFrame:
    close = 100 + np.cumsum(np.random.default_rng(0).normal(size=count))
    return pl.DataFrame(
        {
            "time": [datetime(2024, 6, 17, 9, 35) + i * step for i in range(count)],
            "open": close - 0.3,
            "high": close + 1,
            "low": close - 1,
            "close": close,
        }
    )


def png_size(path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", header[16:24])


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_performance_has_growth_drawdown_and_excess_over_the_benchmark(tmp_path, figures, result):
    performance_png(tmp_path / "p.png", result, title="topk", benchmark_name="SPX")
    assert min(png_size(tmp_path / "p.png")) > 1000
    growth, depth, excess = figures[0].axes
    assert labels(growth) == ["portfolio, after costs", "portfolio, before costs", "benchmark SPX"]
    assert "Drawdown" in depth.get_title(loc="left")
    assert "relative to the benchmark SPX" in excess.get_title(loc="left")
    np.testing.assert_allclose(growth.lines[0].get_ydata(), [0, *(result.account / 1e5 - 1)])
    expected = (result.account / 1e5) / np.cumprod(1 + result.benchmark_returns) - 1
    np.testing.assert_allclose(excess.lines[1].get_ydata(), [0, *expected])
    # every curve begins at 0 before the first session, so that one session alone is a line
    assert {line.get_xdata()[0] for axes in figures[0].axes for line in axes.lines if len(line.get_xdata()) > 2} == {-1}
    assert depth.get_ylim()[1] == 0
    assert not growth.texts
    assert all(axes.get_ylabel() for axes in figures[0].axes)


def test_performance_without_a_benchmark_shows_what_costs_took(tmp_path, figures):
    panel, limits, lots = random_market(8)
    strategy = Strategy.model_validate({"topk": 2, "n_drop": 1})
    result = simulate(strategy, panel, rules_with(strategy, panel, limits, lots))
    performance_png(tmp_path / "p.png", result, title="topk")
    growth, _, costs = figures[0].axes
    assert len(labels(growth)) == 2
    assert "What costs took" in costs.get_title(loc="left")


def test_a_run_without_a_trade_says_so_in_the_picture(tmp_path, figures):
    panel, limits, lots = random_market(8)
    strategy = Strategy.model_validate({"topk": 2, "n_drop": 1, "account": 0.01, "lot": 100})
    result = simulate(strategy, panel, rules_with(strategy, panel, limits, lots))
    assert result.fills.is_empty()
    performance_png(tmp_path / "p.png", result, title="topk")
    growth, depth, _ = figures[0].axes
    assert [text.get_text() for text in growth.texts] == ["NO TRADE WAS MADE"]
    assert depth.get_ylim() == (pytest.approx(-0.055, abs=0.05), 0)


def test_names_with_dollars_and_unknown_signs_are_drawn_as_they_are(tmp_path, figures, result):
    performance_png(tmp_path / "p.png", result, title=r"$\broken{ 沪深", benchmark_name="$SPX$")
    assert figures[0].get_suptitle() == r"$\broken{ 沪深"


@pytest.mark.parametrize("step", [timedelta(minutes=5), timedelta(days=1)])
def test_forecast_starts_at_the_last_close_beside_the_naive_band(tmp_path, figures, step):
    bars = history(60, step)
    last = bars["close"][-1]
    times = [bars["time"][-1] + (i + 1) * step for i in range(10)]
    band = last + np.outer([-1, 0.1, 1], np.sqrt(np.arange(1, 11)))
    fan = Fan(bars, times, LEVELS, band, band * 1.01)
    forecast_png(tmp_path / "f.png", fan, "SH600977: the next 10 bars")
    axes = figures[0].axes[0]
    median = next(line for line in axes.lines if line.get_label() == "forecast, median")
    np.testing.assert_allclose(median.get_ydata(), [last, *band[1]])
    np.testing.assert_allclose(median.get_xdata(), range(59, 70))
    names = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert names == ["forecast, 90% interval", "forecast, median", "naive random walk, 90% interval",
                     "naive random walk, median"]  # fmt: skip
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("price", "end of bar")


def test_time_labels_show_hours_only_within_days():
    day = datetime(2024, 6, 18)
    assert canvas.time_labels([day, day + timedelta(days=3)]) == ["2024-06-18", "2024-06-21"]
    assert canvas.time_labels([day + timedelta(hours=11, minutes=15)]) == ["06-18 11:15"]


def test_axis_counts_bars_so_that_weekends_take_no_room():
    figure = Figure()
    axes = figure.subplots()
    axes.plot(range(3))
    canvas.session_axis(axes, [datetime(2024, 6, 21), datetime(2024, 6, 24), datetime(2024, 6, 25)])
    label = axes.xaxis.get_major_formatter()
    assert [label(0), label(1), label(0.5), label(7)] == ["2024-06-21", "2024-06-24", "", ""]


def test_a_process_wide_theme_does_not_change_the_pictures(tmp_path, result):
    import matplotlib as mpl

    performance_png(tmp_path / "a.png", result, title="topk")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        performance_png(tmp_path / "b.png", result, title="topk")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
