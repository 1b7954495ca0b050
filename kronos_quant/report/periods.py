"""A back-test by the month and by the half year: what a single annual figure hides.

Shape letter: T sessions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import BacktestResult
from kronos_quant.stats.performance import annual_return, annual_volatility, beta_of, max_drawdown, sharpe_ratio

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def monthly_returns(dates: Sequence[date], returns: FloatArray) -> dict[tuple[int, int], float]:
    """(year, month) -> compounded return of the sessions f64[T] in it."""
    found: dict[tuple[int, int], float] = {}
    for day, value in zip(dates, returns, strict=True):
        month = (day.year, day.month)
        found[month] = (1 + found.get(month, 0.0)) * (1 + float(value)) - 1
    return found


LARGEST = 5
"""Holdings named at the end of a month."""


def rolling_figures(
    returns: FloatArray, benchmark: FloatArray | None, window: int, sessions_per_year: int
) -> dict[str, dict[str, float]]:
    """Lowest, median, highest and newest of each of `rolling_series`, by name; none where no window is whole."""
    found = rolling_series(returns, benchmark, window, sessions_per_year)
    return {name: _spread(values) for name, values in found.items()}


def rolling_series(
    returns: FloatArray, benchmark: FloatArray | None, window: int, sessions_per_year: int
) -> dict[str, FloatArray]:
    """Figures of every window of returns f64[T], by name, f64[T - window + 1]; beta where there is a benchmark."""
    if len(returns) < window:
        return {}
    years = sessions_per_year
    figures: dict[str, Callable[[FloatArray], float]] = {
        "annual_return": lambda part: annual_return(part, years),
        "annual_volatility": lambda part: annual_volatility(part, years),
        "sharpe_ratio": lambda part: sharpe_ratio(part, years),
        "max_drawdown": max_drawdown,
    }
    parts = np.lib.stride_tricks.sliding_window_view(returns, window)
    found = {name: np.array([figure(part) for part in parts]) for name, figure in figures.items()}
    if benchmark is not None:
        others = np.lib.stride_tricks.sliding_window_view(benchmark, window)
        found["beta"] = np.array([beta_of(part, other) for part, other in zip(parts, others, strict=True)])
    return found


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """What was held at the close of a month's last session: symbols, their weights by side, and the largest of them."""

    date: date
    symbols: int
    long: float
    short: float
    largest: tuple[tuple[str, float], ...]


def month_ends(result: BacktestResult) -> list[MonthEnd]:
    """The holdings at the last session of each month, ascending; weights are shares of the account."""
    ends = {(day.year, day.month): day for day in result.dates}
    held = result.positions.filter(pl.col("date").is_in(list(ends.values())))
    by_date = {day: frame for (day,), frame in held.group_by("date")}
    found = []
    for day in ends.values():
        frame = by_date.get(day, held.clear())
        largest = frame.sort(pl.col("weight").abs(), "symbol", descending=[True, False]).head(LARGEST)
        long, short = (float(frame["weight"].clip(*bounds).sum()) for bounds in ((0, None), (None, 0)))
        names = tuple(largest.select("symbol", "weight").iter_rows())
        found.append(MonthEnd(day, len(frame), long, short, names))
    return found


def half_year(sessions_per_year: int) -> int:
    """The sessions of half a year."""
    return max(sessions_per_year // 2, 2)


def by_period(result: BacktestResult) -> dict[str, Any]:
    """For metrics.json: returns and holdings by the month, and what every half year showed."""
    years = result.sessions_per_year
    months = monthly_returns(result.dates, result.returns)
    return {
        "monthly_returns": {f"{year}-{month:02d}": value for (year, month), value in months.items()},
        "holdings": [
            {"date": end.date, "symbols": end.symbols, "long": end.long, "short": end.short}
            | {"largest": dict(end.largest)}
            for end in month_ends(result)
        ],
        "rolling_sessions": half_year(years),
        "rolling": rolling_figures(result.returns, result.benchmark_returns, half_year(years), years),
    }


def _spread(values: FloatArray) -> dict[str, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return dict.fromkeys(("lowest", "median", "highest", "newest"), math.nan)
    return {
        "lowest": float(known.min()),
        "median": float(np.median(known)),
        "highest": float(known.max()),
        "newest": float(values[-1]),
    }
