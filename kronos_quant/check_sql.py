"""How the SQL of a check runs: on tables in memory, and without access to files, network or Python.

DuckDB lets a plain SELECT read and write files, so all of that is switched off for good before a check runs. The
package's own checks run like this in the command itself; those of users in a process of their own (`check_process`),
for neither memory nor time can be bounded from inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from kronos_quant.errors import DataError, listed, printable

if TYPE_CHECKING:
    import pyarrow as pa

    from kronos_quant.arrays import IntArray

ROW = "row"
"""The column that a check selects: numbers of rows of `incoming`."""

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",  # what does not fit into memory is an error, not a file
    "memory_limit": "50%",
}
# DuckDB allows some files by default, so the lists are emptied first
_LOCKS = """
SET enable_progress_bar = false;
SET allowed_paths = [];
SET allowed_directories = [];
SET enable_external_access = false;
SET lock_configuration = true;
"""


@contextmanager
def open_isolated(
    tables: Mapping[str, pa.Table], views: Mapping[str, str], **settings: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection with access to the given tables and views only.

    Parameters
    ----------
    tables
        By name.
    views
        Name -> SELECT, which is trusted.
    settings
        Of DuckDB, in addition to those that lock it.
    """
    with duckdb.connect(":memory:", config=_SETTINGS | settings) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        for name, select in views.items():
            connection.execute(f"CREATE VIEW {name} AS {select}")
        connection.execute(_LOCKS)
        yield connection


def offending_rows(connection: duckdb.DuckDBPyConnection, place: str, sql: str, rows: int) -> IntArray:
    """The numbers of the rows of `incoming` that a check selects, ascending.

    Parameters
    ----------
    connection
        Of `open_isolated`.
    place, sql
        The check's file, for errors, and what it says.
    rows
        How many `incoming` has.

    Raises
    ------
    DataError
        Naming the file, for a check that is not one SELECT, fails, or selects other rows.
    """
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            kinds = listed(str(statement.type).rpartition(".")[2] for statement in statements) or "none"
            raise DataError(f"{place}: a check is one SELECT statement, found {kinds}")
        selected = connection.sql(sql)
        if ROW not in selected.columns:
            raise DataError(f"{place}: a check selects the column `{ROW}`, found {listed(selected.columns)}")
        # one more than there are shows that they are not rows of `incoming`
        numbers = selected.project(f'"{ROW}"::BIGINT AS {ROW}').distinct().limit(rows + 1)
        found: Any = numbers.fetchnumpy()[ROW]
    except duckdb.Error as error:
        raise DataError(f"{place}: {printable(str(error).partition(chr(10))[0])}") from error
    if np.ma.is_masked(found) or not ((found >= 0) & (found < rows)).all():
        raise DataError(f"{place}: selects a `{ROW}` that `incoming` does not have (of {rows:,})")
    return np.sort(np.asarray(found, np.int64))
