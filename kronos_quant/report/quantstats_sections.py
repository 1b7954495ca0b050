"""Further statistics of a back-test that quantstats computes and this package does not.

Only figures that the report has under no other name: quantstats' Omega is its profit factor, its risk-adjusted return
the annual return of an account that is always invested, its probabilistic Sharpe ratio our deflated one of one trial.
Its expected yearly return counts part of a year as a whole one. Shape letter: T sessions.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray
from kronos_quant.report.document import Part

logger = logging.getLogger(__name__)

FIGURES = {
    "Time in Market": "sessions with a return",
    "Smart Sharpe": "Sharpe ratio adjusted for autocorrelation, annual",
    "Smart Sortino": "Sortino ratio adjusted for autocorrelation, annual",
    "Avg. Return": "mean return per session with a return",
    "Avg. Win": "mean gain per winning session",
    "Avg. Loss": "mean loss per losing session",
    "Payoff Ratio": "payoff ratio (mean gain / mean loss)",
    "Profit Factor": "profit factor (sum of gains / sum of losses)",
    "Best Day": "best session",
    "Worst Day": "worst session",
    "Max Consecutive Wins": "winning sessions in a row, maximum",
    "Max Consecutive Losses": "losing sessions in a row, maximum",
    "Daily Value-at-Risk": "value at risk per session, 95%, normal",
    "Expected Shortfall (cVaR)": "expected shortfall per session, 95%",
    "Tail Ratio": "tail ratio (95% quantile / 5% quantile)",
    "Outlier Win Ratio": "outlier win ratio",
    "Outlier Loss Ratio": "outlier loss ratio",
    "Common Sense Ratio": "common sense ratio (profit factor x tail ratio)",
    "CPC Index": "CPC index",
    "Kelly Criterion": "Kelly criterion",
    "Risk of Ruin": "risk of ruin",
    "Gain/Pain (1M)": "gain-to-pain ratio, monthly",
    "Avg. Up Month": "mean return of winning months",
    "Avg. Down Month": "mean return of losing months",
    "Win Month": "winning months",
    "Win Quarter": "winning quarters",
    "3M": "return of the last 3 months",
    "6M": "return of the last 6 months",
    "1Y": "return of the last year",
    "3Y (ann.)": "return of the last 3 years, annual",
    "5Y (ann.)": "return of the last 5 years, annual",
    "10Y (ann.)": "return of the last 10 years, annual",
    "Longest DD Days": "longest drawdown, calendar days",
    "Avg. Drawdown": "mean drawdown",
    "Avg. Drawdown Days": "mean length of a drawdown, calendar days",
    "Recovery Factor": "recovery factor",
    "Ulcer Index": "ulcer index",
    "Ulcer Performance Index": "ulcer performance index",
    "Serenity Index": "serenity index",
    "Correlation": "correlation with the benchmark",
    "Treynor Ratio": "Treynor ratio",
}
"""quantstats' name -> the name here."""

YEARS = {"3M": 0.25, "6M": 0.5, "1Y": 1, "3Y (ann.)": 3, "5Y (ann.)": 5, "10Y (ann.)": 10}
"""Figures of so many years, which repeat those of the whole period where that is shorter."""

UNDETERMINED = {"", "-", "%", "nan", "nan%", "inf", "-inf", "inf%", "None"}


def quantstats_sections(
    dates: Sequence[date], returns: FloatArray, benchmark: FloatArray | None, sessions_per_year: int
) -> tuple[list[Part], list[str]]:
    """Further statistics of T sessions, and what quantstats could not compute."""
    kept, missing = evaluated(returns)
    if kept is None:
        return [], missing
    count = int(kept.sum())
    for compared in [benchmark, None] if benchmark is not None else [None]:
        try:
            found = _sections(dates, returns, compared, kept, sessions_per_year)
        # quantstats fails in many ways on odd series; a report is owed all the same
        except Exception as error:
            logger.debug("quantstats: %s: %s", type(error).__name__, error)
            continue
        failed = f"quantstats cannot compare these {count} returns with the benchmark."
        return found, [*missing, failed] if compared is None and benchmark is not None else missing
    return [], [*missing, f"quantstats cannot evaluate these {count} returns."]


