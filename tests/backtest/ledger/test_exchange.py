"""The slow witness by hand: what it compares the kernels with must itself be right."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, intraday, panel_of, sizeless, with_past

from kronos_quant.backtest import rules_of
from kronos_quant.backtest.ledger import simulate_slowly, simulate_targets_slowly
from kronos_quant.backtest.ledger.accounts import Accounts
from kronos_quant.backtest.ledger.exchange import Exchange, ticks
from kronos_quant.backtest.ledger.risk import shrink

NAN = float("nan")


def exchange_of(panel=None, *, rules=None, **fields) -> Exchange:
    panel = panel if panel is not None else panel_of([[2, 1]] * 3, [[10.0, 20.0]] * 3)
    plain = {"topk": 1, "n_drop": 1, "account": 100_000.0, "lot": 100, "price_limit": "none", "costs": PLAIN_COSTS}
    strategy = sizeless(plain | fields)
    return Exchange(strategy, panel, replace(rules_of(strategy, panel), **(rules or {})))


def test_the_last_value_is_carried_over_what_is_missing():
    exchange = exchange_of(panel_of([[1]] * 4, [[NAN], [10.0], [NAN], [12.0]], factor=[[NAN], [2.0], [NAN], [3.0]]))
    assert [exchange.close(t, 0) for t in (1, 2, 3)] == [10, 10, 12]
    assert [exchange.factor(t, 0) for t in (1, 2, 3)] == [2, 2, 3]
    assert math.isnan(exchange.close(0, 0))
    assert math.isnan(exchange.price(2, 0))


def test_a_price_of_nothing_is_none():
    panel = panel_of([[1]] * 3, [[10.0]] * 3, open_=[[10.0], [0.0], [10.0]])
    exchange = exchange_of(panel)
    assert exchange.price(0, 0) == 10
    assert math.isnan(exchange.price(1, 0))


def test_costs_are_the_commission_or_its_minimum_and_what_is_levied():
    levied = {"buy_levy": np.full((3, 1, 1), 0.001), "sell_levy": np.full((3, 1, 1), 0.002),
              "per_share": np.full((3, 1), 0.01), "most": np.full((3, 1), 4.0)}  # fmt: skip
    exchange = exchange_of(rules=levied)
    assert exchange.cost(1, 0, "buy", 1_000, 10.0) == pytest.approx((10 + 10, 10))
    assert exchange.cost(1, 0, "buy", 100, 10.0) == pytest.approx((5 + 1, 1))
    # 0.01 a share is 10 for a thousand, bounded by 4
    assert exchange.cost(1, 0, "sell", 1_000, 10.0) == pytest.approx((15 + 20 + 4, 24))
    assert exchange.cost(1, 0, "sell", 100, 10.0) == pytest.approx((5 + 2 + 1, 3))


def test_cash_buys_whole_lots_to_the_last_cent():
    exchange = exchange_of()
    # 1,000 at 10 and a tenth of a percent
    assert exchange.affordable(1, 0, 10_010.0, 10.0) == 1_000
    assert exchange.affordable(1, 0, 10_009.99, 10.0) == 900
    assert exchange.affordable(1, 0, 4.0, 10.0) == 0


@pytest.mark.parametrize(
    ("price", "tick", "rounded"),
    [(11.055, 0.01, 11.06), (9.045, 0.01, 9.05), (1.1055, 0.001, 1.106), (11.054, 0.01, 11.05)],
)
def test_halves_go_up_to_the_tick(price, tick, rounded):
    assert ticks(price, tick) == pytest.approx(rounded)
    assert math.isnan(ticks(NAN, tick))


def test_a_limit_is_met_on_its_own_side_only():
    panel = panel_of([[1]] * 2, [[10.0], [11.0]])
    assert exchange_of(panel, price_limit=0.1).blocked(1, 0, "buy") == "limit up"
    assert exchange_of(panel, price_limit=0.1).blocked(1, 0, "sell") is None
    fallen = panel_of([[1]] * 2, [[10.0], [9.0]])
    assert exchange_of(fallen, price_limit=0.1).blocked(1, 0, "sell") == "limit down"
    assert exchange_of(fallen, price_limit=0.1).blocked(1, 0, "buy") is None
    # the first session has no close before it
    assert exchange_of(panel, price_limit=0.1).blocked(0, 0, "buy") is None


def test_trailing_rows_are_of_the_sessions_before_and_of_the_past():
    panel = panel_of([[1]] * 4, [[10.0]] * 4)
    exchange = exchange_of(panel, liquidity={"participation": 0.1, "sessions": 2})
    assert [exchange.trailing(t) for t in range(4)] == [[], [0], [0, 1], [1, 2]]
    longer = exchange_of(with_past(1, panel), liquidity={"participation": 0.1, "sessions": 2})
    P = longer.past
    assert P > 2
    assert [longer.trailing(t) for t in range(4)] == [[P - 2, P - 1], [P - 1, P], [P, P + 1], [P + 1, P + 2]]
    bars = exchange_of(intraday(panel, 2), liquidity={"participation": 0.1, "sessions": 2})
    assert [bars.trailing(t) for t in range(4)] == [[], [], [0, 1], [0, 1]]


def test_an_account_keeps_the_mean_price_of_what_it_holds():
    book = Accounts(exchange_of(lot=0, costs={"buy": 0, "sell": 0, "minimum": 0}), 1_000.0)
    book.buy(1, 0, 20)
    assert (book.shares, book.entry, book.cash) == ({0: 20}, {0: 10.0}, 800.0)
    book.exchange.panel.open[2, 0] = 16.0
    book.buy(2, 0, 10)
    assert book.entry[0] == pytest.approx((20 * 10 + 10 * 16) / 30)
    book.sell(2, 0, 10)
    assert book.entry[0] == pytest.approx(12)
    book.sell(2, 0, 20)
    assert (book.shares, book.entry, book.cash) == ({}, {}, pytest.approx(800 - 160 + 480))


def test_top_k_dropout_by_the_witness_to_the_cent():
    panel = panel_of([[2, 1], [1, 2], [1, 2]], [[10, 20], [10.5, 20], [11.5, 22]],
                     open_=[[10, 20], [10, 20], [11, 21]])  # fmt: skip
    exchange = exchange_of(panel, hold_thresh=1)
    book = simulate_slowly(exchange.strategy, panel, exchange.rules)
    # worked out in test_engine for the kernel
    assert book.accounts == pytest.approx([104_655.00, 114_045.35])
    assert book.cashes == pytest.approx([4_905.00, 6_245.35])
    assert [(order["side"], order["shares"], order["cost"]) for order in book.orders] == [
        ("buy", 9_500, 95.0),
        ("sell", 9_500, 156.75),
        ("buy", 4_900, pytest.approx(102.9)),
    ]


def test_weights_by_the_witness_to_the_cent():
    exchange = exchange_of(strategy="python", code="own.py", lot=0, costs={"buy": 0.01, "sell": 0.02, "minimum": 0})
    decisions = {1: {0: 0.5}, 2: {1: 0.25}}
    book = simulate_targets_slowly(exchange.strategy, exchange.panel, exchange.rules, lambda t: decisions[t])
    # 5,000 at 10 cost 500; sold for 1,000; a quarter of 99,500 at 20 costs 248.75
    assert book.accounts == pytest.approx([99_500.0, 99_500 - 1_000 - 248.75])
    assert [(order["symbol"], order["side"]) for order in book.orders] == [
        ("S00", "buy"),
        ("S00", "sell"),
        ("S01", "buy"),
    ]


def test_values_are_shrunk_in_proportion_and_only_above_the_band():
    aim, rule = {0: 60.0, 1: -40.0, 2: 0.0}, {}
    shrink(aim, rule, [0, 1, 2], 95.0, "why", band=0.1)
    assert (aim, rule) == ({0: 60.0, 1: -40.0, 2: 0.0}, {})
    shrink(aim, rule, [0, 1, 2], 50.0, "why", band=0.1)
    assert aim == {0: 30.0, 1: -20.0, 2: 0.0}
    assert rule == {0: "why", 1: "why"}
