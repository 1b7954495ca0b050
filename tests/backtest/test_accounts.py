"""From what the kernel did in each row to sessions, legs and the tables that people read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pytest
from backtest.markets import intraday, panel_of, sizeless
from backtest.test_properties import SEEDS, case, run

from kronos_quant.backtest import codes, simulate
from kronos_quant.backtest.accounts import (
    Ledger,
    bar_table,
    leg_table,
    order_table,
    position_table,
    rate,
    reasons_of,
    series_of,
)
from kronos_quant.backtest.panel import ends_of, session_numbers


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
             "IMPACT", "RISK", "TAX")  # fmt: skip
    assert sorted(getattr(codes, name) for name in names) == list(range(codes.COLUMNS))


@pytest.mark.parametrize("words", [codes.REASONS, codes.RISKS, codes.STATUSES, codes.SIDES])
def test_no_two_codes_have_one_word(words):
    assert len(set(words.values())) == len(words)


def test_each_leg_has_its_returns_values_and_costs():
    strategy = sizeless(
        {
            "strategy": "python",
            "code": "own.py",
            "short": True,
            "lot": 0,
            "price_limit": "none",
            "account": 1_000.0,
            "liquidity": {"slippage": 0.01},
            "costs": {"buy": 0.001, "sell": 0.002, "minimum": 0, "borrow": 0.252},
        }
    )
    panel = panel_of([[2, 1]] * 3, [[10, 20], [11, 19], [12, 18]], open_=[[10, 20], [10, 20], [11, 19]])
    weights = iter([{"S00": 0.5, "S01": -0.4}, None])
    result = simulate(strategy, panel, decide=lambda view: next(weights))
    assert result.legs is not None
    # 50 bought at 10.10 for a cost of 0.505, 20 sold short at 19.80 for 0.792
    bought, sold = 50 * 10.1, 20 * 19.8
    first = {
        "long_value": 550.0,
        "long_return": (550 - bought - 0.001 * bought) / 1_000,
        "long_cost": 0.001 * bought + 5.0,
        "short_value": -380.0,
        "short_return": (sold - 380 - 0.002 * sold - 0.001 * 380) / 1_000,
        "short_cost": 0.002 * sold + 4.0 + 0.001 * 380,
    }
    row = result.legs.row(0, named=True)
    assert row.pop("date") == panel.dates[1]
    assert row == pytest.approx(first, rel=1e-12)
    # then each moves by its prices alone, and the borrowing
    second = result.legs.row(1, named=True)
    assert second["long_return"] == pytest.approx(50 / result.account[0])
    assert second["short_return"] == pytest.approx((20 - 0.001 * 360) / result.account[0])


def test_a_trade_through_zero_is_cut_there():
    strategy = sizeless(
        {
            "strategy": "python",
            "code": "own.py",
            "short": True,
            "lot": 0,
            "price_limit": "none",
            "account": 1_000.0,
            "costs": {"buy": 0, "sell": 0.01, "minimum": 0, "borrow": 0},
        }
    )
    panel = panel_of([[1]] * 3, [[10.0]] * 3)
    weights = iter([{"S00": 0.6}, {"S00": -0.2}])
    result = simulate(strategy, panel, decide=lambda view: next(weights))
    # 60 held and 80 sold for 8 in cost: three quarters close the long, a quarter opens the short
    assert result.legs["long_cost"].to_list() == pytest.approx([0, 6])
    assert result.legs["short_cost"].to_list() == pytest.approx([0, 2])
    assert result.legs["short_value"].to_list() == pytest.approx([0, -200])


def test_an_account_without_shorts_has_no_legs():
    strategy = sizeless({"topk": 1, "n_drop": 1, "account": 1_000.0})
    assert simulate(strategy, panel_of([[1]] * 3, [[10.0]] * 3)).legs is None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_legs_add_up_to_the_account(seed):
    strategy, panel, rules = case(seed)
    ledger = run(seed, strategy, panel, rules)
    legs, series = leg_table(ledger, panel), series_of(ledger)
    tolerance = {"rtol": 1e-9, "atol": 1e-9}
    both = (legs["long_return"] + legs["short_return"]).to_numpy()
    np.testing.assert_allclose(both, series.returns, **tolerance)
    np.testing.assert_allclose((legs["long_cost"] + legs["short_cost"]).to_numpy(), series.cost, rtol=1e-9, atol=1e-6)
    worth = np.nansum(ledger.held * ledger.last, axis=1)[ledger.ends][1:]
    np.testing.assert_allclose((legs["long_value"] + legs["short_value"]).to_numpy(), worth, rtol=1e-9, atol=1e-6)


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
