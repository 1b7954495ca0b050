"""The page of `kq compare`: figures of back-tests, settings that differ, paired tests of the difference, curves.

Shape letter: T sessions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.charts import WIDE, Chart, comparison_figure, write_png
from kronos_quant.config import parse_yaml, read_values
from kronos_quant.display import Displayed, figure_or_dash, setting_text, summary_table
from kronos_quant.errors import ConfigError, DataError, KronosQuantError, listed
from kronos_quant.inputs import short_repr
from kronos_quant.readers import REPAIR, read_parquet, read_text
from kronos_quant.report.document import Document, Part, make_picture
from kronos_quant.report.terms import figure_rows, settings_of
from kronos_quant.runs import Run
from kronos_quant.runs.folder import CONFIG, METRICS
from kronos_quant.stats.intervals import PairedTest, paired_test

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (
    "sessions_per_year", "total_return", "annual_return", "annual_return_before_cost", "excess_annual_return",
    "annual_volatility", "sharpe_ratio", "sortino_ratio", "calmar_ratio", "max_drawdown", "win_rate",
    "information_ratio", "alpha", "beta", "deflated_sharpe_probability",
    "deflated_sharpe_probability_without_universe", "turnover", "annual_cost", "trades", "rejected", "mean_holdings",
)  # fmt: skip
"""Keys in metrics.json."""

BETWEEN = " | "
"""Stands between the values of the runs in a summary."""

TEXT_WIDTH = 110
USUAL_SESSIONS = 252
"""Per year, for runs of versions that did not store the figure."""


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

    @property
    def title(self) -> str:
        """Its strategy, where that is known, and its id."""
        strategy = self.metrics.get("strategy")
        return f"{strategy} ({self.name})" if strategy else self.name

    @property
    def period(self) -> str:
        """Its first and its last session."""
        return f"{self.dates[0]} to {self.dates[-1]}"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class ComparisonRun(Displayed):
    """A finished comparison: its folder, the runs, the document, and each run's test against the first."""

    folder: Path
    runs: tuple[ComparedRun, ...]
    document: Document
    tests: tuple[PairedTest, ...]

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.folder / "compare.html"

    @property
    def title(self) -> str:
        """Which runs."""
        return f"Comparison of {listed(run.name for run in self.runs)}"

    def summary(self) -> pl.DataFrame:
        """What `kq compare` prints: a row per figure and setting that differs, with a value for each run in order."""
        runs, *tables, versus = self.document.sections
        rows = [(f"run {row[0]}", _labelled(runs.columns[1:], row[1:])) for row in runs.rows]
        rows += [(figure, BETWEEN.join(values)) for table in tables for figure, *values in table.rows]
        rows += [(f"{row[0]} {versus.title.lower()}", _labelled(versus.columns[1:], row[1:])) for row in versus.rows]
        notes = [sentence for part in self.document.sections for sentence in part.sentences]
        return summary_table(rows, notes)

    def plot(self, width: float = 10.0) -> Chart:
        """Growth and drawdowns of the runs. width : inches"""
        return curves_figure(self.runs, width)

    def to_pandas(self) -> pd.DataFrame:
        """A row per figure, a column per run."""
        return figure_table(self.runs).to_pandas()

    def as_dict(self) -> dict[str, Any]:
        """For metrics.json and --json."""
        return {
            "runs": [
                {"run": run.name, "sessions": len(run.dates)} | {key: figure_of(run, key) for key in FIGURES}
                for run in self.runs
            ],
            "differences": {row[0]: list(row[1:]) for row in differences(self.runs).rows},
            "against_first": [
                {"run": run.name} | asdict(test) for run, test in zip(self.runs[1:], self.tests, strict=True)
            ],
        }

    def lines(self) -> list[str]:
        """The comparison in words."""
        return [*self.document.to_text(TEXT_WIDTH).splitlines(), f"page: {self.page}"]


def read_run(run: Run) -> ComparedRun:
    """What a comparison needs of a back-test. Raises DataError where a file is missing or damaged."""
    daily = read_parquet(run.folder / "returns.parquet", ["date", "return"], hint=REPAIR)
    metrics, config = read_figures(run), read_settings(run)
    dates = tuple(daily["date"].to_list())
    if not dates:
        raise DataError(f"{run.folder}: incomplete back-test: its returns are empty")
    returns = np.ascontiguousarray(daily["return"].cast(pl.Float64).to_numpy())
    return ComparedRun(run.id, dict(settings_of(with_new_names(config))), metrics, dates, returns)


def read_figures(run: Run) -> dict[str, Any]:
    """metrics.json of a back-test. Raises DataError where it is missing, damaged or of something else."""
    metrics, place = run.metrics(), run.folder / METRICS
    figures = {key: metrics[key] for key in FIGURES if metrics.get(key) is not None}
    if not metrics.keys() & {*FIGURES}:
        raise DataError(f"{place}: expected figures such as sharpe_ratio", hint=REPAIR)
    for key, value in figures.items():
        if not isinstance(value, int | float):
            raise DataError(f"{place}: {key}: expected a number, found {short_repr(value)}", hint=REPAIR)
    return metrics


