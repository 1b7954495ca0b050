"""Whether a symbol can be bought or sold at its execution price.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kronos_quant.backtest.panel import FloatArray

StateArray = npt.NDArray[np.uint8]

FLOAT32_NOISE = 2e-7
"""Relative error of a raw price that is the ratio of two float32 numbers."""


def market_states(
    price: FloatArray,
    last: FloatArray,
    factor: FloatArray,
    up: FloatArray,
    down: FloatArray,
    reference: FloatArray | None = None,
    tick: FloatArray | float = 0.01,
    slippage: float = 0.0,
) -> StateArray:
    """uint8[T, N]: tradable, no bar, at the upper limit (not to be bought) or at the lower (not to be sold).

    price : f64[T, N], execution price, NaN without a bar; last : close filled forward; factor : filled forward
    up, down : f64[T, N], limits as fractions of the reference; NaN: none
    reference : f64[T, N], raw prices that limits count from instead of the close before; NaN: the close before
    tick : f64[N] or one for all, the price step that limits are rounded to
    slippage : fraction by which a purchase is above the price, and a sale below it
    The limit is tested at the execution price against the close before, so nothing later than the fill decides. A first
    bar has no close before it and, without a reference, no limit.
    """
    from kronos_quant.backtest.kernel.states import states_nb

    ticks = np.full(price.shape[1], tick, dtype=np.float64)
    other = np.full(price.shape, np.nan) if reference is None else np.ascontiguousarray(reference)
    price, last, factor = (np.ascontiguousarray(values) for values in (price, last, factor))
    up, down = np.ascontiguousarray(up), np.ascontiguousarray(down)
    return np.asarray(states_nb(price, last, factor, up, down, other, ticks, slippage))
