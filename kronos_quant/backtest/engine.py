"""Runs a strategy: panel and rules -> kernel -> vectorbt -> result.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols, S sessions traded: all but a panel's first,
which only gives scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, IntArray, StateArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.accounts import Ledger
from kronos_quant.backtest.dividends import Schedule, dividend_notes, paid_dividends, schedule_of, without_dividends
from kronos_quant.backtest.liquidity import UNUSED, execution_prices, volatilities, volumes
from kronos_quant.backtest.panel import Panel, known_suspended, ranking_of, session_numbers, tradable_scores
from kronos_quant.backtest.qlib.market import (
    QlibFacts,
    as_listed,
    derived_facts,
    limit_states,
    qlib_costs,
    qlib_prices,
    qlib_terms,
    qlib_unit,
)
from kronos_quant.backtest.result import BacktestResult, result_of
from kronos_quant.backtest.rules import Rules, rules_of
from kronos_quant.backtest.settings import Risk
from kronos_quant.backtest.strategies.optimiser import PortfolioOptimiser
from kronos_quant.backtest.strategies.protocol import Decide
from kronos_quant.backtest.strategies.rules import decide_of
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.backtest.vectorbt_check import check_accounts, start_compiling, vectorbt_account
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.panel.matrix import forward_fill

DELISTED_AT = (0.0, -0.3, -1.0)
"""Returns from the last close at which delisted holdings are shown to leave."""

NONE_SUSPENDED = np.empty((0, 0), dtype=np.bool_)
"""Where orders of suspended symbols are placed."""

NEVER = -1
"""Sessions after which a halted strategy trades again, for the kernels, where it does not."""

Trade = Callable[[Strategy], Ledger]

if TYPE_CHECKING:
    from kronos_quant.backtest.kernel.arrays import Book, Charges, Guard, History, MarketArrays


def simulate(
    strategy: Strategy,
    panel: Panel,
    rules: Rules | None = None,
    benchmark_close: FloatArray | None = None,
    qlib: QlibFacts | None = None,
    decide: Decide | None = None,
    notes: Sequence[str] = (),
    benchmark: str | None = None,
) -> BacktestResult:
    """Back-test `strategy` on `panel`.

    Parameters
    ----------
    rules
        Of `rules_of`; None: those of a market whose exchange only the symbols tell.
    benchmark_close
        f64[S + 1], of every session of the panel; NaN where the index has no bar.
    qlib
        For the profile qlib; None: derived from the panel's closes.
    decide
        For `strategy: python`, the user's function.
    notes
        Sentences about the inputs, for the notes of the result.
    benchmark
        The symbol of the index, which tells whether it has dividends.

    Raises
    ------
    DataError
        Where an array does not fit the panel or the benchmark has no bar at all.
    KronosQuantError
        Where the kernel's account and vectorbt's differ.
    """
    rules, terms = rules or rules_of(strategy, panel), None
    if strategy.profile == "qlib":
        qlib = qlib or derived_facts(panel)
        terms = qlib_terms(strategy, qlib, rules.terms)
    index = None if benchmark_close is None else benchmark_returns(benchmark_close, panel)
    compiling = start_compiling()
    trade = trade_function(strategy, panel, rules, qlib, decide)
    ledger = trade(strategy)
    if compiling is not None:
        compiling.wait()
    check_accounts(ledger.account, vectorbt_account(ledger), panel)
    outcomes = delisting_outcomes(strategy, ledger, trade)
    paid = dividend_notes(ledger.dividends, panel, ledger.held, ledger.factor)
    notes = (*paid, *notes, *benchmark_gaps(benchmark_close, panel))
    return result_of(strategy, panel, terms or rules.terms, ledger, index, outcomes, notes, benchmark)


def delisting_outcomes(strategy: Strategy, ledger: Ledger, trade: Trade) -> dict[float, float]:
    """Total return where delisted holdings leave at each of DELISTED_AT; empty where none was delisted."""
    # a user's own function is not called a second time: it may remember what it was shown
    if strategy.strategy == "python" or not (ledger.orders[:, codes.REASON] == codes.DELISTED).any():
        return {}
    found = {}
    for at in DELISTED_AT:
        other = strategy.model_copy(update={"delisting_return": at})
        known = ledger if at == strategy.delisting_return else trade(other)
        found[at] = float(known.account[-1] / known.account[0] - 1)
    return found


def run_kernel(
    strategy: Strategy, panel: Panel, rules: Rules, qlib: QlibFacts | None = None, decide: Decide | None = None
) -> Ledger:
    """The event loop alone: every order, and the account after each row.

    Parameters
    ----------
    strategy, panel, rules
        What is traded, on which symbols and sessions, and by which rules.
    qlib
        What the profile qlib needs; else None.
    decide
        The user's function of `strategy: python`; else None.
    """
    return trade_function(strategy, panel, rules, qlib, decide)(strategy)


def trade_function(
    strategy: Strategy, panel: Panel, rules: Rules, qlib: QlibFacts | None = None, decide: Decide | None = None
) -> Trade:
    """A function that trades any strategy which sees the market as `strategy` does, on one that is prepared once."""
    if strategy.profile == "qlib":
        facts = qlib or derived_facts(panel)
        as_qlib = qlib_market(strategy, panel, facts)
        return lambda other: trade_qlib(other, as_qlib, facts)
    if rules.up.shape != panel.score.shape:
        raise DataError(f"rules must be of {panel.score.shape} sessions and symbols, found {rules.up.shape}")
    market = exchange_market(strategy, panel, rules)
    return lambda other: trade_exchange(other, panel, rules, market, decide)


def exchange_market(strategy: Strategy, panel: Panel, rules: Rules) -> MarketArrays:
    """The panel under the exchange's rules; topk, n_drop and the like do not change it."""
    from kronos_quant.backtest.kernel.states import market_states

    price = execution_prices(panel, strategy.fill)
    last, factor = forward_fill(panel.close), forward_fill(panel.factor)

    def states(prices: FloatArray) -> StateArray:
        return market_states(
            prices, last, factor, rules.up, rules.down, rules.reference, rules.tick,
            strategy.liquidity.slippage, session_numbers(panel.dates), rules.one_tick,
        )  # fmt: skip

    state = states(price)
    if panel.execution is not None:
        # an average is at a limit where all that was traded is
        there = state != codes.NO_BAR
        state[there & (states(panel.execution.low) == codes.LIMIT_UP)] = codes.LIMIT_UP
        state[there & (states(panel.execution.high) == codes.LIMIT_DOWN)] = codes.LIMIT_DOWN
    return market_of(
        panel, price, last, factor, state, rules.lot, rules.step, rules.group, rules.next_day,
        volumes(strategy.liquidity, panel), volatilities(strategy.liquidity, panel),
        known_suspended(panel) if strategy.orders_only_tradable else NONE_SUSPENDED,
        schedule_of(strategy, panel, last, factor, rules.lot),
    )  # fmt: skip


