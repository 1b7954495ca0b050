from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from kronos_quant.errors import DataError, KronosQuantError
from kronos_quant.market import database
from kronos_quant.market.database import (
    check_database,
    ingest_lock,
    iter_migrations,
    migrate,
    open_database,
    statement,
    transaction,
)

TABLES = {"bars", "ingests", "instruments", "migrations", "rejected_bars", "sessions", "universes"}
TABLES |= {"bars_history", "rescales", "ingest_options", "unadjusted_volumes", "intervals"}
TABLES |= {"vanished_bars", "contradicted_bars", "paused_sessions", "warned_bars", "calendar_sessions", "dividends"}
TABLES |= {"readings", "reading_symbols", "reading_gaps", "reading_universes", "reading_sessions"}

BLOCK = 262_144
"""Bytes of DuckDB's blocks."""


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def test_a_new_database_has_all_tables_and_a_record_of_each_migration(connection: duckdb.DuckDBPyConnection) -> None:
    assert migrate(connection) == [migration.version for migration in iter_migrations()]
    assert tables(connection) == TABLES
    recorded = connection.execute("SELECT version, name, sha256 FROM migrations ORDER BY version").fetchall()
    assert recorded == [(one.version, one.name, one.sha256) for one in iter_migrations()]


def test_a_migrated_database_is_left_alone(connection: duckdb.DuckDBPyConnection) -> None:
    migrate(connection)
    assert migrate(connection) == []


def test_each_migration_has_a_number_of_its_own() -> None:
    numbers = [migration.version for migration in iter_migrations()]
    assert numbers == sorted(set(numbers))


def test_a_newer_database_is_refused_in_one_line(connection: duckdb.DuckDBPyConnection) -> None:
    migrate(connection)
    connection.execute("INSERT INTO migrations VALUES (99, 'later', '', now())")
    told = r"^a\.duckdb: written by a newer kronos-quant \(schema 99; this one knows \d+\)$"
    with pytest.raises(DataError, match=told):
        migrate(connection, "a.duckdb")


def test_a_changed_applied_migration_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    migrate(connection)
    connection.execute("UPDATE migrations SET sha256 = 'other' WHERE version = 1")
    with pytest.raises(DataError, match=r"migration 0001_bars\.sql has changed since it was applied"):
        migrate(connection)


