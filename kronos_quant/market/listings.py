"""When each symbol was listed, as far as it is known, and on what evidence.

A source of bars tells little of it. A start in its list of all symbols that is later than its first session is a
listing date; without such a list a first bar says nothing. An end there is only the last bar that its maker had: it
counts as a delisting when more sessions have passed than `delisted_after` without a bar, one of a suspended session
neither. The end of the data is no event: until a listing is known to be over, a symbol without bars is suspended. A
table of listings (`kq ingest intervals listing FILE`) goes before all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from kronos_quant.market.suspensions import PAUSED

DELISTED_AFTER = 250
"""Sessions without a bar after which a listing counts as over, where no table states it."""
STATED, INFERRED = "stated", "inferred"

LISTINGS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "listed": pl.Date(),  # null: before the data, or unknown
    "listed_by": pl.String(),  # STATED, INFERRED or null
    "delisted": pl.Date(),  # the last day; null: not known to be over
    "delisted_by": pl.String(),
    "known": pl.Date(),  # the last session on which nobody could have known of the end yet
}
SPANS: dict[str, pl.DataType] = {"symbol": pl.String(), "start": pl.Date(), "end": pl.Date()}
"""Listings as a source or a table states them; the end is inclusive."""
LAST_BARS: dict[str, pl.DataType] = {"symbol": pl.String(), "last": pl.Date()}
"""The date of each symbol's last stored bar, those of suspended sessions too."""


@dataclass(frozen=True, slots=True)
class Listings:
    """What a back-test is told of listings.

    spans : LISTINGS; suspended : PAUSED, sessions of which a source has bars although they are suspended
    delisted_after : see DELISTED_AFTER
    """

    spans: pl.DataFrame
    suspended: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PAUSED))
    delisted_after: int = DELISTED_AFTER

    @property
    def stated(self) -> set[str]:
        """The symbols whose listing a table states."""
        return set(self.spans.filter(pl.any_horizontal(pl.col("listed_by", "delisted_by") == STATED))["symbol"])

    @property
    def ends(self) -> dict[str, date]:
        """The last day of each listing that a table ends."""
        return dict(self.spans.filter(delisted_by=STATED).select("symbol", "delisted").iter_rows())


def listing_spans(
    instruments: pl.DataFrame,
    tables: pl.DataFrame,
    last_bars: pl.DataFrame,
    sessions: Sequence[date],
    delisted_after: int = DELISTED_AFTER,
) -> pl.DataFrame:
    """LISTINGS of all symbols, sorted by symbol.

    Parameters
    ----------
    instruments
        schema.INSTRUMENTS: dates as the source's list of all symbols and the bars give them.
    tables
        Symbol, start and end of the tables of listings.
    last_bars
        LAST_BARS.
    sessions
        Of the data, ascending.
    delisted_after
        See DELISTED_AFTER.

    Examples
    --------
    >>> days = [date(2024, 1, day) for day in range(1, 11)]
    >>> known = {"symbol": ["A", "B"], "first_date": days[:2], "last_date": [days[3], days[7]], "in_all": True}
    >>> bars = pl.DataFrame({"symbol": ["A", "B"], "last": [days[3], days[7]]})
    >>> tables = pl.DataFrame(schema={"symbol": pl.String, "start": pl.Date, "end": pl.Date})
    >>> spans = listing_spans(pl.DataFrame(known), tables, bars, days, delisted_after=4)
    >>> spans.select("symbol", "listed", "delisted", "known").rows()[0]
    ('A', None, datetime.date(2024, 1, 4), datetime.date(2024, 1, 8))
    >>> spans.select("symbol", "listed", "delisted").rows()[1]
    ('B', datetime.date(2024, 1, 2), None)
    """
    numbers = pl.DataFrame({"last": sessions, "place": range(len(sessions))}, {"last": pl.Date, "place": pl.Int64})
    later = numbers.select(pl.col("last").alias("known"), pl.col("place") - delisted_after)
    table = tables.group_by("symbol").agg(pl.col("start").min(), pl.col("end").max())
    found = (
        instruments.join(table, on="symbol", how="left")
        .join(last_bars.sort("last").join_asof(numbers, on="last"), on="symbol", how="left")
        .join(later, on="place", how="left")
    )
    ended = pl.col("last_date") < sessions[-1]
    long_gone = pl.col("place") < len(sessions) - 1 - delisted_after
    inferred = ended & long_gone.fill_null(False)
    table_ends = pl.col("end") <= sessions[-1]
    from_list = pl.col("in_all").fill_null(False) & (pl.col("first_date") > sessions[0])
    by_table = pl.col("start").is_not_null()
    return found.select(
        "symbol",
        listed=pl.coalesce("start", pl.when(from_list).then("first_date")),
        listed_by=pl.when(by_table).then(pl.lit(STATED)).when(from_list).then(pl.lit(INFERRED)),
        delisted=pl.when(table_ends).then("end").when(~by_table & inferred).then("last_date"),
        delisted_by=pl.when(table_ends).then(pl.lit(STATED)).when(~by_table & inferred).then(pl.lit(INFERRED)),
        known=pl.when(table_ends).then("end").when(~by_table & inferred).then("known"),
    ).sort("symbol")


def listings_of_bars(bars: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """LISTINGS as far as bars alone give them. bars : schema.BARS; sessions : of the data, ascending"""
    spans = bars.group_by("symbol").agg(
        pl.col("date").min().alias("first_date"),
        pl.col("date").max().alias("last_date"),
        pl.lit(None, pl.Boolean).first().alias("in_all"),
    )
    last = spans.select("symbol", pl.col("last_date").alias("last"))
    return listing_spans(spans, pl.DataFrame(schema=SPANS), last, sessions)
