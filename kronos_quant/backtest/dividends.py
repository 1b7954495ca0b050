"""Dividends of a back-test: what is paid in cash, when, and with which tax, for the kernels; and what came of it.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols, E events, B events that were booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import DataError, counted
from kronos_quant.market.dividends import reference_price
from kronos_quant.market.exchanges.dividend_tax import NO_TAX, PAR, dividend_tax, period_ends

if TYPE_CHECKING:
    from kronos_quant.backtest.kernel.arrays import Book, MarketArrays

FACTOR_MOVES = 1e-4
"""Relative: below it, a factor that moves is no dividend but rounding."""

REINVESTED = "reinvested at the ex-date's prices, before tax"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the kernels know of dividends.

    payout : f64[E, 12], columns as in `kernel.dividends`, by row; first : int64[T + 1], the first event of each row
    day : int64[T, 3], ordinals of the row's date, and of the last day within a month and within a year of it
    factor : f64[T, N], filled forward, and after an ex-date without a bar as the dividend says
    """

    payout: FloatArray
    first: IntArray
    day: IntArray
    factor: FloatArray


@dataclass(frozen=True, slots=True)
class PaidDividends:
    """What an account got of dividends.

    row, symbol : int64[B]; change : f64[B], of the adjusted shares; money : f64[B], net of tax at payment
    raw (shares held before), gross (money before tax), given (new raw shares) : f64[B]
    received (before tax), withheld, rounded (worth of new shares that were rounded away) : f64[T]
    owed : tax that the holdings of the end would owe if they were sold; unpaid : booked and not paid by the end
    """

    row: IntArray
    symbol: IntArray
    change: FloatArray
    money: FloatArray
    raw: FloatArray
    gross: FloatArray
    given: FloatArray
    received: FloatArray
    withheld: FloatArray
    rounded: FloatArray
    owed: float
    unpaid: float


def cash_dividends(strategy: Strategy, panel: Panel) -> pl.DataFrame | None:
    """The dividends that are paid in cash, by symbol and ex-date; None where all of them reinvest themselves.

    Raises DataError where the strategy asks for cash and nothing is known of any.
    """
    if strategy.profile == "qlib" or strategy.dividends == "reinvest":
        return None
    known = panel.dividends
    first, last = panel.dates[0], panel.dates[-1]
    if known is not None:
        inside = pl.col("symbol").is_in(panel.symbols) & (pl.col("ex_date") > first) & (pl.col("ex_date") <= last)
        known = known.filter(inside).sort("symbol", "ex_date")
    if known is None or known.is_empty():
        if strategy.dividends == "cash":
            raise DataError(
                f"dividends: cash: no dividend of {counted(len(panel.symbols), 'symbol')} after {first} up to {last} "
                "is known",
                hint="kq ingest dividends FILE",
            )
        return None
    return known


def schedule_of(strategy: Strategy, panel: Panel, last: FloatArray, factor: FloatArray, lot: IntArray) -> Schedule:
    """The events of a panel. last, factor : f64[T, N], filled forward; lot : int64[N], 0: fractions of shares"""
    from kronos_quant.backtest.kernel.dividends import PAYOUT_COLUMNS

    T = len(panel.dates)
    known = cash_dividends(strategy, panel)
    if known is None:
        return without_dividends(panel, factor)
    factor = factor.copy()
    days = np.array(panel.dates, dtype="datetime64[D]")
    places = {symbol: n for n, symbol in enumerate(panel.symbols)}
    events: list[list[float]] = []
    for (symbol,), rows in known.group_by("symbol", maintain_order=True):
        n = places[str(symbol)]
        of_symbol = [_Dividend(strategy, str(symbol), row, days) for row in rows.iter_rows(named=True)]
        events += _events(n, of_symbol, panel.factor[:, n], last[:, n], factor[:, n], lot[n] > 0)
    # of one row, those of a symbol keep their order
    events.sort(key=lambda event: event[0])
    payout = np.array([event[1:] for event in events]).reshape(-1, PAYOUT_COLUMNS)
    first = np.searchsorted([event[0] for event in events], np.arange(T + 1)).astype(np.int64)
    return Schedule(np.ascontiguousarray(payout), first, _days(panel.dates), factor)


