"""The small functions of the exchange's kernel, by hand and against plain arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kronos_quant.backtest.codes import LIMIT_DOWN, LIMIT_UP, NO_BAR, TRADABLE
from kronos_quant.backtest.kernel.exchange import (
    affordable_nb,
    buyable_nb,
    buying_cost_nb,
    capped_nb,
    impact_nb,
    in_lots_nb,
    less_nb,
    more_nb,
    sellable_nb,
    whole_lots_nb,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("raw", "lot", "step", "expected"),
    [
        (0.0, 100, 100, 0),
        (99.9, 100, 100, 0),
        (100.0, 100, 100, 100),
        (399.9, 100, 100, 300),
        (199.0, 200, 1, 0),
        (200.0, 200, 1, 200),
        (233.7, 200, 1, 233),
        (12.7, 1, 1, 12),
        (12.7, 0, 1, 12.7),
        (1_249.0, 500, 250, 1_000),
    ],
)
@pytest.mark.parametrize("factor", [1.0, 0.25, 3.0])
def test_lots_and_steps_are_of_raw_shares(raw, lot, step, expected, factor):
    assert whole_lots_nb(raw / factor, factor, lot, step, 1e-9) * factor == pytest.approx(expected)


def test_a_lot_that_float32_put_just_below_itself_is_one_only_with_slack():
    assert whole_lots_nb(99.99999, 1.0, 100, 100, 1e-6) == 100
    assert whole_lots_nb(99.99999, 1.0, 100, 100, 0.0) == 0


@pytest.mark.parametrize(("shares", "expected"), [(250.0, 200), (-250.0, -200), (99.0, 0), (-99.0, 0)])
def test_lots_are_rounded_towards_nothing_on_both_sides(shares, expected):
    assert in_lots_nb(shares, 1.0, 100, 100) == expected


@pytest.mark.parametrize(
    ("held", "target", "sold"),
    [
        (250.0, 0.0, 250.0),  # given up: the odd rest goes with it
        (250.0, 120.0, 100.0),  # part of it: whole lots
        (250.0, 250.0, 0.0),
        (250.0, 300.0, 0.0),
        (250.0, -150.0, 350.0),  # all of it, and one lot short
        (0.0, -150.0, 100.0),
        (-100.0, -250.0, 100.0),
        (250.0, NAN, 0.0),
        (250.0, 250.0 * (1 - 1e-12), 0.0),  # rounding is no order
    ],
)
def test_what_is_sold_to_come_down(held, target, sold):
    assert less_nb(held, target, 1.0, 100, 100) == pytest.approx(sold)


@pytest.mark.parametrize(
    ("held", "target", "bought"),
    [
        (0.0, 250.0, 200.0),
        (150.0, 250.0, 100.0),
        (-250.0, 0.0, 250.0),  # what was short is bought back whole
        (-250.0, 150.0, 350.0),
        (-250.0, -120.0, 100.0),
        (250.0, 100.0, 0.0),
        (0.0, NAN, 0.0),
        (250.0, 250.0 * (1 + 1e-12), 0.0),
    ],
)
def test_what_is_bought_to_come_up(held, target, bought):
    assert more_nb(held, target, 1.0, 100, 100) == pytest.approx(bought)


def test_coming_down_and_coming_up_are_never_both_wanted():
    rng = np.random.default_rng(0)
    for held, target in rng.normal(0, 500, (500, 2)).round(int(rng.integers(0, 3))):
        less, more = less_nb(held, target, 1.0, 100, 1), more_nb(held, target, 1.0, 100, 1)
        assert less == 0 or more == 0
        assert less >= 0
        assert more >= 0


@pytest.mark.parametrize(
    ("scale", "shares", "volume", "moved"),
    [
        (0.02, 25.0, 100.0, 0.01),
        (0.02, 100.0, 100.0, 0.02),
        (0.0, 25.0, 100.0, 0.0),
        (0.02, 0.0, 100.0, 0.0),
        (0.02, 25.0, 0.0, 0.0),
        (0.02, 25.0, NAN, 0.0),
        (NAN, 25.0, 100.0, 0.0),
    ],
)
def test_impact_is_a_square_root_and_nothing_where_nobody_knows(scale, shares, volume, moved):
    assert impact_nb(scale, shares, volume) == pytest.approx(moved)


@pytest.mark.parametrize(
    ("shares", "most", "through"),
    [(500.0, math.inf, 500), (500.0, 500.0, 500), (550.0, 1_000.0, 550), (1_000.0, 550.0, 500), (500.0, 99.0, 0),
     (500.0, 0.0, 0), (500.0, NAN, 0)],
)  # fmt: skip
def test_a_cap_cuts_to_whole_lots_and_an_unknown_volume_lets_nothing_through(shares, most, through):
    assert capped_nb(shares, most, 1.0, 100, 100) == through


def test_the_cash_is_spent_to_the_last_cent_where_that_is_exact():
    # nothing but the price: 1,000 at 10 of 10,000
    assert affordable_nb(10_000.0, 10.0, 0.0, 0.0, 0.0, 1.0, 100, 100) == 1_000
    assert affordable_nb(9_999.99, 10.0, 0.0, 0.0, 0.0, 1.0, 100, 100) == 900
    # 1,000 at 10, the minimum of 5 and 0.1% of levies
    assert affordable_nb(10_015.0, 10.0, 0.00025, 5.0, 0.001, 1.0, 100, 100) == 1_000
    assert affordable_nb(10_014.9, 10.0, 0.00025, 5.0, 0.001, 1.0, 100, 100) == 900
    # the commission above its minimum
    assert affordable_nb(1_000_250.0, 10.0, 0.00025, 5.0, 0.0, 1.0, 100, 100) == 100_000
    assert affordable_nb(4.0, 10.0, 0.00025, 5.0, 0.0, 1.0, 100, 100) == 0


@pytest.mark.parametrize("lot", [0, 1, 100])
def test_what_can_be_paid_is_never_more_than_the_cash_and_the_next_step_always_is(lot):
    rng = np.random.default_rng(lot)
    for _ in range(500):
        cash, price = rng.uniform(1, 1e6), rng.uniform(0.5, 300)
        rate, least, levied = rng.choice([0, 0.001]), rng.choice([0, 5]), rng.choice([0, 0.0005])
        factor = rng.choice([1.0, 0.37, 2.5])
        shares = max(affordable_nb(cash, price, rate, least, levied, factor, lot, max(lot, 1)), 0.0)
        paid = shares * price + buying_cost_nb(shares * price, rate, least, levied)
        assert shares == 0 or paid <= cash
        more = (shares * factor + max(lot, 1)) / factor * price if lot else shares * price * (1 + 1e-9)
        assert more + buying_cost_nb(more, rate, least, levied) > cash * (1 - 1e-9)


def test_a_limit_closes_one_side_and_no_bar_closes_both():
    states = (TRADABLE, NO_BAR, LIMIT_UP, LIMIT_DOWN)
    assert [buyable_nb(state) for state in states] == [True, False, False, True]
    assert [sellable_nb(state) for state in states] == [True, False, True, False]
