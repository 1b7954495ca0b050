"""Tax on the dividends of mainland shares, by the time that they were held.

What a shareholder pays who is a person; funds are treated alike. The record date decides which row holds. Cash and
bonus shares (送股, at their par of 1 yuan) are taxed, shares from capital reserve (转增) are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kronos_quant.market.symbols import MAINLAND, exchange_of, kind_of

PAR = 1.0
"""Yuan: what a bonus share counts as."""


@dataclass(frozen=True, slots=True)
class DividendTax:
    """Rates, fractions of the dividend, of dividends with a record date from a day on."""

    since: date
    at_payment: float
    """Withheld when it is paid, whatever the holding period; a part of the other rates."""
    month: float
    """Of shares sold at most a month after their purchase (on the same day of the next month at the latest)."""
    year: float
    """Of shares sold later than that, at most a year after their purchase."""
    beyond: float
    source: str


NO_TAX = DividendTax(date.min, 0.0, 0.0, 0.0, 0.0, "")

DIVIDEND_TAXES = (
    DividendTax(
        date(1994, 1, 1), 0.2, 0.2, 0.2, 0.2, "Individual Income Tax Law; the day was not checked against its source"
    ),
    DividendTax(
        date(2005, 6, 13),
        0.1,
        0.1,
        0.1,
        0.1,
        "Ministry of Finance and State Taxation Administration, 2005 no. 102; rate and day were not checked against it",
    ),
    DividendTax(
        date(2013, 1, 1), 0.05, 0.2, 0.1, 0.05, "the same, 2012 no. 85; rates and day were not checked against it"
    ),
    DividendTax(date(2015, 9, 8), 0.0, 0.2, 0.1, 0.0, "the same, 2015 no. 101"),
)
"""Ascending; a later row replaces the earlier one."""


def dividend_tax(symbol: str, on: date) -> DividendTax:
    """The rates for a dividend with a record date; none for what is no share of the mainland.

    >>> dividend_tax("SH600000", date(2024, 6, 17)).month, dividend_tax("SH510300", date(2024, 6, 17)).month
    (0.2, 0.0)
    """
    if exchange_of(symbol) not in MAINLAND or kind_of(symbol) != "stock":
        return NO_TAX
    return next((row for row in reversed(DIVIDEND_TAXES) if row.since <= on), NO_TAX)


def period_ends(bought: date) -> tuple[date, date]:
    """The last days on which a sale is one within a month, and within a year, of a purchase.

    >>> period_ends(date(2024, 1, 8)), period_ends(date(2024, 1, 31))[0]
    ((datetime.date(2024, 2, 8), datetime.date(2025, 1, 8)), datetime.date(2024, 2, 29))
    """
    return _months_later(bought, 1), _months_later(bought, 12)


def _months_later(day: date, months: int) -> date:
    """The same day of a later month, or that month's last one."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    for last in range(day.day, 27, -1):
        try:
            return date(year, month, last)
        except ValueError:
            continue
    return date(year, month, day.day)
