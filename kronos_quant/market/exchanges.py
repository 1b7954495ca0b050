"""Trading rules by board and date: how far a price may move in a session, how many shares make a lot, what is levied.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from kronos_quant.market.symbols import MAINLAND


@dataclass(frozen=True, slots=True)
class Board:
    """A board of an exchange, told by the first characters of its symbols."""

    name: str
    prefixes: tuple[str, ...]
    limits: tuple[tuple[date, float], ...]
    """(first day, largest move from the previous close as a fraction), ascending; before the first: no limit."""
    lot: int
    """Shares that an order to buy must be a multiple of."""


@dataclass(frozen=True, slots=True)
class TradingRules:
    """What holds for one symbol on one day."""

    limit: float | None
    """Largest move from the previous close, as a fraction; None where there is no limit."""
    lot: int


# Sources: the 10 % limit of 1996-12-16 (CSRC notice of 1996-12-13); Shanghai Stock Exchange STAR Market Trading
# Special Provisions (2019, in force with the first listing on 2019-07-22); Shenzhen Stock Exchange ChiNext Trading
# Special Provisions (2020, in force from 2020-08-24); Beijing Stock Exchange Trading Rules (2021-11-15).
# Not here: the 5 % of ST shares (needs a list of them) and the first free days of a listing.
BOARDS = (
    Board("Shanghai main", ("SH600", "SH601", "SH603", "SH605", "SH900"), ((date(1996, 12, 16), 0.10),), 100),
    Board("Shenzhen main", ("SZ000", "SZ001", "SZ002", "SZ003", "SZ200"), ((date(1996, 12, 16), 0.10),), 100),
    Board("ChiNext", ("SZ300", "SZ301", "SZ302"), ((date(2009, 10, 30), 0.10), (date(2020, 8, 24), 0.20)), 100),
    Board("STAR", ("SH688", "SH689"), ((date(2019, 7, 22), 0.20),), 100),
    Board("Beijing", ("BJ4", "BJ83", "BJ87", "BJ88", "BJ92"), ((date(2021, 11, 15), 0.30),), 100),
)


@dataclass(frozen=True, slots=True)
class Levy:
    """A tax or fee that an exchange or its state takes of a trade's value, from a day on."""

    name: str
    exchanges: tuple[str, ...]
    since: date
    buy: float
    """Fraction of the value bought."""
    sell: float
    """Fraction of the value sold."""


# Sources: Ministry of Finance and State Taxation Administration on the stamp duty on securities trades (2007-05-30,
# 2008-04-24, 2008-09-19, 2023-08-28); ChinaClear on the transfer fee (2015-08-01, 2022-04-29); Hong Kong Stamp Duty
# Ordinance as amended (2021-08-01, 2023-11-17). A later row of a name replaces the earlier one.
LEVIES = (
    Levy("stamp duty", MAINLAND, date(2005, 1, 24), 0.001, 0.001),
    Levy("stamp duty", MAINLAND, date(2007, 5, 30), 0.003, 0.003),
    Levy("stamp duty", MAINLAND, date(2008, 4, 24), 0.001, 0.001),
    Levy("stamp duty", MAINLAND, date(2008, 9, 19), 0.0, 0.001),
    Levy("stamp duty", MAINLAND, date(2023, 8, 28), 0.0, 0.0005),
    Levy("transfer fee", MAINLAND, date(2015, 8, 1), 0.00002, 0.00002),
    Levy("transfer fee", MAINLAND, date(2022, 4, 29), 0.00001, 0.00001),
    Levy("stamp duty", ("XHKG",), date(1993, 9, 1), 0.001, 0.001),
    Levy("stamp duty", ("XHKG",), date(2021, 8, 1), 0.0013, 0.0013),
    Levy("stamp duty", ("XHKG",), date(2023, 11, 17), 0.001, 0.001),
)


def levies(exchange: str, on: date) -> tuple[Levy, ...]:
    """The levies in force on an exchange on a date, one a name; none where this table has no exchange or date."""
    in_force = {levy.name: levy for levy in LEVIES if exchange in levy.exchanges and levy.since <= on}
    return tuple(in_force.values())


def board_of(symbol: str) -> Board | None:
    """The board a canonical symbol is listed on; None for indices and for markets without a table here."""
    return next((board for board in BOARDS if symbol.startswith(board.prefixes)), None)


def trading_rules(symbol: str, exchange: str, date: date) -> TradingRules:
    """Price limit and lot of a symbol on a date.

    exchange : ISO code; only mainland exchanges (and "", where the symbol alone tells) have boards here. Elsewhere
    there is no limit and the lot is 1.
    """
    board = board_of(symbol) if exchange in _MAINLAND_OR_UNKNOWN else None
    if board is None:
        return TradingRules(limit=None, lot=1)
    limit = next((fraction for since, fraction in reversed(board.limits) if date >= since), None)
    return TradingRules(limit=limit, lot=board.lot)


def rules_panel(
    symbols: Sequence[str], dates: Sequence[date], exchange: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """`trading_rules` of many symbols and dates at once.

    Returns the limits as float64[T, N] (NaN: no limit) and the lots as int64[N], in the given order.
    """
    days = np.array(dates, dtype="datetime64[D]")
    limits = np.full((len(days), len(symbols)), np.nan)
    lots = np.ones(len(symbols), dtype=np.int64)
    boards = [board_of(symbol) if exchange in _MAINLAND_OR_UNKNOWN else None for symbol in symbols]
    for board in BOARDS:
        columns = np.flatnonzero([listed_on is board for listed_on in boards])
        lots[columns] = board.lot
        for since, fraction in board.limits:
            limits[np.ix_(days >= np.datetime64(since), columns)] = fraction
    return limits, lots


_MAINLAND_OR_UNKNOWN = ("", *MAINLAND)
