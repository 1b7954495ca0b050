"""The small functions of the exchange's kernel, by hand and against plain arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kronos_quant.backtest import codes
from kronos_quant.backtest.codes import LIMIT_DOWN, LIMIT_UP, NO_BAR, TRADABLE
from kronos_quant.backtest.kernel.arrays import Charges
from kronos_quant.backtest.kernel.exchange import (
    affordable_nb,
    buyable_nb,
    capped_nb,
    fees_nb,
    impact_nb,
    in_cents_nb,
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


def charges(rate=0.0, minimum=0.0, levies=(), unit=0.0, by_share=0.0, most=0.0) -> Charges:
    """What one group pays, the same for purchases and sales but for what is levied of a share sold."""
    row = [rate, rate, minimum, by_share, most, unit, *levies, *levies]
    return Charges(np.array([[row]]), 0.0, 0.0, 0.0, 0.0, carry=False)


def affordable(paid: Charges, cash: float, price: float, factor: float = 1.0, lot: int = 100, step: int = 100) -> float:
    return affordable_nb(paid, 0, 0, cash, price, factor, lot, step)


def paid_for(paid: Charges, value: float) -> float:
    return value + fees_nb(paid, 0, 0, codes.BUY, value, 0.0)[0]


def test_the_cash_is_spent_to_the_last_cent_where_that_is_exact():
    # nothing but the price: 1,000 at 10 of 10,000
    assert affordable(charges(), 10_000.0, 10.0) == 1_000
    assert affordable(charges(), 9_999.99, 10.0) == 900
    # 1,000 at 10, the minimum of 5 and 0.1% of levies
    taxed = charges(0.00025, 5.0, [0.001])
    assert affordable(taxed, 10_015.0, 10.0) == 1_000
    assert affordable(taxed, 10_014.9, 10.0) == 900
    # the commission above its minimum
    assert affordable(charges(0.00025, 5.0), 1_000_250.0, 10.0) == 100_000
    assert affordable(charges(0.00025, 5.0), 4.0, 10.0) == 0


def test_fees_are_rounded_one_by_one_to_the_cent_halves_upwards():
    def fees(paid, side, value, raw=0.0):
        return pytest.approx(fees_nb(paid, 0, 0, side, value, raw))

    # 10,020 at 0.00025 are 2.505, which floating point has a hair below; 0.00001 of them are 0.1002
    assert fees(charges(0.00025, 0.0, [0.00001], 0.01), codes.BUY, 10_020.0) == (2.61, 0.10)
    assert fees(charges(0.00025, 0.0, [0.00001]), codes.BUY, 10_020.0) == (2.6052, 0.1002)
    # 0.0015 and 0.0045 of levies are nothing and nothing, together they would be a cent
    assert fees(charges(0.0, 0.0, [0.00015, 0.00045], 0.01), codes.SELL, 10.0) == (0.0, 0.0)
    # the minimum holds as stated, and what is levied of a share is a fee of its own, up to its bound
    by_share = charges(0.001, 1.005, [0.0], 0.01, 0.000166, 8.30)
    assert fees(by_share, codes.SELL, 1_000.0, 237.0) == (1.005 + 0.04, 0.04)
    assert fees(by_share, codes.SELL, 1e6, 1e6) == (1_008.30, 8.30)


def test_every_half_cent_goes_up_whatever_floating_point_makes_of_it():
    for thousandths in range(5, 2_000_005, 1_990):  # of a unit: all end in 5
        assert round(in_cents_nb(thousandths / 1_000, 0.01) * 100) == (thousandths + 5) // 10


def test_rounding_buys_one_lot_more_where_it_saves_a_cent_and_one_less_where_it_costs_one():
    # 100 at 10 at 0.0004 each are 0.40 and 0.40; at 10.01 0.4004 and 0.4004, rounded to 0.80 together
    two = charges(0.0004, 0.0, [0.0004], 0.01)
    assert affordable(two, 1_001.80, 10.01) == 100
    assert affordable(two, 1_001.79, 10.01) == 0
    # 0.4052 twice are 0.82, more than the 0.8104 without rounding
    assert affordable(two, 1_013.820001, 10.13) == 100
    assert affordable(two, 1_013.815, 10.13) == 0


@pytest.mark.parametrize("unit", [0.0, 0.01])
@pytest.mark.parametrize("lot", [0, 1, 100])
def test_what_can_be_paid_is_never_more_than_the_cash_and_the_next_step_always_is(lot, unit):
    rng = np.random.default_rng(lot)
    for _ in range(500):
        cash, price = rng.uniform(1, 1e6), rng.uniform(0.5, 300)
        levies = [rng.choice([0, 0.0005]), rng.choice([0, 0.00001])]
        own = charges(rng.choice([0, 0.001]), rng.choice([0, 5]), levies, unit)
        factor = rng.choice([1.0, 0.37, 2.5])
        shares = max(affordable(own, cash, price, factor, lot, max(lot, 1)), 0.0)
        assert shares == 0 or paid_for(own, shares * price) <= cash
        # without lots a fraction of what rounding may take is not spent
        more = (shares * factor + max(lot, 1)) / factor * price if lot else shares * price * (1 + 1e-9) + 6 * unit
        assert paid_for(own, more) > cash * (1 - 1e-9)


def test_a_limit_closes_one_side_and_no_bar_closes_both():
    states = (TRADABLE, NO_BAR, LIMIT_UP, LIMIT_DOWN)
    assert [buyable_nb(state) for state in states] == [True, False, False, True]
    assert [sellable_nb(state) for state in states] == [True, False, True, False]
