"""The market as Qlib's exchange sees it: what `$change` says of the day, the close where a deal price is missing.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, StateArray
from kronos_quant.backtest.codes import BOTH_LIMITS, LIMIT_DOWN, LIMIT_UP, NO_BAR, TRADABLE
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.qlib.directory import (
    CLEAR_MOVE,
    PERCENT,
    OtherBarsError,
    QlibDirectory,
    check_same_bars,
    factor_missing,
    in_percent,
    inside,
    open_directory,
)
from kronos_quant.backtest.qlib.expressions import expression_limits
from kronos_quant.backtest.rules import Terms, percent
from kronos_quant.backtest.settings import FIELD, VolumeShares
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import ConfigError, listed
from kronos_quant.panel.matrix import simple_returns

LIMIT_THRESHOLD = 0.095
"""Qlib's for its Chinese region."""

TRADE_UNIT = 100
"""Raw shares that Qlib's Chinese region rounds orders to."""

OPEN_COST, CLOSE_COST, MIN_COST = 0.001, 0.0015, 5.0
"""The guide's."""

NO_LIMIT = 10.0
"""Qlib cannot do without a threshold; no symbol moves by ten times."""

NO_PRICE = 1e-8
"""A deal price up to this is none to Qlib."""


@dataclass(frozen=True, slots=True)
class QlibFacts:
    """What Qlib reads in addition to prices.

    change : f64[T, N], the move of each day's close as float32 has it; NaN: not limited
    volume : f64[T, N], as float32 has it and Qlib reads it
    unit : raw shares that orders are rounded to; 0: none
    notes : where these come from, for the reader
    listed : b1[T, N], whether a symbol's bar lies within its spans of instruments/all.txt, without which Qlib has none;
    None where every bar does
    percent : symbols whose stored `$change` counts percent; `change` has fractions
    limits : (b1[T, N], b1[T, N]), whether expressions of the strategy forbid to buy and to sell; None without them
    """

    change: FloatArray
    volume: FloatArray
    unit: int
    notes: tuple[str, ...] = ()
    listed: BoolArray | None = None
    percent: tuple[str, ...] = ()
    limits: tuple[BoolArray, BoolArray] | None = None


def derived_facts(panel: Panel) -> QlibFacts:
    """`change` computed from the adjusted closes, the panel's volumes, and orders in units of 100."""
    moved = simple_returns(panel.close), panel.volume
    changes, volumes = (values.astype(np.float32).astype(np.float64) for values in moved)
    return QlibFacts(changes, volumes_read(volumes, panel.dates), TRADE_UNIT)


def volumes_read(volume: FloatArray, days: Sequence[date]) -> FloatArray:
    """The volumes as Qlib's exchange reads them: on the last day before days without trading it sums them, NaN to 0.

    volume : f64[T, N]; days : the T days of the calendar, and the next one where there is one
    """
    sums = np.array([after - before > timedelta(days=1) for before, after in pairwise(days)])[: len(volume)]
    read = volume.copy()
    read[: len(sums)][sums] = np.nan_to_num(volume[: len(sums)][sums], nan=0.0)
    return read


def facts_of_directory(panel: Panel, path: Path, strategy: Strategy | None = None) -> QlibFacts:
    """`$change` and `$volume` as a Qlib directory stores them, and whether Qlib would round orders on it.

    Qlib does not round where any symbol of instruments/all.txt has a close without a factor in the period. A `$change`
    in percent is divided by 100, as the limit is a fraction.

    Parameters
    ----------
    panel
        The bars that are traded.
    path
        The directory; names are read as the ingest reads them.
    strategy
        Says which fields are needed, and has the limits where they are expressions; None: `$change` is needed.

    Raises
    ------
    OtherBarsError
        Where the directory has other closes than the panel, or does not cover its sessions.
    DataError
        Where a file is damaged, or one that is needed is missing.

    Examples
    --------
    >>> facts_of_directory(panel, Path("cn_data")).unit  # doctest: +SKIP
    100
    """
    directory, first = matching_directory(panel, path)
    return read_facts(panel, directory, first, strategy)


