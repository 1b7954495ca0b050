from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from validity.cases import run, walks

from kronos_quant.report.periods import by_period, half_year, month_ends, monthly_returns, rolling_figures
from kronos_quant.stats.performance import annual_volatility, beta_of, max_drawdown


def test_months_compound_their_sessions():
    dates = [date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3), date(2024, 3, 1)]
    found = monthly_returns(dates, np.array([0.1, 0.1, -0.5, 0.02]))
    assert found == pytest.approx({(2023, 12): 0.1, (2024, 1): -0.45, (2024, 3): 0.02})


def test_months_compound_to_the_whole():
    returns = np.random.default_rng(0).normal(0, 0.01, 300)
    found = monthly_returns([date(2024, 1, 1) + timedelta(days=i) for i in range(300)], returns)
    assert math.prod(1 + value for value in found.values()) == pytest.approx(np.prod(1 + returns))
    assert len(found) == 10


def test_rolling_figures_are_those_of_each_stretch():
    rng = np.random.default_rng(1)
    returns, benchmark = rng.normal(0, 0.01, 60), rng.normal(0, 0.01, 60)
    found = rolling_figures(returns, benchmark, 20, 252)
    stretches = [slice(i, i + 20) for i in range(41)]
    for name, values in (
        ("annual_volatility", [annual_volatility(returns[part], 252) for part in stretches]),
        ("max_drawdown", [max_drawdown(returns[part]) for part in stretches]),
        ("beta", [beta_of(returns[part], benchmark[part]) for part in stretches]),
    ):
        one = found[name]
        expected = (min(values), np.median(values), max(values), values[-1])
        assert tuple(one.values()) == pytest.approx(expected)
    assert "beta" not in rolling_figures(returns, None, 20, 252)


def test_fewer_sessions_than_a_stretch_have_none():
    assert rolling_figures(np.zeros(19), None, 20, 252) == {}


def test_flat_returns_have_no_rolling_sharpe_ratio():
    sharpe = rolling_figures(np.zeros(30), None, 20, 252)["sharpe_ratio"]
    assert math.isnan(sharpe["median"])
    assert math.isnan(sharpe["newest"])


def test_half_a_year_follows_the_annualisation():
    assert [half_year(years) for years in (252, 243, 365, 1)] == [126, 121, 182, 2]


def test_month_ends_are_the_last_sessions_and_their_weights_add_up():
    _, _, result = run(walks(60, 24, seed=6), strategy="long_short_quantile", quantile=0.25, every=4)
    ends = month_ends(result)
    assert [(end.date.year, end.date.month) for end in ends] == [(2023, 1), (2023, 2), (2023, 3)]
    last = result.positions.filter(pl.col("date") == ends[-1].date)["weight"]
    assert ends[-1].date == result.dates[-1]
    assert ends[-1].symbols == len(last)
    assert ends[-1].long == pytest.approx(sum(weight for weight in last if weight > 0))
    assert ends[-1].short == pytest.approx(sum(weight for weight in last if weight < 0))
    sizes = [abs(weight) for _, weight in ends[-1].largest]
    assert sizes == sorted(map(abs, last), reverse=True)[:5]


def test_what_goes_into_metrics_has_months_half_years_and_holdings():
    _, _, result = run(walks(150, 8, seed=6), topk=3)
    found = by_period(result)
    assert list(found["monthly_returns"]) == ["2023-01", "2023-02", "2023-03", "2023-04", "2023-05"]
    assert found["rolling_sessions"] == 126
    assert set(found["rolling"]) == {"annual_return", "annual_volatility", "sharpe_ratio", "max_drawdown"}
    assert set(found["rolling"]["max_drawdown"]) == {"lowest", "median", "highest", "newest"}
    assert [end["date"] for end in found["holdings"]][-1] == result.dates[-1]
    assert len(found["holdings"][-1]["largest"]) == found["holdings"][-1]["symbols"] == 3
