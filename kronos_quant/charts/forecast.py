"""Charts of bars: a forecast's candlesticks and fan of quantiles, and small pictures of bars with some marked.

Shape letters: H horizon, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from kronos_quant.arrays import FloatArray
from kronos_quant.charts.canvas import NARROW, WIDE, Chart, Hue, drawn, label_count, time_labels, value_axis

MEDIAN = 0.5
BODY_WIDTH = 0.64
"""Width of a candlestick's body, bars."""
BARS_ON_A_PHONE = 36
"""Bars of history in a narrow picture."""


@dataclass(frozen=True, slots=True)
class Fan:
    """What a forecast's picture shows: the last bars of one symbol, and quantiles of the closes to come.

    history : schema.BARS, ascending, at least one bar; times : H end stamps; levels : Q ascending, 0.5 in the middle
    quantiles, naive : [Q, H], of the close and of a random walk (None draws none)
    realised : schema.BARS that followed, as far as known; None or empty of a forecast of the future
    """

    history: pl.DataFrame
    times: Sequence[datetime]
    levels: Sequence[float]
    quantiles: FloatArray
    naive: FloatArray | None = None
    realised: pl.DataFrame | None = None

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


@drawn
def forecast_figure(fan: Fan, title: str = "", width: float = 11.0) -> Chart:
    """The last bars as candlesticks, then the forecast's quantiles and those of a naive random walk.

    Parameters
    ----------
    fan
        What is drawn; bars that followed are drawn as candlesticks too, where they are known.
    title, width
        Of the figure; width in inches.
    """
    narrow = width <= NARROW
    figure = Chart(figsize=(width, 5.4 if narrow else 5.2), layout="constrained")
    axes = figure.subplots()
    history = fan.history.tail(BARS_ON_A_PHONE) if narrow else fan.history
    start = history.height - 1
    ahead = np.arange(start, start + len(fan.times) + 1)
    _candlesticks(axes, history, np.arange(history.height), Hue.INK)
    _fan(axes, ahead, fan)
    if fan.naive is not None:
        _naive_band(axes, ahead, fan.joined(fan.naive), fan)
    if fan.realised is not None and fan.realised.height:
        place = {time: start + 1 + step for step, time in enumerate(fan.times)}
        realised = fan.realised.filter(pl.col("time").is_in(list(place)))
        _candlesticks(axes, realised, np.array([place[time] for time in realised["time"]]), Hue.ORANGE, "realised bars")
    axes.axvline(start + 0.5, color=Hue.GREY, linewidth=0.8)
    _time_axis(axes, [*history["time"].to_list(), *fan.times], start, label_count(width))
    value_axis(axes.yaxis)
    if title:
        axes.set_title(title, fontsize=12, fontweight="bold")
    axes.set_ylabel("price")
    axes.set_xlabel("end of bar")
    figure.legend(loc="outside lower center", ncols=1 if narrow else 3)
    return figure


def _time_axis(axes: Axes, times: Sequence[datetime], start: int, labels: int) -> None:
    """Label the last known bar (`start`) and the last bar, and others before them at even distances."""
    every, last = -(-len(times) // labels), len(times) - 1
    crowded = last - start < 0.8 * every
    before = [place for place in range(start - every, -1, -every)[::-1] if not crowded or place <= start - 2 * every]
    places = [*before, start, last]
    names = axes.set_xticks(places, [time_labels(times)[place] for place in places])
    if (
        crowded
    ):  # they would overlap: one stands to the left of its bar, in the room of the label before, the other right
        names[-2].label1.set_horizontalalignment("right")
        names[-1].label1.set_horizontalalignment("left")
    axes.grid(axis="x", visible=False)
    axes.set_xlim(-1, len(times))


def _candlesticks(axes: Axes, bars: pl.DataFrame, number: np.ndarray, colour: str, label: str = "") -> None:
    """Bodies from open to close (filled where the price fell), wicks from low to high."""
    low, high, opened, closed = (bars[name].cast(pl.Float64).to_numpy() for name in ("low", "high", "open", "close"))
    axes.vlines(number, low, high, color=colour, linewidth=0.8, label=label)
    for rose, fill in ((True, Hue.PAPER), (False, colour)):
        chosen = (closed >= opened) == rose
        axes.bar(
            number[chosen],
            np.abs(closed - opened)[chosen],
            bottom=np.minimum(opened, closed)[chosen],
            width=BODY_WIDTH,
            color=fill,
            edgecolor=colour,
            linewidth=0.8,
            zorder=3 if label else 2,
        )


def _fan(axes: Axes, ahead: np.ndarray, fan: Fan) -> None:
    """The forecast: intervals as shades, one within the other, and the median as a line."""
    values, levels = fan.joined(fan.quantiles), fan.levels
    for outer in range(len(levels) // 2):
        label = f"forecast, {levels[-1 - outer] - levels[outer]:.0%} interval"
        axes.fill_between(
            ahead, values[outer], values[-1 - outer], color=Hue.BLUE, alpha=0.2 + 0.15 * outer, linewidth=0, label=label
        )
    axes.plot(ahead, values[list(levels).index(MEDIAN)], color=Hue.BLUE, linewidth=2.0, label="forecast, median")


def _naive_band(axes: Axes, ahead: np.ndarray, values: FloatArray, fan: Fan) -> None:
    """The widest interval of the random walk, by its edges, and its median: what a forecast has to be better than."""
    label = f"random walk, {fan.interval} interval"
    for edge, name in ((values[0], label), (values[-1], None)):
        axes.plot(ahead, edge, color=Hue.VERMILION, linewidth=1.2, linestyle="--", label=name)
    middle = values[list(fan.levels).index(MEDIAN)]
    axes.plot(ahead, middle, color=Hue.VERMILION, linewidth=1.0, linestyle=":", label="random walk, median")


@drawn
def bars_figure(bars: pl.DataFrame, marked: Sequence[float]) -> Chart:
    """A small picture of the bars, oldest left: range and close above, volume below.

    bars : schema.BARS of one symbol, ascending, at least one. marked : numbers of the bars to point at; one between
    two bars (3.5) is where a bar was refused or is missing.
    """
    figure = Chart(figsize=(WIDE / 3, 1.7), layout="constrained")
    prices, volumes = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    low, high, close, volume = (bars[name].cast(pl.Float64).to_numpy() for name in ("low", "high", "close", "volume"))
    number = np.arange(bars.height)
    prices.vlines(number, low, high, color=Hue.GREY, linewidth=1.0)
    prices.plot(number, close, color=Hue.BLUE, linewidth=1.3, marker="o" if bars.height == 1 else "")
    volumes.vlines(number, 0, volume, color=Hue.GREY, linewidth=1.6)
    for axes in (prices, volumes):
        for place in marked:
            axes.axvspan(place - 0.5, place + 0.5, color=Hue.VERMILION, alpha=0.3, linewidth=0)
        axes.set_xlim(-1, bars.height)
    value_axis(prices.yaxis)
    prices.tick_params(labelsize=8)
    volumes.set_ylim(bottom=0)
    volumes.set_xticks([])
    volumes.set_yticks([])
    return figure
