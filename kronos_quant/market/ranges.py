"""Which sessions of the data a date or a range means.

A single date has to be one of them; the bounds of a range need not be, but one has to lie between them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date

from kronos_quant.errors import ConfigError, DataError


def check_inside(known: Sequence[date], day: date) -> None:
    """Raise DataError for a day before the first or after the last session."""
    if day > known[-1]:
        raise DataError(f"{day} is after the data, which end on {known[-1]}", hint="Ingest newer bars.")
    if day < known[0]:
        raise DataError(f"{day} is before the data, which begin on {known[0]}")


def check_session(known: Sequence[date], day: date) -> None:
    """Raise DataError for a day that is none of the sessions, naming the nearest ones. known : ascending"""
    place = bisect_left(known, day)
    if place == len(known) or known[place] != day:
        check_inside(known, day)
        raise DataError(f"{day} is not a session: the nearest are {known[place - 1]} and {known[place]}")


def select_range(known: Sequence[date], start: date | None, end: date | None) -> list[date]:
    """The sessions from `start` to `end`, both inclusive; the bounds need not be sessions themselves.

    Parameters
    ----------
    known
        The sessions of the data, ascending.
    start, end
        None: those of the data.

    Raises
    ------
    ConfigError
        Where they are swapped.
    DataError
        Where no session is between them, naming the nearest ones.

    >>> select_range([date(2025, 6, 5), date(2025, 6, 6), date(2025, 6, 9)], date(2025, 6, 6), date(2025, 6, 8))
    [datetime.date(2025, 6, 6)]
    """
    if start is not None and end is not None and start > end:
        raise ConfigError(f"start {start} is after end {end}", hint=f"Swap them: start {end}, end {start}.")
    first = 0 if start is None else bisect_left(known, start)
    last = len(known) if end is None else bisect_right(known, end)
    if first < last:
        return list(known[first:last])
    if start is not None and start == end:
        check_session(known, start)
    for bound in (start, end):
        if bound is not None:
            check_inside(known, bound)
    raise DataError(
        f"no session from {start or known[0]} to {end or known[-1]}: "
        f"the nearest are {known[first - 1]} and {known[first]}"
    )
