"""What a strategy's bounds refer to beside bars: groups of symbols, and the weights of an index.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.panel import Panel, SymbolGroups
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.inputs import short_repr
from kronos_quant.market import Market, canonical_column
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.market.ingest.lists import value_fault
from kronos_quant.market.ingest.tables import read_text_table
from kronos_quant.market.symbols import find_fault, symbol_fault
from kronos_quant.market.universes import weights_kind
from kronos_quant.panel.matrix import interval_groups
from kronos_quant.workspace import WorkspaceFolder

GROUP_SPANS: dict[str, pl.DataType] = {
    "symbol": pl.String(),
    "value": pl.String(),
    "start": pl.Date(),
    "end": pl.Date(),
}
"""Groups of symbols by date; start and end (inclusive) are null where a group is unbounded."""


def group_spans(workspace: WorkspaceFolder, market: Market, strategy: Strategy) -> pl.DataFrame | None:
    """The groups (GROUP_SPANS) that the strategy's group cap or optimiser refers to; None without such a bound.

    Raises DataError for a file that cannot be read, and where the groups are unknown.
    """
    needs = [("risk.max_group", strategy.risk.max_group), ("optimise.max_industry", strategy.optimise.max_industry)]
    names = [name for name, bound in needs if bound is not None]
    if not names:
        return None
    if strategy.risk.groups is not None:
        return read_groups(workspace.root / strategy.risk.groups.expanduser(), market.exchange)
    industries = market.intervals("industry")
    if industries.is_empty():
        raise DataError(f"{names[0]}: no industries in the workspace", hint="kq ingest intervals industry FILE")
    return industries.select(list(GROUP_SPANS))


def read_groups(path: Path, exchange: str) -> pl.DataFrame:
    """The groups (GROUP_SPANS) of a CSV file with the columns symbol, group and, where they change, start and end.

    Raises DataError for a file that cannot be read, a column that is missing, and a cell that is none.
    """
    frame = read_text_table(path).frame
    missing = [name for name in ("symbol", "group") if name not in frame.columns]
    if missing:
        raise DataError(f"{path}: expected the columns symbol and group, found {listed(frame.columns[1:])}")
    lines = frame[LINE]
    frame = frame.rename({"group": "value"})
    frame = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in GROUP_SPANS if name not in frame.columns)
    frame = frame.select(pl.col(list(GROUP_SPANS)).str.strip_chars().replace("", None))
    empty = frame.filter(pl.any_horizontal(pl.col("symbol", "value").is_null()))
    if len(empty):
        raise DataError(f"{path}: {len(empty)} rows without a symbol or group")
    for name, fault_of in (("symbol", symbol_fault), ("value", value_fault)):
        if (found := find_fault(frame[name], fault_of)) is not None:
            row, text, fault = found
            expected = "group" if name == "value" else name
            raise DataError(f"{path}: line {lines[row]}: expected a {expected}, found {short_repr(text)} ({fault})")
    for name in ("start", "end"):
        dates = frame[name].str.to_date("%Y-%m-%d", strict=False)
        wrong = frame[name].filter(dates.is_null() & frame[name].is_not_null())
        if len(wrong):
            raise DataError(f"{path}: {name}: expected dates such as 2025-06-05, found {short_repr(wrong[0])}")
        frame = frame.with_columns(dates.alias(name))
    return frame.with_columns(canonical_column(frame["symbol"], exchange))


def add_groups(panel: Panel, spans: pl.DataFrame | None) -> Panel:
    """The panel with the groups of its symbols, where there are any."""
    if spans is None:
        return panel
    return replace(panel, groups=SymbolGroups(*interval_groups(spans, panel.dates, panel.symbols)))


def add_index(market: Market, strategy: Strategy, panel: Panel) -> tuple[Panel, list[str]]:
    """The panel with the weights of the index that an optimiser looks at, and what is to be said of them.

    Raises DataError for an index without weights.
    """
    name = strategy.optimise.benchmark
    if name is None:
        return panel, []
    weights, outside = index_rows(market.intervals(weights_kind(name)), panel.dates, panel.symbols)
    if not (weights > 0).any():
        raise DataError(
            f"optimise.benchmark: no weights of {name} from {panel.dates[0]} to {panel.dates[-1]}",
            hint=f"kq ingest weights {name} FILE",
        )
    empty = int((weights.sum(axis=1) == 0).sum())
    notes = []
    if empty:
        notes.append(
            f"optimise.benchmark: {name} has no weights in {counted(empty, 'session')}: measured against none."
        )
    if outside.max() > 0:
        notes.append(
            f"optimise.benchmark: up to {outside.max():.1%} of {name}'s weight is in symbols without scores and bars; "
            "the others stand for them."
        )
    return replace(panel, index=weights), notes


def index_rows(intervals: pl.DataFrame, dates: Sequence[date], symbols: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """f64[T, N]: weights of an index's constituents among the symbols, adding up to 1; f64[T], what lay outside.

    intervals : symbol, start, end (inclusive), value (the weight as text). A date without weights has zeros.
    """
    place = {symbol: n for n, symbol in enumerate(symbols)}
    days = np.array(dates, dtype="datetime64[D]")
    weights, total = np.zeros((len(days), len(symbols))), np.zeros(len(days))
    for symbol, start, end, value in intervals.select("symbol", "start", "end", "value").iter_rows():
        begin, stop = np.searchsorted(days, np.datetime64(start)), np.searchsorted(days, np.datetime64(end), "right")
        total[begin:stop] += float(value)
        if symbol in place:
            weights[begin:stop, place[symbol]] += float(value)
    held = weights.sum(axis=1)
    outside = np.where(total > 0, 1.0 - held / np.where(total > 0, total, 1.0), 0.0)
    return weights / np.where(held > 0, held, 1.0)[:, None], outside
