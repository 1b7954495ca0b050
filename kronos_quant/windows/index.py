"""Which windows exist: one number a window, the row of its last lookback bar (its anchor).

A window is made of an instrument's own consecutive bars. A suspension inside it is a session of the calendar without
a bar; at most `max_missing` of them are allowed. Membership decides only which bars may be anchors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kronos_quant.windows.table import BarTable


@dataclass(frozen=True, slots=True)
class WindowIndex:
    """Windows of `lookback` + `predict` bars in a table; `anchor` int64[n] is the row of the last lookback bar."""

    lookback: int
    predict: int
    anchor: NDArray[np.int64]
    across_holes: int = 0
    """Windows left out because too many sessions inside them have no bar."""

    def __len__(self) -> int:
        return len(self.anchor)

    def where(self, keep: NDArray[np.bool_]) -> WindowIndex:
        """The windows for which `keep` bool[n] is true."""
        return WindowIndex(self.lookback, self.predict, self.anchor[keep])


def build_index(
    table: BarTable, lookback: int, predict: int, max_missing: int, membership: pl.DataFrame | None = None
) -> WindowIndex:
    """Every window of past and future bars.

    Parameters
    ----------
    table
        The bars.
    lookback, predict
        Past bars, and future bars; with 0 future bars the newest bar has a window too.
    max_missing
        Sessions without a bar allowed between a window's first and last bar.
    membership
        Intervals (symbol, start, end inclusive); a window is kept when its anchor's date lies in one.
    """
    row = np.arange(table.rows, dtype=np.int64)
    first, stop = table.offset[table.symbol_id], table.offset[table.symbol_id + 1]
    anchor = row[(row - first >= lookback - 1) & (row + predict < stop)]
    begin, end = anchor - lookback + 1, anchor + predict
    spanned = table.session[end] - table.session[begin]
    present = table.own_session[end] - table.own_session[begin]
    member = np.ones(len(anchor), dtype=bool) if membership is None else _is_member(table, membership)[anchor]
    whole = spanned - present <= max_missing
    return WindowIndex(lookback, predict, anchor[member & whole], int((member & ~whole).sum()))


def longest_lookback(table: BarTable, predict: int, start: np.datetime64, end: np.datetime64) -> int:
    """The longest lookback of a window whose `predict` target bars lie from `start` to `end`; at most 0 for none.

    Parameters
    ----------
    table
        The bars; sessions without a bar and membership are not considered.
    predict
        Future bars.
    start, end
        Times, both inclusive.
    """
    inside = np.flatnonzero((table.time >= start) & (table.time <= end))
    owner = table.symbol_id[inside]
    last = np.full(len(table.symbols), -1, dtype=np.int64)
    last[owner] = inside  # ascending: the last one stays
    enough = np.bincount(owner, minlength=len(last)) >= max(predict, 1)
    return int((last - table.offset[:-1] + 1 - predict)[enough].max(initial=0))


def _is_member(table: BarTable, membership: pl.DataFrame) -> NDArray[np.bool_]:
    """bool[R]: the bar's date lies in an interval of its symbol."""
    member = np.zeros(table.rows, dtype=bool)
    position = {symbol: i for i, symbol in enumerate(table.symbols)}
    for symbol, start, end in membership.select("symbol", "start", "end").iter_rows():
        i = position.get(symbol)
        if i is not None:
            rows = slice(table.offset[i], table.offset[i + 1])
            dates = table.date[rows]
            member[rows] |= (dates >= np.datetime64(start)) & (dates <= np.datetime64(end))
    return member
