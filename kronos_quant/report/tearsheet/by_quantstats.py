"""The part of the tearsheet that quantstats fills: its table of figures, years, drawdowns, and some of its pictures.

quantstats fills a piece of ours instead of its own page, which fetches an icon, runs a script on loading and takes the
title unescaped. Not among its pictures: eoy_returns, whose years are mislabelled; daily_returns, whose bars fall to
zero at weekends; monthly_heatmap, which shows months that are still to come as 0; rolling_beta, which is 0 for the
first half year; monthly_dist and returns_dist, whose percents are cut off instead of rounded; and those that the page
has of ours.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.report.canvas import without_references

FEWEST_PICTURED = 20
"""Sessions below which a picture shows nothing."""

PLAIN_NAME = re.compile(r"[\w.^ -]{1,24}", re.ASCII)
"""Names that mean nothing to HTML and to matplotlib's formulas; any other is called Benchmark."""

PLOT_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 12,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "white",
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "text.color": "#333333",
    "xtick.color": "#666666",
    "ytick.color": "#666666",
    "xtick.bottom": False,
    "ytick.left": False,
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    "svg.hashsalt": "kronos-quant",  # the same figures give the same file
}

CAPTIONS = {
    "vol_returns": "At the benchmark's volatility: a line above the benchmark's is better at the same risk.",
    "rolling_vol": "Good: steady, and no higher than the benchmark's. Red: the mean.",
    "rolling_sortino": "Good: above 0 most of the time; a line that sinks is an edge that fades. Red: the mean.",
    "dd_periods": "The five deepest drawdowns, shaded. Good: few and narrow; a wide one is a long wait for a new high.",
}
"""The pictures by quantstats' name, each with how to read it."""

TABLES = """<h3>Key figures</h3>
{{metrics}}
<div class="years">{{eoy_title}}{{eoy_table}}</div>
<div class="drawdowns"><h3>Deepest drawdowns</h3>{{dd_info}}</div>
"""

ROW = re.compile(r"<tr><td>(?P<name>[^<]*)</td>(?P<cells>(?:<td>[^<]*</td>)+)</tr>\n?")
RULE = r'<tr><td colspan="\d+"><hr></td></tr>\n?'
EMPTY_TABLE = re.compile(
    r'<div class="\w+"><h3>[^<]*</h3><table>\n<thead>.*?</thead>\n<tbody>\s*</tbody>\n</table></div>'
)
UNDETERMINED = {"", "-", "%", "nan", "nan%"}

RENAMED = {
    "Information Ratio": "Information Ratio (a session)",
    "Risk-Return Ratio": "Risk-Return Ratio (a session)",
}
"""Figures of quantstats that are not annual where a reader would take them for it."""

YEARS = {"3Y (ann.)": 3, "5Y (ann.)": 5, "10Y (ann.)": 10}
"""Figures of so many years, which repeat those of the whole period where that is shorter."""


def quantstats_part(
    dates: Sequence[date], returns: FloatArray, benchmark: FloatArray | None, name: str, sessions_per_year: int
) -> str:
    """The part as HTML. Raises whatever quantstats raises, in many ways, on series that it cannot take.

    returns, benchmark : f64[T]; name : the benchmark's
    """
    if len(returns) and returns.min() >= 0 and returns.max() > 1:
        raise ValueError("quantstats would take these returns for prices")
    places = plots(len(returns), sessions_per_year, compared=benchmark is not None)
    template = f'<div class="columns"><div class="plots">{places}</div>\n<div class="tables">{TABLES}</div></div>'
    with quiet_plotting(), tempfile.TemporaryDirectory() as folder:
        import pandas as pd
        from quantstats import reports

        index = pd.DatetimeIndex(np.array(dates, dtype="datetime64[ns]"))
        source, output = Path(folder) / "template.html", Path(folder) / "tearsheet.html"
        source.write_text(template, encoding="utf-8")
        reports.html(  # type: ignore[no-untyped-call]
            pd.Series(returns, index=index, name="Strategy"),
            benchmark=None if benchmark is None else pd.Series(benchmark, index=index, name="Benchmark"),
            benchmark_title=name if PLAIN_NAME.fullmatch(name) else "Benchmark",
            title="",
            output=str(output),
            template_path=str(source),
            periods_per_year=sessions_per_year,
            # matching would cut off the sessions before the first trade, and with them change every figure
            match_dates=False,
        )
        filled = output.read_text(encoding="utf-8")
    return tidied(without_references(filled), len(returns) / sessions_per_year)


def plots(sessions: int, sessions_per_year: int, *, compared: bool) -> str:
    """The places of the pictures that say something of so many sessions. compared : whether there is a benchmark"""
    rolling = sessions > math.ceil(sessions_per_year / 2)
    shown = {
        "vol_returns": compared and sessions >= FEWEST_PICTURED,
        "rolling_vol": rolling,
        "rolling_sortino": rolling,
        "dd_periods": sessions >= FEWEST_PICTURED,
    }
    return "\n".join(
        f"<figure>{{{{{name}}}}}<figcaption>{caption}</figcaption></figure>"
        for name, caption in CAPTIONS.items()
        if shown[name]
    )


def tidied(part: str, years: float) -> str:
    """quantstats' tables without what the returns do not determine, and with names that say what is meant.

    years : length of the period
    """

    def kept(row: re.Match[str]) -> str:
        name = row["name"]
        cells = re.findall(r"<td>([^<]*)</td>", row["cells"])
        if all(cell in UNDETERMINED for cell in cells) or years < YEARS.get(name, 0):
            return ""
        return row[0].replace(f"<td>{name}</td>", f"<td>{RENAMED.get(name, name)}</td>", 1)

    part = ROW.sub(kept, part.replace("CAGR\ufe6a", "CAGR"))  # a sign that few fonts have
    part = re.sub(f"({RULE})(?:{RULE})+", r"\1", part)
    part = re.sub(f"(<tbody>\n?){RULE}", r"\1", part)
    part = re.sub(f"{RULE}(</tbody>)", r"\1", part)
    part = re.sub(
        r'<div class="(?:years|drawdowns)">(?:(?!</div>).)*<tbody>\s*</tbody>\s*</table></div>',
        "",
        part,
        flags=re.DOTALL,
    )
    # its end is the last session below the old high, also where that is the newest of all
    return part.replace("<th>Recovered</th>", "<th>Until</th>")


@contextlib.contextmanager
def quiet_plotting() -> Iterator[None]:
    """matplotlib in our style, drawing to files only; what quantstats and its parts print, warn and log is dropped."""
    import matplotlib as mpl

    if "matplotlib.pyplot" not in sys.modules:  # a notebook keeps the backend that it has
        mpl.use("Agg")
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with mpl.rc_context():  # the first import sets a theme for the whole process
                import quantstats  # noqa: F401
            with mpl.rc_context(PLOT_STYLE):
                yield
    finally:
        fonts.setLevel(level)
