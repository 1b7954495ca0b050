"""Charts of a signal's evaluation: rank IC over time, against baselines and by horizon; calibration; scores.

Shape letters: T dates, Q quantile levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from kronos_quant.arrays import FloatArray
from kronos_quant.charts.canvas import NARROW, WIDE, Chart, Hue, drawn, percent_axis, session_axis, value_axis
from kronos_quant.charts.performance import zero_line
from kronos_quant.stats.intervals import MeanInterval

ROLLING = 20
"""Dates of the moving mean of the rank IC."""
LARGEST_DOT = 260.0
"""Area of the dot that holds all forecasts of the reliability picture."""
SERIES = ((Hue.BLUE, "o"), (Hue.GREY, "s"), (Hue.ORANGE, "D"), (Hue.VERMILION, "^"))
"""Colour and marker of each contender."""


@drawn
def rank_ic_figure(
    times: Sequence[date], values: FloatArray, mean: MeanInterval, unit: str = "date", width: float = WIDE
) -> Chart:
    """Rank IC of each date, its moving mean up to the last known one, and the mean of all with its interval.

    Parameters
    ----------
    times : Sequence[date]
        The T dates or end stamps.
    values : FloatArray
        f64[T], NaN where a date has none.
    mean : MeanInterval
        Of all dates.
    unit : str
        What a date is called: "date" or "moment".
    width : float
        Inches.
    """
    moving = pl.Series(values).fill_nan(None).rolling_mean(ROLLING, min_samples=ROLLING // 2).to_numpy()
    known = np.flatnonzero(np.isfinite(values))
    moving = moving[: known[-1] + 1 if known.size else 0]
    figure = Chart(figsize=(width, 3.6 if width > NARROW else 4.2), layout="constrained")
    axes = figure.subplots()
    axes.bar(np.arange(len(values)), values, color=Hue.GREY, alpha=0.45, width=0.9, linewidth=0, label=f"one {unit}")
    axes.plot(np.arange(len(moving)), moving, color=Hue.BLUE, linewidth=1.6, label=f"mean of {ROLLING} {unit}s")
    if mean.known:
        axes.axhspan(mean.low, mean.high, color=Hue.ORANGE, alpha=0.3, linewidth=0, label="95% CI of the mean")
    axes.axhline(mean.mean, color=Hue.ORANGE, linewidth=1.6, linestyle="--", label=f"mean of all: {mean.mean:+.3f}")
    zero_line(axes)
    session_axis(axes, times, width)
    value_axis(axes.yaxis)
    axes.set_ylabel("rank IC")
    figure.legend(loc="outside lower center", ncols=4 if width > NARROW else 2)
    return figure


@drawn
def interval_figure(
    rows: Sequence[tuple[str, MeanInterval]], *, marked: bool = True, width: float = 5.2, label: str = "mean rank IC"
) -> Chart:
    """One row a mean: a dot with its interval; an open dot has too few dates for one.

    Parameters
    ----------
    rows : Sequence[tuple[str, MeanInterval]]
        Name and mean.
    marked : bool
        Whether the first row is set off.
    width : float
        Inches.
    label : str
        Of the axis.
    """
    figure = Chart(figsize=(width, 0.9 + 0.4 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, (_, found) in enumerate(rows):
        _dot(axes, found, place, Hue.BLUE if marked and place == 0 else Hue.INK, upright=False)
    axes.axvline(0, color=Hue.VERMILION, linewidth=1.0)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6 if width > NARROW else 4))
    value_axis(axes.xaxis)
    axes.set_xlabel(label)
    return figure


@drawn
def decay_figure(found: Mapping[int, MeanInterval], horizon: int, unit: str = "session") -> Chart:
    """The rank IC at each horizon, that of the forecast set off.

    Parameters
    ----------
    found
        Horizon -> mean rank IC.
    horizon
        That of the forecast.
    unit
        What horizons are counted in.
    """
    figure = Chart(figsize=(5.0, 3.3), layout="constrained")
    axes = figure.subplots()
    for place, (bars, interval) in enumerate(found.items()):
        _dot(axes, interval, place, Hue.BLUE if bars == horizon else Hue.INK, upright=True)
    axes.axhline(0, color=Hue.VERMILION, linewidth=1.0)
    axes.set_xticks(range(len(found)), [str(bars) for bars in found])
    axes.set_xlabel(f"horizon, {unit}s (main horizon: {horizon})")
    axes.set_ylabel("mean rank IC")
    value_axis(axes.yaxis)
    return figure


def _dot(axes: Axes, found: MeanInterval, place: int, colour: str, *, upright: bool) -> None:
    def points(values: list[float]) -> tuple[list[float], list[float]]:
        places = [float(place)] * len(values)
        return (places, values) if upright else (values, places)

    if found.known:
        axes.plot(*points([found.low, found.high]), color=colour, linewidth=2.2)
    fill = colour if found.known else Hue.PAPER
    axes.plot(*points([found.mean]), marker="o", markersize=7, color=colour, markerfacecolor=fill)


@drawn
def quintile_figure(groups: Sequence[MeanInterval], horizon: str) -> Chart:
    """Return of each quintile of the symbols by score, in excess of the mean of all. horizon : "5 sessions"."""
    figure = Chart(figsize=(5.0, 3.3), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(groups)), [group.mean for group in groups], color=Hue.BLUE, alpha=0.75, width=0.7, linewidth=0)
    for place, group in enumerate(groups):
        if group.known:
            axes.plot([place, place], [group.low, group.high], color=Hue.INK, linewidth=1.6)
    zero_line(axes)
    names = ["bottom", *("" for _ in groups[2:]), "top"]
    axes.set_xticks(range(len(groups)), [f"{place}\n{name}" for place, name in enumerate(names, start=1)])
    axes.set_xlabel("quintile of the symbols by score")
    axes.set_ylabel(f"return over {horizon}\nin excess of the mean")
    percent_axis(axes.yaxis)
    return figure


@drawn
def coverage_figure(coverage: Mapping[str, Mapping[float, MeanInterval]]) -> Chart:
    """Share of outcomes inside the intervals against their nominal level, by contender."""
    figure = Chart(figsize=(4.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for (name, found), (colour, marker) in zip(coverage.items(), SERIES, strict=False):
        held = [interval.mean for interval in found.values()]
        axes.plot(list(found), held, color=colour, marker=marker, markersize=7, linewidth=1.4, label=name)
    _diagonal(axes)
    axes.set_xlabel("nominal coverage of the interval")
    axes.set_ylabel("observed coverage")
    axes.legend(loc="upper left")
    return figure


@drawn
def coverage_by_bar_figure(coverage: Mapping[str, Sequence[float]], unit: str = "session") -> Chart:
    """Share of outcomes inside the 90% intervals of every bar up to the horizon, by contender."""
    figure = Chart(figsize=(4.8, 3.6), layout="constrained")
    axes = figure.subplots()
    for (name, held), (colour, marker) in zip(coverage.items(), SERIES, strict=False):
        if held:
            axes.plot(range(1, len(held) + 1), held, color=colour, marker=marker, markersize=6, label=name)
    axes.axhline(0.9, color=Hue.VERMILION, linewidth=1.2, linestyle="--", label="nominal")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    axes.set_ylim(0, 1)
    percent_axis(axes.yaxis)
    axes.set_xlabel(f"{unit}s ahead")
    axes.set_ylabel("coverage of the 90% interval")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@drawn
def pit_figure(shares: FloatArray, edges: FloatArray) -> Chart:
    """Density of outcomes over the forecast's probability range: 1 everywhere is a calibrated forecast.

    shares : f64[Q + 1], of the outcomes between neighbouring edges f64[Q + 2]
    """
    figure = Chart(figsize=(4.8, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.stairs(shares / np.diff(edges), edges, fill=True, color=Hue.BLUE, alpha=0.75)
    axes.axhline(1, color=Hue.VERMILION, linewidth=1.2, linestyle="--", label="calibrated forecast")
    percent_axis(axes.xaxis)
    value_axis(axes.yaxis)
    axes.set_xlabel("quantile of the forecast at the outcome")
    axes.set_ylabel("observed / expected outcomes")
    figure.legend(loc="outside lower center")
    return figure


@drawn
def reliability_figure(forecast: FloatArray, rose: FloatArray, count: FloatArray) -> Chart:
    """Observed frequency of a rise by the forecast probability of one; the area of a dot is its count.

    Parameters
    ----------
    forecast, rose, count
        float64[K] of each bin: mean forecast probability, observed frequency, and number of forecasts.
    """
    figure = Chart(figsize=(4.4, 4.0), layout="constrained")
    axes = figure.subplots()
    there = count > 0
    size = LARGEST_DOT * count[there] / count.sum()
    axes.plot(forecast[there], rose[there], color=Hue.BLUE, linewidth=1.0, alpha=0.6)
    axes.scatter(forecast[there], rose[there], s=np.maximum(size, 12), color=Hue.BLUE)
    _diagonal(axes)
    axes.set_xlabel("forecast probability of a rise")
    axes.set_ylabel("observed frequency of a rise")
    return figure


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=Hue.VERMILION, linewidth=1.2, linestyle="--", zorder=0)
    for axis, bounds in ((axes.xaxis, axes.set_xlim), (axes.yaxis, axes.set_ylim)):
        bounds(0, 1)
        percent_axis(axis)


@drawn
def scores_figure(times: Sequence[date], scored: FloatArray, quantiles: FloatArray, width: float = WIDE) -> Chart:
    """Scores by date: their median and spread, and how many symbols have one.

    Parameters
    ----------
    times : Sequence[date]
        The T dates.
    scored : FloatArray
        f64[T], symbols with a score.
    quantiles : FloatArray
        f64[5, T]: the 5, 25, 50, 75 and 95% quantiles over the symbols.
    width : float
        Inches.
    """
    figure = Chart(figsize=(width, 5.0), layout="constrained")
    spread, number = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    places = np.arange(len(times))
    marker = "o" if len(times) == 1 else ""
    for outer, label in ((0, "5% to 95% of the symbols"), (1, "25% to 75%")):
        spread.fill_between(
            places, quantiles[outer], quantiles[-1 - outer], color=Hue.BLUE, alpha=0.2 + 0.15 * outer, lw=0, label=label
        )
    spread.plot(places, quantiles[2], color=Hue.BLUE, linewidth=1.6, marker=marker, label="median")
    zero_line(spread)
    spread.set_ylabel("score")
    spread.legend(loc="best", ncols=3 if width > NARROW else 1)
    number.bar(places, scored, color=Hue.GREY, width=0.9, linewidth=0)
    number.set_ylabel("symbols scored")
    value_axis(spread.yaxis)
    value_axis(number.yaxis)
    session_axis(number, times, width)
    return figure
