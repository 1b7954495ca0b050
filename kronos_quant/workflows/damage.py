"""Damaged files of a workspace: found for `kq doctor`, and mended where that loses nothing by `kq doctor --repair`.

The bars are published again from the database. A run, a signal file or a file of the ledger of trials that cannot be
read is moved to runs/damaged/, never deleted. What only its owner can replace, the database and models that were
added, stays where it is. Files are judged by what is cheap to read: JSON, the footers of Parquet, headers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kronos_quant.errors import DataError, KronosQuantError
from kronos_quant.files import make_folder
from kronos_quant.market.database import DATABASE, DB_FOLDER, check_database, ingest_lock, open_database
from kronos_quant.market.snapshot_parts import CURRENT, SNAPSHOTS, current_name, lost_pointer
from kronos_quant.market.snapshots import fault_of, point_to_newest, publish
from kronos_quant.model.card import read_card
from kronos_quant.model.files import CARD_FILE, check_network, kind_of
from kronos_quant.model.library import BEST, ModelLibrary
from kronos_quant.paths import GRANT_READING, check_folder
from kronos_quant.readers import REPAIR, read_footer, read_model, regular_file
from kronos_quant.report.pages.comparison import read_figures, read_settings
from kronos_quant.runs.folder import METRICS, Run
from kronos_quant.runs.manifest import FINISHED, status_of
from kronos_quant.signals.store import stored_folders
from kronos_quant.system import move
from kronos_quant.training.job import TrainingJob
from kronos_quant.training.logs import LOG, SPEED, read_launches, read_log
from kronos_quant.training.run import JOB_FILE
from kronos_quant.training.state import STATE_FOLDER, check_state
from kronos_quant.validity.sweep_trials import SWEEP, TRIALS, check_trials, read_key
from kronos_quant.validity.trials import FOLDER, check_whole, ledger_files
from kronos_quant.workspace import FOLDERS, WorkspaceFolder

DAMAGED = "damaged"
"""The folder in runs/ where damaged things are moved to."""
NEWEST = 200
"""Of each kind of run, so many are looked through; of older ones the manifests alone."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A file that cannot be read, and what mends it."""

    why: str
    fix: str = REPAIR
    aside: Path | None = None
    """What a repair moves away."""
    bars: bool = False
    """Whether a repair publishes the bars again instead."""


def find_damage(workspace: WorkspaceFolder) -> list[Damage]:
    """The damaged files of a workspace: bars, runs, trials, stored signals and models."""
    found = []
    for look in (_folders, _bars, _runs, _ledger, _signals, _models):
        try:
            for one in look(workspace):
                found.append(one)
        except PermissionError as error:
            found.append(Damage(f"{error.filename}: may not be read", GRANT_READING))
    return found


def repair_damage(workspace: WorkspaceFolder) -> list[str]:
    """Mend what `find_damage` finds; returns what was done. What cannot be mended is still found afterwards."""
    done = []
    for one in find_damage(workspace):
        try:
            if one.aside is not None:
                if one.aside.exists() or one.aside.is_symlink():  # not moved with its folder before
                    done.append(f"moved {one.aside} to {_move_aside(workspace, one.aside)}")
            elif one.bars:
                done += _publish(workspace)
        except (KronosQuantError, OSError) as error:
            done.append(f"not repaired: {error}")
    return done


def _faults(aside: Path, *checks: Callable[[], Any]) -> list[Damage]:
    """The first error of the checks, as a finding. What may not be read is not known to be damaged: it stays."""
    for check in checks:
        try:
            check()
        except KronosQuantError as error:
            return [Damage(str(error), GRANT_READING)] if _is_denied(error) else [Damage(str(error), aside=aside)]
    return []


def _is_denied(error: KronosQuantError) -> bool:
    return error.hint == GRANT_READING


def _folders(workspace: WorkspaceFolder) -> list[Damage]:
    """What has the place of a folder and is none: only its owner knows what it is for."""
    places = [workspace.root / name for name in FOLDERS]
    faults = [one.why for place in places for one in _faults(place, partial(check_folder, place))]
    return [Damage(why, "Move it away, or grant the permission to read it.") for why in dict.fromkeys(faults)]


def _bars(workspace: WorkspaceFolder) -> Iterator[Damage]:
    """The first fault of the current snapshot, and that of the database."""
    folder, database = workspace.root / DB_FOLDER / SNAPSHOTS, workspace.root / DB_FOLDER / DATABASE
    try:
        name = current_name(folder)
    except DataError as error:
        yield Damage(str(error), GRANT_READING) if _is_denied(error) else Damage(str(error), bars=True)
    else:
        fault = None if name is None else fault_of(folder / name)
        if fault is not None:
            yield Damage(str(fault), fault.hint or REPAIR, bars=fault.hint == REPAIR)
        elif name is None and (lost := lost_pointer(folder)):
            yield Damage(str(lost), bars=True)
        elif name is None and not database.exists():
            return
    try:
        check_database(database)
    except DataError as error:
        yield Damage(str(error), error.hint or "")


def _ledger(workspace: WorkspaceFolder) -> Iterator[Damage]:
    for file in ledger_files(workspace.runs / FOLDER):
        yield from _faults(file, partial(check_whole, file))


