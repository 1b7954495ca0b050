"""Runs a strategy: panel -> kernel -> vectorbt -> result.

Shape letters: T sessions, N symbols, O orders. Session 0 of the panel only gives scores; sessions 1 to T - 1 trade.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kronos_quant.backtest import codes
from kronos_quant.backtest.fills import market_states
from kronos_quant.backtest.panel import FloatArray, IntArray, Panel, filled_forward, tradable_scores
from kronos_quant.backtest.result import BacktestResult, Ledger, result_of
from kronos_quant.backtest.strategy import Strategy
from kronos_quant.errors import DataError, KronosQuantError, listed

logger = logging.getLogger(__name__)

ACCOUNT_TOLERANCE = 1e-9
"""Largest relative difference between the kernel's account and vectorbt's."""


def simulate(
    strategy: Strategy,
    panel: Panel,
    limits: FloatArray | None = None,
    lots: IntArray | None = None,
    benchmark_close: FloatArray | None = None,
) -> BacktestResult:
    """Back-test `strategy` on `panel`.

    limits : f64[T, N], each symbol's daily price limit as a fraction, NaN for none; None: no limits
    lots : int64[N], each symbol's lot in raw shares, 0 for fractions; None: 1. Both are asked only where the strategy
        says `exchange`.
    benchmark_close : f64[T], NaN where the index has no bar
    Raises DataError where an array does not fit the panel or the benchmark has no bar at all, KronosQuantError where
    the kernel's account and vectorbt's differ.
    """
    benchmark = None if benchmark_close is None else benchmark_returns(benchmark_close, panel)
    announce_compilation()
    ledger = run_kernel(strategy, panel, limits, lots)
    check_accounts(ledger.account, vectorbt_account(ledger, panel), panel)
    return result_of(strategy, panel, ledger, benchmark, benchmark_gaps(benchmark_close, panel))


def run_kernel(
    strategy: Strategy, panel: Panel, limits: FloatArray | None = None, lots: IntArray | None = None
) -> Ledger:
    """The event loop alone: every order, and the account after each session. Arguments as for `simulate`."""
    from kronos_quant.backtest.kernel import topk_dropout_nb

    limits, lots = exchange_rules(strategy, panel, limits, lots)
    price = np.ascontiguousarray(panel.open if strategy.fill == "open" else panel.close)
    last, factor = filled_forward(panel.close), filled_forward(panel.factor)
    orders, count, account, cash, held = topk_dropout_nb(
        tradable_scores(panel.score), price, last, factor, market_states(price, last, factor, limits),
        np.ascontiguousarray(panel.gone), lots, strategy.topk, strategy.n_drop, strategy.hold_thresh, strategy.account,
        strategy.costs.buy, strategy.costs.sell, strategy.costs.minimum,
        strategy.risk_degree, strategy.delisting_return,
    )  # fmt: skip
    return Ledger(orders=orders[:count], account=account, cash=cash, held=held, last=last, factor=factor)


def exchange_rules(
    strategy: Strategy, panel: Panel, limits: FloatArray | None, lots: IntArray | None
) -> tuple[FloatArray, IntArray]:
    """Limits f64[T, N] and lots int64[N] that apply: the strategy's own, else those of the exchange."""
    T, N = panel.score.shape
    if strategy.price_limit == "none" or (strategy.price_limit == "exchange" and limits is None):
        limits = np.full((T, N), np.nan)
    elif strategy.price_limit != "exchange":
        limits = np.full((T, N), strategy.price_limit)
    if strategy.lot != "exchange":
        lots = np.full(N, strategy.lot, dtype=np.int64)
    elif lots is None:
        lots = np.ones(N, dtype=np.int64)
    assert limits is not None
    if limits.shape != (T, N) or lots.shape != (N,):
        raise DataError(f"limits and lots must be [{T}, {N}] and [{N}], found {limits.shape} and {lots.shape}")
    return limits, np.ascontiguousarray(lots, dtype=np.int64)


def benchmark_returns(close: FloatArray, panel: Panel) -> FloatArray:
    """Close-to-close returns f64[T - 1] of an index; 0 in a session without a bar, and before its first bar."""
    if close.shape != (len(panel.dates),):
        raise DataError(f"benchmark: expected {len(panel.dates)} closes, found {close.shape}")
    if np.isnan(close).all():
        raise DataError(
            f"the benchmark has no bar from {panel.dates[0]} to {panel.dates[-1]}",
            hint="choose another benchmark in the strategy file, or `benchmark: none`",
        )
    known = filled_forward(close[:, None])[:, 0]
    return np.nan_to_num(known[1:] / known[:-1] - 1, nan=0.0)


