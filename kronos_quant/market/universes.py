"""Who belonged to what, and when: members by date from intervals."""

from __future__ import annotations

from datetime import date

import polars as pl

from kronos_quant.schema import UNIVERSES

ALL = "all"
"""The universe of every stock listed on the day."""


def tidy(intervals: pl.DataFrame) -> pl.DataFrame:
    """Intervals in schema.UNIVERSES, each once, sorted, so that equal memberships are equal frames."""
    columns = [pl.col(name).cast(dtype) for name, dtype in UNIVERSES.items()]
    return intervals.select(columns).unique().sort(list(UNIVERSES))


def members(intervals: pl.DataFrame, universe: str, on: date) -> list[str]:
    """Symbols with an interval of `universe` that holds `on` (both ends inclusive), sorted.

    intervals : schema.UNIVERSES; a symbol may have several.
    """
    inside = (pl.col("universe") == universe) & (pl.col("start") <= on) & (pl.col("end") >= on)
    return intervals.filter(inside)["symbol"].unique().sort().to_list()


def listings(instruments: pl.DataFrame) -> pl.DataFrame:
    """The universe "all": every stock (no index) from its listing to its delisting, in schema.UNIVERSES.

    instruments : schema.INSTRUMENTS.
    """
    stocks = instruments.filter(pl.col("kind") == "stock")
    return tidy(stocks.select(pl.lit(ALL).alias("universe"), "symbol", start="first_date", end="last_date"))
