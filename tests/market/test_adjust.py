from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from kronos_quant.market import bars_as_known, corporate_actions, raw_bars, stored_bars
from kronos_quant.schema import BARS, PRICES


def bars_of(symbol: str, raw: list[float], factor: list[float]) -> pl.DataFrame:
    """Daily bars from 2024-01-01 with these raw prices and factors, 100 raw shares each."""
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(len(raw))]
    adjusted = [price * one for price, one in zip(raw, factor, strict=True)]
    return pl.DataFrame(
        {
            "symbol": symbol,
            "date": days,
            "time": [datetime.combine(day, datetime.min.time()) for day in days],
            **dict.fromkeys(PRICES, adjusted),
            "volume": [100 / one for one in factor],
            "amount": [100 * price for price in raw],
            "factor": factor,
        },
        schema=BARS,
    )


# a split into two at the third bar, a dividend of 2 % at the fifth
SPLIT = bars_of("A", [10, 12, 6, 7, 6.9], [0.5, 0.5, 1, 1, 1.02])
PLAIN = bars_of("B", [20, 21, 22, 23, 24], [0.3] * 5)
BOTH = pl.concat([SPLIT, PLAIN])


def test_raw_prices_and_shares_are_those_of_the_day() -> None:
    raw = raw_bars(BOTH)
    assert raw["close"].to_list() == pytest.approx([10, 12, 6, 7, 6.9, 20, 21, 22, 23, 24], rel=1e-7)
    assert raw["volume"].to_list() == pytest.approx([100] * 10, rel=1e-7)
    assert raw["amount"].to_list() == BOTH["amount"].to_list()
    assert raw.columns == list(BARS)


def test_raw_bars_lead_back_to_the_stored_ones_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    count = 100_000
    wild = bars_of("A", [1.0] * 2, [1.0] * 2).sample(count, with_replacement=True)
    wild = wild.with_columns(
        pl.Series(name, np.exp(rng.normal(0, 6, count)).astype(np.float32)) for name in (*PRICES, "volume", "factor")
    )
    assert stored_bars(raw_bars(wild)).equals(wild)
    assert stored_bars(raw_bars(wild, ["A"]), ["A"]).equals(wild)


def test_a_volume_that_the_source_does_not_adjust_is_raw_already() -> None:
    assert raw_bars(BOTH, ["A"])["volume"].to_list()[:3] == [200, 200, 100]
    assert raw_bars(BOTH, ["A"])["volume"].to_list()[5:] == pytest.approx([100] * 5, rel=1e-7)


def test_prices_as_known_end_in_the_raw_price_of_the_date() -> None:
    before_the_split = bars_as_known(BOTH, date(2024, 1, 2))
    assert before_the_split["close"].to_list() == pytest.approx([10, 12, 20, 21], rel=1e-7)
    after_it = bars_as_known(SPLIT, date(2024, 1, 4))
    assert after_it["close"].to_list() == pytest.approx([5, 6, 6, 7], rel=1e-7)
    assert after_it["volume"].to_list() == pytest.approx([200, 200, 100, 100], rel=1e-7)
    assert after_it["factor"].to_list() == [0.5, 0.5, 1, 1]
    at_the_end = bars_as_known(SPLIT, date(2024, 12, 31))
    assert at_the_end["close"].to_list() == pytest.approx([5 / 1.02, 6 / 1.02, 6 / 1.02, 7 / 1.02, 6.9], rel=1e-7)


def test_what_comes_later_changes_nothing_of_what_was_known() -> None:
    on = date(2024, 1, 3)
    other_future = pl.concat([SPLIT.head(3), bars_of("A", [6, 6, 6, 3, 1], [1, 1, 1, 9, 9]).tail(2)])
    assert bars_as_known(SPLIT, on).equals(bars_as_known(other_future, on))
    assert bars_as_known(SPLIT, date(2023, 12, 31)).is_empty()


def test_the_scale_of_the_factors_means_nothing() -> None:
    twice = BOTH.with_columns(*(pl.col(name) * 2 for name in (*PRICES, "factor")), pl.col("volume") / 2)
    assert bars_as_known(twice, date(2024, 1, 5)).equals(bars_as_known(BOTH, date(2024, 1, 5)))
    assert raw_bars(twice).drop("factor").equals(raw_bars(BOTH).drop("factor"))
    assert corporate_actions(twice).equals(corporate_actions(BOTH))


def test_corporate_actions_are_the_steps_of_the_factor() -> None:
    found = corporate_actions(BOTH)
    assert found.select("symbol", "date").rows() == [("A", date(2024, 1, 3)), ("A", date(2024, 1, 5))]
    assert found["ratio"].to_list() == pytest.approx([2, 1.02], rel=1e-7)
    assert found["time"][0] == datetime(2024, 1, 3)


def test_rounding_of_the_factor_is_no_action() -> None:
    assert corporate_actions(bars_of("A", [1, 1, 1], [1, 1 + 5e-7, 1])).is_empty()
    assert len(corporate_actions(bars_of("A", [1, 1, 1], [1, 1 + 3e-6, 1 + 3e-6]))) == 1
