"""Charts that a page draws in the browser: what they show, as numbers, and in words for those who cannot see them.

The colours are names of variables of the page's style sheet. Shape letter: T places on the horizontal axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from scipy.stats import norm

from kronos_quant.arrays import FloatArray
from kronos_quant.charts.canvas import Hue
from kronos_quant.charts.performance import (
    TURNOVER,
    AccountCurves,
    ExposureCurves,
    bin_count,
    growth_of,
    relative_growth,
)
from kronos_quant.stats.performance import drawdowns

Unit = Literal["percent", "number", "count", "money"]
Shape = Literal["line", "area", "step", "bar"]

DIGITS = 6
"""Significant ones of a value in a page."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One series of a panel. values : f64[T], NaN where there is none"""

    name: str
    values: FloatArray
    hue: Hue = Hue.BLUE
    dash: Literal["solid", "dashed", "dotted"] = "solid"
    shape: Shape = "line"
    width: float = 1.6

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return {
            "name": self.name,
            "values": [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in self.values],
            "hue": self.hue.name.lower(),
            "dash": self.dash,
            "shape": self.shape,
            "width": self.width,
        }


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """Curves that share a vertical axis. height : pixels; from_zero : whether the axis contains 0"""

    title: str
    unit: Unit
    curves: tuple[Curve, ...]
    height: int = 200
    from_zero: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        curves = [curve.as_dict() for curve in self.curves]
        axis = {"unit": self.unit, "height": self.height, "from_zero": self.from_zero}
        return {"title": self.title, "curves": curves} | axis


