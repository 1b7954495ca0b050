"""The bounds of a table from outside, whatever it is for: checked once it is read, before anything is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kronos_quant.errors import DataError, KronosQuantError

if TYPE_CHECKING:
    import polars as pl

MOST_COLUMNS = 20_000
"""Of a user's table: above the symbols of any market, below what makes a query take minutes."""

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""Of the years 1 and 9999, since 1970: neither Python nor Polars can show a time outside of them."""
_A_DAY = {"d": 1, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
"""Counts of a day by their unit."""


def check_bounds(place: str, frame: pl.DataFrame, error: type[KronosQuantError] = DataError) -> None:
    """Raise `error` for more columns than MOST_COLUMNS, and for a date or time outside of the years 1 to 9999.

    Parameters
    ----------
    place, error
        What the table is called, and what is raised.
    frame
        Any table.

    Examples
    --------
    >>> import polars as pl
    >>> check_bounds("a.parquet", pl.DataFrame({"date": pl.Series([2**31 - 1]).cast(pl.Date)}))
    Traceback (most recent call last):
    kronos_quant.errors.DataError: a.parquet: row 1: column date: expected a year from 1 to 9999
    """
    import polars as pl

    if frame.width > MOST_COLUMNS:
        raise error(f"{place}: expected at most {MOST_COLUMNS:,} columns, found {frame.width:,}")
    for name, dtype in frame.schema.items():
        unit = "d" if dtype == pl.Date else getattr(dtype, "time_unit", None) if dtype == pl.Datetime else None
        if unit is not None:
            first, after = _FIRST_DAY * _A_DAY[unit], (_LAST_DAY + 1) * _A_DAY[unit]
            # numbers of nanoseconds do not reach so far
            odd = ~frame[name].to_physical().is_between(max(first, -(2**63)), min(after, 2**63) - 1)
            if odd.any():
                row = int(odd.arg_true()[0]) + 1
                raise error(f"{place}: row {row}: column {name}: expected a year from 1 to 9999")
