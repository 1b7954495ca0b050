"""What the long and the short positions of a back-test earned, each by itself.

Shape letters: S sessions traded, N symbols, O fills.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import BacktestResult, Panel
from kronos_quant.backtest.panel import filled_forward
from kronos_quant.validity.holdings import account_before, places, shares_of, values_before


@dataclass(frozen=True, slots=True)
class Legs:
    """Return of the account in each session from what was long and from what was short, f64[S], after costs.

    The two add up to the account's return. mean_long, mean_short : mean value at the close before / account
    """

    long: FloatArray
    short: FloatArray
    mean_long: float
    mean_short: float


def legs_of(result: BacktestResult, panel: Panel) -> Legs | None:
    """The legs of a back-test; None where nothing was ever short.

    panel : by sessions. A trade belongs to the side whose position it opens or closes, and so do its costs; borrowing
    to the short one. A trade that goes through zero is cut there.
    """
    before, values = account_before(result), values_before(result)
    if not (values < 0).any() and not (result.positions["value"] < 0).any():
        return None
    last = filled_forward(panel.close)
    moves = np.nan_to_num(last[1:] / last[:-1] - 1, nan=0.0)
    long = (np.maximum(values, 0) * moves).sum(axis=1)
    short = (np.minimum(values, 0) * moves).sum(axis=1)
    rows, columns = places(result.fills, result)
    of_long, of_short = traded(result, rows, columns, values, last)
    np.add.at(long, rows, of_long)
    np.add.at(short, rows, of_short)
    fills = result.fills
    paid = (fills["cost"] + fills["slippage"] + fills["impact"]).to_numpy()
    short -= result.cost - np.bincount(rows, weights=paid, minlength=len(short))  # what borrowing cost
    return Legs(
        long=shares_of(long, before),
        short=shares_of(short, before),
        mean_long=float(shares_of(np.maximum(values, 0).sum(axis=1), before).mean()),
        mean_short=float(shares_of(np.minimum(values, 0).sum(axis=1), before).mean()),
    )


def traded(
    result: BacktestResult, rows: np.ndarray, columns: np.ndarray, values: FloatArray, last: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """What each fill earned from its price to the close, less its cost, for the long and for the short side f64[O]."""
    fills = result.fills
    side = np.where(fills["side"].to_numpy() == "buy", 1.0, -1.0)
    size, price = fills["adjusted_shares"].to_numpy(), fills["adjusted_price"].to_numpy()
    close_before = last[rows, columns]
    held = np.divide(values[rows, columns], close_before, out=np.zeros(len(rows)), where=close_before > 0)
    held += sold_and_bought_earlier(rows, columns, side * size, len(result.symbols))
    closes = np.where(held * side < 0, np.minimum(np.abs(held), size), 0.0)
    part_closing = np.divide(closes, size, out=np.zeros(len(size)), where=size > 0)
    earned = side * size * (last[rows + 1, columns] - price) - fills["cost"].to_numpy()
    # a purchase opens a long position or closes a short one, a sale the other way round
    is_buy = side > 0
    part_long = np.where(is_buy, 1 - part_closing, part_closing)
    return earned * part_long, earned * (1 - part_long)


def sold_and_bought_earlier(rows: np.ndarray, columns: np.ndarray, change: FloatArray, symbols: int) -> FloatArray:
    """f64[O]: what the fills before each one changed in its symbol in the same session."""
    cells = rows * symbols + columns
    order = np.argsort(cells, kind="stable")
    running = np.cumsum(change[order]) - change[order]
    starts = np.flatnonzero(np.r_[True, np.diff(cells[order]) != 0]) if len(cells) else np.empty(0, dtype=np.int64)
    lengths = np.diff([*starts, len(cells)])
    earlier = np.empty(len(cells))
    earlier[order] = running - np.repeat(running[starts], lengths)
    return earlier
