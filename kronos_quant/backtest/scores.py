"""The scores that a strategy trades: of its recipe or of a table, over which sessions, and how many are missing.

A score is of a moment: a session's close or, in an intraday market, the end of a bar.
Shape letters: S sessions, N symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kronos_quant.arrays import BoolArray
from kronos_quant.backtest.panel import Panel, session_panel
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.files import file_digest
from kronos_quant.market import Market
from kronos_quant.market.ranges import select_range
from kronos_quant.market.sessions import freq_minutes
from kronos_quant.panel.matrix import interval_mask
from kronos_quant.schema import DAILY
from kronos_quant.signals.table import read_market_scores
from kronos_quant.workspace import WorkspaceFolder

if TYPE_CHECKING:
    from kronos_quant.signals import Signals, SignalSource

FOREIGN_SCORES = "The scores are external: whether their model has seen these dates is unknown."

MOMENTS = "moments of the scores"


@dataclass(frozen=True, slots=True)
class TradedScores:
    """Scores to trade on, and where they come from.

    frame : date, symbol and score; of an intraday market date, time (end of a bar), symbol and score
    sessions : those of the back-test, the first of which only gives scores
    source, signals : of a recipe; None for scores from a table
    origin : in words; digest : of recipe or file; notes : what a reader has to know
    """

    frame: pl.DataFrame
    sessions: list[date]
    source: SignalSource | None
    signals: Signals | None
    origin: str
    digest: str
    notes: tuple[str, ...]


def recipe_scores(
    workspace: WorkspaceFolder, market: Market, strategy: Strategy, device: str, *, compute: bool, allow_code: bool
) -> TradedScores:
    """The signals of the strategy's recipe; missing ones are computed, unless `compute` is False."""
    from kronos_quant.signals import ImportedSource, open_source

    source = open_source(workspace, strategy.recipe, market)
    sessions, scored = select_sessions(market.sessions(), market.freq, strategy, *source.default_period())
    signals = source.ensure(scored, device, compute=compute, allow_code=allow_code)
    frame, notes = place_scores(signals.ranked(strategy.score_column), market.times(), market.freq)
    notes += source.contamination(list(dict.fromkeys([*scored, sessions[-1]])))
    if signals.empty:
        imported = isinstance(source, ImportedSource)
        why = "not imported" if imported else "no symbol had enough bars"
        notes.append(f"No signals in {counted(len(signals.empty), 'session')}: {why}.")
    return TradedScores(
        frame,
        sessions,
        source,
        signals,
        f"model {source.recipe.model}, recipe {strategy.recipe} ({source.recipe.digest})",
        source.recipe.digest,
        tuple(notes),
    )


def file_scores(workspace: WorkspaceFolder, market: Market, strategy: Strategy) -> TradedScores:
    """The scores of a file; the sessions are those that it scores, and one more.

    Raises DataError for a file that is no table of date, symbol and score, or has none for a session.
    """
    assert strategy.scores_file is not None
    path = workspace.root / strategy.scores_file.expanduser()
    table = read_market_scores(path, market, strategy.score_column)
    indices = market.instruments().filter(pl.col("kind") == "index")["symbol"].to_list()
    kept, notes = without_indices(table.ranked(), indices)
    frame, left_out = place_scores(kept, market.times(), market.freq)
    known = market.sessions()
    sessions, _ = select_sessions(known, market.freq, strategy, *scored_span(known, frame, path))
    digest = file_digest(path)
    origin = f"scores {path.name} ({digest[:16]})"
    return TradedScores(
        frame, sessions, None, None, origin, digest, (FOREIGN_SCORES, *table.notes(), *notes, *left_out)
    )


