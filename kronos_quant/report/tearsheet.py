"""tearsheet.html: the page that quantstats fills, kept to one file that needs no network.

quantstats fills a page of ours instead of its own, which fetches an icon, runs a script on loading and takes the title
unescaped. Where it cannot compute something, the page says so and holds what is left.
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
import numpy.typing as npt

from kronos_quant.backtest.performance import series_figures
from kronos_quant.files import write_text
from kronos_quant.report.page import PAGE, TABLES, plots
from kronos_quant.report.section import Section, escaped, section_html

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

PLAIN_NAME = re.compile(r"[\w.^ -]{1,24}", re.ASCII)
"""Names that mean nothing to HTML and to matplotlib's formulas; any other is called Benchmark inside the plots."""

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


def write_tearsheet(
    path: Path,
    dates: Sequence[date],
    returns: FloatArray,
    benchmark: FloatArray | None,
    title: str,
    benchmark_name: str | None = None,
    *,
    sessions_per_year: int = 252,
    facts: Sequence[str] = (),
    sections: Sequence[Section] = (),
) -> list[str]:
    """Write the page and give back what it could not show, in plain sentences.

    returns, benchmark : f64[T], session returns as fractions; sessions without a return are left out, and a session
        without a benchmark return counts as 0 there
    facts : lines under the title, for instance costs and period; sections : the first stands out on top, the others
        follow the plots. Every text is escaped.
    """
    kept = np.isfinite(returns)
    notes = [] if kept.all() else [f"Sessions without a return, left out of the tearsheet: {(~kept).sum()}."]
    dates = [day for day, keep in zip(dates, kept, strict=True) if keep]
    returns = returns[kept]
    if benchmark is not None:
        benchmark = np.nan_to_num(benchmark[kept], nan=0.0, posinf=0.0, neginf=0.0)
    name = benchmark_name if benchmark is not None and benchmark_name else "none"
    head = {"title": title, "period": _period(dates), "benchmark": name, "sessions_per_year": str(sessions_per_year)}
    body, troubles = _body(dates, returns, benchmark, name, sessions_per_year, head, facts)
    write_text(path, _with_sections(body, sections))
    return notes + troubles


def _body(
    dates: Sequence[date],
    returns: FloatArray,
    benchmark: FloatArray | None,
    name: str,
    sessions_per_year: int,
    head: dict[str, str],
    facts: Sequence[str],
) -> tuple[str, list[str]]:
    """The page, as full as quantstats can make it, and what is missing from it."""
    troubles: list[str] = []
    for compared in [benchmark, None] if benchmark is not None else [None]:
        page = _page(head, [*facts, *troubles], plots(len(returns)), TABLES)
        try:
            return _filled_by_quantstats(page, dates, returns, compared, name, sessions_per_year), troubles
        # quantstats fails in many ways on flat and on very short series; a report is owed all the same
        except Exception as error:
            logger.debug("quantstats: %s: %s", type(error).__name__, error)
            if compared is not None:
                troubles = [
                    f"The tearsheet is without the benchmark: quantstats cannot compare {_nature(returns)} with it."
                ]
    troubles = [f"The tearsheet has key figures only: quantstats cannot draw {_nature(returns)}."]
    return _page(head, [*facts, *troubles], "", _figures_table(returns, sessions_per_year)), troubles


def _nature(returns: FloatArray) -> str:
    if len(returns) == 0:
        return "a run without returns"
    return "flat returns" if np.ptp(returns) == 0 else f"these {len(returns)} returns"


def _period(dates: Sequence[date]) -> str:
    return f"{dates[0]} to {dates[-1]}, {len(dates)} sessions" if dates else "no sessions"


def _page(head: dict[str, str], lines: Sequence[str], plots: str, tables: str) -> str:
    """The page around what quantstats fills in; its own placeholders stay."""
    page = PAGE
    for key, text in head.items():
        page = page.replace(f"[[{key}]]", escaped(text))
    items = "".join(f"<li>{escaped(line)}</li>" for line in lines)
    page = page.replace("[[facts]]", f"<ul>{items}</ul>" if items else "")
    return page.replace("[[plots]]", plots).replace("[[tables]]", tables)


def _with_sections(page: str, sections: Sequence[Section]) -> str:
    """The page with its sections, put in last: what they hold means nothing to quantstats."""
    verdict = "".join(section_html(section, "verdict") for section in sections[:1])
    others = "\n".join(section_html(section, "wide" if section.wide else "") for section in sections[1:])
    return page.replace("[[verdict]]", verdict).replace("[[sections]]", others)


def _filled_by_quantstats(
    page: str,
    dates: Sequence[date],
    returns: FloatArray,
    benchmark: FloatArray | None,
    name: str,
    sessions_per_year: int,
) -> str:
    with quiet_plotting(), tempfile.TemporaryDirectory() as folder:
        import pandas as pd
        from quantstats import reports

        if len(returns) and returns.min() >= 0 and returns.max() > 1:
            raise ValueError("quantstats would take these returns for prices")
        index = pd.DatetimeIndex(np.array(dates, dtype="datetime64[ns]"))
        template, output = Path(folder) / "template.html", Path(folder) / "tearsheet.html"
        template.write_text(page, encoding="utf-8")
        reports.html(  # type: ignore[no-untyped-call]
            pd.Series(returns, index=index, name="Strategy"),
            benchmark=None if benchmark is None else pd.Series(benchmark, index=index, name="Benchmark"),
            benchmark_title=name if PLAIN_NAME.fullmatch(name) else "Benchmark",
            title="",
            output=str(output),
            template_path=str(template),
            periods_per_year=sessions_per_year,
            # matching would cut off the sessions before the first trade, and with them change every figure
            match_dates=False,
        )
        return without_references(output.read_text(encoding="utf-8"))


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


def without_references(page: str) -> str:
    """A page that names no web address: its SVG pictures without document type, metadata and namespaces."""
    page = re.sub(r"<\?xml.*?\?>\s*", "", page, flags=re.DOTALL)
    page = re.sub(r"<!DOCTYPE svg.*?>\s*", "", page, flags=re.DOTALL)
    page = re.sub(r"<metadata>.*?</metadata>\s*", "", page, flags=re.DOTALL)
    page = page.replace("CAGR\ufe6a", "CAGR")  # a sign that few fonts have
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", page)


def _figures_table(returns: FloatArray, sessions_per_year: int) -> str:
    """The key figures that can be computed without quantstats."""
    figures = {"sessions": float(len(returns))} | series_figures(returns, sessions_per_year)
    rows = "".join(
        f"<tr><td>{name.replace('_', ' ')}</td><td>{'-' if math.isnan(value) else f'{value:.6g}'}</td></tr>"
        for name, value in figures.items()
    )
    return f"<h3>Key figures</h3><table><tbody>{rows}</tbody></table>"
