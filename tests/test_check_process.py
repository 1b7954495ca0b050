"""What a check of a user may cost: its process ends in one line that names the file, whatever the check does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from made import HANG_SECONDS

from kronos_quant.check_process import CheckProcess
from kronos_quant.errors import DataError

TABLES = {"bars": pa.table({"row": [0, 1, 2, 3], "close": [1.0, 2.0, 3.0, 4.0]})}
VIEWS = {"incoming": "SELECT * FROM bars"}
PLACE = "db/checks/mine.sql"
SMALL = 2**28
LINUX = pytest.mark.skipif(not Path("/proc").is_dir(), reason="no other system bounds the memory of a process")


def start(time_limit: float = HANG_SECONDS, memory: int | None = SMALL) -> CheckProcess:
    return CheckProcess(TABLES, VIEWS, 4, time_limit=time_limit, memory=memory)


def refusal(process: CheckProcess, sql: str) -> str:
    with pytest.raises(DataError) as caught:
        process.offending_rows(PLACE, sql)
    told = str(caught.value)
    assert told.startswith(f"{PLACE}: ")
    assert told.isprintable()
    assert len(told) < 2_100
    return told.removeprefix(f"{PLACE}: ")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckProcess]:
    """One for checks that are refused; nothing appears where it runs."""
    here, folder = Path.cwd(), tmp_path_factory.mktemp("here")
    os.chdir(folder)
    try:
        with start() as process:
            yield process
    finally:
        os.chdir(here)
    assert list(folder.iterdir()) == []


def test_the_rows_come_once_each_in_order(process: CheckProcess) -> None:
    doubled = "SELECT row FROM incoming WHERE close > 2 UNION ALL SELECT 3 UNION ALL SELECT 0"
    assert process.offending_rows(PLACE, doubled).tolist() == [0, 2, 3]
    assert process.offending_rows(PLACE, "FROM incoming WHERE close > 9").tolist() == []


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 1 AS row FROM read_csv('/etc/passwd')", "Permission Error: Cannot access file"),
        ("COPY bars TO 'out.csv'", "a check is one SELECT statement, found COPY"),
        ("ATTACH 'out.duckdb' AS other", "a check is one SELECT statement, found ATTACH"),
        ("PRAGMA database_list", "a check is one SELECT statement, found PRAGMA"),
        ("SET memory_limit = '100GB'", "a check is one SELECT statement, found SET"),
        ("SELECT row FROM incoming; COPY bars TO 'out.csv'", "a check is one SELECT statement, found SELECT, COPY"),
        ("SELECT row FROM incoming\0;SELECT 1", "a check is one SELECT statement, found SELECT, SELECT"),
        ("SELECT 4 AS row", "selects a `row` that `incoming` does not have (of 4)"),
        ("SELECT NULL AS row", "selects a `row` that `incoming` does not have (of 4)"),
        ("SELECT range AS row FROM range(1000000000000)", "selects a `row` that `incoming` does not have (of 4)"),
        ("SELECT " + "NOT " * 200_000 + "true AS row", "Parser Error: Max expression depth limit of 1000 exceeded"),
        ("SELECT regexp_matches('a', repeat('(a|b', 300000))::BIGINT AS row", "Invalid Input Error: missing )"),
    ],
)
def test_a_hostile_check_is_refused_and_the_next_one_runs(process: CheckProcess, sql: str, told: str) -> None:
    assert refusal(process, sql).startswith(told)
    assert process.offending_rows(PLACE, "SELECT 2 AS row").tolist() == [2]


ENDLESS = {
    "recursion": "WITH RECURSIVE t AS (SELECT 1 AS row UNION ALL SELECT row FROM t) SELECT row FROM t WHERE row = 2",
    "product": "SELECT count(*) AS row FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 8",
    "series": "SELECT count(*) AS row FROM generate_series(1, 1000000000000) t(i) WHERE i % 7 = 8",
    "regexp": "SELECT regexp_matches(repeat('a', 1000000), '((a{0,30}){0,30})*b' || repeat('(a?){0,100}', 300))::INT "
    "AS row",
}


@pytest.mark.parametrize("sql", list(ENDLESS.values())[:2], ids=list(ENDLESS)[:2])  # all of them: slow, below
def test_a_check_that_never_ends_is_stopped(sql: str) -> None:
    with start(time_limit=0.3, memory=None) as process:
        assert refusal(process, sql) == "stopped after 0.3 s"
        assert process._process.wait(HANG_SECONDS) != 0


BOMBS = {
    "text": "SELECT repeat('x', 4000000000)::BIGINT AS row",
    "list": "SELECT len(list_transform(range(1000000000), lambda x: range(1000000))) AS row",
    "lists": "SELECT len(list(a.range)) AS row FROM range(1000000) a, range(1000000) b",
    "texts": "SELECT count(DISTINCT repeat('x', 100000) || a.range) AS row FROM range(1000000) a",
}


@LINUX
def test_a_check_that_asks_for_too_much_memory_is_refused() -> None:
    with start() as process:
        assert process.offending_rows(PLACE, "SELECT 2 AS row").tolist() == [2]
        # whether it lives on depends on who sees the memory first: DuckDB, or what watches the process
        told = {name: refusal(process, sql) for name, sql in BOMBS.items()}
        assert told == dict.fromkeys(BOMBS, "needs more than 0.25 GiB of memory")


@LINUX
@pytest.mark.parametrize("bracket", ["()", "[]"])
def test_a_megabyte_of_brackets_ends_in_one_line(bracket: str) -> None:
    deep = 500_000
    with start() as process:
        told = refusal(process, f"SELECT {bracket[0] * deep}1{bracket[1] * deep} AS row")
    assert told.startswith(("needs more than", "Parser Error", "its process ended unexpectedly (signal "))


def test_where_the_system_sets_no_bound_the_memory_is_watched() -> None:
    with start() as process:
        process._resident = 1
        assert refusal(process, ENDLESS["recursion"]) == "needs more than 0.25 GiB of memory"


def test_a_crash_is_told_as_one() -> None:
    with start() as process:
        os.kill(process._process.pid, signal.SIGTERM)
        process._process.wait()
        assert refusal(process, "SELECT 1 AS row") == "its process ended unexpectedly (signal 15)"


WAITING = """
import polars, pyarrow as pa
from kronos_quant.check_process import CheckProcess
with CheckProcess({"incoming": pa.table({"row": [0]})}, {}, 1) as process:
    print(flush=True)
    process.offending_rows("mine.sql", "WITH RECURSIVE t AS (SELECT 1 AS row UNION ALL SELECT row FROM t) FROM t")
