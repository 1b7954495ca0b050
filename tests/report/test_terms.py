from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, intraday, panel_of, sizeless

from kronos_quant.backtest import Panel, Rules, rules_of, simulate
from kronos_quant.report.terms import labelled, limits_line, lots_line, settings_of, settlement_line, terms_of

NAN = float("nan")
SCORES, CLOSES = [[2, 1], [1, 2], [1, 2]], [[10, 20], [10.5, 20], [11.5, 22]]


def swap(**fields) -> Panel:
    """The market of the ledger worked out in tests/backtest/test_engine.py."""
    return replace(panel_of(SCORES, CLOSES, open_=[[10, 20], [10, 20], [11, 21]]), **fields)


def ran(panel: Panel, exchange: str = "", **fields):
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 1e5, "lot": 100, "price_limit": "none"}
    strategy = sizeless(plain | {"costs": PLAIN_COSTS} | fields)
    rules = rules_of(strategy, panel, exchange)
    return simulate(strategy, panel, rules), rules


def told(panel: Panel, **fields) -> str:
    result, rules = ran(panel, **fields)
    return "\n".join(f"{label}: {line}" for label, line in terms_of(result, rules))


def mainland(symbols: tuple[str, ...], dates: tuple[date, ...]) -> Rules:
    panel = replace(panel_of(np.ones((len(dates), len(symbols))), np.full((len(dates), len(symbols)), 10.0)))
    panel = replace(panel, symbols=symbols, dates=dates)
    return rules_of(sizeless({}), panel)


def test_terms_say_what_was_run_when_and_at_which_costs():
    text = told(swap())
    assert "period: 2024-01-02 to 2024-01-03, 2 sessions traded" in text
    assert "symbols: 2 with scores and bars" in text
    assert "recipe: default" in text
    assert "hold the top 1, replace at most 1 per session, minimum holding period 1 session" in text
    assert "scores of one session are traded at the open of the next session" in text
    assert "buying 0.1%, selling 0.15%" in text
    assert "at least 5 per trade" in text
    assert "rules: bought in lots of 100\nrules: no daily price limits" in text
    assert "rules: delisted holdings are sold at the last close +0%" in text
    assert "account: 100,000 at the start, 114,045.35 at the end" in text
    assert text.endswith("benchmark: none")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"lot": 0}, "bought in fractions of shares"),
        ({"lot": 1}, "board lot: 1 share"),
        ({"price_limit": 0.095}, "daily price limits: 9.5%"),
        ({}, "symbols suspended in the session before get no orders"),
        ({"only_tradable": False}, "symbols suspended in the session before are ordered all the same"),
        ({"delisting_return": -0.3}, "delisted holdings are sold at the last close -30%"),
        ({"score": "p_rise"}, "recipe: default, score p_rise"),
        ({"scores": "mine.csv"}, "scores: mine.csv"),
        ({"liquidity": {"slippage": 0.001}}, "liquidity: slippage 0.100% of the price"),
        (
            {"liquidity": {"participation": 0.1, "carry_over": False}},
            "an order fills up to 10.00% of the mean volume of the previous 20 sessions, the rest is cancelled",
        ),
        ({"liquidity": {"participation": 0.1}}, "the rest is carried over"),
        (
            {"liquidity": {"impact": 0.5, "volume": "bar"}},
            "impact 0.5 x volatility x sqrt(order / the traded bar's own volume)",
        ),
        ({"risk": {"stop_loss": 0.1}}, "risk: stop-loss 10.00% below entry"),
        ({"strategy": "topk_rebalance", "every": 5}, "hold the top 1, weighted equally, rebalanced every 5 sessions"),
        ({"strategy": "topk_rebalance"}, "hold the top 1, weighted equally, rebalanced every session"),
        ({"strategy": "long_short_quantile", "quantile": 0.5}, "long the top 50%, short the bottom 50%"),
        ({"strategy": "buy_and_hold"}, "buy the top 1 of the first session and hold them"),
    ],
)
def test_values_that_applied_are_named(fields, expected):
    assert expected in told(swap(), **fields)


