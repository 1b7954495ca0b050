"""Back-tests side by side: figures, what was set differently, whether the difference is more than chance, curves.

Shape letter: T sessions.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kronos_quant.arrays import FloatArray
from kronos_quant.files import write_text
from kronos_quant.report.canvas import BLUE, GREEN, GREY, ORANGE, VERMILION, look, percent_axis, save_png, session_axis
from kronos_quant.report.section import Section, escaped, section_html, shown
from kronos_quant.stats.intervals import PairedTest
from kronos_quant.stats.performance import drawdowns

FIGURES = (
    ("sessions a year", "sessions_per_year", "{:.0f}"),
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
    ("... without its universe", "deflated_sharpe_probability_without_universe", "{:.3f}"),
    ("turnover a session", "turnover", "{:.2%}"),
    ("costs a year / account", "annual_cost", "{:.2%}"),
    ("trades", "trades", "{:,.0f}"),
    ("orders rejected", "rejected", "{:,.0f}"),
    ("symbols held, mean", "mean_holdings", "{:.1f}"),
)
"""Label, key in metrics.json, form."""

STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (VERMILION, ":"), (GREY, "-"))
"""Colours and dashes of the curves, told apart without colour."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 1.5rem auto; max-width: 1080px; padding: 0 1rem; color: #222; font: 14px/1.5 Arial, sans-serif; }}
h1 {{ margin: 0 0 1rem; font-size: 1.5rem; }}
h3 {{ margin: 1.6rem 0 .4rem; font-size: 1.05rem; }}
p {{ margin: .2rem 0 .5rem; color: #555; }}
figure {{ margin: 0; }} figcaption {{ color: #444; font-size: 13px; }}
img {{ width: 100%; height: auto; }}
section {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 3px 8px; text-align: right; border-bottom: 1px solid #ddd; }}
thead th {{ background: #eee; }}
th {{ vertical-align: bottom; }}
.words {{ text-align: left; overflow-wrap: anywhere; }}
footer {{ border-top: 1px solid #ccc; margin-top: 1.6rem; padding-top: .6rem; color: #555; }}
</style>
</head>
<body>
<h1>{title}</h1>
<figure><img alt="growth and drawdowns of the runs" src="data:image/png;base64,{curves}">
<figcaption>After costs. Good: a line that climbs steadily, with drawdowns that are shallow and short. Whether two lines
differ by more than chance is in the last table, not in the picture.</figcaption></figure>
{sections}
<footer>For research only: a back-test is no promise, and nothing here is advice.</footer>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A back-test to be set beside others.

    name : its id; settings : of config.yaml, dotted name -> value; metrics : of metrics.json
    dates, returns : T sessions and f64[T]
    """

    name: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    dates: tuple[date, ...]
    returns: FloatArray


def figure_of(run: Shown, key: str) -> float:
    """A figure of a run; NaN where it has none."""
    value = run.metrics.get(key)
    return float(value) if isinstance(value, (int, float)) else math.nan


def comparison_sections(runs: Sequence[Shown], tests: Sequence[PairedTest]) -> list[Section]:
    """The runs, their figures, differences of the settings, and the paired tests of each run against the first."""
    names = tuple(run.name for run in runs)
    figures = [
        (label, *(shown(figure_of(run, key), form) for run in runs))
        for label, key, form in FIGURES
        if any(not math.isnan(figure_of(run, key)) for run in runs)
    ]
    return [
        the_runs(runs),
        Section("Figures, after costs", (), ("figure", *names), tuple(figures)),
        differences(runs),
        Section(
            f"Against {names[0]}",
            ("Mean daily returns on the sessions of both, less those of the first run; errors are Newey and West's.",),
            ("run", "sessions", "difference a year", "95 % interval", "t", "correlation", "in words"),
            tuple(_tested(name, test) for name, test in zip(names[1:], tests, strict=True)),
        ),
    ]


def the_runs(runs: Sequence[Shown]) -> Section:
    """Which strategies were run over which period, and whether they passed."""
    spans = {run.dates for run in runs}
    lines = () if len(spans) == 1 else (
        "The runs cover different sessions: their figures are not of the same market; the last table compares them on "
        "the sessions that they share.",
    )  # fmt: skip
    verdicts = [run.metrics.get("deflated_sharpe_passes") for run in runs]
    rows = [
        (
            run.name,
            str(run.metrics.get("strategy") or "-"),
            f"{run.dates[0]} to {run.dates[-1]}",
            f"{len(run.dates):,}",
            "-" if passes is None else "yes" if passes else "no",
        )
        for run, passes in zip(runs, verdicts, strict=True)
    ]
    return Section("Runs", lines, ("run", "strategy", "period", "sessions", "more than luck, when run"), tuple(rows))


def differences(runs: Sequence[Shown]) -> Section:
    """The settings that are not the same in all runs."""
    every = sorted({key for run in runs for key in run.settings})
    rows = tuple(
        (key, *(_setting(run.settings.get(key)) for run in runs))
        for key in every
        if len({_setting(run.settings.get(key)) for run in runs}) > 1
    )
    lines = () if rows else ("The runs have the same settings.",)
    return Section("What was set differently", lines, ("setting", *(run.name for run in runs)) if rows else (), rows)


def _setting(value: Any) -> str:
    return "-" if value is None else str(value)


def _tested(name: str, test: PairedTest) -> tuple[str, ...]:
    if math.isnan(test.t):
        words = "too few sessions in common" if test.sessions < 2 else "cannot be told"
    elif test.low > 0 or test.high < 0:
        words = f"{'better' if test.low > 0 else 'worse'} than the first by more than chance"
    else:
        words = "no more different than chance makes them"
    return (
        name,
        f"{test.sessions:,}",
        shown(test.annual_difference, "{:+.2%}"),
        "-" if math.isnan(test.low) else f"{test.low:+.2%} to {test.high:+.2%}",
        shown(test.t, "{:.1f}"),
        shown(test.correlation, "{:.2f}"),
        words,
    )


def titled(run: Shown) -> str:
    """A run's id, with its strategy where that is known."""
    strategy = run.metrics.get("strategy")
    return f"{run.name} ({strategy})" if strategy else run.name


def comparison_png(path: Path, runs: Sequence[Shown]) -> None:
    """Growth and drawdowns of the runs, on the sessions that all have, or each on its own where they share none."""
    shared = sorted(set.intersection(*(set(run.dates) for run in runs)))
    axis = shared if len(shared) > 1 else sorted(set.union(*(set(run.dates) for run in runs)))
    place = {day: i for i, day in enumerate(axis)}
    with look():
        figure = Figure(figsize=(10, 7), layout="constrained")
        growth, depth = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1.1])
        for number, run in enumerate(runs):
            kept = [i for i, day in enumerate(run.dates) if day in place]
            # every curve begins at 0 before its first session, so that one session alone is a line
            x = [place[run.dates[kept[0]]] - 1, *(place[run.dates[i]] for i in kept)]
            colour, dash = STYLES[number % len(STYLES)]
            grown = [0.0, *(np.cumprod(1 + run.returns[kept]) - 1)]
            growth.plot(x, grown, color=colour, linestyle=dash, label=titled(run))
            depth.plot(x, [0.0, *drawdowns(run.returns[kept])], color=colour, linestyle=dash)
        growth.set_title(
            "Growth" + (" on the sessions of all runs" if axis is shared else ", each on its own sessions")
        )
        depth.set_title("Drawdown: loss from the highest value so far")
        for axes in (growth, depth):
            axes.axhline(0, color="#444444", linewidth=0.8)
            percent_axis(axes)
        growth.legend(loc="best")
        session_axis(depth, axis)
        depth.set_xlabel("session")
        figure.align_ylabels()
        save_png(figure, path)


def write_comparison(path: Path, title: str, sections: Sequence[Section], curves: Path) -> None:
    """Write the page, whole or not at all; it holds the picture and needs no network."""
    picture = base64.b64encode(curves.read_bytes()).decode("ascii")
    told = "\n".join(section_html(section) for section in sections)
    write_text(path, _PAGE.format(title=escaped(title), curves=picture, sections=told))
