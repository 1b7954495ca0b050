"""`kq signal import` and `export`: signals from elsewhere, and for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from kronos_quant.config import load_yaml
from kronos_quant.errors import ConfigError, counted
from kronos_quant.files import write_text
from kronos_quant.market import workspace_market
from kronos_quant.signals import (
    ForeignSignals,
    Recipe,
    check_name,
    open_source,
    read_foreign,
    store_foreign,
    write_export,
)
from kronos_quant.workflows.signal_store.finding import stored_signals
from kronos_quant.workspace import WorkspaceFolder


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What `kq signal import` read and where it is now."""

    name: str
    signals: ForeignSignals
    replaced: int
    recipe: Path
    folder: Path

    def lines(self) -> list[str]:
        """The report in words."""
        told = self.signals.lines()
        told += [f"{self.replaced} sessions were there already and are replaced"] if self.replaced else []
        return [*told, f"recipe {self.recipe}: back-test it with `signal: {self.name}`", f"store: {self.folder}"]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        told = {"name": self.name, "replaced": self.replaced, "recipe": self.recipe, "store": self.folder}
        return told | self.signals.as_dict()


def export_signals(
    workspace: WorkspaceFolder, out: Path, name: str, form: str, start: date | None, end: date | None
) -> list[str]:
    """Write stored signals to a file that is not there yet: parquet, csv or qlib; returns what was done, in words."""
    if form not in ("parquet", "csv", "qlib"):
        raise ConfigError(f"--format: expected parquet, csv or qlib, found {form!r}")
    shown = stored_signals(workspace, name, workspace_market(workspace), start, end, by_bar=form == "parquet")
    write_export(out, shown.frame, shown.score, form, shown.moment)  # type: ignore[arg-type]
    dates = shown.frame["date"].unique().sort()
    return [
        f"{out}: {counted(shown.frame.height, 'signal')} of {counted(len(dates), 'session')}, {dates[0]} to {dates[-1]}"
    ]


def import_signals(
    workspace: WorkspaceFolder, path: Path, name: str, score: str | None, horizon: int | None, *, replace: bool
) -> ImportReport:
    """Store a table of signals made elsewhere, all of it or nothing, and write the recipe that names it.

    score : its column that ranks; horizon : bars ahead that it speaks of, for calibration and evaluation.
    Raises DataError or ConfigError before anything is written.
    """
    market = workspace_market(workspace)
    recipe_file = workspace.recipe_file(check_name(name))
    if recipe_file.exists() and load_yaml(Recipe, recipe_file).imported != name:
        raise ConfigError(f"--name: {recipe_file} is another recipe already", hint="choose another name")
    if recipe_file.exists():
        score = score or load_yaml(Recipe, recipe_file).score
    signals = read_foreign(path, market, score)
    if not recipe_file.exists():
        settings = {"imported": name, "score": signals.score} | ({"horizon": horizon} if horizon else {})
        text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
        write_text(recipe_file, f"# Signals made elsewhere, imported by `kq signal import`.\n{text}")
    source = open_source(workspace, name, market)
    if horizon is not None and source.recipe.horizon != horizon:
        raise ConfigError(f"--horizon: {recipe_file} says {source.recipe.horizon}, found {horizon}")
    replaced = store_foreign(source.store, signals, replace=replace)
    return ImportReport(name, signals, replaced, recipe_file, source.store.folder)
