"""Each reason that an order may end with, on the smallest market that gives it: status, shares wanted and filled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import intraday, panel_of, sizeless

from kronos_quant.backtest import rules_of, simulate
from kronos_quant.backtest.codes import BOTH_LIMITS, REASONS, RISKS, SIDES, STATUSES, UNLISTED
from kronos_quant.backtest.notes import rejections_of, risk_orders
from kronos_quant.backtest.panel import SymbolGroups

NAN = float("nan")
FREE = {"buy": 0, "sell": 0, "minimum": 0, "borrow": 0}
BEST, WORST = [2, 1], [1, 2]


def orders_of(close, score=None, *, weights=None, rules=None, volume=None, bars=0, gone=None, groups=None, **fields):
    """Orders as (day, symbol, side, status, reason, wanted, shares)."""
    score = score if score is not None else [BEST] * len(close)
    panel = panel_of(score, close, volume=volume, gone=gone)
    if groups is not None:
        panel = replace(panel, groups=SymbolGroups(("a", "b"), np.array([groups] * len(close))))
    if bars:
        panel = intraday(panel, bars)
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 0, "account": 10_000.0, "lot": 0, "price_limit": "none",
             "risk_degree": 1.0, "costs": FREE}  # fmt: skip
    if weights is not None:
        plain |= {"strategy": "python", "code": "own.py", "short": True}
    strategy = sizeless(plain | fields)
    chosen = replace(rules_of(strategy, panel), **(rules or {}))
    given = iter(weights or ())
    result = simulate(strategy, panel, chosen, decide=None if weights is None else lambda view: next(given, None))
    columns = ("symbol", "side", "status", "reason", "wanted_shares", "shares")
    return [(row["date"].day, *(row[name] for name in columns)) for row in result.orders.iter_rows(named=True)]


def first_with(reason, rows):
    """The first order that ended for a reason: symbol, side, status, wanted, shares."""
    row = next(row for row in rows if row[4] == reason)
    return row[1:4] + row[5:]


FLAT = [[10.0, 20.0]] * 3
NEXT_DAY = {"next_day": np.array([True, True])}

EXCHANGE = {
    "": (lambda: orders_of(FLAT[:2]), ("S00", "buy", "filled", 1_000, 1_000)),
    # the price is not known, and so neither are the shares that the money would buy
    "no bar": (lambda: orders_of([[10, 20], [NAN, 20]], gone=[2, 2]), ("S00", "buy", "rejected", 1_000, 0)),
    "limit up": (lambda: orders_of([[10, 20], [11, 20]], price_limit=0.1), ("S00", "buy", "rejected", 10_000 / 11, 0)),
    "limit down": (
        lambda: orders_of([[10, 20], [10, 20], [9, 20]], [BEST, WORST, WORST], price_limit=0.1),
        ("S00", "sell", "rejected", 1_000, 0),
    ),
    "below one lot": (lambda: orders_of(FLAT[:2], lot=1_500), ("S00", "buy", "rejected", 1_000, 0)),
    "not enough cash": (lambda: orders_of(FLAT[:2], costs=FREE | {"buy": 0.25}), ("S00", "buy", "partial", 1_000, 800)),
    "cost above value": (
        lambda: orders_of([[10, 20], [10, 20], [0.004, 20]], [BEST, WORST, WORST], costs=FREE | {"minimum": 5}, lot=1),
        ("S00", "sell", "rejected", 999, 0),
    ),
    "delisted": (
        lambda: orders_of([[10, 20], [10, 20], [NAN, 20]], [BEST, [NAN, NAN], [NAN, NAN]]),
        ("S00", "sell", "filled", 1_000, 1_000),
    ),
    "volume cap": (
        lambda: orders_of(FLAT[:2], volume=[[800.0, 1.0]] * 2, liquidity={"participation": 0.25}),
        ("S00", "buy", "partial", 1_000, 200),
    ),
    "bought today": (
        lambda: orders_of([[10.0, 20.0]] * 4, bars=2, weights=[{"S00": 0.5}, {}], rules=NEXT_DAY),
        ("S00", "sell", "rejected", 500, 0),
    ),
    "cash buffer": (lambda: orders_of(FLAT[:2], risk={"cash_buffer": 0.25}), ("S00", "buy", "partial", 1_000, 750)),
}

FALL, RISE = [[10, 20], [10, 20], [8, 20], [8, 20]], [[10, 20], [10, 20], [12, 20], [12, 20]]
KEPT = {"n_drop": 0, "score": [BEST, *[[NAN, NAN]] * 3]}

RISK = {
    "": EXCHANGE[""],
    "stop-loss": (
        lambda: orders_of(FALL, risk={"stop_loss": 0.1}, **KEPT),
        ("S00", "sell", "filled", 1_000, 1_000),
    ),
    "take-profit": (
        lambda: orders_of(RISE, risk={"take_profit": 0.1}, **KEPT),
        ("S00", "sell", "filled", 1_000, 1_000),
    ),
    "stays out after a stop": (
        lambda: orders_of([*FALL, [8, 20]], [[2, NAN]] * 5, n_drop=0, risk={"stop_loss": 0.1, "stay_out": 2}),
        ("S00", "buy", "rejected", 1_000, 0),
    ),
    "maximum weight": (
        lambda: orders_of(FLAT[:2], risk={"max_weight": 0.3}),
        ("S00", "buy", "partial", 1_000, 300),
    ),
    "group cap": (
        lambda: orders_of(FLAT[:2], risk={"max_group": 0.9, "groups": "a.csv"}, groups=[0, -1]),
        ("S00", "buy", "rejected", 1_000, 0),
    ),
    "exposure cap": (
        lambda: orders_of(FLAT[:2], risk={"max_gross": 0.6}),
        ("S00", "buy", "partial", 1_000, 600),
    ),
    "volatility target": (
        lambda: orders_of(
            [[10.0 if t % 2 else 11.0, 20.0] for t in range(13)], [[NAN, NAN]] * 11 + [BEST] * 2,
            risk={"volatility_target": 0.5, "volatility_sessions": 10}, sessions_per_year=100,
        ),
        # returns of 1/10 and -1/11, five each: they spread by 0.1006, the target by 0.05 a session
        ("S00", "buy", "partial", 10_000 / 11, 10_000 / 11 * 0.05 / np.std([0.1, -1 / 11] * 5, ddof=1)),
    ),
    "turnover cap": (
        lambda: orders_of(FLAT[:2], risk={"max_turnover": 0.5}),
        ("S00", "buy", "rejected", 1_000, 0),
    ),
    "cash buffer": EXCHANGE["cash buffer"],
    "drawdown halt": (
        lambda: orders_of(FALL, risk={"drawdown_halt": 0.15}, **KEPT),
        ("S00", "sell", "filled", 1_000, 1_000),
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", EXCHANGE)
def test_each_reason_of_the_exchange(reason):
    market, expected = EXCHANGE[reason]
    found = first_with(reason, market())
    assert found[:3] == expected[:3]
    assert found[3:] == pytest.approx(expected[3:])


@pytest.mark.parametrize("rule", RISK)
def test_each_rule_of_the_section_risk(rule):
    market, expected = RISK[rule]
    found = first_with(rule, market())
    assert found[:3] == expected[:3]
    assert found[3:] == pytest.approx(expected[3:])


def test_every_reason_and_every_rule_has_its_market():
    # that of the profile qlib alone is in qlib/test_directory.py, that of new shares in test_dividends.py
    assert set(EXCHANGE) | {REASONS[BOTH_LIMITS], REASONS[UNLISTED]} == set(REASONS.values())
    assert set(RISK) == set(RISKS.values())
    assert len(set(REASONS.values())) == len(REASONS)
    assert len(set(RISKS.values())) == len(RISKS)
    assert set(SIDES.values()) == {"buy", "sell"}
    assert set(STATUSES.values()) == {"filled", "partial", "rejected"}


def test_both_the_rule_and_the_exchanges_reason_are_counted():
    panel = panel_of([BEST] * 2, FLAT[:2], volume=[[800.0, 1.0]] * 2)
    strategy = sizeless(
        {"topk": 1, "n_drop": 1, "account": 10_000.0, "lot": 0, "price_limit": "none", "costs": FREE,
         "risk": {"max_weight": 0.5}, "liquidity": {"participation": 0.25}}
    )  # fmt: skip
    orders = simulate(strategy, panel).orders
    assert orders["reason"].to_list() == ["maximum weight; volume cap"]
    assert rejections_of(orders) == {"maximum weight; volume cap": 1}
    assert risk_orders(orders) == {"maximum weight": 1}


def test_an_order_for_a_symbol_without_a_bar_tells_no_price():
    panel = panel_of([BEST] * 2, [[10, 20], [NAN, 20]], gone=[2, 2])
    strategy = sizeless({"topk": 1, "n_drop": 1, "account": 10_000.0, "lot": 0, "costs": FREE})
    [first, second] = simulate(strategy, panel).orders.rows(named=True)
    assert (first["reason"], first["price"], first["value"], first["cost"]) == ("no bar", None, 0, 0)
    assert (second["symbol"], second["status"]) == ("S01", "filled")
