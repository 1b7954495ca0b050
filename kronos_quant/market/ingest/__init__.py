"""Sources of bars: each reader turns one kind of source into a `BarBatch`, which is then checked and stored."""

from kronos_quant.errors import ConfigError
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.market.dialects.layout import AUTO
from kronos_quant.market.ingest.calendars import ingest_calendar
from kronos_quant.market.ingest.dividends import ingest_dividends
from kronos_quant.market.ingest.klines import ReadOptions
from kronos_quant.market.ingest.lists import ingest_intervals, ingest_universe
from kronos_quant.market.ingest.preview import IngestPreview, preview_source
from kronos_quant.market.ingest.qlib_dir import read_qlib_dir
from kronos_quant.market.ingest.synthetic import SyntheticSpec, make_market
from kronos_quant.market.ingest.tables import Table, read_csv_files, read_tables
from kronos_quant.market.ingest.weights import ingest_weights
from kronos_quant.market.ingest_report import IngestReport
from kronos_quant.market.reader import open_market
from kronos_quant.market.snapshots import current_snapshot
from kronos_quant.market.store import store_bars
from kronos_quant.schema import DAILY

__all__ = [
    "IngestPreview",
    "ingest_calendar",
    "ingest_csv",
    "ingest_dividends",
    "ingest_intervals",
    "ingest_qlib",
    "ingest_synthetic",
    "ingest_table",
    "ingest_universe",
    "ingest_weights",
    "preview",
]


def ingest_qlib(
    root: PathLike,
    source: PathLike,
    *,
    freq: str = DAILY,
    exchange: str = "",
    labels: str = "end",
    volume_unit: str = AUTO,
    amount_unit: str = AUTO,
) -> IngestReport:
    """Read a Qlib data directory into a workspace and publish the result.

    Parameters
    ----------
    root, source
        The workspace's folder, and the directory with calendars/, instruments/ and features/.
    freq, labels, volume_unit, amount_unit
        As for `Workspace.ingest_qlib`.
    exchange
        ISO code; "" infers it from the symbols.

    Raises
    ------
    DataError
        For a directory that cannot be read; the store is unchanged then.
    """
    units = (volume_unit, amount_unit)
    return store_bars(as_path(root, "root"), read_qlib_dir(as_path(source, "source"), freq, exchange, labels, units))


def ingest_csv(
    root: PathLike,
    source: PathLike,
    *,
    symbol: str | None = None,
    exchange: str = "",
    amount: str = "derive",
    labels: str = AUTO,
    dialect: str = AUTO,
    volume_unit: str = AUTO,
    amount_unit: str = AUTO,
    day_first: bool | None = None,
    factors: PathLike | None = None,
) -> IngestReport:
    """Read a CSV file (plain, gz or zst), or a folder of them, into a workspace and publish the result.

    Parameters
    ----------
    root, source
        The workspace's folder; the file or folder.
    symbol, amount, labels, dialect, volume_unit, amount_unit, day_first, factors
        As for `Workspace.ingest_csv`.
    exchange
        ISO code; "" infers it from the symbols.

    Raises
    ------
    DataError
        For a file that cannot be read; the store is unchanged then.
    """
    options = ReadOptions(symbol, exchange, amount, labels, dialect, volume_unit, amount_unit, day_first)
    place = None if factors is None else as_path(factors, "factors")
    return store_bars(as_path(root, "root"), read_csv_files(as_path(source, "source"), options, place))


def ingest_table(
    root: PathLike,
    source: Table,
    *,
    symbol: str | None = None,
    exchange: str = "",
    amount: str = "derive",
    labels: str = AUTO,
    dialect: str = AUTO,
    volume_unit: str = AUTO,
    amount_unit: str = AUTO,
    day_first: bool | None = None,
) -> IngestReport:
    """Read a table of bars into a workspace and publish the result.

    Parameters
    ----------
    root, source
        The workspace's folder; Polars, pandas or Arrow, or a file or folder of Parquet, Arrow or Feather.
    symbol, exchange, amount, labels, dialect, volume_unit, amount_unit, day_first
        As for `ingest_csv`, as are the columns and the errors.
    """
    options = ReadOptions(symbol, exchange, amount, labels, dialect, volume_unit, amount_unit, day_first)
    return store_bars(as_path(root, "root"), read_tables(source, options))


def preview(
    source: Table,
    *,
    symbol: str | None = None,
    exchange: str = "",
    amount: str = "derive",
    labels: str = AUTO,
    dialect: str = AUTO,
    volume_unit: str = AUTO,
    amount_unit: str = AUTO,
    day_first: bool | None = None,
    factors: PathLike | None = None,
) -> IngestPreview:
    """What `ingest_csv` or `ingest_table` would understand of a source; nothing is written.

    Parameters
    ----------
    source
        As for one of them.
    symbol, exchange, amount, labels, dialect, volume_unit, amount_unit, day_first, factors
        As for `ingest_csv`, as are the errors.
    """
    options = ReadOptions(symbol, exchange, amount, labels, dialect, volume_unit, amount_unit, day_first)
    return preview_source(source, options, None if factors is None else as_path(factors, "factors"))


def ingest_synthetic(
    root: PathLike, *, strength: float = 0.2, symbols: int = 150, sessions: int = 800, seed: int = 0
) -> IngestReport:
    """Generate a synthetic market with a known pattern in a workspace; see `synthetic`.

    Parameters
    ----------
    root
        The workspace's folder.
    strength, symbols, sessions, seed
        As for `SyntheticSpec`.

    Raises
    ------
    ConfigError
        For an argument out of range, or a workspace that holds other bars: the pattern would no longer be known.
    """
    root = as_path(root, "root")
    batch = make_market(SyntheticSpec(strength=strength, symbols=symbols, sessions=sessions, seed=seed)).batch
    stored = current_snapshot(root)
    if stored is not None and stored.freqs and not open_market(root).bars().equals(batch.bars):
        raise ConfigError(
            f"{root}: contains other bars; a synthetic market needs a workspace of its own",
            hint="kq init another-folder",
        )
    return store_bars(root, batch)
