"""Where the bars were read from: a file beside each snapshot, so that nobody needs the database.

Like the history it is no part of a snapshot's content: equal bars are equal wherever they lay.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

if TYPE_CHECKING:
    from kronos_quant.market.reader import Market

ORIGINS_FILE = "origins.parquet"


def write_origins(folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Write what each ingest read into a snapshot's folder: freq, source and path, the oldest first."""
    read = "SELECT freq, source, path FROM ingests WHERE path IS NOT NULL ORDER BY id"
    connection.sql(read).pl().write_parquet(folder / ORIGINS_FILE)


def origins_of(market: Market, source: str) -> list[Path]:
    """The files and folders that a market's bars were read from, each once, the last read first.

    source : qlib, csv, ... Empty for a snapshot that an older version published without them.
    """
    path = market.snapshot.folder / ORIGINS_FILE
    if not path.exists():
        return []
    read = pl.read_parquet(path).filter(freq=market.freq, source=source)
    return [Path(place) for place in dict.fromkeys(reversed(read["path"].to_list()))]
