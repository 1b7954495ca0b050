"""A forecast's picture in numbers, and as inline SVG: candlesticks, the fan of quantiles, the naive band.

The SVG carries no colours: its classes are coloured by the page's style sheet, in light and in dark.
Shape letters: H horizon, Q quantile levels.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from matplotlib.ticker import MaxNLocator

from kronos_quant.arrays import FloatArray
from kronos_quant.report.canvas import time_labels

MEDIAN = 0.5
_TOP, _BOTTOM, _LEFT, _RIGHT = 12, 30, 58, 8
_CHARACTER = 7.0
"""Width of a digit at the font size of the axis labels."""


@dataclass(frozen=True, slots=True)
class Fan:
    """What a forecast's picture shows: the last bars of one symbol, and quantiles of the closes to come."""

    history: pl.DataFrame
    """schema.BARS, ascending, at least one bar."""
    times: Sequence[datetime]
    """H end stamps."""
    levels: Sequence[float]
    """Q ascending probabilities with 0.5 in the middle."""
    quantiles: FloatArray
    """[Q, H], of the close."""
    naive: FloatArray
    """[Q, H], of a random walk."""

    @property
    def last(self) -> float:
        """The last close, from which both fan out."""
        return float(self.history["close"][-1])

    @property
    def interval(self) -> str:
        """The widest interval's name: 90%."""
        return f"{self.levels[-1] - self.levels[0]:.0%}"

    def joined(self, values: FloatArray) -> FloatArray:
        """[Q, H + 1]: quantiles that fan out from the last close."""
        return np.insert(values, 0, self.last, axis=1).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where bar numbers and prices lie on the picture."""

    width: int
    height: int
    bars: int
    low: float
    high: float

    def x(self, number: float) -> float:
        return _LEFT + (number + 0.5) * (self.width - _LEFT - _RIGHT) / self.bars

    def y(self, price: float) -> float:
        share = (price - self.low) / (self.high - self.low)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)

    @property
    def step(self) -> float:
        return (self.width - _LEFT - _RIGHT) / self.bars


def fan_svg(fan: Fan, width: int, height: int, bars: int) -> str:
    """An SVG element of the last `bars` bars and the forecast, `width` by `height` units; it scales with the page."""
    history = fan.history.tail(bars)
    scale = _scale(fan, history, width, height)
    start = history.height - 1
    ahead = [start + step for step in range(len(fan.times) + 1)]
    label = f"Candlesticks of the last {history.height} bars and quantiles of the next {len(fan.times)}"
    parts = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">',
        *_price_axis(scale),
        *_time_axis(scale, [*history["time"].to_list(), *fan.times], start),
        *_bands(fan, scale, ahead),
        _line("naive", scale, ahead, fan.joined(fan.naive)[0]),
        _line("naive", scale, ahead, fan.joined(fan.naive)[-1]),
        _line("median", scale, ahead, fan.joined(fan.quantiles)[list(fan.levels).index(MEDIAN)]),
        f'<path class="now" d="M{scale.x(start + 0.5):.1f} {_TOP}V{height - _BOTTOM}"/>',
        *_candles(history, scale),
        *_told(fan, scale, ahead),
        "</svg>",
    ]
    return "\n".join(parts)


def _scale(fan: Fan, history: pl.DataFrame, width: int, height: int) -> _Scale:
    shown = [history["low"].min(), history["high"].max(), fan.quantiles.min(), fan.quantiles.max()]
    shown += [fan.naive.min(), fan.naive.max()]
    low, high = float(min(shown)), float(max(shown))
    room = (high - low) * 0.04 or abs(high) * 0.01 or 1.0
    return _Scale(width, height, history.height + len(fan.times), low - room, high + room)


def _price_axis(scale: _Scale) -> Iterator[str]:
    ticks = MaxNLocator(nbins=6).tick_values(scale.low, scale.high)
    inside = [tick for tick in ticks if scale.low <= tick <= scale.high]
    step = inside[1] - inside[0] if len(inside) > 1 else 1.0
    digits = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    for tick in inside:
        y = scale.y(tick)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{scale.width - _RIGHT}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,.{digits}f}</text>'


def _time_axis(scale: _Scale, times: Sequence[datetime], start: int) -> Iterator[str]:
    """Labels of the last known bar, of others before it at even distances, and of the last bar where there is room."""
    labels = time_labels(times)
    room = (len(labels[0]) + 3) * _CHARACTER
    every = max(1, int(np.ceil(room / scale.step)))
    y = scale.height - 10
    for number in range(start, -1, -every):
        if scale.x(number) >= _LEFT + room / 2 - 2 * _CHARACTER:
            yield f'<text x="{scale.x(number):.1f}" y="{y}" text-anchor="middle">{labels[number]}</text>'
    if scale.x(len(times) - 1) - scale.x(start) >= 1.4 * room:
        yield f'<text x="{scale.width - _RIGHT}" y="{y}" text-anchor="end">{labels[-1]}</text>'


def _bands(fan: Fan, scale: _Scale, ahead: Sequence[int]) -> Iterator[str]:
    """The intervals, one within the other."""
    values = fan.joined(fan.quantiles)
    for outer in range(len(fan.levels) // 2):
        upper = _points(scale, ahead, values[-1 - outer])
        lower = _points(scale, ahead[::-1], values[outer][::-1])
        yield f'<polygon class="band" points="{upper} {lower}"/>'


def _line(name: str, scale: _Scale, numbers: Sequence[int], values: FloatArray) -> str:
    return f'<polyline class="{name}" points="{_points(scale, numbers, values)}"/>'


def _points(scale: _Scale, numbers: Sequence[int], values: FloatArray) -> str:
    return " ".join(f"{scale.x(i):.1f},{scale.y(value):.1f}" for i, value in zip(numbers, values, strict=True))


def _candles(history: pl.DataFrame, scale: _Scale) -> Iterator[str]:
    """Bodies from open to close (filled where the price fell), wicks from low to high."""
    opened, high, low, close = (history[name].cast(pl.Float64).to_numpy() for name in ("open", "high", "low", "close"))
    wicks = "".join(
        f"M{scale.x(i):.1f} {scale.y(top):.1f}V{scale.y(bottom):.1f}"
        for i, (top, bottom) in enumerate(zip(high, low, strict=True))
    )
    yield f'<path class="wick" d="{wicks}"/>'
    width = max(scale.step * 0.64, 1.0)
    for i, (first, last) in enumerate(zip(opened, close, strict=True)):
        top, bottom = scale.y(max(first, last)), scale.y(min(first, last))
        kind = "rose" if last >= first else "fell"
        yield (
            f'<rect class="{kind}" x="{scale.x(i) - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{max(bottom - top, 0.8):.1f}"/>'
        )


def _told(fan: Fan, scale: _Scale, ahead: Sequence[int]) -> Iterator[str]:
    """A strip over each bar to come that tells its numbers when pointed at."""
    labels = time_labels(fan.times)
    for i, number in enumerate(ahead[1:]):
        told = f"{labels[i]}: " + ", ".join(
            f"{level:.0%} {value:.6g}" for level, value in zip(fan.levels, fan.quantiles[:, i], strict=True)
        )
        yield (
            f'<rect class="told" x="{scale.x(number) - scale.step / 2:.1f}" y="{_TOP}" width="{scale.step:.1f}" '
            f'height="{scale.height - _TOP - _BOTTOM}"><title>{html.escape(told)}</title></rect>'
        )
