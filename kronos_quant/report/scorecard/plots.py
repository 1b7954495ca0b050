"""The pictures of a scorecard, as SVG for its page. Shapes: T dates, Q quantile levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from kronos_quant.evaluation import Scorecard
from kronos_quant.evaluation.distribution import DistributionCard
from kronos_quant.report.canvas import BLUE, GREY, ORANGE, VERMILION, look, percent_axis, session_axis, svg_of
from kronos_quant.stats.intervals import MeanInterval

INK = "#444444"
ROLLING = 20
"""Dates of the moving mean of the rank IC."""
LARGEST_DOT = 260.0
"""Area of the dot that holds all forecasts of the reliability picture."""


def ic_over_time(card: Scorecard) -> str:
    """The signal's rank IC of each date, its moving mean, and the mean of all with its interval."""
    ranking = card.signal.ranking
    assert ranking is not None
    values, found = ranking.rank_ic_by_date, ranking.rank_ic
    moving = pl.Series(values).fill_nan(None).rolling_mean(ROLLING, min_samples=ROLLING // 2).to_numpy()

    def draw(axes: Axes) -> None:
        places = np.arange(len(values))
        axes.bar(places, values, color=GREY, alpha=0.45, width=0.9, linewidth=0, label=f"one {card.clock.date}")
        axes.plot(places, moving, color=BLUE, linewidth=1.6, label=f"mean of {ROLLING} {card.clock.date}s")
        if found.known:
            axes.axhspan(found.low, found.high, color=ORANGE, alpha=0.3, linewidth=0, label="95 % interval of the mean")
        axes.axhline(found.mean, color=ORANGE, linewidth=1.6, linestyle="--", label=f"mean of all: {found.mean:+.3f}")
        axes.axhline(0, color=INK, linewidth=0.9)
        session_axis(axes, card.times)
        axes.set_ylabel("rank IC")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4)

    return _picture(draw, (10.4, 3.6))


def beside_baselines(card: Scorecard) -> str:
    """Rank IC of every contender that ranks, with its interval."""
    ranked = [(one.name, one.ranking.rank_ic) for one in card.cards if one.ranking is not None]
    return _picture(lambda axes: _forest(axes, ranked, "mean rank IC"), (6.2, 0.9 + 0.42 * len(ranked)))


def slices(card: Scorecard) -> str:
    """The signal's rank IC in parts of the dates and symbols."""
    parts = [(f"{part.kind}: {part.label}", part.rank_ic) for part in card.slices if part.rank_ic.dates]
    return _picture(lambda axes: _forest(axes, parts, "mean rank IC", marked=False), (7.4, 0.9 + 0.36 * len(parts)))


def _forest(axes: Axes, rows: Sequence[tuple[str, MeanInterval]], label: str, *, marked: bool = True) -> None:
    """One row a figure: a dot with its interval, the first row marked; an open dot has too few dates for one."""
    for place, (_, found) in enumerate(rows):
        colour = BLUE if marked and place == 0 else INK
        if found.known:
            axes.plot([found.low, found.high], [place, place], color=colour, linewidth=2.2)
        axes.plot(
            found.mean,
            place,
            marker="o",
            markersize=7,
            color=colour,
            markerfacecolor=colour if found.known else "white",
        )
    axes.axvline(0, color=VERMILION, linewidth=1.0)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label)


def decay(card: Scorecard) -> str:
    """The signal's rank IC at each horizon."""
    ranking = card.signal.ranking
    assert ranking is not None
    found = ranking.decay

    def draw(axes: Axes) -> None:
        labels = [str(horizon) for horizon in found]
        for place, (horizon, interval) in enumerate(found.items()):
            colour = BLUE if horizon == card.horizon else INK
            if interval.known:
                axes.plot([place, place], [interval.low, interval.high], color=colour, linewidth=2.2)
            axes.plot(
                place, interval.mean, marker="o", markersize=7, color=colour, mfc=colour if interval.known else "w"
            )
        axes.axhline(0, color=VERMILION, linewidth=1.0)
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlabel(f"{card.clock.bar}s ahead (main horizon: {card.horizon})")
        axes.set_ylabel("mean rank IC")

    return _picture(draw, (5.0, 3.3))


