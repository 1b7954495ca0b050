"""The rules and costs that a strategy trades by: the exchange's tables, and what the strategy file sets instead.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols, G groups of symbols that pay the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rule_notes import notes_on, refuse_unknown, resale_changes, rules_unknown
from kronos_quant.backtest.settings import Costs
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import DataError, listed
from kronos_quant.market.exchanges.boards import ONE_TICK_SINCE, Facts, levy_exchange, rules_panel
from kronos_quant.market.exchanges.levies import UNKNOWN, Brokerage, Levy, brokerage, levies
from kronos_quant.market.symbols import exchange_of


@dataclass(frozen=True, slots=True)
class Terms:
    """The rules in words: costs of trading, one line each; notes; sessions per year of annualised figures.

    first : what a reader has to know before anything else
    """

    costs: tuple[str, ...]
    notes: tuple[str, ...]
    sessions_per_year: int
    first: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits, lots and costs of a panel.

    up, down, reference : f64[T, N], as in `exchanges.RulesPanel`; lot, step : int64[N]; tick : f64[N]
    group : int64[N], a number for those that pay the same
    one_tick : int64[N], first row in which a limit is at least a tick away from its reference
    buy, sell (commission, a fraction of the value), minimum, unit (that each fee is rounded to, 0: not) : f64[G]
    buy_levy, sell_levy (fractions of the value) : f64[T, G, K] for up to K levies, each rounded by itself
    per_share (of a raw share sold), most (bound of that) : f64[T, G]
    borrow : fee per session, fraction of a short position's value; terms : the rules in words
    next_day : b1[N], what is bought in a session is sold in the next at the earliest; as on the symbol's first bar
    """

    up: FloatArray
    down: FloatArray
    reference: FloatArray
    lot: IntArray
    step: IntArray
    tick: FloatArray
    one_tick: IntArray
    group: IntArray
    buy: FloatArray
    sell: FloatArray
    minimum: FloatArray
    unit: FloatArray
    buy_levy: FloatArray
    sell_levy: FloatArray
    per_share: FloatArray
    most: FloatArray
    borrow: float
    next_day: BoolArray
    terms: Terms


def rules_of(strategy: Strategy, panel: Panel, exchange: str = "", facts: Facts | None = None) -> Rules:
    """The rules of a strategy on a panel.

    Parameters
    ----------
    strategy, panel
        What is traded, and on which symbols and sessions.
    exchange
        ISO code of the market, "" where unknown.
    facts
        Special treatment and listings, none by default.

    Raises
    ------
    DataError
        For a lot of a symbol that is not there, and for a symbol of the mainland that is neither share, fund nor
        convertible bond by its code, unless the strategy says `unknown_instruments: trade`.
    """
    refuse_unknown(strategy, panel, exchange)
    first = first_rows(panel)
    board = rules_panel(panel.symbols, panel.dates, exchange, facts)
    up, down, reference = limits_of(strategy, board.up, board.down, board.reference)
    lot, step = lots_of(strategy, panel, board.lot, board.step)
    paying = [levy_exchange(symbol, exchange) for symbol in panel.symbols]
    groups = sorted(set(paying))
    customary = [brokerage(group or trading_place(panel, paying, exchange)) for group in groups]
    charges = [charged(strategy.costs, row) for row in customary]
    levied = levy_tables(strategy.costs, groups, panel.dates)
    years = {row.sessions_per_year for row in customary}
    usual = years.pop() if len(years) == 1 else UNKNOWN.sessions_per_year
    sessions_per_year = strategy.sessions_per_year or usual
    return Rules(
        up, down, reference, lot, step, board.tick, one_tick_rows(panel, exchange),
        group=np.array([groups.index(group) for group in paying], dtype=np.int64),
        buy=np.array([buy for buy, _, _ in charges]),
        sell=np.array([sell for _, sell, _ in charges]),
        minimum=np.array([minimum for _, _, minimum in charges]),
        unit=np.array([row.unit for row in customary]),
        buy_levy=levied[0], sell_levy=levied[1], per_share=levied[2], most=levied[3],
        borrow=strategy.costs.borrow / sessions_per_year,
        next_day=board.next_day[first, np.arange(len(panel.symbols))],
        terms=Terms(
            tuple(cost_lines(strategy.costs, groups, customary, charges, panel.dates)),
            (*notes_on(strategy, panel, exchange, facts), *resale_changes(panel, first, board.next_day)),
            sessions_per_year,
            tuple(rules_unknown(strategy, panel, exchange)),
        ),
    )  # fmt: skip


def first_rows(panel: Panel) -> IntArray:
    """i64[N]: the row of each symbol's first bar; 0 without one."""
    rows: IntArray = (~np.isnan(panel.close)).argmax(axis=0)
    return rows


def trading_place(panel: Panel, paying: Sequence[str], exchange: str) -> str:
    """The exchange whose customs hold for what has no rules there, "" where unknown."""
    places = {exchange_of(symbol, exchange) for symbol, pays in zip(panel.symbols, paying, strict=True) if not pays}
    return places.pop() if len(places) == 1 else ""


