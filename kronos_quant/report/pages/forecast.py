"""The page of `kq forecast`: the picture, what it means in words, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from kronos_quant.charts import NARROW, Fan, forecast_figure, write_png
from kronos_quant.report.document import Document, Part, capitalised, make_picture, plain_cell

READING = (
    "the shaded bands are the forecast's intervals, the dashed lines the interval of a random walk with the volatility "
    "of the history. A band narrower than the random walk's is better only if its coverage is as stated. "
    "Wider bands, or a median far outside the dashed lines, deserve doubt."
)
REALISED = " Orange candlesticks are the bars that followed."
FOOTER = "The page shows one forecast; kq evaluate measures how accurate such forecasts have been."


def forecast_png(path: Path, fan: Fan, title: str) -> None:
    """Write the forecast's chart, under its title."""
    write_png(path, forecast_figure(fan, title))


def write_forecast_page(
    path: Path, fan: Fan, title: str, facts: Sequence[str], words: Sequence[str], table: pl.DataFrame
) -> None:
    """Write the page, whole or not at all.

    facts : lines on the model, the recipe and the data; words : sentences on the result; table : a row a forecast bar
    """
    came = fan.realised is not None and fan.realised.height > 0
    picture = make_picture(
        "", lambda width: forecast_figure(fan, width=width if width <= NARROW else 11.0), READING + REALISED * came
    )
    if "estimated" in table.columns and not table["estimated"].any():
        table = table.drop("estimated")
    rows = tuple(tuple(plain_cell(value) for value in row) for row in table.rows())
    sections = (
        Part("Result", capitalised(words), tone="verdict"),
        Part("", pictures=(picture,), wide=True),
        Part("Close of each forecast bar", (), tuple(table.columns), rows, wide=True),
    )
    Document(title, capitalised(facts), sections=sections, footer=FOOTER).write_page(path)
