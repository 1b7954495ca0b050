"""The checks of db/checks: each is one SQL file that selects the offending rows of a table `incoming`.

Its first line is a comment, `-- error: why it matters` or `-- warning: ...`. Rows that an error names are refused;
warnings are counted. The name of a check is its file's.

`incoming` holds one batch in schema.BARS beside `row`, the bar's number in the batch; what is missing is NULL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant.assets import asset_dir
from kronos_quant.errors import DataError

ROW = "row"

# A SELECT of DuckDB's can read and write files; checks see their rows and nothing else.
_LOCKED_DOWN: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One rule that bars must keep."""

    name: str
    severity: str
    """'error' or 'warning'."""
    why: str
    sql: str


@dataclass(frozen=True, slots=True)
class Screened:
    """A batch after the checks."""

    bars: pl.DataFrame
    """schema.BARS: the rows that broke no error-level check."""
    refused: pl.DataFrame
    """The other rows, with a column `rules`: the names of the checks they broke, joined by ', '."""
    rejected_by_rule: dict[str, int]
    warnings_by_rule: dict[str, int]


def iter_checks(folder: Path | None = None) -> Iterator[Check]:
    """The checks of a folder (the package's own by default), by name.

    Raises DataError for a file whose first line does not give severity and reason.
    """
    for path in sorted((folder or asset_dir("db") / "checks").glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        first_line = text.partition("\n")[0]
        severity, colon, why = first_line.removeprefix("--").strip().partition(":")
        if not (first_line.startswith("--") and colon and severity in ("error", "warning")):
            raise DataError(f"{path}: line 1: expected '-- error: why' or '-- warning: why', found {first_line!r}")
        yield Check(name=path.stem, severity=severity, why=why.strip(), sql=text)


def screen(bars: pl.DataFrame, checks: Iterable[Check] | None = None) -> Screened:
    """Split a batch into the bars that pass all error-level checks and those that do not.

    Warnings are looked for among the bars that passed.
    bars : schema.BARS, missing values null. checks : the package's own by default.
    """
    rules = list(iter_checks() if checks is None else checks)
    numbered = bars.with_row_index(ROW)
    errors = _offenders(numbered, [check for check in rules if check.severity == "error"])
    broken = [rows.to_frame(ROW).with_columns(rule=pl.lit(name)) for name, rows in errors.items()]
    nothing = pl.DataFrame(schema={ROW: numbered.schema[ROW], "rule": pl.String})
    reasons = pl.concat([nothing, *broken]).group_by(ROW).agg(pl.col("rule").sort().str.join(", ").alias("rules"))
    kept = numbered.join(reasons, on=ROW, how="anti", maintain_order="left") if broken else numbered
    warnings = _offenders(kept, [check for check in rules if check.severity == "warning"])
    return Screened(
        bars=kept.drop(ROW),
        refused=numbered.join(reasons, on=ROW, maintain_order="left").drop(ROW),
        rejected_by_rule={name: len(rows) for name, rows in errors.items()},
        warnings_by_rule={name: len(rows) for name, rows in warnings.items()},
    )


def _offenders(numbered: pl.DataFrame, checks: list[Check]) -> dict[str, pl.Series]:
    """The numbers of the rows that each check selects, once each; checks that select none are left out."""
    found = {}
    with duckdb.connect(":memory:", config=_LOCKED_DOWN) as connection:
        connection.register("incoming", numbered.to_arrow())
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET lock_configuration = true")
        for check in checks:
            rows = connection.sql(check.sql).select(ROW).pl()[ROW].unique().cast(numbered.schema[ROW])
            if len(rows):
                found[check.name] = rows
    return found
