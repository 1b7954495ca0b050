"""The process that users' checks run in, with limits of time and memory that hold.

A SELECT of one line can ask for all memory of the machine, never end, or crash DuckDB's parser. So the tables go to
another process through a pipe, as Arrow, and the numbers of the offending rows come back the same way. The system
bounds the memory that the process may ask for; where it does not (macOS, Windows), and for time, it is watched from
here and killed. What it does wrong is one DataError that names the check's file.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING

import duckdb
import psutil
import pyarrow as pa

from kronos_quant.check_sql import ROW, offending_rows, open_isolated
from kronos_quant.children import Process, answering_python
from kronos_quant.errors import DataError
from kronos_quant.system import limit_memory, machine_memory, without_core_dumps

if TYPE_CHECKING:
    from types import TracebackType

    from kronos_quant.arrays import IntArray

TIME_LIMIT_SECONDS = 120.0
"""Per check; the package's slowest takes about 1 s on 3 million bars."""

LEAST_MEMORY = 2 * 2**30
"""Bytes that a check may use beside its tables: this or a multiple of the tables, within half of the machine."""

_TABLES_FACTOR = 4
_MOST_THREADS = 4
_OWN_SHARE = 0.75  # what DuckDB keeps to by itself of that memory, so that most ends in its own words
_WATCH_SECONDS = 0.1
Answer = tuple[pa.Table, dict[str, str]]
"""A message: a table, and notes by name."""

_CHILD = "from kronos_quant.check_process import answer_checks; answer_checks()"


