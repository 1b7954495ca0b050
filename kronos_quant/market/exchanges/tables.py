"""Rows of the dated tables of boards, funds and bonds, and how the one in force on a day is found."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """Maximum move of a price in a session from the previous close, valid from a day on."""

    since: date
    fraction: float | None
    """None: no limit."""
    source: str


@dataclass(frozen=True, slots=True)
class ListingStart:
    """Limits in the first sessions of what is listed from a day on."""

    since: date
    sessions: int
    up: float | None
    """Largest rise above the issue price as a fraction; None: no limit."""
    down: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Resale:
    """When what is bought may be sold, valid from a day on."""

    since: date
    next_day: bool
    """True: in the next session at the earliest (T+1); False: in the same session (T+0)."""
    source: str


@dataclass(frozen=True, slots=True)
class Delisting:
    """Limits in the delisting period; the day on which that begins decides. Empty: the usual ones."""

    limits: tuple[PriceLimit, ...] = ()
    first_day: tuple[PriceLimit, ...] = ()
    """On the first day of the period; empty: as on its other days."""


@dataclass(frozen=True, slots=True)
class Board:
    """What has its own rules: a board of shares, a kind of fund, convertible bonds."""

    name: str
    prefixes: tuple[str, ...]
    """First characters of its symbols; the longest prefix that fits decides."""
    limits: tuple[PriceLimit, ...]
    """Ascending; before the first: no limit."""
    st_limits: tuple[PriceLimit, ...]
    """Limits of shares under special treatment (ST, *ST); empty: the same."""
    starts: tuple[ListingStart, ...]
    lot: int = 100
    """Minimum number of shares of a buy order."""
    step: int = 100
    """Increment of larger orders, counted from the lot on."""
    tick: float = 0.01
    """Price step, account currency; limits are rounded to it, halves up."""
    delisting: Delisting = Delisting()
    resale: tuple[Resale, ...] = ()
    """Ascending; before the first: as the first."""
    pays: str = ""
    """Whose levies and commission it has, a name of `levies`; "": the exchange's shares."""
    fund: str = ""
    """The kind of fund, as `kq ingest intervals fund FILE` names it; "": no fund."""
    issue_price: float | None = None
    """The issue price of every symbol, where there is one."""


Row = TypeVar("Row", PriceLimit, ListingStart, Resale)


def in_force(rows: Sequence[Row], on: date) -> Row | None:
    """The last of ascending rows that began on or before a day.

    >>> rows = (PriceLimit(date(2020, 8, 24), 0.2, "a notice"),)
    >>> in_force(rows, date(2020, 8, 21)) is None, in_force(rows, date(2020, 8, 24)).fraction
    (True, 0.2)
    """
    place = bisect_right([row.since for row in rows], on)
    return rows[place - 1] if place else None
