"""How many of the bars that could have been traded on had no score.

Shape letters: S sessions, N symbols.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from kronos_quant.arrays import BoolArray
from kronos_quant.backtest import Panel, Strategy
from kronos_quant.backtest.panel import session_panel
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.market import Market


def missing_signals(strategy: Strategy, panel: Panel, market: Market, members: pl.DataFrame | None) -> str | None:
    """What is missing in words, None where nothing is.

    members : symbol, start, end (inclusive) of the universe that is scored; None for every symbol that has scores
    A symbol's bars count from its first score on, as long as it is a member, or up to its last score where nobody
    knows the members; those of a member without any score all count. Raises DataError where a larger share of them has
    no score than the strategy's gate lets through.
    """
    sessions = session_panel(panel)
    scored = ~np.isnan(sessions.score)
    member = None if members is None else membership(members, sessions)
    asked = ~np.isnan(sessions.close) & expected(scored, member)
    # the first session of an intraday market is there for its closes, the last one of any other trades nowhere
    asked[0 if panel.times else -1] = False
    missing = asked & ~scored
    unscored = unscored_bars(sessions, market, members)
    count = int(missing.sum()) + len(unscored)
    whole = int(asked.sum()) + len(unscored)
    if count == 0:
        return None
    empty = sum(row.any() and not found.any() for row, found in zip(missing, scored, strict=True))
    symbols = [symbol for symbol, column in zip(sessions.symbols, missing.T, strict=True) if column.any()]
    parts = [f"{counted(empty, 'session')} without any score"] if empty else []
    parts += [f"{counted(len(symbols), 'symbol')} ({listed(symbols)})"] if symbols else []
    if len(unscored):
        never = unscored["symbol"].unique().sort()
        parts.append(f"{len(never)} members of the universe without any score ({listed(never)})")
    message = f"{count:,} of {whole:,} expected scores are missing ({count / whole:.1%}): {', '.join(parts)}."
    if strategy.max_missing_scores is not None and count > strategy.max_missing_scores * whole:
        raise DataError(
            f"{message.rstrip('.')}; limit set by max_missing_scores: {strategy.max_missing_scores:.1%}",
            hint="compute or import those signals, shorten the period, or raise max_missing_scores",
        )
    return message


def expected(scored: BoolArray, member: BoolArray | None) -> BoolArray:
    """bool[S, N]: whether a symbol is among those that are scored; member : as of `membership`, None where unknown.

    In a session without any score these are the symbols of the sessions before and after it that have some.
    """
    active = np.zeros_like(scored)
    given = np.flatnonzero(scored.any(axis=1))
    if len(given) == 0:
        return active
    found = np.logical_or.accumulate(scored[given])
    if member is None:
        found &= np.logical_or.accumulate(scored[given][::-1])[::-1]
    place = np.searchsorted(given, np.arange(len(scored)))
    after, before = np.minimum(place, len(given) - 1), np.maximum(place - 1, 0)
    empty = ~scored.any(axis=1)
    active[given] = found
    active[empty] = found[after[empty]] | found[before[empty]]
    return active if member is None else active & member


def membership(spans: pl.DataFrame, panel: Panel) -> BoolArray:
    """bool[S, N]: whether a symbol is in one of its spans in a session. spans : symbol, start, end (inclusive)."""
    days = np.array(panel.dates, dtype="datetime64[D]")
    place = {symbol: n for n, symbol in enumerate(panel.symbols)}
    inside = np.zeros(panel.close.shape, dtype=np.bool_)
    for symbol, start, end in spans.select("symbol", "start", "end").iter_rows():
        if symbol in place:
            inside[(days >= np.datetime64(start)) & (days <= np.datetime64(end)), place[symbol]] = True
    return inside


def unscored_bars(panel: Panel, market: Market, members: pl.DataFrame | None) -> pl.DataFrame:
    """(symbol, date) of the sessions in which members of the universe that have no score at all have bars."""
    nobody = pl.DataFrame(schema={"symbol": pl.String, "date": pl.Date})
    if members is None:
        return nobody
    others = members.filter(~pl.col("symbol").is_in(list(panel.symbols)))
    if others.is_empty():
        return nobody
    bars = market.bars(sorted(set(others["symbol"])), start=panel.dates[0], end=panel.dates[-2])
    held = bars.select("symbol", "date").unique().join(others.select("symbol", "start", "end"), on="symbol")
    inside = held.filter(pl.col("date").is_between(pl.col("start"), pl.col("end")))
    return inside.select("symbol", "date").unique()