def test_limits_and_lots_are_counted_by_symbol():
    days = (date(2024, 1, 2), date(2024, 1, 3))
    rules = mainland(("SH600000", "SZ000001", "SZ300001", "SH688001"), days)
    assert limits_line(rules) == "daily price limits: 10% (2 symbols), 20% (2 symbols)"
    assert lots_line(rules) == "bought in lots of 100 (3 symbols), lots of 200 and then by 1 (1 symbol)"
    assert settlement_line(rules) == "T+1: shares can be sold from the session after the purchase on"


def test_a_limit_that_changes_in_the_period_counts_with_both():
    rules = mainland(("SZ300001", "SH600000"), (date(2020, 8, 21), date(2020, 8, 24)))
    assert limits_line(rules) == "daily price limits: 10% (2 symbols), 20% (1 symbol)"


def test_limits_that_differ_up_and_down_are_both_named():
    rules = mainland(("SH600000",), (date(2024, 1, 2), date(2024, 1, 3)))
    uneven = replace(rules, up=np.array([[0.44], [0.1]]), down=np.array([[0.36], [0.1]]))
    assert limits_line(uneven) == "daily price limits: 10% (1 symbol), +44%/-36% (1 symbol)"
    some = replace(rules, up=np.array([[0.1, NAN], [0.1, NAN]]), down=np.array([[0.1, NAN], [0.1, NAN]]))
    assert limits_line(some) == "daily price limits: 10% (1 symbol), none (1 symbol)"


def test_what_may_be_sold_at_once_is_said_by_exchange():
    _, rules = ran(swap(), exchange="XNYS", lot="exchange", price_limit="exchange")
    assert settlement_line(rules) == "T+0: shares can be sold in the session in which they were bought"
    mixed = replace(rules, next_day=np.array([True, False]))
    assert settlement_line(mixed).endswith("(1 of 2 symbols; the others T+0)")


def test_the_profile_qlib_tells_its_own_rules_and_not_the_exchanges():
    text = told(swap(), profile="qlib", lot="exchange", price_limit=0.095)
    assert "costs: Qlib's: buying 0.1%, selling 0.15%" in text
    assert "rules: Qlib's: limit 0.095" in text
    assert "bought in" not in text
    assert "T+1" not in text


def test_a_label_is_told_once():
    assert labelled([("costs", "a"), ("costs", "b"), ("rules", "c")]) == [("costs", "a"), ("", "b"), ("rules", "c")]


def test_settings_are_listed_by_their_dotted_name():
    values = {"strategy": {"topk": 5, "costs": {"buy": None}, "lots": {}}, "list": [1]}
    assert dict(settings_of(values)) == {
        "strategy.topk": 5, "strategy.costs.buy": None, "strategy.lots": {}, "list": "[1]",
    }  # fmt: skip


def by_bars(**fields) -> str:
    """What is told of two sessions of three bars each."""
    score = np.tile([[2.0, 1.0], [1.0, 2.0]], (3, 1))
    close = np.full((6, 2), 10.0)
    return told(intraday(panel_of(score, close), 3), lot=0, **fields)


def test_within_sessions_the_terms_speak_of_bars():
    text = by_bars()
    assert "execution: scores of one bar are traded at the open of the next bar" in text
    assert "replace at most 1 per bar, minimum holding period 1 session" in text
    assert "rebalanced every bar with scores" in by_bars(strategy="topk_rebalance")
    assert "rebalanced every 2 bars with scores" in by_bars(strategy="topk_rebalance", every=2)


def test_a_benchmark_without_a_name_is_not_called_none():
    panel = swap()
    strategy = sizeless({"topk": 1, "n_drop": 1, "lot": 0, "price_limit": "none"})
    rules = rules_of(strategy, panel)
    result = simulate(strategy, panel, rules, benchmark_close=np.array([100.0, 110.0, 99.0]))
    assert dict(terms_of(result, rules))["benchmark"] == "unnamed"
    assert dict(terms_of(result, rules, "SPX"))["benchmark"] == "SPX"
