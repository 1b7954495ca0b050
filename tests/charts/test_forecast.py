"""The forecast's picture: everything lies where its numbers say."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from charts.cases import LEVELS, H, make_fan
from made import make_bars, weekdays

from kronos_quant.charts import NARROW, Fan, bars_figure, figure_svg, forecast_figure
from kronos_quant.charts.canvas import Hue
from kronos_quant.schema import PRICES

GAP = 5
"""Pixels between two labels: with fewer they read as one word."""


def overlapping(axes) -> bool:
    """Whether two labels of the time axis share a place, or one is cut at the edge of the picture."""
    axes.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    inside = boxes[0].x0 >= 0 and boxes[-1].x1 <= axes.figure.bbox.x1
    return not inside or any(one.x1 + GAP > other.x0 for one, other in pairwise(boxes))


def line(axes, label: str):
    return next(line for line in axes.lines if line.get_label() == label)


def names(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_bands_lines_and_candles_lie_where_the_numbers_say():
    fan = make_fan()
    figure = forecast_figure(fan, "AAA: the next 5 bars")
    [axes] = figure.axes
    median, edge = line(axes, "forecast, median"), line(axes, "random walk, 90% interval")
    np.testing.assert_allclose(median.get_xdata(), range(19, 20 + H))
    np.testing.assert_allclose(median.get_ydata(), [fan.last, *fan.quantiles[2]])
    np.testing.assert_allclose(edge.get_ydata(), [fan.last, *fan.naive[0]])
    outer, inner = (band.get_paths()[0].get_extents() for band in axes.collections if "forecast" in band.get_label())
    assert (outer.y0, outer.y1) == pytest.approx((fan.quantiles.min(), fan.quantiles.max()))
    assert (inner.y0, inner.y1) == pytest.approx((fan.quantiles[1].min(), fan.quantiles[3].max()))
    assert sorted(names(figure)) == [
        "forecast, 50% interval", "forecast, 90% interval", "forecast, median", "random walk, 90% interval",
        "random walk, median",
    ]  # fmt: skip
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("price", "end of bar")


def test_bars_that_rose_and_fell_differ():
    fan = make_fan()
    rose = fan.history.select((pl.col("close") >= pl.col("open")).sum()).item()
    bodies = [patch for patch in forecast_figure(fan).axes[0].patches if patch.get_width() == pytest.approx(0.64)]
    filled = [patch.get_facecolor()[:3] != (1, 1, 1) for patch in bodies]
    assert (filled.count(False), filled.count(True)) == (rose, 20 - rose)
    assert {Hue.PAPER, Hue.INK} == {"#ffffff", "#333333"}


def test_bars_that_followed_are_drawn_where_they_are_known():
    fan = make_fan()
    after = make_bars(["AAA"], weekdays(25)).tail(5).with_columns(time=pl.Series(fan.times)).head(3)
    figure = forecast_figure(make_fan(realised=after))
    orange = [
        patch
        for patch in figure.axes[0].patches
        if patch.get_edgecolor()[:3] == pytest.approx((0.902, 0.624, 0), abs=0.01)
    ]
    centres = sorted(patch.get_x() + patch.get_width() / 2 for patch in orange)
    assert centres == pytest.approx([20, 21, 22])
    assert "realised bars" in names(figure)
    assert "realised bars" not in names(forecast_figure(fan))
    assert "realised bars" not in names(forecast_figure(make_fan(realised=after.clear())))
    # a bar that no forecast is about is not drawn
    far = after.with_columns(time=pl.col("time") + timedelta(days=99))
    assert "realised bars" in names(forecast_figure(make_fan(realised=pl.concat([after, far]))))
    assert Hue.ORANGE == "#e69f00"


def test_a_forecast_without_a_random_walk_draws_none():
    fan = make_fan()
    alone = Fan(fan.history, fan.times, LEVELS, fan.quantiles)
    assert not any("random walk" in name for name in names(forecast_figure(alone)))


def test_a_narrow_picture_has_fewer_bars_and_its_last_known_and_last_ones_are_labelled():
    fan = make_fan(count=90)
    wide, narrow = forecast_figure(fan).axes[0], forecast_figure(fan, width=NARROW).axes[0]
    assert (wide.lines[0].get_xdata()[0], narrow.lines[0].get_xdata()[0]) == (89, 35)
    for axes in (wide, narrow):
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert labels[-2:] == [f"{fan.history['time'][-1]:%Y-%m-%d}", f"{fan.times[-1]:%Y-%m-%d}"]
        assert not overlapping(axes)


def test_a_picture_of_one_bar_and_of_nothing_that_moves_is_drawn():
    still = make_bars(["AAA"], weekdays(3)).with_columns(pl.lit(5.0, pl.Float32).alias(n) for n in PRICES)
    fan = Fan(still.tail(1), [datetime(2024, 1, 4)], (0.5,), np.array([[5.0]]), np.array([[5.0]]))
    assert "nan" not in figure_svg(forecast_figure(fan), "still")
    assert fan.interval == "0%"


@pytest.mark.parametrize("price", [2e-5, 3.0, 4e6])
def test_prices_of_any_size_have_readable_labels(price):
    bars = make_bars(["AAA"], weekdays(9)).with_columns(pl.col(n) / 20 * price for n in PRICES)
    last = float(bars["close"][-1])
    fan = Fan(bars, [datetime(2024, 2, 1)], (0.5,), np.array([[last]]), np.array([[last]]))
    figure = forecast_figure(fan)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(set(labels)) == len(labels) >= 3
    assert not any("e" in label for label in labels)


BARS = make_bars(["A"], weekdays(11))


def test_small_pictures_have_the_closes_and_marks_at_bars_and_between_two():
    prices, volumes = bars_figure(BARS, [5, 5.5]).axes
    np.testing.assert_allclose(prices.lines[0].get_ydata(), BARS["close"].to_numpy())
    for axes in (prices, volumes):
        marks = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
        assert marks == [(4.5, 5.5), (5.0, 6.0)]


def test_flat_bars_and_a_single_one_have_a_picture_of_numbers():
    flat = BARS.with_columns(pl.lit(5.0, pl.Float32).alias(name) for name in ("open", "high", "low", "close"))
    silent = flat.with_columns(volume=pl.lit(0.0, pl.Float32))
    for bars in (flat, silent.head(1)):
        assert "nan" not in figure_svg(bars_figure(bars, [0]), "flat")
