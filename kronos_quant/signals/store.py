"""The signal store: one Parquet file a session date, under the digest of its recipe. A row is of an asof and a symbol.

    signals/store/<recipe digest>/recipe.json
    signals/store/<recipe digest>/<date>.parquet
    signals/store/<recipe digest>/imported.parquet   instead, for signals made elsewhere

A file carries the digest of what its date saw (window bars, members, future stamps). It is served only while that
still holds, so a restated bar recomputes exactly the dates that saw it. Files are written aside and renamed: writers
need no lock and readers see whole files.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from kronos_quant.errors import DataError
from kronos_quant.files import write_aside, write_json
from kronos_quant.readers import read_footer, read_json
from kronos_quant.schema import DAILY, check_table
from kronos_quant.signals.moments import DecisionPoints, moment_of
from kronos_quant.signals.recipe import ResolvedRecipe

FORMAT = 3
"""Of recipe.json and of the files next to it; raised by hand when an older version could not read them."""
IMPORTED_FILE = "imported.parquet"
NOTE_FILE = "recipe.json"

_SEEN = "kq.seen"
_FORMAT = "kq.format"
_SHAPE = "kq.shape"
_ANEW = "Delete it and run kq signal again."
_NOTE_ANEW = "Delete this file only: the next kq signal or import of the recipe writes it again."


@dataclass(frozen=True, slots=True)
class Note:
    """recipe.json: what the stored numbers were made with."""

    name: str
    """The recipe's file when they were, and `model` what it stood for."""
    model: str
    recipe: dict[str, Any]
    """What the digest is computed from."""

    @property
    def moment(self) -> pl.Expr:
        """Of a stored row, the moment whose scores it is ranked against."""
        usual = self.recipe.get("asof") in (None, DecisionPoints.model_validate({}).model_dump(mode="json"))
        return moment_of(str(self.recipe.get("freq", DAILY)), at_close=usual and "imported" not in self.recipe)


class SignalFolder:
    """The signals under one recipe digest, as they lie on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def digest(self) -> str:
        """Of the recipe."""
        return self.folder.name

    @property
    def is_import(self) -> bool:
        """Whether they were made elsewhere."""
        return (self.folder / IMPORTED_FILE).is_file()

    def path(self, on: date) -> Path:
        """Where the signals of a session date lie."""
        return self.folder / f"{on.isoformat()}.parquet"

    def note(self) -> Note | None:
        """What they were made with; None where it was not written yet.

        Raises DataError for a note that is broken or of a newer version of this program.
        """
        path = self.folder / NOTE_FILE
        if not os.path.lexists(path):
            return None
        content = read_json(path, hint=_NOTE_ANEW)
        check_format(path, content.get("format", 1))
        recipe = content.get("recipe", content)
        if not isinstance(recipe, dict):
            raise DataError(f"{path}: recipe: expected an object, found {type(recipe).__name__}", hint=_NOTE_ANEW)
        if not recipe:
            raise DataError(f"{path}: expected the recipe of the signals, found none", hint=_NOTE_ANEW)
        return Note(str(content.get("name", "")), str(content.get("model", "")), recipe)

    def dates(self) -> list[date]:
        """The session dates that have a file or, of an import, rows; ascending."""
        if self.is_import:
            return self._imported(["date"])["date"].unique().sort().to_list()
        return [date.fromisoformat(path.stem) for path in self.files()]

    def read(self, dates: Sequence[date], *, paths: bool = False) -> pl.DataFrame:
        """Rows (date, asof, symbol, scores…) of the dates, in their order; dates that are not there are left out.

        paths : read the stored paths too, many times as large as all the rest.
        Raises DataError where none is, for a file that cannot be read, and for one of a newer version.
        """
        self.note()
        if self.is_import:
            order = pl.DataFrame({"date": list(dates)}, schema={"date": pl.Date})
            frames = [order.join(self._imported(), on="date", maintain_order="left_right")]
        else:
            frames = [_read(self.path(on), paths=paths) for on in dates if self.path(on).is_file()]
        if not sum(frame.height for frame in frames):
            raise DataError("no signals in the store for these dates", hint="kq signal list")
        return pl.concat(frames)

    def read_finals(self, dates: Sequence[date], name: str) -> pl.DataFrame:
        """asof, symbol and as `name` the returns of the stored paths at the horizon, float32[S] a row.

        Raises DataError for a file that cannot be read or holds no paths.
        """
        frames = []
        for on in dates:
            rows = _read(self.path(on), paths=True)
            finals = np.ascontiguousarray(rows["paths"].to_numpy()[:, :, -1])
            column = pl.Series(name, finals, dtype=pl.Array(pl.Float32, finals.shape[1]))
            frames.append(rows.select("asof", "symbol").with_columns(column))
        return pl.concat(frames)

    def broken(self) -> list[Path]:
        """Files that are cut off, no Parquet or not written here, and an import without the columns of one."""
        ours = {_FORMAT, _SEEN, _SHAPE}
        found = [path for path in self.files() if not ours & (_metadata(path) or {}).keys()]
        if self.is_import and (path := self.folder / IMPORTED_FILE) not in found:
            columns = read_footer(path).schema.names
            found += [path] if not {"date", "symbol"} <= {*columns} else []
        return found

    def files(self) -> list[Path]:
        """The signal files by name, without what a killed writer left next to them."""
        found = [path for path in self.folder.glob("*.parquet") if _is_date(path.stem) or path.name == IMPORTED_FILE]
        return sorted(found)

    def bytes(self) -> int:
        """Size of all files."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())

    def _imported(self, names: Sequence[str] | None = None) -> pl.DataFrame:
        return _read(self.folder / IMPORTED_FILE, names, hint=f"Delete {self.folder} and import everything again.")


