"""What the compiled functions pass around, and its types for numba.

Few arrays, as each one that is passed on is counted up and down: what is of a symbol or of a payer lies in one.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols, G groups of symbols that pay the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import types
from numba.core.typing.templates import Signature

from kronos_quant.arrays import BoolArray, FloatArray, IntArray, RankArray, StateArray

F1, F2 = types.Array(types.f8, 1, "C"), types.Array(types.f8, 2, "C")
I1, I2 = types.Array(types.i8, 1, "C"), types.Array(types.i8, 2, "C")
B1 = types.Array(types.b1, 1, "C")
U2 = types.Array(types.u1, 2, "C")
R1, R2 = types.Array(types.i4, 1, "C"), types.Array(types.i4, 2, "C")


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


GONE, LOT, STEP, GROUP, NEXT_DAY = range(5)
"""Columns of `MarketArrays.trait`."""


class MarketArrays(NamedTuple):
    """What is known, and what may be traded.

    ranking : i4[T, N], symbols by descending score of the row before, ties by symbol, those without one last
    scored : i8[T], how many have one; price (of execution), last close and factor (both filled forward) : f8[T, N]
    state : u1[T, N], as in `codes`; volume (adjusted shares that caps and impact refer to), volatility (of a row) :
    f8[T, N], or empty where unused; session : i8[T], number of the session that a row belongs to
    trait : i8[N, 5], of each symbol: first row without any further bar, lot and step in raw shares, number of those
    that pay the same, whether what is bought in a session can be sold in the next at the earliest
    """

    ranking: RankArray
    scored: IntArray
    price: FloatArray
    last: FloatArray
    factor: FloatArray
    state: StateArray
    volume: FloatArray
    volatility: FloatArray
    session: IntArray
    trait: IntArray


MARKET = named_type((R2, I1, F2, F2, F2, U2, F2, F2, I1, I2), MarketArrays)

BUY_RATE, SELL_RATE, MINIMUM, BUY_LEVY, SELL_LEVY, PER_SHARE, MOST = range(7)
"""Of `Charges.rate`."""


class Charges(NamedTuple):
    """What a trade pays beside its value.

    rate : f8[T, G, 7], commission of a purchase and of a sale as a fraction of the value, its minimum, levies of
    either as a fraction of the value, of a raw share sold, and the bound of that
    slippage (fraction of the price), impact (volatilities at the square root of one whole volume), participation
    (largest share of the volume, 0: any), borrow (of a short position's value a session); carry : whether what a cap
    cut is ordered again at the next bar
    """

    rate: FloatArray
    slippage: float
    impact: float
    participation: float
    borrow: float
    carry: bool


CHARGES = named_type((types.Array(types.f8, 3, "C"), *[types.f8] * 4, types.b1), Charges)


class Book(NamedTuple):
    """The account.

    orders f8[capacity, COLUMNS] and how many were placed i8[1]; cash f8[2], what there is and what of it buys nothing
    shares held f8[N], negative where short; entry f8[N], the mean price at which they were bought, or sold short
    the row in which each symbol was bought or left i8[N]; pending f8[N], still to be bought, or sold (negative)
    fresh f8[N], shares bought in the session
    """

    orders: FloatArray
    placed: IntArray
    cash: FloatArray
    shares: FloatArray
    entry: FloatArray
    traded: IntArray
    pending: FloatArray
    fresh: FloatArray


BOOK = named_type((F2, I1, F1, F1, F1, I1, F1, F1), Book)


class History(NamedTuple):
    """After each row: account and cash f8[T], what borrowing cost in it f8[T], shares held f8[T, N].

    halted b1[T] : whether a drawdown kept the strategy from trading in it
    """

    account: FloatArray
    cash: FloatArray
    borrowed: FloatArray
    held: FloatArray
    halted: BoolArray


HISTORY = named_type((F1, F1, F1, F2, B1), History)


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
    member: IntArray
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


GUARD = named_type(
    (types.b1, types.f8, types.f8, types.i8, types.f8, types.f8, I2, types.i8, types.f8,
     types.f8, types.f8, types.f8, types.i8, types.f8, types.f8, types.f8, types.i8),
    Guard,
)  # fmt: skip


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


WATCH = named_type((I1, F1, I1), Watch)
