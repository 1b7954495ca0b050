"""External signals: a table that was read and checked whole is stored as an import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from kronos_quant.bounds import MOST_BARS
from kronos_quant.config import load_yaml
from kronos_quant.display import FORMULA, TextReport
from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.files import disk_errors, make_folder, write_text
from kronos_quant.inputs import LONGEST_NAME, PathLike, Table, as_count, as_name, short_repr
from kronos_quant.locks import WAIT_FOR_EVER, held_lock
from kronos_quant.market import Market
from kronos_quant.schema import DAILY, quantile_columns
from kronos_quant.signals.recipe import Recipe
from kronos_quant.signals.source import open_source
from kronos_quant.signals.store import NOTE_FILE, SignalStore
from kronos_quant.signals.table import KEYS, ScoreTable, read_market_scores
from kronos_quant.workspace import WorkspaceFolder


@dataclass(frozen=True, slots=True, repr=False)
class ImportReport(TextReport):
    """What `kq signal import` read, and where it lies."""

    name: str
    signals: ScoreTable
    replaced: int
    recipe: Path
    folder: Path

    def lines(self) -> list[str]:
        """The report in words."""
        lines = self.signals.lines()
        lines += [f"replaced: {counted(self.replaced, 'session')} already stored"] if self.replaced else []
        return [*lines, f"recipe {self.recipe}: back-test it with `recipe: {self.name}`", f"store: {self.folder}"]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        report = {"name": self.name, "replaced": self.replaced, "recipe": self.recipe, "store": self.folder}
        return report | self.signals.as_dict()


def import_table(
    workspace: WorkspaceFolder,
    market: Market,
    source: PathLike | Table,
    name: str,
    score: str | None = None,
    horizon: int | None = None,
    *,
    replace: bool = False,
) -> ImportReport:
    """Store a table and write the recipe that names it: see `Workspace.import_signals`."""
    recipe_file = workspace.recipe_file(as_name(name, "--name"))
    if horizon is not None:
        horizon = as_count(horizon, "horizon", most=MOST_BARS)
    if recipe_file.exists():
        recipe = load_yaml(Recipe, recipe_file)
        if recipe.imported != name:
            raise ConfigError(f"--name: {recipe_file} is already another recipe", hint="Choose another name.")
        score = score or recipe.score
    signals = read_external(source, market, score)
    with _undone(recipe_file) as stores:
        if not recipe_file.exists():
            _write_recipe(recipe_file, name, signals.score, horizon)
        target = open_source(workspace, name, market)
        stores.append(target.store)
        if horizon is not None and target.recipe.horizon != horizon:
            raise ConfigError(f"--horizon: {recipe_file} says {target.recipe.horizon}, found {horizon}")
        replaced = store_external(target.store, signals, replace=replace)
    return ImportReport(name, signals, replaced, recipe_file, target.store.folder)


def _write_recipe(path: Path, name: str, score: str, horizon: int | None) -> None:
    settings = {"imported": name, "score": score} | ({"horizon": horizon} if horizon else {})
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    write_text(path, f"# External signals, imported by `kq signal import`.\n{text}")


@contextmanager
def _undone(recipe_file: Path) -> Iterator[list[SignalStore]]:
    """Inside the block an import is made; where it fails, its new recipe and its store without signals are removed.

    Yields where to name the store.
    """
    is_new, stores = not recipe_file.exists(), list[SignalStore]()
    try:
        yield stores
    except BaseException:
        if is_new:
            recipe_file.unlink(missing_ok=True)
        for store in stores:
            if not store.is_import:
                (store.folder / NOTE_FILE).unlink(missing_ok=True)
                with suppress(OSError):  # another import of the same name is about to write there
                    store.folder.rmdir()
        raise


def read_external(source: PathLike | Table, market: Market, score: str | None = None) -> ScoreTable:
    """The table of `read_market_scores`, with the rows of sessions of the market.

    Of intraday bars asof is the end of a bar, and a date alone means the close of its session. Raises DataError also
    for quantiles that descend, and for a table of which nothing is left.
    """
    table = read_market_scores(source, market, score)
    place = str(source) if isinstance(source, str | Path) else "signals"
    odd = [name for name in table.frame.columns if not name.isprintable() or name.startswith(FORMULA)]
    odd += [name for name in table.frame.columns if not 0 < len(name) <= LONGEST_NAME]
    if odd:
        expected = f"columns with names of 1 to {LONGEST_NAME} characters that a spreadsheet takes for no formula"
        raise DataError(
            f"{place}: expected {expected}, found {short_repr(odd[0])}", hint="Rename or delete the column."
        )
    _check_quantiles(table.frame, place)
    rows = _on_moments(table.frame, market)
    if rows.is_empty():
        known = market.sessions()
        raise DataError(
            f"{place}: none of {counted(table.frame.height, 'score')} is of a session of the data "
            f"({known[0]} to {known[-1]})"
        )
    return replace(table, frame=rows.sort(KEYS), no_session=table.frame.height - rows.height)


def _on_moments(frame: pl.DataFrame, market: Market) -> pl.DataFrame:
    """The rows of sessions of the market; of intraday bars, of the ends of bars, with the date of their session."""
    if market.freq == DAILY:
        return frame.filter(pl.col("date").is_in(market.sessions()))
    ends = market.times()
    if (frame["asof"] == frame["asof"].dt.date().cast(pl.Datetime("us"))).all():
        closes = ends.group_by("date").agg(pl.col("time").max().alias("asof"))
        return frame.drop("asof").join(closes, on="date").select(frame.columns)
    return frame.drop("date").join(ends.rename({"time": "asof"}), on="asof").select(frame.columns)


def store_external(store: SignalStore, signals: ScoreTable, *, replace: bool) -> int:
    """Add a table to an import, all of it or nothing; returns how many sessions were replaced.

    Raises DataError for overlapping sessions unless `replace`, and for other columns than those that are stored.
    """
    with disk_errors(store.folder):
        make_folder(store.folder)
        # reading, merging and writing is one step: two imports at once would lose one
        with held_lock(store.folder / ".lock", WAIT_FOR_EVER):
            there = store.dates() if store.is_import else []
            overlap = sorted(set(there) & set(signals.frame["date"]))
            if overlap and not replace:
                raise DataError(
                    f"{store.recipe.name}: {counted(len(overlap), 'session')} already imported: {listed(overlap)}",
                    hint="Add --replace to overwrite them.",
                )
            kept = [on for on in there if on not in set(overlap)]
            frames = [*([store.read(kept)] if kept else []), signals.frame]
            if frames[0].schema != signals.frame.schema:
                old, new = (listed(frame.columns[3:]) for frame in frames)
                raise DataError(
                    f"{store.recipe.name}: the columns differ: {old} there, {new} in the file",
                    hint="Import it under another name.",
                )
            store.write_import(pl.concat(frames).sort(KEYS))
    return len(overlap)


def _check_quantiles(frame: pl.DataFrame, place: str) -> None:
    """Raise DataError for two columns of one level, and for rows whose quantiles descend."""
    levels = quantile_columns(frame.columns)
    for (name, level), (other, its) in pairwise(levels.items()):
        if level == its:
            raise DataError(f"{place}: {name} and {other} are the same quantile")
        wrong = frame.filter(pl.col(name).is_finite() & pl.col(other).is_finite() & (pl.col(name) > pl.col(other)))
        if not wrong.is_empty():
            first = " ".join(str(value) for value in wrong.select("symbol", "date").row(0))
            raise DataError(f"{place}: {name} is above {other} in {wrong.height} rows, the first of {first}")