def matching_directory(panel: Panel, path: Path) -> tuple[QlibDirectory, int]:
    """A Qlib directory with the panel's bars, and the place of the panel's first session in its calendar.

    Raises DataError as `facts_of_directory`.
    """
    directory = open_directory(path)
    first, end = bisect_left(directory.days, panel.dates[0]), bisect_right(directory.days, panel.dates[-1])
    if directory.days[first:end] != panel.dates:
        raise OtherBarsError(f"{path}: its calendar has other sessions from {panel.dates[0]} to {panel.dates[-1]}")
    check_same_bars(directory, panel, first, end)
    return directory, first


def read_facts(panel: Panel, directory: QlibDirectory, first: int, strategy: Strategy | None) -> QlibFacts:
    """The facts of a directory with the panel's bars, see `facts_of_directory`."""
    end = first + len(panel.dates)
    traded = ~np.isnan(panel.close)
    expressions = None if strategy is None else strategy.limit_expressions
    with_bars = [panel.symbols[n] for n in np.flatnonzero(traded.any(axis=0))]
    directory.require(with_bars, needed_fields(strategy))
    change, volume = (
        np.stack([directory.values(symbol, name, first, end) for symbol in panel.symbols], axis=1)
        for name in ("change", "volume")
    )
    notes: list[str] = []
    percent: tuple[str, ...] = ()
    if expressions is None and "change" in needed_fields(strategy):
        change, percent, notes = as_fractions(change, panel)
    # the first session only gives scores; Qlib looks at the sessions that it trades in
    unit = 0 if factor_missing(directory, first + 1, end) else TRADE_UNIT
    if not unit:
        notes.append("Qlib does not round orders here, because a symbol of all.txt has a close without a factor.")
    days = np.array(panel.dates, dtype="datetime64[D]")
    inside_list = np.stack([inside(directory.spans.get(symbol, []), days) for symbol in panel.symbols], axis=1)
    everything = not directory.spans or bool(inside_list[traded].all())
    return QlibFacts(
        change,
        volumes_read(volume, directory.days[first : end + 1]),
        unit,
        tuple(notes),
        None if everything else inside_list,
        percent,
        None if expressions is None else expression_limits(directory.path, panel, expressions),
    )


def needed_fields(strategy: Strategy | None) -> tuple[str, ...]:
    """The fields, besides prices and factor, without which pyqlib would trade by NaN and say nothing."""
    if strategy is None:
        return ("change",)
    if strategy.limit_expressions is not None:
        limits = {name.lower() for text in strategy.limit_expressions for name in FIELD.findall(text)}
    else:
        limits = set() if strategy.price_limit == "none" else {"change"}
    by_volume = strategy.qlib.volume_threshold is not None or strategy.qlib.impact_cost > 0
    return tuple(sorted(limits | ({"volume"} if by_volume else set())))


def as_fractions(change: FloatArray, panel: Panel) -> tuple[FloatArray, tuple[str, ...], list[str]]:
    """`$change` as fractions of the previous close, the symbols that had it in percent, and what to say of it."""
    columns, explained = in_percent(change, panel.close)
    percent = tuple(symbol for symbol, one in zip(panel.symbols, columns, strict=True) if one)
    notes = []
    if percent:
        notes.append(
            f"$change counts percent for {len(percent)} of {len(panel.symbols)} symbols ({listed(percent, 3)}): it is "
            "divided by 100, as the limit is a fraction (pyqlib would take nearly every move for a limit)."
        )
        change = np.where(columns, (change.astype(np.float32) / PERCENT).astype(np.float64), change)
    if explained < 0.5:
        notes.append(
            f"$change agrees with the closes in {explained:.0%} of the moves above {CLEAR_MOVE:.1%}: the price limits "
            "follow $change, as in Qlib."
        )
    return change, percent, notes


def as_listed(panel: Panel, facts: QlibFacts) -> Panel:
    """The panel without the prices that Qlib does not read."""
    if facts.listed is None:
        return panel
    opened, close = (np.where(facts.listed, values, np.nan) for values in (panel.open, panel.close))
    return replace(panel, open=opened, close=close)


def qlib_prices(panel: Panel, fill: str) -> FloatArray:
    """The deal prices f64[T, N]: the close where the field is missing or 0."""
    price = panel.open if fill == "open" else panel.close
    return np.ascontiguousarray(np.where(price > NO_PRICE, price, panel.close))