def test_a_failing_migration_leaves_neither_tables_nor_record(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = database.Migration(1, "broken", "x", "CREATE TABLE half (a INTEGER); SELECT nonsense;")
    monkeypatch.setattr(database, "iter_migrations", lambda: iter([broken]))
    with pytest.raises(duckdb.Error):
        migrate(connection)
    assert tables(connection) == {"migrations"}
    assert connection.execute("SELECT count(*) FROM migrations").fetchall() == [(0,)]


def test_an_older_database_gets_what_it_lacks(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(connection)
    number = max(migration.version for migration in iter_migrations()) + 1
    later = database.Migration(number, "later", "y", "CREATE TABLE later (a INTEGER)")
    known = [*iter_migrations(), later]
    monkeypatch.setattr(database, "iter_migrations", lambda: iter(known))
    assert migrate(connection) == [number]
    assert "later" in tables(connection)


def test_a_failed_transaction_changes_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE t (a INTEGER)")
    with suppress(KeyboardInterrupt), transaction(connection):
        connection.execute("INSERT INTO t VALUES (1)")
        raise KeyboardInterrupt
    with transaction(connection):
        connection.execute("INSERT INTO t VALUES (2)")
    assert connection.execute("SELECT a FROM t").fetchall() == [(2,)]


def test_a_killed_creation_leaves_no_half_made_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> list[int]:
        raise SystemExit

    monkeypatch.setattr(database, "migrate", killed)
    with pytest.raises(SystemExit), open_database(tmp_path):
        pass
    monkeypatch.undo()
    assert not (tmp_path / "db" / "market.duckdb").exists()
    (tmp_path / "db" / ".partial-0-market.duckdb").write_text("of a killed process")
    with open_database(tmp_path) as connection:
        assert tables(connection) == TABLES
    assert [path.name for path in (tmp_path / "db").iterdir()] == ["market.duckdb"]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "db" / "market.duckdb"
    path.parent.mkdir()
    path.write_bytes(b"garbage" * 1000)
    with (
        pytest.raises(DataError, match=r"market\.duckdb: cannot be opened as a database: ") as caught,
        open_database(tmp_path),
    ):
        pass
    assert "\n" not in str(caught.value)
    assert caught.value.hint == "Put it back from a copy, or move it away and ingest every source again."


def large_database(root: Path) -> Path:
    """A database with bars in every part of its file."""
    with open_database(root) as connection:
        connection.execute(
            "INSERT INTO bars BY NAME SELECT 'S' || i % 50 AS symbol, 'day' AS freq, DATE '2000-01-01' + (i // 50)::INT"
            " AS date, date::TIMESTAMP AS time, random() AS open, random() AS high, random() AS low, random() AS close,"
            " random() AS volume, random() AS amount, 1.0 AS factor FROM range(200_000) made(i)"
        )
    return root / "db" / "market.duckdb"


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_database_that_is_cut_off_is_named_and_not_touched(tmp_path: Path, share: float) -> None:
    path = large_database(tmp_path)
    os.truncate(path, int(path.stat().st_size * share))
    cut = path.read_bytes()
    with pytest.raises(DataError, match=r"market\.duckdb: cut off: expected at least [\d,]+ bytes, found [\d,]+$"):
        check_database(path)
    with pytest.raises(DataError, match="cut off"), open_database(tmp_path):
        pass
    assert path.read_bytes() == cut


def test_blocks_that_turned_over_are_named_when_they_are_read(tmp_path: Path) -> None:
    path = large_database(tmp_path)
    damaged = bytearray(path.read_bytes())
    for at in range(BLOCK // 2, len(damaged), BLOCK):
        damaged[at] ^= 1
    path.write_bytes(damaged)
    told = r"market\.duckdb: cannot be (read|opened) as a database: .*checksum"
    with pytest.raises(DataError, match=told) as caught, open_database(tmp_path) as connection:
        connection.execute("SELECT sum(close), max(symbol) FROM bars").fetchall()
    assert caught.value.hint == "Put it back from a copy, or move it away and ingest every source again."


def test_a_database_that_has_given_back_blocks_is_whole(tmp_path: Path) -> None:
    path = large_database(tmp_path)
    with open_database(tmp_path) as connection:
        connection.execute("CREATE TABLE more AS SELECT * FROM bars")
    with open_database(tmp_path) as connection:
        connection.execute("DROP TABLE more")
    content = path.read_bytes()
    headers = [struct.unpack_from("<6Q", content, place) for place in (4096, 8192)]
    assert len(content) < BLOCK * max(headers, key=lambda header: header[1])[4]  # shorter than its header says
    check_database(path)
    with open_database(tmp_path) as connection:
        assert connection.execute("SELECT count(*) FROM bars").fetchall() == [(200_000,)]


def test_a_database_that_another_program_has_open_is_told_with_its_process(tmp_path: Path) -> None:
    with open_database(tmp_path):
        pass
    script = (
        "import sys\nfrom pathlib import Path\nfrom kronos_quant.market.database import open_database\n"
        "try:\n    open_database(Path(sys.argv[1])).__enter__()\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    with duckdb.connect(tmp_path / "db" / "market.duckdb"):
        told = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("DataError")
    assert "market.duckdb: opened by " in told.stdout
    assert "(PID " in told.stdout


def test_the_second_ingest_says_who_holds_the_lock(tmp_path: Path) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with ingest_lock(tmp_path):
            held.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    told = r"another ingest is writing \(process \d+, .*since .*\); waited 0\.1 s"
    with pytest.raises(KronosQuantError, match=told), ingest_lock(tmp_path, 0.1):
        pass
    done.set()
    holder.join()
    with ingest_lock(tmp_path, 0.1):
        pass
    assert not (tmp_path / "db" / "ingest.holder").exists()


def test_a_second_ingest_waits_for_the_first(tmp_path: Path) -> None:
    held = threading.Event()
    order = []

    def hold() -> None:
        with ingest_lock(tmp_path):
            held.set()
            threading.Event().wait(0.2)
            order.append("first")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    with ingest_lock(tmp_path, 10):
        order.append("second")
    holder.join()
    assert order == ["first", "second"]


def test_statements_are_read_by_name() -> None:
    assert "FROM bars" in statement("select_bars")


def test_what_a_killed_ingest_left_beside_the_database_is_removed(tmp_path: Path) -> None:
    with open_database(tmp_path):
        pass
    left = tmp_path / "db" / "market.duckdb.tmp"
    left.mkdir()
    (left / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x")
    with open_database(tmp_path) as connection:
        [(limit,)] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        assert limit.startswith("1.3 GiB")
    assert not left.exists()
