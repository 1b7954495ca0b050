"""Average prices as desks get them: of a whole bar, or of a part of the session by its minute bars.

Shape letters: P rows before the panel, T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.panel import Execution, Panel
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import DataError, counted
from kronos_quant.market import Market
from kronos_quant.market.sessions import freq_minutes
from kronos_quant.panel.matrix import to_matrix
from kronos_quant.schema import DAILY

NEAR = 1e-3
"""Relative: an average price that lies farther outside of its bar comes from another unit or a damaged amount."""


def needs_minutes(strategy: Strategy) -> bool:
    """Whether fills are averages over minute bars."""
    return strategy.fill == "twap" or strategy.fill_window is not None


def add_execution(panel: Panel, strategy: Strategy, bars: pl.DataFrame, *, by_minutes: bool = False) -> Panel:
    """The panel with the average prices that a strategy fills at; unchanged where it fills at the open or the close.

    Parameters
    ----------
    panel, strategy
        What is traded.
    bars
        schema.BARS of the panel's frequency or, with `by_minutes`, of a finer one; volumes in adjusted shares.
    by_minutes
        Whether prices are averages over several bars.
    """
    if strategy.fill in ("open", "close"):
        return panel
    return replace(panel, execution=of_window(panel, strategy, bars) if by_minutes else of_bars(panel, bars))


def of_bars(panel: Panel, bars: pl.DataFrame) -> Execution:
    """Amount / volume of each bar, or the mean of high, low and close where that is not within the bar."""
    key = "time" if panel.times else "date"
    amount = to_matrix(bars, "amount", panel.times or panel.dates, panel.symbols, key=key)
    with np.errstate(divide="ignore", invalid="ignore"):
        price = amount / panel.volume
        inside = (price >= panel.low * (1 - NEAR)) & (price <= panel.high * (1 + NEAR))
    usual = (panel.high + panel.low + panel.close) / 3
    price = np.where(inside, np.clip(price, panel.low, panel.high), usual)
    unknown = int((~inside & ~np.isnan(panel.close)).sum())
    return Execution(price, panel.low, panel.high, panel.with_past("volume"), unknown)


def of_window(panel: Panel, strategy: Strategy, minutes: pl.DataFrame) -> Execution:
    """Average prices of the minute bars that end within the window, in the panel's adjusted units."""
    inside = minutes.filter(pl.col("close").is_not_nan())
    if strategy.window is not None:
        first, last = strategy.window
        clock = pl.col("time").dt.time()
        inside = inside.filter((clock > first) & (clock <= last))
    raw = {name: pl.col(name).cast(pl.Float64) / pl.col("factor") for name in ("low", "high", "close")}
    shares, money = pl.col("volume").cast(pl.Float64) * pl.col("factor"), pl.col("amount").cast(pl.Float64)
    found = inside.group_by("date", "symbol").agg(
        vwap=money.sum() / shares.sum(), twap=raw["close"].mean(), low=raw["low"].min(), high=raw["high"].max(),
        volume=shares.sum(),
    )  # fmt: skip
    known = pl.col("vwap").is_between(pl.col("low") * (1 - NEAR), pl.col("high") * (1 + NEAR))
    averages = pl.when(known).then("vwap").otherwise("twap") if strategy.fill == "vwap" else pl.col("twap")
    found = found.with_columns(price=averages)
    past = () if panel.past is None else panel.past.dates
    rows = (*past, *panel.dates)
    factor = panel.with_past("factor")

    def matrix(name: str) -> FloatArray:
        return to_matrix(found, name, rows, panel.symbols)

    low, high = (matrix(name)[len(past) :] * panel.factor for name in ("low", "high"))
    price = np.clip(matrix("price")[len(past) :] * panel.factor, low, high)
    lost = int(found.select((~known).sum()).item()) if strategy.fill == "vwap" else 0
    return Execution(price, low, high, matrix("volume") / factor, lost)


def minute_market(market: Market) -> Market:
    """The bars of the finest frequency beside the daily ones.

    Raises DataError where there are none.
    """
    finer = [freq for freq in market.snapshot.freqs if freq != DAILY]
    if not finer:
        raise DataError(
            f"fill over a part of the session needs minute bars: only {market.freq} bars are stored",
            hint="Ingest minute bars in addition to the daily ones.",
        )
    return Market(market.snapshot, min(finer, key=freq_minutes), market.delisted_after)


def execution_notes(strategy: Strategy, panel: Panel) -> list[str]:
    """What has to be said of the average prices."""
    found = panel.execution
    if found is None:
        return []
    notes = []
    if found.unknown:
        instead = "their minute closes' mean" if needs_minutes(strategy) else "the mean of high, low and close"
        notes.append(
            f"fill: vwap: amount / volume is unknown or outside of the bar in {counted(found.unknown, 'case')}: "
            f"{instead} instead."
        )
    untraded = np.isnan(found.price) & ~np.isnan(panel.close)
    sessions = np.flatnonzero(untraded.all(axis=1) & (~np.isnan(panel.close)).any(axis=1))
    sessions = sessions[sessions > 0]
    if len(sessions):
        notes.append(
            f"No minute bars within the window in {counted(len(sessions), 'session')} (first: "
            f"{panel.dates[sessions[0]]}): nothing is traded on them."
        )
    return notes
