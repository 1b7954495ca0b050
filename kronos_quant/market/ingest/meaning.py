"""What the numbers of a table mean: shares and currency, raw or adjusted prices, and the factor between them.

Evidence goes in this order: what the user says, what the bars prove (`dialects.units`), the header, the dialect. What
was taken is said in a note, and recorded with the ingest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.market.dialects.factors import adjust, join_factors
from kronos_quant.market.dialects.layout import AUTO, Layout
from kronos_quant.market.dialects.units import (
    AMOUNT_NAMES,
    FORWARD,
    PLAIN,
    VOLUME_NAMES,
    UnitProof,
    Units,
    has_signature,
    prove_units,
    unit_words,
    units_named,
    usual_units,
)
from kronos_quant.market.dialects.vendors import ADJUSTED, GENERIC, RAW, UNKNOWN
from kronos_quant.market.symbols import MAINLAND, exchange_of, kind_of
from kronos_quant.schema import PRICES

_NO_FACTOR = "and the source has no factor: kept as they are, factor 1 (lots, ticks and price limits are then of these)"
_FUND = r"^(SH5|SZ1[568])"


@dataclass(frozen=True, slots=True)
class Meaning:
    """The bars of a table in shares, currency and adjusted prices with their factor, and what was found of them."""

    bars: pl.DataFrame
    """symbol, time and the numbers; factor null where the source has none."""
    units: Mapping[str, Units]
    """Symbol -> what its volume and amount counted in the source."""
    basis: str
    """Of the prices in the source: RAW, ADJUSTED or UNKNOWN."""
    has_factor: bool
    notes: list[str] = field(default_factory=list)


def check_units(volume_unit: str, amount_unit: str) -> None:
    """Raise ConfigError unless both are "auto" or names of units."""
    for name, value, known in (("volume_unit", volume_unit, VOLUME_NAMES), ("amount_unit", amount_unit, AMOUNT_NAMES)):
        if value not in (AUTO, *known.values()):
            raise ConfigError(f"{name}: expected {', '.join((AUTO, *known.values()))}, found {value!r}")


def unit_options(units: Units) -> tuple[tuple[str, str], ...]:
    """Units as they are recorded with an ingest."""
    volume, amount = units
    return (
        ("volume_unit", VOLUME_NAMES.get(volume, f"{volume:g}")),
        ("amount_unit", AMOUNT_NAMES.get(amount, f"{amount:g}")),
    )


def interpret(
    place: str, bars: pl.DataFrame, layout: Layout, factors: pl.DataFrame | None, asked: tuple[str, str] = (AUTO, AUTO)
) -> Meaning:
    """The meaning of the numbers of one table.

    Parameters
    ----------
    place
        The table in errors.
    bars
        symbol, time and the columns of `layout.BAR_FIELDS` as in the source.
    layout
        What was understood of the table.
    factors
        Factors in files of their own (`dialects.factors.FACTORS`); None where there are none.
    asked
        Unit of volume and of amount as the user gave them.

    Raises
    ------
    DataError
        For prices from which dividends were subtracted.
    """
    units, proofs, notes = _units(bars, layout, asked)
    _refuse_additive(place, bars, layout, proofs)
    bars = _in_shares(bars, units)
    has_column = "factor" in layout.columns
    basis = _basis(bars, layout, proofs)
    bars, with_factor, more = _with_factor(bars, layout, factors, basis)
    notes += more
    if not (has_column or with_factor):
        notes += _basis_notes(basis, layout, proofs)
    if layout.dialect.note:
        notes.append(f"{layout.dialect.title}: {layout.dialect.note}")
    return Meaning(bars, units, basis, has_column or with_factor, notes)


def _units(
    bars: pl.DataFrame, layout: Layout, asked: tuple[str, str]
) -> tuple[dict[str, Units], dict[str, UnitProof], list[str]]:
    """Units by symbol, what was proved, and notes."""
    symbols = bars["symbol"].unique().sort().to_list()
    declared = {symbol: _declared(symbol, layout) for symbol in symbols}
    if asked != (AUTO, AUTO):
        units = {symbol: units_named(*asked, own) for symbol, own in declared.items()}
        return units, {}, [_said(units, "as the options say")] if set(units.values()) != {PLAIN} else []
    has_amount = bool((bars["amount"].fill_null(0.0) > 0).any())
    adjusted_by_factor = bars["factor"].fill_null(1.0).ne(1.0).any()
    proofs: dict[str, UnitProof] = {}
    told = bool(layout.header_units) or layout.dialect is not GENERIC
    if has_amount and not (adjusted_by_factor and layout.dialect is GENERIC) and not (layout.is_backward and told):
        for own in dict.fromkeys(declared.values()):
            mine = [symbol for symbol in symbols if declared[symbol] == own]
            proofs |= prove_units(bars.filter(pl.col("symbol").is_in(mine)), own)
    usual = None if told else usual_units(proofs)
    units = {}
    for symbol in symbols:
        proof = proofs.get(symbol)
        fallback = usual if usual is not None and has_signature(symbol) else declared[symbol]
        units[symbol] = proof.units if proof is not None and proof.units is not None else fallback
    return units, proofs, _unit_notes(bars, layout, units, declared, proofs, has_amount)


def _declared(symbol: str, layout: Layout) -> Units:
    """The units that header and dialect give a symbol; a dialect's are those of the mainland, but for futures."""
    dialect = layout.dialect
    own = (dialect.volume, dialect.amount)
    if exchange_of(symbol) not in MAINLAND and not dialect.name.endswith("futures"):
        own = PLAIN
    elif dialect.bonds is not None and kind_of(symbol) == "bond":
        own = dialect.bonds
    return layout.header_units.get("volume", own[0]), layout.header_units.get("amount", own[1])


