"""`kq signal list` and `prune`: what is in the store, and what need not be."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from kronos_quant.errors import DataError, KronosQuantError, listed
from kronos_quant.market import Market, workspace_market
from kronos_quant.signals import Note, SignalFolder, SignalSource, stored_folders, zero_shot_name
from kronos_quant.workflows.signal_store.finding import Named, open_recipes
from kronos_quant.workspace import WorkspaceFolder

LEFTOVER_SECONDS = 24 * 3600
OF_MODEL = dict.fromkeys(("weights", "clip", "max_context"))
"""What a recipe's digest holds of its model."""


@dataclass(frozen=True, slots=True)
class StoredRecipe:
    """One recipe digest in the store, as `kq signal list` shows it."""

    digest: str
    recipes: list[str]
    """Those of the workspace that name it now."""
    model: str
    dates: list[date]
    bytes: int
    state: str

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "digest": self.digest,
            "recipes": self.recipes,
            "model": self.model,
            "from": self.dates[0] if self.dates else None,
            "to": self.dates[-1] if self.dates else None,
            "sessions": len(self.dates),
            "bytes": self.bytes,
            "state": self.state,
        }

    def row(self) -> dict[str, Any]:
        """For a table."""
        return self.as_dict() | {"recipes": ", ".join(self.recipes) or "-", "bytes": f"{self.bytes:,}"}


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What `kq signal prune` deletes, or would."""

    folders: list[tuple[Path, str]]
    """Whole recipes, and why."""
    files: list[Path]
    kept: list[str]
    """What was left although no recipe names it, and why."""
    bytes: int
    done: bool

    def lines(self) -> list[str]:
        """The report in words."""
        told = [f"{folder.name}: {why}" for folder, why in self.folders]
        if self.files:
            told.append(f"{len(self.files)} files: {listed(path.name for path in self.files)}")
        told += [f"kept: {why}" for why in self.kept]
        if not self.folders and not self.files:
            return [*told, "nothing to delete"]
        size = f"{self.bytes:,} bytes"
        return [*told, f"deleted: {size}" if self.done else f"would delete {size}; nothing was: give --yes to do it"]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "recipes": [{"digest": folder.name, "why": why} for folder, why in self.folders],
            "files": self.files,
            "kept": self.kept,
            "bytes": self.bytes,
            "deleted": self.done,
        }


def list_signals(workspace: WorkspaceFolder) -> list[StoredRecipe]:
    """Everything in the store: what it is, what it covers, and whether it is complete and of today's bars."""
    market = workspace_market(workspace)
    named = open_recipes(workspace, market)
    found = []
    for folder in stored_folders(workspace.signal_store):
        names = named.of(folder.digest)
        sources = [source for name in names for source in named.sources[name].sources()]
        source = next((source for source in sources if source.recipe.digest == folder.digest), None)
        try:
            note, dates = folder.note(), folder.dates()
            model = source.recipe.model if source else note.model if note else ""
            trouble = named.troubles.get(note.name) or _beside(note, named) if note else None
            state = _state(folder, dates, source, trouble, market)
        except KronosQuantError as error:
            model, dates, state = "", [], str(error)
        found.append(StoredRecipe(folder.digest, names, model, dates, folder.bytes(), state))
    return found


def prune_signals(workspace: WorkspaceFolder, older_than: date | None, *, delete: bool) -> PruneReport:
    """Find what no recipe of the workspace names, or with `older_than` the sessions before it, and maybe delete it.

    Also what writers left that were killed a day ago or more. older_than : imports are left as they are, nothing could
    compute them again.
    """
    folders: list[tuple[Path, str]] = []
    files = _leftovers(workspace.signal_store)
    kept: list[str] = []
    stored = stored_folders(workspace.signal_store)
    if older_than is not None:
        ours = [folder for folder in stored if not folder.is_import]
        files += [folder.path(on) for folder in ours for on in folder.dates() if on < older_than]
    else:
        named = open_recipes(workspace, workspace_market(workspace))
        for folder in stored:
            if not named.of(folder.digest):
                why = _kept_because(folder, named)
                kept += [f"{folder.digest}: {why}"] if why else []
                folders += [] if why else [(folder.folder, f"no recipe names it ({_told(folder)})")]
    size = sum(path.stat().st_size for path in files) + sum(SignalFolder(path).bytes() for path, _ in folders)
    if delete:
        for path in files:
            path.unlink(missing_ok=True)
        for path, _ in folders:
            # renamed first: a kill in the middle leaves no recipe with half of its sessions
            shutil.rmtree(path.rename(path.with_name(f".pruned-{path.name}")))
        for leftover in workspace.signal_store.glob(".pruned-*"):
            shutil.rmtree(leftover)
    return PruneReport(folders, files, kept, size, delete)


def _leftovers(root: Path) -> list[Path]:
    """Half-written files so old that nobody can be writing them."""
    oldest = time.time() - LEFTOVER_SECONDS
    return [path for path in sorted(root.glob("*/.partial-*")) if path.stat().st_mtime < oldest]


def _state(
    folder: SignalFolder, dates: Sequence[date], source: SignalSource | None, trouble: str | None, market: Market
) -> str:
    """In a word or two."""
    broken = folder.broken()
    told = [f"{len(broken)} broken"] if broken else []
    sessions = [on for on in market.sessions() if dates and dates[0] <= on <= dates[-1]]
    gaps = len(set(sessions) - set(dates))
    told += [f"{gaps} gaps"] if gaps else []
    if source is None:
        return "; ".join([*told, trouble or "named by no recipe"])
    stale = source.lacking(dates) - {date.fromisoformat(path.stem) for path in broken if not folder.is_import}
    told += [f"{len(stale)} stale"] if stale else []
    return "; ".join(told) or "complete"


def _kept_because(folder: SignalFolder, named: Named) -> str | None:
    """Why a folder that no recipe names is not deleted all the same."""
    try:
        note = folder.note()
    except DataError as error:
        return str(error) if "newer" in str(error) else None
    if note is None:
        return None
    trouble = named.troubles.get(note.name)
    return f"{note.name}: {trouble}" if trouble else _beside(note, named)


def _beside(note: Note, named: Named) -> str | None:
    """Of signals that an evaluation computed: beside which recipe, if that is still the same but for the model."""
    for name, source in named.sources.items():
        if note.name == zero_shot_name(name):
            stored, now = ({**told, **OF_MODEL} for told in (note.recipe, source.recipe.content()))
            return f"{note.name}, which kq evaluate sets beside it" if stored == now else None
    return None


def _told(folder: SignalFolder) -> str:
    try:
        note = folder.note()
    except DataError:
        return "its recipe.json is broken"
    if note is None:
        return "no recipe.json"
    again = ", which nothing can compute again" if folder.is_import else ""
    return f"once {note.name or 'unnamed'}, {len(folder.files())} files{again}"