class CheckProcess:
    """A process that has the tables of `open_isolated` and runs checks on them; ends with its block.

    Parameters
    ----------
    tables, views
        As of `open_isolated`.
    rows
        How many rows `incoming` has.
    time_limit
        Seconds, per check.
    memory
        Bytes that a check may use beside the tables; None: see `LEAST_MEMORY`.
    """

    def __init__(
        self,
        tables: Mapping[str, pa.Table],
        views: Mapping[str, str],
        rows: int,
        *,
        time_limit: float = TIME_LIMIT_SECONDS,
        memory: int | None = None,
    ) -> None:
        wanted = max(LEAST_MEMORY, _TABLES_FACTOR * sum(table.nbytes for table in tables.values()))
        self._memory = min(wanted, machine_memory() // 2) if memory is None else memory
        self._tables, self._views, self._rows, self._time_limit = tables, views, rows, time_limit
        self._stack = ExitStack()

    def __enter__(self) -> CheckProcess:
        """Start the process and give it the tables."""
        with ExitStack() as stack:
            self._process = stack.enter_context(answering_python(_CHILD))
            _, ready = _talk(self._process, self._hand_over)
            if "broken" in ready:
                raise DataError(
                    f"the process of the workspace's checks ended before the first check ({_how(self._process)})",
                    hint="The bars are copied for these checks: free memory, or move db/checks away.",
                )
            self._resident = int(ready["resident"]) + self._memory
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._stack.close()

    def offending_rows(self, place: str, sql: str) -> IntArray:
        """The numbers of the rows of `incoming` that a check selects, ascending.

        place, sql : the check's file, for errors, and what it says. Raises DataError, naming the file, also for a check
        that takes too long or too much memory, or that crashes: the process may be gone then.
        """

        def ask() -> Answer:
            _send(self._process.stdin, pa.table({"place": [place], "sql": [sql]}))
            return _receive(self._process.stdout)

        answer, notes = _talk(self._process, ask, self._time_limit, self._resident)
        reason = notes.get("broken")
        if reason == "time":
            raise DataError(f"{place}: stopped after {self._time_limit:g} s")
        if reason == "memory":
            raise DataError(f"{place}: needs more than {self._memory / 2**30:.2g} GiB of memory")
        if reason:
            raise DataError(f"{place}: its process ended unexpectedly ({_how(self._process)})")
        if "refused" in notes:
            raise DataError(notes["refused"])
        found: IntArray = answer[ROW].to_numpy()
        return found

    def _hand_over(self) -> Answer:
        views = pa.table({"name": list(self._views), "select": list(self._views.values())})
        counts = {"rows": self._rows, "tables": len(self._tables), "memory": self._memory}
        _send(self._process.stdin, views, **{name: str(count) for name, count in counts.items()})
        for name, table in self._tables.items():
            _send(self._process.stdin, table, name=name)
        return _receive(self._process.stdout)


def answer_checks() -> None:
    """In the process: take the tables, then answer checks until there are no more."""
    without_core_dumps()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both: the one that asks answers it
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    views, counts = _receive(source)
    tables = dict(_named_table(source) for _ in range(int(counts["tables"])))
    memory, threads = int(counts["memory"]), min(_MOST_THREADS, os.cpu_count() or 1)
    settings = {"memory_limit": f"{int(memory * _OWN_SHARE) // 2**20}MiB", "threads": str(threads)}
    by_name = {view["name"]: view["select"] for view in views.to_pylist()}
    with open_isolated(tables, by_name, **settings) as connection:
        used = psutil.Process().memory_info()
        limit_memory(used.vms + memory)
        _send(sink, pa.table({}), resident=str(used.rss))
        while True:
            try:
                [check] = _receive(source)[0].to_pylist()
            except pa.ArrowInvalid:  # no more
                return
            try:
                found = offending_rows(connection, check["place"], check["sql"], int(counts["rows"]))
                _send(sink, pa.table({ROW: found}))
            except (MemoryError, pa.ArrowMemoryError):
                _send(sink, pa.table({}), broken="memory")
            except DataError as error:
                memory_ran_out = isinstance(error.__cause__, duckdb.OutOfMemoryException)
                _send(sink, pa.table({}), **{"broken": "memory"} if memory_ran_out else {"refused": str(error)})


def _talk(
    process: Process, talk: Callable[[], Answer], seconds: float = math.inf, resident: float = math.inf
) -> Answer:
    """What `talk` receives from a process, which is killed where it exceeds a limit.

    Parameters
    ----------
    process, talk
        A child, and what asks it.
    seconds
        From now on.
    resident
        Bytes of memory that the process holds.

    Returns
    -------
    Answer
        Its note `broken` is "time" or "memory" for a limit, "end" for a process that has ended.
    """
    received: list[Answer] = []
    finished = threading.Event()

    def converse() -> None:
        try:
            received.append(talk())
        except (OSError, ValueError, pa.ArrowException):  # it has ended
            received.append((pa.table({}), {"broken": "end"}))
        finally:
            finished.set()

    end = time.monotonic() + seconds
    # this thread only waits, in short steps: Polars has a read from a pipe go on after Ctrl-C
    threading.Thread(target=converse, daemon=True).start()
    while not finished.wait(min(_WATCH_SECONDS, seconds)):
        late = time.monotonic() >= end
        if late or _resident(process) > resident:
            process.kill()
            return pa.table({}), {"broken": "time" if late else "memory"}
    return received[0]


def _resident(process: Process) -> int:
    try:
        return int(psutil.Process(process.pid).memory_info().rss)
    except psutil.Error:  # it has ended
        return 0


def _how(process: Process) -> str:
    """How a process ended, or is ended now."""
    process.kill()
    code = process.wait()
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def _send(pipe: IO[bytes] | None, table: pa.Table, **notes: str) -> None:
    assert pipe is not None
    noted = table.replace_schema_metadata(notes)
    with pa.ipc.new_stream(pipe, noted.schema) as writer:
        writer.write_table(noted)
    pipe.flush()


def _receive(pipe: IO[bytes] | None) -> Answer:
    assert pipe is not None
    table = pa.ipc.open_stream(pipe).read_all()
    return table, {name.decode(): note.decode() for name, note in (table.schema.metadata or {}).items()}


def _named_table(pipe: IO[bytes]) -> tuple[str, pa.Table]:
    table, notes = _receive(pipe)
    return notes["name"], table
