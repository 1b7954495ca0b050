"""What a new batch changes of the stored bars, and what they were before.

A batch is compared with the store in the store's own scale. Qlib dumps renormalise: every price and factor of a symbol
times one number, the volume divided by it. Such a symbol is converted to the stored scale as it comes in, so that the
bars of the past stay bit for bit as they are, whether the source holds all of them or the last days only. A restated
bar is one whose raw price (price / factor), raw volume, amount or step of the factor differs by more than `ROUNDING`;
the value that it replaces goes to bars_history. Smaller differences are rounding, and what is stored stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.market.adjust import ROUNDING
from kronos_quant.market.database import DATABASE, DB_FOLDER, ingest_lock, open_database, statement
from kronos_quant.schema import DAILY

_LEAST_JUMP = 1.4
"""A factor that jumps less between the last stored and the first new bar may be a dividend; see compare_seams.sql."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How a batch differs from the stored bars."""

    added: int
    changed: int
    """Bars of the batch that replace a stored one: restated, or moved along with a factor restated before them."""
    restated: dict[str, int]
    """Restated bars by symbol, most first."""
    rescaled: int
    """Symbols that came in another scale and were converted to the stored one."""
    notes: tuple[str, ...]


def reconcile(connection: duckdb.DuckDBPyConnection, freq: str, unadjusted_volume: Sequence[str] = ()) -> Reconciled:
    """Compare the registered table `incoming` (schema.BARS, keys unique) with the stored bars of a frequency.

    unadjusted_volume : symbols whose volume is the shares really traded.
    Leaves the temporary tables that `apply_changes` works from; the stored bars are as before.
    """
    bounds = {"freq": freq, "tolerance": ROUNDING}
    connection.execute(statement("compare_incoming"), bounds | {"unadjusted_volume": list(unadjusted_volume)})
    connection.execute(statement("compare_seams"), bounds | {"least_jump": _LEAST_JUMP})
    connection.execute(statement("view_arriving"))
    connection.execute(statement("find_replacing"), bounds)
    [(added, changed, rescaled, by_seam, unclear)] = connection.execute(statement("count_reconciled")).fetchall()
    restated = connection.execute(
        "SELECT symbol, count(*) FROM replacing WHERE restated GROUP BY symbol ORDER BY count(*) DESC, symbol"
    ).fetchall()
    notes = []
    if by_seam:
        notes.append(f"no bar in common with the store, scale told by the jump of the factor: {by_seam} symbols")
    if unclear:
        notes.append(
            f"no bar in common with the store and the factor differs: {unclear} symbols; taken as corporate actions "
            "(a source that repeats the last stored session tells for sure)"
        )
    return Reconciled(added, changed, dict(restated), rescaled, tuple(notes))


def apply_changes(connection: duckdb.DuckDBPyConnection, freq: str, ingest: int) -> None:
    """Store what `reconcile` found: new bars in, replaced ones into the history under the ingest's number."""
    numbered = {"ingest": ingest, "freq": freq}
    [(replacing,)] = connection.execute("SELECT count(*) FROM replacing").fetchall()
    if replacing:
        connection.execute(statement("insert_history"), numbered)
        connection.execute(statement("delete_replaced"), {"freq": freq})
        connection.execute(statement("insert_replacing"), {"freq": freq})
    [(added,)] = connection.execute("SELECT coalesce(sum(added), 0) FROM compared").fetchall()
    if added:
        connection.execute(statement("insert_missing"), {"freq": freq})
    connection.execute(statement("insert_rescales"), numbered)
    connection.execute("DROP TABLE replacing; DROP VIEW arriving; DROP TABLE compared")


def read_history(root: Path, symbols: Sequence[str] | None = None, freq: str = DAILY) -> pl.DataFrame:
    """Former values of replaced bars, sorted by (symbol, time, ingest).

    Columns of schema.BARS (in the stored scale), restated (false: only the level of its factor moved), ingest (the
    number of the one that replaced it) and replaced (when, UTC). symbols : canonical, all by default.
    The history is in the database alone: this waits for a running ingest. Raises DataError where there is no database.
    """
    path = root / DB_FOLDER / DATABASE
    if not path.exists():
        raise DataError(f"{root}: no bars have been ingested", hint="kq ingest qlib")
    wanted = None if symbols is None else list(symbols)
    with ingest_lock(root), open_database(root) as connection:
        former: pl.DataFrame = connection.sql(
            statement("select_history"), params={"freq": freq, "symbols": wanted}
        ).pl()
    return former
