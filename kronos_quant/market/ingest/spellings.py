"""The symbol of every row of a table: from the option, a column, the file's name or the words around the table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from kronos_quant.errors import ConfigError, DataError, listed
from kronos_quant.inputs import short_repr
from kronos_quant.market.dialects.layout import Layout, spelled, stem_of, symbol_of_file
from kronos_quant.market.dialects.names import split_unit
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.market.symbols import (
    MAINLAND,
    canonical,
    canonical_column,
    exchange_of,
    find_fault,
    symbol_fault,
    symbol_from_filename,
)

_TEXTS = (pl.String, pl.Categorical, pl.Enum, pl.Null)
_CODE_DIGITS = 6
_BARE = re.compile(r"\s*000\d{3}\s*")
_INDEX_LEVEL, _SHARE_PRICE = 900.0, 400.0
"""Shenzhen shares of 000001 to 000999 close below the one on the right, Shanghai indices above the one on the left."""
_VNPY_EXCHANGES = {"SSE": "SH", "SZSE": "SZ", "BSE": "BJ"}


@dataclass(frozen=True, slots=True)
class RowSymbols:
    """Canonical symbols, and those whose spelling was digits that an index and a share have in common."""

    symbols: pl.Series
    bare: tuple[str, ...] = ()
    """Symbols such as SZ000300 that may be SH000300 as well."""


def read_symbols(
    place: str, row: str, frame: pl.DataFrame, file: Path | None, layout: Layout, symbol: str | None, exchange: str
) -> RowSymbols:
    """The canonical symbol of every row.

    Parameters
    ----------
    place, row
        In errors: the table, and what a row is called.
    frame, file, layout
        The cells with LINE, the file whose name may be the symbol, and what was understood of them.
    symbol, exchange
        As the user gave them; None and "" where not.

    Raises
    ------
    ConfigError, DataError
        Where the option contradicts the table, no symbol is found, or a text cannot be one.
    """
    column = layout.columns.get("symbol")
    if symbol is not None:
        named = frame[column].drop_nulls().unique() if column is not None else ()
        if len(named) > 1:
            raise ConfigError(
                f"symbol: {symbol!r} would rename every row: column {column} of {place} names "
                f"{len(named):,} symbols: {listed(sorted(map(str, named)))}",
                hint="Leave symbol out, or select the rows of one symbol.",
            )
        return RowSymbols(pl.Series([canonical(symbol, exchange)]).new_from_index(0, len(frame)))
    if column is None:
        found, bare = _of_file(place, file, layout, exchange)
        return RowSymbols(pl.Series([found]).new_from_index(0, len(frame)), (found,) if bare else ())
    if frame.schema[column].is_float():  # 600000.0
        whole = frame[column].cast(pl.Int64, strict=False)
        frame = frame.with_columns(whole) if (whole == frame[column]).all() else frame
    if not (frame.schema[column].is_integer() or frame.schema[column] in _TEXTS):
        raise DataError(f"{place}: column {column}: expected symbols, found the type {frame.schema[column]}")
    names = frame[column].cast(pl.String)
    empty = names.is_null() | (names.str.strip_chars() == "")
    if empty.any():
        first = int(empty.arg_true()[0])
        raise DataError(f"{place}: {row} {frame[LINE][first]}: column {column}: expected a symbol, found an empty cell")
    names = unquoted(names)
    names = with_zeros(names, split_unit(column)[0], exchange)
    names = _with_exchange(names, frame, layout)
    if layout.dialect.symbol:
        distinct = names.unique().to_list()
        names = names.replace_strict(distinct, [spelled(text, layout.dialect) for text in distinct])
    if (fault := find_fault(names)) is not None:
        first, text, reason = fault
        raise DataError(
            f"{place}: {row} {frame[LINE][first]}: column {column}: expected a symbol, "
            f"found {short_repr(text)} ({reason})"
        )
    symbols = canonical_column(names, exchange)
    told = split_unit(column)[0] in ("股票代码", "股票", "stock", "stockcode", "stkcd", "stocksymbol")
    shared = symbols.filter(names.str.contains(rf"^{_BARE.pattern}$")).unique().sort()
    return RowSymbols(symbols, () if told else tuple(shared))


def _of_file(place: str, file: Path | None, layout: Layout, exchange: str) -> tuple[str, bool]:
    """The symbol in a file's name or the words around its table, and whether it was digits alone."""
    if file is None:
        raise DataError(f"{place}: no column with the symbol", hint="Add a column `symbol`, or pass symbol=...")
    stem = stem_of(file)
    said = symbol_of_file(stem, layout.words, layout.dialect)
    found = symbol_from_filename(file, exchange) if said is None else canonical(said, exchange)
    if (fault := symbol_fault(found)) is not None:
        raise DataError(
            f"{place}: expected a symbol in the file's name, found {short_repr(found)} ({fault})",
            hint="Rename the file, name the symbol with --symbol, or add a column `symbol`.",
        )
    digits = re.findall(r"(?<![0-9A-Za-z])\d{6}(?![0-9])", stem if said is None else said)
    marked = re.search(r"(?i)(SH|SZ|BJ|SS|XSHG|XSHE)[^A-Za-z0-9]?\d{6}|\d{6}[^A-Za-z0-9](SH|SZ|SS|BJ|XSH)", stem)
    return found, bool(digits) and not marked and _BARE.fullmatch(digits[0]) is not None


