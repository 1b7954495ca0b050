"""The kernel's arrays as tables for people: raw shares and raw prices, words instead of codes.

Shape letters: T rows (sessions, or bars of an intraday market), S sessions, N symbols, O orders. raw shares = adjusted
shares x factor; raw price = adjusted price / factor; value and cost are the same in both.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.series import Ledger


def order_table(orders: FloatArray, factor: FloatArray, panel: Panel) -> pl.DataFrame:
    """One row an order, in the order in which they were placed.

    orders : f64[O, COLUMNS], columns as in `codes`; factor : f64[T, N], filled forward
    Columns: date, time (the end of the bar, in an intraday market), symbol, side, status, reason, wanted_shares (what
    the strategy asked for), shares, price, value, cost (all that was paid beside the value), levies (the part of it
    that exchange and state took), slippage and impact (what the price cost beside the quoted one), factor,
    adjusted_shares, adjusted_price. A price that nobody knew (no bar) is null, and so are the shares wanted at it. The
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
        {
            "date": dates_at(panel, t),
            "time": times_at(panel, t),
            "account": ledger.account[t],
            "cash": ledger.cash[t],
        }
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
