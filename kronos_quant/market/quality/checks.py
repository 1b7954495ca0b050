"""The checks of db/checks: how they run without being trusted, and which bars of a batch they reject.

A check is one SQL file with one SELECT that returns the offending rows of a table `incoming` by their column `row`. Its
first line is a comment, `-- error: why it matters` or `-- warning: ...`; the name of a check is its file's. What a
check can read is described in `check_tables`. All checks run on tables in memory without access to files and network
(`check_sql`); those that are not the package's own are untrusted, and run in a process of their own (`check_process`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from kronos_quant.check_process import CheckProcess
from kronos_quant.check_sql import ROW, offending_rows, open_isolated
from kronos_quant.errors import DataError, counted
from kronos_quant.files import asset_dir, temporary_folder
from kronos_quant.market.database import DB_FOLDER, statement
from kronos_quant.market.quality.check_tables import (
    CONTRADICTED,
    CheckContext,
    check_tables,
    check_views,
    context_from_bars,
    number_rows,
)
from kronos_quant.market.symbols import kind_of
from kronos_quant.paths import check_folder, kind_of_path
from kronos_quant.readers import REPAIR, read_parquet, read_text
from kronos_quant.schema import BARS, NUMBERS, check_columns, check_table

if TYPE_CHECKING:
    from kronos_quant.arrays import IntArray

CHECKS = "checks"

VALUE_CHECKS = (
    "infinite_value",
    "missing_price",
    "price_not_positive",
    "high_below_low",
    "close_outside_range",
    "negative_volume",
    "factor_not_positive",
    "implausible_size",
)
"""The checks with severity error that need nothing but the bar itself."""

_LARGEST_FILE_BYTES = 1 << 20
_MEMORY = "700MB"
"""That DuckDB takes at most for the package's checks, beside the bars; what is more is sorted in a temporary folder."""
_SPILLED_ROWS = 2_000_000
"""Bars that fit easily need no such folder."""
_KINDS = {"symbol": pl.String, "kind": pl.String}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

REJECTED_FILE = "rejected_bars.parquet"
CONTRADICTED_FILE = "contradicted_bars.parquet"
WARNED_FILE = "warned_bars.parquet"

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
class Check:
    """One rule for bars."""

    name: str
    severity: str
    """'error' or 'warning'."""
    why: str
    sql: str
    path: Path
    shipped: bool = False
    """Whether it is the package's own, which is trusted."""


def iter_checks(folder: Path | None = None) -> Iterator[Check]:
    """The checks of a folder (default: the package's), sorted by name.

    Raises DataError for a file whose first line does not give severity and reason, or with an invalid name.

    >>> "price_jump" in [check.name for check in iter_checks()]
    True
    """
    for path in sorted((folder or _shipped()).glob("*.sql")):
        if _NAME.fullmatch(path.stem) is None:
            raise DataError(f"{path}: a check's file name has lower-case letters, digits and _, found {path.stem!r}")
        text = _text(path)
        first_line = text.partition("\n")[0]
        severity, colon, why = first_line.removeprefix("--").strip().partition(":")
        if not (first_line.startswith("--") and colon and severity in ("error", "warning")):
            raise DataError(f"{path}: line 1: expected '-- error: why' or '-- warning: why', found {first_line[:80]!r}")
        yield Check(path.stem, severity, why.strip(), sql=text, path=path, shipped=folder is None)


def all_checks(root: Path, folder: Path | None = None) -> list[Check]:
    """The package's checks and those of the workspace `root` (or of `folder` instead), sorted by name.

    Raises DataError for a given folder without checks, and for a name that the package uses.
    """
    checks = {check.name: check for check in iter_checks()}
    own = folder or root / DB_FOLDER / CHECKS
    check_folder(own.parent)
    if own.is_dir() and own.samefile(_shipped()):
        return list(checks.values())  # the repository's root is a workspace too
    added = list(iter_checks(own)) if own.is_dir() else []
    if folder is not None and not folder.is_dir():
        raise DataError(f"{folder}: {kind_of_path(folder)}, expected a folder of *.sql files")
    if folder is not None and not added:
        raise DataError(
            f"{folder}: no checks: expected *.sql files", hint="Each file selects the bad rows of `incoming`."
        )
    for check in added:
        if check.name in checks:
            raise DataError(f"{check.path}: the package has a check with this name", hint="Rename the file.")
    return sorted([*checks.values(), *added], key=lambda check: check.name)