def _unit_notes(
    bars: pl.DataFrame,
    layout: Layout,
    units: dict[str, Units],
    declared: dict[str, Units],
    proofs: dict[str, UnitProof],
    has_amount: bool,
) -> list[str]:
    proved = [symbol for symbol, proof in proofs.items() if proof.units is not None]
    notes = []
    if set(units.values()) != {PLAIN}:
        source = "by its header" if layout.header_units else f"by the dialect {layout.dialect.name}"
        count = f"{len(proved):,} of {counted(len(units), 'symbol')}"
        how = f"proved by amount / (volume x price) of {count}" if proved else f"as stated {source}"
        notes.append(_said(units, how))
    against = [symbol for symbol in proved if units[symbol] != declared[symbol] and declared[symbol] != PLAIN]
    if against:
        says = "header" if layout.header_units else f"dialect {layout.dialect.name}"
        notes.append(
            f"the {says} says {unit_words(declared[against[0]])}, the bars prove {unit_words(units[against[0]])}: "
            f"{listed(against)}"
        )
    unproved = [symbol for symbol, proof in proofs.items() if proof.units is None and units[symbol] == PLAIN]
    told = layout.header_units or layout.dialect is not GENERIC
    if unproved and not told:
        notes.append(
            f"units not proved by amount / (volume x price), taken as shares and currency: {listed(unproved)} "
            "(--volume-unit, --amount-unit)"
        )
    mainland = [symbol for symbol in units if exchange_of(symbol) in MAINLAND and has_signature(symbol)]
    if mainland and not has_amount and not told and bars["volume"].fill_null(0.0).gt(0).any():
        notes.append("no amount that would prove the unit of volume: taken as shares (--volume-unit)")
    return notes


def _said(units: dict[str, Units], how: str) -> str:
    by_units: dict[Units, list[str]] = {}
    for symbol, own in units.items():
        by_units.setdefault(own, []).append(symbol)
    parts = [
        unit_words(own) + (f" ({listed(symbols, 3)})" if len(by_units) > 1 else "") for own, symbols in by_units.items()
    ]
    return f"{'; '.join(parts)}: converted to shares and currency; {how}"


def _in_shares(bars: pl.DataFrame, units: dict[str, Units]) -> pl.DataFrame:
    if all(own == PLAIN for own in units.values()):
        return bars
    volume, amount = ({symbol: own[place] for symbol, own in units.items()} for place in (0, 1))
    return bars.with_columns(
        pl.col("volume") * pl.col("symbol").replace_strict(volume, return_dtype=pl.Float64),
        pl.col("amount") * pl.col("symbol").replace_strict(amount, return_dtype=pl.Float64),
    )


def _refuse_additive(place: str, bars: pl.DataFrame, layout: Layout, proofs: dict[str, UnitProof]) -> None:
    """Raise DataError for 前复权 of a program that subtracts dividends, where it shows in the prices."""
    negative = bars.select((pl.min_horizontal(PRICES) <= 0).any()).item()
    said = next((line for line in layout.words if "前复权" in line), None)
    shows = negative or any(proof.units is None or proof.adjusted for proof in proofs.values())
    if said is None or not (shows if layout.is_additive else negative):
        return
    found = "below 0" if negative else "outside of what was paid"
    raise DataError(
        f"{place}: prices are 前复权 ({said!r}): adjusted by subtracting dividends, which puts them {found}; no factor "
        "can undo that",
        hint="Export it again with 不复权.",
    )


