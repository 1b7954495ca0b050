"""The text files of a Qlib directory: calendars/<freq>.txt and instruments/<universe>.txt."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl

from kronos_quant.errors import DataError, listed
from kronos_quant.market.symbols import canonical
from kronos_quant.market.universes import tidy
from kronos_quant.schema import UNIVERSES


def read_calendar(folder: Path, freq: str) -> list[datetime]:
    """The sessions (daily) or bar ends of calendars/<freq>.txt.

    Raises DataError for a missing or empty file and, with its line, for one that is not ascending or not a date.
    """
    path = folder / f"{freq}.txt"
    if not path.is_file():
        found = listed(sorted(other.name for other in folder.glob("*.txt"))) or "nothing"
        raise DataError(f"{path}: no such calendar: found {found}", hint="name its frequency, or add the file")
    times: list[datetime] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").rstrip().splitlines(), start=1):
        try:
            time = datetime.fromisoformat(line.strip())
        except ValueError:
            raise DataError(f"{path}: line {number}: expected a date like 2024-06-18, found {line!r}") from None
        if times and time <= times[-1]:
            trouble = "is there twice" if time == times[-1] else f"comes after {times[-1]}"
            raise DataError(f"{path}: line {number}: expected ascending dates, but {line.strip()} {trouble}")
        times.append(time)
    if not times:
        raise DataError(f"{path}: expected one date a line, found an empty file")
    return times


def read_lists(folder: Path) -> pl.DataFrame:
    """All instruments/*.txt as schema.UNIVERSES, named by their files in lower case; none where there is no folder.

    Raises DataError, with its line, for a row that is not symbol, first and last date between tabs.
    """
    columns: dict[str, list[object]] = {name: [] for name in UNIVERSES}
    for path in sorted(folder.glob("*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
            if not line.strip():
                continue
            cells = line.split("\t")
            try:
                start, end = (date.fromisoformat(cell.strip()[:10]) for cell in cells[1:3])
            except ValueError:
                raise DataError(
                    f"{path}: line {number}: expected SYMBOL<tab>first date<tab>last date, found {line!r}"
                ) from None
            for column, cell in zip(
                columns.values(), (path.stem.lower(), canonical(cells[0]), start, end), strict=True
            ):
                column.append(cell)
    return tidy(pl.DataFrame(columns, schema=UNIVERSES))
