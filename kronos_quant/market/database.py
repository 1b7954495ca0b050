"""The one DuckDB file: how it is opened, locked and migrated.

DuckDB lets one process write or many read, never both, so only ingests open `db/market.duckdb`, for one short
transaction under `db/ingest.lock`. Everything else reads the snapshots (see `snapshots`).
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from filelock import Timeout

from kronos_quant.errors import DataError, KronosQuantError
from kronos_quant.files import asset_dir, discard, disk_errors, make_folder, write_aside, write_text
from kronos_quant.locks import new_lock
from kronos_quant.paths import check_literal
from kronos_quant.readers import read_bytes, read_text, reading, regular_file

DB_FOLDER = "db"
DATABASE = "market.duckdb"
MEMORY = "1500MB"
"""That DuckDB takes at most, beside the tables of an ingest."""
LOCK_WAIT_SECONDS = 10.0

_SPILLED = f"{DATABASE}.tmp"
"""The folder in which DuckDB sorts what does not fit into MEMORY."""
_AWAY = "Put it back from a copy, or move it away and ingest every source again."
_HEADERS = 3 * 4096
"""Bytes with which every DuckDB file begins."""
_HEADER, _PLACES = struct.Struct("<6Q"), (4096, 8192)
"""Two of the three headers, and where they stand."""
_BLOCKS = "SELECT unnest(list_append(additional_block_ids, block_id)) FROM pragma_storage_info(?)"
_DAMAGED = re.compile("corrupt|could not read|failed to deserialize", re.IGNORECASE)
"""What DuckDB says of blocks that it cannot read, which it does only when it needs them."""
_LOCK = "ingest.lock"
_HOLDER = "ingest.holder"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the tables' history: db/migrations/NNNN_name.sql."""

    version: int
    name: str
    sha256: str
    sql: str


def iter_migrations() -> Iterator[Migration]:
    """The migrations that travel with the package, in order; never those of a workspace."""
    for path in sorted((asset_dir(DB_FOLDER) / "migrations").glob("*.sql")):
        number, _, name = path.stem.partition("_")
        content = read_bytes(path)
        yield Migration(int(number), name, hashlib.sha256(content).hexdigest(), content.decode())


def migrate(connection: duckdb.DuckDBPyConnection, name: str = DATABASE) -> list[int]:
    """Apply the migrations that a database lacks, each in one transaction with its record.

    Returns the versions applied now. Raises DataError, changing nothing, when the database is newer than this
    package or an applied file has changed since.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations "
        "(version INTEGER PRIMARY KEY, name VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)"
    )
    known = list(iter_migrations())
    applied = dict(connection.execute("SELECT version, sha256 FROM migrations").fetchall())
    newest = max(applied, default=0)
    if newest > known[-1].version:
        raise DataError(
            f"{name}: written by a newer kronos-quant (schema {newest}; this one knows {known[-1].version})",
            hint="pip install --upgrade kronos-quant",
        )
    for migration in known:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise DataError(
                f"{name}: migration {migration.version:04d}_{migration.name}.sql has changed since it was applied",
                hint="Install the version that wrote this database, or ingest into a new workspace.",
            )
    pending = [migration for migration in known if migration.version not in applied]
    for migration in pending:
        _apply(connection, migration)
    return [migration.version for migration in pending]


@contextmanager
def open_database(root: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to the migrated database of a workspace; the caller holds `ingest_lock`.

    Raises DataError for a file that is no database or that another program has open, KronosQuantError for a full
    or read-only disk.
    """
    path = root / DB_FOLDER / DATABASE
    check_literal(path.absolute())
    with disk_errors(path):
        if not path.exists() and not path.is_symlink():
            _check_unpublished(path)
            _create(path)
        discard(path.with_name(_SPILLED))  # of a killed ingest
        connection = _connect(path)
        try:
            # without a __main__ file (python -c, notebooks) DuckDB would print a progress bar to stdout
            connection.execute("SET enable_progress_bar = false")
            # what does not fit is sorted in market.duckdb.tmp beside the database
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            migrate(connection, str(path))
            yield connection
        except duckdb.Error as error:
            if not _DAMAGED.search(_first_line(error)):
                raise
            raise DataError(f"{path}: cannot be read as a database: {_first_line(error)}", hint=_AWAY) from error
        finally:
            connection.close()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what is done inside, or nothing of it."""
    connection.begin()
    try:
        yield
    except BaseException:
        # DuckDB may have aborted the transaction itself, on a full disk for instance
        with suppress(duckdb.Error):
            connection.rollback()
        raise
    connection.commit()


@contextmanager
def ingest_lock(root: Path, wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Hold the workspace's right to write bars; wait for another holder up to `wait_seconds`.

    Raises KronosQuantError, naming the holder, when the wait ends without the lock. A killed holder frees it.
    """
    folder = root / DB_FOLDER
    with disk_errors(folder / _LOCK):
        make_folder(folder)
        lock = new_lock(folder / _LOCK)
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            raise KronosQuantError(
                f"{folder / DATABASE}: another ingest is writing ({_holder(folder)}); waited {wait_seconds:g} s",
                hint="Try again when it has finished; reading commands do not wait.",
            ) from None
        # not in the lock file, which a waiting process opens and empties
        holder = folder / _HOLDER
        try:
            command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
            with suppress(IsADirectoryError):  # it only tells who writes
                write_text(holder, f"process {os.getpid()}, {command!a}, since {datetime.now():%H:%M:%S}")
            yield
        finally:
            with suppress(OSError):
                holder.unlink()
            lock.release()


