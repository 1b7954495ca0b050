from __future__ import annotations

import numpy as np
import pytest

from kronos_quant.market.ingest.volume_basis import VolumeVotes


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
    assert votes.notes() == (
        [] if adjusted else ["volume is not adjusted (so 5 of 5 symbols show): it is the raw volume"]
    )


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
    assert votes.notes() == ["volume taken as adjusted; 1 of 2 symbols speak against it"]


def test_missing_values_and_suspended_days_do_not_matter() -> None:
    columns = stock(adjusted=False, amount=True)
    for name in ("volume", "amount", "factor"):
        columns[name][::7] = np.nan
    columns["volume"][3], columns["amount"][5] = 0, 0
    votes = VolumeVotes()
    votes.add("A", columns)
    assert votes.verdict() == "raw"
