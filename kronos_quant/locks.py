"""Locks of the system on files that are there only while they are held.

A lock ends with its process, however that ends; the file that a killed process leaves is removed by the next one that
looks for such files. A waiting process notices that the file it opened was removed, and opens the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from kronos_quant.errors import DataError
from kronos_quant.paths import kind_of_path

WAIT_FOR_EVER = -1.0


def new_lock(path: Path) -> FileLock:
    """The lock of a file. Raises DataError where a pipe, a link or a folder has its place."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        kind = "a link" if path.is_symlink() else kind_of_path(path)
        raise DataError(f"{path}: {kind}, expected a file", hint="Delete it.")
    return FileLock(path)


@contextmanager
def held_lock(path: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of a file, which is removed at the end; raises Timeout where another process has it."""
    lock = new_lock(path)
    lock.acquire(timeout=wait_seconds)
    try:
        yield
    finally:
        release(lock)


def release(lock: FileLock) -> None:
    """Remove the file of a lock that is held, and let go of it."""
    with suppress(OSError):  # Windows removes no open file
        Path(lock.lock_file).unlink()
    lock.release()


def remove_stale(paths: Iterable[Path]) -> list[Path]:
    """Remove the lock files that no process holds; returns those."""
    removed = []
    for path in paths:
        with suppress(Timeout, OSError, NotImplementedError):
            lock = FileLock(path)
            lock.acquire(timeout=0)
            release(lock)
            removed.append(path)
    return removed