class SignalStore(SignalFolder):
    """The signals of one resolved recipe."""

    def __init__(self, root: Path, recipe: ResolvedRecipe) -> None:
        super().__init__(root / recipe.digest)
        self.root, self.recipe = root, recipe

    def holds(self, on: date, seen: str) -> bool:
        """Whether the date is stored and was computed from what it would see now."""
        path = self.path(on)
        if not path.is_file():
            return False
        metadata = _metadata(path) or {}  # a broken file is not held: it is computed again
        check_format(path, metadata.get(_FORMAT, "1"))
        return metadata.get(_SEEN) == seen

    def write(self, on: date, scores: pl.DataFrame, seen: str) -> None:
        """Store a date, replacing what was there."""
        self.write_note()
        _write(self.path(on), scores, {_SEEN: seen})

    def write_import(self, scores: pl.DataFrame) -> None:
        """Store a table that was made elsewhere, replacing what was there."""
        self.write_note()
        check_table("signals.imported", scores)
        _write(self.folder / IMPORTED_FILE, scores, {})

    def write_note(self) -> None:
        """Write recipe.json unless it is there already; one of a newer version is an error."""
        if self.note() is None:
            recipe = self.recipe
            note = {"format": FORMAT, "name": recipe.name, "model": recipe.model, "recipe": recipe.content()}
            write_json(self.folder / NOTE_FILE, note)


def stored_folders(root: Path) -> list[SignalFolder]:
    """Everything in the store, by digest."""
    found = sorted(root.iterdir()) if root.is_dir() else []
    return [SignalFolder(path) for path in found if path.is_dir() and re.fullmatch(r"[0-9a-f]{16}", path.name)]


def check_format(path: Path, found: object) -> None:
    """Raise DataError for a file that a newer version of this program wrote."""
    number = int(found) if isinstance(found, int | str) and str(found).isdigit() else None
    if number is None or number > FORMAT:
        raise DataError(
            f"{path}: written by a newer kronos-quant (store format {found}; this one knows {FORMAT})",
            hint="pip install --upgrade kronos-quant",
        )


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _write(path: Path, rows: pl.DataFrame, metadata: dict[str, str]) -> None:
    table = rows.to_arrow()
    shape = _shape(table.schema, table.num_rows)
    table = table.replace_schema_metadata(metadata | {_FORMAT: str(FORMAT), _SHAPE: shape})
    with write_aside(path) as partial:
        # without checksums two in five of the bits that a disk turns over would come back as other scores
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)


def _read(path: Path, names: Sequence[str] | None = None, *, hint: str = _ANEW, paths: bool = False) -> pl.DataFrame:
    """Some columns of a signal file, or all but the paths; `paths` with them."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            metadata = _words(file.metadata.metadata)
            check_format(path, metadata.get(_FORMAT, "1"))
            if metadata.get(_SHAPE) not in (None, _shape(file.schema_arrow, file.metadata.num_rows)):
                raise ValueError("its columns or rows are not those that were written")
            columns = names or [name for name in file.schema_arrow.names if paths or name != "paths"]
            # Polars would give up the whole process over metadata that are no UTF-8
            rows = pl.from_arrow(file.read(columns).replace_schema_metadata(None))
    except (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: not a readable signal file: {reason}", hint=hint) from error
    assert isinstance(rows, pl.DataFrame)
    return rows


def _shape(schema: pa.Schema, rows: int) -> str:
    """A digest of what a page's checksum does not cover: names, types and count."""
    fields = [(field.name, _kind(field.type)) for field in schema]
    return hashlib.blake2b(repr((fields, rows)).encode(), digest_size=16).hexdigest()


def _kind(kind: pa.DataType) -> str:
    """A type in words; what a list calls its elements is not the same before and after writing."""
    return f"{_kind(kind.value_type)}[{kind.list_size}]" if pa.types.is_fixed_size_list(kind) else str(kind)


def _metadata(path: Path) -> dict[str, str] | None:
    """None for a file that is cut off or no Parquet, and for what is no file: a pipe would be waited for."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _footer(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=10_000)
def _footer(path: Path, changed: int, size: int) -> dict[str, str] | None:
    """Of a file as it was at its last change: several questions about one store read it once."""
    try:
        return _words(read_footer(path).metadata)
    except DataError:
        return None


def _words(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in (metadata or {}).items()}
