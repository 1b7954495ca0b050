"""log.jsonl of a run: one row a line, cut back where a resumed training goes on. It holds nothing but results.

How long things took is in the program's log, so that two equal trainings leave equal journals.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from kronos_quant.files import disk_errors
from kronos_quant.training.logs.tracking import Tracker

LOG = "log.jsonl"


class Journal:
    """Appends rows to the log and hands them to the trackers; on ranks that do not save it does nothing."""

    def __init__(self, folder: Path, writes: bool, trackers: list[Tracker] | None = None) -> None:
        self.path, self.writes, self.trackers = folder / LOG, writes, trackers or []

    def row(self, row: dict[str, Any]) -> None:
        """Append a row."""
        if not self.writes:
            return
        with disk_errors(self.path), self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        for tracker in self.trackers:
            tracker.metrics(row)

    def size(self) -> int:
        """Bytes so far, on the disk."""
        if not self.writes or not self.path.exists():
            return 0
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        return self.path.stat().st_size

    def cut(self, size: int) -> None:
        """Forget the rows beyond `size` bytes."""
        if self.writes and self.path.exists():
            os.truncate(self.path, size)


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's log.jsonl."""
    return [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
