"""The forecast's picture as SVG: everything lies where its numbers say."""

import re
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from made import make_bars, weekdays

from kronos_quant.report.fan import Fan, fan_svg
from kronos_quant.schema import PRICES

WIDTH, HEIGHT = 500, 300
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
LEFT, RIGHT, TOP, BOTTOM = 58, 8, 12, 30
H = 5


def make_fan(count=20, spread=1.0):
    bars = make_bars(["AAA"], weekdays(count))
    last = float(bars["close"][-1])
    steps = np.sqrt(np.arange(1, H + 1))
    quantiles = last + spread * np.outer([-2, -1, 0, 1, 2], steps)
    naive = last + spread * np.outer([-3, -1, 0, 1, 3], steps)
    times = [bars["time"][-1] + timedelta(days=i) for i in range(1, H + 1)]
    return Fan(bars, times, LEVELS, quantiles, naive)


def points(svg, name):
    """The points of every element of a class: float arrays [n, 2]."""
    found = re.findall(rf'class="{name}" points="([^"]*)"', svg)
    return [np.array([[float(x) for x in pair.split(",")] for pair in text.split()]) for text in found]


def test_fans_start_at_the_last_close_and_follow_their_quantiles():
    fan = make_fan()
    svg = fan_svg(fan, WIDTH, HEIGHT, bars=20)
    [median] = points(svg, "median")
    lower, upper = points(svg, "naive")
    assert median[0].tolist() == lower[0].tolist() == upper[0].tolist()
    step = (WIDTH - LEFT - RIGHT) / (20 + H)
    assert np.diff(median[:, 0]) == pytest.approx(step, abs=0.1)
    assert median[0, 0] == pytest.approx(LEFT + 19.5 * step, abs=0.1)
    assert np.ptp(median[:, 1]) == 0  # the median is the last close throughout
    assert median[:, 1] - upper[:, 1] == pytest.approx(lower[:, 1] - median[:, 1], abs=0.2)
    outer, inner = points(svg, "band")
    assert len(outer) == len(inner) == 2 * (H + 1)
    # 2 standard steps against 3 of the naive band and 1 of the inner one
    depth = lower[-1, 1] - median[-1, 1]
    assert outer[:, 1].max() - median[-1, 1] == pytest.approx(depth * 2 / 3, abs=0.2)
    assert inner[:, 1].max() - median[-1, 1] == pytest.approx(depth / 3, abs=0.2)


def test_everything_lies_inside_the_picture():
    svg = fan_svg(make_fan(spread=9.0), WIDTH, HEIGHT, bars=20)
    drawn = np.concatenate([*points(svg, "band"), *points(svg, "naive"), *points(svg, "median")])
    assert (drawn >= [LEFT, TOP]).all()
    assert (drawn <= [WIDTH - RIGHT, HEIGHT - BOTTOM]).all()
    assert all(0 <= float(x) <= WIDTH for x in re.findall(r'<text x="([\d.]+)"', svg))


def test_bars_that_rose_and_fell_are_told_apart():
    fan = make_fan()
    rose = fan.history.select((pl.col("close") >= pl.col("open")).sum()).item()
    svg = fan_svg(fan, WIDTH, HEIGHT, bars=20)
    assert svg.count('class="rose"') == rose
    assert svg.count('class="fell"') == 20 - rose
    assert fan_svg(fan, WIDTH, HEIGHT, bars=7).count('class="rose"') <= 7


def test_every_bar_to_come_tells_its_numbers():
    fan = make_fan()
    told = re.findall(r"<title>([^<]*)</title>", fan_svg(fan, WIDTH, HEIGHT, bars=20))
    assert len(told) == H
    assert told[0] == "2024-01-27: " + ", ".join(
        f"{level:.0%} {value:.6g}" for level, value in zip(LEVELS, fan.quantiles[:, 0], strict=True)
    )


def test_a_picture_of_one_bar_and_of_nothing_that_moves_is_drawn():
    still = make_bars(["AAA"], weekdays(3)).with_columns(pl.lit(5.0, pl.Float32).alias(n) for n in PRICES)
    fan = Fan(still.tail(1), [datetime(2024, 1, 4)], (0.5,), np.array([[5.0]]), np.array([[5.0]]))
    svg = fan_svg(fan, WIDTH, HEIGHT, bars=9)
    assert "nan" not in svg
    assert svg.startswith(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}"')
    assert fan.interval == "0%"


def test_prices_of_any_size_have_readable_labels():
    for price in (2e-5, 3.0, 4e6):
        bars = make_bars(["AAA"], weekdays(9)).with_columns(pl.col(n) / 20 * price for n in PRICES)
        last = float(bars["close"][-1])
        fan = Fan(bars, [datetime(2024, 2, 1)], (0.5,), np.array([[last]]), np.array([[last]]))
        labels = re.findall(r'text-anchor="end">([^<]*)</text>', fan_svg(fan, WIDTH, HEIGHT, bars=9))
        assert len(set(labels)) == len(labels) >= 3
