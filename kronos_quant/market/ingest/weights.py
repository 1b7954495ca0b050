"""Files or tables of index weights -> what an optimised strategy measures itself against.

A row is a constituent on a date: columns date, symbol and weight, as tushare's index_weight, the China Securities Index
and JoinQuant have them. The weights of a date hold until the next date of the file; they add up to 1 or to 100 on each.
A file replaces the stored weights of its index as a whole.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import polars as pl

from kronos_quant.errors import DataError, listed
from kronos_quant.inputs import PathLike, Table, as_name, as_path, short_repr
from kronos_quant.market.dialects.cells import usual_stamps
from kronos_quant.market.dialects.names import DAYS, FIELDS, MOMENTS, find_columns
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.market.ingest.columns import parse_stamps
from kronos_quant.market.ingest.lists import ListReport, read_cells, read_symbols, store_list
from kronos_quant.market.reader import open_market
from kronos_quant.market.universes import INTERVALS, OPEN_END, replace_intervals, weights_kind

if TYPE_CHECKING:
    from pathlib import Path

_WEIGHTS = ("weight", "weights", "i_weight", "权重", "权重(%)", "权重(%)weight", "权重（%）", "i_weight_percent")
_INDICES = ("index_code", "index_symbol", "指数代码", "指数代码index_code", "indexcode")
_NAMES = {
    "date": ("trade_date", *DAYS, "日期date", *MOMENTS),
    "symbol": ("con_code", "成分券代码", "成分券代码constituent_code", "成份券代码constituent_code", *FIELDS["symbol"]),
    "weight": _WEIGHTS,
}
_WHOLES = (1.0, 100.0)
_TOLERANCE = 0.02
"""By how much the weights of a date may miss a whole, as a fraction of it: published ones are rounded."""


def ingest_weights(root: PathLike, index: str, source: PathLike | Table) -> ListReport:
    """Read the weights of an index into the workspace folder `root` and publish the result.

    Parameters
    ----------
    root, index
        The workspace's folder; a name for the index in letters, digits, `_`, `.` and `-`, kept in lower case.
    source
        A CSV file or a table with date, symbol and weight.

    Raises
    ------
    ConfigError
        For an invalid name.
    DataError
        For a source that cannot be read, weights that do not add up, or a workspace without bars; the store is
        unchanged then.

    >>> ingest_weights(".", "csi300", "index_weight.csv").symbols  # doctest: +SKIP
    300
    """
    root, name = as_path(root, "root"), as_name(index, "index").lower()
    kind = weights_kind(name)
    intervals = read_weights(source, open_market(root).exchange).with_columns(kind=pl.lit(kind))

    def replace(connection: duckdb.DuckDBPyConnection) -> int:
        return replace_intervals(connection, kind, intervals)

    return store_list(root, f"weights {name}", source, intervals, replace)


def read_weights(source: PathLike | Table, exchange: str) -> pl.DataFrame:
    """Weights of a file or table as intervals: symbol, start, end, value (a fraction, as text).

    Raises DataError, with source, line, column and value, for what cannot be read.
    """
    place, text = read_cells(source)
    names = [name for name in text.columns if name != LINE]
    found = {ours: find_columns(names, known) for ours, known in _NAMES.items()}
    missing = [ours for ours, columns in found.items() if not columns]
    if missing:
        raise DataError(f"{place}: missing columns {', '.join(missing)}; found {listed(names, 20)}")
    columns = {ours: columns[0] for ours, columns in found.items()}
    indices = find_columns(names, _INDICES)
    if indices and text[indices[0]].n_unique() > 1:
        several = listed(text[indices[0]].unique().sort().to_list())
        raise DataError(f"{place}: column {indices[0]}: expected one index, found {several}", hint="Split the file.")
    cells = {ours: text[column].str.strip_chars() for ours, column in columns.items()}
    days = parse_stamps(usual_stamps(cells["date"], str(place)), None).dt.date()
    weights = cells["weight"].str.strip_suffix("%").cast(pl.Float64, strict=False)
    for name, bad, expected in (
        ("date", days.is_null(), "a date like 2024-06-28"),
        ("weight", ~(weights.is_finite() & (weights >= 0)).fill_null(False), "a weight of at least 0"),
    ):
        if bad.any():
            row = int(bad.arg_true()[0])
            value = short_repr(cells[name][row])
            raise DataError(
                f"{place}: line {text[LINE][row]}: column {columns[name]}: expected {expected}, found {value}"
            )
    symbols = read_symbols(place, text, columns["symbol"], exchange)
    return _as_intervals(pl.DataFrame({"date": days, "symbol": symbols, "weight": weights}), place)


def _as_intervals(rows: pl.DataFrame, place: Path | str) -> pl.DataFrame:
    """Intervals from a date to the day before the next one. rows : date, symbol, weight"""
    twice = rows.filter(pl.struct("date", "symbol").is_duplicated())
    if len(twice):
        raise DataError(f"{place}: {twice['symbol'][0]} has more than one weight on {twice['date'][0]}")
    sums = rows.group_by("date").agg(pl.col("weight").sum()).sort("date")
    totals = sums["weight"].to_numpy()
    whole = next((whole for whole in _WHOLES if (np.abs(totals / whole - 1) <= _TOLERANCE).all()), None)
    if whole is None:
        on, total = sums.sort((pl.col("weight") - 100).abs(), descending=True).row(0)
        raise DataError(f"{place}: expected weights that add up to 1 or 100 on each date, found {total:.6g} on {on}")
    starts = sums["date"]
    ends = dict(zip(starts, [*(day - timedelta(days=1) for day in starts[1:]), OPEN_END], strict=True))
    return rows.select(
        "symbol",
        pl.col("date").alias("start"),
        pl.col("date").replace_strict(ends, return_dtype=pl.Date).alias("end"),
        (pl.col("weight") / whole).cast(pl.String).alias("value"),
    ).select(name for name in INTERVALS if name != "kind")