def without_indices(scores: pl.DataFrame, indices: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """The scores of what can be traded, and a note where an index had some: an index is no security."""
    found = scores.filter(pl.col("symbol").is_in(list(indices)))["symbol"].unique().sort()
    if found.is_empty():
        return scores, []
    return scores.filter(~pl.col("symbol").is_in(found.implode())), [f"Not traded, because an index: {listed(found)}."]


def scored_span(sessions: Sequence[date], frame: pl.DataFrame, place: object = "scores") -> tuple[date, date]:
    """The first scored session, and the session after the last one, in which its scores trade.

    Raises DataError where no score is of a session.
    """
    dates = frame["date"].unique().sort()
    if dates.is_empty():
        raise DataError(f"{place}: no score in any session from {sessions[0]} to {sessions[-1]}")
    last: date = dates[-1]
    return dates[0], next((on for on in sessions if on > last), sessions[-1])


def select_sessions(
    known: list[date], freq: str, strategy: Strategy, first: date, last: date
) -> tuple[list[date], list[date]]:
    """The sessions of the back-test, and those whose scores it uses; the strategy's own bounds before the given ones.

    In an intraday market a session's scores trade in it, so that the session before comes first, if there is one.
    """
    first, last = strategy.start or first, strategy.end or last
    scored = [on for on in select_range(known, strategy.start, strategy.end) if first <= on <= last]
    if freq != DAILY and scored:
        begin = known.index(scored[0])
        chosen = known[max(begin - 1, 0) : begin] + scored
    else:
        chosen, scored = scored, scored[:-1]
    if len(chosen) < 2:
        raise DataError(
            f"a back-test needs at least 2 sessions, found {len(chosen)} from {first} to {last}",
            hint="set start and end in the strategy, or ingest newer bars",
        )
    return chosen, scored


def place_scores(scores: pl.DataFrame, times: pl.DataFrame, freq: str) -> tuple[pl.DataFrame, list[str]]:
    """Scores (time, symbol, score) on the rows of a back-test, and what a reader has to know of it.

    times : columns date and time (end of a bar), ascending: all rows of the data; freq : of the bars
    Returns date, symbol and score or, of an intraday market, date, time, symbol and score: `time` is then the end of
    the bar before the first one that begins at or after the score's moment. A date alone means the session's close.
    What lies on no session of the data, or after their last bar, is left out.
    """
    if freq != DAILY and (scores["time"].dt.time() != time()).any():
        return _on_bars(scores, times.with_row_index("row"), timedelta(minutes=freq_minutes(freq)))
    closes = times.group_by("date").agg(pl.col("time").max())
    dated = scores.select(pl.col("time").dt.date().alias("date"), "symbol", "score")
    columns = ("date", "symbol", "score") if freq == DAILY else ("date", "time", "symbol", "score")
    kept = dated.join(closes, on="date", maintain_order="left").select(columns)
    lost = dated["date"].n_unique() - kept["date"].n_unique()
    return kept, [f"Scores of {counted(lost, 'date')} without a session in the data: left out."] if lost else []


def _on_bars(scores: pl.DataFrame, bars: pl.DataFrame, step: timedelta) -> tuple[pl.DataFrame, list[str]]:
    # a bar begins where the one before it ended, the first one of a session a step before its end
    before = pl.col("time").shift(1)
    begins = pl.when(pl.col("date") == pl.col("date").shift(1)).then(before).otherwise(pl.col("time") - step)
    trading = bars.select(begins.alias("begin"), (pl.col("row").cast(pl.Int64) - 1).alias("row")).sort("begin")
    moments = scores.select("time").unique().sort("time")
    placed = moments.join_asof(trading, left_on="time", right_on="begin", strategy="forward")
    rows = bars.select(pl.col("row").cast(pl.Int64), "date", pl.col("time").alias("end"))
    known = placed.join(rows, on="row", how="inner")
    kept = (
        scores.join(known, on="time")
        .sort("time")
        .unique(["end", "symbol"], keep="last", maintain_order=True)
        .select("date", pl.col("end").alias("time"), "symbol", "score")
    )
    notes = []
    # after the very last bar nothing trades, which is no fault of the scores
    lost = len(moments.filter(pl.col("time") != bars["time"][-1]).join(known, on="time", how="anti"))
    if lost:
        notes.append(f"{lost} {MOMENTS} have no later bar in the data: left out.")
    moved = known.filter(pl.col("time") != pl.col("end")).height
    if moved:
        notes.append(f"{moved} {MOMENTS} are not bar ends: they trade at the first bar that begins after them.")
    return kept, notes


def missing_scores(strategy: Strategy, panel: Panel, market: Market, members: pl.DataFrame | None) -> str | None:
    """What is missing in words, None where nothing is.

    members : symbol, start, end (inclusive) of the universe that is scored; None for every symbol that has scores
    A symbol's bars count from its first score on, as long as it is a member, or up to its last score where the members
    are unknown; those of a member without any score all count. Raises DataError where a larger fraction of them has no
    score than the strategy's max_missing_scores.
    """
    sessions = session_panel(panel)
    scored = ~np.isnan(sessions.score)
    member = None if members is None else interval_mask(members, sessions.dates, sessions.symbols)
    needed = ~np.isnan(sessions.close) & expected_scores(scored, member)
    # the first session of an intraday market is there for its closes, the last one of any other trades nowhere
    needed[0 if panel.times else -1] = False
    missing = needed & ~scored
    unscored = unscored_bars(sessions, market, members)
    count, whole = int(missing.sum()) + len(unscored), int(needed.sum()) + len(unscored)
    if count == 0:
        return None
    empty = sum(row.any() and not found.any() for row, found in zip(missing, scored, strict=True))
    symbols = [symbol for symbol, column in zip(sessions.symbols, missing.T, strict=True) if column.any()]
    parts = [f"{counted(empty, 'session')} without any score"] if empty else []
    parts += [f"{counted(len(symbols), 'symbol')} ({listed(symbols)})"] if symbols else []
    if len(unscored):
        never = unscored["symbol"].unique().sort()
        parts.append(f"{len(never)} members of the universe without any score ({listed(never)})")
    message = f"{count:,} of {whole:,} expected scores are missing ({count / whole:.1%}): {', '.join(parts)}"
    if strategy.max_missing_scores is not None and count > strategy.max_missing_scores * whole:
        raise DataError(
            f"{message}; limit set by max_missing_scores: {strategy.max_missing_scores:.1%}",
            hint="compute or import those signals, shorten the period, or raise max_missing_scores",
        )
    return f"{message}."


def expected_scores(scored: BoolArray, member: BoolArray | None) -> BoolArray:
    """bool[S, N]: whether a symbol is among those that are scored; member : in the universe; None where unknown.

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


def unscored_bars(panel: Panel, market: Market, members: pl.DataFrame | None) -> pl.DataFrame:
    """(symbol, date) of the sessions in which members of the universe that have no score at all have bars."""
    none = pl.DataFrame(schema={"symbol": pl.String, "date": pl.Date})
    if members is None:
        return none
    others = members.filter(~pl.col("symbol").is_in(list(panel.symbols)))
    if others.is_empty():
        return none
    bars = market.select_bars(sorted(set(others["symbol"])), start=panel.dates[0], end=panel.dates[-2])
    held = bars.select("symbol", "date").unique().join(others.select("symbol", "start", "end"), on="symbol")
    inside = held.filter(pl.col("date").is_between(pl.col("start"), pl.col("end")))
    return inside.select("symbol", "date").unique()
