"""Damaged files of a workspace: found for `kq doctor`, and mended where that loses nothing by `kq doctor --repair`.

A snapshot is published again from the database. A run, a signal file or a file of the ledger of trials that cannot be
read is moved to runs/damaged/, never deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kronos_quant.errors import DataError, KronosQuantError
from kronos_quant.market.database import DB_FOLDER, ingest_lock, open_database
from kronos_quant.market.snapshots import SNAPSHOTS, current_name, publish, read_snapshot
from kronos_quant.readers import reading, regular_file, scan_parquet
from kronos_quant.runs.folder import MANIFEST, Run
from kronos_quant.signals.store import stored_folders
from kronos_quant.validity.trials import FOLDER, check_whole, ledger_files
from kronos_quant.workspace import WorkspaceFolder

DAMAGED = "damaged"
"""The folder in runs/ where damaged things are moved to."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that cannot be read; `aside` is what a repair moves away, None for the bars, which are published again."""

    why: str
    aside: Path | None


def find_damage(workspace: WorkspaceFolder) -> list[Damage]:
    """The damaged files of a workspace: the current snapshot (its footers), manifests, trials and stored signals."""
    found = list(_snapshot(workspace))
    for folder in sorted(workspace.runs.glob("*/[0-9]*")):
        if folder.parent.name not in (DAMAGED, FOLDER) and (folder / MANIFEST).exists():
            with _noted(found, folder):
                Run(folder.parent.name, folder.name, folder, folder).manifest()
    for file in ledger_files(workspace.runs / FOLDER):
        with _noted(found, file):
            check_whole(file)
    for stored in stored_folders(workspace.signal_store):
        with _noted(found, stored.folder / "recipe.json"):
            stored.note()
        found += [Damage(f"{path}: not a readable signal file", path) for path in stored.broken()]
    return found


def repair_damage(workspace: WorkspaceFolder) -> list[str]:
    """Mend what `find_damage` finds; returns what was done. What cannot be mended is still found afterwards."""
    done = []
    for one in find_damage(workspace):
        try:
            if one.aside is not None:
                done.append(f"moved {one.aside} to {_move_aside(workspace, one.aside)}")
            else:
                done += _publish(workspace)
        except (KronosQuantError, OSError) as error:
            done.append(f"not repaired: {error}")
    return done


@contextmanager
def _noted(found: list[Damage], aside: Path) -> Iterator[None]:
    """Add the error of the block to the findings."""
    try:
        yield
    except DataError as error:
        found.append(Damage(str(error), aside))


def _snapshot(workspace: WorkspaceFolder) -> Iterator[Damage]:
    """The first fault of the current snapshot."""
    folder = workspace.root / DB_FOLDER / SNAPSHOTS
    try:
        name = current_name(folder)
        if name is None:
            return
        snapshot = read_snapshot(folder / name)
        names = [f"{part}.{freq}" for freq in snapshot.freqs for part in ("bars", "sessions")]
        for file in sorted({*(folder / name).glob("*.parquet")} | {folder / name / f"{n}.parquet" for n in names}):
            regular_file(file)
            with reading(file, "a Parquet file"):
                scan_parquet(file).collect_schema()
    except DataError as error:
        yield Damage(str(error), None)


def _publish(workspace: WorkspaceFolder) -> list[str]:
    folder = workspace.root / DB_FOLDER / SNAPSHOTS
    done = []
    with ingest_lock(workspace.root), open_database(workspace.root) as connection:
        with suppress(DataError):
            old = folder / (current_name(folder) or "")
            if old != folder and old.exists():
                done.append(f"moved {old} to {_move_aside(workspace, old)}")
        return [*done, f"published the bars again as {publish(workspace.root, connection).folder}"]


def _move_aside(workspace: WorkspaceFolder, path: Path) -> Path:
    name = "-".join(path.relative_to(workspace.root).parts[-3:])
    target = workspace.runs / DAMAGED / name
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{name}-{number}")
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    return target
