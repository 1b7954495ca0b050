"""Whether a symbol can be bought or sold at its execution price.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FLOAT32_NOISE, FloatArray, IntArray, StateArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.kernel.arrays import FloatMatrix, StateMatrix, compiled

LESS_THAN_A_TICK = 1e-6
"""A difference of prices that rounding put this fraction below a tick is a tick."""


@compiled
def rounded_nb(price: float, tick: float) -> float:
    """A price rounded to the tick, halves upwards; a half that float32 put just below itself counts as one."""
    return float(np.floor(price * (1.0 + FLOAT32_NOISE) / tick + 0.5) * tick)


@compiled
def states_nb(
    price: FloatMatrix, last: FloatMatrix, factor: FloatMatrix, up: FloatMatrix, down: FloatMatrix,
    reference: FloatMatrix, tick: FloatArray, one_tick: IntArray, session: IntArray, slippage: float,
) -> StateMatrix:  # fmt: skip
    """u1[T, N], as `market_states` describes it."""
    T, N = price.shape
    states = np.full((T, N), codes.TRADABLE, np.uint8)
    close_before = -1
    for t in range(T):
        if t > 0 and session[t] != session[t - 1]:
            close_before = t - 1
        for i in range(N):
            if not price[t, i] > 0.0:
                states[t, i] = codes.NO_BAR
                continue
            before = reference[t, i]
            if np.isnan(before) and close_before >= 0:
                before = last[close_before, i] / factor[t, i]
                if abs(factor[close_before, i] - factor[t, i]) > FLOAT32_NOISE * factor[t, i]:
                    before = rounded_nb(before, tick[i])  # the ex-rights reference
            # a limit that is NaN compares as no limit
            highest = rounded_nb(before * (1.0 + up[t, i]), tick[i])
            lowest = rounded_nb(before * (1.0 - down[t, i]), tick[i])
            if t >= one_tick[i]:
                least = tick[i] * (1.0 - LESS_THAN_A_TICK)
                highest = before + tick[i] if highest - before < least else highest
                lowest = before - tick[i] if before - lowest < least else lowest
            raw = price[t, i] / factor[t, i]
            if raw * (1.0 + slippage) >= highest * (1.0 - FLOAT32_NOISE):
                states[t, i] = codes.LIMIT_UP
            if raw * (1.0 - slippage) <= lowest * (1.0 + FLOAT32_NOISE):
                states[t, i] = codes.LIMIT_DOWN
    return states


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
    one_tick: IntArray | None = None,
) -> StateArray:
    """uint8[T, N]: tradable, no bar, at the upper limit (not to be bought) or at the lower (not to be sold).

    price : f64[T, N], execution price, NaN without a bar; last : close filled forward; factor : filled forward
    up, down : f64[T, N], limits as fractions of the reference; NaN: none
    reference : f64[T, N], raw prices that limits count from instead of the close before; NaN: the close before
    tick : f64[N] or one for all, the price step that limits are rounded to
    slippage : fraction by which a purchase is above the price, and a sale below it
    session : int64[T], number of the session of each row; None: a row is a session
    one_tick : int64[N], first row in which a limit is at least a tick away from its reference; None: in none
    The limit is tested at the execution price against the close of the session before, so nothing later than the fill
    decides. Where the factor changed since that close, the close is brought to the new factor and rounded to the tick,
    as the exchanges compute the ex-rights reference. A first session has no close before it and, without a reference,
    no limit.
    """
    ticks = np.full(price.shape[1], tick, dtype=np.float64)
    other = np.full(price.shape, np.nan) if reference is None else np.ascontiguousarray(reference)
    numbers = np.arange(len(price)) if session is None else session
    least = np.full(price.shape[1], len(price)) if one_tick is None else one_tick
    price, last, factor = (np.ascontiguousarray(values) for values in (price, last, factor))
    up, down = np.ascontiguousarray(up), np.ascontiguousarray(down)
    return np.asarray(states_nb(price, last, factor, up, down, other, ticks, least, numbers, slippage))
