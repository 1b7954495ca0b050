"""Which stored bars a new batch changes, and their former values.

A batch is compared with the store in the store's own scale. Qlib dumps renormalise: every price and factor of a symbol
times one number, the volume divided by it. Such a symbol is converted to the stored scale on arrival, so that past
bars stay bit for bit as they are, whether the source holds all of them or the last days only. A restated
bar is one whose raw price (price / factor), raw volume, amount or step of the factor differs by more than `_ROUNDING`;
the value that it replaces goes to bars_history. Smaller differences are rounding, and what is stored stays.

A stored bar that is no longer in its source is kept and recorded in vanished_bars: published bars are never deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from kronos_quant.errors import SHOWN_OFFENDERS, counted
from kronos_quant.market.database import statement

Span = tuple[datetime, datetime]

_ROUNDING = 1e-6  # relative difference of raw prices and of the factor's steps; that of float32 is at most 2.4e-7
_LEAST_JUMP = 1.4  # a factor that jumps less from the last stored to the first new bar may be a dividend


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """How a batch differs from the stored bars."""

    added: int
    changed: int
    """Bars of the batch that replace a stored one: restated, or moved along with a factor restated before them."""
    restated: dict[str, int]
    """Restated bars by symbol, most first."""
    rescaled: int
    """Symbols that arrived in another scale and were converted to the stored one."""
    vanished: dict[str, int]
    """Stored bars newly missing from the source, by symbol, most first."""
    first_vanished: tuple[tuple[str, datetime], ...]
    """The first few of them."""
    notes: tuple[str, ...]


def reconcile(
    connection: duckdb.DuckDBPyConnection, freq: str, unadjusted_volume: Sequence[str] = (), listed: Span | None = None
) -> Reconciliation:
    """Compare the registered table `incoming` (schema.BARS, keys unique) with the stored bars of a frequency.

    Creates the temporary tables that `apply_changes` works from, inside a transaction; the stored bars are unchanged.
    The bars of the registered table `refused` have not vanished. listed : first and last time that the source covers;
    None: each symbol from its first bar to its last.
    """
    bounds = {"freq": freq, "tolerance": _ROUNDING}
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
        notes.append(
            f"no bar in common with the store, scale inferred from the jump of the factor: {counted(by_seam, 'symbol')}"
        )
    if unclear:
        notes.append(
            f"no bar in common with the store and the factor differs: {counted(unclear, 'symbol')}; "
            "treated as corporate actions (include the last stored session in the source to be sure)"
        )
    vanished, first_vanished, missing = _find_vanished(connection, freq, listed)
    if missing:
        notes.append(f"still missing from the source: {counted(missing, 'bar')} that vanished earlier (kept)")
    return Reconciliation(added, changed, dict(restated), rescaled, vanished, first_vanished, tuple(notes))


def apply_changes(connection: duckdb.DuckDBPyConnection, freq: str, ingest: int) -> None:
    """Store the result of `reconcile` in its transaction: add new bars, move replaced ones to the history."""
    numbered = {"ingest": ingest, "freq": freq}
    [(replacing,)] = connection.execute("SELECT count(*) FROM replacing").fetchall()
    if replacing:
        connection.execute(statement("insert_history"), numbered)
        connection.execute(statement("delete_replaced"), {"freq": freq})
        connection.execute(statement("insert_replacing"), {"freq": freq})
    for (fresh,) in connection.execute("SELECT DISTINCT fresh FROM compared WHERE added > 0").fetchall():
        connection.execute(statement("insert_fresh" if fresh else "insert_missing"), {"freq": freq})
    connection.execute(statement("insert_rescales"), numbered)
    connection.execute(statement("insert_vanished"), numbered)
    query = "SELECT count(*) FROM vanished_bars WHERE freq = ? AND returned IS NULL"
    [(missing,)] = connection.execute(query, [freq]).fetchall()
    if missing:
        connection.execute(statement("mark_returned"), numbered)
    connection.execute("DROP TABLE replacing; DROP VIEW arriving; DROP TABLE compared; DROP TABLE vanished")


def _find_vanished(
    connection: duckdb.DuckDBPyConnection, freq: str, listed: Span | None
) -> tuple[dict[str, int], tuple[tuple[str, datetime], ...], int]:
    """Newly vanished bars by symbol, the first few of them, and how many had vanished before."""
    first, last = listed or (None, None)
    connection.execute(statement("find_vanished"), {"freq": freq, "first": first, "last": last})
    [(missing,)] = connection.execute("SELECT count(*) FROM vanished WHERE known").fetchall()
    counts = connection.execute(
        "SELECT symbol, count(*) FROM vanished WHERE NOT known GROUP BY symbol ORDER BY count(*) DESC, symbol"
    ).fetchall()
    some = connection.execute(
        "SELECT symbol, time FROM vanished WHERE NOT known ORDER BY symbol, time LIMIT ?", [SHOWN_OFFENDERS]
    ).fetchall()
    return dict(counts), tuple((symbol, time) for symbol, time in some), missing
