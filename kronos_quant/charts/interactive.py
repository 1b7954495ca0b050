"""Charts that a page draws in the browser: what they show, as numbers, and in words for those who cannot see them.

The colours are names of variables of the page's style sheet. Shape letter: T places on the horizontal axis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.charts.canvas import Hue
from kronos_quant.charts.performance import AccountCurves, growth_of, relative_growth
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
    """Curves that share a vertical axis. height : pixels"""

    title: str
    unit: Unit
    curves: tuple[Curve, ...]
    height: int = 200


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
        panels = [
            {"title": one.title, "unit": one.unit, "height": one.height, "curves": [c.as_dict() for c in one.curves]}
            for one in self.panels
        ]
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


def place_labels(dates: Iterable[object]) -> tuple[str, ...]:
    """Sessions as labels of places."""
    return tuple(str(day) for day in dates)


def _period(dates: Sequence[object]) -> str:
    return f"{dates[0]} to {dates[-1]}"


def _lowest(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.min()) if len(known) else math.nan


def _percent(value: float) -> str:
    return f"{value:+.1%}" if math.isfinite(value) else "not determined"
