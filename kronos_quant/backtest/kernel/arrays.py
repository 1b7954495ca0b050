"""What the compiled functions pass around, and its types for numba.

Shape letters: T sessions, N symbols, G groups of symbols that pay the same, O orders.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types
from numba.core.typing.templates import Signature

from kronos_quant.backtest.limits import StateArray
from kronos_quant.backtest.panel import FloatArray, IntArray

F1, F2 = types.Array(types.f8, 1, "C"), types.Array(types.f8, 2, "C")
I1 = types.Array(types.i8, 1, "C")
U2 = types.Array(types.u1, 2, "C")
R1, R2 = types.Array(types.i4, 1, "C"), types.Array(types.i4, 2, "C")

RankArray = npt.NDArray[np.int32]


def named_type(fields: tuple[Any, ...], kind: type) -> Any:
    """numba's type of a NamedTuple."""
    return types.NamedTuple(fields, kind)  # type: ignore[no-untyped-call]


def tuple_type(*parts: Any) -> Any:
    """numba's type of a tuple."""
    return types.Tuple(parts)  # type: ignore[no-untyped-call]


def signature(returns: Any, *arguments: Any) -> Signature:
    """numba's signature of a function."""
    made: Signature = returns(*arguments)
    return made


class Market(NamedTuple):
    """What is known, and what may be traded.

    score (of the session before), price (of execution), last close and factor (both filled forward) : f8[T, N]
    ranking : i4[T, N], symbols by descending score, ties by symbol, those without one last; scored : i8[T], how many
    have one
    state : u1[T, N], as in `codes`; gone : i8[N], first session without any further bar
    lot, step : i8[N], raw shares; group : i8[N]
    volume (adjusted shares that caps and impact refer to), volatility (of a session) : f8[T, N], or empty where unused
    """

    score: FloatArray
    ranking: RankArray
    scored: IntArray
    price: FloatArray
    last: FloatArray
    factor: FloatArray
    state: StateArray
    gone: IntArray
    lot: IntArray
    step: IntArray
    group: IntArray
    volume: FloatArray
    volatility: FloatArray


MARKET = named_type((F2, R2, I1, F2, F2, F2, U2, I1, I1, I1, I1, F2, F2), Market)


class Charges(NamedTuple):
    """What a trade pays beside its value.

    buy, sell (commission as a fraction of the value), minimum (least commission) : f8[G]
    buy_levy, sell_levy (fractions of the value), per_share (of a raw share sold), most (bound of that) : f8[T, G]
    slippage (fraction of the price), impact (volatilities at the square root of one whole volume), participation
    (largest share of the volume, 0: any), borrow (of a short position's value a session); carry : whether what a cap
    cut is ordered again in the next session
    """

    buy: FloatArray
    sell: FloatArray
    minimum: FloatArray
    buy_levy: FloatArray
    sell_levy: FloatArray
    per_share: FloatArray
    most: FloatArray
    slippage: float
    impact: float
    participation: float
    borrow: float
    carry: bool


CHARGES = named_type((F1, F1, F1, F2, F2, F2, F2, *[types.f8] * 4, types.b1), Charges)


class Book(NamedTuple):
    """The account.

    orders f8[capacity, COLUMNS] and how many were placed i8[1]; cash f8[1]; shares held f8[N], negative where short;
    the session in which each symbol was bought or left i8[N]; pending f8[N], still to be bought, or sold (negative)
    """

    orders: FloatArray
    placed: IntArray
    cash: FloatArray
    shares: FloatArray
    traded: IntArray
    pending: FloatArray


BOOK = named_type((F2, I1, F1, F1, I1, F1), Book)


class History(NamedTuple):
    """After each session: account and cash f8[T], what borrowing cost in it f8[T], shares held f8[T, N]."""

    account: FloatArray
    cash: FloatArray
    borrowed: FloatArray
    held: FloatArray


HISTORY = named_type((F1, F1, F1, F2), History)
