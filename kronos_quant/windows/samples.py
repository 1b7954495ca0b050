"""From an index to arrays: gather any windows of a table without a Python loop.

Shapes: B windows, L lookback, H predicted bars, T = L + H.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from kronos_quant.errors import DataError
from kronos_quant.windows.index import WindowIndex, build_index
from kronos_quant.windows.normalise import Scale, lookback_scale, normalise
from kronos_quant.windows.table import BarTable, bar_table


@dataclass(frozen=True, slots=True)
class Windows:
    """Normalised windows. `values[:, :lookback]` is what the model sees; what follows is the target, if known."""

    lookback: int
    values: NDArray[np.float32]  # [B, T, 6]
    stamp: NDArray[np.int16]  # [B, T, 5]
    scale: Scale  # float64[B, 1, 6] each
    symbol: list[str]  # B
    asof: NDArray[np.datetime64]  # [B], end stamp of the last lookback bar

    def samples(self) -> list[dict[str, Any]]:
        """The windows one by one in the fine-tuning guide's form: input, target, both stamps, symbol."""
        L = self.lookback
        return [
            {
                "input_data": self.values[i, :L],
                "target_data": self.values[i, L:],
                "input_timestamps": self.stamp[i, :L],
                "target_timestamps": self.stamp[i, L:],
                "symbol": symbol,
            }
            for i, symbol in enumerate(self.symbol)
        ]


def gather(table: BarTable, index: WindowIndex, which: NDArray[np.integer] | slice, clip: float) -> Windows:
    """The windows `which` (positions in the index), normalised by their lookback."""
    anchor = index.anchor[which]
    length = index.lookback + index.predict
    begin = anchor - index.lookback + 1
    values = _blocks(table.values, length)[begin].reshape(len(anchor), length, -1)
    stamp = _blocks(table.stamp, length)[begin].reshape(len(anchor), length, -1)
    scale = lookback_scale(values, index.lookback)
    return Windows(
        lookback=index.lookback,
        values=normalise(values, scale, clip),
        stamp=stamp,
        scale=scale,
        symbol=[table.symbols[i] for i in table.symbol_id[anchor]],
        asof=table.time[anchor],
    )


def make_windows(
    bars: pl.DataFrame,
    lookback: int = 90,
    predict: int = 10,
    *,
    sessions: Sequence[date] | None = None,
    max_missing: int = 10,
    clip: float = 5.0,
) -> Windows:
    """Every window of `bars` (schema.BARS): float32[B, lookback + predict, 6], normalised by the lookback.

    sessions : the market's calendar; without it, the dates on which any symbol has a bar.
    Raises DataError when no window fits.
    """
    ordered = bars.sort("symbol", "time")
    calendar = sessions if sessions is not None else ordered["date"].unique().sort().to_list()
    table = bar_table(ordered, calendar)
    index = build_index(table, lookback, predict, max_missing)
    if len(index) == 0:
        longest = int(np.diff(table.offset).max())
        raise DataError(f"no window of {lookback} + {predict} bars: the longest series has {longest} bars")
    return gather(table, index, slice(None), clip)


def _blocks(rows: NDArray[Any], length: int) -> NDArray[Any]:
    """A view [R - length + 1, length * columns] of consecutive rows, so that one index copies one block."""
    count, columns = rows.shape
    step = rows.strides[0]
    assert rows.flags.c_contiguous
    return as_strided(rows, (max(count - length + 1, 0), length * columns), (step, rows.itemsize), writeable=False)
