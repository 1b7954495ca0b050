from __future__ import annotations

import numpy as np
import pytest

from kronos_quant.arrays import FloatArray
from kronos_quant.market.ingest.cross_checks import VolumeVotes, find_contradictions

LENGTH = 60


@pytest.fixture
def columns() -> dict[str, FloatArray]:
    """A symbol whose factor steps, with amounts at a price of their own."""
    rng = np.random.default_rng(0)
    close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, LENGTH)))
    factor = np.where(np.arange(LENGTH) % 10 < 5, 1.0, 1.1)
    volume = rng.uniform(1e5, 1e6, LENGTH)
    prices = {"open": close * 0.99, "high": close * 1.02, "low": close * 0.97, "close": close}
    paid = rng.uniform(prices["low"], prices["high"])
    return {
        name: values.astype(np.float32)
        for name, values in {**prices, "volume": volume, "amount": volume * paid, "factor": factor}.items()
    }


def change_of(close: FloatArray) -> FloatArray:
    wide = close.astype(np.float64)
    return np.concatenate([[np.nan], wide[1:] / wide[:-1] - 1]).astype(np.float32)


def flagged(columns: dict[str, FloatArray], raw_volume: bool = False, **others: FloatArray) -> list[int]:
    return list(np.flatnonzero(find_contradictions(columns, others, raw_volume=raw_volume)))


def spoilt(values: FloatArray, place: int, ratio: float = 1.00001) -> FloatArray:
    spoilt = values.copy()
    spoilt[place] *= ratio
    return spoilt


@pytest.mark.parametrize("unit", [1, 100])
@pytest.mark.parametrize("raw", [False, True])
def test_a_close_that_its_change_contradicts_is_told_whatever_the_change_is_of(
    columns: dict[str, FloatArray], unit: int, raw: bool
) -> None:
    change = unit * change_of(columns["close"] / columns["factor"] if raw else columns["close"])
    assert flagged(columns, change=change) == []
    for place in (0, 30, LENGTH - 1):
        assert flagged(columns | {"close": spoilt(columns["close"], place)}, change=change) == [place]


def test_a_change_that_is_wrong_itself_says_nothing_of_the_close(columns: dict[str, FloatArray]) -> None:
    assert flagged(columns, change=spoilt(change_of(columns["close"]), 30, 1.5)) == []


def test_a_change_of_few_digits_finds_what_is_larger_than_they(columns: dict[str, FloatArray]) -> None:
    change = change_of(columns["close"]).round(4)
    assert flagged(columns, change=change) == []
    assert flagged(columns | {"close": spoilt(columns["close"], 30, 1.01)}, change=change) == [30]


def test_fields_that_mean_something_else_or_nothing_are_not_believed(columns: dict[str, FloatArray]) -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, LENGTH).astype(np.float32)
    nothing = np.full(LENGTH, np.nan, dtype=np.float32)
    assert flagged(columns, change=noise, vwap=np.abs(noise)) == []
    assert flagged(columns, change=nothing, vwap=nothing) == []
    short = {name: values[:10] for name, values in columns.items()}
    assert flagged(short | {"close": spoilt(short["close"], 5)}, change=change_of(short["close"])) == []
    assert flagged({name: values[:1] for name, values in columns.items()}, change=noise[:1], vwap=noise[:1]) == []


@pytest.mark.parametrize("raw_volume", [False, True])
@pytest.mark.parametrize("unit", [1, 10])
def test_a_volume_or_amount_that_the_vwap_contradicts_is_told(
    columns: dict[str, FloatArray], unit: int, raw_volume: bool
) -> None:
    paid = columns["amount"].astype(np.float64) / columns["volume"]
    vwap = (unit * paid * (columns["factor"] if raw_volume else 1)).astype(np.float32)
    assert flagged(columns, raw_volume, vwap=vwap) == []
    for name in ("volume", "amount"):
        assert flagged(columns | {name: spoilt(columns[name], 30)}, raw_volume, vwap=vwap) == [30]