def statement(name: str) -> str:
    """The SQL of db/statements/<name>.sql."""
    return read_text(asset_dir(DB_FOLDER) / "statements" / f"{name}.sql")


def _create(path: Path) -> None:
    """Create an empty, migrated database; it appears whole, so that a kill leaves no partial file behind."""
    for leftover in path.parent.glob(f".*{path.name}*"):  # the holder of the lock is the only writer
        leftover.unlink()
    with write_aside(path) as partial, duckdb.connect(partial) as connection:
        migrate(connection, str(path))


def _check_unpublished(path: Path) -> None:
    """Raise DataError where bars were published from a database that is gone: a new one would hold none of them."""
    published = sorted(folder.name for folder in (path.parent / "snapshots").glob("[0-9a-f]*"))
    if published:
        raise DataError(
            f"{path}: no such file, although bars were published from it ({path.parent / 'snapshots' / published[-1]})",
            hint=f"Put it back from a copy, or move {path.parent / 'snapshots'} away and ingest every source again.",
        )


def check_database(path: Path) -> None:
    """Raise DataError for a file that is no DuckDB database by its first bytes, or that is cut off.

    Nothing is opened or locked unless the file is shorter than its headers say.
    """
    found = regular_file(path, hint=_AWAY)
    with reading(path, "a database", hint=_AWAY), found.open("rb") as stream:
        begin = stream.read(_HEADERS)
    if begin[8:12] != b"DUCK" or len(begin) < _HEADERS:
        raise DataError(f"{path}: cannot be opened as a database: it is not a DuckDB file", hint=_AWAY)
    # two headers, written in turn: checksum, iteration, two places, number of blocks, bytes of a block
    newest = max((_HEADER.unpack_from(begin, place) for place in _PLACES), key=lambda header: int(header[1]))
    blocks, block_bytes = newest[4], newest[5]
    if found.stat().st_size < _HEADERS + blocks * block_bytes:
        _check_length(path, block_bytes)


def _check_length(path: Path, block_bytes: int) -> None:
    """Raise DataError where a block that is used lies beyond the end; free ones at the end are given back."""
    try:
        with duckdb.connect(path, read_only=True) as connection:
            used = [row for (row,) in connection.execute("SELECT block_id FROM pragma_metadata_info()").fetchall()]
            for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                blocks = connection.execute(_BLOCKS, [table]).fetchall()
                used += [block for (block,) in blocks if block is not None]
    except duckdb.Error as error:
        if "lock is held" in str(error):  # in use, by a program that can read it
            return
        raise DataError(f"{path}: cannot be opened as a database: {_first_line(error)}", hint=_AWAY) from error
    expected, found = _HEADERS + (max(used, default=-1) + 1) * block_bytes, path.stat().st_size
    if found < expected:
        raise DataError(f"{path}: cut off: expected at least {expected:,} bytes, found {found:,}", hint=_AWAY)


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    check_database(path)
    try:
        return duckdb.connect(path)
    except duckdb.Error as error:
        reason = _first_line(error)
        if "lock is held" in reason:
            holder = reason.partition("is held in ")[2].partition(". See")[0]
            raise DataError(
                f"{path}: opened by {holder}",
                hint="Close it there; kronos_quant.market.open_market reads without blocking.",
            ) from error
        if "space" in reason:
            raise
        if "Permission denied" in reason:
            raise KronosQuantError(f"{path}: may not be written", hint="Grant the permission to write it.") from error
        raise DataError(f"{path}: cannot be opened as a database: {reason}", hint=_AWAY) from error


def _apply(connection: duckdb.DuckDBPyConnection, migration: Migration) -> None:
    with transaction(connection):
        connection.execute(migration.sql)
        connection.execute(
            "INSERT INTO migrations VALUES (?, ?, ?, now() AT TIME ZONE 'UTC')",
            [migration.version, migration.name, migration.sha256],
        )


def _first_line(error: duckdb.Error) -> str:
    return str(error).partition("\n")[0]


def _holder(folder: Path) -> str:
    try:
        return read_text(folder / _HOLDER)
    except DataError:
        return "holder unknown"