def unquoted(names: pl.Series) -> pl.Series:
    """Codes without what spreadsheets put around them: '600000, ="000001", and 1.0 where all are so.

    >>> unquoted(pl.Series(["'600000", '="000001"'])).to_list(), unquoted(pl.Series(["1.0", "600000.0"])).to_list()
    (['600000', '000001'], ['1', '600000'])
    """
    plain = names.str.strip_chars().str.replace(r"^(?:'(\w+)|=\"(\w+)\")$", "$1$2")
    decimals = plain.str.contains(r"^\d{1,6}\.0$").all()
    return plain.str.strip_suffix(".0") if decimals else plain


def with_zeros(names: pl.Series, column: str, exchange: str) -> pl.Series:
    """Codes that lost their leading zeros as numbers, with them: 1 is 000001; column : its name.

    So where the exchange is a mainland one or, where it is unknown, the column's name is Chinese or another code of
    the column is a mainland code of six digits.
    """
    if exchange not in ("", *MAINLAND):
        return names
    text = names.str.strip_chars()
    short = text.str.contains(r"^\d{1,5}$")
    if not short.any():
        return names
    whole = text.filter(text.str.contains(r"^\d{6}$")).unique().to_list()
    mainland = exchange in MAINLAND or not column.isascii() or any(exchange_of(canonical(code)) for code in whole)
    lost = short & ~text.str.contains(r"^0\d{4}$")  # 00700 is a code of Hong Kong
    padded = text.str.zfill(_CODE_DIGITS)
    if not column.isascii():
        hong_kong = "HK" + text
        names = hong_kong.zip_with(text.str.contains(r"^0\d{4}$"), names)
    return padded.zip_with(lost, names) if mainland else names


def _with_exchange(names: pl.Series, frame: pl.DataFrame, layout: Layout) -> pl.Series:
    """vn.py's symbols with the exchange that stands in a column of its own: rb2410 and SHFE are RB2410.SHFE."""
    beside = next((name for name in frame.columns if split_unit(name)[0] == "exchange"), None)
    if layout.dialect.name != "vnpy" or beside is None:
        return names
    exchange = frame[beside].cast(pl.String).str.strip_chars().str.to_uppercase().replace(_VNPY_EXCHANGES)
    return names.str.strip_chars() + "." + exchange


def settle_bare_codes(place: str, bars: pl.DataFrame, bare: tuple[str, ...]) -> tuple[pl.DataFrame, list[str]]:
    """Codes such as 000300, of a Shenzhen share and of a Shanghai index, decided by their prices; notes that say so.

    bars : symbol and close. Raises DataError where the prices may be of either.
    """
    notes = []
    for symbol in bare:
        level = bars.filter(pl.col("symbol") == symbol)["close"].median()
        if not isinstance(level, float):
            continue
        code = symbol[2:]
        if _SHARE_PRICE <= level < _INDEX_LEVEL:
            raise DataError(
                f"{place}: {code} is the share SZ{code} and the index SH{code}, and its closes (median {level:,.2f}) "
                "may be of either",
                hint=f"kq ingest csv FILE --symbol SH{code}",
            )
        if level >= _INDEX_LEVEL:
            index = f"SH{code}"
            bars = bars.with_columns(symbol=pl.col("symbol").replace({symbol: index}))
            notes.append(f"{code} read as the index {index}: its closes (median {level:,.2f}) are above any share's")
        else:
            notes.append("codes from 000001 to 000999 read as Shenzhen shares, not Shanghai indices, by their prices")
    return bars, list(dict.fromkeys(notes))
