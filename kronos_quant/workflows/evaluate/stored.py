"""The signals of a recipe that are there already, and those that a command could compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.evaluation.contender import PATHS
from kronos_quant.signals import make_plan, sessions_needed
from kronos_quant.signals.generate import sessions_between
from kronos_quant.workflows.signals import SignalSource
from kronos_quant.workflows.trading import first_unseen


@dataclass(frozen=True, slots=True)
class Stored:
    """A recipe's signals that are there already: those of `dates`; the `missing` sessions have none."""

    name: str
    source: SignalSource
    dates: list[date]
    missing: list[date]

    @property
    def says(self) -> str:
        """In words."""
        return f"recipe {self.name}, model {self.source.weights.name}, ranked by {self.source.recipe.ranks_by}"

    @property
    def command(self) -> str | None:
        """What computes the missing sessions."""
        if not self.missing:
            return None
        return f"kq signal --start {self.missing[0]} --end {self.missing[-1]} --recipe {self.name}"

    def lack(self) -> list[str]:
        """What is missing, with the command that computes it."""
        count = f"{len(self.missing)} session{'s' if len(self.missing) > 1 else ''}"
        told = f"recipe {self.name}: {count} from {self.missing[0]} to {self.missing[-1]}" if self.missing else ""
        return [f"{told} have no signals; to compute them: {self.command}"] if told else []

    def rows(self) -> pl.DataFrame:
        """The signals as the evaluation takes them: with their moments as time, and their paths where they are."""
        found, recipe = self.source.read(self.dates, by_bar=True), self.source.recipe
        if recipe.recipe.paths:
            finals = self.source.store.read_finals(self.dates, PATHS)
            found = found.join(finals, on=["asof", "symbol"], how="left", maintain_order="left")
        return found.with_columns(recipe.moment.alias("time"))


def find_stored(source: SignalSource, name: str, start: date | None, end: date | None) -> Stored:
    """What the store holds and would compute alike today. Raises DataError where that is nothing."""
    dates = sessions_between(source.market, start or _first(source), end)
    there, missing = stored_dates(source, sessions_needed(source.market, source.recipe, dates))
    found = Stored(name, source, [on for on in dates if on in there], missing)
    if not found.dates:
        raise DataError(
            f"recipe {name}: no signals in the store from {dates[0]} to {dates[-1]}",
            hint=found.command or "kq signal list shows what is there",
        )
    return found


def _first(source: SignalSource) -> date | None:
    if source.weights.card.targets:
        return first_unseen(source)
    folders = [member.store for member in source.members] or [source.store]
    return max((dates[0] for dates in (folder.dates() for folder in folders) if dates), default=None)


def stored_dates(source: SignalSource, dates: Sequence[date]) -> tuple[set[date], list[date]]:
    """Those of `dates` that are stored and would be computed alike today, and those that a command could compute."""
    if source.members:
        parts = [
            stored_dates(member, sessions_needed(source.market, member.recipe, dates)) for member in source.members
        ]
        there = set.intersection(*(part[0] for part in parts))
        return there, sorted({on for _, missing in parts for on in missing})
    if source.recipe.recipe.imported is not None:
        return set(source.store.dates()) & set(dates), []
    plan = make_plan(source.market, source.recipe, source.store, dates)
    return set(plan.present), [work.on for work in plan.missing]
