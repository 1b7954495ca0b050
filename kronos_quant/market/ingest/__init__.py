"""Sources of bars: each reader turns one kind of source into a `BarBatch`; here they meet the store."""

from pathlib import Path

from kronos_quant.errors import ConfigError
from kronos_quant.market.ingest.lists import ingest_intervals, ingest_universe
from kronos_quant.market.ingest.qlib_dir import read_qlib_dir
from kronos_quant.market.ingest.synthetic import SyntheticSpec, make_market
from kronos_quant.market.ingest.tables import Table, read_csv_files, read_tables
from kronos_quant.market.reader import open_market
from kronos_quant.market.snapshots import current_snapshot
from kronos_quant.market.store import IngestReport, store_bars
from kronos_quant.schema import DAILY

__all__ = ["ingest_csv", "ingest_intervals", "ingest_qlib", "ingest_synthetic", "ingest_table", "ingest_universe"]


def ingest_qlib(
    root: Path, source: Path, *, freq: str = DAILY, exchange: str = "", labels: str = "end"
) -> IngestReport:
    """Read a Qlib data directory into the workspace `root` and publish the result.

    freq : which calendar and .bin files to read. exchange : ISO code; "" lets the symbols tell.
    labels : whether intraday stamps are of the bars' "end" or "start".
    Raises DataError for a directory that cannot be read; the store is then as before.
    """
    return store_bars(root, read_qlib_dir(source, freq, exchange, labels))


def ingest_csv(
    root: Path,
    source: Path,
    *,
    symbol: str | None = None,
    exchange: str = "",
    amount: str = "derive",
    labels: str = "end",
) -> IngestReport:
    """Read a CSV file (plain, gz or zst), or a folder of them, into the workspace `root` and publish the result.

    symbol : of the one file; by default a column or the file's name tells. amount : derive, zero or as_is.
    labels : whether intraday stamps are of the bars' "end" or "start".
    Raises DataError for a file that cannot be read; the store is then as before.
    """
    return store_bars(root, read_csv_files(source, symbol, exchange, amount, labels))


def ingest_table(
    root: Path,
    source: Table,
    *,
    symbol: str | None = None,
    exchange: str = "",
    amount: str = "derive",
    labels: str = "end",
) -> IngestReport:
    """Read a table of bars into the workspace `root` and publish the result.

    source : a Polars, pandas or Arrow table, a Parquet, Arrow or Feather file, or a folder of such files.
    The columns and the other arguments are those of `ingest_csv`.
    Raises DataError for a table that cannot be read; the store is then as before.
    """
    return store_bars(root, read_tables(source, symbol, exchange, amount, labels))


def ingest_synthetic(
    root: Path, *, strength: float = 0.2, symbols: int = 150, sessions: int = 800, seed: int = 0
) -> IngestReport:
    """Make a market with a known pattern and put it into the workspace `root`; see `synthetic`.

    Raises ConfigError where the workspace holds other bars: what a made market shows would no longer be known.
    """
    batch = make_market(SyntheticSpec(strength=strength, symbols=symbols, sessions=sessions, seed=seed)).batch
    if current_snapshot(root) is not None and not open_market(root).bars().equals(batch.bars):
        raise ConfigError(
            f"{root}: holds other bars already, and a made market does not mix with them",
            hint="kq init another-folder, and make it there",
        )
    return store_bars(root, batch)
