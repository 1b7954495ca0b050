"""What the ingest found of the very bars that a result rests on, and which members of its universe have no bars at all.

A warning keeps its bar; whoever trains, scores, evaluates or back-tests on that bar is told again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import polars as pl

from kronos_quant.errors import counted, listed
from kronos_quant.market.listings import INFERRED
from kronos_quant.market.reader import Market

WORDS = {
    "unadjusted_split": "a split that no factor shows; returns across it are wrong",
    "price_jump": "a move beyond any limit without a change of the factor",
    "factor_jump": "a factor that the price does not follow; returns across it are wrong",
    "missing_sessions": "more sessions missing than a suspension lasts",
    "session_holes": "bars missing within a session",
    "volume_unit_change": "the volume changes its unit",
    "amount_mismatch": "amount / volume is not a price between low and high",
}
"""The checks whose warnings travel, and what each means for a result."""


def bar_caveats(market: Market, symbols: Sequence[str], start: date, end: date) -> list[str]:
    """A sentence for each of WORDS that holds of bars of these symbols from `start` to `end`, both inclusive.

    Parameters
    ----------
    market
        What the result is computed from.
    symbols
        Those whose bars it rests on.
    start, end
        Sessions.

    Examples
    --------
    >>> import tempfile, kronos_quant as kq
    >>> ws = kq.init(tempfile.mkdtemp())
    >>> done = ws.ingest_synthetic(symbols=5, sessions=60)
    >>> days = ws.market().sessions()
    >>> bar_caveats(ws.market(), ["MADE0001"], days[0], days[-1])
    []
    """
    own = pl.col("symbol").is_in(list(symbols)) & pl.col("date").is_between(start, end)
    warned = market.warnings().filter(own)
    return [_sentence(rule, rows) for rule in WORDS if len(rows := warned.filter(rule=rule))]


def _sentence(rule: str, rows: pl.DataFrame) -> str:
    first = rows.sort("time", "symbol").unique("symbol", keep="first", maintain_order=True)
    places = [f"{symbol} {on}" for symbol, on in first.select("symbol", "date").rows()]
    return f"Warned of at ingest: {rule}, {counted(len(rows), 'bar')}: {WORDS[rule]} ({listed(places, 3)})."


def listing_caveat(market: Market, symbols: Sequence[str], start: date, end: date) -> list[str]:
    """Which listings are only inferred to end from `start` to `end`, in a sentence; nothing where none is.

    Parameters
    ----------
    market
        What the result is computed from.
    symbols
        Those that it may hold.
    start, end
        Sessions, both inclusive.
    """
    inferred = market.listings().filter(
        pl.col("symbol").is_in(list(symbols)), pl.col("delisted_by") == INFERRED, pl.col("known").is_between(start, end)
    )
    if inferred.is_empty():
        return []
    names = listed(inferred["symbol"].to_list(), 3)
    return [
        f"The end of {counted(len(inferred), 'listing')} is inferred ({names}): more than {market.delisted_after} "
        "sessions without a bar; kq ingest intervals listing FILE states it."
    ]


def survivorship_caveat(market: Market, universe: str, start: date, end: date) -> list[str]:
    """How much of a universe has no bar at all from `start` to `end`, in a sentence; nothing where all members have.

    Parameters
    ----------
    market
        What the result is computed from.
    universe
        A name that `Market.universe` knows.
    start, end
        Sessions, both inclusive.
    """
    intervals = market.universe(universe).filter(pl.col("start") <= end, pl.col("end") >= start)
    sessions = np.array(market.session_range(start, end), dtype="datetime64[D]")
    until = np.searchsorted(sessions, intervals["end"].to_numpy(), side="right")
    since = np.searchsorted(sessions, intervals["start"].to_numpy())
    spans = intervals.select("symbol").with_columns(days=pl.Series(until - since))
    with market.connect() as connection:  # the symbols alone: the bars of a whole market would be read for their names
        there = connection.sql("SELECT DISTINCT symbol FROM bars WHERE date BETWEEN ? AND ?", params=[start, end]).pl()
    lacking = spans.filter(pl.col("days") > 0).join(there, on="symbol", how="anti")
    return [*_hole(universe, spans, lacking, start, end)]


def _hole(universe: str, spans: pl.DataFrame, lacking: pl.DataFrame, start: date, end: date) -> Iterator[str]:
    if lacking.is_empty():
        return
    names = lacking["symbol"].unique().sort().to_list()
    share = float(lacking["days"].sum()) / float(spans["days"].sum())
    yield (
        f"Survivorship: {counted(len(names), 'member')} of {universe} without any bar from {start} to {end}, "
        f"{share:.1%} of its member-sessions ({listed(names, 3)}): what they gained or lost is missing here."
    )
