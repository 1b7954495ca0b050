"""What a source's volume and amount count, told from the numbers themselves.

What was paid per share, amount / volume, lies between a bar's low and high. Of the units that sources use, six ratios
differ by a factor of ten or more, so that at most one of them puts it there: the units are proved, not guessed. Where
it does so on the newest bars only, the prices are adjusted forward; on the oldest only, backward.

Shares, funds and B shares of the mainland and Hong Kong have such a signature. Indices have none, and that of a
future holds its multiplier.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from kronos_quant.market.symbols import exchange_of, looks_like_index

Units = tuple[float, float]
"""Shares per unit of volume, and currency per unit of amount."""

PLAIN: Units = (1.0, 1.0)
"""Shares and currency."""

PAIRS: tuple[Units, ...] = (PLAIN, (100.0, 1.0), (100.0, 1e3), (100.0, 1e4), (1.0, 1e3), (1.0, 1e4))
"""The units that sources use together; amount / (volume x price) is near 1, 100, 0.1, 0.01, 0.001 and 0.0001."""

VOLUME_NAMES = {1.0: "shares", 100.0: "lots", 1e3: "thousand", 1e4: "ten-thousand"}
AMOUNT_NAMES = {1.0: "units", 1e3: "thousand", 1e4: "ten-thousand", 1e6: "million", 1e8: "hundred-million"}
"""Units as options name them."""

_AGREEING = 0.9  # share of bars that have to agree
_ROUNDING = 0.002  # relative: prices and amounts are rounded
_FEWEST, _MOST, _FRACTION = 3, 20, 5  # bars at one end: a fifth of them
FORWARD, BACKWARD = "forward", "backward"


@dataclass(frozen=True, slots=True)
class UnitProof:
    """What the bars of one symbol prove."""

    units: Units | None
    """None: nothing."""
    bars: int
    """Bars that were compared."""
    adjusted: str = ""
    """FORWARD or BACKWARD where the prices are adjusted, "" where all bars agree or nothing is known."""


def has_signature(symbol: str) -> bool:
    """Whether amount / volume of a symbol is a price.

    >>> has_signature("SH600000"), has_signature("SH000300"), has_signature("RB2410.SHFE")
    (True, False, False)
    """
    return bool(exchange_of(symbol)) and not looks_like_index(symbol)


def prove_units(bars: pl.DataFrame, declared: Units = PLAIN) -> dict[str, UnitProof]:
    """Symbol -> what its bars prove, for those that have a signature.

    Parameters
    ----------
    bars
        Columns symbol, time, low, high, volume and amount as in the source.
    declared
        Units that the source names; taken where they fit as well as others.

    Examples
    --------
    >>> bar = {"symbol": ["SH600000"], "time": [1], "low": [9.0], "high": [10.0], "volume": [50.0], "amount": [47.5]}
    >>> prove_units(pl.DataFrame(bar))["SH600000"].units
    (100.0, 1000.0)
    """
    scales = {pair[1] / pair[0]: pair for pair in PAIRS} | {declared[1] / declared[0]: declared}
    known = [symbol for symbol in bars["symbol"].unique() if has_signature(symbol)]
    paid = pl.col("amount") / pl.col("volume")
    slack = _ROUNDING + 0.5 / pl.col("volume")
    usable = bars.filter(
        pl.col("symbol").is_in(known)
        & (pl.col("volume") > 0)
        & (pl.col("amount") > 0)
        & (pl.col("low") > 0)
        & (pl.col("high") >= pl.col("low"))
    )
    inside = [
        ((paid * scale >= pl.col("low") * (1 - slack)) & (paid * scale <= pl.col("high") * (1 + slack))).alias(
            str(place)
        )
        for place, scale in enumerate(scales)
    ]
    judged = usable.sort("time").select("symbol", *inside)
    end = (pl.len() // _FRACTION).clip(_FEWEST, _MOST)
    cells = [pl.col(str(place)) for place in range(len(scales))]
    shares = judged.group_by("symbol").agg(
        pl.len().alias("bars"),
        *(cell.mean().name.prefix("all ") for cell in cells),
        *(cell.tail(end).mean().name.prefix("new ") for cell in cells),
        *(cell.head(end).mean().name.prefix("old ") for cell in cells),
    )
    return {row["symbol"]: _proof(row, list(scales.values()), declared) for row in shares.iter_rows(named=True)}


def _proof(row: dict[str, float], pairs: list[Units], declared: Units) -> UnitProof:
    order = sorted(range(len(pairs)), key=lambda place: pairs[place] != declared)
    for part, adjusted in (("all", ""), ("new", FORWARD), ("old", BACKWARD)):
        fitting = [place for place in order if row[f"{part} {place}"] >= _AGREEING]
        if len(fitting) == 1 and (part == "all" or row["bars"] >= 2 * _FEWEST):
            return UnitProof(pairs[fitting[0]], int(row["bars"]), adjusted)
    return UnitProof(None, int(row["bars"]))


def units_named(volume: str, amount: str, others: Units = PLAIN) -> Units:
    """Units by the names that options have.

    Parameters
    ----------
    volume, amount
        Of VOLUME_NAMES and AMOUNT_NAMES, or "auto".
    others
        Taken for "auto".

    Examples
    --------
    >>> units_named("lots", "auto")
    (100.0, 1.0)
    """
    shares = {name: size for size, name in VOLUME_NAMES.items()}.get(volume, others[0])
    currency = {name: size for size, name in AMOUNT_NAMES.items()}.get(amount, others[1])
    return shares, currency


def usual_units(proofs: dict[str, UnitProof]) -> Units | None:
    """The units that most symbols prove, None where none proves any."""
    counts = Counter(proof.units for proof in proofs.values() if proof.units is not None)
    return counts.most_common(1)[0][0] if counts else None


def unit_words(units: Units) -> str:
    """Units in words.

    >>> unit_words((100.0, 1e3))
    'volume in lots of 100, amount in thousands'
    """
    volume = {1.0: "shares", 100.0: "lots of 100"}.get(units[0], f"{units[0]:,.0f} shares")
    amount = {1.0: "units of the currency", 1e3: "thousands", 1e4: "ten thousands"}.get(units[1], f"{units[1]:,.0f}")
    return f"volume in {volume}, amount in {amount}"
