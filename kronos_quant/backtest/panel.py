"""Frames of bars and scores -> arrays of one shape.

Shape letters: T rows (sessions, or bars of an intraday market), S sessions, N symbols. Prices and volumes are in
adjusted units (schema.BARS).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from kronos_quant.arrays import FLOAT32_NOISE, BoolArray, FloatArray, IntArray
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.market.listings import Listings
from kronos_quant.panel.matrix import Times, cell_index, first_known, to_matrix

FIELDS = ("open", "high", "low", "close", "volume", "factor")
NO_DELISTINGS = np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class SymbolGroups:
    """names : the groups, ascending; member : int64[T, N], the number of a symbol's group in a session, -1 without."""

    names: tuple[str, ...]
    member: IntArray


@dataclass(frozen=True, slots=True)
class Past:
    """The bars of the sessions before a panel's first one, of the same symbols.

    dates : the session of each of P rows, ascending; bars : float64[P, N] of each of FIELDS
    """

    dates: tuple[date, ...]
    bars: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """Average prices at which orders fill, where they do not fill at the open or the close.

    price, low, high : float64[T, N], of what was traded meanwhile, adjusted; NaN where nothing was
    volume : float64[P + T, N], adjusted shares traded meanwhile, those before the first session too
    unknown : number of averages that another price stands for
    """

    price: FloatArray
    low: FloatArray
    high: FloatArray
    volume: FloatArray
    unknown: int


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars and scores of a back-test. NaN: no bar (suspended, not yet listed, delisted), or no opinion.

    dates : the session of each of T rows, ascending; symbols : N symbols, ascending
    open, high, low, close, volume, factor, score : float64[T, N]; `score[t]` is known after row t's close
    delisted : int64[K, 2], ascending: a row, and the number of a symbol whose listing is known to be over by then
    stated : symbols whose listing a table states
    unpriced : symbols with scores and without any bar, left out
    groups : of the symbols, where they are known
    times : the end of each row's bar in an intraday market; empty where a row is a session
    past : what trailing figures of the first sessions refer to; None where they begin with the panel
    execution : where orders fill at averages; else None
    dividends : `market.dividends.DIVIDENDS` of any symbols and dates; None where none are known
    index : float64[T, N], weights of an index's constituents, 0 for others; None where none is asked for
    """

    dates: tuple[date, ...]
    symbols: tuple[str, ...]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    factor: FloatArray
    score: FloatArray
    delisted: IntArray
    stated: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()
    groups: SymbolGroups | None = None
    times: tuple[datetime, ...] = ()
    past: Past | None = None
    index: FloatArray | None = None
    execution: Execution | None = None
    dividends: pl.DataFrame | None = None

    def with_past(self, field: str) -> FloatArray:
        """float64[P + T, N]: the values of one of FIELDS, those before the first session too."""
        values: FloatArray = getattr(self, field)
        return values if self.past is None else np.vstack([self.past.bars[FIELDS.index(field)], values])

    @property
    def sessions(self) -> tuple[date, ...]:
        """The S sessions, each once."""
        return tuple(dict.fromkeys(self.dates))


def session_numbers(dates: Sequence[date]) -> IntArray:
    """i64[T]: the number of the session of each row, from 0. dates : the sessions of the rows, ascending."""
    days = np.array(dates, dtype="datetime64[D]")
    return np.concatenate([[0], np.cumsum(days[1:] != days[:-1])]).astype(np.int64)


def ends_of(session: IntArray) -> IntArray:
    """The last row of each session. session : i64[T], numbers of the rows' sessions."""
    return np.flatnonzero(np.concatenate([session[1:] != session[:-1], [True]]))


def begins_of(dates: Sequence[date]) -> IntArray:
    """The first row of each session. dates : the sessions of the rows, ascending"""
    session = session_numbers(dates)
    return np.searchsorted(session, np.arange(session[-1] + 1))


