"""What was long and what was short, each with an account of its own.

Shape letters: S sessions traded, N symbols, O fills.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray, IntArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.series import Ledger, rate


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
