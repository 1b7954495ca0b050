"""What the compiled functions pass around, and its types for numba.

Few arrays, as each one that is passed on is counted up and down: what is of a symbol or of a payer lies in one.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols, G groups of symbols that pay the same.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from numba import from_dtype, njit, types
from numba.core.registry import CPUDispatcher

from kronos_quant.arrays import BoolArray, FloatArray, IntArray, RankArray, StateArray

BoolMatrix = Annotated[BoolArray, 2]
FloatMatrix = Annotated[FloatArray, 2]
FloatCube = Annotated[FloatArray, 3]
IntMatrix = Annotated[IntArray, 2]
RankMatrix = Annotated[RankArray, 2]
StateMatrix = Annotated[StateArray, 2]
"""Arrays of that many dimensions; an array without a number has one."""

SCALARS = {int: types.i8, float: types.f8, bool: types.b1, NoneType: types.void}

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


class InnerKernel(CPUDispatcher):
    """A compiled function that has no wrapper for Python: calling it from there would end the process."""

    def __call__(self, *_: Any) -> Any:
        """Refuse."""
        raise TypeError(f"{self.py_func.__name__}: only compiled functions call it; use its py_func")


def compiled(kernel: Kernel, **options: Any) -> Kernel:
    """Compile a function for the types that its annotations say, once for all processes of a machine."""
    *arguments, returned = (numba_type(hint) for hint in get_type_hints(kernel, include_extras=True).values())
    made: Kernel = njit(returned(*arguments), cache=True, nogil=True, **options)(kernel)
    return made


def inner(kernel: Kernel) -> Kernel:
    """Compile a function that only compiled ones call: its wrappers would take nearly as long as the function."""
    made: Any = compiled(kernel, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    made.__class__ = InnerKernel
    wrapped: Kernel = made
    return wrapped


def numba_type(hint: Any, dimensions: int = 1) -> Any:
    """numba's type of an annotation."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return numba_type(*parts)
    if origin is np.ndarray:
        return types.Array(from_dtype(np.dtype(*get_args(parts[1]))), dimensions, "C")
    if origin is tuple:
        return types.Tuple([numba_type(part) for part in parts])  # type: ignore[no-untyped-call]
    if issubclass(hint, tuple):
        fields = get_type_hints(hint, include_extras=True).values()
        return types.NamedTuple([numba_type(field) for field in fields], hint)  # type: ignore[no-untyped-call]
    return SCALARS[hint]


LOT, STEP, GROUP, NEXT_DAY = range(4)
"""Columns of `MarketArrays.trait`."""


class MarketArrays(NamedTuple):
    """What is known, and what may be traded.

    ranking : i4[T, N], symbols by descending score of the row before, ties by symbol, those without one last
    scored : i8[T], how many have one; price (of execution), last close and factor (both filled forward) : f8[T, N]
    state : u1[T, N], as in `codes`; volume (adjusted shares that caps and impact refer to), volatility (of a row) :
    f8[T, N], or empty where unused; session : i8[T], number of the session that a row belongs to
    trait : i8[N, 4], of each symbol: lot and step in raw shares, number of those that pay the same, whether what is
    bought in a session can be sold in the next at the earliest
    payout : f8[E, 12], dividends by row, columns as in `dividends`; payouts : i8[T + 1], the first one of each row
    day : i8[T, 3], ordinals of the row's date and of the last days within a month and a year of it; 0 where unused
    delisted : i8[K, 2], ascending: a row, and a symbol whose listing is known to be over by then
    suspended : b1[T, N], what gets no order as it was suspended in the session before; empty where that counts not
    """

    ranking: RankMatrix
    scored: IntArray
    price: FloatMatrix
    last: FloatMatrix
    factor: FloatMatrix
    state: StateMatrix
    volume: FloatMatrix
    volatility: FloatMatrix
    session: IntArray
    trait: IntMatrix
    delisted: IntMatrix
    suspended: BoolMatrix
    payout: FloatMatrix
    payouts: IntArray
    day: IntMatrix


