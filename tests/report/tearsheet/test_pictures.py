from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from report.cases import examined, index
from validity.cases import walks

from kronos_quant.report.canvas import look
from kronos_quant.report.tearsheet.pictures import (
    bars_of,
    distribution_figure,
    performance_caption,
    pictures_of,
    rolling_figure,
)
from kronos_quant.stats.performance import beta_of, sharpe_ratio


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="module")
def full(whole_case):
    return whole_case.result


def test_rolling_figures_end_at_the_session_that_they_are_known_at(full):
    panels = rolling_figure(full).axes
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in panels]
    expected = ("Sharpe ratio, annual", "volatility, annual", "beta to the benchmark")
    assert titles == [f"{title}, over 126 sessions" for title in expected]
    sharpe, beta = panels[0].lines[0], panels[2].lines[0]
    assert list(sharpe.get_xdata()) == list(range(125, 200))
    assert sharpe.get_ydata()[10] == pytest.approx(sharpe_ratio(full.returns[10:136], 252))
    assert beta.get_ydata()[-1] == pytest.approx(beta_of(full.returns[-126:], full.benchmark_returns[-126:]))


def test_without_a_benchmark_there_is_no_beta_and_without_half_a_year_no_picture(full, tmp_path):
    alone = replace(full, benchmark_returns=None)
    assert len(rolling_figure(alone).axes) == 2
    short = examined(tmp_path, walks(60, 24, seed=6), benchmark=index(60)).result
    assert rolling_figure(short) is None
    assert [len(pictures_of(result)) for result in (full, short)] == [3, 2]


def test_the_histogram_counts_every_session_and_marks_mean_and_tail():
    values = np.random.default_rng(0).normal(0.001, 0.01, 500)
    [axes] = distribution_figure(values).axes
    assert sum(bar.get_height() for bar in axes.patches) == 500
    curve, mean, tail = axes.lines
    assert mean.get_xdata()[0] == pytest.approx(values.mean())
    assert tail.get_xdata()[0] == pytest.approx(np.quantile(values, 0.05))
    width = axes.patches[0].get_width()
    area = np.trapezoid(curve.get_ydata(), curve.get_xdata()) / width
    assert area == pytest.approx(500, rel=0.02)  # the curve stands for as many sessions as the bars


def test_returns_that_hardly_ever_move_do_not_make_a_million_bars():
    still = np.zeros(500)
    still[::3] = np.random.default_rng(0).normal(0, 1e-9, len(still[::3]))
    still[7] = 0.5
    assert bars_of(still) == 100
    assert len(distribution_figure(still).axes[0].patches) == 100
    assert bars_of(np.r_[np.zeros(99), 0.1]) == 100  # no spread at all between the quartiles
    assert bars_of(np.linspace(-0.01, 0.01, 20)) == 5
    normal = np.random.default_rng(0).normal(0, 0.01, 500)
    assert bars_of(normal) == len(np.histogram_bin_edges(normal, "fd")) - 1


def test_captions_speak_of_what_is_shown(full):
    assert "Excess" in performance_caption(full)
    assert "costs eat the strategy" in performance_caption(replace(full, benchmark_returns=None))
    captions = [picture.caption for picture in pictures_of(full, "SPX")]
    assert "126 sessions before it, a year having 252" in captions[1]
    assert all("good" in caption or "losses" in caption for caption in captions)


def test_pictures_are_the_same_for_the_same_run_and_refer_to_nothing(full):
    with look():
        one, other = pictures_of(full), pictures_of(full)
    assert [picture.svg for picture in one] == [picture.svg for picture in other]
    assert not any("http" in picture.svg or "<?xml" in picture.svg for picture in one)
