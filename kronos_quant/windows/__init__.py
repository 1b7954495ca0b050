"""Bars to windows: Polars in, arrays out. The public entry for notebooks is `make_windows`."""

from kronos_quant.windows.index import WindowIndex, build_index, longest_lookback
from kronos_quant.windows.normalise import STAMP_COLUMNS, STD_FLOOR, Scale, denormalise, stamps
from kronos_quant.windows.samples import Windows, gather, gather_arrays, gather_stamps, index_scale, make_windows
from kronos_quant.windows.splits import Splits, TimeRange, make_splits, target_mask
from kronos_quant.windows.table import BarTable, bar_table, universe_table

__all__ = [
    "STAMP_COLUMNS",
    "STD_FLOOR",
    "BarTable",
    "Scale",
    "Splits",
    "TimeRange",
    "WindowIndex",
    "Windows",
    "bar_table",
    "build_index",
    "denormalise",
    "gather",
    "gather_arrays",
    "gather_stamps",
    "index_scale",
    "longest_lookback",
    "make_splits",
    "make_windows",
    "stamps",
    "target_mask",
    "universe_table",
]
