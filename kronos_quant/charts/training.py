"""Charts of many runs of one thing: the losses of a training, and maps of a sweep's figures over its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes

from kronos_quant.arrays import FloatArray
from kronos_quant.charts.canvas import BLACK, NARROW, WHITE, Chart, Hue, drawn, percent_axis, value_axis
from kronos_quant.display import setting_text

FEW_POINTS = 40
"""Up to so many points are marked one by one."""

LONG_NAMES = 40
"""Signs of all the names of columns, from which on they are written steeply."""

LUMINANCE = np.array([0.3, 0.59, 0.11])
"""How bright red, green and blue are to the eye."""

MOST_WRITTEN = 15
"""Rows and columns up to which cells hold their numbers."""

Rows = Sequence[Mapping[str, Any]]


@drawn
def loss_figure(rows: Rows, title: str = "Training") -> Chart:
    """Train and validation loss by step, one panel a phase, and the error of the decoded forecasts in another.

    rows : of a training log; `phase`, `split` (train or val, an epoch each; step, some steps each), `step`, `loss`,
    and where forecasts were decoded `mae` and `naive_mae`; one without a loss is of what the training started from.
    Steps count on through the epochs.
    """
    phases = list(dict.fromkeys(row["phase"] for row in rows if "loss" in row))
    decoded = [row for row in rows if row.get("mae") is not None]
    count = len(phases) + bool(decoded)
    figure = Chart(figsize=(max(6.0, 5.5 * count), 4.2), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    panels = figure.subplots(1, max(1, count), squeeze=False)[0]
    for axes, phase in zip(panels, phases, strict=False):
        _loss_panel(axes, phase, [row for row in rows if row["phase"] == phase])
    if decoded:
        _error_panel(panels[-1], decoded)
    if not count:
        panels[0].set_axis_off()
        panels[0].text(0.5, 0.5, "nothing was trained", ha="center", va="center", transform=panels[0].transAxes)
    return figure


def _loss_panel(axes: Axes, phase: str, rows: Rows) -> None:
    steps, train, val = (
        [(row["step"], row["loss"]) for row in rows if row["split"] == split] for split in ("step", "train", "val")
    )
    if steps:
        axes.plot(*zip(*steps, strict=True), color=Hue.GREY, linewidth=0.6, alpha=0.7, label="train, every few steps")
    if train:
        marker = "o" if len(train) <= FEW_POINTS else ""
        axes.plot(*zip(*train, strict=True), color=Hue.BLUE, linewidth=1.2, marker=marker, markersize=4, label="train")
    if val:
        axes.plot(*zip(*val, strict=True), "o--", color=Hue.ORANGE, linewidth=1.6, markersize=4, label="validation")
        step, best = min(val, key=lambda point: point[1])
        axes.plot([step], [best], "*", markersize=12, color=Hue.VERMILION, label=f"lowest: {best:.4g}")
    axes.set_title(phase)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    value_axis(axes.xaxis)
    value_axis(axes.yaxis)
    if train or val:
        axes.legend(loc="best")


def _error_panel(axes: Axes, rows: Rows) -> None:
    trained = [(row["step"], row["mae"]) for row in rows if "loss" in row]
    if trained:
        axes.plot(*zip(*trained, strict=True), "o-", color=Hue.ORANGE, linewidth=1.6, markersize=4, label="by epoch")
    for row in rows:
        if "loss" not in row:
            axes.axhline(row["mae"], color=Hue.GREY, linewidth=1.2, linestyle="--", label="before training")
    axes.axhline(rows[0]["naive_mae"], color=Hue.GREEN, linewidth=1.2, linestyle=":", label="last close")
    percent_axis(axes.yaxis)
    value_axis(axes.xaxis)
    axes.set_title("validation forecasts")
    axes.set_xlabel("step")
    axes.set_ylabel("mean absolute error of returns")
    axes.legend(loc="best")


@dataclass(frozen=True, slots=True)
class MappedFigure:
    """A figure with a map of its own. form : of its cells; low : whether low is good"""

    name: str
    label: str
    form: str
    low: bool = False


MAPPED = (
    MappedFigure("sharpe_ratio", "Sharpe ratio, annual", "{:.2f}"),
    MappedFigure("annual_return", "annual return, after costs", "{:.1%}"),
    MappedFigure("max_drawdown", "maximum drawdown", "{:.1%}"),
    MappedFigure("annual_cost", "costs per year / account", "{:.2%}", low=True),
)
"""Figures that a sweep maps."""

HOW_TO_READ = (
    "Yellow is good and dark is bad in every map. Each cell is the mean over the trials that share its two settings. "
    "An edge is a broad bright area: a single bright cell among dark neighbours may be chance."
)
"""What stands below the heat maps of a sweep."""


@drawn
def heatmap_figure(trials: pl.DataFrame, rows: str, columns: str | None, title: str = "", width: float = 11.0) -> Chart:
    """A map for each of MAPPED.

    Parameters
    ----------
    trials : pl.DataFrame
        A row a trial, with its settings and figures.
    rows, columns : str
        Settings; columns None makes one row of cells.
    title : str
        None is written where it is empty, nor how to read the maps.
    width : float
        Inches.
    """
    years = trials["sessions_per_year"].drop_nulls().unique().to_list() if "sessions_per_year" in trials.columns else []
    per_year = f" ({years[0]:g} sessions per year)" if len(years) == 1 else ""
    narrow = width <= NARROW
    figure = Chart(figsize=(width, 13 if narrow else 8), layout="constrained")
    if title:
        figure.suptitle(title + per_year, x=0.01, ha="left", fontsize=12)
        figure.supxlabel(HOW_TO_READ.replace(" An edge", "\nAn edge"), x=0.01, ha="left", fontsize=9.5, color=Hue.GREY)
    for place, one in enumerate(MAPPED):
        axes = figure.add_subplot(*((4, 1) if narrow else (2, 2)), place + 1)
        axes.set_title(one.label)
        axes.set_ylabel(rows)
        axes.set_xlabel(columns or "")
        _map(axes, one, *mean_table(trials, one.name, rows, columns))
    return figure


def _map(axes: Axes, one: MappedFigure, cells: FloatArray, row_names: list[str], column_names: list[str]) -> None:
    masked = np.ma.masked_invalid(cells)
    # drawn as cells, not as an image: sharp at any size, and no colour has to be guessed between two cells
    edges = (np.arange(n + 1) - 0.5 for n in reversed(cells.shape))
    image = axes.pcolormesh(*edges, masked, cmap="viridis_r" if one.low else "viridis")
    axes.grid(visible=False)
    axes.invert_yaxis()
    axes.set_yticks(range(len(row_names)), row_names)
    steep = 45 if sum(map(len, column_names)) > LONG_NAMES else 0
    axes.set_xticks(range(len(column_names)), column_names, rotation=steep)
    if max(cells.shape) <= MOST_WRITTEN:
        light = image.to_rgba(masked)[..., :3] @ LUMINANCE > 0.5
        for (i, j), value in np.ndenumerate(cells):
            if np.isfinite(value):
                colour = BLACK if light[i, j] else WHITE
                axes.text(j, i, one.form.format(value), ha="center", va="center", color=colour, fontsize=8)
    bar = axes.figure.colorbar(image, ax=axes)
    (percent_axis if "%" in one.form else value_axis)(bar.ax.yaxis)


def mean_table(
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
    return cells, [setting_text(value) for value in row_values], [setting_text(value) for value in column_values]
