"""What is in a workspace's signal store: found by name or digest, described, and deleted where nothing needs it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.errors import CheckpointError, ConfigError, DataError, KronosQuantError, listed
from kronos_quant.files import abandoned, discard, sweep
from kronos_quant.inputs import as_path
from kronos_quant.market import Market
from kronos_quant.signals.recall import forget
from kronos_quant.signals.recipe import RANKED, zero_shot_name
from kronos_quant.signals.result import StoredSignals
from kronos_quant.signals.scores import SCORES
from kronos_quant.signals.source import SignalSource, open_source
from kronos_quant.signals.store import Note, SignalFolder, stored_folders
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)

_OF_MODEL = dict.fromkeys(("weights", "clip", "max_context"))
"""What a recipe's digest holds of its model."""


@dataclass(frozen=True, slots=True)
class RecipeSet:
    """The recipes of a workspace: those that could be opened, and why the others could not."""

    sources: dict[str, SignalSource]
    errors: dict[str, str]

    def names(self, digest: str) -> list[str]:
        """The recipes whose signals lie under a digest, a blend's under those of its members."""
        digests = {name: {each.recipe.digest for each in source.sources()} for name, source in self.sources.items()}
        return [name for name, found in digests.items() if digest in found]

    def source(self, digest: str) -> SignalSource | None:
        """What computes the signals under a digest, where a recipe names them."""
        every = (each for name in self.names(digest) for each in self.sources[name].sources())
        return next((each for each in every if each.recipe.digest == digest), None)

    def reason_to_keep(self, note: Note) -> str | None:
        """Why signals that no recipe names are needed: their recipe has an error, or `kq evaluate` computed them."""
        if note.name in self.errors:
            return self.errors[note.name]
        for name, source in self.sources.items():
            if note.name == zero_shot_name(name):
                stored, now = ({**content, **_OF_MODEL} for content in (note.recipe, source.recipe.content()))
                return f"{note.name}, which kq evaluate compares with it" if stored == now else None
        return None


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One recipe digest in the store, as `kq signal list` shows it."""

    digest: str
    recipes: list[str]
    """Those of the workspace that name it now."""
    model: str
    dates: list[date] = field(repr=False)
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
class SignalPruning:
    """What `kq signal prune` deletes, or would."""

    folders: list[tuple[Path, str]]
    """Whole recipes, and why."""
    files: list[Path]
    kept: list[str]
    """What stays although no recipe names it, and why."""
    bytes: int
    done: bool

    def lines(self) -> list[str]:
        """The report in words."""
        lines = [f"{folder.name}: {why}" for folder, why in self.folders]
        if self.files:
            lines.append(f"{len(self.files)} files: {listed(path.name for path in self.files)}")
        lines += [f"kept: {why}" for why in self.kept]
        if not self.folders and not self.files:
            return [*lines, "nothing to delete"]
        size = f"{self.bytes:,} bytes"
        return [*lines, f"deleted: {size}" if self.done else f"would delete {size}; run again with --yes to delete"]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "recipes": [{"digest": folder.name, "why": why} for folder, why in self.folders],
            "files": self.files,
            "kept": self.kept,
            "bytes": self.bytes,
            "deleted": self.done,
        }


def open_recipes(workspace: WorkspaceFolder, market: Market) -> RecipeSet:
    """Every recipe in signals/, opened or with its error."""
    sources: dict[str, SignalSource] = {}
    errors: dict[str, str] = {}
    for path in sorted((workspace.root / "signals").glob("*.yaml")):
        try:
            sources[path.stem] = open_source(workspace, path.stem, market)
        except KronosQuantError as error:
            errors[path.stem] = str(error).partition("\n")[0]
    return RecipeSet(sources, errors)


def read_stored(
    workspace: WorkspaceFolder,
    name: str,
    market: Market,
    start: date | None = None,
    end: date | None = None,
    *,
    newest: bool = False,
    by_bar: bool = False,
) -> StoredSignals:
    """What the store holds under a recipe's name or a digest, from `start` to `end` or of its newest session.

    by_bar : see `finished_rows`. Raises DataError where nothing is stored, or a stored session is broken or of other
    bars than today's.
    """
    name = str(as_path(name, "recipe"))
    market.session_range(start, end)
    if not workspace.recipe_file(name).is_file():
        folder = _find_digest(workspace, name)
        return _as_stored(folder, folder.digest, _select_dates(folder.dates(), start, end, newest, name))
    try:
        source = open_source(workspace, name, market)
    except CheckpointError as error:
        folder = _find_lost_model(workspace, name, error)
        logger.warning("%s: %s: shown as stored; whether the bars are unchanged is not known", name, error)
        return _as_stored(folder, name, _select_dates(folder.dates(), start, end, newest, name))
    dates = _select_dates(source.stored_dates(), start, end, newest, name)
    whole = _check_stored(source, name, dates)
    recipe, rows = source.recipe, source.read(whole, by_bar=by_bar)
    estimated = source.estimated(whole)
    return StoredSignals(name, recipe.digest, recipe.model, recipe.ranks_by, rows, recipe.moment, estimated)


def _check_stored(source: SignalSource, name: str, dates: list[date]) -> list[date]:
    """The dates whose history is stored too. Raises DataError for broken and outdated dates, and where none is."""
    broken = [path for path in source.store.broken() if date.fromisoformat(path.stem) in dates]
    if broken:
        raise DataError(
            f"{broken[0]}: not a readable signal file: truncated, or not Parquet ({len(broken)} in all)",
            hint=f"kq signal --recipe {name} --start {broken[0].stem} --end {broken[-1].stem}",
        )
    stale = sorted(source.lacking(dates))
    if stale:
        raise DataError(
            f"{name}: {len(stale)} of {len(dates)} sessions were computed from other bars: {listed(stale)}",
            hint=f"kq signal --recipe {name} --start {stale[0]} --end {stale[-1]}",
        )
    whole = source.with_history(dates)
    if not whole:
        raise DataError(
            f"{name}: the sessions before {dates[0]} that its steps or calibration need are not in the store",
            hint=f"kq signal --recipe {name} --start {dates[0]} --end {dates[-1]}",
        )
    return whole


def _as_stored(folder: SignalFolder, name: str, dates: Sequence[date]) -> StoredSignals:
    """The raw rows of a folder that no recipe stands for, by the first column that may rank."""
    rows, note = folder.read(dates), folder.note()
    score = next((column for column in ("last", RANKED, *SCORES) if column in rows.columns), rows.columns[-1])
    moment = note.moment if note else pl.col("asof")
    return StoredSignals(name, folder.digest, note.model if note else "unknown", score, rows, moment)


def _select_dates(dates: Iterable[date], start: date | None, end: date | None, newest: bool, name: str) -> list[date]:
    found = sorted(on for on in dates if (start is None or on >= start) and (end is None or on <= end))
    if not found:
        period = f" from {start or 'the first'} to {end or 'the last'}" if start or end else ""
        raise DataError(f"{name}: no signals in the store{period}", hint=f"kq signal --recipe {name}")
    return found[-1:] if newest else found


def _find_digest(workspace: WorkspaceFolder, name: str) -> SignalFolder:
    found = [folder for folder in stored_folders(workspace.signal_store) if folder.digest.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{name}: several digests begin with it: {listed(folder.digest for folder in found)}")
    raise ConfigError(f"{name}: no recipe in signals/ and no digest in the store", hint="kq signal list")


def _find_lost_model(workspace: WorkspaceFolder, name: str, error: CheckpointError) -> SignalFolder:
    """What was stored under a recipe whose model can no longer be read; the error where that is not one thing."""
    notes = {folder: _read_note(folder)[0] for folder in stored_folders(workspace.signal_store)}
    found = [folder for folder, note in notes.items() if note is not None and note.name == name]
    if len(found) != 1:
        stored = listed(folder.digest for folder in found) if found else "nothing"
        raise CheckpointError(f"{error}; stored under this recipe: {stored}", hint="kq signal show DIGEST") from error
    return found[0]


def _read_note(folder: SignalFolder) -> tuple[Note | None, str]:
    """What a folder was made with, and why that is not known."""
    try:
        note = folder.note()
    except DataError as error:
        return None, str(error) if "newer" in str(error) else "its recipe.json is broken"
    return note, "no recipe.json" if note is None else ""


def list_stored(workspace: WorkspaceFolder, market: Market) -> list[StoreEntry]:
    """Everything in the store: what it is, what it covers, and whether it is complete and of today's bars."""
    recipes = open_recipes(workspace, market)
    found = []
    for folder in stored_folders(workspace.signal_store):
        source = recipes.source(folder.digest)
        try:
            note, dates = folder.note(), folder.dates()
            model = source.recipe.model if source else note.model if note else ""
            reason = recipes.reason_to_keep(note) if note else None
            state = _state(folder, dates, source, reason, market)
        except KronosQuantError as error:
            model, dates, state = "", [], str(error)
        names = recipes.names(folder.digest)
        found.append(StoreEntry(folder.digest, names, model, dates, folder.bytes(), state))
    return found


