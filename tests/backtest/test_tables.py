"""The kernel's numbers in the words and units of people: raw shares and raw prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pytest
from backtest.markets import intraday, panel_of
from backtest.test_series import ledger_of, order

from kronos_quant.backtest import codes
from kronos_quant.backtest.tables import bar_table, order_table, position_table, reasons_of

NAN = float("nan")
PANEL = panel_of([[2, 1]] * 3, [[10.0, 20.0]] * 3)


def table(*orders, factor=None, panel=PANEL):
    factor = np.ones((3, 2)) if factor is None else np.array(factor)
    return order_table(np.array(orders), factor, panel)


def test_raw_shares_are_adjusted_ones_times_the_factor_and_prices_divided_by_it():
    row = table(order(1, 1, codes.BUY, 50, 20.0, cost=3.0, levy=1.0), factor=[[1, 1], [1, 2.5], [1, 1]]).row(
        0, named=True
    )
    assert (row["date"], row["symbol"], row["side"], row["status"]) == (date(2024, 1, 2), "S01", "buy", "filled")
    assert (row["shares"], row["price"], row["value"]) == (125, 8, 1_000)
    assert (row["adjusted_shares"], row["adjusted_price"], row["factor"]) == (50, 20, 2.5)
    assert (row["cost"], row["levies"], row["wanted_shares"]) == (3, 1, 125)


def test_what_nobody_knew_is_null_and_not_nan():
    unknown = order(1, 0, codes.BUY, 0.0, NAN, status=codes.REJECTED)
    unknown[codes.WANTED], unknown[codes.REASON] = NAN, codes.NO_BAR
    row = table(unknown).row(0, named=True)
    assert (row["price"], row["wanted_shares"], row["shares"], row["value"]) == (None, None, 0, 0)
    assert (row["status"], row["reason"]) == ("rejected", "no bar")


def test_a_bar_within_a_session_has_its_time():
    bars = intraday(PANEL, 2)
    found = table(order(2, 0, codes.SELL, 1, 1.0), panel=bars)
    assert found["time"].to_list() == [datetime(2024, 1, 2, 10, 0)]
    assert "time" not in table(order(1, 0, codes.BUY, 1, 1.0)).columns


@pytest.mark.parametrize(
    ("reason", "rule", "words"),
    [
        (codes.TRADABLE, codes.UNTOUCHED, ""),
        (codes.VOLUME, codes.UNTOUCHED, "volume cap"),
        (codes.TRADABLE, codes.MAX_WEIGHT, "maximum weight"),
        (codes.LIMIT_DOWN, codes.STOP_LOSS, "stop-loss; limit down"),
        # the exchange's word for the reserve is the rule's own: said once
        (codes.RESERVED, codes.CASH_BUFFER, "cash buffer"),
    ],
)
def test_the_reason_is_the_rules_the_exchanges_or_both(reason, rule, words):
    made = order(1, 0, codes.BUY, 1, 1.0)
    made[codes.REASON], made[codes.RISK] = reason, rule
    assert reasons_of(np.array([made])).to_list() == [words]


def test_no_orders_are_an_empty_table_with_its_columns():
    empty = order_table(np.empty((0, codes.COLUMNS)), np.ones((3, 2)), PANEL)
    assert empty.height == 0
    assert empty.columns == table(order(1, 0, codes.BUY, 1, 1.0)).columns


def test_positions_are_what_is_held_at_the_ends_of_sessions():
    ledger = ledger_of([1_000, 1_000, 2_000, 2_000], [], [0, 1, 1, 2])
    held = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, -3.0], [0.0, 0.0]])
    ledger = replace(ledger, held=held, factor=np.full((4, 2), 2.0), last=np.full((4, 2), 10.0))
    panel = replace(panel_of([[2, 1]] * 4, [[10.0, 20.0]] * 4), symbols=("A", "B"))
    found = position_table(ledger, ledger.ends[1:], panel)
    assert found.select("symbol", "shares", "price", "value", "weight").rows() == [
        ("A", 10, 5, 50, 0.025),
        ("B", -6, 5, -30, -0.015),
    ]
    assert found["date"].to_list() == [panel.dates[2]] * 2


def test_bars_are_those_after_the_first_session():
    panel = intraday(panel_of([[2, 1]] * 4, [[10.0, 20.0]] * 4), 2)
    ledger = replace(ledger_of([100, 101, 102, 103], [], [0, 0, 1, 1]), cash=np.array([1.0, 2.0, 3.0, 4.0]))
    assert bar_table(ledger, panel).select("date", "account", "cash").rows() == [
        (date(2024, 1, 2), 102, 3),
        (date(2024, 1, 2), 103, 4),
    ]
