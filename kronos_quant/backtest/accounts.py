"""What a kernel did, as an account by session: returns, costs and turnover; tables of orders, positions and legs.

Shape letters: T rows (sessions, or bars of an intraday market), S sessions traded, N symbols, O orders or fills. The
first session of a panel only gives scores. Tables are in raw units: raw shares = adjusted shares x factor, raw price =
adjusted price / factor; value and cost are the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.dividends import PaidDividends
from kronos_quant.backtest.panel import Panel, ends_of


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the kernel did, in adjusted units.

    orders : f64[O, COLUMNS], columns as in `codes`; account, cash : f64[T], after each row
    held (shares), last (close, filled forward), factor (filled forward) : f64[T, N]
    borrowed : f64[T], what being short cost in each row
    halted : b1[T], whether a drawdown kept the strategy from trading
    session : i64[T], number of the session of each row, from 0
    remarks : of the strategy on what it could not do, sentences
    dividends : what was paid in cash; None where dividends reinvest themselves
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
    remarks: tuple[str, ...] = ()
    dividends: PaidDividends | None = None

    @property
    def fills(self) -> FloatArray:
        """The orders that traded, whole or in part."""
        return np.asarray(self.orders[self.orders[:, codes.STATUS] != codes.REJECTED])

    @property
    def ends(self) -> IntArray:
        """The last row of each session, the first session's too."""
        return ends_of(self.session)

    @property
    def paid(self) -> FloatArray:
        """All that each fill cost."""
        fills = self.fills
        return np.asarray(fills[:, codes.COST] + fills[:, codes.SLIPPAGE] + fills[:, codes.IMPACT])

    @property
    def lent(self) -> FloatArray:
        """What being short cost in each session traded."""
        return self._of_sessions(self.borrowed)

    @property
    def received(self) -> FloatArray:
        """Cash dividends before tax, booked in each session traded."""
        return self._of_sessions(None if self.dividends is None else self.dividends.received)

    @property
    def withheld(self) -> FloatArray:
        """Tax on dividends in each session traded: what is withheld at payment, and what sales owe."""
        return self._of_sessions(None if self.dividends is None else self.dividends.withheld)

    def _of_sessions(self, values: FloatArray | None) -> FloatArray:
        """Sum of an amount a row f64[T] in each session traded, f64[S]; 0 without any."""
        amounts = np.zeros(len(self.session)) if values is None else values
        return np.bincount(self.session, weights=amounts)[1:].astype(np.float64)

    def by_session(self, values: FloatArray) -> FloatArray:
        """Sum of an amount a fill f64[O] in each session traded, f64[S]."""
        session = self.session[self.fills[:, codes.ROW].astype(np.int64)]
        return np.bincount(session, weights=values, minlength=int(self.session[-1]) + 1)[1:].astype(np.float64)


@dataclass(frozen=True, slots=True)
class AccountSeries:
    """What an account did in each session traded, f64[S]; as in BacktestResult."""

    returns: FloatArray
    gross_returns: FloatArray
    cost: FloatArray
    turnover: FloatArray


def series_of(ledger: Ledger) -> AccountSeries:
    """The returns, costs and turnover of a ledger."""
    account, fills = ledger.account[ledger.ends], ledger.fills
    before, after = account[:-1], account[1:]
    cost = ledger.by_session(ledger.paid) + ledger.lent
    traded = ledger.by_session(fills[:, codes.SHARES] * fills[:, codes.PRICE])
    return AccountSeries(rate(after - before, before), rate(after - before + cost, before), cost, rate(traded, before))


def rate(amount: FloatArray, account: FloatArray) -> FloatArray:
    """amount / account, 0 where nothing is left of the account."""
    return np.divide(amount, account, out=np.zeros_like(amount), where=account > 0)


def leg_table(ledger: Ledger, panel: Panel) -> pl.DataFrame:
    """One row a session: date and, for `long` and `short`, value, return (of the account, after costs) and cost.

    A trade belongs to the leg whose holding it changes; one that goes through zero is cut there, and its costs are
    shared by the shares on either side. Borrowing is the short leg's. The two returns add up to the account's.
    """
    fills, ends = ledger.fills, ledger.ends
    before, held = ledger.account[ends][:-1], ledger.held[ends]
    was, now = holdings_around(fills, ledger.dividends)
    paid = payments_by_leg(ledger)
    changes = np.maximum(now, 0) - np.maximum(was, 0), np.minimum(now, 0) - np.minimum(was, 0)
    whole = np.abs(changes[0]) + np.abs(changes[1])
    columns: dict[str, Any] = {"date": panel.sessions[1:]}
    for name, side, change in zip(("long", "short"), (1, -1), changes, strict=True):
        value = np.where(held * side > 0, held * ledger.last[ends], 0.0).sum(axis=1)
        part, lent = rate(np.abs(change), whole), ledger.lent if side < 0 else 0.0
        beside = fills[:, codes.COST] * part + (fills[:, codes.TAX] if side > 0 else 0.0)
        traded = ledger.by_session(change * fills[:, codes.PRICE] + beside) - paid[side]
        columns[f"{name}_value"] = value[1:]
        columns[f"{name}_return"] = rate(np.diff(value) - traded - lent, before)
        columns[f"{name}_cost"] = ledger.by_session(ledger.paid * part) + lent
    return pl.DataFrame(columns)


