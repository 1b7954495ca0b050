"""The kernel's arrays as tables for people: raw shares and raw prices, words instead of codes.

Shape letters: T sessions, N symbols, O orders. raw shares = adjusted shares x factor; raw price = adjusted price /
factor; value and cost are the same in both.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from kronos_quant.backtest import codes
from kronos_quant.backtest.panel import FloatArray, Panel


def order_table(orders: FloatArray, factor: FloatArray, panel: Panel) -> pl.DataFrame:
    """One row an order, in the order in which they were placed.

    orders : f64[O, COLUMNS], columns as in `codes`; factor : f64[T, N], filled forward
    Columns: date, symbol, side, status, reason, wanted_shares, shares, price, value, cost (all that was paid beside the
    value), levies (the part of it that exchange and state took), slippage and impact (what the price cost beside the
    quoted one), factor, adjusted_shares, adjusted_price. A price that nobody knew (no bar) is null, and so are the
    shares wanted at it.
    """
    t, n = orders[:, codes.SESSION].astype(np.int64), orders[:, codes.SYMBOL].astype(np.int64)
    shares, price = orders[:, codes.SHARES], orders[:, codes.PRICE]
    at = factor[t, n]
    return pl.DataFrame(
        {
            "date": dates_at(panel, t),
            "symbol": symbols_at(panel, n),
            "side": worded(orders[:, codes.SIDE], codes.SIDES),
            "status": worded(orders[:, codes.STATUS], codes.STATUSES),
            "reason": worded(orders[:, codes.REASON], codes.REASONS),
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


def position_table(
    held: FloatArray, last: FloatArray, factor: FloatArray, account: FloatArray, panel: Panel
) -> pl.DataFrame:
    """One row a session and holding: date, symbol, shares, price (last close), value, weight in the account.

    held (adjusted shares), last, factor : f64[T, N]; account : f64[T]
    """
    t, n = np.nonzero(held)
    value = held[t, n] * last[t, n]
    return pl.DataFrame(
        {
            "date": dates_at(panel, t),
            "symbol": symbols_at(panel, n),
            "shares": held[t, n] * factor[t, n],
            "price": last[t, n] / factor[t, n],
            "value": value,
            "weight": value / account[t],
        }
    )


def dates_at(panel: Panel, t: np.ndarray) -> pl.Series:
    """The dates of sessions t, as a column."""
    return pl.Series(panel.dates, dtype=pl.Date).gather(t)


def symbols_at(panel: Panel, n: np.ndarray) -> pl.Series:
    """The symbols numbered n, as a column."""
    return pl.Series(panel.symbols, dtype=pl.String).gather(n)


def worded(numbers: FloatArray, words: dict[int, str]) -> pl.Series:
    """The words that stand for a column of numbers."""
    return pl.Series(numbers.astype(np.int64)).replace_strict(words, return_dtype=pl.String)
