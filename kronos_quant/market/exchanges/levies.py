"""Costs of a trade: taxes and fees by exchange and date, and customary commissions.

Each row has its source; "not checked" marks a day or a figure that was not read in it. Stamp duty is on shares alone:
funds, REITs and bonds pay none, and no transfer fee (not checked). Not here: the mainland's transfer fee before 2015-08
(in Shanghai a share of the face value), and fees that a broker's commission includes (handling and supervision).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from kronos_quant.market.symbols import MAINLAND

US = ("XNYS", "XNAS", "ARCX")
HONG_KONG = ("XHKG",)
CRYPTO = ("24/7",)
FUNDS, BONDS, SHANGHAI_B, SHENZHEN_B = "funds", "bonds", "Shanghai B", "Shenzhen B"
"""What has costs of its own on the mainland's exchanges: funds and REITs, convertible bonds, B shares."""
B_SHARES = (SHANGHAI_B, SHENZHEN_B)


@dataclass(frozen=True, slots=True)
class Levy:
    """A tax or fee on a trade, valid from a day on."""

    name: str
    exchanges: tuple[str, ...]
    since: date
    buy: float
    """Fraction of the value bought."""
    sell: float
    """Fraction of the value sold."""
    source: str
    per_share: float = 0.0
    """Account currency per share sold."""
    most: float = 0.0
    """Maximum of the `per_share` part per trade."""


def _duty(since: date, buy: float, sell: float, source: str) -> Levy:
    return Levy("stamp duty", MAINLAND, since, buy, sell, source)


def _transfer(since: date, rate: float, source: str) -> Levy:
    return Levy("transfer fee", MAINLAND, since, rate, rate, source)


def _hong_kong(since: date, rate: float, source: str) -> Levy:
    return Levy("stamp duty", HONG_KONG, since, rate, rate, source)


def _sec(since: date, per_million: float, source: str) -> Levy:
    return Levy("SEC fee", US, since, 0.0, per_million / 1e6, source)


def _finra(since: date, per_share: float, most: float, source: str) -> Levy:
    return Levy("FINRA fee", US, since, 0.0, 0.0, source, per_share, most)


_DUTIES = (
    _duty(date(1992, 6, 12), 0.003, 0.003, "State Taxation Administration, 1992-06-12"),
    _duty(date(1997, 5, 12), 0.005, 0.005, "State Council; some lists say 1997-05-10, a Saturday"),
    _duty(date(1998, 6, 12), 0.004, 0.004, "State Taxation Administration"),
    _duty(date(2001, 11, 16), 0.002, 0.002, "Ministry of Finance"),
    _duty(date(2005, 1, 24), 0.001, 0.001, "Ministry of Finance, 2005-01-23"),
    _duty(date(2007, 5, 30), 0.003, 0.003, "Ministry of Finance"),
    _duty(date(2008, 4, 24), 0.001, 0.001, "Ministry of Finance"),
    _duty(date(2008, 9, 19), 0.0, 0.001, "Ministry of Finance, 2008-09-19: the seller alone"),
    _duty(date(2023, 8, 28), 0.0, 0.0005, "Ministry of Finance and State Taxation Administration, 2023 no. 39"),
)