@dataclass(frozen=True, slots=True)
class InteractiveChart:
    """Panels below each other over the same places.

    places : T labels, in order; label : what the chart shows, in words; zoomed : whether a part of the places can be
    chosen, together with all other charts of the page that can; sideways : bars from left to right, a place a line
    """

    places: tuple[str, ...]
    panels: tuple[ChartPanel, ...]
    label: str
    zoomed: bool = True
    sideways: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For the page, as JSON."""
        panels = [panel.as_dict() for panel in self.panels]
        return {"places": self.places, "panels": panels, "zoomed": self.zoomed, "sideways": self.sideways}


def growth_chart(curves: AccountCurves) -> InteractiveChart:
    """Growth of portfolio and benchmark; every curve begins at the close of the first session."""
    shown = [
        Curve("portfolio, after costs", growth_of(curves.returns), width=2.0),
        Curve("portfolio, before costs", growth_of(curves.gross_returns), dash="dotted", width=1.2),
    ]
    if curves.benchmark_returns is not None:
        grown = growth_of(curves.benchmark_returns)
        shown.append(Curve(curves.benchmark_label, grown, Hue.ORANGE, "dashed"))
    ends = "; ".join(f"{curve.name} {_percent(curve.values[-1])}" for curve in shown)
    label = f"Line chart: growth since the start, {_period(curves.dates)}. At the end: {ends}."
    panel = ChartPanel("Growth since the start", "percent", tuple(shown), 240)
    return InteractiveChart(place_labels(curves.dates), (panel,), label)


def drawdown_chart(curves: AccountCurves) -> InteractiveChart:
    """Drawdowns, and the excess over the benchmark; without one, what costs took."""
    fallen = [Curve("portfolio, after costs", drawdowns(curves.returns), shape="area", width=1.2)]
    other = curves.gross_returns if curves.benchmark_returns is None else curves.benchmark_returns
    excess = [Curve("after costs", relative_growth(curves.returns, other), Hue.GREEN)]
    if curves.benchmark_returns is None:
        title = "Cost drag: growth after relative to before costs"
    else:
        title = f"Excess: growth relative to {curves.benchmark_name or 'the benchmark'}"
        fallen.append(
            Curve(curves.benchmark_label, drawdowns(curves.benchmark_returns), Hue.ORANGE, "dashed", width=1.2)
        )
        before = relative_growth(curves.gross_returns, other)
        excess.append(Curve("before costs", before, Hue.GREEN, "dotted", width=1.0))
    depths = "; ".join(f"{curve.name} {_percent(_lowest(curve.values))}" for curve in fallen)
    label = (
        f"Line charts: drawdown, {_period(curves.dates)}, deepest: {depths}. {title}, at the end "
        f"{_percent(excess[0].values[-1])}."
    )
    panels = (
        ChartPanel("Drawdown: loss from the highest value so far", "percent", tuple(fallen), 150),
        ChartPanel(title, "percent", tuple(excess), 150),
    )
    return InteractiveChart(place_labels(curves.dates), panels, label)


def exposure_chart(curves: ExposureCurves) -> InteractiveChart:
    """Exposure and cash, number of holdings, and turnover."""
    share = [Curve("gross", curves.gross), Curve("cash", curves.cash, Hue.ORANGE, "dashed")]
    if curves.two_sided:
        share.insert(1, Curve("net", curves.net, Hue.GREEN, "dotted"))
    means = "; ".join(f"{curve.name} {_mean(curve.values):.1%}" for curve in share)
    panels = (
        ChartPanel("Exposure, share of the account", "percent", tuple(share), 150, from_zero=True),
        ChartPanel("Holdings", "count", (Curve("holdings", curves.holdings, Hue.GREY, shape="step"),), 90, True),
        ChartPanel(TURNOVER, "percent", (Curve("turnover", curves.turnover, Hue.VERMILION, width=1.0),), 90, True),
    )
    label = (
        f"Line charts, {_period(curves.dates)}, means: {means} of the account; {_mean(curves.holdings):.1f} holdings; "
        f"turnover {_mean(curves.turnover):.1%} per session."
    )
    return InteractiveChart(place_labels(curves.dates), panels, label)


def rolling_chart(
    dates: Sequence[date], series: Mapping[str, FloatArray], window: int, percent: Sequence[str]
) -> InteractiveChart:
    """Figures of every window of sessions, see `rolling_figure`; before the first whole one there is none.

    Parameters
    ----------
    dates
        The T sessions.
    series
        Title of the panel -> f64[T - window + 1].
    window
        Sessions of a window.
    percent
        Titles of those that are fractions.
    """
    panels, words = [], []
    for title, values in series.items():
        unit: Unit = "percent" if title in percent else "number"
        whole = np.concatenate([np.full(len(dates) - len(values), np.nan), values])
        panels.append(ChartPanel(f"{title}, over {window} sessions", unit, (Curve(title, whole),), 120))
        form = "{:.1%}" if title in percent else "{:.2f}"
        known = values[np.isfinite(values)]
        words.append(f"{title} from {form.format(known.min())} to {form.format(known.max())}")
    label = f"Line charts over windows of {window} sessions, {_period(dates)}: {'; '.join(words)}."
    return InteractiveChart(place_labels(dates), tuple(panels), label)


def distribution_chart(returns: FloatArray) -> InteractiveChart:
    """Histogram of returns f64[T] and the normal distribution with their mean and standard deviation."""
    counts, edges = np.histogram(returns, bins=bin_count(returns))
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    middle = (edges[1:] + edges[:-1]) / 2
    expected = norm.pdf(middle, mean, spread) * len(returns) * (edges[1] - edges[0])
    places = tuple(f"{low:.2%} to {high:.2%}" for low, high in pairwise(edges))
    shown = (
        Curve("sessions", counts.astype(np.float64), shape="bar"),
        Curve("normal, same mean and deviation", expected, Hue.GREY),
    )
    label = (
        f"Histogram of {len(returns):,} session returns after costs: mean {mean:+.3%}, standard deviation "
        f"{spread:.2%}, from {returns.min():+.2%} to {returns.max():+.2%}."
    )
    panel = ChartPanel("Sessions by return, after costs", "count", shown, from_zero=True)
    return InteractiveChart(places, (panel,), label, zoomed=False)


def place_labels(dates: Iterable[object]) -> tuple[str, ...]:
    """Sessions as labels of places."""
    return tuple(str(day) for day in dates)


def _period(dates: Sequence[date]) -> str:
    return f"{dates[0]} to {dates[-1]}"


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _lowest(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.min()) if len(known) else math.nan


def _percent(value: float) -> str:
    return f"{value:+.1%}" if math.isfinite(value) else "not determined"
