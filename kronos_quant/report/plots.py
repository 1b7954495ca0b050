"""The pictures of a run, as PNG. Shape letter: T sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import BacktestResult
from kronos_quant.report.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    look,
    percent_axis,
    save_png,
    session_axis,
)
from kronos_quant.report.fan import MEDIAN, Fan
from kronos_quant.stats.performance import drawdowns

LEAST_DEPTH = 0.01
"""Of the drawdowns' axis."""

BODY_WIDTH = 0.64
"""Width of a candlestick's body, bars."""


def performance_png(path: Path, result: BacktestResult, title: str, benchmark_name: str | None = None) -> None:
    """The picture of `performance_figure`, under its title."""
    with look():
        figure = performance_figure(result, benchmark_name)
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        save_png(figure, path)


def performance_figure(result: BacktestResult, benchmark_name: str | None = None) -> Figure:
    """Growth of portfolio and benchmark, their drawdowns, and the excess over the benchmark, one panel below the other.

    Every curve begins at 0 before the first session. Without a benchmark the last panel shows what costs took. To be
    drawn within `look`.
    """
    figure = Figure(figsize=(10, 9), layout="constrained")
    growth, depth, excess = figure.subplots(3, 1, sharex=True, height_ratios=[2.2, 1.1, 1.1])
    _growth_panel(growth, result, benchmark_name)
    _drawdown_panel(depth, result, benchmark_name)
    _excess_panel(excess, result, benchmark_name)
    session_axis(excess, result.dates)
    excess.set_xlabel("session")
    figure.align_ylabels()
    return figure


def _growth_panel(axes: Axes, result: BacktestResult, benchmark_name: str | None) -> None:
    before = "portfolio, before costs"
    axes.plot(*_since_start(_growth(result.returns)), color=BLUE, linewidth=1.8, label="portfolio, after costs")
    axes.plot(*_since_start(_growth(result.gross_returns)), color=BLUE, linewidth=1.0, linestyle=":", label=before)
    if result.benchmark_returns is not None:
        label = f"benchmark {benchmark_name or ''}".strip()
        grown = _since_start(_growth(result.benchmark_returns))
        axes.plot(*grown, color=ORANGE, linewidth=1.4, linestyle="--", label=label)
    if result.fills.is_empty():
        words: dict[str, Any] = {"color": VERMILION, "fontsize": 16, "fontweight": "bold", "ha": "center", "zorder": 5}
        box = {"facecolor": "white", "edgecolor": VERMILION, "pad": 8}
        axes.text(0.5, 0.5, "NO TRADE WAS MADE", transform=axes.transAxes, va="center", bbox=box, **words)
    _zero_line(axes)
    axes.set_title("Growth since the start")
    axes.set_ylabel("return")
    axes.legend(loc="best")
    percent_axis(axes)