BUY_RATE, SELL_RATE, MINIMUM, PER_SHARE, MOST, UNIT, LEVIES = range(7)
"""Of `Charges.rate`; from LEVIES on, those of purchases, then those of sales."""


class Charges(NamedTuple):
    """What a trade pays beside its value.

    rate : f8[T, G, 6 + 2 K], commission of a purchase and of a sale as a fraction of the value, its minimum, the levy
    of a raw share sold and its bound, what each fee is rounded to (0: not), K levies of purchases and K of sales as
    fractions of the value
    slippage (fraction of the price), impact (volatilities at the square root of one whole volume), participation
    (largest share of the volume, 0: any), borrow (of a short position's value a session); carry : whether what a cap
    cut is ordered again at the next bar
    """

    rate: FloatCube
    slippage: float
    impact: float
    participation: float
    borrow: float
    carry: bool


PLACED, PASSED = 0, 1
"""Of `Book.placed`."""


class Purchases(NamedTuple):
    """Who holds what since when, and what dividends were booked; all empty where dividends reinvest themselves.

    lots : f8[capacity, 8], purchases with their tax; queue : i8[N, 2], the first and the last lot of each symbol or -1
    counts : i8[2], how many lots and how many booked dividends there are; flow : f8[T, 4], money by row
    entitled : f8[E, 7], booked dividends; columns of all as in `dividends`
    """

    lots: FloatMatrix
    queue: IntMatrix
    counts: IntArray
    flow: FloatMatrix
    entitled: FloatMatrix


class Book(NamedTuple):
    """The account.

    orders f8[capacity, COLUMNS]; i8[2], how many were PLACED and how many delistings are PASSED
    cash f8[3], what there is, what of it buys nothing, and dividends that are booked and not paid yet
    shares held f8[N], negative where short; entry f8[N], the mean price at which they were bought, or sold short
    the row in which each symbol was bought or left i8[N]; pending f8[N], still to be bought, or sold (negative)
    fresh f8[N], shares bought in the session; purchases : what dividends and their tax need
    """

    orders: FloatMatrix
    placed: IntArray
    cash: FloatArray
    shares: FloatArray
    entry: FloatArray
    traded: IntArray
    pending: FloatArray
    fresh: FloatArray
    purchases: Purchases


class History(NamedTuple):
    """After each row: account and cash f8[T], what borrowing cost in it f8[T], shares held f8[T, N].

    halted b1[T] : whether a drawdown kept the strategy from trading in it
    """

    account: FloatArray
    cash: FloatArray
    borrowed: FloatArray
    held: FloatMatrix
    halted: BoolArray


class Guard(NamedTuple):
    """The rules of the section `risk`; a rule that is off has a bound that nothing reaches.

    on : whether any rule is; stop, profit : fractions of the entry price; stay_out : sessions
    weight, group_most, gross, net : largest values as fractions of the account; member : i8[T, N], the group of a
    symbol or -1, empty where unused; groups : how many there are; band : fraction of a bound that holdings may pass it
    volatility : of a session; window : sessions; turnover, buffer, drawdown : fractions of the account
    resume : sessions, -1 for never
    """

    on: bool
    stop: float
    profit: float
    stay_out: int
    weight: float
    group_most: float
    member: IntMatrix
    groups: int
    band: float
    gross: float
    net: float
    volatility: float
    window: int
    turnover: float
    buffer: float
    drawdown: float
    resume: int


PEAK, SPENT = 0, 1
SINCE, SPENT_IN, NOTED = 0, 1, 2


class Watch(NamedTuple):
    """What the rules of the section `risk` remember.

    resting : i8[N], number of the session until which a symbol is not bought
    money : f8[2], the PEAK of the account, and the value SPENT, traded in a session
    number : i8[3], of the session SINCE which a halt lasts (-1 without one), of that which SPENT is of, and how many
    orders are NOTED in it
    """

    resting: IntArray
    money: FloatArray
    number: IntArray
