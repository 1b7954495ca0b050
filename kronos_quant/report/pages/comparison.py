"""The page of `kq compare`: figures of back-tests, settings that differ, paired tests of the difference, curves.

Shape letter: T sessions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.charts import WIDE, Chart, comparison_figure, write_png
from kronos_quant.report.document import Document, Part, figure_or_dash, make_picture
from kronos_quant.stats.intervals import PairedTest

FIGURES = (
    ("sessions per year", "sessions_per_year", "{:.0f}"),
    ("total return", "total_return", "{:+.2%}"),
    ("annual return", "annual_return", "{:+.2%}"),
    ("annual return, before costs", "annual_return_before_cost", "{:+.2%}"),
    ("annual excess over the benchmark", "excess_annual_return", "{:+.2%}"),
    ("annual volatility", "annual_volatility", "{:.2%}"),
    ("Sharpe ratio, annual", "sharpe_ratio", "{:.2f}"),
    ("Sortino ratio, annual", "sortino_ratio", "{:.2f}"),
    ("Calmar ratio, annual", "calmar_ratio", "{:.2f}"),
    ("maximum drawdown", "max_drawdown", "{:.2%}"),
    ("winning sessions", "win_rate", "{:.1%}"),
    ("information ratio, annual", "information_ratio", "{:.2f}"),
    ("alpha, annual", "alpha", "{:+.2%}"),
    ("beta", "beta", "{:.2f}"),
    ("deflated Sharpe ratio, probability", "deflated_sharpe_probability", "{:.3f}"),
    ("... in excess of beta x universe mean", "deflated_sharpe_probability_without_universe", "{:.3f}"),
    ("turnover per session", "turnover", "{:.2%}"),
    ("costs per year / account", "annual_cost", "{:.2%}"),
    ("trades", "trades", "{:,.0f}"),
    ("orders rejected", "rejected", "{:,.0f}"),
    ("symbols held, mean", "mean_holdings", "{:.1f}"),
)
"""Label, key in metrics.json, form."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A back-test that is compared with others.

    name : its id; settings : of config.yaml, dotted name -> value; metrics : of metrics.json
    dates, returns : T sessions and f64[T]
    """

    name: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    dates: tuple[date, ...]
    returns: FloatArray


def figure_of(run: ComparedRun, key: str) -> float:
    """A figure of a run; NaN where it has none."""
    value = run.metrics.get(key)
    return float(value) if isinstance(value, (int, float)) else math.nan


def comparison_document(runs: Sequence[ComparedRun], tests: Sequence[PairedTest]) -> Document:
    """The runs, their figures, differences of the settings, and the paired tests of each run against the first."""
    names = tuple(run.name for run in runs)
    figures = [
        (label, *(figure_or_dash(figure_of(run, key), form) for run in runs))
        for label, key, form in FIGURES
        if any(not math.isnan(figure_of(run, key)) for run in runs)
    ]
    sections = (
        run_section(runs),
        Part("Figures, after costs", (), ("figure", *names), tuple(figures), wide=True),
        differences(runs),
        Part(
            f"Versus {names[0]}",
            ("Mean session return minus the first run's, over the sessions of both; HAC standard errors.",),
            ("run", "sessions", "difference per year", "95 % CI", "t", "correlation", "conclusion"),
            tuple(_test_row(name, test) for name, test in zip(names[1:], tests, strict=True)),
            wide=True,
        ),
    )
    return Document(f"{len(runs)} back-tests compared", sections=sections)


def run_section(runs: Sequence[ComparedRun]) -> Part:
    """Which strategies were run over which period, and whether they passed."""
    spans = {run.dates for run in runs}
    lines = () if len(spans) == 1 else (
        "The runs cover different sessions, so their figures are not comparable. The last table compares them over the "
        "sessions that they share.",
    )  # fmt: skip
    verdicts = [run.metrics.get("deflated_sharpe_passes") for run in runs]
    rows = [
        (
            run.name,
            str(run.metrics.get("strategy") or "-"),
            f"{run.dates[0]} to {run.dates[-1]}",
            f"{len(run.dates):,}",
            "-" if passes is None else "PASS" if passes else "FAIL",
        )
        for run, passes in zip(runs, verdicts, strict=True)
    ]
    return Part("Runs", lines, ("run", "strategy", "period", "sessions", "verdict at run time"), tuple(rows), wide=True)


def differences(runs: Sequence[ComparedRun]) -> Part:
    """The settings that are not the same in all runs."""
    every = sorted({key for run in runs for key in run.settings})
    rows = tuple(
        (key, *(_setting(run.settings.get(key)) for run in runs))
        for key in every
        if len({_setting(run.settings.get(key)) for run in runs}) > 1
    )
    lines = () if rows else ("All settings are the same.",)
    return Part(
        "Settings that differ", lines, ("setting", *(run.name for run in runs)) if rows else (), rows, wide=True
    )


def _setting(value: Any) -> str:
    return "-" if value is None else str(value)


def _test_row(name: str, test: PairedTest) -> tuple[str, ...]:
    if math.isnan(test.t):
        words = "too few common sessions" if test.sessions < 2 else "not available"
    elif test.low > 0 or test.high < 0:
        words = f"significantly {'better' if test.low > 0 else 'worse'}"
    else:
        words = "no significant difference"
    return (
        name,
        f"{test.sessions:,}",
        figure_or_dash(test.annual_difference, "{:+.2%}"),
        "-" if math.isnan(test.low) else f"{test.low:+.2%} to {test.high:+.2%}",
        figure_or_dash(test.t, "{:.1f}"),
        figure_or_dash(test.correlation, "{:.2f}"),
        words,
    )


def run_title(run: ComparedRun) -> str:
    """A run's id, with its strategy where that is known."""
    strategy = run.metrics.get("strategy")
    return f"{run.name} ({strategy})" if strategy else run.name


def curves_figure(runs: Sequence[ComparedRun], width: float = WIDE) -> Chart:
    """Growth and drawdowns of the runs over the sessions that all have, or each over its own where they share none."""
    shared = sorted(set.intersection(*(set(run.dates) for run in runs)))
    axis = shared if len(shared) > 1 else sorted(set.union(*(set(run.dates) for run in runs)))
    place = {day: i for i, day in enumerate(axis)}
    curves = []
    for run in runs:
        kept = [i for i, day in enumerate(run.dates) if day in place]
        places = np.array([place[run.dates[i]] for i in kept], dtype=np.float64)
        curves.append((run_title(run), places, run.returns[kept]))
    return comparison_figure(axis, curves, shared=axis is shared, width=width)


READING = (
    "returns after costs. A steady climb with shallow, short drawdowns is good. Whether two lines differ significantly "
    "is in the last table, not in the chart."
)


def write_comparison(folder: Path, document: Document, runs: Sequence[ComparedRun]) -> Path:
    """Write compare.html and curves.png into a folder, each whole or not at all; gives back the page."""
    write_png(folder / "curves.png", curves_figure(runs))
    picture = make_picture("", lambda width: curves_figure(runs, width), READING)
    charts = Part("", pictures=(picture,), wide=True)
    page = folder / "compare.html"
    replace(document, sections=(charts, *document.sections)).write_page(page)
    return page
