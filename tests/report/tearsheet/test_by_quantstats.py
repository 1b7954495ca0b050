from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import pytest
from report.pages import Reader

from kronos_quant.report.tearsheet.by_quantstats import CAPTIONS, plots, quantstats_part, tidied
from kronos_quant.stats.performance import key_figures

ROWS = """<h3>Key figures</h3>
<table>
<thead>
<tr><th>Metric</th><th>Strategy</th></tr>
</thead>
<tbody>
<tr><td>Sharpe</td><td>-</td></tr>
<tr><td colspan="2"><hr></td></tr>
<tr><td>Max Drawdown</td><td>%</td></tr>
<tr><td>Max DD Date</td><td></td></tr>
<tr><td colspan="2"><hr></td></tr>
<tr><td>Information Ratio</td><td>0.3</td></tr>
<tr><td>3Y (ann.)</td><td>14.0%</td></tr>
<tr><td colspan="2"><hr></td></tr>
<tr><td>Beta</td><td>-</td></tr>
</tbody>
</table>
"""


def dates(count: int) -> list[date]:
    return [date(2024, 1, 1) + timedelta(days=i) for i in range(count)]


def returns(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0005, 0.01, count)


def part(series, benchmark=None, years=252) -> Reader:
    return Reader(quantstats_part(dates(len(series)), series, benchmark, "SPX", years))


def test_pictures_and_tables_are_filled_and_nothing_refers_anywhere():
    html = quantstats_part(dates(300), returns(300), returns(300, 1), "SPX", 252)
    read = Reader(html)
    assert read.tags.count("svg") == read.tags.count("figcaption") == len(CAPTIONS)
    assert all(reference.startswith("#") for reference in read.references)
    assert "http" not in html
    assert "{{" not in html
    assert read.table("Key figures")["Metric"] == ["SPX", "Strategy"]


def test_pictures_that_would_be_empty_are_left_out():
    assert plots(130, 252, compared=True).count("<figure>") == 4
    assert plots(130, 365, compared=True).count("<figure>") == 2  # half a year of crypto is 183 sessions
    assert plots(130, 252, compared=False).count("<figure>") == 3
    assert plots(19, 252, compared=True) == ""


def test_what_the_returns_do_not_determine_is_left_out_and_names_say_what_is_meant():
    read = Reader(tidied(ROWS, years=2.5))
    assert read.tables == [("Key figures", [["Metric", "Strategy"], ["Information Ratio (a session)", "0.3"]])]
    assert "hr" not in read.tags
    assert "3Y (ann.)" in tidied(ROWS, years=3.0)


def test_a_table_of_drawdowns_without_any_is_left_out():
    rising = np.linspace(0.001, 0.002, 30)
    assert "Deepest drawdowns" not in part(rising).headings
    falling = part(returns(60))
    assert falling.table("Deepest drawdowns")["Started"] == ["Until", "Drawdown", "Days"]


def test_figures_are_of_all_sessions_also_those_before_the_first_trade():
    late = np.concatenate([np.zeros(50), returns(50)])
    expected = late.mean() / late.std(ddof=1) * np.sqrt(252)
    assert part(late).table("Key figures")["Sharpe"] == [f"{expected:.2f}"]


@pytest.mark.parametrize("years", [243, 252, 365])
@pytest.mark.parametrize("seed", range(3))
def test_where_quantstats_means_the_same_its_figures_are_ours_to_1e_9(seed, years):
    import pandas as pd
    from quantstats import stats

    own, other = returns(400, seed), returns(400, seed + 100)
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
    assert {name: ours[name] for name in theirs} == pytest.approx(json.loads(json.dumps(theirs)), rel=1e-9, abs=1e-9)


def test_the_table_on_the_page_shows_our_figures():
    own, other = returns(400), returns(400, 1)
    rows, ours = part(own, other, 243).table("Key figures"), key_figures(own, own, other, 243)
    assert rows["Sharpe"] == [f"{round(ours[f'{whose}sharpe_ratio'], 2)}" for whose in ("benchmark_", "")]
    assert rows["CAGR"][1] == f"{round(ours['annual_return'] * 100, 2)}%"
    assert rows["Max Drawdown"][1] == f"{round(ours['max_drawdown'] * 100, 2)}%"
    assert rows["Beta"][1] == f"{round(ours['beta'], 2)}"
