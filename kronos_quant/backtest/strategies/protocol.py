"""What a strategy sees, and what it may give back.

Shape letter: N symbols.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray
from kronos_quant.backtest.panel import FIELDS
from kronos_quant.errors import KronosQuantError, listed

Moment = date | datetime

ROUNDING = 1e-9
"""Weights may add up to this much more than 1."""


@dataclass(frozen=True, slots=True)
class View:
    """What is known before a session trades: nothing of that session or later.

    In an intraday market the strategy is called before every bar, and sessions here are bars.
    date : the newest session known; time : the end of the newest bar known, None where a bar is a session
    number : how many sessions were decided before this one (of an intraday market: how many bars had scores)
    symbols : N names, ascending; scores : f64[N], of the newest close, NaN without one
    shares : f64[N], raw, negative where short; prices : f64[N], raw closes, the last known
    cash, account : money, after the newest close
    """

    date: date
    number: int
    symbols: tuple[str, ...]
    scores: FloatArray
    shares: FloatArray
    prices: FloatArray
    cash: float
    account: float
    past: tuple[FloatArray, ...]
    """The fields of FIELDS up to the newest close; read them with `bars`."""
    time: datetime | None = None
    earlier: tuple[FloatArray, ...] = ()
    """The same of the sessions before the back-test, where they are known."""
    suspended: BoolArray | None = None
    """b1[N], symbols that get no order as they had no bar in the session before; None with `only_tradable: false`."""

    @property
    def candidates(self) -> FloatArray:
        """f64[N], the scores, NaN where a symbol gets no order."""
        return self.scores if self.suspended is None else np.where(self.suspended, np.nan, self.scores)

    @property
    def moment(self) -> Moment:
        """The time, or the session where there is none: what messages name."""
        return self.time or self.date

    def bars(self, field: str, sessions: int) -> FloatArray:
        """f64[sessions or fewer, N]: the newest values of a field, adjusted, a row a bar; NaN without a bar.

        Of the time before the back-test, the bars of `liquidity.sessions` sessions are there.
        field : open, high, low, close, volume or factor
        """
        if field not in FIELDS:
            raise KronosQuantError(f"view.bars: expected one of {', '.join(FIELDS)}, found {field!r}")
        past = self.past[FIELDS.index(field)]
        missing = max(sessions - len(past), 0)
        if not missing or not self.earlier:
            return past[max(len(past) - sessions, 0) :].copy()
        earlier = self.earlier[FIELDS.index(field)]
        return np.vstack([earlier[max(len(earlier) - missing, 0) :], past])


Weights = Mapping[str, float]
Decide = Callable[[View], Weights | None]


def checked_weights(weights: object, view: View, name: str, *, short: bool) -> FloatArray | None:
    """Weights as f64[N], 0 for what is missing; None for no decision.

    Raises KronosQuantError for anything but a mapping of known symbols to finite numbers, a negative one where nothing
    may be short, and more than the account.
    """
    if weights is None:
        return None
    where = f"{name} on {view.moment}"
    if not isinstance(weights, Mapping):
        raise KronosQuantError(
            f"{where}: expected a mapping of symbols to weights or None, found {type(weights).__name__}"
        )
    unknown = [symbol for symbol in weights if symbol not in view.symbols]
    if unknown:
        raise KronosQuantError(f"{where}: unknown symbols: {listed(unknown)}")
    wrong = [f"{symbol} {weight!r}" for symbol, weight in weights.items() if not is_number(weight)]
    if wrong:
        raise KronosQuantError(f"{where}: weights that are no numbers: {listed(wrong)}")
    negative = [f"{symbol} {weight:g}" for symbol, weight in weights.items() if weight < 0]
    if negative and not short:
        raise KronosQuantError(f"{where}: nothing may be sold short here: {listed(negative)}", hint="set `short: true`")
    bought = sum(weight for weight in weights.values() if weight > 0)
    if bought > 1 + ROUNDING:
        raise KronosQuantError(f"{where}: weights sum to {bought:.1%} of the account, expected at most 100%")
    place = {symbol: n for n, symbol in enumerate(view.symbols)}
    values = np.zeros(len(view.symbols))
    for symbol, weight in weights.items():
        values[place[symbol]] = float(weight)
    return values


def is_number(weight: object) -> bool:
    """Whether a weight is a finite number."""
    if isinstance(weight, bool) or not isinstance(weight, (int, float, np.floating, np.integer)):
        return False
    return math.isfinite(weight)
