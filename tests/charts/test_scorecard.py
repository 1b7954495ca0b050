from __future__ import annotations

import numpy as np
import pytest
from charts.cases import DATES, FEW, FORECASTS, RNG, T, mean

from kronos_quant.charts import (
    coverage_by_bar_figure,
    coverage_figure,
    decay_figure,
    interval_figure,
    pit_figure,
    quintile_figure,
    rank_ic_figure,
    reliability_figure,
    scores_figure,
)
from kronos_quant.charts.canvas import Hue


def dots(axes) -> list:
    return [line for line in axes.lines if line.get_marker() == "o"]


def names(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def test_every_row_has_its_dot_and_one_without_an_interval_is_open():
    [axes] = interval_figure([("signal", mean(0.03)), ("momentum", mean(-0.01)), ("few", FEW)]).axes
    assert names(axes.yaxis) == ["signal", "momentum", "few"]
    assert [dot.get_xdata()[0] for dot in dots(axes)] == [0.03, -0.01, 0.3]
    assert [dot.get_markerfacecolor() == "#ffffff" for dot in dots(axes)] == [False, False, True]
    assert [dot.get_color() == Hue.BLUE for dot in dots(axes)] == [True, False, False]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() != "o"]
    assert len(lines) == 2 + 1  # and the line at 0
    [plain] = interval_figure([("year: 2024", mean(0.03))], marked=False).axes
    assert dots(plain)[0].get_color() != Hue.BLUE


def test_the_bars_over_time_are_the_rank_ics():
    values = RNG.normal(0, 0.1, T)
    figure = rank_ic_figure(DATES, values, mean(0.0314), "moment")
    np.testing.assert_array_equal([bar.get_height() for bar in figure.axes[0].patches][:T], values)
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"mean of all: +0.031", "one moment", "mean of 20 moments", "95% CI of the mean"} == labels
    few = {text.get_text() for text in rank_ic_figure(DATES, values, FEW).legends[0].get_texts()}
    assert "95% CI of the mean" not in few


def test_the_moving_mean_ends_at_the_last_known_rank_ic():
    values = RNG.normal(0, 0.1, T)
    values[-3:] = np.nan
    [axes] = rank_ic_figure(DATES, values, mean(0.0314)).axes
    [moving] = [line for line in axes.lines if line.get_label() == "mean of 20 dates"]
    assert moving.get_xdata()[-1] == T - 4


def test_the_main_horizon_stands_out():
    [axes] = decay_figure({1: mean(0.03), 5: mean(0.02), 20: FEW}, 5, "bar").axes
    assert names(axes.xaxis) == ["1", "5", "20"]
    assert [dot.get_color() == Hue.BLUE for dot in dots(axes)] == [False, True, False]
    assert axes.get_xlabel() == "horizon, bars (main horizon: 5)"


def test_the_quintiles_go_from_the_bottom_to_the_top():
    groups = [mean(i / 100) for i in range(-2, 3)]
    [axes] = quintile_figure(groups, "5 sessions").axes
    assert [bar.get_height() for bar in axes.patches] == [group.mean for group in groups]
    assert (names(axes.xaxis)[0], names(axes.xaxis)[-1]) == ("1\nbottom", "5\ntop")


def test_the_intervals_are_set_against_their_nominal_level():
    [axes] = coverage_figure({"signal": {0.5: mean(0.41), 0.9: mean(0.79)}}).axes
    [own] = [line for line in axes.lines if line.get_label() == "signal"]
    assert own.get_xydata().tolist() == [[0.5, 0.41], [0.9, 0.79]]


def test_intervals_of_every_bar_are_drawn_against_their_nominal_level():
    [axes] = coverage_by_bar_figure({"signal": [0.5, 0.7, 0.9], "none": []}).axes
    own, nominal = axes.lines
    assert own.get_xydata().tolist() == [[1, 0.5], [2, 0.7], [3, 0.9]]
    assert set(nominal.get_ydata()) == {0.9}
    assert axes.get_xlabel() == "sessions ahead"


def test_dots_of_the_reliability_lie_where_forecast_and_outcome_say():
    count = np.arange(10.0)
    [axes] = reliability_figure(FORECASTS, FORECASTS / 2, count).axes
    [found] = axes.collections
    np.testing.assert_allclose(found.get_offsets(), np.column_stack([FORECASTS, FORECASTS / 2])[1:])
    assert found.get_sizes().argmax() == 8
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 1))


def test_where_outcomes_fell_is_a_density():
    shares = np.array([0.1, 0.4, 0.4, 0.1])
    [axes] = pit_figure(shares, np.array([0.0, 0.05, 0.5, 0.95, 1.0])).axes
    [stairs] = [patch for patch in axes.patches if hasattr(patch, "get_data")]
    values, edges, _ = stairs.get_data()
    assert (values * np.diff(edges)).sum() == pytest.approx(1)
    [even] = [line for line in axes.lines if line.get_label() == "calibrated forecast"]
    assert set(even.get_ydata()) == {1}


def test_scores_show_their_spread_and_how_many_symbols_have_one():
    quantiles = np.outer([-2, -1, 0, 1, 2], np.ones(3))
    spread, number = scores_figure(DATES[:3], np.array([10.0, 20.0, 30.0]), quantiles).axes
    assert [bar.get_height() for bar in number.patches] == [10, 20, 30]
    assert spread.lines[0].get_ydata().tolist() == [0, 0, 0]