def without_dividends(panel: Panel, factor: FloatArray) -> Schedule:
    """The schedule of a market in which every dividend reinvests itself. factor : f64[T, N], filled forward"""
    from kronos_quant.backtest.kernel.dividends import no_payouts

    T = len(panel.dates)
    return Schedule(no_payouts(), np.zeros(T + 1, dtype=np.int64), np.zeros((T, 3), dtype=np.int64), factor)


class _Dividend:
    """One dividend by the rows of a panel."""

    def __init__(self, strategy: Strategy, symbol: str, given: dict[str, Any], days: np.ndarray[Any, Any]) -> None:
        def row_of(day: date | None) -> int:
            return self.row if day is None else max(int(np.searchsorted(days, np.datetime64(day))), self.row)

        self.row = 0
        self.row = row_of(given["ex_date"])
        self.paid, self.listed = row_of(given["pay_date"]), row_of(given["list_date"])
        self.cash, self.free = given["cash"], given["bonus"] + given["transferred"]
        self.rights = given["rights_ratio"], given["rights_price"]
        tax = (
            NO_TAX
            if strategy.dividend_tax == "none"
            else dividend_tax(symbol, given["record_date"] or given["ex_date"])
        )
        taxed = self.cash + PAR * given["bonus"]
        self.withheld = taxed * tax.at_payment
        self.owed = [taxed * max(rate - tax.at_payment, 0.0) for rate in (tax.month, tax.year, tax.beyond)]

    def ratio(self, price: float) -> float:
        """By how much the factor moves if it moves as the dividend says. price : raw, before"""
        reference = reference_price(price, self.cash, self.free, *self.rights)
        return price / reference if reference > 0 else 1 + self.free


def _events(
    n: int, dividends: list[_Dividend], bars: FloatArray, last: FloatArray, factor: FloatArray, whole: bool
) -> list[list[float]]:
    """Row and columns of the events of one symbol; `factor` f64[T] is changed where a bar is missing.

    bars : f64[T], factors of the bars, NaN without one. Where the first bar after an ex-date has another factor than
    the dividend says, an event without money puts the raw shares right.
    """
    T = len(bars)
    found: list[list[float]] = []
    resumes: list[int] = []
    for number, each in enumerate(dividends):
        t = each.row
        if t == 0 or t >= T or np.isnan(factor[t - 1]):
            continue
        same = bool(found) and found[-1][0] == t
        before = found[-1][5] if same else float(factor[t - 1])
        followed = number + 1 < len(dividends) and dividends[number + 1].row == t
        told = np.isnan(bars[t]) or followed
        after = before * each.ratio(float(last[t - 1]) / before) if told else float(bars[t])
        if np.isnan(bars[t]):
            there = np.flatnonzero(~np.isnan(bars[t:]))
            end = t + int(there[0]) if len(there) else T
            factor[t:end] = after
            resumes.append(end)
        found.append(
            [t, n, each.cash, each.free, before, after, each.paid, each.listed, each.withheld, *each.owed, whole]
        )
    moved = {event[0] for event in found}
    for t in sorted(set(resumes) - moved - {T}):
        found.append([t, n, 0.0, 0.0, float(factor[t - 1]), float(bars[t]), t, t, 0.0, 0.0, 0.0, 0.0, whole])
    return sorted(found, key=lambda event: event[0])


def _days(dates: tuple[date, ...]) -> IntArray:
    ends = {day: period_ends(day) for day in set(dates)}
    return np.array([[day.toordinal(), *(end.toordinal() for end in ends[day])] for day in dates], dtype=np.int64)