def _drawdown_panel(axes: Axes, result: BacktestResult, benchmark_name: str | None) -> None:
    sessions, fallen = _since_start(drawdowns(result.returns))
    axes.fill_between(sessions, fallen, 0, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(sessions, fallen, color=BLUE, linewidth=1.2, label="portfolio, after costs")
    if result.benchmark_returns is not None:
        label = f"benchmark {benchmark_name or ''}".strip()
        depth = _since_start(drawdowns(result.benchmark_returns))
        axes.plot(*depth, color=ORANGE, linewidth=1.2, linestyle="--", label=label)
    lowest, _ = axes.get_ylim()
    axes.set_ylim(min(lowest, -LEAST_DEPTH), 0)
    axes.set_title("Drawdown: loss from the highest value so far")
    axes.set_ylabel("drawdown")
    axes.legend(loc="best", ncols=2)
    percent_axis(axes)


def _excess_panel(axes: Axes, result: BacktestResult, benchmark_name: str | None) -> None:
    other = result.gross_returns if result.benchmark_returns is None else result.benchmark_returns
    if result.benchmark_returns is None:
        axes.set_title("What costs took: growth after costs relative to before")
    else:
        axes.set_title(f"Excess: growth relative to the benchmark {benchmark_name or ''}".rstrip())
        before = _since_start(_relative(result.gross_returns, other))
        axes.plot(*before, color=GREEN, linewidth=1.0, linestyle=":", label="before costs")
    axes.plot(*_since_start(_relative(result.returns, other)), color=GREEN, linewidth=1.6, label="after costs")
    _zero_line(axes)
    axes.set_ylabel("costs" if result.benchmark_returns is None else "excess")
    axes.legend(loc="best", ncols=2)
    percent_axis(axes)


def forecast_png(path: Path, fan: Fan, title: str) -> None:
    """The last bars as candlesticks, then the forecast's quantiles beside those of a naive random walk."""
    with look():
        figure = Figure(figsize=(11, 5.2), layout="constrained")
        axes = figure.subplots()
        _candlesticks(axes, fan.history)
        start = fan.history.height - 1
        ahead = range(start, start + len(fan.times) + 1)
        _fan(axes, ahead, fan)
        _naive_band(axes, ahead, fan)
        axes.axvline(start + 0.5, color=GREY, linewidth=0.8)
        session_axis(axes, [*fan.history["time"].to_list(), *fan.times])
        axes.set_title(title, fontsize=12, fontweight="bold")
        axes.set_ylabel("price")
        axes.set_xlabel("end of bar")
        figure.legend(loc="outside lower center", ncols=5)
        save_png(figure, path)


def _candlesticks(axes: Axes, history: pl.DataFrame) -> None:
    """Bodies from open to close (filled where the price fell), wicks from low to high."""
    number = np.arange(history.height)
    low, high, opened, closed = (history[name].cast(pl.Float64).to_numpy() for name in ("low", "high", "open", "close"))
    axes.vlines(number, low, high, color="#444444", linewidth=0.8)
    for rose, colour in ((True, "white"), (False, "#444444")):
        chosen = (closed >= opened) == rose
        axes.bar(
            number[chosen],
            np.abs(closed - opened)[chosen],
            bottom=np.minimum(opened, closed)[chosen],
            width=BODY_WIDTH,
            color=colour,
            edgecolor="#444444",
            linewidth=0.8,
            zorder=2,
        )


def _fan(axes: Axes, ahead: range, fan: Fan) -> None:
    """The forecast: intervals as shades, one within the other, and the median as a line."""
    values, levels = fan.joined(fan.quantiles), fan.levels
    for outer in range(len(levels) // 2):
        label = f"forecast, {levels[-1 - outer] - levels[outer]:.0%} interval"
        axes.fill_between(
            ahead, values[outer], values[-1 - outer], color=BLUE, alpha=0.2 + 0.15 * outer, linewidth=0, label=label
        )
    axes.plot(ahead, values[list(levels).index(MEDIAN)], color=BLUE, linewidth=2.0, label="forecast, median")


def _naive_band(axes: Axes, ahead: range, fan: Fan) -> None:
    """The widest interval of the random walk, by its edges, and its median: what a forecast has to be better than."""
    values = fan.joined(fan.naive)
    label = f"naive random walk, {fan.interval} interval"
    for edge, name in ((values[0], label), (values[-1], None)):
        axes.plot(ahead, edge, color=VERMILION, linewidth=1.2, linestyle="--", label=name)
    middle = values[list(fan.levels).index(MEDIAN)]
    axes.plot(ahead, middle, color=VERMILION, linewidth=1.0, linestyle=":", label="naive random walk, median")


def _growth(returns: FloatArray) -> FloatArray:
    return np.asarray(np.cumprod(1 + returns) - 1, dtype=np.float64)


def _since_start(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Places and values of a curve f64[T] that is 0 before the first session."""
    return np.arange(-1.0, len(values)), np.concatenate([[0.0], values])


def _relative(returns: FloatArray, other: FloatArray) -> FloatArray:
    """Growth of the one relative to the other's; NaN once the other has lost everything."""
    against = np.cumprod(1 + other)
    lost = np.full_like(against, np.nan)
    return np.asarray(np.divide(np.cumprod(1 + returns), against, out=lost, where=against > 0) - 1)


def _zero_line(axes: Axes) -> None:
    axes.axhline(0, color="#444444", linewidth=0.8)
