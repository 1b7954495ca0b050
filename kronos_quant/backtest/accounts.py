"""What a kernel did, as an account by session: returns, costs and turnover; tables of orders, positions and legs.

Shape letters: T rows (sessions, or bars of an intraday market), S sessions traded, N symbols, O orders or fills. The
first session of a panel only gives scores. Tables are in raw units: raw shares = adjusted shares x factor, raw price =
adjusted price / factor; value and cost are the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.panel import Panel


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the kernel did, in adjusted units.

    orders : f64[O, COLUMNS], columns as in `codes`; account, cash : f64[T], after each row
    held (shares), last (close, filled forward), factor (filled forward) : f64[T, N]
    borrowed : f64[T], what being short cost in each row
    halted : b1[T], whether a drawdown kept the strategy from trading
    session : i64[T], number of the session of each row, from 0
    """

    orders: FloatArray
    account: FloatArray
    cash: FloatArray
    held: FloatArray
    last: FloatArray
    factor: FloatArray
    borrowed: FloatArray
    halted: BoolArray
    session: IntArray

    @property
    def fills(self) -> FloatArray:
        """The orders that traded, whole or in part."""
        return np.asarray(self.orders[self.orders[:, codes.STATUS] != codes.REJECTED])

    @property
    def ends(self) -> IntArray:
        """The last row of each session, the first session's too."""
        return ends_of(self.session)


@dataclass(frozen=True, slots=True)
class AccountSeries:
    """What an account did in each session traded, f64[S]; as in BacktestResult."""

    returns: FloatArray
    gross_returns: FloatArray
    cost: FloatArray
    turnover: FloatArray


def session_numbers(dates: Sequence[date]) -> IntArray:
    """i64[T]: the number of the session of each row, from 0. dates : the sessions of the rows, ascending."""
    days = np.array(dates, dtype="datetime64[D]")
    return np.concatenate([[0], np.cumsum(days[1:] != days[:-1])]).astype(np.int64)


def ends_of(session: IntArray) -> IntArray:
    """The last row of each session. session : i64[T], numbers of the rows' sessions."""
    return np.flatnonzero(np.concatenate([session[1:] != session[:-1], [True]]))


def series_of(ledger: Ledger) -> AccountSeries:
    """The returns, costs and turnover of a ledger."""
    account = ledger.account[ledger.ends]
    before, after = account[:-1], account[1:]
    fills = ledger.fills
    paid = fills[:, codes.COST] + fills[:, codes.SLIPPAGE] + fills[:, codes.IMPACT]
    borrowed = np.bincount(ledger.session, weights=ledger.borrowed)[1:]
    cost = by_session(ledger, fills, paid) + borrowed
    traded = by_session(ledger, fills, fills[:, codes.SHARES] * fills[:, codes.PRICE])
    return AccountSeries(rate(after - before, before), rate(after - before + cost, before), cost, rate(traded, before))


def by_session(ledger: Ledger, orders: FloatArray, values: FloatArray) -> FloatArray:
    """Sum of an amount an order f64[O] in each session traded, f64[S]."""
    session = ledger.session[orders[:, codes.ROW].astype(np.int64)]
    sums = np.bincount(session, weights=values, minlength=int(ledger.session[-1]) + 1)
    return np.asarray(sums[1:], dtype=np.float64)


def rate(amount: FloatArray, account: FloatArray) -> FloatArray:
    """amount / account, 0 where nothing is left of the account."""
    return np.divide(amount, account, out=np.zeros_like(amount), where=account > 0)


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of an account, f64[S]: its value at the close (negative where short), what it gained after its costs,
    and those costs."""

    value: FloatArray
    gain: FloatArray
    cost: FloatArray


def leg_table(ledger: Ledger, panel: Panel) -> pl.DataFrame:
    """One row a session: date and, for `long` and `short`, value, return (of the account, after costs) and cost.

    A trade belongs to the leg whose holding it changes; one that goes through zero is cut there, and its costs are
    shared by the shares on either side. Borrowing is the short leg's. The two returns add up to the account's.
    """
    before = ledger.account[ledger.ends][:-1]
    long, short = legs_of(ledger)
    return pl.DataFrame(
        {
            "date": panel.sessions[1:],
            "long_value": long.value,
            "long_return": rate(long.gain, before),
            "long_cost": long.cost,
            "short_value": short.value,
            "short_return": rate(short.gain, before),
            "short_cost": short.cost,
        }
    )


def legs_of(ledger: Ledger) -> tuple[Leg, Leg]:
    """The long and the short leg."""
    fills, ends = ledger.fills, ledger.ends
    session = ledger.session[fills[:, codes.ROW].astype(np.int64)] - 1
    was, now = holdings_around(fills)
    borrowed = np.bincount(ledger.session, weights=ledger.borrowed)[1:]
    changes = np.maximum(now, 0) - np.maximum(was, 0), np.minimum(now, 0) - np.minimum(was, 0)
    whole = np.abs(changes[0]) + np.abs(changes[1])
    legs = []
    for side, change, lent in zip((1.0, -1.0), changes, (np.zeros_like(borrowed), borrowed), strict=True):
        held = np.where(ledger.held[ends] * side > 0, ledger.held[ends] * ledger.last[ends], 0.0).sum(axis=1)
        part = rate(np.abs(change), whole)
        traded = summed(session, change * fills[:, codes.PRICE] + fills[:, codes.COST] * part, len(borrowed))
        paid = fills[:, codes.COST] + fills[:, codes.SLIPPAGE] + fills[:, codes.IMPACT]
        cost = summed(session, paid * part, len(borrowed)) + lent
        legs.append(Leg(held[1:], np.diff(held) - traded - lent, cost))
    return legs[0], legs[1]


def holdings_around(fills: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The shares of its symbol before and after each fill, f64[O]."""
    order = np.argsort(fills[:, codes.SYMBOL], kind="stable")
    symbol = fills[order, codes.SYMBOL]
    change = (fills[:, codes.SIDE] * fills[:, codes.SHARES])[order]
    begins = np.flatnonzero(np.diff(symbol, prepend=-1.0))
    running = np.cumsum(change)
    base = np.repeat(running[begins] - change[begins], np.diff([*begins, len(change)]))
    now = np.empty(len(change))
    now[order] = running - base
    return now - fills[:, codes.SIDE] * fills[:, codes.SHARES], now


