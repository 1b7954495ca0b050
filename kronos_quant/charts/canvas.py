"""What every chart shares: the look, the colours, axes whose labels are exact, and how a figure becomes PNG or SVG.

Figures are made without pyplot: nothing is kept in global state, no window opens, and other libraries' themes do not
reach them. Functions that draw are wrapped in `drawn`.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np
from matplotlib import rc_context, style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter

from kronos_quant.files import write_aside


class Hue(StrEnum):
    """Okabe and Ito's colours, distinct with every kind of colour vision, and those of text, grid and ground.

    On a page each is the style sheet's variable of its name, in light and in dark.
    """

    BLUE = "#0072b2"
    ORANGE = "#e69f00"
    VERMILION = "#d55e00"
    GREEN = "#009e73"
    GREY = "#6e6e6e"
    INK = "#333333"
    GRID = "#e3e3e3"
    PAPER = "#ffffff"


WHITE, BLACK = "#fefefe", "#010101"
"""Of labels on coloured cells, which stay as they are on a dark page."""

WIDE, NARROW = 10.0, 4.6
"""Inches: of a figure across a page, and of one across a phone."""

DOTS_PER_INCH = 130

LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": Hue.INK,
    "axes.labelcolor": Hue.INK,
    "axes.edgecolor": Hue.INK,
    "axes.facecolor": Hue.PAPER,
    "figure.facecolor": Hue.PAPER,
    "text.color": Hue.INK,
    "xtick.color": Hue.INK,
    "ytick.color": Hue.INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": Hue.GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a name is a dollar
}

P = ParamSpec("P")


class Chart(Figure):
    """A figure that shows itself in a notebook, whether or not pyplot was imported there."""

    def _repr_png_(self) -> bytes:
        return figure_png(self)


def look() -> AbstractContextManager[None]:
    """Our look, on matplotlib's own defaults: other libraries set themes for the whole process."""
    return style.context(["default", LOOK])


def drawn(draw: Callable[P, Chart]) -> Callable[P, Chart]:
    """Make a function that draws use our look."""

    @wraps(draw)
    def with_look(*arguments: P.args, **options: P.kwargs) -> Chart:
        with look():
            return draw(*arguments, **options)

    return with_look


def figure_png(figure: Figure) -> bytes:
    """The figure as PNG."""
    held = io.BytesIO()
    with look(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name may hold signs that the font lacks
        figure.savefig(held, format="png", dpi=DOTS_PER_INCH)
    return held.getvalue()


def write_png(path: Path, figure: Figure) -> None:
    """Write the figure as PNG, whole or not at all."""
    picture = figure_png(figure)
    with write_aside(path) as partial:
        partial.write_bytes(picture)


def figure_svg(figure: Figure, label: str) -> str:
    """The figure as an SVG element for a page, the same text for the same figure.

    Its colours are variables of the page's style sheet and its ground is transparent, so that it can be read on a
    light and on a dark page; it names no web address. label : what it shows, in words, for those who cannot see it
    """
    held = io.StringIO()
    with look(), rc_context({"svg.hashsalt": "kronos-quant"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(held, format="svg", metadata={"Date": None}, transparent=True)
    svg = without_references(held.getvalue())
    for colour in Hue:
        svg = svg.replace(colour, f"var(--{colour.name.lower()})")
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]).replace("\n", ""), svg)
    name = re.sub(r"[<>&\"']", " ", label)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


def without_references(svg: str) -> str:
    """An SVG picture without document type, metadata and namespaces, which name web addresses."""
    svg = re.sub(r"<\?xml.*?\?>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!DOCTYPE svg.*?>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)


class StepFormatter(Formatter):
    """Labels with as many digits as the step between them needs: 10.15, 10.30, 10.45.

    factor, unit : 100 and "%" show fractions as percent
    """

    def __init__(self, factor: float = 1.0, unit: str = "") -> None:
        self.factor, self.unit = factor, unit
        self.set_locs([])

    def set_locs(self, locs: Any) -> None:
        """Keep the ticks that are to be labelled."""
        self.digits = step_digits(np.asarray(locs, dtype=np.float64) * self.factor)

    def __call__(self, value: float, position: int | None = None) -> str:
        """The label of a value."""
        text = f"{value * self.factor:,.{self.digits}f}"
        return (text.removeprefix("-") if float(text.replace(",", "")) == 0 else text) + self.unit


def step_digits(ticks: np.ndarray) -> int:
    """Decimals with which evenly spaced ticks are written exactly, 12 at most."""
    steps = np.diff(np.unique(ticks))
    if not len(steps):
        return 0 if not len(ticks) or float(ticks[0]).is_integer() else 2
    step = float(steps.min())
    first = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    for digits in range(first, min(first + 4, 13)):
        if np.allclose(np.round(ticks, digits), ticks, rtol=0, atol=step * 1e-6):
            return digits
    return min(first + 1, 12)


def value_axis(axis: Axis) -> None:
    """Label an axis with plain numbers, without a common offset or factor."""
    axis.set_major_formatter(StepFormatter())


def percent_axis(axis: Axis) -> None:
    """Label an axis of fractions in percent."""
    axis.set_major_formatter(StepFormatter(100.0, "%"))


def session_axis(axes: Axes, times: Sequence[date], width: float) -> None:
    """Label an axis of bar numbers with the bars' times, the first and the last too: nights take no room on it."""
    spread = np.linspace(0, len(times) - 1, label_count(width) if times else 0)
    places = sorted({round(place) for place in spread})
    labels = time_labels(times)
    axes.set_xticks(places, [labels[place] for place in places])


def label_count(width: float) -> int:
    """How many dates fit below a figure of so many inches."""
    return 7 if width > NARROW else 3


def time_labels(times: Sequence[date]) -> list[str]:
    """'2024-06-18', or '06-18 11:15' where bars are shorter than a day."""
    within_days = any(isinstance(time, datetime) and (time.hour or time.minute) for time in times)
    return [f"{time:%m-%d %H:%M}" if within_days else f"{time:%Y-%m-%d}" for time in times]