def build_panel(
    bars: pl.DataFrame,
    scores: pl.DataFrame,
    sessions: Sequence[date],
    listings: Listings | None = None,
    *,
    keep_unpriced: bool = False,
) -> Panel:
    """Bars and scores of `sessions`, for the symbols that have a score and a bar in them.

    Parameters
    ----------
    bars
        schema.BARS, daily; those before the first session and after the last are ignored.
    scores
        Columns date (session whose close the score knows), symbol, score; NaN and null are no opinion.
    sessions
        Ascending.
    listings
        What says when a symbol leaves; None: none does.
    keep_unpriced
        Symbols with scores and without a bar are kept, as Qlib ranks them all the same.

    Raises
    ------
    DataError
        For sessions out of order, a key that occurs twice, an infinite score, a bar without a factor, no score at all,
        or no symbol with both.
    """
    check_sessions(sessions)
    return filled_panel(bars, scores, tuple(sessions), (), listings, keep_unpriced=keep_unpriced)


def build_bar_panel(
    bars: pl.DataFrame, scores: pl.DataFrame, times: pl.DataFrame, listings: Listings | None = None
) -> Panel:
    """As `build_panel`, a row a bar.

    Parameters
    ----------
    bars, listings
        As for `build_panel`.
    scores
        Columns time (end of a bar), symbol and score.
    times
        Date and time of the rows.
    """
    check_sessions(times["date"].unique().sort().to_list())
    rows = scores.join(times, on="time", how="inner").select("date", "time", "symbol", "score")
    return filled_panel(bars, rows, tuple(times["date"]), tuple(times["time"]), listings, keep_unpriced=False)


def filled_panel(
    bars: pl.DataFrame,
    scores: pl.DataFrame,
    dates: tuple[date, ...],
    times: tuple[datetime, ...],
    listings: Listings | None,
    *,
    keep_unpriced: bool,
) -> Panel:
    """Check frames of bars and scores, and lay them out."""
    key = "time" if times else "date"
    check_unique(bars, "bars", key)
    check_unique(scores, "scores", key)
    first, last = dates[0], dates[-1]
    scores = scores.filter(pl.col("date").is_between(first, last) & pl.col("score").is_not_nan())
    if scores.is_empty():
        raise DataError(f"no scores from {first} to {last}", hint=f"kq signal --start {first} --end {last}")
    if scores["score"].is_infinite().any():
        infinite = scores.filter(pl.col("score").is_infinite())
        raise DataError(f"infinite scores: {listed(infinite['symbol'].unique().sort())}")
    bars = bars.filter((pl.col("date") >= first) & pl.col("close").is_not_nan() & pl.col("close").is_not_null())
    check_factors(bars)
    inside = bars.filter(pl.col("date") <= last)
    scored, priced = set(scores["symbol"]), set(inside["symbol"])
    symbols = sorted(scored & priced)
    if not symbols:
        raise DataError(f"no bars from {first} to {last} for {counted(len(scored), 'symbol')} with scores")
    kept, rows = tuple(sorted(scored) if keep_unpriced else symbols), times or dates
    opened, high, low, close, volume, factor = field_matrices(inside, rows, kept, key)
    return Panel(
        dates=dates,
        symbols=kept,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        factor=factor,
        score=to_matrix(scores, "score", rows, kept, key=key),
        delisted=NO_DELISTINGS if listings is None else delisted_rows(listings, dates, kept, close),
        stated=() if listings is None else tuple(sorted(listings.stated & set(kept))),
        unpriced=tuple(sorted(scored - priced)),
        times=times,
    )


def add_past(panel: Panel, bars: pl.DataFrame, rows: pl.DataFrame) -> Panel:
    """The panel with the bars before its first session. rows : columns date and time, ascending: those of the past."""
    key = "time" if panel.times else "date"
    fields = field_matrices(bars, rows[key].to_list(), panel.symbols, key)
    return replace(panel, past=Past(tuple(rows["date"]), tuple(fields)))


