from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import polars as pl
from made import make_bars, weekdays

from kronos_quant.report.canvas import VERMILION
from kronos_quant.report.sparks import HEIGHT, WIDTH, bars_svg

BARS = make_bars(["A"], weekdays(11))


def test_a_picture_has_a_point_a_bar_within_its_frame() -> None:
    line = ElementTree.fromstring(bars_svg(BARS, [])).find("polyline")
    assert line is not None
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert len(points) == 11
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in points)
    assert points == sorted(points)
    closes = BARS["close"].to_list()
    assert points[closes.index(max(closes))][1] == min(y for _, y in points)


def test_marks_stand_at_their_bars_and_between_two() -> None:
    picture = ElementTree.fromstring(bars_svg(BARS, [5, 5.5]))
    at, between = (float(mark.attrib["x"]) + float(mark.attrib["width"]) / 2 for mark in picture.findall("rect"))
    step = (WIDTH - 12) / 11
    assert abs(at - WIDTH / 2) < 0.1  # the sixth of eleven
    assert abs(between - at - step / 2) < 0.2
    assert {mark.attrib["fill"] for mark in picture.findall("rect")} == {VERMILION}


def test_flat_bars_and_a_single_one_have_a_picture_of_numbers() -> None:
    flat = BARS.with_columns(pl.lit(5.0, pl.Float32).alias(name) for name in ("open", "high", "low", "close"))
    silent = flat.with_columns(volume=pl.lit(0.0, pl.Float32))
    for bars in (flat, silent, silent.head(1)):
        assert re.search("nan|inf", bars_svg(bars, [0])) is None