def payments_by_leg(ledger: Ledger) -> dict[int, FloatArray]:
    """Dividends net of tax at payment in each session traded, f64[S], of long (1) and of short holdings (-1)."""
    found = {side: np.zeros(int(ledger.session[-1]) + 1) for side in (1, -1)}
    if (paid := ledger.dividends) is not None:
        held = ledger.held[paid.row - 1, paid.symbol]
        for side, sums in found.items():
            own = held * side > 0
            np.add.at(sums, ledger.session[paid.row[own]], paid.money[own])
    return {side: sums[1:] for side, sums in found.items()}


def holdings_around(fills: FloatArray, paid: PaidDividends | None = None) -> tuple[FloatArray, FloatArray]:
    """The shares of its symbol before and after each fill, f64[O]. paid : dividends, which change shares too"""
    count = 0 if paid is None else len(paid.row)
    if paid is not None and count:
        changes = np.zeros((count, codes.COLUMNS))
        changes[:, codes.ROW], changes[:, codes.SYMBOL] = paid.row, paid.symbol
        changes[:, codes.SIDE], changes[:, codes.SHARES] = 1.0, paid.change
        both = np.concatenate([changes, fills])
        order = np.argsort(both[:, codes.ROW], kind="stable")  # a row's dividends come before its fills
        was, now = holdings_around(both[order])
        own = order >= count
        return was[own], now[own]
    order = np.argsort(fills[:, codes.SYMBOL], kind="stable")
    symbol = fills[order, codes.SYMBOL]
    change = (fills[:, codes.SIDE] * fills[:, codes.SHARES])[order]
    begins = np.flatnonzero(np.diff(symbol, prepend=-1.0))
    running = np.cumsum(change)
    base = np.repeat(running[begins] - change[begins], np.diff([*begins, len(change)]))
    now = np.empty(len(change))
    now[order] = running - base
    return now - fills[:, codes.SIDE] * fills[:, codes.SHARES], now


def order_table(orders: FloatArray, factor: FloatArray, panel: Panel) -> pl.DataFrame:
    """One row an order, in the order in which they were placed.

    orders : f64[O, COLUMNS], columns as in `codes`; factor : f64[T, N], filled forward
    Columns: date, time (the end of the bar, in an intraday market), symbol, side, status, reason, wanted_shares (what
    the strategy ordered), shares, price, value, cost (all that was paid on top of the value), levies (the part of it
    that exchange and state took), slippage and impact (what the price cost versus the quoted one), dividend_tax (what a
    sale owes for dividends, beside the cost), factor, adjusted_shares, adjusted_price. An unknown price (no bar) is
    null, and so are the shares wanted at it. The reason is the exchange's, that of the risk rule that made or cut the
    order, or both: `maximum weight; volume cap`.
    """
    t, n = orders[:, codes.ROW].astype(np.int64), orders[:, codes.SYMBOL].astype(np.int64)
    shares, price = orders[:, codes.SHARES], orders[:, codes.PRICE]
    at = factor[t, n]
    when = {"time": pl.Series(panel.times).gather(t)} if panel.times else {}
    return pl.DataFrame(
        {
            "date": pl.Series(panel.dates).gather(t),
            **when,
            "symbol": pl.Series(panel.symbols).gather(n),
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
            "dividend_tax": orders[:, codes.TAX],
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
            "date": pl.Series(panel.dates).gather(t),
            "symbol": pl.Series(panel.symbols).gather(n),
            "shares": ledger.held[t, n] * ledger.factor[t, n],
            "price": ledger.last[t, n] / ledger.factor[t, n],
            "value": value,
            "weight": value / ledger.account[t],
        }
    )


def payout_table(paid: PaidDividends | None, panel: Panel) -> pl.DataFrame | None:
    """One row a dividend of a holding: date, symbol, shares, dividend, dividend_tax, new_shares; None without any.

    shares : raw, those held at the close before; dividend : cash before tax; dividend_tax : withheld at payment
    """
    if paid is None or not (told := (paid.gross != 0) | (paid.given != 0)).any():
        return None
    return pl.DataFrame(
        {
            "date": pl.Series(panel.dates).gather(paid.row[told]),
            "symbol": pl.Series(panel.symbols).gather(paid.symbol[told]),
            "shares": paid.raw[told],
            "dividend": paid.gross[told],
            "dividend_tax": paid.gross[told] - paid.money[told],
            "new_shares": paid.given[told],
        }
    )


def bar_table(ledger: Ledger, panel: Panel) -> pl.DataFrame:
    """One row a bar traded: date, time (its end), account, cash."""
    t = np.flatnonzero(ledger.session > 0)
    return pl.DataFrame(
        {
            "date": pl.Series(panel.dates).gather(t),
            "time": pl.Series(panel.times).gather(t),
            "account": ledger.account[t],
            "cash": ledger.cash[t],
        }
    )


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
