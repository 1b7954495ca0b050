from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from charts.cases import CURVES, DATES, RETURNS, T

from kronos_quant.charts import comparison_figure, distribution_figure, performance_figure, rolling_figure
from kronos_quant.charts.performance import bin_count


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def title(axes) -> str:
    return axes.get_title(loc="left")


def test_performance_has_growth_drawdown_and_excess_over_the_benchmark():
    growth, depth, excess = performance_figure(CURVES, "topk").axes
    assert legend(growth) == ["portfolio, after costs", "portfolio, before costs", "benchmark SPX"]
    assert "Drawdown" in title(depth)
    assert title(excess) == "Excess: growth relative to SPX"
    grown = np.cumprod(1 + RETURNS)
    np.testing.assert_allclose(growth.lines[0].get_ydata(), [0, *(grown - 1)])
    expected = grown / np.cumprod(1 + CURVES.benchmark_returns) - 1
    np.testing.assert_allclose(excess.lines[1].get_ydata(), [0, *expected])
    # every curve begins at 0 before the first session, so that one session alone is a line
    curves = [line for axes in (growth, depth, excess) for line in axes.lines if len(line.get_xdata()) > 2]
    assert {line.get_xdata()[0] for line in curves} == {-1}
    assert depth.get_ylim()[1] == 0
    assert not growth.texts
    assert all(axes.get_ylabel() for axes in (growth, depth, excess))


def test_performance_without_a_benchmark_shows_what_costs_took():
    growth, _, costs = performance_figure(replace(CURVES, benchmark_returns=None)).axes
    assert len(legend(growth)) == 2
    assert title(costs).startswith("Cost drag")
    assert costs.lines[0].get_ydata()[-1] < 0


def test_a_run_without_a_trade_says_so_in_the_picture():
    flat = np.zeros(T)
    growth, depth, _ = performance_figure(replace(CURVES, returns=flat, benchmark_returns=None, traded=False)).axes
    assert [text.get_text() for text in growth.texts] == ["NO TRADE WAS MADE"]
    assert depth.get_ylim() == (pytest.approx(-0.055, abs=0.05), 0)


def test_rolling_figures_end_at_the_session_that_they_are_known_at():
    values = np.linspace(1, 2, T - 20)
    [axes] = rolling_figure(DATES, {"Sharpe ratio, annual": values}, 21, []).axes
    assert title(axes) == "Sharpe ratio, annual, over 21 sessions"
    assert list(axes.lines[0].get_xdata()) == list(range(20, T))
    assert axes.lines[1].get_ydata()[0] == pytest.approx(1.5)


def test_the_histogram_counts_every_session_and_marks_mean_and_tail():
    values = np.random.default_rng(0).normal(0.001, 0.01, 500)
    [axes] = distribution_figure(values).axes
    assert sum(bar.get_height() for bar in axes.patches) == 500
    curve, mean, tail = axes.lines
    assert mean.get_xdata()[0] == pytest.approx(values.mean())
    assert tail.get_xdata()[0] == pytest.approx(np.quantile(values, 0.05))
    area = np.trapezoid(curve.get_ydata(), curve.get_xdata()) / axes.patches[0].get_width()
    assert area == pytest.approx(500, rel=0.02)  # the curve stands for as many sessions as the bars


def test_returns_that_hardly_ever_move_do_not_make_a_million_bars():
    still = np.zeros(500)
    still[::3] = np.random.default_rng(0).normal(0, 1e-9, len(still[::3]))
    still[7] = 0.5
    assert bin_count(still) == 100
    assert len(distribution_figure(still).axes[0].patches) == 100
    assert bin_count(np.r_[np.zeros(99), 0.1]) == 100  # no spread at all between the quartiles
    assert bin_count(np.linspace(-0.01, 0.01, 20)) == 5
    normal = np.random.default_rng(0).normal(0, 0.01, 500)
    assert bin_count(normal) == len(np.histogram_bin_edges(normal, "fd")) - 1


def test_runs_are_drawn_at_the_places_of_their_sessions_from_0_on():
    runs = [("a", np.arange(40.0), RETURNS[:40]), ("b", np.array([7.0]), RETURNS[:1])]
    growth, depth = comparison_figure(DATES, runs, shared=False).axes
    first, second = growth.get_lines()[:2]
    assert list(first.get_xdata()) == list(range(-1, 40))
    np.testing.assert_allclose(first.get_ydata(), [0, *(np.cumprod(1 + RETURNS[:40]) - 1)])
    np.testing.assert_allclose(second.get_xydata(), [[6, 0], [7, RETURNS[0]]])
    assert all(line.get_ydata()[0] == 0 for line in depth.get_lines()[:2])
    assert title(growth) == "Growth, each run over its own sessions"
    assert title(comparison_figure(DATES, runs[:1], shared=True).axes[0]) == "Growth over the sessions of all runs"


def test_more_runs_than_styles_are_drawn_all_the_same():
    many = [(f"run {i}", np.arange(40.0), RETURNS[:40]) for i in range(7)]
    assert legend(comparison_figure(DATES, many, shared=True).axes[0]) == [f"run {i}" for i in range(7)]
