"""The page of `kq sweep`: the best trials, whether the best is significant, and maps of the figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from kronos_quant.charts import HOW_TO_READ, heatmap_figure, write_png
from kronos_quant.errors import counted
from kronos_quant.report.document import Document, Part, Picture, capitalised, figure_or_dash, make_picture
from kronos_quant.validity.luck import Luck

FIGURES = (
    ("annual return", "annual_return", "{:+.2%}"),
    ("annual volatility", "annual_volatility", "{:.2%}"),
    ("Sharpe ratio, annual", "sharpe_ratio", "{:.2f}"),
    ("deflated Sharpe ratio, probability", "deflated_sharpe_probability", "{:.3f}"),
    ("maximum drawdown", "max_drawdown", "{:.2%}"),
    ("turnover per session", "turnover", "{:.2%}"),
    ("costs per year / account", "annual_cost", "{:.2%}"),
)
"""Label, column, form."""


def write_sweep_page(
    folder: Path, name: str, settings: Sequence[str], trials: pl.DataFrame, best: pl.DataFrame, luck: Luck | None
) -> Path:
    """Write sweep.html and a PNG of each map into a folder, each whole or not at all; gives back the page.

    Parameters
    ----------
    folder : Path
        The run's.
    name : str
        Of the strategy.
    settings : Sequence[str]
        Those of the grid.
    trials, best : pl.DataFrame
        A row a trial with its settings and figures: all of them, and the best by Sharpe ratio.
    luck : Luck | None
        The tests of the best one, None where no trial has a Sharpe ratio.
    """
    rows = tuple(
        (
            *("null" if row[setting] is None else str(row[setting]) for setting in settings),
            *("-" if row[column] is None else figure_or_dash(row[column], form) for _, column, form in FIGURES),
        )
        for row in best.iter_rows(named=True)
    )
    columns = (*settings, *(label for label, _, _ in FIGURES))
    line = f"The best {len(best)} of {counted(len(trials), 'trial')} by Sharpe ratio; trials.parquet holds all of them."
    maps = []
    for first, second in map_settings(settings, trials):
        file = f"heatmap-{first}{'-' + second if second else ''}.png"
        title = f"{name}: mean over {counted(len(trials), 'trial')}"
        write_png(folder / file, heatmap_figure(trials, first, second, title))
        heading = f"{first} and {second}" if second else first
        maps.append(_map(heading, trials, first, second))
    sections = [
        *([] if luck is None else [Part("Significance of the best trial", capitalised(luck.lines()), tone="verdict")]),
        Part("Best trials", (line,), columns, rows, wide=True),
        Part("Maps", pictures=tuple(maps), wide=True),
    ]
    page = folder / "sweep.html"
    Document(f"Sweep: {name}", (f"Grid: {', '.join(settings)}.",), sections=tuple(sections)).write_page(page)
    return page


def map_settings(settings: Sequence[str], trials: pl.DataFrame) -> list[tuple[str, str | None]]:
    """The pairs of settings that are mapped: the first that varies with each further one, or alone."""
    varied = [setting for setting in settings if trials[setting].n_unique() > 1] or [settings[0]]
    others: list[str | None] = [*varied[1:]] or [None]
    return [(varied[0], other) for other in others]


def _map(heading: str, trials: pl.DataFrame, first: str, second: str | None) -> Picture:
    return make_picture(heading, lambda width: heatmap_figure(trials, first, second, width=width), HOW_TO_READ)
