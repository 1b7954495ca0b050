from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, panel_of

from kronos_quant import report
from kronos_quant.backtest import Strategy, simulate
from kronos_quant.report import Section, report_text

NAN = float("nan")


def text_of(panel, benchmark=None, notes=(), sections=(), **fields) -> str:
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 1e5, "lot": 100, "price_limit": "none"}
    result = simulate(
        Strategy.model_validate(plain | {"costs": PLAIN_COSTS} | fields), panel, benchmark_close=benchmark
    )
    return report_text(result, title="topk", benchmark_name="SPX", notes=notes, sections=sections)


@pytest.fixture(scope="module")
def swap():
    """The market of the ledger worked out in tests/backtest/test_engine.py."""
    return panel_of([[2, 1], [1, 2], [1, 2]], [[10, 20], [10.5, 20], [11.5, 22]], open_=[[10, 20], [10, 20], [11, 21]])


def line(text: str, label: str) -> list[str]:
    found = next(line for line in text.splitlines() if line.strip().startswith(label))
    return found.split(label)[1].split()


def test_report_says_what_was_run_when_and_at_which_costs(swap):
    text = text_of(swap)
    assert "2024-01-02 to 2024-01-03, 2 sessions traded" in text
    assert "hold the 1 best, replace at most 1 a session, keep each for 1 sessions at least" in text
    assert "scores of a session trade at the next session's open" in text
    assert "buying 0.1000%, selling 0.1500%" in text
    assert "at least 5 a trade" in " ".join(text.split())
    rules = (
        "lots of 100; no price limits; nothing is sold on the day of its purchase; delisted holdings leave at +0% from"
    )
    assert rules in " ".join(text.split())
    assert "100,000 at the start, 114,045.35 at the end" in text
    assert "252 sessions a year" in text
    assert "research only" in text


def test_figures_stand_beside_the_benchmarks(swap):
    text = text_of(swap, benchmark=np.array([100.0, 110.0, 99.0]))
    assert line(text, "total return") == ["+14.05%", "-1.00%"]
    assert line(text, "maximum drawdown") == ["0.00%", "-10.00%"]
    assert line(text, "winning sessions") == ["100.0%", "50.0%"]
    assert line(text, "trades") == ["3"]
    assert line(text, "costs, total") == ["354.65"]
    assert line(text, "Sortino ratio") == ["-", "0.00"]
    assert line(text, "Calmar ratio") == ["-", "-7.18"]


def test_without_a_benchmark_nothing_is_compared(swap):
    text = text_of(swap)
    assert line(text, "total return") == ["+14.05%"]
    assert "benchmark      none" in text
    assert len(line(text, "Sharpe ratio")) == 1


def test_a_figure_that_is_not_determined_is_a_dash():
    text = text_of(panel_of([[2, 1]] * 3, np.full((3, 2), 10.0)), account=500.0)
    assert line(text, "Sharpe ratio") == ["-"]
    assert line(text, "winning sessions") == ["-"]


def test_notes_come_first_and_the_loudest_on_top():
    text = text_of(panel_of([[2, 1]] * 3, np.full((3, 2), 10.0)), account=500.0, notes=["The model is unknown."])
    notes = text.index("To know first")
    assert notes < text.index("NO TRADE WAS MADE") < text.index("The model is unknown.") < text.index("What was run")


def test_the_verdict_stands_before_the_figures_and_the_other_sections_after_them(swap):
    verdict = Section("Is it luck?", ("DOES NOT PASS: chance alone may explain it.",))
    other = Section("Costs", (), ("cost", "paid"), (("commission", "354.65"),))
    text = text_of(swap, sections=[verdict, other])
    places = [text.index(part) for part in ("Is it luck?", "DOES NOT", "What was run", "Result, after", "\nCosts\n")]
    assert places == sorted(places)
    assert "\nIs it luck?\n  DOES NOT PASS: chance alone may explain it.\n\n" in text
    assert text.endswith("Costs\n  cost          paid\n  commission  354.65\n")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"lot": 0}, "fractions of shares; no price limits"),
        ({"lot": "exchange", "price_limit": "exchange"}, "lots of the exchange; daily price limits of the exchange"),
        ({"price_limit": 0.095}, "daily price limit 0.095"),
        ({"delisting_return": -0.3}, "delisted holdings leave at -30% from the last close"),
        ({"score": "p_rise"}, "default, score p_rise"),
        ({"liquidity": {"slippage": 0.001}}, "slippage 0.100% of the price"),
        (
            {"liquidity": {"participation": 0.1, "carry_over": False}},
            "at most 10.00% of the mean volume of the 20 sessions before a session, the rest is dropped",
        ),
        (
            {"liquidity": {"impact": 0.5, "volume": "bar"}},
            "the square root of the share of the traded bar's own volume",
        ),
        ({"strategy": "topk_rebalance", "every": 5}, "hold the 1 best, weighted equally, rebalanced every 5 sessions"),
        ({"strategy": "long_short_quantile", "quantile": 0.5}, "hold the best 50%, be short of the worst 50%"),
        ({"strategy": "buy_and_hold"}, "buy the 1 best of the first session, keep them"),
    ],
)
def test_rules_that_applied_are_named(swap, fields, expected):
    assert expected in " ".join(text_of(swap, **fields).split())


def test_lines_fit_a_page(swap):
    assert max(len(line) for line in text_of(swap, notes=["word " * 60]).splitlines()) <= 120


def test_public_names_are_those_of_all():
    assert all(hasattr(report, name) for name in report.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        report.fly  # noqa: B018


def test_what_delisted_holdings_are_worth_is_shown_where_there_were_any(swap):
    assert "by what delisted holdings leave at" not in text_of(swap)
    text = text_of(panel_of([[2, 1], [NAN, NAN], [NAN, NAN]], [[10, 10], [10, 10], [NAN, 10]]))
    assert line(text, "+0%") == ["-0.10%"]
    assert line(text, "-100%") == ["-95.09%"]
