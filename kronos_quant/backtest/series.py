"""From what a kernel did in each row to what the account did in each session.

Shape letters: T rows (sessions, or bars of an intraday market), S sessions traded, N symbols, O fills. The first
session of a panel only gives scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.backtest import codes


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
class Series:
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


def series_of(ledger: Ledger) -> Series:
    """The returns, costs and turnover of a ledger."""
    account = ledger.account[ledger.ends]
    before, after = account[:-1], account[1:]
    fills = ledger.fills
    paid = fills[:, codes.COST] + fills[:, codes.SLIPPAGE] + fills[:, codes.IMPACT]
    borrowed = np.bincount(ledger.session, weights=ledger.borrowed)[1:]
    cost = by_session(ledger, fills, paid) + borrowed
    traded = by_session(ledger, fills, fills[:, codes.SHARES] * fills[:, codes.PRICE])
    return Series(rate(after - before, before), rate(after - before + cost, before), cost, rate(traded, before))


def by_session(ledger: Ledger, orders: FloatArray, values: FloatArray) -> FloatArray:
    """Sum of an amount an order f64[O] in each session traded, f64[S]."""
    session = ledger.session[orders[:, codes.ROW].astype(np.int64)]
    sums = np.bincount(session, weights=values, minlength=int(ledger.session[-1]) + 1)
    return np.asarray(sums[1:], dtype=np.float64)


def rate(amount: FloatArray, account: FloatArray) -> FloatArray:
    """amount / account, 0 where nothing is left of the account."""
    return np.divide(amount, account, out=np.zeros_like(amount), where=account > 0)
