"""Small pictures of a few bars as inline SVG: range, close and volume, with some bars marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.report.canvas import BLUE, GREY, VERMILION

WIDTH, HEIGHT = 300, 130
_PRICE_TOP, _PRICE_BOTTOM = 8, 96
_VOLUME_TOP, _VOLUME_BOTTOM = 102, 126
_SIDE = 6


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where values lie on the picture."""

    bars: int
    low: float
    high: float

    def x(self, number: float) -> float:
        return _SIDE + (number + 0.5) * (WIDTH - 2 * _SIDE) / self.bars

    def y(self, price: float) -> float:
        return _PRICE_BOTTOM - (price - self.low) / (self.high - self.low) * (_PRICE_BOTTOM - _PRICE_TOP)


def bars_svg(bars: pl.DataFrame, marked: Sequence[float]) -> str:
    """An SVG element of the bars, oldest left.

    bars : schema.BARS of one symbol, ascending, at least one. marked : numbers of the bars to point at; one between
    two bars (3.5) is where a bar was refused or is missing.
    """
    low, high, close, volume = (bars[name].cast(pl.Float64).to_numpy() for name in ("low", "high", "close", "volume"))
    scale = _scale(low, high, close)
    step = (WIDTH - 2 * _SIDE) / len(close)
    marks = "".join(
        f'<rect x="{scale.x(number) - max(step, 3) / 2:.1f}" y="0" width="{max(step, 3):.1f}" height="{HEIGHT}" '
        f'fill="{VERMILION}" fill-opacity="0.25"/>'
        for number in marked
    )
    ranges = "".join(
        f"M{scale.x(i):.1f} {scale.y(top):.1f}V{scale.y(bottom):.1f}"
        for i, (top, bottom) in enumerate(zip(high, low, strict=True))
    )
    line = " ".join(f"{scale.x(i):.1f},{scale.y(price):.1f}" for i, price in enumerate(close))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{marks}'
        f'<path d="{ranges}" stroke="{GREY}" stroke-width="1" fill="none"/>'
        f'<polyline points="{line}" stroke="{BLUE}" stroke-width="1.4" fill="none"/>'
        f'<path d="{_volume_path(volume, scale)}" stroke="{GREY}" stroke-width="{max(step - 1, 1):.1f}" fill="none"/>'
        "</svg>"
    )


def _scale(low: FloatArray, high: FloatArray, close: FloatArray) -> _Scale:
    least, most = min(low.min(), close.min()), max(high.max(), close.max())
    room = (most - least) * 0.05 or abs(most) * 0.05 or 1.0
    return _Scale(len(close), float(least - room), float(most + room))


def _volume_path(volume: FloatArray, scale: _Scale) -> str:
    most = float(volume.max()) or 1.0
    tops = _VOLUME_BOTTOM - volume / most * (_VOLUME_BOTTOM - _VOLUME_TOP)
    return "".join(f"M{scale.x(i):.1f} {_VOLUME_BOTTOM}V{top:.1f}" for i, top in enumerate(tops))