def _shipped() -> Path:
    return asset_dir(DB_FOLDER) / CHECKS


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise DataError(f"{path}: too large for a check: more than {_LARGEST_FILE_BYTES:,} bytes")
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None


WARNED: dict[str, pl.DataType] = {
    "rule": pl.String(),
    "symbol": pl.String(),
    "date": pl.Date(),
    "time": pl.Datetime("us"),
}
"""A row for each bar and check that warns of it."""


@dataclass(frozen=True, slots=True)
class ScreenedBars:
    """A batch after the checks."""

    bars: pl.DataFrame
    """schema.BARS by (symbol, time): the rows that broke no error-level check."""
    refused: pl.DataFrame
    """The other rows, with a column `rules`: the names of the checks they broke, joined by ', '."""
    warned: pl.DataFrame
    """WARNED: what the checks with severity warning select of `bars`."""
    rejected_by_rule: dict[str, int]
    warnings_by_rule: dict[str, int]


def screen(
    bars: pl.DataFrame, checks: Iterable[Check] | None = None, around: CheckContext | None = None
) -> ScreenedBars:
    """Split bars (schema.BARS, missing values null) into those that pass all checks with severity error and the others.

    checks, around : default: the package's checks, and what the bars show themselves. Checks with severity warning run
    on the bars that passed. Raises DataError, naming the file, for a check that cannot be run.
    """
    rules = list(iter_checks() if checks is None else checks)
    around = around or context_from_bars(bars)
    refusing, warning = ([check for check in rules if check.severity == severity] for severity in ("error", "warning"))
    numbered = number_rows(bars)
    with _Tables(numbered, around) as tables:
        errors = tables.offenders(refusing)
        # nothing rejected: the same tables serve
        warnings = {} if errors else tables.offenders(warning)
    broken = [rows.to_frame(ROW).with_columns(rule=pl.lit(name)) for name, rows in errors.items()]
    nothing = pl.DataFrame(schema={ROW: numbered.schema[ROW], "rule": pl.String})
    reasons = pl.concat([nothing, *broken]).group_by(ROW).agg(pl.col("rule").sort().str.join(", ").alias("rules"))
    kept = numbered.join(reasons, on=ROW, how="anti", maintain_order="left") if broken else numbered
    good = kept.drop(ROW)
    if errors:
        warnings = offenders(good.with_row_index(ROW), warning, around)
    return ScreenedBars(
        bars=good,
        refused=numbered.join(reasons, on=ROW, maintain_order="left").drop(ROW),
        warned=_warned(good, warnings),
        rejected_by_rule={name: len(rows) for name, rows in errors.items()},
        warnings_by_rule={name: len(rows) for name, rows in warnings.items()},
    )


def _warned(good: pl.DataFrame, warnings: Mapping[str, pl.Series]) -> pl.DataFrame:
    keys = good.select("symbol", "date", "time")
    rows = [keys[numbers].select(pl.lit(name).alias("rule"), pl.all()) for name, numbers in warnings.items()]
    return pl.concat([pl.DataFrame(schema=WARNED), *rows])


def offenders(numbered: pl.DataFrame, checks: list[Check], around: CheckContext) -> dict[str, pl.Series]:
    """The numbers of the rows of `number_rows` that each check selects, ascending; checks without any are left out."""
    with _Tables(numbered, around) as tables:
        return tables.offenders(checks)


class _Tables:
    """What checks read, here and, as soon as a check is not the package's, in a process of its own; for a block."""

    def __init__(self, numbered: pl.DataFrame, around: CheckContext) -> None:
        self._numbers = numbered[ROW]
        self._tables = check_tables(numbered, around)
        self._stack = ExitStack()

    def __enter__(self) -> _Tables:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def offenders(self, checks: list[Check]) -> dict[str, pl.Series]:
        """As the function `offenders`."""
        rows = {check.name: pl.Series(ROW, self._rows(check), self._numbers.dtype) for check in checks}
        return {name: numbers for name, numbers in rows.items() if len(numbers)}

    def _rows(self, check: Check) -> IntArray:
        if check.shipped:
            return offending_rows(self._connection, str(check.path), check.sql, len(self._numbers))
        return self._process.offending_rows(str(check.path), check.sql)

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        own = {}
        if len(self._numbers) > _SPILLED_ROWS:
            spilled = self._stack.enter_context(temporary_folder("checks"))
            own = {"memory_limit": _MEMORY, "temp_directory": str(spilled)}
        return self._stack.enter_context(open_isolated(self._tables, check_views(), **own))

    @cached_property
    def _process(self) -> CheckProcess:
        return self._stack.enter_context(CheckProcess(self._tables, check_views(), len(self._numbers)))


