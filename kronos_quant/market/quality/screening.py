"""An ingest's gate: which bars of a batch are good, which are refused and why, which are kept with a warning.

What was refused is published beside each snapshot, so that nobody needs the database to read it, and so is which bars
their source contradicts. It is no part of a snapshot's content, nor of its digest: equal bars are equal whatever was
refused on the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant.market.database import statement
from kronos_quant.market.quality.check_tables import (
    CONTRADICTED,
    Surroundings,
    check_tables,
    check_views,
    in_order,
    surroundings_of,
)
from kronos_quant.market.quality.checking import ROW, Check, iter_checks, locked_down, offending_rows
from kronos_quant.schema import BARS

REJECTED_FILE = "rejected_bars.parquet"
CONTRADICTED_FILE = "contradicted_bars.parquet"

REJECTED: dict[str, pl.DataType] = {
    "freq": pl.String(),
    **BARS,
    "rules": pl.String(),  # names of the checks it broke, joined by ', '
    "ingest": pl.Int32(),
    "source": pl.String(),
    "path": pl.String(),
    "finished": pl.Datetime("us"),  # of the ingest, UTC
}


@dataclass(frozen=True, slots=True)
class Screened:
    """A batch after the checks."""

    bars: pl.DataFrame
    """schema.BARS by (symbol, time): the rows that broke no error-level check."""
    refused: pl.DataFrame
    """The other rows, with a column `rules`: the names of the checks they broke, joined by ', '."""
    rejected_by_rule: dict[str, int]
    warnings_by_rule: dict[str, int]


def screen(bars: pl.DataFrame, checks: Iterable[Check] | None = None, around: Surroundings | None = None) -> Screened:
    """Split a batch into the bars that pass all error-level checks and those that do not.

    Warnings are looked for among the bars that passed.
    bars : schema.BARS in any order, missing values null. checks : the package's own by default.
    around : what is known beside the bars; by default what they tell themselves.
    Raises DataError, naming the file, for a check that cannot be run.
    """
    rules = list(iter_checks() if checks is None else checks)
    around = around or surroundings_of(bars)
    refusing, warning = ([check for check in rules if check.severity == severity] for severity in ("error", "warning"))
    numbered = in_order(bars)
    with _tables_of(numbered, around) as connection:
        errors = _found(connection, numbered, refusing)
        # nothing to leave out: the same tables serve
        warnings = {} if errors else _found(connection, numbered, warning)
    broken = [rows.to_frame(ROW).with_columns(rule=pl.lit(name)) for name, rows in errors.items()]
    nothing = pl.DataFrame(schema={ROW: numbered.schema[ROW], "rule": pl.String})
    reasons = pl.concat([nothing, *broken]).group_by(ROW).agg(pl.col("rule").sort().str.join(", ").alias("rules"))
    kept = numbered.join(reasons, on=ROW, how="anti", maintain_order="left") if broken else numbered
    good = kept.drop(ROW)
    if errors:
        warnings = offenders(good.with_row_index(ROW), warning, around)
    return Screened(
        bars=good,
        refused=numbered.join(reasons, on=ROW, maintain_order="left").drop(ROW),
        rejected_by_rule={name: len(rows) for name, rows in errors.items()},
        warnings_by_rule={name: len(rows) for name, rows in warnings.items()},
    )


def offenders(numbered: pl.DataFrame, checks: list[Check], around: Surroundings) -> dict[str, pl.Series]:
    """The numbers of the rows that each check selects, ascending; checks that select none are left out.

    numbered : of `check_tables.in_order`.
    """
    with _tables_of(numbered, around) as connection:
        return _found(connection, numbered, checks)


def _tables_of(numbered: pl.DataFrame, around: Surroundings) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    return locked_down(check_tables(numbered, around), check_views())


def _found(connection: duckdb.DuckDBPyConnection, numbered: pl.DataFrame, checks: list[Check]) -> dict[str, pl.Series]:
    rows = {check.name: offending_rows(connection, check, len(numbered)) for check in checks}
    return {name: numbers.cast(numbered.schema[ROW]) for name, numbers in rows.items() if len(numbers)}


def write_findings(folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Write the database's rejected bars and those that their source contradicts into a snapshot's folder."""
    connection.sql(statement("select_rejected")).pl().write_parquet(folder / REJECTED_FILE)
    connection.sql("SELECT * FROM contradicted_bars ORDER BY ALL").pl().write_parquet(folder / CONTRADICTED_FILE)


def read_rejected(folder: Path, freq: str) -> pl.DataFrame:
    """The rejected bars of one frequency in REJECTED; none where an older version wrote the snapshot."""
    path = folder / REJECTED_FILE
    if not path.exists():
        return pl.DataFrame(schema=REJECTED)
    frame = pl.read_parquet(path).filter(pl.col("freq") == freq)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in REJECTED.items())


def read_contradicted(folder: Path, freq: str) -> pl.DataFrame:
    """The bars of one frequency that their source contradicts (CONTRADICTED); none where an older version wrote it."""
    path = folder / CONTRADICTED_FILE
    if not path.exists():
        return pl.DataFrame(schema=CONTRADICTED)
    return pl.read_parquet(path).filter(pl.col("freq") == freq).select(list(CONTRADICTED))
