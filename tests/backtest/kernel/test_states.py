from __future__ import annotations

import numpy as np
import pytest

from kronos_quant.backtest.codes import LIMIT_DOWN, LIMIT_UP, NO_BAR, TRADABLE
from kronos_quant.backtest.kernel.states import market_states, rounded_nb

NAN = float("nan")


def state(before: float, price: float, limit: float, *, factor_before: float = 1.0, factor: float = 1.0) -> int:
    """The state of one symbol whose close before was `before`; all prices adjusted."""
    return int(
        market_states(
            np.array([[before], [price]]),
            np.array([[before], [price]]),
            np.array([[factor_before], [factor]]),
            np.full((2, 1), limit),
            np.full((2, 1), limit),
        )[1, 0]
    )


@pytest.mark.parametrize(
    ("before", "price", "limit", "expected"),
    [
        (10.00, 10.99, 0.10, TRADABLE),
        (10.00, 11.00, 0.10, LIMIT_UP),
        (10.00, 9.01, 0.10, TRADABLE),
        (10.00, 9.00, 0.10, LIMIT_DOWN),
        # 10.05 x 1.1 = 11.055 -> 11.06 and 10.05 x 0.9 = 9.045 -> 9.05: halves go up
        (10.05, 11.05, 0.10, TRADABLE),
        (10.05, 11.06, 0.10, LIMIT_UP),
        (10.05, 9.06, 0.10, TRADABLE),
        (10.05, 9.05, 0.10, LIMIT_DOWN),
        (10.00, 12.00, 0.20, LIMIT_UP),
        (10.00, 11.00, 0.20, TRADABLE),
        (10.00, 20.00, NAN, TRADABLE),
        (NAN, 20.00, 0.10, TRADABLE),
        (10.00, NAN, 0.10, NO_BAR),
        (10.00, 0.00, 0.10, NO_BAR),
    ],
)
def test_limit_is_tested_at_the_execution_price(before, price, limit, expected):
    assert state(before, price, limit) == expected


def test_float32_noise_does_not_move_a_limit():
    for cents in range(200, 40_000, 7):
        before, up = cents / 100, np.floor(cents * 1.1 + 0.5 + 1e-9) / 100
        factor = np.float32(0.7310043)
        noisy = [float(np.float32(price * factor)) for price in (before, up, up - 0.01)]
        assert state(noisy[0], noisy[1], 0.10, factor_before=float(factor), factor=float(factor)) == LIMIT_UP
        assert state(noisy[0], noisy[2], 0.10, factor_before=float(factor), factor=float(factor)) == TRADABLE


def test_reference_of_an_ex_rights_day_is_the_close_before_times_the_ratio_of_factors():
    # raw 20.00 before a 2-for-1 split is 10.00 after it: the upper limit is 11.00 raw = 22.00 adjusted
    assert state(20.0, 22.0, 0.10, factor_before=1.0, factor=2.0) == LIMIT_UP
    assert state(20.0, 21.98, 0.10, factor_before=1.0, factor=2.0) == TRADABLE


@pytest.mark.parametrize(
    ("before", "cash", "up"),
    [
        (10.01, 0.125, 10.88),  # 9.885 is 9.89, and 9.89 x 1.1 = 10.879; unrounded 10.8735 would be 10.87
        (10.00, 0.124, 10.87),  # 9.876 is 9.88 and 10.868; unrounded 10.8636 would be 10.86
        (7.33, 0.055, 8.01),  # 7.275 is 7.28 and 8.008; unrounded 8.0025 would be 8.00
    ],
)
@pytest.mark.parametrize("scale", [1.0, 0.7310043, 87.123])
def test_the_reference_of_an_ex_day_is_rounded_to_the_tick_before_the_limit_is(before, cash, up, scale):
    one, other = (float(np.float32(scale * ratio)) for ratio in (1.0, before / (before - cash)))
    for price, expected in ((up, LIMIT_UP), (up - 0.01, TRADABLE)):
        adjusted = [float(np.float32(before * one)), float(np.float32(price * other))]
        assert state(*adjusted, 0.10, factor_before=one, factor=other) == expected


def test_float32_factors_never_move_the_half_of_a_tick():
    rng = np.random.default_rng(0)
    for _ in range(3_000):
        before, cash = int(rng.integers(300, 20_000)), int(rng.integers(1, 600)) * 5  # cents, thousandths
        reference = (before * 10 - cash + 5) // 10  # half up, in whole numbers
        up = (reference * 110 + 50) // 100
        one = float(np.float32(rng.uniform(0.5, 90)))
        other = float(np.float32(one * before * 10 / (before * 10 - cash)))
        prices = before / 100 * one, up / 100 * other, (up - 1) / 100 * other
        assert state(prices[0], prices[1], 0.10, factor_before=one, factor=other) == LIMIT_UP
        assert state(prices[0], prices[2], 0.10, factor_before=one, factor=other) == TRADABLE


def test_a_limit_is_one_tick_away_where_its_fraction_is_less_from_the_day_of_that_rule_on():
    price = np.array([[0.09, 0.09], [0.10, 0.08], [0.09, 0.09], [0.10, 0.08]])
    last, ones, limits = np.full((4, 2), 0.09), np.ones((4, 2)), np.full((4, 2), 0.05)
    # 0.09 x 1.05 is 0.0945: before the rule the limit is 0.09 itself, then 0.10 and 0.08
    states = market_states(price, last, ones, limits, limits, one_tick=np.array([2, 2]))
    assert states.tolist() == [[0, 0], [2, 3], [0, 0], [2, 3]]
    before = market_states(price, last, ones, limits, limits)
    assert before[2].tolist() == [LIMIT_DOWN, LIMIT_DOWN]


def test_after_a_suspension_the_reference_is_the_last_close():
    price = np.array([[10.0], [NAN], [11.0]])
    last, factor, limits = np.array([[10.0], [10.0], [11.0]]), np.ones((3, 1)), np.full((3, 1), 0.1)
    assert market_states(price, last, factor, limits, limits)[:, 0].tolist() == [TRADABLE, NO_BAR, LIMIT_UP]


def test_halves_are_rounded_up():
    assert [rounded_nb(price, 0.01) for price in (11.055, 11.054, 9.045)] == pytest.approx([11.06, 11.05, 9.05])


def test_rises_and_falls_may_have_limits_of_their_own_from_an_issue_price() -> None:
    price = np.array([[14.39], [14.40], [6.40], [6.41]])
    nothing = np.full((4, 1), NAN)
    states = market_states(
        price, nothing, np.ones((4, 1)), np.full((4, 1), 0.44), np.full((4, 1), 0.36), np.full((4, 1), 10.0)
    )
    assert states[:, 0].tolist() == [TRADABLE, LIMIT_UP, LIMIT_DOWN, TRADABLE]


def test_a_limit_is_rounded_to_the_symbols_own_tick() -> None:
    price, last = np.array([[1.005, 1.005], [1.105, 1.105]]), np.array([[1.005, 1.005], [1.1, 1.1]])
    ones, limits = np.ones((2, 2)), np.full((2, 2), 0.1)
    # 1.005 x 1.1 = 1.1055: 1.106 by 0.001, 1.11 by 0.01
    assert market_states(price, last, ones, limits, limits, tick=np.array([0.001, 0.01]))[1].tolist() == [0, 0]
    price[1] = 1.106
    assert market_states(price, last, ones, limits, limits, tick=np.array([0.001, 0.01]))[1].tolist() == [2, 0]
