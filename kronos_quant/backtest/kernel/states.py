"""What is prepared of a panel cell by cell: values carried forward, and whether a symbol can be traded at its price.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from kronos_quant.arrays import FLOAT32_NOISE, FloatArray, IntArray, StateArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.kernel.arrays import F1, F2, I1, U2, signature


@njit(signature(types.void, F2), cache=True, nogil=True)
def carry_nb(values: FloatArray) -> None:
    """Replace each NaN by the value above it, in place; it stays where there is none above."""
    T, N = values.shape
    for t in range(1, T):
        for i in range(N):
            if np.isnan(values[t, i]):
                values[t, i] = values[t - 1, i]


@njit("f8(f8, f8)", cache=True)
def rounded_nb(price: float, tick: float) -> float:
    """A price rounded to the tick, halves upwards; a half that float32 put just below itself counts as one."""
    return float(np.floor(price * (1.0 + FLOAT32_NOISE) / tick + 0.5) * tick)


@njit(signature(U2, F2, F2, F2, F2, F2, F2, F1, I1, types.f8), cache=True, nogil=True)
def states_nb(
    price: FloatArray, last: FloatArray, factor: FloatArray, up: FloatArray, down: FloatArray,
    reference: FloatArray, tick: FloatArray, session: IntArray, slippage: float,
) -> StateArray:  # fmt: skip
    """u1[T, N], as `limits.market_states` describes it."""
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
            if np.isnan(before):
                before = last[close_before, i] / factor[t, i] if close_before >= 0 else np.nan
            raw = price[t, i] / factor[t, i]
            # a limit that is NaN compares as no limit
            if raw * (1.0 + slippage) >= rounded_nb(before * (1.0 + up[t, i]), tick[i]) * (1.0 - FLOAT32_NOISE):
                states[t, i] = codes.LIMIT_UP
            if raw * (1.0 - slippage) <= rounded_nb(before * (1.0 - down[t, i]), tick[i]) * (1.0 + FLOAT32_NOISE):
                states[t, i] = codes.LIMIT_DOWN
    return states