LEVIES = (
    *_DUTIES,
    *(replace(duty, exchanges=B_SHARES, source=f"{duty.source}; not checked for B shares") for duty in _DUTIES),
    Levy("settlement fee", B_SHARES, date(1992, 2, 21), 0.0005, 0.0005, "ChinaClear's fees for B shares; not checked"),
    _transfer(date(2015, 8, 1), 0.00002, "ChinaClear, 2015-07-09"),
    _transfer(date(2022, 4, 29), 0.00001, "ChinaClear, 2022-04"),
    _hong_kong(date(2001, 9, 1), 0.001, "Stamp Duty Ordinance, Cap. 117; the day was not checked against its source"),
    _hong_kong(date(2021, 8, 1), 0.0013, "Revenue (Stamp Duty) Ordinance 2021"),
    _hong_kong(date(2023, 11, 17), 0.001, "Stamp Duty (Amendment) (Stock Transfers) Ordinance 2023"),
    _sec(date(2012, 4, 1), 22.4, "SEC press release 2012-232 has the rate; the day was not checked against its source"),
    _sec(
        date(2013, 5, 25), 17.4, "FINRA notice of 2014-03-03 has the rate; the day was not checked against 78 FR 25515"
    ),
    _sec(date(2014, 3, 18), 22.1, "FINRA information notice of 2014-03-03"),
    _sec(date(2015, 2, 14), 18.4, "order of 2015-01-15, 80 FR 2978; rate and day were not checked against it"),
    _sec(
        date(2016, 2, 16),
        21.8,
        "FINRA information notice of 2016-03-15 has the rate; the day was not checked against its source",
    ),
    _sec(date(2017, 7, 4), 23.1, "SEC fee rate advisory for fiscal year 2017"),
    _sec(date(2018, 5, 22), 13.0, "FINRA information notice of 2018-05-07"),
    _sec(date(2019, 4, 16), 20.7, "SEC fee rate advisory of 2019-03-12"),
    _sec(date(2020, 2, 18), 22.1, "FINRA information notice of 2020-02-03"),
    _sec(date(2021, 2, 25), 5.1, "SEC fee rate advisory of 2021-01-15"),
    _sec(
        date(2022, 5, 14),
        22.9,
        "SEC announcement of 2023-01-23 has the rate; the day was not checked against its source",
    ),
    _sec(date(2023, 2, 27), 8.0, "SEC announcement of 2023-01-23, 88 FR 5051"),
    _sec(date(2024, 5, 22), 27.8, "second SEC fee rate advisory for fiscal year 2024; 89 FR 29402"),
    _sec(date(2025, 5, 14), 0.0, "FINRA information notice of 2025-04-24"),
    _sec(date(2026, 4, 4), 20.6, "order of 2026-02-27, 91 FR 10643; rate and day were not checked against it"),
    _finra(date(2011, 7, 1), 0.00009, 4.50, "FINRA regulatory notice 11-27"),
    _finra(date(2012, 3, 1), 0.000095, 4.75, "FINRA regulatory notice 12-06"),
    _finra(date(2012, 7, 1), 0.000119, 5.95, "77 FR 27527; the day was not checked against its source"),
    _finra(date(2022, 1, 1), 0.00013, 6.49, "85 FR 66592; the figures were not checked against it"),
    _finra(date(2023, 1, 1), 0.000145, 7.27, "85 FR 66592; the figures were not checked against it"),
    _finra(date(2024, 1, 1), 0.000166, 8.30, "85 FR 66592; the day was not checked against it"),
    _finra(date(2026, 1, 1), 0.000195, 9.79, "89 FR 93709; the figures were not checked against it"),
)
"""Ascending by name and exchange; a later row replaces the earlier one of its name."""


@dataclass(frozen=True, slots=True)
class Brokerage:
    """Customary costs on an exchange: no rule, to be replaced by the rates of your own broker."""

    exchanges: tuple[str, ...]
    taker: float
    """Commission of orders that take liquidity, fraction of the value."""
    maker: float
    """Commission of orders that provide liquidity; differs from `taker` only where venues distinguish the two."""
    minimum: float
    """Minimum commission of a trade, account currency."""
    lot: int
    """Lot where no board has one; 0: fractions of a share."""
    sessions_per_year: int
    unit: float = 0.01
    """Unit that the commission and each levy of a fill are rounded to, halves up, account currency; 0: not rounded."""


BROKERAGE = (
    Brokerage((*MAINLAND, FUNDS), 0.00025, 0.00025, 5.0, 100, 243),
    Brokerage((BONDS,), 0.00025, 0.00025, 0.0, 10, 243),
    Brokerage((SHANGHAI_B,), 0.003, 0.003, 1.0, 100, 243),
    Brokerage((SHENZHEN_B,), 0.003, 0.003, 5.0, 100, 243),
    Brokerage(US, 0.0, 0.0, 0.0, 1, 252),
    Brokerage(HONG_KONG, 0.0005, 0.0005, 50.0, 1, 247),
    Brokerage(CRYPTO, 0.001, 0.0008, 0.0, 0, 365, 0.0),
)
"""Of bonds and B shares not checked; the minimum of B shares is in US dollars (Shanghai) and Hong Kong dollars."""
UNKNOWN = Brokerage((), 0.001, 0.001, 5.0, 1, 252, 0.0)
"""Default costs of an unknown exchange."""


def brokerage(exchange: str) -> Brokerage:
    """Customary costs on an exchange by its ISO code; default costs where it is unknown."""
    return next((row for row in BROKERAGE if exchange in row.exchanges), UNKNOWN)


def levies(exchange: str, on: date) -> tuple[Levy, ...]:
    """The levies in force on an exchange (or for FUNDS, BONDS, B_SHARES) on a date, one per name; () where none is."""
    found = {levy.name: levy for levy in LEVIES if exchange in levy.exchanges and levy.since <= on}
    return tuple(found.values())