def _basis(bars: pl.DataFrame, layout: Layout, proofs: dict[str, UnitProof]) -> str:
    """Whether the prices of the source are raw or adjusted."""
    if bars["factor"].is_not_null().any():
        return ADJUSTED
    flags = bars["adjust_flag"].drop_nulls()
    if len(flags):
        return RAW if (flags == 3).all() else ADJUSTED
    if layout.stated_basis:
        return layout.stated_basis
    if any(proof.adjusted for proof in proofs.values()):
        return ADJUSTED
    beside = any(bars[name].is_not_null().any() for name in ("raw_factor", "dividing_factor", "adjusted_close"))
    if beside or layout.dialect.basis == RAW:
        return RAW
    if layout.dialect.basis == ADJUSTED:
        return ADJUSTED
    whole = proofs and all(proof.units is not None for proof in proofs.values())
    adjusts_volume = layout.dialect.name.startswith(("joinquant", "ricequant"))
    if adjusts_volume:
        return ADJUSTED
    return RAW if whole else UNKNOWN


def _with_factor(
    bars: pl.DataFrame, layout: Layout, factors: pl.DataFrame | None, basis: str
) -> tuple[pl.DataFrame, bool, list[str]]:
    """Bars with adjusted prices where the source has a factor next to raw ones; whether it has, and notes."""
    if bars["factor"].is_not_null().any():
        return (_on_tick(bars) if layout.dialect.name == "joinquant" else bars), True, []
    for name, factor, words in (
        ("raw_factor", pl.col("raw_factor"), "raw prices x {}"),
        ("dividing_factor", 1 / pl.col("dividing_factor"), "raw prices / {}"),
        ("adjusted_close", pl.col("adjusted_close") / pl.col("close"), "raw prices x ({} / close)"),
    ):
        if bars[name].is_not_null().any() and basis == RAW:
            note = f"adjusted prices are {words.format(layout.columns[name])}, the volume is divided by it"
            return adjust(bars, factor.fill_null(strategy="forward").over("symbol")), True, [note]
    mine = None if factors is None else factors.filter(pl.col("symbol").is_in(bars["symbol"].unique().implode()))
    if mine is None:
        return bars, False, []
    if mine.is_empty():
        return bars, False, ["the files of factors name none of these symbols: factor 1"]
    if basis == ADJUSTED:
        return bars, False, ["the factors of another file are not used: the prices are adjusted already"]
    joined, early = join_factors(bars, mine)
    notes = ["adjusted prices are raw prices x the factor of another file, the volume is divided by it"]
    if len(early):
        notes.append(
            f"before the first factor: {counted(int(early['bars'].sum()), 'bar')} of {listed(early['symbol'])}"
        )
    lacking = sorted(set(bars["symbol"].unique()) - set(mine["symbol"]))
    if lacking:
        notes.append(f"no factor for {counted(len(lacking), 'symbol')} ({listed(lacking)}): factor 1")
    return joined, True, notes


def _on_tick(bars: pl.DataFrame) -> pl.DataFrame:
    """JoinQuant's prices, which it rounds after adjusting them: raw prices lie on the tick, and times the factor."""
    places = pl.when(pl.col("symbol").str.contains(_FUND)).then(1000.0).otherwise(100.0)
    exact = [(pl.col(price) / pl.col("factor") * places).round() / places * pl.col("factor") for price in PRICES]
    rounded = bars.select(
        pl.all_horizontal(((pl.col(price) * places).round() / places - pl.col(price)).abs() < 1e-9 for price in PRICES)
    ).to_series()
    return bars.with_columns(exact) if rounded.all() else bars


def _basis_notes(basis: str, layout: Layout, proofs: dict[str, UnitProof]) -> list[str]:
    if basis != ADJUSTED:
        return []
    forward = any(proof.adjusted == FORWARD for proof in proofs.values())
    proved = any(proof.adjusted for proof in proofs.values())
    if layout.stated_basis == ADJUSTED:
        why = "as the file states"
    elif proved:
        why = f"what was paid per share fits the {'newest' if forward else 'oldest'} bars only"
    elif layout.dialect.name.startswith(("joinquant", "ricequant")):
        why = "the usual setting of its source, which adjusts volumes too"
    else:
        why = f"as {layout.dialect.title} gives them"
    return [f"prices are adjusted ({why}) {_NO_FACTOR}"]
