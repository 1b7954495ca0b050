"""Charts of accounts: growth, drawdown, excess over a benchmark, rolling figures, distribution, several runs.

Shape letter: T sessions. Returns are fractions of a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import norm

from kronos_quant.arrays import FloatArray
from kronos_quant.charts.canvas import NARROW, WIDE, Chart, Hue, drawn, percent_axis, session_axis, value_axis
from kronos_quant.stats.performance import drawdowns

LEAST_DEPTH = 0.01
"""Of the drawdowns' axis."""

FEWEST_BINS, MOST_BINS = 5, 100
"""Of the histogram."""

TURNOVER = "Turnover per session, two-sided"

TAIL = 0.05
"""Share of the sessions beyond the line of large losses."""

STYLES = ((Hue.BLUE, "-"), (Hue.ORANGE, "--"), (Hue.GREEN, "-."), (Hue.VERMILION, ":"), (Hue.GREY, "-"))
"""Colours and dashes of the curves of several runs, distinct without colour."""


@dataclass(frozen=True, slots=True)
class AccountCurves:
    """What the chart of an account shows.

    returns, gross_returns, benchmark_returns : f64[T], after costs, before costs, and the benchmark's or None
    traded : False draws a loud note that there was no trade
    """

    dates: Sequence[date]
    returns: FloatArray
    gross_returns: FloatArray
    benchmark_returns: FloatArray | None = None
    benchmark_name: str = ""
    traded: bool = True

    @property
    def benchmark_label(self) -> str:
        """How the legend names the benchmark."""
        return f"benchmark {self.benchmark_name}".strip()


@dataclass(frozen=True, slots=True)
class ExposureCurves:
    """What the chart of exposure shows.

    gross, net, cash : f64[T], share of the account at the close; holdings : f64[T], their number
    turnover : f64[T], two-sided
    """

    dates: Sequence[date]
    gross: FloatArray
    net: FloatArray
    cash: FloatArray
    holdings: FloatArray
    turnover: FloatArray

    @property
    def two_sided(self) -> bool:
        """Whether anything was short: else net is gross."""
        return not np.array_equal(self.gross, self.net, equal_nan=True)