def require_valid_bars(bars: pl.DataFrame, place: str) -> None:
    """Raise DataError, naming `place`, for the first bar whose values an ingest would reject (VALUE_CHECKS).

    bars : schema.BARS, missing values null; a column `row`, if there is one, numbers the rows of the source.
    """
    numbered = bars.select(list(BARS)).with_row_index(ROW)
    checks = [check for check in iter_checks() if check.name in VALUE_CHECKS]
    # one query for all: a query of its own each takes three times as long, and this stands before every forecast
    together = " UNION ALL ".join(
        f"SELECT {number} AS number, {ROW} FROM ({check.sql.rstrip().removesuffix(';')}\n)"  # noqa: S608 (ours)
        for number, check in enumerate(checks)
    )
    names = numbered["symbol"].drop_nulls().unique().to_list()
    kinds = pl.DataFrame({"symbol": names, "kind": [kind_of(name) for name in names]}, schema_overrides=_KINDS)
    with open_isolated({"incoming": numbered.to_arrow(), "instruments": kinds.to_arrow()}, {}) as connection:
        found = connection.sql(together).pl().sort(ROW, "number")
    if found.is_empty():
        return
    number, first = found["number"][0], found[ROW][0]
    check, bar, others = checks[number], bars.row(first, named=True), found[ROW].n_unique() - 1
    row = f"row {bar[ROW]}, " if ROW in bars.columns else ""
    values = ", ".join(f"{name} {bar[name]:g}" for name in NUMBERS if bar[name] is not None)
    more = f" (and {counted(others, 'more bar')})" if others else ""
    raise DataError(
        f"{place}: {row}{bar['symbol']} {bar['time']}: {check.name}: {check.why.rstrip('.')}; found {values}{more}",
        hint="Correct the bar or leave it out; a suspended session has no bar, or one without prices.",
    )


def write_findings(folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Write to a snapshot's folder the rejected bars, those that their source contradicts, and those warned of."""
    rejected = connection.sql(statement("select_rejected")).pl()
    check_table("snapshot.rejected", rejected)
    rejected.write_parquet(folder / REJECTED_FILE)
    contradicted = connection.sql("SELECT * FROM contradicted_bars ORDER BY ALL").pl()
    check_table("snapshot.contradicted", contradicted)
    contradicted.write_parquet(folder / CONTRADICTED_FILE)
    warned = connection.sql("SELECT * FROM warned_bars ORDER BY freq, rule, symbol, time").pl()
    check_table("snapshot.warned", warned)
    warned.write_parquet(folder / WARNED_FILE)


def read_rejected(folder: Path, freq: str) -> pl.DataFrame:
    """The rejected bars of one frequency in REJECTED; none in a snapshot of an older version."""
    path = folder / REJECTED_FILE
    if not path.exists():
        return pl.DataFrame(schema=REJECTED)
    frame = _read(path, "snapshot.rejected").filter(pl.col("freq") == freq)
    return frame.select(pl.col(name).cast(dtype) for name, dtype in REJECTED.items())


def read_contradicted(folder: Path, freq: str) -> pl.DataFrame:
    """Bars of one frequency that their source contradicts (CONTRADICTED); none in a snapshot of an older version."""
    path = folder / CONTRADICTED_FILE
    if not path.exists():
        return pl.DataFrame(schema=CONTRADICTED)
    return _read(path, "snapshot.contradicted").filter(pl.col("freq") == freq).select(list(CONTRADICTED))


def _read(path: Path, kind: str) -> pl.DataFrame:
    frame = read_parquet(path, hint=REPAIR)
    check_columns(path, frame.columns, kind, REPAIR)
    return frame
