"""What is read of a snapshot's files. A snapshot never changes, so what was read of one is kept; the bars are not."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant import readers
from kronos_quant.market.snapshot_parts import check_part, read_part

VIEW_BARS = """
CREATE VIEW bars AS
SELECT symbol, date, time, open, high, low, close, coalesce(volume, 0) AS volume, coalesce(amount, 0) AS amount, factor
FROM stored_bars"""
"""What a view of the bars makes of `stored_bars`, suspended sessions aside."""

_PARQUET = "a Parquet file"


@lru_cache(maxsize=16)
def read_frame(path: Path) -> pl.DataFrame:
    """A small Parquet file."""
    return read_part(path)


@lru_cache(maxsize=16)
def read_sessions(path: Path) -> tuple[date, ...]:
    """The sessions of a frequency."""
    with readers.reading(path, _PARQUET, hint=readers.REPAIR):
        return tuple(read_frame(path)["date"])


@lru_cache(maxsize=16)
def read_times(path: Path) -> pl.DataFrame:
    """Distinct date and time of the bars in a file, ascending."""
    bars = readers.scan_parquet(path, hint=readers.REPAIR)
    with readers.reading(path, _PARQUET, hint=readers.REPAIR):
        return bars.select("date", "time").unique().sort("time").collect()


@lru_cache(maxsize=16)
def read_last_bars(path: Path) -> pl.DataFrame:
    """LAST_BARS."""
    bars = readers.scan_parquet(path, hint=readers.REPAIR)
    with readers.reading(path, _PARQUET, hint=readers.REPAIR):
        return bars.group_by("symbol").agg(pl.col("date").last().alias("last")).collect()


@lru_cache(maxsize=16)
def read_symbols(path: Path) -> dict[str, None]:
    """The symbols of the instruments, in their order."""
    with readers.reading(path, _PARQUET, hint=readers.REPAIR):
        return dict.fromkeys(read_frame(path)["symbol"])


def create_view(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    """Create a view of a Parquet file."""
    check_part(path, readers.read_footer(path, hint=readers.REPAIR).schema.names)
    with readers.reading(path, _PARQUET, hint=readers.REPAIR):
        connection.read_parquet(readers.duckdb_path(path)).create_view(name)