def trade_exchange(
    strategy: Strategy, panel: Panel, rules: Rules, market: MarketArrays, decide: Decide | None = None
) -> Ledger:
    """The event loop of a strategy on a market made ready."""
    charges = charges_of(strategy, rules)
    guard = guard_of(strategy.risk, panel, rules.terms.sessions_per_year)
    if strategy.strategy == "topk_dropout":
        from kronos_quant.backtest.kernel.book import new_book, new_history
        from kronos_quant.backtest.kernel.risk import new_watch
        from kronos_quant.backtest.kernel.topk_dropout import topk_dropout_nb

        T, N = panel.score.shape
        history = new_history(T, N, strategy.account)
        book = topk_dropout_nb(
            market, charges, guard, new_book(strategy.account, N, market), new_watch(N, strategy.account), history,
            strategy.topk, strategy.n_drop, strategy.hold_thresh, strategy.cash_fraction, strategy.delisting_return,
        )  # fmt: skip
    else:
        from kronos_quant.backtest.strategies.loop import run_sessions

        decide = decide or decide_of(strategy, panel, rules)
        book, history = run_sessions(strategy, panel, market, charges, guard, decide)
    return ledger_of(market, book, history, decide.remarks() if isinstance(decide, PortfolioOptimiser) else ())


def charges_of(strategy: Strategy, rules: Rules) -> Charges:
    """What trades pay, as the kernels take it."""
    from kronos_quant.backtest.kernel.arrays import Charges

    liquidity = strategy.liquidity
    rates = (rules.buy, rules.sell, rules.minimum, rules.per_share, rules.most, rules.unit)
    columns = np.stack(np.broadcast_arrays(*rates), axis=2)
    return Charges(
        np.concatenate([columns, rules.buy_levy, rules.sell_levy], axis=2),
        liquidity.slippage, liquidity.impact, liquidity.participation or 0.0, rules.borrow, liquidity.carry_over,
    )  # fmt: skip


def guard_of(risk: Risk, panel: Panel, sessions_per_year: int) -> Guard:
    """The rules of a strategy on a panel. Raises DataError for a group cap where no symbol has a group."""
    from kronos_quant.backtest.kernel.arrays import Guard

    member, groups = np.empty((0, 0), dtype=np.int64), 0
    if risk.max_group is not None:
        if panel.groups is None or (panel.groups.member < 0).all():
            raise DataError(
                f"risk.max_group: none of {len(panel.symbols)} symbols has a group",
                hint="kq ingest intervals industry FILE",
            )
        member, groups = np.ascontiguousarray(panel.groups.member), len(panel.groups.names)
    return Guard(
        on=risk.active,
        stop=bound_of(risk.stop_loss),
        profit=bound_of(risk.take_profit),
        stay_out=risk.stay_out,
        weight=bound_of(risk.max_weight),
        group_most=bound_of(risk.max_group),
        member=member,
        groups=groups,
        band=risk.band,
        gross=bound_of(risk.max_gross),
        net=bound_of(risk.max_net),
        volatility=bound_of(risk.volatility_target) / np.sqrt(sessions_per_year),
        window=risk.volatility_sessions,
        turnover=bound_of(risk.max_turnover),
        buffer=risk.cash_buffer,
        drawdown=bound_of(risk.drawdown_halt),
        resume=NEVER if risk.resume_after is None else risk.resume_after,
    )


