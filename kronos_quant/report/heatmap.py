"""Heat maps of a sweep: one figure over two settings, the mean over all others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from kronos_quant.arrays import FloatArray
from kronos_quant.report.canvas import look, save_png

LONG_NAMES = 40
"""Signs of all the names of columns, from which on they are written steeply."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure with a map of its own. form : of its cells; annual : whether of a year; low : whether low is good"""

    name: str
    label: str
    form: str
    annual: bool = True
    low: bool = False


SHOWN = (
    Shown("sharpe_ratio", "Sharpe ratio, annual", "{:.2f}"),
    Shown("annual_return", "annual return, after costs", "{:.1%}"),
    Shown("max_drawdown", "maximum drawdown", "{:.1%}", annual=False),
    Shown("annual_cost", "costs a year / account", "{:.1%}", low=True),
)

LUMINANCE = np.array([0.3, 0.59, 0.11])
"""How bright red, green and blue are to the eye."""

MOST_WRITTEN = 15
"""Rows and columns up to which cells hold their numbers."""

HOW_TO_READ = (
    "Yellow is good and dark is bad in every map. Each cell is the mean over the trials that share its two settings.\n"
    "An edge is a broad bright area: a single bright cell among dark neighbours is luck."
)


def heatmap_png(path: Path, trials: pl.DataFrame, rows: str, columns: str | None, title: str) -> None:
    """Write a picture with a map for each of SHOWN.

    trials : a row a trial, with its settings and figures; rows, columns : settings, columns None for one row of cells
    """
    years = trials["sessions_per_year"].drop_nulls().unique().to_list() if "sessions_per_year" in trials.columns else []
    of_a_year = f" ({years[0]:g} sessions a year)" if len(years) == 1 else ""
    with look():
        figure = Figure(figsize=(11, 8), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        figure.supxlabel(HOW_TO_READ, x=0.01, ha="left", fontsize=9.5, color="#444444")
        for place, one in enumerate(SHOWN):
            axes = figure.add_subplot(2, 2, place + 1)
            axes.set_title(one.label + (of_a_year if one.annual else ""))
            axes.set_ylabel(rows)
            axes.set_xlabel(columns or "")
            _map(axes, one, *table_of(trials, one.name, rows, columns))
        save_png(figure, path)


def _map(axes: Axes, one: Shown, cells: FloatArray, row_names: list[str], column_names: list[str]) -> None:
    image = axes.imshow(cells, aspect="auto", cmap="viridis_r" if one.low else "viridis")
    axes.grid(visible=False)
    axes.set_yticks(range(len(row_names)), row_names)
    steep = 45 if sum(map(len, column_names)) > LONG_NAMES else 0
    axes.set_xticks(range(len(column_names)), column_names, rotation=steep)
    if max(cells.shape) <= MOST_WRITTEN:
        light = image.to_rgba(cells)[..., :3] @ LUMINANCE > 0.5
        for (i, j), value in np.ndenumerate(cells):
            if np.isfinite(value):
                colour = "black" if light[i, j] else "white"
                axes.text(j, i, one.form.format(value), ha="center", va="center", color=colour, fontsize=8)
    bar = axes.figure.colorbar(image, ax=axes)
    if "%" in one.form:
        bar.ax.yaxis.set_major_formatter(PercentFormatter(xmax=1.0))


def table_of(
    trials: pl.DataFrame, name: str, rows: str, columns: str | None
) -> tuple[FloatArray, list[str], list[str]]:
    """Means of a figure f64[rows, columns] over two settings, NaN where there is no trial, and the settings' values."""
    across = pl.lit("") if columns is None else pl.col(columns)
    means = trials.group_by(pl.col(rows).alias("row"), across.alias("column")).agg(pl.col(name).mean().alias("mean"))
    row_values = means["row"].unique().sort().to_list()
    column_values = means["column"].unique().sort().to_list()
    cells = np.full((len(row_values), len(column_values)), np.nan)
    for row, column, mean in means.iter_rows():
        cells[row_values.index(row), column_values.index(column)] = np.nan if mean is None else mean
    return cells, [named(value) for value in row_values], [named(value) for value in column_values]


def named(value: object) -> str:
    """A setting's value as a strategy file has it."""
    return "null" if value is None else str(value)
