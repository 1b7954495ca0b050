"""Heat maps of a sweep: one figure over two settings, the mean over all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from kronos_quant.report.canvas import look, save_png

SHOWN = (
    ("sharpe_ratio", "Sharpe ratio, annual", "{:.2f}"),
    ("annual_return", "annual return, after costs", "{:.1%}"),
    ("max_drawdown", "maximum drawdown", "{:.1%}"),
    ("annual_cost", "costs a year / account", "{:.1%}"),
)
"""Figures with a map each: name, title, form."""


def heatmap_png(path: Path, trials: pl.DataFrame, rows: str, columns: str | None, title: str) -> None:
    """Write a picture with a map for each of SHOWN.

    trials : a row a trial, with its settings and figures; rows, columns : settings, columns None for one row of cells
    """
    with look():
        figure = Figure(figsize=(11, 7.5), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=12)
        for place, (name, label, form) in enumerate(SHOWN):
            axes = figure.add_subplot(2, 2, place + 1)
            cells, row_names, column_names = table_of(trials, name, rows, columns)
            image = axes.imshow(cells, aspect="auto", cmap="viridis")
            axes.grid(visible=False)
            axes.set_title(label)
            axes.set_yticks(range(len(row_names)), row_names)
            axes.set_xticks(range(len(column_names)), column_names)
            axes.set_ylabel(rows)
            axes.set_xlabel(columns or "")
            middle = float(np.nanmean(cells)) if np.isfinite(cells).any() else 0.0
            for (i, j), value in np.ndenumerate(cells):
                if np.isfinite(value):
                    colour = "white" if value < middle else "black"
                    axes.text(j, i, form.format(value), ha="center", va="center", color=colour, fontsize=8)
            figure.colorbar(image, ax=axes)
        save_png(figure, path)


def table_of(
    trials: pl.DataFrame, name: str, rows: str, columns: str | None
) -> tuple[np.ndarray, list[str], list[str]]:
    """Means of a figure f64[rows, columns] over two settings, NaN where there is no trial, and the settings' values."""
    across = pl.lit("") if columns is None else pl.col(columns)
    means = trials.group_by(pl.col(rows).alias("row"), across.alias("column")).agg(pl.col(name).mean().alias("mean"))
    row_values = means["row"].unique().sort().to_list()
    column_values = means["column"].unique().sort().to_list()
    cells = np.full((len(row_values), len(column_values)), np.nan)
    for row, column, mean in means.iter_rows():
        cells[row_values.index(row), column_values.index(column)] = np.nan if mean is None else mean
    return cells, [str(value) for value in row_values], [str(value) for value in column_values]
