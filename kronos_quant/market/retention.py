"""List published snapshots and delete unused ones.

A snapshot is in use if it is current, if a run's manifest names it, or while a reader has it open.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from kronos_quant.display import TextReport
from kronos_quant.errors import ConfigError, DataError, counted
from kronos_quant.files import discard, disk_errors
from kronos_quant.inputs import PathLike, as_path
from kronos_quant.market.database import DB_FOLDER, ingest_lock
from kronos_quant.market.snapshot_parts import SNAPSHOTS, current_name
from kronos_quant.market.snapshots import Snapshot, clear_unfinished, lock_snapshot, read_snapshot
from kronos_quant.readers import read_json
from kronos_quant.runs.folder import MANIFEST
from kronos_quant.system import WINDOWS

KEPT = 3
"""Default number of newest snapshots that `prune_snapshots` keeps."""


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """One snapshot on disk and its users."""

    name: str
    created: datetime | None
    """UTC; None for a damaged snapshot."""
    bars: int
    """Of all frequencies."""
    first: date | None
    last: date | None
    current: bool
    size: int
    """Bytes."""
    runs: tuple[str, ...]
    """Runs whose manifests name it: kind/id."""
    is_open: bool
    """Whether a reader has it open now."""

    @property
    def needed(self) -> bool:
        """Whether it is in use."""
        return self.current or self.is_open or bool(self.runs)

    def as_dict(self) -> dict[str, Any]:
        """The snapshot for `--json`."""
        return {
            "name": self.name,
            "created": None if self.created is None else self.created.isoformat(),
            "bars": self.bars,
            "first": None if self.first is None else str(self.first),
            "last": None if self.last is None else str(self.last),
            "current": self.current,
            "bytes": self.size,
            "runs": list(self.runs),
            "open": self.is_open,
        }

    def row(self) -> dict[str, Any]:
        """The snapshot for a table."""
        return {
            "name": self.name,
            "created": "damaged" if self.created is None else f"{self.created:%Y-%m-%d %H:%M:%S}",
            "bars": self.bars,
            "first": self.first,
            "last": self.last,
            "MB": f"{self.size / 1e6:.1f}",
            "runs": len(self.runs),
            "used by": ", ".join(
                word for word, so in (("current", self.current), ("a reader", self.is_open), ("a run", self.runs)) if so
            ),
        }


@dataclass(frozen=True, slots=True, repr=False)
class SnapshotPruneReport(TextReport):
    """What `prune_snapshots` did."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    freed: int
    """Bytes."""

    def lines(self) -> list[str]:
        """The outcome for people."""
        freed = f"; {self.freed / 1e6:,.1f} MB freed" if self.removed else ""
        return [f"deleted {counted(len(self.removed), 'snapshot')}, kept {len(self.kept)}{freed}"]

    def as_dict(self) -> dict[str, Any]:
        """The outcome for `--json`."""
        return {"removed": list(self.removed), "kept": list(self.kept), "freed_bytes": self.freed}


def list_snapshots(root: PathLike) -> list[StoredSnapshot]:
    """The snapshots of the workspace `root`, newest first, damaged ones last.

    >>> [snapshot.name for snapshot in list_snapshots("my-research") if snapshot.needed]
    []
    """
    root = as_path(root, "root")
    folder = root / DB_FOLDER / SNAPSHOTS
    if not folder.is_dir():
        return []
    current, runs = current_name(folder), _runs_by_snapshot(root / "runs")
    found = [
        _describe(path, path.name == current, runs)
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    ]
    oldest = datetime.min.isoformat()
    return sorted(found, key=lambda one: one.created.isoformat() if one.created else oldest, reverse=True)


def prune_snapshots(root: PathLike, keep: int = KEPT) -> SnapshotPruneReport:
    """Delete unused snapshots of the workspace `root`, except the newest `keep`.

    Waits for a running ingest. A reader that opens a snapshot meanwhile either has it whole or gets the newest one.
    Raises ConfigError for a `keep` below 1.
    """
    root = as_path(root, "root")
    if not isinstance(keep, int) or keep < 1:
        raise ConfigError(f"keep: expected at least 1, found {keep!r}")
    removed = []
    with ingest_lock(root), disk_errors(root / DB_FOLDER / SNAPSHOTS):
        clear_unfinished(root / DB_FOLDER / SNAPSHOTS)
        stored = list_snapshots(root)
        for one in stored[keep:]:
            if not one.needed and _remove(root / DB_FOLDER / SNAPSHOTS / one.name):
                removed.append(one)
    names = tuple(one.name for one in removed)
    return SnapshotPruneReport(
        names, tuple(one.name for one in stored if one.name not in names), sum(one.size for one in removed)
    )


def _describe(folder: Path, current: bool, runs: dict[str, list[str]]) -> StoredSnapshot:
    snapshot: Snapshot | None = None
    with suppress(DataError):
        snapshot = read_snapshot(folder)
    spans = list(snapshot.freqs.values()) if snapshot else []
    return StoredSnapshot(
        name=folder.name,
        created=snapshot.created if snapshot else None,
        bars=sum(span.bars for span in spans),
        first=min((span.first for span in spans), default=None),
        last=max((span.last for span in spans), default=None),
        current=current,
        size=sum(path.lstat().st_size for path in folder.glob("*")),
        runs=tuple(runs.get(snapshot.digest, ())) if snapshot else (),
        is_open=_is_open(folder),
    )


def _is_open(folder: Path) -> bool:
    try:
        os.close(lock_snapshot(folder, alone=True))
    except BlockingIOError:
        return True
    except (DataError, OSError):
        return False
    return False


def _remove(folder: Path) -> bool:
    """Delete a snapshot; False when a reader has opened it since."""
    descriptor = None
    try:
        with suppress(DataError):  # of a damaged one
            descriptor = lock_snapshot(folder, alone=True)
        if WINDOWS and descriptor is not None:  # there nothing of a folder may be open when it is renamed
            os.close(descriptor)
            descriptor = None
        # readers no longer see it; after a kill the next pruning or ingest clears the rest
        discard(folder)
    except (BlockingIOError, PermissionError) as error:
        if isinstance(error, PermissionError) and not WINDOWS:
            raise
        return False
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return True


def _runs_by_snapshot(runs: Path) -> dict[str, list[str]]:
    """Digest -> the runs (kind/id) whose manifests name it; a manifest that cannot be read names none."""
    found: dict[str, list[str]] = {}
    for path in sorted(runs.glob(f"*/*/{MANIFEST}")):
        with suppress(DataError, KeyError, TypeError):
            digest = read_json(path)["inputs"]["snapshot"]
            found.setdefault(digest, []).append(f"{path.parent.parent.name}/{path.parent.name}")
    return found
