"""Which group (industry) each symbol belongs to, by session.

Shape letters: T rows of a panel, N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from kronos_quant.arrays import IntArray
from kronos_quant.errors import DataError, listed


@dataclass(frozen=True, slots=True)
class Groups:
    """names : the groups, ascending; member : int64[T, N], the number of a symbol's group in a session, -1 without."""

    names: tuple[str, ...]
    member: IntArray


def groups_of(spans: pl.DataFrame, dates: Sequence[date], symbols: Sequence[str]) -> Groups:
    """The groups of some symbols in some sessions.

    spans : symbol, group, start, end (inclusive; null: from ever, for ever); other symbols are left out
    Raises DataError where a symbol is in two groups at once.
    """
    place = {symbol: n for n, symbol in enumerate(symbols)}
    rows = spans.filter(pl.col("symbol").is_in(list(symbols))).sort("symbol", "start", nulls_last=False)
    names = tuple(rows["group"].unique().sort())
    number = {name: g for g, name in enumerate(names)}
    days = np.array(dates, dtype="datetime64[D]")
    member = np.full((len(days), len(symbols)), -1, dtype=np.int64)
    twice: list[str] = []
    for symbol, group, start, end in rows.select("symbol", "group", "start", "end").iter_rows():
        inside = np.ones(len(days), dtype=np.bool_)
        if start is not None:
            inside &= days >= np.datetime64(start)
        if end is not None:
            inside &= days <= np.datetime64(end)
        column = member[:, place[symbol]]
        if (column[inside] >= 0).any():
            twice.append(symbol)
        column[inside] = number[group]
    if twice:
        raise DataError(f"symbols in two groups at once: {listed(sorted(set(twice)))}")
    return Groups(names, member)
