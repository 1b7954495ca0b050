"""What every picture shares: the look, the colours, an axis of sessions without gaps, and how it is saved."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from matplotlib import rc_context, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from kronos_quant.files import write_aside

# Okabe and Ito's colours, told apart with every kind of colour vision; lines differ in dash and width as well
BLUE, ORANGE, VERMILION, GREEN, GREY = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#6E6E6E"

DOTS_PER_INCH = 130

LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a name is a dollar
}


def look() -> AbstractContextManager[None]:
    """Our look, on matplotlib's own defaults: other libraries set themes for the whole process."""
    return style.context(["default", LOOK])


def save_png(figure: Figure, path: Path) -> None:
    """Write the picture, whole or not at all."""
    with write_aside(path) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a name may hold signs that the font has not
        figure.savefig(partial, format="png", dpi=DOTS_PER_INCH)


def svg_of(figure: Figure) -> str:
    """The picture as an SVG element without references, the same text for the same figures. Needs `look`."""
    held = io.StringIO()
    with rc_context({"svg.hashsalt": "kronos-quant"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(held, format="svg", metadata={"Date": None})
    return without_references(held.getvalue())


def without_references(page: str) -> str:
    """A page that names no web address: its SVG pictures without document type, metadata and namespaces."""
    page = re.sub(r"<\?xml.*?\?>\s*", "", page, flags=re.DOTALL)
    page = re.sub(r"<!DOCTYPE svg.*?>\s*", "", page, flags=re.DOTALL)
    page = re.sub(r"<metadata>.*?</metadata>\s*", "", page, flags=re.DOTALL)
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", page)


def session_axis(axes: Axes, times: Sequence[date]) -> None:
    """Label an axis of bar numbers with the bars' times: nights and weekends take no room on it."""
    labels = time_labels(times)

    def label(position: float, _: int | None = None) -> str:
        number = round(position)
        return labels[number] if 0 <= number < len(labels) and abs(position - number) < 1e-6 else ""

    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(label))


def time_labels(times: Sequence[date]) -> list[str]:
    """'2024-06-18', or '06-18 11:15' where bars are shorter than a day."""
    within_days = any(isinstance(time, datetime) and (time.hour or time.minute) for time in times)
    return [f"{time:%m-%d %H:%M}" if within_days else f"{time:%Y-%m-%d}" for time in times]


def percent_axis(axes: Axes) -> None:
    """Show fractions as percent."""
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0))
