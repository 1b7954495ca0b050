"""What the store holds under a name or a digest, and which recipes of a workspace name what is in it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

import polars as pl

from kronos_quant.errors import CheckpointError, ConfigError, DataError, KronosQuantError, counted, listed
from kronos_quant.market import Market
from kronos_quant.signals import MOMENT, RANKED, SCORES, SignalFolder, make_plan, sessions_needed, stored_folders
from kronos_quant.workflows.signals import SignalSource, in_order, open_source, shown_columns
from kronos_quant.workspace import WorkspaceFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Named:
    """The recipes of a workspace: those that could be opened, and why the others could not."""

    sources: dict[str, SignalSource]
    troubles: dict[str, str]

    def of(self, digest: str) -> list[str]:
        """The recipes whose signals lie under a digest, a blend's under those of its members."""
        return [name for name, source in self.sources.items() if digest in _digests(source)]


@dataclass(frozen=True, slots=True)
class Shown:
    """Signals that are in the store, under a name: rows of date, asof, symbol and scores, and the column that ranks."""

    name: str
    digest: str
    model: str
    score: str
    rows: pl.DataFrame
    moment: pl.Expr
    """Of a row."""

    def ranked(self) -> pl.DataFrame:
        """date, moment, symbol, score."""
        return self.rows.select("date", self.moment.alias(MOMENT), "symbol", pl.col(self.score).alias("score"))

    def moments(self) -> list[datetime]:
        """The distinct moments of the rows, ascending."""
        return self.rows.select(self.moment.unique().sort()).to_series().to_list()

    def at(self, moment: datetime) -> Shown:
        """The rows of one moment. Raises DataError where there are none."""
        if moment not in self.moments():
            there = listed(f"{each:%H:%M}" for each in self.moments())
            raise DataError(f"{self.name}: no signals asof {moment:%Y-%m-%d %H:%M}", hint=f"that session has {there}")
        return replace(self, rows=self.rows.filter(self.moment == moment))

    def ends(self, top: int) -> list[dict[str, Any]]:
        """The `top` best and the `top` worst rows, best first."""
        ordered = in_order(self.rows, self.score).select(shown_columns(self.rows, self.score))
        shown = ordered if ordered.height <= 2 * top else pl.concat([ordered.head(top), ordered.tail(top)])
        return shown.to_dicts()

    def lines(self) -> list[str]:
        """What it is, in words."""
        known = self.rows[self.score].is_finite().sum()
        on, moment = self.rows["date"][0], self.moments()[-1]
        when = on if moment.date() == on and moment.time() == time() else moment.strftime("%Y-%m-%d %H:%M")
        return [
            f"{counted(self.rows.height, 'symbol')} on {when}, {known} with a {self.score}, best and worst shown",
            f"recipe {self.name} ({self.digest}), {self.model}",
        ]

    def as_dict(self, top: int) -> dict[str, Any]:
        """For --json."""
        return {
            "recipe": self.name,
            "recipe_digest": self.digest,
            "model": self.model,
            "score": self.score,
            "symbols": self.rows.height,
            "rows": self.ends(top),
        }


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
) -> Shown:
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
    dates = _within(_stored_dates(source), start, end, newest, name)
    broken = [path for path in source.store.broken() if date.fromisoformat(path.stem) in dates]
    if broken:
        raise DataError(
            f"{broken[0]}: not a readable signal file: cut off, or no Parquet ({len(broken)} in all)",
            hint=f"kq signal --recipe {name} --start {broken[0].stem} --end {broken[-1].stem} computes it anew",
        )
    stale = stale_dates(source, dates)
    if stale:
        raise DataError(
            f"{name}: {len(stale)} of {len(dates)} sessions were computed from other bars: {listed(stale)}",
            hint=f"kq signal --recipe {name} --start {stale[0]} --end {stale[-1]}",
        )
    whole = _with_history(source, dates)
    if not whole:
        raise DataError(
            f"{name}: the sessions before {dates[0]} that its steps or calibration look at are not in the store",
            hint=f"kq signal --recipe {name} --start {dates[0]} --end {dates[-1]}",
        )
    recipe, rows = source.recipe, source.read(whole, by_bar=by_bar)
    return Shown(name, recipe.digest, f"model {source.weights.name}", recipe.ranks_by, rows, recipe.moment)


def _as_stored(folder: SignalFolder, name: str, dates: Sequence[date]) -> Shown:
    """The raw rows of a folder that no recipe stands for, by the first column that may rank."""
    rows, note = folder.read(dates), folder.note()
    score = next((column for column in ("last", RANKED, *SCORES) if column in rows.columns), rows.columns[-1])
    moment = note.moment if note else pl.col("asof")
    return Shown(name, folder.digest, f"model {note.model if note else 'unknown'}", score, rows, moment)


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


def _stored_dates(source: SignalSource) -> list[date]:
    if source.members:
        return sorted(set.intersection(*(set(_stored_dates(member)) for member in source.members)))
    return source.store.dates()


def _name_of(folder: SignalFolder) -> str | None:
    """The recipe that a folder was made by, if it says so readably."""
    try:
        note = folder.note()
    except DataError:
        return None
    return note.name if note is not None else None


def stale_dates(source: SignalSource, dates: Sequence[date]) -> list[date]:
    """Stored dates whose bars are not those that they were computed from."""
    return sorted(_lacking(source, dates))


def _lacking(source: SignalSource, dates: Sequence[date]) -> set[date]:
    """The dates whose raw rows are missing or were computed from other bars, in any member of a blend."""
    if source.members:
        return {on for member in source.members for on in _lacking(member, dates)}
    if source.recipe.recipe.imported is not None or not dates:
        return set()
    return {work.on for work in make_plan(source.market, source.recipe, source.store, dates).missing}


def _with_history(source: SignalSource, dates: Sequence[date]) -> list[date]:
    """The dates that have all in the store that they look back at: without it their score would be another one."""
    needed = sessions_needed(source.market, source.recipe, dates)
    lacking = _lacking(source, needed)
    whole = [on for on in dates if not lacking.intersection(sessions_needed(source.market, source.recipe, [on]))]
    for member in source.members:
        back = set(needed) - set(_with_history(member, needed))
        whole = [on for on in whole if not back.intersection(sessions_needed(source.market, source.recipe, [on]))]
    return whole


def with_members(source: SignalSource) -> list[SignalSource]:
    """A source, and the sources that it blends."""
    return [source, *(inner for member in source.members for inner in with_members(member))]


def _digests(source: SignalSource) -> set[str]:
    return {each.recipe.digest for each in with_members(source)}