def fifths(card: Scorecard) -> str:
    """Return of each fifth of the symbols by score, beyond the mean of all."""
    ranking = card.signal.ranking
    assert ranking is not None
    groups = ranking.portfolios.groups

    def draw(axes: Axes) -> None:
        means = [group.mean for group in groups]
        axes.bar(range(len(groups)), means, color=BLUE, alpha=0.75, width=0.7, linewidth=0)
        for place, group in enumerate(groups):
            if group.known:
                axes.plot([place, place], [group.low, group.high], color=INK, linewidth=1.6)
        axes.axhline(0, color=INK, linewidth=0.9)
        names = ["worst", *("" for _ in groups[2:]), "best"]
        axes.set_xticks(range(len(groups)), [f"{place}\n{name}" for place, name in enumerate(names, start=1)])
        axes.set_xlabel("fifth of the symbols, by score")
        axes.set_ylabel(f"return over {card.clock.bars(card.horizon)}\nbeyond the mean")
        percent_axis(axes)

    return _picture(draw, (5.0, 3.3))


def coverage(said: dict[str, DistributionCard]) -> str:
    """How many outcomes the intervals held, against how many they claim to, by contender."""

    def draw(axes: Axes) -> None:
        for (name, one), colour, marker in zip(said.items(), (BLUE, GREY, ORANGE, VERMILION), "osD^", strict=False):
            nominal = list(one.coverage)
            held = [one.coverage[level].mean for level in nominal]
            axes.plot(nominal, held, color=colour, marker=marker, markersize=7, linewidth=1.4, label=name)
        _diagonal(axes)
        axes.set_xlabel("the interval claims to hold")
        axes.set_ylabel("it held")
        axes.legend(loc="upper left")

    return _picture(draw, (4.4, 4.0))


def coverage_by_bar(said: dict[str, DistributionCard], bar: str) -> str:
    """How many outcomes the 90 % intervals of every bar up to the horizon held, by contender."""

    def draw(axes: Axes) -> None:
        for (name, one), colour, marker in zip(said.items(), (BLUE, GREY, ORANGE, VERMILION), "osD^", strict=False):
            held = [found.mean for found in one.by_bar]
            if held:
                axes.plot(range(1, len(held) + 1), held, color=colour, marker=marker, markersize=6, label=name)
        axes.axhline(0.9, color=VERMILION, linewidth=1.2, linestyle="--", label="claimed")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel(f"{bar}s ahead")
        axes.set_ylabel("90 % interval held")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3)

    return _picture(draw, (4.8, 3.3))


def pit(card: DistributionCard) -> str:
    """Where outcomes fell among the quantiles or, exactly, the paths, as density: 1 everywhere is a true forecast."""
    found = card.exact or card

    def draw(axes: Axes) -> None:
        axes.stairs(found.pit / np.diff(found.edges), found.edges, fill=True, color=BLUE, alpha=0.75)
        axes.axhline(1, color=VERMILION, linewidth=1.2, linestyle="--", label="a true forecast")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("quantile of the forecast that the outcome fell on")
        axes.set_ylabel("outcomes / expected")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18))

    return _picture(draw, (4.8, 3.3))


def reliability(card: DistributionCard) -> str:
    """Share that rose by the forecast probability of a rise."""
    found = card.reliability

    def draw(axes: Axes) -> None:
        there = found.count > 0
        size = LARGEST_DOT * found.count[there] / found.count.sum()
        axes.plot(found.forecast[there], found.rose[there], color=BLUE, linewidth=1.0, alpha=0.6)
        axes.scatter(found.forecast[there], found.rose[there], s=np.maximum(size, 12), color=BLUE)
        _diagonal(axes)
        axes.set_xlabel("forecast probability of a rise")
        axes.set_ylabel("share that rose")

    return _picture(draw, (4.4, 4.0))


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=VERMILION, linewidth=1.2, linestyle="--", zorder=0)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def _picture(draw: Callable[[Axes], None], size: tuple[float, float]) -> str:
    """An SVG element without references, the same bytes for the same figures."""
    with look():
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        return svg_of(figure)
