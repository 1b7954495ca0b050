"""The pictures of the tearsheet, each with how to read it. Shape letter: T sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.stats import norm

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import BacktestResult
from kronos_quant.report.canvas import BLUE, GREY, ORANGE, VERMILION, look, percent_axis, session_axis, svg_of
from kronos_quant.report.periods import half_year, rolling_series
from kronos_quant.report.plots import performance_figure

FEWEST = 20
"""Sessions below which a distribution has no shape."""

FEWEST_BARS, MOST_BARS = 5, 100
"""Of the histogram."""

TAIL = 0.05
"""Share of the sessions beyond the line of large losses."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG element, and a caption that says what is good and what is bad."""

    svg: str
    caption: str


def pictures_of(result: BacktestResult, benchmark_name: str | None = None) -> list[Picture]:
    """Those that the run has enough sessions for."""
    with look():
        found = [Picture(svg_of(performance_figure(result, benchmark_name)), performance_caption(result))]
        rolled = rolling_figure(result)
        if rolled is not None:
            found.append(Picture(svg_of(rolled), rolling_caption(result)))
        if len(result.returns) >= FEWEST and np.ptp(result.returns) > 0:
            found.append(Picture(svg_of(distribution_figure(result.returns)), DISTRIBUTION))
    return found


def performance_caption(result: BacktestResult) -> str:
    """How to read growth, drawdown and excess."""
    growth = (
        "Growth: the gap between the full and the dotted line is what costs took. Drawdown: shallow and short is good; "
        "a loss of 50% needs a gain of 100% to be made up."
    )
    if result.benchmark_returns is None:
        return f"{growth} Below: a line that falls steeply means that costs eat the strategy."
    return (
        f"{growth} Excess: good is a line that climbs steadily; one that is flat while growth rises means that the "
        "market did it, and one that climbed only once may be a single lucky bet."
    )


def rolling_caption(result: BacktestResult) -> str:
    """How to read the rolling figures."""
    beta = "" if result.benchmark_returns is None else " Beta: how much of the benchmark's moves it takes part in."
    return (
        f"Each point is of the {half_year(result.sessions_per_year)} sessions before it, a year having "
        f"{result.sessions_per_year}. Sharpe ratio: good is above 0 throughout; one good stretch is no edge, a line "
        f"that sinks is an edge that fades. Volatility: steady is good.{beta}"
    )


DISTRIBUTION = (
    "Returns after costs of the sessions, beside a normal distribution of the same mean and spread. Bars above the "
    "curve on the far left are losses larger than the volatility lets expect: the Sharpe ratio flatters such a run."
)


def rolling_figure(result: BacktestResult) -> Figure | None:
    """Sharpe ratio, volatility and, beside a benchmark, beta over every half year; None where there is none."""
    years = result.sessions_per_year
    window = half_year(years)
    series = rolling_series(result.returns, result.benchmark_returns, window, years)
    shown = {
        "sharpe_ratio": "Sharpe ratio, annual",
        "annual_volatility": "volatility, annual",
        "beta": "beta to the benchmark",
    }
    drawn = {label: series[name] for name, label in shown.items() if np.isfinite(series.get(name, np.nan)).any()}
    if not drawn:
        return None
    figure = Figure(figsize=(10, 2.2 * len(drawn) + 0.6), layout="constrained")
    panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    ends = np.arange(window - 1, len(result.dates))
    for axes, (label, values) in zip(panels, drawn.items(), strict=True):
        middle = float(np.nanmedian(values))
        axes.plot(ends, values, color=BLUE, linewidth=1.4, marker="o" if len(ends) == 1 else "")
        axes.axhline(middle, color=ORANGE, linewidth=1.2, linestyle="--", label="median")
        axes.axhline(0, color="#444444", linewidth=0.8)
        axes.set_title(f"{label}, over {window} sessions")
        if label.startswith("volatility"):
            percent_axis(axes)
    panels[0].legend(loc="best")
    session_axis(panels[-1], result.dates)
    panels[-1].set_xlabel("session")
    return figure


def bars_of(returns: FloatArray) -> int:
    """Bars of a histogram of returns f64[T], by Freedman and Diaconis.

    Bounded: of returns that hardly ever move the rule makes millions.
    """
    low, high = np.quantile(returns, [0.25, 0.75])
    width = 2 * (high - low) / np.cbrt(len(returns))
    wanted = np.ptp(returns) / width if width > 0 else MOST_BARS
    return int(np.ceil(np.clip(wanted, FEWEST_BARS, MOST_BARS)))


def distribution_figure(returns: FloatArray) -> Figure:
    """Histogram of returns f64[T] beside the normal distribution of their mean and spread."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    axes = figure.subplots()
    _, edges, _ = axes.hist(returns, bins=bars_of(returns), color=BLUE, alpha=0.55)
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    x = np.linspace(edges[0], edges[-1], 300)
    expected = norm.pdf(x, mean, spread) * len(returns) * (edges[1] - edges[0])
    axes.plot(x, expected, color=GREY, linewidth=1.6, label="normal, of the same mean and spread")
    axes.axvline(mean, color=ORANGE, linewidth=1.4, linestyle="--", label=f"mean {mean:+.3%}")
    worst = float(np.quantile(returns, TAIL))
    label = f"{TAIL:.0%} of the sessions below {worst:+.2%}"
    axes.axvline(worst, color=VERMILION, linewidth=1.4, linestyle=":", label=label)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1.0))
    axes.set_title("Returns of the sessions, after costs")
    axes.set_xlabel("return of a session")
    axes.set_ylabel("sessions")
    axes.legend(loc="best")
    return figure
