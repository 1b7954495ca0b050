"""What the exchange allows: whether a symbol can be bought or sold at its execution price.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kronos_quant.backtest.codes import LIMIT_DOWN, LIMIT_UP, NO_BAR, TRADABLE
from kronos_quant.backtest.panel import FloatArray

TICK = 0.01
"""Price step that daily limits are rounded to, account currency."""

FLOAT32_NOISE = 2e-7
"""Relative error of a raw price that is the ratio of two float32 numbers."""


def market_states(price: FloatArray, last: FloatArray, factor: FloatArray, limits: FloatArray) -> npt.NDArray[np.uint8]:
    """uint8[T, N]: tradable, no bar, at the upper limit (not to be bought) or at the lower (not to be sold).

    price : f64[T, N], execution price, NaN without a bar; last : close filled forward; factor : filled forward
    limits : f64[T, N], the daily limit as a fraction; NaN: none
    The limit is tested at the execution price against the close before, so nothing later than the fill decides. The
    first bar of a symbol has no close before it and no limit.
    """
    raw = price / factor
    # an ex-rights day's reference: the raw close before x the ratio of the factors is the adjusted close / today's
    reference = np.full(last.shape, np.nan)
    reference[1:] = last[:-1] / factor[1:]
    states = np.full(price.shape, TRADABLE, dtype=np.uint8)
    states[raw >= rounded_half_up(reference * (1 + limits)) * (1 - FLOAT32_NOISE)] = LIMIT_UP
    states[raw <= rounded_half_up(reference * (1 - limits)) * (1 + FLOAT32_NOISE)] = LIMIT_DOWN
    states[~(price > 0)] = NO_BAR
    return states


def rounded_half_up(price: FloatArray) -> FloatArray:
    """Prices rounded to the tick, halves upwards; a half that float32 put just below itself counts as one."""
    return np.floor(price * (1 + FLOAT32_NOISE) / TICK + 0.5) * TICK
