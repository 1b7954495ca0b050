"""Dated facts about symbols that a source of bars does not carry: special treatment (ST), listings, industries.

They are optional: what Qlib does not carry (ST, listings, industry) comes from CSV files of intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant.errors import ConfigError
from kronos_quant.market.database import statement

INTERVALS: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "symbol": pl.String(),
    "start": pl.Date(),
    "end": pl.Date(),  # inclusive
    "value": pl.String(),  # the industry's name; null where the interval alone says it
}
UNADJUSTED: dict[str, pl.DataType] = {"freq": pl.String(), "symbol": pl.String()}

KINDS = ("st", "listing", "industry")
WITH_VALUE = ("industry",)
"""Kinds whose intervals say nothing without a value."""

OPEN_END = date(2099, 12, 31)
"""The end of an interval that has not ended, as Qlib's lists write it."""


def check_kind(kind: str) -> None:
    """Raise ConfigError unless `kind` is one of KINDS."""
    if kind not in KINDS:
        raise ConfigError(f"intervals: expected {', '.join(KINDS)}, found {kind!r}")


def listing_dates(instruments: pl.DataFrame, listings: pl.DataFrame, first_session: date) -> pl.DataFrame:
    """Since when each symbol is listed: columns symbol and listed, null for "longer than the data go back".

    instruments : schema.INSTRUMENTS; listings : INTERVALS of kind listing, which win over the first bar.
    A symbol whose bars start with the data counts as long listed.
    """
    stated = listings.group_by("symbol").agg(pl.col("start").min().alias("stated"))
    first_bar = pl.when(pl.col("first_date") > first_session).then("first_date")
    return (
        instruments.join(stated, on="symbol", how="left")
        .select("symbol", pl.coalesce("stated", first_bar).alias("listed"))
        .sort("symbol")
    )


def keep_facts(
    connection: duckdb.DuckDBPyConnection,
    ingest: int,
    freq: str,
    options: Sequence[tuple[str, str]],
    unadjusted_volume: Sequence[str],
) -> None:
    """Record how an ingest was read, and whose volume is not adjusted among the bars of `incoming`."""
    for name, value in options:
        connection.execute("INSERT INTO ingest_options VALUES (?, ?, ?)", [ingest, name, value])
    connection.execute(statement("forget_unadjusted"), {"freq": freq})
    marked = pl.DataFrame({"symbol": unadjusted_volume}, schema={"symbol": pl.String})
    connection.register("marked", marked.to_arrow())
    connection.execute("INSERT INTO unadjusted_volumes SELECT $freq, symbol FROM marked", {"freq": freq})


def replace_intervals(connection: duckdb.DuckDBPyConnection, kind: str, intervals: pl.DataFrame) -> int:
    """Store intervals (INTERVALS) instead of those of the same kind; return how many there were before."""
    [(before,)] = connection.execute("SELECT count(*) FROM intervals WHERE kind = ?", [kind]).fetchall()
    connection.execute("DELETE FROM intervals WHERE kind = ?", [kind])
    connection.register("incoming_intervals", intervals.select(list(INTERVALS)).to_arrow())
    connection.execute("INSERT INTO intervals SELECT * FROM incoming_intervals")
    return int(before)


def write_facts(folder: Path, connection: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    """Write intervals and unadjusted volumes to a snapshot's folder; return them by their part's name."""
    parts = {
        "intervals": connection.sql("SELECT * FROM intervals ORDER BY ALL").pl().cast(pl.Schema(INTERVALS)),
        "unadjusted_volumes": connection.sql("SELECT * FROM unadjusted_volumes ORDER BY ALL").pl(),
    }
    for name, frame in parts.items():
        frame.write_parquet(folder / f"{name}.parquet")
    return parts
