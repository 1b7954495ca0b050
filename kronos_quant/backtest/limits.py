"""Whether a symbol can be bought or sold at its execution price.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray, IntArray, StateArray


def market_states(
    price: FloatArray,
    last: FloatArray,
    factor: FloatArray,
    up: FloatArray,
    down: FloatArray,
    reference: FloatArray | None = None,
    tick: FloatArray | float = 0.01,
    slippage: float = 0.0,
    session: IntArray | None = None,
) -> StateArray:
    """uint8[T, N]: tradable, no bar, at the upper limit (not to be bought) or at the lower (not to be sold).

    price : f64[T, N], execution price, NaN without a bar; last : close filled forward; factor : filled forward
    up, down : f64[T, N], limits as fractions of the reference; NaN: none
    reference : f64[T, N], raw prices that limits count from instead of the close before; NaN: the close before
    tick : f64[N] or one for all, the price step that limits are rounded to
    slippage : fraction by which a purchase is above the price, and a sale below it
    session : int64[T], number of the session of each row; None: a row is a session
    The limit is tested at the execution price against the close of the session before, so nothing later than the fill
    decides. A first session has no close before it and, without a reference, no limit.
    """
    from kronos_quant.backtest.kernel.states import states_nb

    ticks = np.full(price.shape[1], tick, dtype=np.float64)
    other = np.full(price.shape, np.nan) if reference is None else np.ascontiguousarray(reference)
    numbers = np.arange(len(price)) if session is None else session
    price, last, factor = (np.ascontiguousarray(values) for values in (price, last, factor))
    up, down = np.ascontiguousarray(up), np.ascontiguousarray(down)
    return np.asarray(states_nb(price, last, factor, up, down, other, ticks, numbers, slippage))
