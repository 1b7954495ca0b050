"""The signals of a recipe that are there already, and those that a command could compute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.evaluation.contender import PATHS
from kronos_quant.signals import SignalSource, sessions_between


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
        return f"recipe {self.name}, model {self.source.recipe.model}, ranked by {self.source.recipe.ranks_by}"

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
        finals = self.source.path_returns(self.dates, PATHS)
        if finals is not None:
            found = found.join(finals, on=["asof", "symbol"], how="left", maintain_order="left")
        return found.with_columns(recipe.moment.alias("time"))


def find_stored(source: SignalSource, name: str, start: date | None, end: date | None) -> Stored:
    """What the store holds and would compute alike today. Raises DataError where that is nothing."""
    first = source.first_stored() if source.test_start is None else source.first_unseen()
    dates = sessions_between(source.market, start or first, end)
    there, missing = source.coverage(source.needed(dates))
    found = Stored(name, source, [on for on in dates if on in there], missing)
    if not found.dates:
        raise DataError(
            f"recipe {name}: no signals in the store from {dates[0]} to {dates[-1]}",
            hint=found.command or "kq signal list shows what is there",
        )
    return found