@drawn
def performance_figure(curves: AccountCurves, title: str = "", width: float = WIDE) -> Chart:
    """Growth of portfolio and benchmark, their drawdowns, and the excess over the benchmark, one panel below the other.

    Parameters
    ----------
    curves
        Every curve begins at 0 before the first session. Without a benchmark the last panel shows what costs took.
    title, width
        Of the figure; width in inches.
    """
    figure = Chart(figsize=(width, 9 if width > NARROW else 8), layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    growth, depth, excess = figure.subplots(3, 1, sharex=True, height_ratios=[2.2, 1.1, 1.1])
    columns = 2 if width > NARROW else 1
    _growth_panel(growth, curves)
    _drawdown_panel(depth, curves, columns)
    _excess_panel(excess, curves, columns)
    session_axis(excess, curves.dates, width)
    excess.set_xlabel("session")
    figure.align_ylabels()
    return figure


@drawn
def growth_figure(curves: AccountCurves, width: float = WIDE) -> Chart:
    """Growth of portfolio and benchmark alone."""
    figure = Chart(figsize=(width, 3.6), layout="constrained")
    axes = figure.subplots()
    _growth_panel(axes, curves)
    session_axis(axes, curves.dates, width)
    return figure


@drawn
def drawdown_figure(curves: AccountCurves, width: float = WIDE) -> Chart:
    """Drawdowns, and the excess over the benchmark (without one: what costs took), one panel below the other."""
    figure = Chart(figsize=(width, 5), layout="constrained")
    depth, excess = figure.subplots(2, 1, sharex=True)
    columns = 2 if width > NARROW else 1
    _drawdown_panel(depth, curves, columns)
    _excess_panel(excess, curves, columns)
    session_axis(excess, curves.dates, width)
    figure.align_ylabels()
    return figure


@drawn
def exposure_figure(curves: ExposureCurves, width: float = WIDE) -> Chart:
    """Exposure and cash, number of holdings, and turnover, one panel below the other."""
    figure = Chart(figsize=(width, 5.5), layout="constrained")
    share, holdings, turnover = figure.subplots(3, 1, sharex=True, height_ratios=[1.6, 1, 1])
    x = np.arange(len(curves.dates))
    share.plot(x, curves.gross, color=Hue.BLUE, linewidth=1.4, label="gross")
    if curves.two_sided:
        share.plot(x, curves.net, color=Hue.GREEN, linewidth=1.4, linestyle=":", label="net")
    share.plot(x, curves.cash, color=Hue.ORANGE, linewidth=1.4, linestyle="--", label="cash")
    share.set_title("Exposure, share of the account")
    share.legend(loc="best", ncols=3)
    holdings.step(x, curves.holdings, where="post", color=Hue.GREY, linewidth=1.2)
    holdings.set_title("Holdings")
    turnover.plot(x, curves.turnover, color=Hue.VERMILION, linewidth=0.9)
    turnover.set_title(TURNOVER)
    for axes in (share, turnover):
        percent_axis(axes.yaxis)
    value_axis(holdings.yaxis)
    session_axis(turnover, curves.dates, width)
    return figure


def _growth_panel(axes: Axes, curves: AccountCurves) -> None:
    before = "portfolio, before costs"
    axes.plot(*_since_start(growth_of(curves.returns)), color=Hue.BLUE, linewidth=1.8, label="portfolio, after costs")
    axes.plot(
        *_since_start(growth_of(curves.gross_returns)), color=Hue.BLUE, linewidth=1.0, linestyle=":", label=before
    )
    if curves.benchmark_returns is not None:
        grown = _since_start(growth_of(curves.benchmark_returns))
        axes.plot(*grown, color=Hue.ORANGE, linewidth=1.4, linestyle="--", label=curves.benchmark_label)
    if not curves.traded:
        box = {"facecolor": Hue.PAPER, "edgecolor": Hue.VERMILION, "pad": 8}
        note = axes.text(0.5, 0.5, "NO TRADE WAS MADE", transform=axes.transAxes, ha="center", va="center", bbox=box)
        note.set(color=Hue.VERMILION, fontsize=16, fontweight="bold", zorder=5)
    zero_line(axes)
    axes.set_title("Growth since the start")
    axes.set_ylabel("return")
    axes.legend(loc="best")
    percent_axis(axes.yaxis)


def _drawdown_panel(axes: Axes, curves: AccountCurves, columns: int) -> None:
    fallen = _since_start(drawdowns(curves.returns))
    axes.fill_between(*fallen, 0, color=Hue.BLUE, alpha=0.25, linewidth=0)
    axes.plot(*fallen, color=Hue.BLUE, linewidth=1.2, label="portfolio, after costs")
    if curves.benchmark_returns is not None:
        depth = _since_start(drawdowns(curves.benchmark_returns))
        axes.plot(*depth, color=Hue.ORANGE, linewidth=1.2, linestyle="--", label=curves.benchmark_label)
    lowest, _ = axes.get_ylim()
    axes.set_ylim(min(lowest, -LEAST_DEPTH), 0)
    axes.set_title("Drawdown: loss from the highest value so far")
    axes.set_ylabel("drawdown")
    axes.legend(loc="best", ncols=columns)
    percent_axis(axes.yaxis)


def _excess_panel(axes: Axes, curves: AccountCurves, columns: int) -> None:
    other = curves.gross_returns if curves.benchmark_returns is None else curves.benchmark_returns
    if curves.benchmark_returns is None:
        axes.set_title("Cost drag: growth after relative to before costs")
    else:
        axes.set_title(f"Excess: growth relative to {curves.benchmark_name or 'the benchmark'}")
        before = _since_start(relative_growth(curves.gross_returns, other))
        axes.plot(*before, color=Hue.GREEN, linewidth=1.0, linestyle=":", label="before costs")
    axes.plot(
        *_since_start(relative_growth(curves.returns, other)), color=Hue.GREEN, linewidth=1.6, label="after costs"
    )
    zero_line(axes)
    axes.set_ylabel("costs" if curves.benchmark_returns is None else "excess")
    axes.legend(loc="best", ncols=columns)
    percent_axis(axes.yaxis)


@drawn
def rolling_figure(
    dates: Sequence[date], series: Mapping[str, FloatArray], window: int, percent: Sequence[str], width: float = WIDE
) -> Chart:
    """One panel a figure over every window of sessions, with its median.

    Parameters
    ----------
    dates : Sequence[date]
        The T sessions.
    series : Mapping[str, FloatArray]
        Title of the panel -> f64[T - window + 1], from the first whole window on.
    window : int
        Sessions of a window.
    percent : Sequence[str]
        Titles of those that are fractions.
    width : float
        Inches.
    """
    height = 2.2 if width > NARROW else 1.9
    figure = Chart(figsize=(width, height * len(series) + 0.6), layout="constrained")
    panels = figure.subplots(len(series), 1, sharex=True, squeeze=False)[:, 0]
    ends = np.arange(window - 1, len(dates))
    for axes, (title, values) in zip(panels, series.items(), strict=True):
        axes.plot(ends, values, color=Hue.BLUE, linewidth=1.4, marker="o" if len(ends) == 1 else "")
        axes.axhline(float(np.nanmedian(values)), color=Hue.ORANGE, linewidth=1.2, linestyle="--", label="median")
        zero_line(axes)
        axes.set_title(f"{title}, over {window} sessions")
        (percent_axis if title in percent else value_axis)(axes.yaxis)
    panels[0].legend(loc="best")
    session_axis(panels[-1], dates, width)
    panels[-1].set_xlabel("session")
    return figure


def bin_count(returns: FloatArray) -> int:
    """Bins of a histogram of returns f64[T], by Freedman and Diaconis.

    Bounded: of returns that hardly ever move the rule makes millions.
    """
    low, high = np.quantile(returns, [0.25, 0.75])
    width = 2 * (high - low) / np.cbrt(len(returns))
    wanted = np.ptp(returns) / width if width > 0 else MOST_BINS
    return int(np.ceil(np.clip(wanted, FEWEST_BINS, MOST_BINS)))


@drawn
def distribution_figure(returns: FloatArray, width: float = WIDE) -> Chart:
    """Histogram of returns f64[T] and the normal distribution with their mean and standard deviation."""
    figure = Chart(figsize=(width, 3.4), layout="constrained")
    axes = figure.subplots()
    _, edges, _ = axes.hist(returns, bins=bin_count(returns), color=Hue.BLUE, alpha=0.55)
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    x = np.linspace(edges[0], edges[-1], 300)
    expected = norm.pdf(x, mean, spread) * len(returns) * (edges[1] - edges[0])
    axes.plot(x, expected, color=Hue.GREY, linewidth=1.6, label="normal, same mean and deviation")
    axes.axvline(mean, color=Hue.ORANGE, linewidth=1.4, linestyle="--", label=f"mean {mean:+.3%}")
    worst = float(np.quantile(returns, TAIL))
    axes.axvline(worst, color=Hue.VERMILION, linewidth=1.4, linestyle=":", label=f"{TAIL:.0%} quantile {worst:+.2%}")
    percent_axis(axes.xaxis)
    axes.set_title("Session returns, after costs")
    axes.set_xlabel("return per session")
    axes.set_ylabel("sessions")
    figure.legend(loc="outside lower center", ncols=3 if width > NARROW else 1)
    return figure


@drawn
def comparison_figure(
    dates: Sequence[date], runs: Sequence[tuple[str, FloatArray, FloatArray]], *, shared: bool, width: float = WIDE
) -> Chart:
    """Growth and drawdowns of several runs.

    Parameters
    ----------
    dates : Sequence[date]
        The sessions of the axis.
    runs : Sequence[tuple[str, FloatArray, FloatArray]]
        Name, places of its sessions on the axis (ascending), and its returns there, f64[T] each.
    shared : bool
        Whether all runs have all sessions of the axis.
    width : float
        Inches.
    """
    figure = Chart(figsize=(width, 7 if width > NARROW else 6.5), layout="constrained")
    growth, depth = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1.1])
    for (name, places, returns), (colour, dash) in zip(runs, cycle(STYLES), strict=False):
        # every curve begins at 0 before its first session, so that one session alone is a line
        x = [places[0] - 1, *places]
        growth.plot(x, [0.0, *growth_of(returns)], color=colour, linestyle=dash, label=name)
        depth.plot(x, [0.0, *drawdowns(returns)], color=colour, linestyle=dash)
    growth.set_title("Growth" + (" over the sessions of all runs" if shared else ", each run over its own sessions"))
    depth.set_title("Drawdown: loss from the highest value so far")
    for axes in (growth, depth):
        zero_line(axes)
        percent_axis(axes.yaxis)
    growth.legend(loc="best")
    session_axis(depth, dates, width)
    depth.set_xlabel("session")
    figure.align_ylabels()
    return figure


def growth_of(returns: FloatArray) -> FloatArray:
    """Compounded return f64[T] since before the first session."""
    return np.asarray(np.cumprod(1 + returns) - 1, dtype=np.float64)


def _since_start(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Places and values of a curve f64[T] that is 0 before the first session."""
    return np.arange(-1.0, len(values)), np.concatenate([[0.0], values])


def relative_growth(returns: FloatArray, other: FloatArray) -> FloatArray:
    """Growth f64[T] of the one relative to the other's; NaN once the other has lost everything."""
    against = np.cumprod(1 + other)
    lost = np.full_like(against, np.nan)
    return np.asarray(np.divide(np.cumprod(1 + returns), against, out=lost, where=against > 0) - 1)


def zero_line(axes: Axes) -> None:
    """A thin line at 0."""
    axes.axhline(0, color=Hue.INK, linewidth=0.8)
