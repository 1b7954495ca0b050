"""The kernel's fills through vectorbt's portfolio: a second account, which must equal the kernel's.

Shape letters: T sessions, M traded symbols.
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
from kronos_quant.backtest.panel import FloatArray, Panel
from kronos_quant.backtest.result import Ledger
from kronos_quant.errors import KronosQuantError

logger = logging.getLogger(__name__)

ACCOUNT_TOLERANCE = 1e-9
"""Largest relative difference between the kernel's account and vectorbt's."""


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
    return Replay(size, price, fee, np.nan_to_num(close, nan=1.0), np.argsort(turn, axis=1))


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
    # vectorbt knows no fee for being short
    return np.asarray(portfolio.value(), dtype=np.float64) - np.cumsum(ledger.borrowed)


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