def _signals(workspace: WorkspaceFolder) -> Iterator[Damage]:
    for stored in stored_folders(workspace.signal_store):
        yield from _faults(stored.folder / "recipe.json", stored.note)
        yield from (Damage(f"{path}: not a readable signal file", aside=path) for path in stored.broken())


def _models(workspace: WorkspaceFolder) -> Iterator[Damage]:
    for folder in ModelLibrary(workspace).added():
        fix = f"Get the model in {folder} again."
        for one in _faults(folder, partial(_check_model, folder)):
            yield Damage(one.why, fix if one.fix == REPAIR else one.fix)


def _runs(workspace: WorkspaceFolder) -> Iterator[Damage]:
    """Faults of runs; one whose manifest cannot be read is not looked through."""
    kinds = sorted(path for path in workspace.runs.glob("*") if path.is_dir() and path.name not in (DAMAGED, FOLDER))
    for kind in kinds:
        folders = sorted(path for path in kind.glob("[0-9]*") if path.is_dir())
        for place, folder in enumerate(reversed(folders)):
            run = Run(kind.name, folder.name, folder, folder)
            faults = _faults(folder, run.manifest)
            yield from faults or (_of_run(run) if place < NEWEST else [])


def _of_run(run: Run) -> Iterable[Damage]:
    finished = status_of(run.manifest()) == FINISHED
    if run.kind == "backtest" and finished:
        return _faults(run.folder, lambda: read_figures(run), lambda: read_settings(run), lambda: _check_returns(run))
    if run.kind == "sweep":
        trials = run.folder / TRIALS
        checks: list[Callable[[], Any]] = [lambda: read_key(run)] if os.path.lexists(run.folder / SWEEP) else []
        if os.path.lexists(trials) or finished:
            checks.append(lambda: check_trials(trials, read_footer(trials).schema.names))
        return _faults(run.folder, *checks)
    if run.kind == "train":
        return _of_training(run, finished)
    return _faults(run.folder, run.metrics) if (run.folder / METRICS).exists() else []


def _of_training(run: Run, finished: bool) -> Iterator[Damage]:
    """A model is not moved with a record that no command needs to load it."""
    if finished:
        yield from _faults(run.folder, lambda: _check_model(run.folder / BEST))
        for name, check in ((METRICS, run.metrics), (LOG, lambda: _check_log(run.folder))):
            if os.path.lexists(run.folder / name):
                yield from _faults(run.folder / name, check)
    else:
        if os.path.lexists(run.folder / JOB_FILE):
            yield from _faults(run.folder, lambda: read_model(run.folder / JOB_FILE, TrainingJob))
        yield from _faults(run.folder, lambda: check_state(run.folder / STATE_FOLDER))
    yield from _faults(run.folder / SPEED, lambda: read_launches(run.folder))


def _check_log(folder: Path) -> None:
    rows = read_log(folder)
    if not rows or not all("phase" in row and "step" in row for row in rows):
        raise DataError(f"{folder / LOG}: expected rows with phase and step")


def _check_returns(run: Run) -> None:
    path = run.folder / "returns.parquet"
    footer = read_footer(path)
    if not {"date", "return"} <= {*footer.schema.names} or not footer.num_rows:
        raise DataError(f"{path}: expected rows with the columns date and return")


def _check_model(folder: Path) -> None:
    """A model's configuration, card, and the header of its weights, for reading them takes long."""
    from kronos_quant.model.kronos import Kronos, KronosTokenizer

    kind = kind_of(folder)
    builds = {"tokenizer": KronosTokenizer, "predictor": Kronos}
    if kind is None:
        raise DataError(f"{folder}: expected a model")
    for part, build in builds.items():
        place = folder / part if kind == "pair" else folder
        if kind in ("pair", part):
            for name in ("config.json", "model.safetensors"):
                regular_file(place / name)
            check_network(place, build)
    if os.path.lexists(folder / CARD_FILE):
        read_card(folder)


def _publish(workspace: WorkspaceFolder) -> list[str]:
    """Publish the bars again, or point to the newest whole snapshot where the database cannot be read.

    The damaged snapshot is moved away afterwards, so that at no time there is none.
    """
    folder, database = workspace.root / DB_FOLDER / SNAPSHOTS, workspace.root / DB_FOLDER / DATABASE
    done: list[str] = []
    with ingest_lock(workspace.root):
        try:
            old = folder / (current_name(folder) or "")
        except DataError:
            old = folder
        if (folder / CURRENT).is_dir():  # no file can be renamed to its place
            done.append(f"moved {folder / CURRENT} to {_move_aside(workspace, folder / CURRENT)}")
        try:
            check_database(database)  # of a missing one an empty market would be published
            with open_database(workspace.root) as connection:
                new = publish(workspace.root, connection)
            done.append(f"published the bars again as {new.folder}")
        except DataError as error:
            pointed = point_to_newest(folder)
            if pointed is None:
                raise
            new = pointed
            done.append(f"{error}; the newest whole snapshot is used: {new.folder} of {new.created:%Y-%m-%d}")
        if old not in (folder, new.folder) and old.exists():
            done.append(f"moved {old} to {_move_aside(workspace, old)}")
    return done


def _move_aside(workspace: WorkspaceFolder, path: Path) -> Path:
    name = "-".join(path.relative_to(workspace.root).parts[-3:])
    target = workspace.runs / DAMAGED / name
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{name}-{number}")
    make_folder(target.parent)
    move(path, target)
    return target
