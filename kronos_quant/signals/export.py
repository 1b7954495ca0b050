"""Signals for other programs: SQL, Qlib, plain tables."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb
import polars as pl
from polars import selectors

from kronos_quant.errors import DataError
from kronos_quant.files import asset_dir, sweep, write_aside
from kronos_quant.readers import read_text
from kronos_quant.signals.moments import MOMENT
from kronos_quant.signals.store import stored_folders

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["parquet", "csv", "qlib"]

FORMATS = {"parquet": ".parquet", "csv": ".csv", "qlib": ".parquet"}
"""Format -> ending of its files."""

logger = logging.getLogger(__name__)


def attach_signals(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Add the view `signals` (recipe, date, asof, symbol, scores…) over a signal store to a connection.

    connection : such as `Market.connect()` gives. root : `workspace.signal_store`. Files as they are now: signals that
    are computed later need another call, and rows whose bars were restated since are shown as they were computed.
    Broken files are left out with a warning. Raises DataError where there are no signals.
    """
    files = []
    for folder in stored_folders(root):
        broken = folder.broken()
        if broken:
            logger.warning("%s: %d files are broken and left out", folder.folder, len(broken))
        files += [str(path) for path in folder.files() if path not in broken]
    if not files:
        raise DataError(f"{root}: no signals in the store", hint="kq signal")
    # DuckDB takes no bound parameter where a view is made, a variable is the way to hand it a list
    connection.execute("SET VARIABLE signal_files = ?", [files])
    connection.execute(read_text(asset_dir("db") / "views" / "signals" / "signals.sql"))


def qlib_series(scores: pl.DataFrame) -> pd.Series:
    """Scores as Qlib has them: a pandas Series `score` by (instrument, datetime), sorted.

    scores : symbol, score, and date or, where a session has several, moment

    >>> scores = pl.DataFrame({"date": ["2025-06-05"], "symbol": ["SH600000"], "score": [0.5]})
    >>> qlib_series(scores.with_columns(pl.col("date").str.to_date()))["SH600000"].tolist()
    [0.5]
    """
    time = MOMENT if MOMENT in scores.columns else "date"
    frame = scores.select(
        pl.col("symbol").alias("instrument"), pl.col(time).cast(pl.Datetime("ns")).alias("datetime"), "score"
    )
    series: pd.Series = frame.to_pandas().set_index(["instrument", "datetime"])["score"].sort_index()
    return series


def write_export(path: Path, rows: pl.DataFrame, score: str, form: Format, moment: pl.Expr) -> None:
    """Write rows to a file that does not exist yet, whole or not at all; raises DataError for one that does.

    form : parquet: every column; csv: those with one number a row; qlib: Parquet that pandas reads as `qlib_series`,
    of the moment and the column `score`
    """
    exists = DataError(f"{path}: already exists", hint="Choose another name.")
    sweep(path.parent)
    if path.exists():
        raise exists
    try:
        with write_aside(path, new=True) as partial:
            if form == "parquet":
                rows.write_parquet(partial)
            elif form == "csv":
                rows.select(~selectors.nested()).write_csv(partial)
            else:
                scores = rows.select("symbol", moment.alias(MOMENT), pl.col(score).alias("score"))
                qlib_series(scores).to_frame().to_parquet(partial)
    except FileExistsError:  # written meanwhile
        raise exists from None