def test_a_vwap_that_is_the_mean_of_the_prices_tells_of_each_of_them(columns: dict[str, FloatArray]) -> None:
    names = ("open", "high", "low", "close")
    vwap = np.mean([columns[name].astype(np.float64) for name in names], axis=0).astype(np.float32)
    assert flagged(columns, vwap=vwap) == []
    for name in names:
        assert flagged(columns | {name: spoilt(columns[name], 30)}, vwap=vwap) == [30]
    near = (vwap * np.random.default_rng(2).normal(1, 1e-4, LENGTH)).astype(np.float32)
    assert flagged(columns, vwap=near) == []  # a true one, of bars with hardly any range


def test_a_value_that_is_no_number_is_told_and_nothing_warns(columns: dict[str, FloatArray]) -> None:
    change = change_of(columns["close"])
    assert flagged(columns | {"close": spoilt(columns["close"], 30, np.inf)}, change=change) == []
    assert flagged(columns | {"volume": spoilt(columns["volume"], 30, 0)}, vwap=columns["close"]) == []


def stock(*, adjusted: bool, amount: bool, seed: int = 0, unit: float = 1.0) -> dict[str, np.ndarray]:
    """Two hundred bars of a stock whose factor doubles half way; shares are whole, the amount is money / `unit`."""
    rng = np.random.default_rng(seed)
    factor = np.repeat([0.37, 0.74], 100)
    raw_price = 20 * np.exp(np.cumsum(0.02 * rng.standard_normal(200))) * np.repeat([1, 0.5], 100)
    shares = np.exp(11 + 0.3 * rng.standard_normal(200)).round() * np.repeat([1, 2], 100)
    money = shares * raw_price * np.exp(0.01 * rng.standard_normal(200)) / unit
    columns = {"close": raw_price * factor, "volume": shares / factor if adjusted else shares, "factor": factor}
    if amount:
        columns["amount"] = money
    return {name: values.astype(np.float32) for name, values in columns.items()}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("amount", [True, False])
@pytest.mark.parametrize("adjusted", [True, False])
def test_the_amount_or_whole_shares_tell_what_the_volume_is(adjusted: bool, amount: bool, seed: int) -> None:
    votes = VolumeVotes()
    for i in range(5):
        votes.add(f"S{i}", stock(adjusted=adjusted, amount=amount, seed=10 * seed + i))
    assert votes.verdict() == ("adjusted" if adjusted else "raw")
    assert votes.notes() == ([] if adjusted else ["volume is raw, not adjusted (evidence from 5 of 5 symbols)"])


@pytest.mark.parametrize("unit", [1000.0, 0.1])
def test_an_amount_in_other_units_tells_as_well(unit: float) -> None:
    votes = VolumeVotes()
    votes.add("A", stock(adjusted=True, amount=True, unit=unit))
    votes.add("B", stock(adjusted=True, amount=True, unit=unit, seed=1))
    assert votes.verdict() == "adjusted"


def test_symbols_whose_factor_does_not_move_say_nothing() -> None:
    votes = VolumeVotes()
    flat = stock(adjusted=True, amount=True) | {"factor": np.ones(200, dtype=np.float32)}
    votes.add("A", flat)
    votes.add("B", {name: values for name, values in flat.items() if name != "amount"})
    votes.add("C", {name: values for name, values in flat.items() if name != "volume"})
    votes.add("D", {name: values for name, values in flat.items() if name != "factor"})
    assert (votes.adjusted, votes.raw, votes.verdict(), votes.notes()) == ([], [], "assumed adjusted", [])


def test_where_symbols_disagree_the_volume_is_assumed_adjusted_and_that_is_told() -> None:
    votes = VolumeVotes()
    votes.add("A", stock(adjusted=True, amount=True))
    votes.add("B", stock(adjusted=False, amount=True))
    assert votes.verdict() == "assumed adjusted"
    assert votes.notes() == ["volume assumed adjusted; 1 of 2 symbols indicate raw volume"]


def test_missing_values_and_suspended_days_do_not_matter() -> None:
    columns = stock(adjusted=False, amount=True)
    for name in ("volume", "amount", "factor"):
        columns[name][::7] = np.nan
    columns["volume"][3], columns["amount"][5] = 0, 0
    votes = VolumeVotes()
    votes.add("A", columns)
    assert votes.verdict() == "raw"