def benchmark_gaps(close: FloatArray | None, panel: Panel) -> tuple[str, ...]:
    """A note where the index has no bar in some sessions."""
    missing = [] if close is None else [panel.dates[t] for t in np.flatnonzero(np.isnan(close))]
    if not missing:
        return ()
    return (f"The benchmark has no bar in {len(missing)} sessions ({listed(missing)}): its return there counts as 0.",)


@dataclass(frozen=True, slots=True)
class Replay:
    """A ledger's fills as vectorbt takes them: one cell a session and traded symbol, NaN size where nothing trades.

    size, price, fee, close : f64[T, M] for the M traded symbols; turn : int64[T, M], the columns of each session in
    the order in which they trade, sells first
    """

    size: FloatArray
    price: FloatArray
    fee: FloatArray
    close: FloatArray
    turn: npt.NDArray[np.int64]


def replay_of(ledger: Ledger) -> Replay:
    """The cells of `ledger`'s fills."""
    fills = ledger.fills
    traded, column = np.unique(fills[:, codes.SYMBOL].astype(np.int64), return_inverse=True)
    session = fills[:, codes.SESSION].astype(np.int64)
    close = ledger.last[:, traded]
    shape = close.shape
    size, price, fee = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    turn = np.full(shape, len(fills))
    size[session, column] = fills[:, codes.SIDE] * fills[:, codes.SHARES]
    price[session, column] = fills[:, codes.PRICE]
    fee[session, column] = fills[:, codes.COST]
    turn[session, column] = np.arange(len(fills))
    # vectorbt refuses a price of 0, what a delisting at -100 % leaves at: it is charged as a fee on the last close
    worthless = price == 0
    price[worthless], fee[worthless] = close[worthless], -(size * close)[worthless]
    # before its first bar nothing is held, and 0 shares x NaN would spoil the account
    return Replay(size, price, fee, np.nan_to_num(close, nan=1.0), np.argsort(turn, axis=1, kind="stable"))


def vectorbt_account(ledger: Ledger, panel: Panel) -> FloatArray:
    """The account f64[T] that vectorbt's portfolio has from the kernel's fills."""
    cash = ledger.account[0]
    if len(ledger.fills) == 0:
        return np.full(len(panel.dates), cash)
    import pandas as pd
    import vectorbt as vbt

    replay = replay_of(ledger)
    index = pd.DatetimeIndex(np.array(panel.dates, dtype="datetime64[ns]"))
    portfolio = vbt.Portfolio.from_orders(
        close=pd.DataFrame(replay.close, index=index),
        size=replay.size,
        price=replay.price,
        fixed_fees=replay.fee,
        init_cash=cash,
        cash_sharing=True,
        group_by=True,
        call_seq=replay.turn,
        freq="1D",
    )
    return np.asarray(portfolio.value(), dtype=np.float64)


def announce_compilation() -> None:
    """Say so where nothing has been compiled on this machine yet: it takes longer than all the rest."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    vectorbt = find_spec("vectorbt")
    assert vectorbt is not None
    assert vectorbt.origin is not None
    folder = Path(chosen) if chosen else Path(vectorbt.origin).parent / "portfolio" / "__pycache__"
    # numba keeps the cache of a package that it cannot write to in a place that only it knows
    if (chosen or os.access(folder, os.W_OK)) and not any(folder.rglob("*simulate_from_orders_nb*.nbi")):
        logger.info("first back-test on this machine: compiling takes 20 to 60 s, once")


def check_accounts(kernel_account: FloatArray, portfolio_account: FloatArray, panel: Panel) -> None:
    """Raise KronosQuantError where the kernel's account and vectorbt's are not the same."""
    # what is left of an account that lost everything is compared in units of the currency
    difference = np.abs(portfolio_account - kernel_account) / np.maximum(np.abs(kernel_account), 1.0)
    wrong = np.flatnonzero(~(difference <= ACCOUNT_TOLERANCE))
    if len(wrong):
        t = wrong[0]
        raise KronosQuantError(
            f"the two accounts differ: on {panel.dates[t]} the kernel has {kernel_account[t]:,.6f}, "
            f"vectorbt {portfolio_account[t]:,.6f}",
            hint="this is a fault of kronos-quant, not of your input: please report it",
        )