"""


def test_ctrl_c_ends_the_wait_for_a_check() -> None:
    # Polars has a read from a pipe go on after Ctrl-C
    with subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
        assert waiting.stdout is not None
        waiting.stdout.readline()
        waiting.send_signal(signal.SIGINT)
        _, told = waiting.communicate(timeout=HANG_SECONDS)
    assert told.rstrip().endswith(b"KeyboardInterrupt")


@LINUX
def test_a_process_that_cannot_begin_is_told_before_the_first_check() -> None:
    broken = {**VIEWS, "steps": "SELECT * FROM nothing"}
    with (
        pytest.raises(DataError, match=r"ended before the first check \(exit code 1\)"),
        CheckProcess(TABLES, broken, 4),
    ):
        pass


SLOW = {
    "long text": "SELECT len(repeat('x', 1000000000))::BIGINT AS row",
    "distinct": "SELECT sum(row) AS row FROM (SELECT DISTINCT row FROM generate_series(1, 1000000000000) t(row))",
    "growing recursion": "WITH RECURSIVE t AS (SELECT 1 AS row UNION ALL SELECT row + 1 FROM t) SELECT 9 AS row FROM t",
    "replacement": "SELECT length(regexp_replace(repeat('a', 100000000), 'a', repeat('b', 100), 'g')) AS row",
    "json": "SELECT length(to_json(range(300000000))::VARCHAR) as row",
    "format": "SELECT length(printf('%1000000000d', 1)) AS row",
    "pad": "SELECT length(lpad('x', 2000000000, 'y')) AS row",
    "bits": "SELECT length(bitstring('1', 2000000000)) AS row",
    "unions": "SELECT 1 AS row" + " UNION ALL SELECT 1" * 40_000,
    "columns": "SELECT 9 AS row" + ", 1" * 300_000,
    "subqueries": "SELECT row FROM " + "(SELECT * FROM " * 20_000 + "incoming" + ")" * 20_000,
    "sums": "SELECT 1" + "+1" * 400_000 + " AS row",
    "cases": "SELECT " + "CASE WHEN true THEN " * 20_000 + "1" + " END" * 20_000 + " AS row",
}


@pytest.mark.slow
@LINUX
@pytest.mark.parametrize("memory", [SMALL, None])
@pytest.mark.parametrize("sql", [*SLOW.values(), *ENDLESS.values(), *BOMBS.values()], ids=[*SLOW, *ENDLESS, *BOMBS])
def test_no_hostile_check_outlives_its_limits(sql: str, memory: int | None) -> None:
    with start(time_limit=5, memory=memory) as process:
        assert refusal(process, sql)
