"""The page of `kq sweep`: the best trials, whether the best is significant, and maps of the figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from kronos_quant.charts import HOW_TO_READ, heatmap_figure, write_png
from kronos_quant.display import setting_text
from kronos_quant.errors import counted
from kronos_quant.report.document import Document, Part, Picture, capitalised, make_picture
from kronos_quant.report.terms import FIGURES as LABELS
from kronos_quant.report.terms import figure_cell
from kronos_quant.validity.luck import Luck

FIGURES = (
    "annual_return", "annual_volatility", "sharpe_ratio", "deflated_sharpe_probability", "max_drawdown", "turnover",
    "annual_cost",
)  # fmt: skip
"""Columns of the best trials."""


def write_sweep_page(
    folder: Path,
    name: str,
    facts: Sequence[str],
    settings: Sequence[str],
    trials: pl.DataFrame,
    best: pl.DataFrame,
    luck: Luck | None,
) -> Path:
    """Write sweep.html and a PNG of each map into a folder, each whole or not at all; gives back the page.

    name : of the strategy; facts : on period, benchmark and annualisation; settings : those of the grid
    trials, best : a row a trial with its settings and figures, all of them and the best by Sharpe ratio
    luck : the tests of the best one, None where no trial has a Sharpe ratio
    """
    count = counted(len(trials), "trial")
    rows = tuple(
        (*(setting_text(row[setting]) for setting in settings), *(figure_cell(row, key) for key in FIGURES))
        for row in best.iter_rows(named=True)
    )
    columns = (*settings, *(LABELS[key][0] for key in FIGURES))
    line = f"The best {len(best)} of {count} by Sharpe ratio; trials.parquet holds all of them."
    maps = []
    for first, second in map_settings(settings, trials):
        file = f"heatmap-{first}{'-' + second if second else ''}.png"
        write_png(folder / file, heatmap_figure(trials, first, second, f"{name}: mean over {count}"))
        maps.append(_map(f"{first} and {second}" if second else first, trials, first, second))
    sections = [
        *([] if luck is None else [Part("Significance of the best trial", capitalised(luck.lines()), tone="verdict")]),
        Part("Best trials", (line,), columns, rows, wide=True),
        Part("Maps", pictures=tuple(maps), wide=True),
    ]
    page = folder / "sweep.html"
    grid = f"Grid: {', '.join(settings)}; {count}."
    Document(f"Sweep: {name}", (*facts, grid), sections=tuple(sections)).write_page(page)
    return page


def map_settings(settings: Sequence[str], trials: pl.DataFrame) -> list[tuple[str, str | None]]:
    """The pairs of settings that are mapped: the first that varies with each further one, or alone."""
    varied = [setting for setting in settings if trials[setting].n_unique() > 1] or [settings[0]]
    others: list[str | None] = [*varied[1:]] or [None]
    return [(varied[0], other) for other in others]


def _map(heading: str, trials: pl.DataFrame, first: str, second: str | None) -> Picture:
    return make_picture(heading, lambda width: heatmap_figure(trials, first, second, width=width), HOW_TO_READ)
