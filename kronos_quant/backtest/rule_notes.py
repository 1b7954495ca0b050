"""Notes on the rules of a back-test: which are off or assumed because a fact is unknown, one sentence each.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.backtest.panel import Panel, session_numbers
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.market.exchanges.boards import Facts, board_on
from kronos_quant.market.exchanges.funds import ORDINARY
from kronos_quant.market.exchanges.levies import BONDS, FUNDS, HONG_KONG, SHANGHAI_B, SHENZHEN_B
from kronos_quant.market.exchanges.tables import in_force
from kronos_quant.market.symbols import MAINLAND, exchange_of
from kronos_quant.panel.matrix import forward_fill

CURRENCIES = dict.fromkeys((*MAINLAND, FUNDS, BONDS), "CNY") | {SHANGHAI_B: "USD", SHENZHEN_B: "HKD", "XHKG": "HKD"}
"""Currency of prices, by exchange and what has its own costs."""


def rules_unknown(strategy: Strategy, panel: Panel, exchange: str) -> Iterator[str]:
    """A warning where symbols without any rules are traded."""
    without = without_rules(strategy, panel, exchange)
    if without:
        yield (
            f"NO TRADING RULES ARE KNOWN for {counted(len(without), 'symbol')} ({listed(without)}): traded without "
            "price limits and levies, in lots of 100 (unknown_instruments: trade)."
        )


def notes_on(strategy: Strategy, panel: Panel, exchange: str, facts: Facts | None) -> Iterator[str]:
    """What is off or assumed because it is unknown."""
    yield from unknown_exchange(strategy, panel, exchange)
    yield from currencies_mixed(panel, exchange)
    if strategy.price_limit == "exchange":
        yield from special_treatment_off(panel, exchange, facts)
        yield from first_sessions_off(panel, exchange, facts)
        yield from delisting_off(panel, exchange, facts)
        yield from fund_kinds_off(panel, exchange, facts)
    yield from board_lots_unknown(strategy, panel, exchange)


def without_rules(strategy: Strategy, panel: Panel, exchange: str) -> list[str]:
    """Symbols of the mainland without any rules of their exchange, where the strategy needs them."""
    if strategy.profile == "qlib" or costs_and_rules_stated(strategy):
        return []
    return [
        symbol
        for symbol in panel.symbols
        if exchange_of(symbol, exchange) in MAINLAND and board_on(symbol, exchange) is None
    ]


def refuse_unknown(strategy: Strategy, panel: Panel, exchange: str) -> None:
    """Raise DataError for symbols without rules, unless the strategy trades them all the same."""
    without = without_rules(strategy, panel, exchange)
    if without and strategy.unknown_instruments == "refuse":
        raise DataError(
            f"no trading rules for {counted(len(without), 'symbol')} ({listed(without)}): expected codes of shares, "
            "funds or convertible bonds",
            hint="Leave them out of the scores, or set `unknown_instruments: trade` in the strategy file.",
        )


def resale_changes(panel: Panel, first: IntArray, next_day: BoolArray) -> Iterator[str]:
    """A note where T+1 begins or ends within the period of an intraday market.

    first : i64[N], row of each symbol's first bar; next_day : b1[T, N]
    """
    if not panel.times:
        return  # an order trades a session later anyway
    later = (np.arange(len(panel.dates))[:, None] >= first) & (next_day != next_day[first, np.arange(len(first))])
    changed = [symbol for symbol, one in zip(panel.symbols, later.any(axis=0), strict=True) if one]
    if changed:
        yield (
            f"T+1 changes within the period for {counted(len(changed), 'symbol')} ({listed(changed)}): the rule of "
            "their first session is applied throughout."
        )


def unknown_exchange(strategy: Strategy, panel: Panel, exchange: str) -> Iterator[str]:
    """A warning where the exchange is unknown."""
    unknown = [symbol for symbol in panel.symbols if not exchange_of(symbol, exchange)]
    needed = strategy.costs.levies == "exchange" or "exchange" in (strategy.lot, strategy.price_limit)
    if unknown and needed and not costs_and_rules_stated(strategy):
        yield (
            f"The exchange of {len(unknown)} of {len(panel.symbols)} symbols is unknown ({listed(unknown)}): default "
            "costs, no levies, no price limits, lots of one share (set market.exchange in kq.yaml)."
        )


def costs_and_rules_stated(strategy: Strategy) -> bool:
    """Whether the strategy file leaves nothing to the exchange's tables."""
    costs = strategy.costs
    whole = costs.buy is not None and costs.sell is not None
    return (whole or costs.levies == "none") and "exchange" not in (strategy.lot, strategy.price_limit)


