"""The columns of a table of K-lines: which is which, and their cells as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.schema import PRICES

LINE = "#line"
"""The column that holds each row's number in its source."""

NUMBERS = (*PRICES, "volume", "amount", "factor")

_ALIASES = {
    "time": ("timestamps", "timestamp", "datetime", "date", "time", "trade_date", "day"),
    "symbol": ("symbol", "code", "ticker", "instrument"),
    "volume": ("volume", "vol"),
    "amount": ("amount", "amt", "turnover_value"),
    "factor": ("factor",),
    **{price: (price,) for price in PRICES},
}
_REQUIRED = ("time", *PRICES)
_MISSING = ("", "nan", "null", "none", "na", "n/a", "-", "--")


def match_columns(place: str, found: Sequence[str]) -> dict[str, str]:
    """Our name -> the source's name of each column, and "clock" for a time beside a date.

    Case, spaces around a name and Qlib's `$` do not matter. Raises DataError for a missing column.
    """
    names = {name.strip().lower().removeprefix("\ufeff").removeprefix("$"): name for name in found if name != LINE}
    columns = {}
    for ours, aliases in _ALIASES.items():
        present = [alias for alias in aliases if alias in names]
        if present:
            columns[ours] = names[present[0]]
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        wanted = ["timestamps" if name == "time" else name for name in missing]
        other_separator = len(names) == 1 and any(letter in next(iter(names)) for letter in ";\t|")
        raise DataError(
            f"{place}: expected the columns timestamps, open, high, low, close; missing {', '.join(wanted)}; found "
            f"{', '.join(names.values())}",
            hint="columns are separated by commas: convert the file, or read it yourself and give kq a table"
            if other_separator
            else None,
        )
    if columns["time"] == names.get("date") and "time" in names:
        columns["clock"] = names["time"]
    return columns


def as_number(column: str, dtype: pl.DataType) -> pl.Expr:
    """A column as float64, null where it is missing or no number."""
    if dtype != pl.String:
        return pl.col(column).cast(pl.Float64).fill_nan(None)
    text = pl.col(column).str.strip_chars()
    return pl.when(text.str.to_lowercase().is_in(_MISSING)).then(None).otherwise(text).cast(pl.Float64, strict=False)


def check_numbers(place: str, row: str, frame: pl.DataFrame, columns: dict[str, str]) -> None:
    """Raise DataError for the first cell that holds neither a number nor nothing.

    row : what a row is called, "line" or "row".
    """
    for name in NUMBERS:
        if name not in columns:
            continue
        column = columns[name]
        dtype = frame.schema[column]
        if dtype.is_numeric() or dtype == pl.Null:
            continue
        if dtype != pl.String:
            raise DataError(f"{place}: column {column}: expected numbers, found the type {dtype}")
        trimmed = pl.col(column).str.strip_chars().str.to_lowercase()
        wrong = frame.filter(as_number(column, dtype).is_null() & trimmed.is_not_null() & ~trimmed.is_in(_MISSING))
        if not wrong.is_empty():
            raise DataError(
                f"{place}: {row} {wrong[LINE][0]}: column {column}: expected a number, found {wrong[column][0]!r}"
                + (f" (and {len(wrong) - 1} more {row}s)" if len(wrong) > 1 else "")
            )
