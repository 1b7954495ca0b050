"""What volume and amount of a Qlib directory count: the community dump holds lots / factor and thousands.

As in `dialects.units`, amount / volume has to lie between low and high, both adjusted where the volume is. One dump has
one unit: the symbols vote, indices have no vote. Where none proves its unit, nothing is converted, and it is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kronos_quant.arrays import Float32Array
from kronos_quant.market.dialects.layout import AUTO
from kronos_quant.market.dialects.units import PAIRS, PLAIN, Units, has_signature, unit_words, units_named

_SYMBOLS_ASKED = 400
_BARS_ASKED = 120  # per symbol
_AGREEING = 0.9  # share of a symbol's bars that have to agree
_MAJORITY = 0.6  # share of the symbols that prove a unit
_ROUNDING = 0.002  # relative: float32 and rounded amounts

Columns = Mapping[str, Float32Array]


@dataclass(frozen=True, slots=True)
class DirectoryUnits:
    """The units of a directory, and what a user should know of them."""

    units: Units
    notes: tuple[str, ...] = ()


def find_units(
    series: Iterable[tuple[str, dict[str, Float32Array]]], *, raw_volume: bool, asked: tuple[str, str] = (AUTO, AUTO)
) -> DirectoryUnits:
    """The units of a directory.

    Parameters
    ----------
    series
        Symbol, and its columns: prices, volume, amount (NaN: missing) and factor.
    raw_volume
        The volume is the shares really traded.
    asked
        Units as the user gave them; AUTO: told by the bars.
    """
    if asked != (AUTO, AUTO):
        given = units_named(*asked)
        return DirectoryUnits(given, _converted(given, "as the options say"))
    stocks = [(symbol, columns) for symbol, columns in series if has_signature(symbol)]
    sample = stocks[:: max(1, len(stocks) // _SYMBOLS_ASKED)]
    with_amount = [columns for _, columns in sample if (np.nan_to_num(columns["amount"]) > 0).any()]
    if not with_amount:
        traded = any((columns["volume"] > 0).any() for _, columns in sample)
        note = "no amount that would prove the unit of volume: taken as shares (--volume-unit)"
        return DirectoryUnits(PLAIN, (note,) if traded else ())
    votes = Counter(vote for columns in with_amount if (vote := _vote(columns, raw_volume)) is not None)
    units, count = votes.most_common(1)[0] if votes else (PLAIN, 0)
    if count <= _MAJORITY * len(with_amount):
        note = (
            f"units not proved by amount / (volume x price): {count} of {len(with_amount)} symbols fit "
            f"{unit_words(units)}; kept as they are (--volume-unit, --amount-unit)"
        )
        return DirectoryUnits(PLAIN, (note,))
    how = f"proved by amount / (volume x price) of {count} of {len(with_amount)} symbols"
    return DirectoryUnits(units, _converted(units, how))


def _converted(units: Units, how: str) -> tuple[str, ...]:
    return () if units == PLAIN else (f"{unit_words(units)}: converted to shares and currency; {how}",)


def convert(columns: dict[str, Float32Array], units: Units) -> None:
    """Turn the volume and amount of one symbol into shares and currency, in place; float32 as in the source."""
    for name, unit in zip(("volume", "amount"), units, strict=True):
        if unit != 1.0:
            columns[name] = (columns[name].astype(np.float64) * unit).astype(np.float32)


def _vote(columns: Columns, raw_volume: bool) -> Units | None:
    """The units that put what was paid between low and high on nearly all bars; None where none or nothing does."""
    usable = np.flatnonzero((columns["volume"] > 0) & (np.nan_to_num(columns["amount"]) > 0) & (columns["low"] > 0))
    if not len(usable):
        return None
    bars = usable[:: max(1, len(usable) // _BARS_ASKED)]
    wide = {name: columns[name][bars].astype(np.float64) for name in ("low", "high", "volume", "amount", "factor")}
    paid = wide["amount"] / wide["volume"]
    # with a factor near 1/100, raw shares look like lots: plain units go first, whatever the volume is
    if _fits(wide, paid, raw=False) or _fits(wide, paid, raw=True):
        return PLAIN
    return next((pair for pair in PAIRS if _fits(wide, paid * pair[1] / pair[0], raw=raw_volume)), None)


def _fits(wide: Mapping[str, npt.NDArray[np.float64]], paid: npt.NDArray[np.float64], *, raw: bool) -> bool:
    scale = wide["factor"] if raw else 1.0
    low, high = wide["low"] / scale, wide["high"] / scale
    inside = (paid >= low * (1 - _ROUNDING)) & (paid <= high * (1 + _ROUNDING))
    return bool(inside.mean() >= _AGREEING)
