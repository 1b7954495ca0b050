from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from kronos_quant.stats import performance

RETURNS = np.array([0.10, -0.20, 0.0, 0.25])  # wealth 1.1, 0.88, 0.88, 1.1


def test_figures_of_four_sessions_by_hand():
    figures = performance.series_figures(RETURNS, 252)
    assert figures["total_return"] == pytest.approx(0.1)
    assert figures["annual_return"] == pytest.approx(1.1**63 - 1)
    assert figures["annual_volatility"] == pytest.approx(math.sqrt(0.10687500 / 3 * 252))
    assert figures["sharpe_ratio"] == pytest.approx(0.0375 / math.sqrt(0.106875 / 3) * math.sqrt(252))
    assert figures["sortino_ratio"] == pytest.approx(0.0375 / math.sqrt(0.04 / 4) * math.sqrt(252))
    assert figures["calmar_ratio"] == pytest.approx((1.1**63 - 1) / 0.2)
    assert figures["max_drawdown"] == pytest.approx(-0.2)
    assert figures["win_rate"] == pytest.approx(2 / 3)


def test_a_loss_on_the_first_session_is_a_drawdown_from_the_start():
    np.testing.assert_allclose(performance.drawdowns(np.array([-0.1, 0.2])), [-0.1, 0.0], atol=1e-15)


@pytest.mark.parametrize("returns", [np.zeros(5), np.full(5, 0.01)])
def test_flat_returns_have_no_sharpe_ratio(returns):
    assert math.isnan(performance.sharpe_ratio(returns, 252))


def test_what_one_return_does_not_determine_is_nan():
    figures = performance.series_figures(np.array([0.01]), 252)
    assert math.isnan(figures["annual_volatility"])
    assert math.isnan(figures["sharpe_ratio"])
    assert math.isnan(performance.win_rate(np.zeros(3)))
    assert math.isnan(performance.sortino_ratio(np.array([0.01, 0.02]), 252))
    assert math.isnan(performance.calmar_ratio(np.array([0.01, 0.02]), 252))
    assert math.isnan(performance.annual_return(np.array([]), 252))


def test_excess_is_the_difference_of_annual_returns():
    benchmark = np.array([0.01, 0.02, -0.01, 0.0])
    figures = performance.key_figures(RETURNS, RETURNS + 0.001, benchmark, 252)
    expected = 1.1**63 - (1.01 * 1.02 * 0.99) ** 63
    assert figures["excess_annual_return"] == pytest.approx(expected)
    assert figures["excess_annual_return_before_cost"] > figures["excess_annual_return"]
    difference = RETURNS - benchmark
    ratio = difference.mean() / difference.std(ddof=1) * math.sqrt(252)
    assert figures["information_ratio"] == pytest.approx(ratio)
    assert figures["tracking_error"] == pytest.approx(difference.std(ddof=1) * math.sqrt(252))


def test_alpha_is_what_beta_leaves():
    benchmark = np.array([0.01, 0.03, -0.01, 0.01])
    figures = performance.key_figures(0.002 + 1.5 * benchmark, RETURNS, benchmark, 250)
    assert figures["beta"] == pytest.approx(1.5)
    assert figures["alpha"] == pytest.approx(0.5)
    assert math.isnan(performance.beta_of(RETURNS, np.full(4, 0.01)))


def test_without_a_benchmark_nothing_is_compared():
    figures = performance.key_figures(RETURNS, RETURNS, None, 252)
    assert not any("benchmark" in name or "excess" in name for name in figures)


@pytest.mark.parametrize(("seed", "years"), [(0, 252), (1, 243), (2, 365)])
def test_figures_equal_quantstats_where_they_mean_the_same(seed, years):
    import pandas as pd

    rng = np.random.default_rng(seed)
    benchmark = rng.normal(0.0005, 0.01, 300)
    ours = 0.8 * benchmark + rng.normal(0.0003, 0.006, 300)
    ours[:20], ours[50] = 0.0, 0.0  # before the first trade, and a session without a move
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import quantstats as qs

        index = pd.bdate_range("2024-01-01", periods=300)
        theirs, other = pd.Series(ours, index=index), pd.Series(benchmark, index=index)
        greeks = qs.stats.greeks(theirs, other, periods=years)
        expected = {
            "total_return": qs.stats.comp(theirs),
            "annual_return": qs.stats.cagr(theirs, periods=years),
            "annual_volatility": qs.stats.volatility(theirs, periods=years),
            "sharpe_ratio": qs.stats.sharpe(theirs, periods=years),
            "sortino_ratio": qs.stats.sortino(theirs, periods=years),
            "calmar_ratio": qs.stats.calmar(theirs, periods=years),
            "max_drawdown": qs.stats.max_drawdown(theirs),
            "win_rate": qs.stats.win_rate(theirs),
            "benchmark_annual_return": qs.stats.cagr(other, periods=years),
            # theirs is of a session
            "information_ratio": qs.stats.information_ratio(theirs, other) * math.sqrt(years),
            "alpha": greeks["alpha"],
            "beta": greeks["beta"],
        }
    figures = performance.key_figures(ours, ours, benchmark, years)
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-9)