def special_treatment_off(panel: Panel, exchange: str, facts: Facts | None) -> Iterator[str]:
    """A note where there is no list of ST shares, with how many symbols it could concern, and in how many bars."""
    if facts is not None and facts.st:
        return
    fractions, ticks, on = np.full(len(panel.symbols), np.nan), np.ones(len(panel.symbols)), panel.dates[-1]
    for n, board in enumerate(board_on(symbol, exchange) for symbol in panel.symbols):
        if board is not None and board.st_limits:
            st, other = in_force(board.st_limits, on), in_force(board.limits, on)
            if st is not None and other is not None and st.fraction not in (other.fraction, None):
                fractions[n], ticks[n] = st.fraction, board.tick
    about = int((~np.isnan(fractions)).sum())
    if about:
        bars = bars_at(panel, fractions, ticks)
        yield (
            f"No list of ST shares: their narrower price limit is not applied ({about} of {len(panel.symbols)} symbols "
            f"could be affected, of whose bars {bars:,} reach exactly that limit; kq ingest intervals st)."
        )


def bars_at(panel: Panel, fractions: FloatArray, ticks: FloatArray) -> int:
    """How many bars have their highest or lowest price exactly at a limit, from the last close of a session before.

    fractions, ticks : f64[N], the limit (NaN: none) and the step of prices of each symbol
    """
    session = session_numbers(panel.dates)
    before = np.searchsorted(session, session) - 1
    reference = np.where(before[:, None] >= 0, forward_fill(panel.close)[before], np.nan) / panel.factor
    found = np.zeros(panel.close.shape, dtype=np.bool_)
    for prices, way in ((panel.high, 1 + fractions), (panel.low, 1 - fractions)):
        limit = np.floor(reference * way / ticks + 0.5) * ticks
        found |= np.abs(prices / panel.factor - limit) < ticks / 4
    return int(found.sum())


def first_sessions_off(panel: Panel, exchange: str, facts: Facts | None) -> Iterator[str]:
    """A note where listing dates are missing, with how many symbols begin to trade within the period."""
    known = facts.listed or {} if facts is not None else {}
    absent = np.isnan(panel.close)
    begins = absent[session_numbers(panel.dates) == 0].all(axis=0) & ~absent.all(axis=0)
    names = [symbol for symbol, later in zip(panel.symbols, begins, strict=True) if later and symbol not in known]
    first = panel.dates[0]
    new = [name for name in names if (board := board_on(name, exchange)) is not None and in_force(board.starts, first)]
    if new:
        yield (
            f"No listing date for {counted(len(new), 'symbol')} whose bars begin within the period ({listed(new)}): "
            "price limits apply from the first session, also where an IPO has none (kq ingest intervals listing)."
        )


def delisting_off(panel: Panel, exchange: str, facts: Facts | None) -> Iterator[str]:
    """A note where listings end within the period and no delisting period is known."""
    known = {symbol for symbol, _, _ in facts.delisting} if facts is not None else set()
    ends = sorted({panel.symbols[n] for _, n in panel.delisted})
    on = panel.dates[-1]
    missing = [
        symbol
        for symbol in ends
        if symbol not in known
        and (board := board_on(symbol, exchange)) is not None
        and in_force(board.delisting.limits, on)
    ]
    if missing:
        yield (
            f"No delisting period for {counted(len(missing), 'symbol')} whose listing ends within the period "
            f"({listed(missing)}): the usual price limits apply to the end (kq ingest intervals delisting)."
        )


def fund_kinds_off(panel: Panel, exchange: str, facts: Facts | None) -> Iterator[str]:
    """A note where a code does not tell a fund's kind and no list does."""
    known = {symbol for symbol, *_ in facts.funds} if facts is not None else set()
    unknown = [
        symbol
        for symbol in panel.symbols
        if symbol not in known and (board := board_on(symbol, exchange)) is not None and board.fund == ORDINARY
    ]
    if unknown:
        yield (
            f"The kind of {counted(len(unknown), 'fund')} ({listed(unknown)}) is not known: a price limit of 10% and "
            "T+1 are applied, as for a fund of main-board shares (kq ingest intervals fund)."
        )


def currencies_mixed(panel: Panel, exchange: str) -> Iterator[str]:
    """A warning where prices are in several currencies and one account counts them alike."""
    found: dict[str, list[str]] = {}
    for symbol in panel.symbols:
        board = board_on(symbol, exchange)
        currency = CURRENCIES.get(board.pays if board is not None and board.pays else exchange_of(symbol, exchange))
        if currency is not None:
            found.setdefault(currency, []).append(symbol)
    if len(found) > 1:
        words = "; ".join(f"{currency} {listed(symbols, 2)}" for currency, symbols in found.items())
        yield f"PRICES ARE IN {len(found)} CURRENCIES ({words}): the account counts them as one."


def board_lots_unknown(strategy: Strategy, panel: Panel, exchange: str) -> Iterator[str]:
    """A note where a market's lots differ by symbol and are unknown."""
    others = (symbol for symbol in panel.symbols if symbol not in strategy.lots)
    without = [symbol for symbol in others if exchange_of(symbol, exchange) in HONG_KONG]
    if without and strategy.lot == "exchange":
        names = f"{counted(len(without), 'symbol')} ({listed(without)})"
        yield f"No board lot for {names}: traded in lots of one share (set `lots`)."