def read_settings(run: Run) -> dict[str, Any]:
    """config.yaml of a run: section -> settings. Raises DataError where it is missing, damaged or of something else."""
    place = run.folder / CONFIG
    try:
        config = parse_yaml(read_text(place, hint=REPAIR), str(place))[0]
    except ConfigError as error:
        raise DataError(*error.args, hint=REPAIR) from None
    if not isinstance(config, dict) or not config:
        raise DataError(f"{place}: expected sections of settings, found {short_repr(config)}", hint=REPAIR)
    for name, section in config.items():
        if not isinstance(section, dict):
            raise DataError(f"{place}: {name}: expected settings, found {short_repr(section)}", hint=REPAIR)
    return config


def with_new_names(config: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run under today's names, so that runs of an older version do not differ by names."""
    try:
        return config | {"strategy": read_values(Strategy, config["strategy"]).model_dump(mode="json")}
    except (KeyError, KronosQuantError):  # of a version with other settings
        return config


def compare_returns(first: ComparedRun, other: ComparedRun) -> PairedTest:
    """The paired test of a run against the first, on the sessions of both."""
    place = {day: i for i, day in enumerate(first.dates)}
    pairs = [(i, place[day]) for i, day in enumerate(other.dates) if day in place]
    mine, its = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    years = int(first.metrics.get("sessions_per_year") or USUAL_SESSIONS)
    return paired_test(other.returns[mine], first.returns[its], years)


def figure_table(runs: Sequence[ComparedRun]) -> pl.DataFrame:
    """A row a figure, a column a run."""
    columns = {run.name: [figure_of(run, key) for key in FIGURES] for run in runs}
    return pl.DataFrame({"figure": FIGURES} | columns).with_columns(pl.col(pl.Float64).fill_nan(None))


def _labelled(names: Sequence[str], values: Sequence[str]) -> str:
    """A row of a table as text: 'sessions 20, t 1.2'."""
    return ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))


def figure_of(run: ComparedRun, key: str) -> float:
    """A figure of a run; NaN where it has none."""
    value = run.metrics.get(key)
    return float(value) if isinstance(value, (int, float)) else math.nan


def _has_caveat(run: ComparedRun) -> bool:
    """Whether its benchmark has no dividends and its portfolio does."""
    return bool(run.metrics.get("benchmark_caveat"))


def comparison_document(runs: Sequence[ComparedRun], tests: Sequence[PairedTest]) -> Document:
    """The runs, their figures, differences of the settings, and the paired tests of each run against the first."""
    names = tuple(run.title for run in runs)
    known = [key for key in FIGURES if any(not math.isnan(figure_of(run, key)) for run in runs)]
    caveats = list(dict.fromkeys(str(run.metrics["benchmark_caveat"]) for run in runs if _has_caveat(run)))
    rows = figure_rows(known, *(run.metrics for run in runs), price_index=bool(caveats))
    figures = (("period", *(run.period for run in runs)), *rows)
    sections = (
        run_section(runs),
        Part("Figures, after costs", tuple(caveats), ("figure", *names), figures, wide=True),
        differences(runs),
        Part(
            f"Versus {names[0]}",
            ("Mean session return minus the first run's, over the sessions of both; HAC standard errors.",),
            ("run", "sessions", "difference per year", "95% CI", "t", "correlation", "conclusion"),
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
            run.period,
            f"{len(run.dates):,}",
            "-" if passes is None else "PASS" if passes else "FAIL",
        )
        for run, passes in zip(runs, verdicts, strict=True)
    ]
    return Part("Runs", lines, ("run", "strategy", "period", "sessions", "verdict at run time"), tuple(rows), wide=True)


def differences(runs: Sequence[ComparedRun]) -> Part:
    """The settings that are not the same in all runs."""
    every = sorted({key for run in runs for key in run.settings})
    cells = {key: [setting_text(run.settings[key]) if key in run.settings else "-" for run in runs] for key in every}
    rows = tuple((key, *values) for key, values in cells.items() if len(set(values)) > 1)
    lines = () if rows else ("All settings are the same.",)
    return Part(
        "Settings that differ", lines, ("setting", *(run.title for run in runs)) if rows else (), rows, wide=True
    )


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


def curves_figure(runs: Sequence[ComparedRun], width: float = WIDE) -> Chart:
    """Growth and drawdowns of the runs over the sessions that all have, or each over its own where they share none."""
    shared = sorted(set.intersection(*(set(run.dates) for run in runs)))
    axis = shared if len(shared) > 1 else sorted(set.union(*(set(run.dates) for run in runs)))
    place = {day: i for i, day in enumerate(axis)}
    curves = []
    for run in runs:
        kept = [i for i, day in enumerate(run.dates) if day in place]
        places = np.array([place[run.dates[i]] for i in kept], dtype=np.float64)
        curves.append((run.title, places, run.returns[kept]))
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