def summed(session: IntArray, amounts: FloatArray, sessions: int) -> FloatArray:
    """Sum of an amount a fill f64[O] in each session traded, f64[S]."""
    return np.bincount(session, weights=amounts, minlength=sessions).astype(np.float64)


def order_table(orders: FloatArray, factor: FloatArray, panel: Panel) -> pl.DataFrame:
    """One row an order, in the order in which they were placed.

    orders : f64[O, COLUMNS], columns as in `codes`; factor : f64[T, N], filled forward
    Columns: date, time (the end of the bar, in an intraday market), symbol, side, status, reason, wanted_shares (what
    the strategy ordered), shares, price, value, cost (all that was paid on top of the value), levies (the part of it
    that exchange and state took), slippage and impact (what the price cost versus the quoted one), factor,
    adjusted_shares, adjusted_price. An unknown price (no bar) is null, and so are the shares wanted at it. The
    reason is the exchange's, that of the risk rule that made or cut the order, or both: `maximum weight; volume cap`.
    """
    t, n = orders[:, codes.ROW].astype(np.int64), orders[:, codes.SYMBOL].astype(np.int64)
    shares, price = orders[:, codes.SHARES], orders[:, codes.PRICE]
    at = factor[t, n]
    when = {"time": times_at(panel, t)} if panel.times else {}
    return pl.DataFrame(
        {
            "date": dates_at(panel, t),
            **when,
            "symbol": symbols_at(panel, n),
            "side": worded(orders[:, codes.SIDE], codes.SIDES),
            "status": worded(orders[:, codes.STATUS], codes.STATUSES),
            "reason": reasons_of(orders),
            "wanted_shares": orders[:, codes.WANTED] * at,
            "shares": np.where(shares > 0, shares * at, 0.0),
            "price": price / at,
            "value": np.where(shares > 0, shares * price, 0.0),
            "cost": orders[:, codes.COST],
            "levies": orders[:, codes.LEVY],
            "slippage": orders[:, codes.SLIPPAGE],
            "impact": orders[:, codes.IMPACT],
            "factor": at,
            "adjusted_shares": shares,
            "adjusted_price": price,
        },
        nan_to_null=True,
    )


def position_table(ledger: Ledger, ends: IntArray, panel: Panel) -> pl.DataFrame:
    """One row a session and holding: date, symbol, shares, price (last close), value, weight in the account.

    ends : i64[S], the last row of each session
    """
    row, n = np.nonzero(ledger.held[ends])
    t = ends[row]
    value = ledger.held[t, n] * ledger.last[t, n]
    return pl.DataFrame(
        {
            "date": dates_at(panel, t),
            "symbol": symbols_at(panel, n),
            "shares": ledger.held[t, n] * ledger.factor[t, n],
            "price": ledger.last[t, n] / ledger.factor[t, n],
            "value": value,
            "weight": value / ledger.account[t],
        }
    )


def bar_table(ledger: Ledger, panel: Panel) -> pl.DataFrame:
    """One row a bar traded: date, time (its end), account, cash."""
    t = np.flatnonzero(ledger.session > 0)
    return pl.DataFrame(
        {"date": dates_at(panel, t), "time": times_at(panel, t), "account": ledger.account[t], "cash": ledger.cash[t]}
    )


def dates_at(panel: Panel, t: np.ndarray) -> pl.Series:
    """The session dates of rows t, as a column."""
    return pl.Series(panel.dates, dtype=pl.Date).gather(t)


def times_at(panel: Panel, t: np.ndarray) -> pl.Series:
    """The ends of the bars of rows t, as a column."""
    return pl.Series(panel.times, dtype=pl.Datetime("us")).gather(t)


def symbols_at(panel: Panel, n: np.ndarray) -> pl.Series:
    """The symbols numbered n, as a column."""
    return pl.Series(panel.symbols, dtype=pl.String).gather(n)


def reasons_of(orders: FloatArray) -> pl.Series:
    """Why each order ended as it did: the exchange's reason, the risk rule that made or cut it, or both."""
    parts = (
        worded(orders[:, codes.RISK], codes.RISKS).alias("rule"),
        worded(orders[:, codes.REASON], codes.REASONS).alias("reason"),
    )
    both = pl.DataFrame(parts).with_columns(pl.all().replace("", None))
    both = both.with_columns(pl.when(pl.col("reason") != pl.col("rule").fill_null("")).then("reason"))
    return both.select(pl.concat_str("rule", "reason", separator="; ", ignore_nulls=True).fill_null(""))["rule"]


def worded(numbers: FloatArray, words: dict[int, str]) -> pl.Series:
    """The words that stand for a column of numbers."""
    return pl.Series(numbers.astype(np.int64)).replace_strict(words, return_dtype=pl.String)