def paid_dividends(market: MarketArrays, book: Book) -> PaidDividends | None:
    """What a kernel booked; None where all dividends reinvest themselves."""
    from kronos_quant.backtest.kernel.dividends import (
        CHANGE,
        GIVEN,
        GROSS,
        MONEY,
        RAW,
        RECEIVED,
        ROUNDED,
        ROW,
        SYMBOL,
        TAXED,
        owed_at_end_nb,
    )

    purchases = book.purchases
    if not len(purchases.flow):
        return None
    booked, flow = purchases.entitled[: purchases.counts[1]], purchases.flow
    return PaidDividends(
        row=booked[:, ROW].astype(np.int64),
        symbol=booked[:, SYMBOL].astype(np.int64),
        change=booked[:, CHANGE].copy(),
        money=booked[:, MONEY].copy(),
        raw=booked[:, RAW].copy(),
        gross=booked[:, GROSS].copy(),
        given=booked[:, GIVEN].copy(),
        received=flow[:, RECEIVED],
        withheld=flow[:, TAXED],
        rounded=flow[:, ROUNDED],
        owed=owed_at_end_nb(market, purchases),
        unpaid=float(book.cash[2]),
    )


def dividend_line(paid: PaidDividends | None, strategy: Strategy) -> str:
    """How dividends were treated, in words."""
    if paid is None:
        return REINVESTED
    taxed = "without tax" if strategy.dividend_tax == "none" else f"{paid.withheld.sum():,.2f} tax withheld"
    return (
        f"cash at the ex-date, paid at the pay date, whole new shares: {paid.received.sum():,.2f} received before tax, "
        f"{taxed}"
    )


def dividend_notes(paid: PaidDividends | None, panel: Panel, held: FloatArray, factor: FloatArray) -> tuple[str, ...]:
    """What a reader has to know of the dividends. held, factor : f64[T, N], of the ledger"""
    if paid is None:
        return ()
    notes = []
    unknown = unknown_payouts(paid, held, factor)
    if count := int(unknown.sum()):
        symbols = int(unknown.any(axis=0).sum())
        notes.append(
            f"Dividends of {counted(count, 'ex-date')} of {counted(symbols, 'holding')} are not in the table: they are "
            "reinvested (kq ingest dividends)."
        )
    rights = rights_lapsed(paid, panel)
    if rights:
        notes.append(
            f"Rights issues are not taken up: {counted(rights, 'holding')} lapsed, which costs their discount."
        )
    lost = float(paid.rounded.sum())
    if lost >= 0.005:
        notes.append(f"Fractions of new shares are rounded away: {lost:,.2f} of the account.")
    if paid.owed >= 0.005:
        notes.append(f"Selling all holdings at the end would owe {paid.owed:,.2f} dividend tax, which is not deducted.")
    if abs(paid.unpaid) >= 0.005:
        notes.append(f"Dividends of {paid.unpaid:,.2f} are part of the account and not paid by the end.")
    return tuple(notes)


def unknown_payouts(paid: PaidDividends, held: FloatArray, factor: FloatArray) -> BoolArray:
    """b1[T, N]: ex-dates of holdings, by the factor, on which nothing was booked."""
    moved = np.zeros(held.shape, dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        moved[1:] = (np.abs(factor[1:] / factor[:-1] - 1) > FACTOR_MOVES) & (held[:-1] != 0)
    moved[paid.row, paid.symbol] = False
    return moved


def rights_lapsed(paid: PaidDividends, panel: Panel) -> int:
    """How many holdings had a right to buy shares."""
    if panel.dividends is None or not len(paid.row):
        return 0
    days = np.array(panel.dates, dtype="datetime64[D]")
    offered = panel.dividends.filter(pl.col("rights_ratio") > 0).select("symbol", "ex_date").iter_rows()
    rows = {(symbol, int(np.searchsorted(days, np.datetime64(ex_date)))) for symbol, ex_date in offered}
    return sum((panel.symbols[n], t) in rows for t, n in zip(paid.row.tolist(), paid.symbol.tolist(), strict=True))
