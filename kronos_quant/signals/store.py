"""The signal store: one Parquet file a session date, under the digest of its recipe.

    signals/store/<recipe digest>/recipe.json
    signals/store/<recipe digest>/<date>.parquet

A file carries the digest of what its date saw (window bars, members, future stamps). It is served only while that
still holds, so a restated bar recomputes exactly the dates that saw it. Files are written aside and renamed: writers
need no lock and readers see whole files.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.files import write_aside, write_json
from kronos_quant.signals.recipe import ResolvedRecipe

_SEEN = "kq.seen"


class SignalStore:
    """The signals of one resolved recipe."""

    def __init__(self, root: Path, recipe: ResolvedRecipe) -> None:
        self.recipe = recipe
        self.folder = root / recipe.digest

    def path(self, on: date) -> Path:
        """Where the signals of a session date lie."""
        return self.folder / f"{on.isoformat()}.parquet"

    def holds(self, on: date, seen: str) -> bool:
        """Whether the date is stored and was computed from what it would see now."""
        path = self.path(on)
        return path.is_file() and _metadata(path).get(_SEEN) == seen

    def write(self, on: date, scores: pl.DataFrame, seen: str) -> None:
        """Store a date, replacing what was there."""
        note = self.folder / "recipe.json"
        if not note.exists():
            write_json(note, self.recipe.as_dict())
        with write_aside(self.path(on)) as partial:
            scores.write_parquet(partial, metadata={_SEEN: seen})

    def read(self, dates: list[date]) -> pl.DataFrame:
        """Rows (date, asof, symbol, scores…) of the dates, in their order; dates without a file are left out."""
        frames = [_read(self.path(on)) for on in dates if self.path(on).is_file()]
        if not frames:
            raise DataError("no signals in the store for these dates", hint="kq signal --start … --end …")
        return pl.concat(frames)


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not a readable signal file: {error}", hint="delete it and run kq signal") from error


def _metadata(path: Path) -> dict[str, str]:
    try:
        return pl.read_parquet_metadata(path)
    except (pl.exceptions.PolarsError, OSError):
        return {}  # a broken file is not held: it is computed anew