def session_panel(panel: Panel) -> Panel:
    """A panel of bars as one of sessions: the first open, the last close and score, the sum of the volumes."""
    if not panel.times:
        return panel
    ends = ends_of(session_numbers(panel.dates))
    begins = np.concatenate([[0], ends[:-1] + 1])
    parts = [slice(begin, end + 1) for begin, end in zip(begins, ends, strict=True)]
    volume = np.array([np.nansum(panel.volume[part], axis=0) for part in parts])
    close = np.array([first_known(panel.close[part][::-1]) for part in parts])
    return replace(
        panel,
        dates=panel.sessions,
        times=(),
        open=np.array([first_known(panel.open[part]) for part in parts]),
        high=np.array([np.fmax.reduce(panel.high[part]) for part in parts]),
        low=np.array([np.fmin.reduce(panel.low[part]) for part in parts]),
        close=close,
        volume=np.where(np.isnan(close), np.nan, volume),
        factor=np.array([first_known(panel.factor[part][::-1]) for part in parts]),
        score=np.array([first_known(panel.score[part][::-1]) for part in parts]),
        delisted=np.stack([np.searchsorted(begins, panel.delisted[:, 0]), panel.delisted[:, 1]], axis=1),
        groups=None if panel.groups is None else SymbolGroups(panel.groups.names, panel.groups.member[ends]),
        past=None,
        execution=None,
    )


def in_ticks(panel: Panel, tick: FloatArray) -> Panel:
    """The panel with the prices that its bars had before float32 rounded them, where that is plain.

    tick : float64[N], the price step of each symbol. A raw price that is a multiple of it but for the rounding is taken
    for that multiple, so that accounts agree with an exchange's to the cent; any other stays.
    """

    def exact(prices: FloatArray) -> FloatArray:
        raw = prices / panel.factor
        nearest = np.round(raw / tick) * tick
        return np.where(np.abs(raw - nearest) <= FLOAT32_NOISE * raw, nearest * panel.factor, prices)

    return replace(
        panel, open=exact(panel.open), high=exact(panel.high), low=exact(panel.low), close=exact(panel.close)
    )


def delisted_rows(listings: Listings, dates: Sequence[date], symbols: Sequence[str], close: FloatArray) -> IntArray:
    """int64[K, 2], as `Panel.delisted`: what is known of each listing's end by then, whatever comes later.

    A stated end is known when its day is over; without a table, a listing is over by the first session after
    `delisted_after` of them without any bar, also where bars come again.

    Parameters
    ----------
    listings
        What is known.
    dates
        Of the T rows, ascending.
    symbols
        Of the N columns.
    close
        float64[T, N], NaN without a bar.

    Examples
    --------
    >>> from kronos_quant.market.listings import Listings, listings_of_bars
    >>> days = [date(2024, 1, day) for day in range(1, 7)]
    >>> bars = pl.DataFrame({"symbol": "A", "date": [days[0], days[5]]})
    >>> known = Listings(listings_of_bars(bars, days), delisted_after=3)
    >>> delisted_rows(known, days, ["A"], np.array([[1.0], *[[np.nan]] * 4, [1.0]]))
    array([[4, 0]])
    """
    days, begins = np.array(dates, dtype="datetime64[D]"), begins_of(dates)
    ends = listings.ends
    stated = [(n, np.datetime64(ends[symbol])) for n, symbol in enumerate(symbols) if symbol in ends]
    found = [(int(np.searchsorted(days, end, side="right")), n) for n, end in stated]
    if len(begins) > listings.delisted_after + 1:
        there = np.logical_or.reduceat(~np.isnan(close), begins, axis=0)
        rows, columns = cell_index(listings.suspended, list(dict.fromkeys(dates)), symbols)
        inside = (rows >= 0) & (columns >= 0)
        there[rows[inside], columns[inside]] = True
        for n, of_symbol in enumerate(np.ascontiguousarray(there.T)):
            if symbols[n] not in listings.stated:
                known = np.flatnonzero(of_symbol)
                last = known[np.diff(known, append=len(begins)) > listings.delisted_after]
                over = last + listings.delisted_after + 1
                found += [(int(begins[end]), n) for end in over if end < len(begins)]
    return np.array(sorted(row for row in found if row[0] < len(dates)), dtype=np.int64).reshape(-1, 2)


