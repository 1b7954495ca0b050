"""The checks of db/checks, and how they are run without trusting them.

A check is one SQL file with one SELECT, which names the offending rows of a table `incoming` by their column `row`. Its
first line is a comment, `-- error: why it matters` or `-- warning: ...`; the name of a check is its file's. What a
check can read is described in `check_tables`.

Check files are data from somebody. DuckDB lets a plain SELECT read and write files, so checks run on tables in memory
with every way out shut, and each has a time limit.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from kronos_quant.assets import asset_dir
from kronos_quant.errors import DataError
from kronos_quant.market.database import DB_FOLDER

CHECKS = "checks"
ROW = "row"

TIME_LIMIT_SECONDS = 120.0
"""For one check; the slowest shipped one takes about 1 s on 3 million bars."""

_LARGEST_FILE_BYTES = 1 << 20
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",  # what does not fit into memory is an error, not a file
    "memory_limit": "50%",
}
# DuckDB allows itself files beside the working directory until told otherwise, so the lists are emptied first
_LOCKS = """
SET enable_progress_bar = false;
SET allowed_paths = [];
SET allowed_directories = [];
SET enable_external_access = false;
SET lock_configuration = true;
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule that bars must keep."""

    name: str
    severity: str
    """'error' or 'warning'."""
    why: str
    sql: str
    path: Path


def iter_checks(folder: Path | None = None) -> Iterator[Check]:
    """The checks of a folder (the package's own by default), by name.

    Raises DataError for a file whose first line does not give severity and reason, or whose name is no rule's.
    """
    for path in sorted((folder or _shipped()).glob("*.sql")):
        if _NAME.fullmatch(path.stem) is None:
            raise DataError(
                f"{path}: the file's name is the rule's: expected small letters, digits and _, found {path.stem!r}"
            )
        text = _text(path)
        first_line = text.partition("\n")[0]
        severity, colon, why = first_line.removeprefix("--").strip().partition(":")
        if not (first_line.startswith("--") and colon and severity in ("error", "warning")):
            raise DataError(f"{path}: line 1: expected '-- error: why' or '-- warning: why', found {first_line[:80]!r}")
        yield Check(name=path.stem, severity=severity, why=why.strip(), sql=text, path=path)


def all_checks(root: Path, folder: Path | None = None) -> list[Check]:
    """The package's checks and those of the workspace `root`, by name.

    folder : read instead of the workspace's db/checks.
    Raises DataError for a given folder without checks, and for a name that the package has taken.
    """
    checks = {check.name: check for check in iter_checks()}
    own = folder or root / DB_FOLDER / CHECKS
    if own.is_dir() and own.samefile(_shipped()):
        return list(checks.values())  # the repository's root is a workspace too
    added = list(iter_checks(own)) if own.is_dir() else []
    if folder is not None and not added:
        raise DataError(f"{folder}: no checks: expected *.sql files", hint="each selects the bad rows of `incoming`")
    for check in added:
        if check.name in checks:
            raise DataError(f"{check.path}: the package has a check of this name", hint="give the file another name")
    return sorted([*checks.values(), *added], key=lambda check: check.name)


@contextmanager
def locked_down(tables: Mapping[str, pa.Table], views: Mapping[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection that sees the given tables and views (name -> SELECT of ours), and nothing else at all."""
    with duckdb.connect(":memory:", config=_SETTINGS) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        for name, select in views.items():
            connection.execute(f"CREATE VIEW {name} AS {select}")
        connection.execute(_LOCKS)
        yield connection


def offending_rows(
    connection: duckdb.DuckDBPyConnection, check: Check, rows: int, time_limit: float = TIME_LIMIT_SECONDS
) -> pl.Series:
    """The numbers of the rows that a check selects, once each, ascending.

    connection : of `locked_down`; rows : how many `incoming` has.
    Raises DataError, naming the file, for a check that is not one SELECT, fails, takes too long, or selects other rows.
    """
    try:
        statements = connection.extract_statements(check.sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            kinds = ", ".join(str(statement.type).rpartition(".")[2] for statement in statements) or "none"
            raise DataError(f"{check.path}: a check is one SELECT statement, found {kinds}")
        with _interrupted_after(connection, time_limit):
            selected = connection.sql(check.sql)
            if ROW not in selected.columns:
                found_columns = ", ".join(selected.columns)
                raise DataError(f"{check.path}: a check selects the column `{ROW}`, found {found_columns}")
            # one more than there are is enough to see that they are not rows of `incoming`
            found: pl.Series = selected.project(f'"{ROW}"::BIGINT AS {ROW}').distinct().limit(rows + 1).pl()[ROW]
    except duckdb.InterruptException:
        raise DataError(f"{check.path}: not finished after {time_limit:g} s") from None
    except duckdb.Error as error:
        raise DataError(f"{check.path}: {str(error).partition(chr(10))[0]}") from None
    if not found.is_between(0, rows - 1).fill_null(False).all():
        raise DataError(f"{check.path}: selects a `{ROW}` that `incoming` does not have (of {rows:,})")
    return found.sort()


@contextmanager
def _interrupted_after(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what the connection does once `seconds` have passed, again and again until it has stopped."""
    finished = threading.Event()

    def watch() -> None:
        if not finished.wait(seconds):
            connection.interrupt()
            while not finished.wait(0.1):
                connection.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()


def _shipped() -> Path:
    return asset_dir(DB_FOLDER) / CHECKS


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise DataError(f"{path}: too large for a check: more than {_LARGEST_FILE_BYTES:,} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None