def evaluated(returns: FloatArray) -> tuple[BoolArray | None, list[str]]:
    """The sessions with a return, b1[T], and a sentence about the others; None where quantstats has nothing to say."""
    kept = np.isfinite(returns)
    missing = [] if kept.all() else [f"Sessions without a return, left out of the further statistics: {(~kept).sum()}."]
    return (kept if kept.sum() >= 2 and np.ptp(returns[kept]) > 0 else None), missing


def series_of_returns(
    dates: Sequence[date], returns: FloatArray, benchmark: FloatArray | None, kept: BoolArray
) -> tuple[Any, Any]:
    """The returns of the sessions kept, and those of the benchmark or None, as quantstats takes them.

    Parameters
    ----------
    dates, returns, benchmark
        Of T sessions.
    kept
        b1[T].

    Raises
    ------
    ValueError
        For returns that quantstats would take for prices.

    >>> series_of_returns([date(2025, 6, 2)], np.array([-0.1]), None, np.array([True]))[0].tolist()
    [-0.1]
    """
    import pandas as pd

    values = returns[kept]
    if values.min() >= 0 and values.max() > 1:
        raise ValueError("quantstats would take these returns for prices")
    index = pd.DatetimeIndex(np.array(dates, dtype="datetime64[ns]")[kept])
    if benchmark is None:
        return pd.Series(values, index=index, name="Strategy"), None
    other = np.nan_to_num(benchmark[kept], nan=0.0, posinf=0.0, neginf=0.0)
    return pd.Series(values, index=index, name="Strategy"), pd.Series(other, index=index, name="Benchmark")


def _sections(
    dates: Sequence[date], returns: FloatArray, benchmark: FloatArray | None, kept: BoolArray, sessions_per_year: int
) -> list[Part]:
    with quiet_quantstats():
        from quantstats import reports

        series, other = series_of_returns(dates, returns, benchmark, kept)
        table = reports.metrics(  # type: ignore[no-untyped-call]
            series,
            other,
            display=False,
            mode="full",
            sep=False,
            internal="True",
            periods_per_year=sessions_per_year,
            prepare_returns=False,
            # matching would cut off the sessions before the first trade, and with them change every figure
            match_dates=False,
        )
    columns = ["Strategy"] if benchmark is None else ["Strategy", "Benchmark"]
    figures = {
        str(name).strip().replace("\ufe6a", ""): list(row)
        for name, row in zip(table.index, table[columns].values, strict=True)
    }
    rows = [
        (label, *(_cell(cell) for cell in figures[name]))
        for name, label in FIGURES.items()
        if name in figures
        and len(series) / sessions_per_year >= YEARS.get(name, 0)
        and not all(str(cell).strip() in UNDETERMINED for cell in figures[name])
    ]
    further = statistics_part(("figure", *("portfolio", "benchmark")[: len(columns)]), rows)
    return [further] if further.rows else []


def statistics_part(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Part:
    """The section of further statistics."""
    line = "Computed by quantstats, by its definitions; figures shown above are not repeated."
    return Part("Further statistics", (line,), tuple(columns), tuple(tuple(row) for row in rows))


def _cell(value: Any) -> str:
    text = str(value).strip()
    return "-" if text in UNDETERMINED else text


@contextlib.contextmanager
def quiet_quantstats() -> Iterator[None]:
    """Keep what quantstats and its parts print, warn, log and set for the whole process to themselves."""
    import matplotlib as mpl

    if "matplotlib.pyplot" not in sys.modules:  # a notebook keeps the backend that it has
        mpl.use("Agg")
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), mpl.rc_context():
            warnings.simplefilter("ignore")
            yield
    finally:
        fonts.setLevel(level)
