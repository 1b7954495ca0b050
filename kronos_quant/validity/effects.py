"""What each rule and assumption of a back-test is worth: the annual return with it, less that of a run without it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kronos_quant.backtest import BacktestResult, Panel, Rules, codes
from kronos_quant.backtest.accounts import Ledger, series_of
from kronos_quant.backtest.engine import exchange_market, trade_exchange
from kronos_quant.backtest.settings import Risk
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import counted, listed
from kronos_quant.stats.performance import annual_return
from kronos_quant.validity.holdings import account_before, moves_of, shares_of, values_before

if TYPE_CHECKING:
    from kronos_quant.backtest.kernel.arrays import MarketArrays

MISREAD = ("unadjusted_split", "price_jump", "factor_jump")
"""Warnings of the ingest about bars whose return from the one before may be none of the symbol's."""

WORST_DELISTING = -1.0
"""Return of delisted holdings that the strategy's own is compared with."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a rule or an assumption is worth.

    name : the rule, as a plural or singular noun; annual_return : of the account without it; basis_points : the
    annual return of the back-test less that one, per year; detail : what it rests on, "" for nothing more
    """

    name: str
    annual_return: float
    basis_points: float
    detail: str = ""

    def line(self) -> str:
        """The effect in a sentence."""
        return (
            f"{self.name[:1].upper()}{self.name[1:]}: {self.basis_points:+,.0f} bps per year (annual return without: "
            f"{self.annual_return:+.2%}){self.detail}."
        )


def size_effect(own: float, without_size: Mapping[str, float] | None) -> list[Effect]:
    """What impact and participation are worth. own : annual return; without_size : key figures without them"""
    returns = math.nan if without_size is None else without_size["annual_return"]
    if not (math.isfinite(returns) and math.isfinite(own)):
        return []
    return [Effect("market impact and participation", returns, (own - returns) * 1e4)]


def measured_effects(
    strategy: Strategy, panel: Panel, rules: Rules, own: float, market: MarketArrays | None = None
) -> list[Effect]:
    """What the rules of the exchange and of the strategy are worth, by a run of the kernel without each.

    Nothing for the profile qlib (kq parity has its ladder), for a user's own function, which is not called a second
    time, and for optimised weights, which take too long.

    Parameters
    ----------
    strategy, panel, rules
        Of the back-test.
    own
        Its annual return.
    market
        The panel made ready, where it is.

    Examples
    --------
    >>> Effect("price limits", 0.1, -12.4).line()
    'Price limits: -12 bps per year (annual return without: +10.00%).'
    """
    if strategy.profile == "qlib" or strategy.strategy == "python" or strategy.optimises:
        return []
    market = exchange_market(strategy, panel, rules) if market is None else market
    found = []
    for name, ledger in runs_without(strategy, panel, rules, market):
        returns = annual_return(series_of(ledger).returns, rules.terms.sessions_per_year)
        if math.isfinite(returns) and math.isfinite(own):
            found.append(Effect(name, returns, (own - returns) * 1e4))
    return found


def runs_without(strategy: Strategy, panel: Panel, rules: Rules, market: MarketArrays) -> Iterator[tuple[str, Ledger]]:
    """The name of each rule that can be left out, and the ledger without it.

    Parameters
    ----------
    strategy, panel, rules
        Of the back-test.
    market
        The panel made ready.

    Examples
    --------
    >>> [codes.REASONS[state] for state in (codes.LIMIT_UP, codes.LIMIT_DOWN)]
    ['limit up', 'limit down']
    """
    from kronos_quant.backtest.kernel.arrays import LOT, STEP

    at_limit = (market.state == codes.LIMIT_UP) | (market.state == codes.LIMIT_DOWN)
    if at_limit.any():
        state = np.where(at_limit, codes.TRADABLE, market.state).astype(market.state.dtype)
        yield "price limits", trade_exchange(strategy, panel, rules, market._replace(state=state))
    if (market.trait[:, LOT] > 0).any():
        trait = market.trait.copy()
        trait[:, [LOT, STEP]] = 0
        yield "board lots", trade_exchange(strategy, panel, rules, market._replace(trait=trait))
    if (rules.minimum > 0).any():
        cheap = replace(rules, minimum=np.zeros_like(rules.minimum))
        yield "the minimum commission", trade_exchange(strategy, panel, cheap, market)
    if strategy.risk.active:
        bold = strategy.model_copy(update={"risk": Risk.model_validate({})})
        yield "risk rules", trade_exchange(bold, panel, rules, market)


def delisting_effect(result: BacktestResult) -> list[Effect]:
    """What the price of delisted holdings is worth, against their total loss."""
    if WORST_DELISTING not in result.delisted:
        return []
    own, growth = result.metrics["annual_return"], max(1 + result.delisted[WORST_DELISTING], 0.0)
    lost = growth ** (result.sessions_per_year / len(result.dates)) - 1
    if result.strategy.delisting_return == WORST_DELISTING:
        return []
    name = f"delisted holdings sold at {result.strategy.delisting_return:+.0%} of their last close, not at -100%"
    return [Effect(name, lost, (own - lost) * 1e4)]


def misread_effect(result: BacktestResult, sessions: Panel, warnings: pl.DataFrame) -> list[Effect]:
    """What bars were worth, while held, whose return the ingest warned of.

    Parameters
    ----------
    result
        The back-test.
    sessions
        Its panel by sessions.
    warnings
        Symbol, date and rule of the bars that were warned of.

    Examples
    --------
    >>> MISREAD[0]
    'unadjusted_split'
    """
    misread = warnings.filter(pl.col("rule").is_in(MISREAD)).select("symbol", "date").unique()
    place = {symbol: i for i, symbol in enumerate(result.symbols)}
    row = {day: s for s, day in enumerate(result.dates)}
    cells = [(row[day], place[symbol]) for symbol, day in misread.rows() if day in row and symbol in place]
    weights = shares_of(values_before(result), account_before(result))
    moves = np.nan_to_num(moves_of(sessions))
    held = [(s, n) for s, n in cells if weights[s, n] != 0]
    if not held:
        return []
    returns = result.returns.copy()
    for s, n in held:
        returns[s] -= weights[s, n] * moves[s, n]
    without = annual_return(returns, result.sessions_per_year)
    names = listed([f"{result.symbols[n]} {result.dates[s]}" for s, n in sorted(held)], 3)
    detail = f"; {counted(len(held), 'bar')} held across a split or jump that no factor explains ({names})"
    return [Effect("unadjusted bars", without, (result.metrics["annual_return"] - without) * 1e4, detail)]


def by_worth(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """The effects, those that are worth most first."""
    return tuple(sorted(effects, key=lambda effect: -abs(effect.basis_points)))
