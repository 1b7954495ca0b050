"""What killed commands left in a workspace and in the system's temporary folder, for `kq doctor`.

Each command removes what it meets of it; here all of it is found at once. Nothing that a live process may be using is
touched: what is written aside names its process, a run names the process that fills it, and a lock that is held stays.
"""

from __future__ import annotations

from pathlib import Path

from kronos_quant.files import find_abandoned, remove_abandoned, temporary_folder
from kronos_quant.locks import remove_stale
from kronos_quant.runs.folder import killed_runs, remove_killed
from kronos_quant.signals.claims import remove_void_claims
from kronos_quant.training.run import KEEP, KIND
from kronos_quant.validity.sweep_trials import TRIALS
from kronos_quant.workspace import WorkspaceFolder

KEPT = {KIND: KEEP, "sweep": (TRIALS,)}
"""Kinds of runs that are there from their start, and what of them is worth keeping after a kill."""


def find_leftovers(workspace: WorkspaceFolder) -> list[Path]:
    """Half-written files and folders of killed commands, and runs that were killed before they held anything.

    Lock files are not among them: whether one is held is known only to a process that tries to take it.
    """
    runs = [run.path for kind, keep in KEPT.items() for run in killed_runs(workspace.runs, kind, keep)]
    return sorted([*find_abandoned(workspace.root), *runs])


def remove_leftovers(workspace: WorkspaceFolder) -> list[Path]:
    """Remove what `find_leftovers` finds, locks that nobody holds, and temporary folders; returns the paths removed."""
    removed = remove_abandoned(workspace.root)
    for kind, keep in KEPT.items():
        removed += remove_killed(workspace.runs, kind, keep)
    removed += remove_void_claims(workspace.signal_store)
    removed += remove_stale(workspace.signal_store.glob("*/.lock"))
    with temporary_folder("doctor"):  # removes those that were left
        pass
    return sorted(removed)