def _state(
    folder: SignalFolder, dates: Sequence[date], source: SignalSource | None, reason: str | None, market: Market
) -> str:
    """In a word or two."""
    broken = folder.broken()
    sessions = [on for on in market.sessions() if dates and dates[0] <= on <= dates[-1]]
    gaps = len(set(sessions) - set(dates))
    parts = [f"{len(broken)} broken"] if broken else []
    parts += [f"{gaps} gaps"] if gaps else []
    if source is None:
        return "; ".join([*parts, reason or "no recipe refers to it"])
    stale = source.lacking(dates) - {date.fromisoformat(path.stem) for path in broken if not folder.is_import}
    parts += [f"{len(stale)} stale"] if stale else []
    return "; ".join(parts) or "complete"


def prune_store(
    workspace: WorkspaceFolder, recipes: RecipeSet | None, older_than: date | None, *, delete: bool
) -> SignalPruning:
    """Find what none of the `recipes` names, or the sessions before `older_than`, and delete it if `delete`.

    Also what killed writers left. Imports are never pruned by date: nothing could compute
    them again.
    """
    folders: list[tuple[Path, str]] = []
    kept: list[str] = []
    stored = stored_folders(workspace.signal_store)
    files = [path for folder in stored for path in abandoned(folder.folder)]
    if older_than is not None:
        computed = [folder for folder in stored if not folder.is_import]
        files += [folder.path(on) for folder in computed for on in folder.dates() if on < older_than]
    elif recipes is not None:
        for folder in stored:
            if not recipes.names(folder.digest):
                why = _reason_to_keep(folder, recipes)
                kept += [f"{folder.digest}: {why}"] if why else []
                folders += [] if why else [(folder.folder, f"no recipe refers to it ({_describe(folder)})")]
    size = sum(path.stat().st_size for path in files) + sum(SignalFolder(path).bytes() for path, _ in folders)
    if delete:
        _delete(workspace.signal_store, files, [path for path, _ in folders])
    return SignalPruning(folders, files, kept, size, delete)


def _delete(root: Path, files: Sequence[Path], folders: Sequence[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)
    for path in folders:
        forget(root, path.name)  # first: nothing names it once the signals are gone
        discard(path)
    sweep(root)


def _reason_to_keep(folder: SignalFolder, recipes: RecipeSet) -> str | None:
    """Why a folder that no recipe names is kept all the same."""
    note, why = _read_note(folder)
    if note is None:
        return why if "newer" in why else None
    reason = recipes.reason_to_keep(note)
    return f"{note.name}: {reason}" if note.name in recipes.errors else reason


def _describe(folder: SignalFolder) -> str:
    note, why = _read_note(folder)
    if note is None:
        return why
    again = ", which cannot be computed again" if folder.is_import else ""
    return f"formerly {note.name or 'unnamed'}, {len(folder.files())} files{again}"