def limit_states(strategy: Strategy, panel: Panel, facts: QlibFacts) -> StateArray:
    """uint8[T, N]: the market as the strategy's limits make it: by one threshold, or by an expression for each side."""
    if facts.limits is None:
        if strategy.limit_expressions is not None:
            raise ConfigError(
                "price_limit: expressions are evaluated on a Qlib directory, and none has these bars",
                hint="set `qlib.directory` in the strategy file",
            )
        return qlib_states(panel, facts.change, qlib_threshold(strategy))
    no_buy, no_sell = facts.limits
    states = np.full(panel.close.shape, TRADABLE, dtype=np.uint8)
    states[no_buy] = LIMIT_UP
    states[no_sell] = LIMIT_DOWN
    states[no_buy & no_sell] = BOTH_LIMITS
    states[np.isnan(panel.close)] = NO_BAR
    return states


def qlib_states(panel: Panel, change: FloatArray, threshold: float) -> StateArray:
    """uint8[T, N]: suspended, or at a limit by the day's own close-to-close change (Qlib looks ahead here)."""
    states = np.full(panel.close.shape, TRADABLE, dtype=np.uint8)
    moved, limit = change.astype(np.float32), np.float32(threshold)  # Qlib compares float32 numbers
    states[moved >= limit] = LIMIT_UP
    states[moved <= -limit] = LIMIT_DOWN
    states[np.isnan(panel.close)] = NO_BAR
    return states


def qlib_costs(strategy: Strategy) -> tuple[float, float, float]:
    """open_cost, close_cost and min_cost."""
    costs = strategy.costs
    chosen = ((costs.buy, OPEN_COST), (costs.sell, CLOSE_COST), (costs.minimum, MIN_COST))
    buy, sell, minimum = (usual if own is None else own for own, usual in chosen)
    return buy, sell, minimum


def qlib_threshold(strategy: Strategy) -> float:
    """limit_threshold: one for every board, as Qlib has it; not for limits that are expressions."""
    if strategy.price_limit == "none":
        return NO_LIMIT
    return LIMIT_THRESHOLD if isinstance(strategy.price_limit, str | tuple) else float(strategy.price_limit)


def qlib_unit(strategy: Strategy, facts: QlibFacts) -> int:
    """trade_unit, 0 where orders are not rounded."""
    if strategy.lot == "exchange" or facts.unit == 0:
        return facts.unit
    return strategy.lot


def qlib_terms(strategy: Strategy, facts: QlibFacts, exchange: Terms) -> Terms:
    """The rules in words; figures are annualised as the exchange's sessions are."""
    buy, sell, minimum = qlib_costs(strategy)
    unit = qlib_unit(strategy, facts)
    costs = f"Qlib's: buying {percent(buy)}, selling {percent(sell)}, at least {minimum:g} per trade"
    if strategy.qlib.impact_cost:
        costs += f", and {strategy.qlib.impact_cost:g} x the square of the order's share of the day's value"
    rules = (
        f"Qlib's: {limit_words(strategy)}, "
        + (f"orders in units of {unit}" if unit else "orders not rounded")
        + share_words(strategy.qlib.volume_threshold)
        + ", delisted holdings stay at their last close"
    )
    note = (
        "Profile qlib: fills and costs as in Qlib, with its look-ahead (the same day's close decides what trades at "
        "the open) and without delistings (delisted holdings keep their places). For comparison, not for evaluation."
    )
    return Terms((costs, rules), (note, *facts.notes), exchange.sessions_per_year)


def limit_words(strategy: Strategy) -> str:
    """The price limits in words."""
    if strategy.limit_expressions is not None:
        return "no purchase where {}, no sale where {}".format(*strategy.limit_expressions)
    return f"limit {qlib_threshold(strategy):g} on the day's close-to-close change"


def share_words(shares: VolumeShares | None) -> str:
    """The volume limit in words after a comma; nothing without one."""
    if shares is None:
        return ""
    if shares.buy == shares.sell:
        return f", at most {shares.buy:g} of the day's own volume"
    return f", at most {shares.buy:g} of the day's own volume bought and {shares.sell:g} sold"
