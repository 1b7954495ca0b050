"""What the store holds under a name or a digest, and which recipes of a workspace name what is in it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from kronos_quant.errors import CheckpointError, ConfigError, DataError, KronosQuantError, listed
from kronos_quant.market import Market
from kronos_quant.signals import RANKED, SCORES, SignalFolder, SignalSource, StoredSignals, open_source, stored_folders
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Named:
    """The recipes of a workspace: those that could be opened, and why the others could not."""

    sources: dict[str, SignalSource]
    troubles: dict[str, str]

    def of(self, digest: str) -> list[str]:
        """The recipes whose signals lie under a digest, a blend's under those of its members."""
        return [
            name
            for name, source in self.sources.items()
            if any(digest == each.recipe.digest for each in source.sources())
        ]


def open_recipes(workspace: WorkspaceFolder, market: Market) -> Named:
    """Every recipe in signals/, opened or refused."""
    sources: dict[str, SignalSource] = {}
    troubles: dict[str, str] = {}
    for path in sorted((workspace.root / "signals").glob("*.yaml")):
        try:
            sources[path.stem] = open_source(workspace, path.stem, market)
        except KronosQuantError as error:
            troubles[path.stem] = str(error).partition("\n")[0]
    return Named(sources, troubles)


def stored_signals(
    workspace: WorkspaceFolder,
    name: str,
    market: Market,
    start: date | None,
    end: date | None,
    *,
    newest: bool = False,
    by_bar: bool = False,
) -> StoredSignals:
    """What the store holds under a recipe's name or digest from `start` to `end`, or of the newest session alone.

    by_bar : see `signals.finished_rows`
    """
    for on in (start, end):
        if on is not None:
            market.check_session(on)
    if not workspace.recipe_file(name).is_file():
        folder = _by_digest(workspace, name)
        return _as_stored(folder, folder.digest, _within(folder.dates(), start, end, newest, name))
    try:
        source = open_source(workspace, name, market)
    except CheckpointError as error:
        folder = _of_gone_model(workspace, name, error)
        logger.warning("%s: %s: shown as stored, whether the bars are still the same is not known", name, error)
        return _as_stored(folder, name, _within(folder.dates(), start, end, newest, name))
    dates = _within(source.stored_dates(), start, end, newest, name)
    broken = [path for path in source.store.broken() if date.fromisoformat(path.stem) in dates]
    if broken:
        raise DataError(
            f"{broken[0]}: not a readable signal file: cut off, or no Parquet ({len(broken)} in all)",
            hint=f"kq signal --recipe {name} --start {broken[0].stem} --end {broken[-1].stem} computes it anew",
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
            f"{name}: the sessions before {dates[0]} that its steps or calibration look at are not in the store",
            hint=f"kq signal --recipe {name} --start {dates[0]} --end {dates[-1]}",
        )
    recipe, rows = source.recipe, source.read(whole, by_bar=by_bar)
    return StoredSignals(name, recipe.digest, f"model {recipe.model}", recipe.ranks_by, rows, recipe.moment)


def _as_stored(folder: SignalFolder, name: str, dates: Sequence[date]) -> StoredSignals:
    """The raw rows of a folder that no recipe stands for, by the first column that may rank."""
    rows, note = folder.read(dates), folder.note()
    score = next((column for column in ("last", RANKED, *SCORES) if column in rows.columns), rows.columns[-1])
    moment = note.moment if note else pl.col("asof")
    return StoredSignals(name, folder.digest, f"model {note.model if note else 'unknown'}", score, rows, moment)


def _within(dates: Iterable[date], start: date | None, end: date | None, newest: bool, name: str) -> list[date]:
    found = sorted(on for on in dates if (start is None or on >= start) and (end is None or on <= end))
    if not found:
        asked = f" from {start or 'the first'} to {end or 'the last'}" if start or end else ""
        raise DataError(f"{name}: no signals in the store{asked}", hint=f"kq signal --recipe {name}")
    return found[-1:] if newest else found


def _by_digest(workspace: WorkspaceFolder, name: str) -> SignalFolder:
    found = [folder for folder in stored_folders(workspace.signal_store) if folder.digest.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{name}: several digests begin so: {listed(folder.digest for folder in found)}")
    raise ConfigError(f"{name}: no recipe in signals/ and no digest in the store", hint="kq signal list")


def _of_gone_model(workspace: WorkspaceFolder, name: str, error: CheckpointError) -> SignalFolder:
    """What was stored under a recipe whose model cannot be read any more; the error where that is not one thing."""
    found = [folder for folder in stored_folders(workspace.signal_store) if _name_of(folder) == name]
    if len(found) != 1:
        told = listed(folder.digest for folder in found) if found else "nothing"
        raise CheckpointError(f"{error}; stored under this recipe: {told}", hint="kq signal show DIGEST") from error
    return found[0]


def _name_of(folder: SignalFolder) -> str | None:
    """The recipe that a folder was made by, if it says so readably."""
    try:
        note = folder.note()
    except DataError:
        return None
    return note.name if note is not None else None