def field_matrices(bars: pl.DataFrame, times: Times, symbols: Sequence[str], key: str) -> list[FloatArray]:
    """float64[T, N] of each of FIELDS, NaN without a bar. times : of the T rows, in the column `key`"""
    rows, columns = cell_index(bars, times, symbols, key)
    inside = (rows >= 0) & (columns >= 0)
    matrices = []
    for field in FIELDS:
        values = np.full((len(times), len(symbols)), np.nan)
        values[rows[inside], columns[inside]] = bars[field].cast(pl.Float64).to_numpy()[inside]
        matrices.append(values)
    return matrices


def known_suspended(panel: Panel) -> BoolArray:
    """b1[T, N]: the symbols that are suspended as far as is known before a row trades.

    They had no bar in the session before, nor one in this session so far; the first session has nothing before it.
    """
    session, there = session_numbers(panel.dates), ~np.isnan(panel.close)
    suspended = np.zeros(there.shape, dtype=np.bool_)
    if not panel.times:
        suspended[1:] = ~there[:-1]
        return suspended
    absent = ~np.logical_or.reduceat(there, begins_of(panel.dates), axis=0)
    for t in range(1, len(there)):
        if session[t] == session[t - 1]:
            suspended[t] = suspended[t - 1] & ~there[t - 1]
        else:
            suspended[t] = absent[session[t] - 1]
    return suspended


def tradable_scores(score: FloatArray) -> FloatArray:
    """The scores that may be used when row t trades: those of row t - 1.

    This is the only place where scores are shifted. score : float64[T, N]; the first row of the result is NaN.
    """
    known = np.full(score.shape, np.nan)
    known[1:] = score[:-1]
    return known


def ranking_of(score: FloatArray) -> npt.NDArray[np.int32]:
    """int32[T, N]: the symbols of each session by descending score, ties by symbol, those without one last."""
    # numbers beyond every score keep symbols without one in their order, so that only real ties need a slow sort
    beyond = np.linspace(1e300, 2e300, score.shape[1]) if score.shape[1] else np.empty(0)
    keys = np.where(np.isnan(score), beyond, -score)
    order = np.argsort(keys, axis=1)
    ranked = np.take_along_axis(keys, order, axis=1)
    for t in np.flatnonzero((ranked[:, 1:] == ranked[:, :-1]).any(axis=1)):
        order[t] = np.argsort(keys[t], kind="stable")
    return np.ascontiguousarray(order, dtype=np.int32)


def check_sessions(sessions: Sequence[date]) -> None:
    """Raise DataError unless there are at least two sessions, ascending and unique."""
    if len(sessions) < 2:
        raise DataError(
            f"a back-test needs at least 2 sessions, found {len(sessions)}",
            hint="scores of one session trade at the next: choose an earlier start or a later end",
        )
    wrong = [after for before, after in pairwise(sessions) if after <= before]
    if wrong:
        raise DataError(f"sessions are not ascending and unique at {listed(wrong)}")


def check_unique(frame: pl.DataFrame, name: str, key: str = "date") -> None:
    """Raise DataError where a symbol has two rows in a session, or at a time."""
    twice = frame.filter(pl.struct(key, "symbol").is_duplicated()).select("symbol", key).unique().sort("symbol", key)
    if len(twice):
        keys = [f"{symbol} {when}" for symbol, when in twice.iter_rows()]
        raise DataError(f"{name}: more than one row for {listed(keys)}")


def check_factors(bars: pl.DataFrame) -> None:
    """Raise DataError where a bar has no adjustment factor: its raw price and lots would be unknown."""
    usable = pl.col("factor").is_finite() & (pl.col("factor") > 0)
    without = bars.filter(~usable.fill_null(False))["symbol"].unique().sort()
    if len(without):
        raise DataError(f"bars without an adjustment factor: {listed(without)}")
