"""From rows to sessions: returns, costs and turnover of a ledger that was written down by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from kronos_quant.backtest import codes
from kronos_quant.backtest.series import Ledger, ends_of, rate, series_of, session_numbers


def order(row, symbol, side, shares, price, *, cost=0.0, levy=0.0, slippage=0.0, impact=0.0, status=codes.FILLED):
    made = np.zeros(codes.COLUMNS)
    made[[codes.ROW, codes.SYMBOL, codes.SIDE, codes.WANTED, codes.SHARES]] = row, symbol, side, shares, shares
    made[[codes.PRICE, codes.COST, codes.LEVY, codes.STATUS]] = price, cost, levy, status
    made[[codes.SLIPPAGE, codes.IMPACT]] = slippage, impact
    return made


def ledger_of(account, orders, session, *, borrowed=None, symbols=2) -> Ledger:
    T = len(account)
    cells = np.zeros((T, symbols))
    account = np.array(account, dtype=float)
    spent = np.zeros(T) if borrowed is None else np.array(borrowed, dtype=float)
    return Ledger(
        np.array(orders).reshape(-1, codes.COLUMNS), account, account, cells, cells + 10, cells + 1, spent,
        np.zeros(T, dtype=bool), np.array(session),
    )  # fmt: skip


def test_rows_are_numbered_by_their_sessions():
    days = [date(2024, 1, 2), date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 8), date(2024, 1, 8)]
    assert session_numbers(days).tolist() == [0, 0, 1, 2, 2]
    assert session_numbers(days[:1]).tolist() == [0]
    assert ends_of(session_numbers(days)).tolist() == [1, 2, 4]


def test_returns_costs_and_turnover_of_sessions():
    orders = [
        order(1, 0, codes.BUY, 50, 10.0, cost=2.0, levy=0.5, slippage=1.0),
        order(2, 0, codes.SELL, 20, 11.0, cost=1.0, impact=0.5),
        order(2, 1, codes.BUY, 9, 10.0, cost=7.0, status=codes.REJECTED),
    ]
    series = series_of(ledger_of([1_000, 1_010, 999.9], orders, [0, 1, 2], borrowed=[0, 0, 0.25]))
    np.testing.assert_allclose(series.returns, [0.01, -0.01])
    # what a rejected order would have cost is no cost
    np.testing.assert_allclose(series.cost, [3.0, 1.75])
    np.testing.assert_allclose(series.gross_returns, [0.013, (999.9 - 1_010 + 1.75) / 1_010])
    np.testing.assert_allclose(series.turnover, [0.5, 220 / 1_010])


def test_the_bars_of_a_session_add_up():
    orders = [
        order(2, 0, codes.BUY, 10, 10.0, cost=1.0),
        order(3, 0, codes.SELL, 10, 12.0, cost=2.0),
        order(4, 1, codes.BUY, 5, 20.0, cost=4.0),
    ]
    series = series_of(ledger_of([100, 100, 103, 117, 113, 126.0], orders, [0, 0, 1, 1, 2, 2]))
    np.testing.assert_allclose(series.returns, [0.17, 126 / 117 - 1])
    np.testing.assert_allclose(series.cost, [3.0, 4.0])
    np.testing.assert_allclose(series.turnover, [2.2, 100 / 117])


def test_of_an_account_that_was_lost_nothing_is_divided_by():
    series = series_of(ledger_of([100, 0.0, -5.0, -5.0], [], [0, 1, 2, 3]))
    np.testing.assert_allclose(series.returns, [-1.0, 0.0, 0.0])
    assert rate(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0, -1.0])).tolist() == [0.5, 0, 0]


def test_fills_are_the_orders_that_traded():
    orders = [
        order(1, 0, codes.BUY, 1, 1.0),
        order(1, 1, codes.BUY, 1, 1.0, status=codes.REJECTED),
        order(2, 0, codes.SELL, 1, 1.0, status=codes.PARTIAL),
    ]
    ledger = ledger_of([10, 10, 10], orders, [0, 1, 2])
    assert ledger.fills[:, codes.ROW].tolist() == [1, 2]
    assert ledger.ends.tolist() == [0, 1, 2]
    assert replace(ledger, session=np.array([0, 0, 1])).ends.tolist() == [1, 2]


def test_columns_of_an_order_are_distinct():
    names = ("ROW", "SYMBOL", "SIDE", "WANTED", "SHARES", "PRICE", "COST", "STATUS", "REASON", "LEVY", "SLIPPAGE",
             "IMPACT", "RISK")  # fmt: skip
    assert sorted(getattr(codes, name) for name in names) == list(range(codes.COLUMNS))


@pytest.mark.parametrize("words", [codes.REASONS, codes.RISKS, codes.STATUSES, codes.SIDES])
def test_no_two_codes_have_one_word(words):
    assert len(set(words.values())) == len(words)
