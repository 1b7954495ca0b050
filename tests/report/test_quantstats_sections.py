from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from kronos_quant.report import quantstats_sections as module
from kronos_quant.report.quantstats_sections import quantstats_sections
from kronos_quant.stats.performance import key_figures

NAN = float("nan")


def dates(count: int) -> list[date]:
    return [date(2024, 1, 1) + timedelta(days=i) for i in range(count)]


def returns(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0005, 0.01, count)


def found(series, benchmark=None, years=252) -> dict:
    sections, troubles = quantstats_sections(dates(len(series)), series, benchmark, years)
    assert troubles == []
    return {section.title: section for section in sections}


@pytest.fixture(scope="module")
def whole() -> dict:
    return found(returns(400), returns(400, 1))


def test_only_figures_that_the_report_has_under_no_other_name_are_shown(whole):
    further = whole["Further statistics"]
    assert further.columns == ("figure", "portfolio", "benchmark")
    rows = {row[0]: row[1:] for row in further.rows}
    assert {"profit factor (sum of gains / sum of losses)", "ulcer index", "correlation with the benchmark"} < set(rows)
    ours = key_figures(returns(400), returns(400), returns(400, 1), 252)
    shown = {cell for row in rows.values() for cell in row}
    for name in ("annual_return", "total_return", "annual_volatility", "max_drawdown"):
        assert f"{round(ours[name] * 100, 2)}%" not in shown, name
    names = " ".join(rows).lower()
    assert not any(word in names for word in ("cagr", "omega", "skew", "kurtosis", "calmar", "beta", "alpha", "ytd"))
    # no two names for one figure
    own = [row[1:] for row in further.rows if row[1] not in ("-", "0.0%")]
    assert len(set(own)) == len(own)


def test_the_figures_are_worked_out_by_hand(whole):
    rows = {row[0]: row[1] for row in whole["Further statistics"].rows}
    series = returns(400)
    assert rows["best session"] == f"{round(series.max() * 100, 2)}%"
    factor = series[series > 0].sum() / -series[series < 0].sum()
    assert rows["profit factor (sum of gains / sum of losses)"] == f"{round(factor, 2)}"


def test_what_the_returns_do_not_determine_is_left_out():
    rising = found(np.linspace(0.001, 0.002, 30))
    assert not any("return of the last" in row[0] for row in rising["Further statistics"].rows)
    assert not any(cell in ("nan", "inf", "") for row in rising["Further statistics"].rows for cell in row)


@pytest.mark.parametrize("series", [np.zeros(30), returns(1), returns(0)])
def test_returns_that_do_not_move_or_are_too_few_have_none(series):
    assert quantstats_sections(dates(len(series)), series, None, 252) == ([], [])


def test_missing_returns_are_left_out_and_counted():
    series = returns(40)
    series[3] = NAN
    sections, troubles = quantstats_sections(dates(40), series, None, 252)
    assert troubles == ["Sessions without a return, left out of the further statistics: 1."]
    assert sections


def test_returns_that_look_like_prices_are_not_taken_for_them():
    sections, troubles = quantstats_sections(dates(3), np.array([0.1, 1.5, 0.2]), None, 252)
    assert sections == []
    assert troubles == ["quantstats cannot evaluate these 3 returns."]


def test_what_quantstats_cannot_compare_is_computed_without_the_benchmark(monkeypatch):
    compute, calls = module._sections, []

    def fails(days, series, benchmark, *rest):
        calls.append(benchmark is not None)
        if benchmark is not None:
            raise ZeroDivisionError
        return compute(days, series, benchmark, *rest)

    monkeypatch.setattr(module, "_sections", fails)
    sections, troubles = quantstats_sections(dates(30), returns(30), returns(30, 1), 252)
    assert calls == [True, False]
    assert troubles == ["quantstats cannot compare these 30 returns with the benchmark."]
    assert sections[0].columns[1:] == ("portfolio",)


@pytest.mark.parametrize("years", [243, 365])
def test_where_quantstats_means_the_same_its_figures_are_ours_to_1e_9(years):
    import pandas as pd
    from quantstats import stats

    own, other = returns(400, years), returns(400, years + 100)
    series, benchmark = (pd.Series(values, index=pd.DatetimeIndex(dates(400))) for values in (own, other))
    ours = key_figures(own, own + 0.0001, other, years)
    greeks = stats.greeks(series, benchmark, years)
    theirs = {
        "total_return": stats.comp(series),
        "annual_return": stats.cagr(series, periods=years),
        "annual_volatility": stats.volatility(series, periods=years),
        "sharpe_ratio": stats.sharpe(series, periods=years),
        "sortino_ratio": stats.sortino(series, periods=years),
        "calmar_ratio": stats.calmar(series, periods=years),
        "max_drawdown": stats.max_drawdown(series),
        "win_rate": stats.win_rate(series),
        "benchmark_annual_return": stats.cagr(benchmark, periods=years),
        "benchmark_sharpe_ratio": stats.sharpe(benchmark, periods=years),
        "beta": greeks["beta"],
        "alpha": greeks["alpha"],
        # quantstats' is of a session
        "information_ratio": stats.information_ratio(series, benchmark) * np.sqrt(years),
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(
        {name: float(value) for name, value in theirs.items()}, rel=1e-9, abs=1e-9
    )