def bound_of(value: float | None) -> float:
    """A bound as the kernels take it: nothing reaches one that is off."""
    return np.inf if value is None else value


def qlib_market(strategy: Strategy, panel: Panel, facts: QlibFacts, state: StateArray | None = None) -> MarketArrays:
    """The panel as Qlib's exchange sees it. state : u1[T, N], other market states than Qlib's own"""
    panel = as_listed(panel, facts)
    last, factor = forward_fill(panel.close), forward_fill(panel.factor)
    if state is None:
        state = limit_states(strategy, panel, facts)
    none, price = np.zeros(len(panel.symbols), dtype=np.int64), qlib_prices(panel, strategy.fill)
    return market_of(panel, price, last, factor, state, none, none, none, none.astype(np.bool_), facts.volume)


def trade_qlib(strategy: Strategy, market: MarketArrays, facts: QlibFacts) -> Ledger:
    """The event loop of Qlib's on a market made ready."""
    from kronos_quant.backtest.kernel.book import new_book, new_history
    from kronos_quant.backtest.kernel.qlib import Settings, qlib_topk_dropout_nb

    open_cost, close_cost, min_cost = qlib_costs(strategy)
    shares = strategy.qlib.volume_threshold
    settings = Settings(
        strategy.topk, strategy.n_drop, strategy.hold_thresh,
        strategy.orders_only_tradable, strategy.qlib.forbid_all_trade_at_limit, qlib_unit(strategy, facts),
        strategy.cash_fraction, open_cost, close_cost, min_cost,
        np.inf if shares is None else shares.buy, np.inf if shares is None else shares.sell, strategy.qlib.impact_cost,
    )  # fmt: skip
    T, N = market.price.shape
    history = new_history(T, N, strategy.account)
    book = qlib_topk_dropout_nb(market, settings, new_book(strategy.account, N), history)
    return ledger_of(market, book, history)


def market_of(
    panel: Panel, price: FloatArray, last: FloatArray, factor: FloatArray, state: StateArray,
    lot: IntArray, step: IntArray, group: IntArray, next_day: BoolArray,
    volume: FloatArray = UNUSED, volatility: FloatArray = UNUSED, suspended: BoolArray = NONE_SUSPENDED,
    schedule: Schedule | None = None,
) -> MarketArrays:  # fmt: skip
    """The panel as the kernels take it; what gets no orders is no candidate."""
    from kronos_quant.backtest.kernel.arrays import MarketArrays

    score = tradable_scores(panel.score)
    if suspended.size:
        score[suspended] = np.nan
    trait = np.stack([lot, step, group, next_day.astype(np.int64)], axis=1)
    ranking, scored = ranking_of(score), (~np.isnan(score)).sum(axis=1)
    session = session_numbers(panel.dates)
    paid = schedule or without_dividends(panel, factor)
    return MarketArrays(
        ranking, scored, price, last, paid.factor, state, volume, volatility, session, trait, panel.delisted, suspended,
        paid.payout, paid.first, paid.day,
    )  # fmt: skip


def ledger_of(market: MarketArrays, book: Book, history: History, remarks: tuple[str, ...] = ()) -> Ledger:
    """What a kernel gave back. remarks : of the strategy, sentences"""
    orders = book.orders[: book.placed[0]]
    return Ledger(
        orders, history.account, history.cash, history.held, market.last, market.factor,
        history.borrowed, history.halted, market.session, remarks, paid_dividends(market, book),
    )  # fmt: skip


def benchmark_returns(close: FloatArray, panel: Panel) -> FloatArray:
    """Close-to-close returns f64[S] of an index; 0 in a session without a bar, and before its first bar."""
    if close.shape != (len(panel.sessions),):
        raise DataError(f"benchmark: expected {len(panel.sessions)} closes, found {close.shape}")
    if np.isnan(close).all():
        raise DataError(
            f"the benchmark has no bar from {panel.dates[0]} to {panel.dates[-1]}",
            hint="choose another benchmark in the strategy file, or `benchmark: none`",
        )
    known = forward_fill(close[:, None])[:, 0]
    return np.nan_to_num(known[1:] / known[:-1] - 1, nan=0.0)


def benchmark_gaps(close: FloatArray | None, panel: Panel) -> tuple[str, ...]:
    """A note where the index has no bar in some sessions."""
    missing = [] if close is None else [panel.sessions[t] for t in np.flatnonzero(np.isnan(close))]
    if not missing:
        return ()
    gaps = f"{counted(len(missing), 'session')} ({listed(missing)})"
    return (f"The benchmark has no bar in {gaps}: its return there counts as 0.",)
