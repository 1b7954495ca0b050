"""Listed funds, REITs and convertible bonds of the mainland by date, each row with its source.

A code tells a fund, a REIT and a convertible bond, and of some funds the kind; the kind of the others comes from
`kq ingest intervals fund FILE`. "not checked" marks what was not read in the source. Codes are those of the exchanges'
code ranges; which kind of fund a range holds was not checked.
"""

from __future__ import annotations

from datetime import date

from kronos_quant.market.exchanges.levies import BONDS, FUNDS
from kronos_quant.market.exchanges.tables import Board, ListingStart, PriceLimit, Resale

ORDINARY, TWENTY, BOND, MONEY, GOLD, CROSS_BORDER, COMMODITY = (
    "ordinary",
    "20pct",
    "bond",
    "money",
    "gold",
    "cross-border",
    "commodity",
)
FUND_KINDS = (ORDINARY, TWENTY, BOND, MONEY, GOLD, CROSS_BORDER, COMMODITY)
"""Values of `kq ingest intervals fund FILE`. 20pct: at least 80% in shares with a limit of 20%; cross-border: what it
holds can itself be sold on the day of purchase."""

_TICK = 0.001
"""SSE Trading Rules 2006 3.4.11, SZSE Trading Rules 2006 3.3.12: funds; REITs and bonds: not checked."""
_TEN = PriceLimit(date(1996, 12, 16), 0.10, "CSRC notice of 1996-12-13 on shares and funds; SZSE Trading Rules 3.3.13")
_NEXT_DAY = Resale(
    date(1995, 1, 1), True, "SZSE chronicle of 1995: shares and funds; SSE and SZSE Trading Rules 2006 3.1.4"
)
_SAME_DAY = Resale(
    date(2015, 1, 19), False,
    "SSE notice 2015 no. 6, SZSE notice of 2015-01-09; the kind was T+0 from late 2013 on, not checked",
)  # fmt: skip
_CROSS_BORDER = Resale(
    date(2015, 1, 19), False, "SSE notice 2015 no. 6, SZSE notice of 2015-01-09: where its holdings are T+0"
)  # fmt: skip

_SSE_TWENTY = PriceLimit(date(2020, 8, 21), 0.20, "SSE notice 2020 no. 61")
_SZSE_TWENTY = PriceLimit(
    date(2020, 8, 24), 0.20, "SZSE press conference of 2020-08-21; SZSE Trading Rules 2026 3.3.13"
)
_SSE_COMMODITY = Resale(date(2020, 1, 20), False, "SSE notice 2020 no. 1")
_SZSE_COMMODITY = Resale(date(2019, 1, 11), False, "SZSE notice 2019 no. 23; the day was not checked against it")

_CHINEXT_FUNDS = ("SZ159915", "SZ159948", "SZ159949", "SZ159952", "SZ159957", "SZ159958", "SZ159964", "SZ159977")
"""ETFs of ChiNext indices; the list was not checked, and it is not complete."""


def _fund(
    name: str, kind: str, prefixes: tuple[str, ...], *resale: Resale, limits: tuple[PriceLimit, ...] = ()
) -> Board:
    return Board(
        name, prefixes, (_TEN, *limits), (), (), tick=_TICK, resale=(_NEXT_DAY, *resale), pays=FUNDS, fund=kind
    )


_SHANGHAI = (
    _fund("Shanghai fund", ORDINARY, ("SH5",)),
    _fund("Shanghai fund, 20%", TWENTY, ("SH588", "SH589"), limits=(_SSE_TWENTY,)),
    _fund("Shanghai bond fund", BOND, ("SH511",), _SAME_DAY),
    _fund("Shanghai money fund", MONEY, (), _SAME_DAY),
    _fund("Shanghai gold fund", GOLD, ("SH518",), _SAME_DAY),
    _fund("Shanghai cross-border fund", CROSS_BORDER, ("SH513",), _CROSS_BORDER),
    _fund("Shanghai commodity fund", COMMODITY, (), _SSE_COMMODITY),
)
_SHENZHEN = (
    _fund("Shenzhen fund", ORDINARY, ("SZ15", "SZ16", "SZ17", "SZ18")),
    _fund("Shenzhen fund, 20%", TWENTY, _CHINEXT_FUNDS, limits=(_SZSE_TWENTY,)),
    _fund("Shenzhen bond fund", BOND, (), _SAME_DAY),
    _fund("Shenzhen money fund", MONEY, (), _SAME_DAY),
    _fund("Shenzhen gold fund", GOLD, (), _SAME_DAY),
    _fund("Shenzhen cross-border fund", CROSS_BORDER, (), _CROSS_BORDER),
    _fund("Shenzhen commodity fund", COMMODITY, (), _SZSE_COMMODITY),
)
_BY_KIND = {"SH": {board.fund: board for board in _SHANGHAI}, "SZ": {board.fund: board for board in _SHENZHEN}}

_REIT = Board(
    "REIT",
    ("SH508", "SZ180"),
    (PriceLimit(date(2021, 1, 29), 0.10, "SSE REIT Business Measures of 2021-01-29, article 33; SZSE's"),),
    (),
    (ListingStart(date(2021, 1, 29), 1, 0.30, 0.30, "SSE REIT Business Measures of 2021-01-29, article 33; SZSE's"),),
    tick=_TICK,
    resale=(Resale(date(2021, 1, 29), True, "SSE and SZSE Trading Rules 3.1.4; not checked for REITs"),),
    pays=FUNDS,
)  # fmt: skip

_CONVERTIBLE = Board(
    "Convertible bond",
    ("SH110", "SH111", "SH113", "SH118", "SZ123", "SZ127", "SZ128"),
    (
        PriceLimit(date(2006, 7, 1), None, "SSE Trading Rules 2006 3.4.13, SZSE 3.3.14: shares and funds alone"),
        PriceLimit(date(2022, 8, 1), 0.20, "SSE and SZSE rules for convertible bonds of 2022-07-29"),
    ),
    (),
    (
        ListingStart(date(2006, 7, 1), 1, None, None, "SSE and SZSE Trading Rules 2006; SZSE answer of 2020-02-19"),
        ListingStart(date(2022, 8, 1), 1, 0.573, 0.433, "SSE and SZSE rules for convertible bonds of 2022-07-29"),
    ),
    lot=10,
    step=10,
    tick=_TICK,
    resale=(Resale(date(2006, 7, 1), False, "SSE and SZSE Trading Rules 2006 3.1.5: bonds"),),
    pays=BONDS,
    issue_price=100.0,
)
"""Lots of 10 bonds, the tick and the issue price (the face value) were not checked."""

FUND_BOARDS = (*_SHANGHAI, *_SHENZHEN, _REIT, _CONVERTIBLE)
"""Lots of funds: SSE and SZSE Trading Rules (100); of REITs: not checked."""


def fund_board(symbol: str, kind: str) -> Board | None:
    """The rules of a fund of one of FUND_KINDS; None for a symbol of another exchange.

    >>> fund_board("SZ159985", "commodity").resale[-1].since
    datetime.date(2019, 1, 11)
    """
    return _BY_KIND.get(symbol[:2], {}).get(kind)
