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
from numpy.typing import NDArray

from kronos_quant import schema
from kronos_quant.errors import DataError
from kronos_quant.windows.index import WindowIndex, build_index
from kronos_quant.windows.normalise import Scale, copy_nb, cut_nb, scales_nb
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


def gather(
    table: BarTable, index: WindowIndex, which: NDArray[np.integer] | slice, clip: float, scale: Scale | None = None
) -> Windows:
    """Windows of an index, normalised by their lookback.

    Parameters
    ----------
    table, index
        The bars, and the windows in them.
    which
        Positions in the index.
    clip
        Bound of the normalised values, in standard deviations.
    scale
        `index_scale` of the index, so that the statistics are not computed again; None computes them.
    """
    anchor = index.anchor[which]
    values, stamp, found = gather_arrays(table, index, which, clip, scale)
    return Windows(
        lookback=index.lookback,
        values=values,
        stamp=stamp,
        scale=found,
        symbol=[table.symbols[i] for i in table.symbol_id[anchor].tolist()],
        asof=table.time[anchor],
    )


def gather_arrays(
    table: BarTable, index: WindowIndex, which: NDArray[np.integer] | slice, clip: float, scale: Scale | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int16], Scale]:
    """What of `gather` is numbers only, for a loader: values [B, T, 6], stamp [B, T, 5], and their scale.

    Parameters
    ----------
    table, index, which, clip, scale
        As for `gather`.
    """
    if scale is None:
        begin = _begin(table, index, index.anchor[which])
        found = _scales(table, index, begin)
    elif isinstance(which, slice):
        begin = index.anchor[which] - (index.lookback - 1)
        found = Scale(scale.mean[which], scale.std[which])
    else:  # whoever computed the statistics has looked at the rows; take() is a quarter of the time of []
        begin = index.anchor.take(which) - (index.lookback - 1)
        found = Scale(scale.mean.take(which, axis=0), scale.std.take(which, axis=0))
    length = index.lookback + index.predict
    values = np.empty((len(begin), length, len(schema.FEATURES)), np.float32)
    stamp = np.empty((len(begin), length, table.stamp.shape[1]), np.int16)
    cut_nb(table.values, begin, clip, found.mean[:, 0], found.std[:, 0], values)
    copy_nb(table.stamp, begin, stamp)
    return values, stamp, found


def gather_stamps(table: BarTable, index: WindowIndex, which: NDArray[np.integer] | slice) -> NDArray[np.int16]:
    """The time features int16[B, T, 5] of windows of an index.

    Parameters
    ----------
    table, index, which
        As for `gather`.
    """
    begin = _begin(table, index, index.anchor[which])
    stamp = np.empty((len(begin), index.lookback + index.predict, table.stamp.shape[1]), np.int16)
    copy_nb(table.stamp, begin, stamp)
    return stamp


def index_scale(table: BarTable, index: WindowIndex) -> Scale:
    """The statistics of every window of an index, float64[n, 1, 6] each: 96 bytes a window."""
    return _scales(table, index, _begin(table, index, index.anchor))


def make_windows(
    bars: pl.DataFrame,
    lookback: int = 90,
    predict: int = 10,
    *,
    sessions: Sequence[date] | None = None,
    max_missing: int = 10,
    clip: float = 5.0,
) -> Windows:
    """Every window of `bars`: float32[B, lookback + predict, 6], normalised by the lookback.

    Parameters
    ----------
    bars
        schema.BARS.
    lookback, predict, max_missing
        As for `build_index`.
    sessions
        The market's calendar; without it, the dates on which any symbol has a bar.
    clip
        As for `gather`.

    Raises
    ------
    DataError
        When no window fits.
    """
    ordered = bars.sort("symbol", "time")
    calendar = sessions if sessions is not None else ordered["date"].unique().sort().to_list()
    table = bar_table(ordered, calendar)
    index = build_index(table, lookback, predict, max_missing)
    if len(index) == 0:
        longest = int(np.diff(table.offset).max())
        raise DataError(f"no window of {lookback} + {predict} bars: the longest series has {longest} bars")
    return gather(table, index, slice(None), clip)


def _begin(table: BarTable, index: WindowIndex, anchor: NDArray[np.int64]) -> NDArray[np.int64]:
    """First rows of windows, as compiled code wants them; it does not look whether they are in the table."""
    begin = np.ascontiguousarray(anchor - index.lookback + 1, dtype=np.int64)
    if len(begin):
        assert begin.min() >= 0
        assert anchor.max() + index.predict < table.rows
    return begin


def _scales(table: BarTable, index: WindowIndex, begin: NDArray[np.int64]) -> Scale:
    mean, std = np.zeros((2, len(begin), len(schema.FEATURES)))
    scales_nb(table.values, begin, index.lookback, mean, std)
    return Scale(mean[:, None], std[:, None])