def limits_of(
    strategy: Strategy, up: FloatArray, down: FloatArray, reference: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The limits that the strategy asks for: the exchange's, one fraction for all, or none."""
    if strategy.price_limit == "exchange" or isinstance(strategy.price_limit, tuple):
        return up, down, reference
    fraction = np.nan if strategy.price_limit == "none" else float(strategy.price_limit)
    one = np.full(up.shape, fraction)
    return one, one, np.full(up.shape, np.nan)


def lots_of(strategy: Strategy, panel: Panel, lot: IntArray, step: IntArray) -> tuple[IntArray, IntArray]:
    """The lots that the strategy asks for: the exchange's and its own by symbol, or one for all."""
    unknown = sorted(set(strategy.lots) - set(panel.symbols))
    if unknown:
        raise DataError(f"lots: no scores and bars of {listed(unknown)}")
    if strategy.lot != "exchange":
        lot = np.full(len(panel.symbols), strategy.lot, dtype=np.int64)
        step = np.maximum(lot, 1)
    lot, step = lot.copy(), step.copy()
    for symbol, shares in strategy.lots.items():
        n = panel.symbols.index(symbol)
        lot[n] = step[n] = shares
    return lot, step


def one_tick_rows(panel: Panel, exchange: str) -> IntArray:
    """int64[N]: the first row in which each symbol's limits are at least a tick away; T where that is never."""
    since = [ONE_TICK_SINCE.get(exchange_of(symbol, exchange), date.max) for symbol in panel.symbols]
    days = np.array(panel.dates, dtype="datetime64[D]")
    return np.searchsorted(days, np.array(since, dtype="datetime64[D]")).astype(np.int64)


def charged(costs: Costs, customary: Brokerage) -> tuple[float, float, float]:
    """Commission of a purchase and of a sale, and its minimum."""
    usual = customary.maker if costs.liquidity_role == "maker" else customary.taker
    commission = usual if costs.commission is None else costs.commission
    minimum = customary.minimum if costs.minimum is None else costs.minimum
    return (commission if costs.buy is None else costs.buy, commission if costs.sell is None else costs.sell, minimum)


def levy_tables(
    costs: Costs, groups: Sequence[str], dates: Sequence[date]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """What is levied of purchases and of sales, f64[T, G, K]; of a share sold and at most of that, f64[T, G]."""
    charged_on = costs.levies == "exchange"
    dated = [[levies(group, on) if charged_on else () for group in groups] for on in dates]
    shape, most_levies = (len(dates), len(groups)), max(1, *(len(found) for of_day in dated for found in of_day))
    buy, sell = np.zeros((*shape, most_levies)), np.zeros((*shape, most_levies))
    per_share, most = np.zeros(shape), np.zeros(shape)
    for t, of_day in enumerate(dated):
        for g, found in enumerate(of_day):
            if costs.buy is None:
                buy[t, g, : len(found)] = [levy.buy for levy in found]
            if costs.sell is None:
                sell[t, g, : len(found)] = [levy.sell for levy in found]
                per_share[t, g] = sum(levy.per_share for levy in found)
                most[t, g] = sum(levy.most for levy in found)
    return buy, sell, per_share, most


def cost_lines(
    costs: Costs,
    groups: Sequence[str],
    customary: Sequence[Brokerage],
    charges: Sequence[tuple[float, float, float]],
    dates: Sequence[date],
) -> list[str]:
    """A line for those that pay the same: commission, minimum, levies with the days from which they held, rounding.

    Parameters
    ----------
    costs
        Of the strategy.
    groups, customary, charges
        The name of each group of symbols that pay the same, what is customary there, and its `charged`.
    dates
        Of the panel's rows.

    Examples
    --------
    >>> cost_lines(Costs(), ["24/7"], [brokerage("24/7")], [(0.001, 0.001, 0.0)], [date(2025, 6, 5)])
    ['commission 0.1%, no minimum']
    """
    whole = costs.buy is not None and costs.sell is not None
    places: dict[str, list[str]] = {}
    for group, usual, (buy, sell, minimum) in zip(groups, customary, charges, strict=True):
        rates = f"commission {percent(buy)}" if buy == sell else f"buying {percent(buy)}, selling {percent(sell)}"
        if costs.buy is not None or costs.sell is not None:
            rates += " (levies included where buy or sell is set)"
        levied = [] if costs.levies == "none" or whole else levy_lines(costs, group, dates)
        least = f"at least {minimum:g} per trade" if minimum else "no minimum"
        rounded = [f"each fee rounded to {usual.unit:g}"] if usual.unit else []
        places.setdefault("; ".join([f"{rates}, {least}", *levied, *rounded]), []).append(group)
    if len(places) == 1:
        return list(places)
    return [f"{', '.join(group or 'others' for group in named)}: {line}" for line, named in places.items()]


def levy_lines(costs: Costs, group: str, dates: Sequence[date]) -> list[str]:
    """Levies of exchange and state, with the date of each change in the period."""
    lines: list[str] = []
    before: dict[str, Levy] = {}
    for on in dates:
        now = {levy.name: levy for levy in levies(group, on)}
        for name, levy in now.items():
            if before.get(name) == levy:
                continue
            rate = rate_words(levy.buy if costs.buy is None else 0.0, levy.sell if costs.sell is None else 0.0)
            if levy.per_share and costs.sell is None:
                rate = f"{levy.per_share:g} per share sold, at most {levy.most:g}"
            if not rate:
                continue
            since = f" from {levy.since}" if before else ""
            lines.append(f"{name} {rate}{since}")
        before = now or before
    return lines


def rate_words(buy: float, sell: float) -> str:
    """The sides that are charged, and how much; nothing where neither is."""
    if buy == sell:
        return f"{percent(buy)} both sides" if buy else ""
    sides = ((buy, "of purchases"), (sell, "of sales"))
    return ", ".join(f"{percent(rate)} {side}" for rate, side in sides if rate)


def percent(rate: float) -> str:
    """A fraction in percent, with as many digits as it has."""
    return f"{100 * rate:.6g}%"
