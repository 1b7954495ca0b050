"""The pointer to the newest snapshot, and the kinds of a snapshot's files: what is read is what was written there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.market.database import DB_FOLDER
from kronos_quant.paths import check_folder
from kronos_quant.readers import REPAIR, read_parquet, read_text
from kronos_quant.schema import check_columns, table_at

SNAPSHOTS = "snapshots"
CURRENT = "CURRENT"
NAME_LENGTH = 16
"""Of a snapshot's folder: the first hex digits of its digest."""

_NAME = re.compile(f"[0-9a-f]{{{NAME_LENGTH}}}")


def current_name(folder: Path) -> str | None:
    """The name in the pointer file of a folder of snapshots; None without a pointer."""
    check_folder(folder)
    if not (folder / CURRENT).exists():
        return None
    name = read_text(folder / CURRENT, hint=REPAIR).strip()
    if not _NAME.fullmatch(name):
        raise DataError(f"{folder / CURRENT}: expected the name of a snapshot, found {name[:40]!r}", hint=REPAIR)
    return name


def lost_pointer(folder: Path) -> DataError | None:
    """The error of a folder that holds snapshots and no pointer file; None where nothing was published either."""
    published = any(_NAME.fullmatch(path.name) for path in folder.glob("[0-9a-f]*"))
    return DataError(f"{folder / CURRENT}: no such file", hint=REPAIR) if published else None


def check_part(path: Path, columns: Iterable[str]) -> None:
    """Raise DataError where a file of a snapshot lacks columns of its kind."""
    kind = table_at(f"{DB_FOLDER}/{SNAPSHOTS}/0/{path.name}")
    if kind is not None:
        check_columns(path, columns, kind.name, REPAIR)


def read_part(path: Path) -> pl.DataFrame:
    """A small file of a snapshot; DataError where it cannot be read or lacks columns."""
    frame = read_parquet(path, hint=REPAIR)
    check_part(path, frame.columns)
    return frame
