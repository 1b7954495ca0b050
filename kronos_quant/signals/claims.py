"""Which dates of a store a process computes, so that another process computes other dates.

A claim is a lock of the system on a file in the store. It ends with its process, however that ends, so that the claim
of a killed one is void. Claims only save work: without them dates would be computed twice, and the files still be
whole.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, suppress
from datetime import date
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from kronos_quant.files import disk_errors, make_folder
from kronos_quant.locks import new_lock, release, remove_stale

FOLDER = ".claims"


class Claims(AbstractContextManager["Claims"]):
    """The claims of this process on dates of one recipe; as a context, all are given up at its end."""

    def __init__(self, root: Path, digest: str) -> None:
        self._folder, self._digest = root / FOLDER, digest
        self._held: dict[date, FileLock] = {}

    def take(self, on: date) -> bool:
        """Claim a date; False where another process has it."""
        lock = new_lock(self._folder / f"{self._digest}-{on}.lock")
        with disk_errors(self._folder):
            try:
                if not self._acquired(lock):
                    return False
            except NotImplementedError:  # a file system without locks
                return True
        self._held[on] = lock
        return True

    def alone(self, on: date) -> bool:
        """Whether no other process can be writing a date that was taken; False where the file system has no locks."""
        return on in self._held

    def give_up(self, on: date) -> None:
        """End a claim, and remove its file: whoever waits for it checks whether the date is stored, and claims it."""
        lock = self._held.pop(on, None)
        if lock is not None:
            release(lock)

    def _acquired(self, lock: FileLock) -> bool:
        while True:
            make_folder(self._folder)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return False
            except FileNotFoundError:  # another process ended just now, and removed the empty folder
                continue
            return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for on in list(self._held):
            self.give_up(on)
        remove_void_claims(self._folder.parent)


def remove_void_claims(root: Path) -> list[Path]:
    """Remove the claims of killed processes from the store `root`, and their folder when none is left; the files."""
    folder = root / FOLDER
    removed = []
    with suppress(OSError, NotImplementedError):
        removed = remove_stale(folder.glob("*.lock"))
        folder.rmdir()
    return removed
