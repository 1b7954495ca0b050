"""The kernel's fills through vectorbt's portfolio: a second account, which must equal the kernel's.

Shape letters: T sessions, M traded symbols.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kronos_quant.backtest import codes
from kronos_quant.backtest.panel import FloatArray, Panel
from kronos_quant.backtest.series import Ledger
from kronos_quant.errors import KronosQuantError

logger = logging.getLogger(__name__)

NOTEBOOK_PARTS = ("IPython", "anywidget", "ipywidgets", "nbformat")

ACCOUNT_TOLERANCE = 1e-9
"""Largest relative difference between the kernel's account and vectorbt's."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A ledger's fills as vectorbt takes them: one cell a session and traded symbol, NaN size where nothing trades.

    size, price, fee, close : f64[T, M] for the M traded symbols (two at least)
    turn : int64[T, M], the columns of each row in the order in which they trade, sells first
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
    session = fills[:, codes.ROW].astype(np.int64)
    # one column alone is another type of array to numba, for which all would be compiled once more
    close = np.ones((len(ledger.account), max(len(traded), 2)))
    close[:, : len(traded)] = ledger.last[:, traded]
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

    with without_notebooks():
        import vectorbt as vbt
        from vectorbt.portfolio import nb
        from vectorbt.portfolio.enums import Direction

    replay = replay_of(ledger)
    index = pd.DatetimeIndex(np.array(panel.times or panel.dates, dtype="datetime64[ns]"))
    portfolio = vbt.Portfolio.from_orders(
        close=pd.DataFrame(replay.close, index=index),
        size=replay.size,
        price=replay.price,
        fixed_fees=replay.fee,
        init_cash=cash,
        cash_sharing=True,
        group_by=True,
        call_seq=replay.turn,
        fillna_close=False,
        freq="1D",
    )
    # what portfolio.value() computes, without wrapping each step of it in frames, which takes longer than the steps
    records, columns = portfolio.orders.values, portfolio.orders.col_mapper.col_map
    flow = nb.cash_flow_nb(replay.close.shape, records, columns, False)
    held = nb.assets_nb(nb.asset_flow_nb(replay.close.shape, records, columns, Direction.Both))
    value = cash + np.cumsum(flow.sum(axis=1)) + (held * replay.close).sum(axis=1)
    # vectorbt knows no fee for being short
    return np.asarray(value - np.cumsum(ledger.borrowed), dtype=np.float64)


@contextlib.contextmanager
def without_notebooks() -> Iterator[None]:
    """For an import: plotly, which vectorbt loads, does not look for what only notebooks use; a notebook keeps it.

    Loading that takes a third of vectorbt's own import.
    """
    hidden = [] if "IPython" in sys.modules else [name for name in NOTEBOOK_PARTS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def start_compiling() -> subprocess.Popen[bytes] | None:
    """Where nothing has been compiled on this machine yet: say so, and let another process compile vectorbt's part.

    That takes as long as our own kernels', which this process compiles meanwhile. The result lies in numba's cache.
    """
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    vectorbt = find_spec("vectorbt")
    assert vectorbt is not None
    assert vectorbt.origin is not None
    folder = Path(chosen) if chosen else Path(vectorbt.origin).parent / "portfolio" / "__pycache__"
    # numba keeps the cache of a package that it cannot write to in a place that only it knows
    if not (chosen or os.access(folder, os.W_OK)) or any(folder.rglob("*simulate_from_orders_nb*.nbi")):
        return None
    logger.info("first back-test on this machine: compiling takes 20 to 60 s, once")
    code = f"from {__name__} import compile_portfolio; compile_portfolio()"
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 (our own code)


def compile_portfolio() -> None:
    """Value an account of two purchases, so that what vectorbt compiles for that is in numba's cache."""
    orders = np.zeros((2, codes.COLUMNS))
    orders[:, [codes.ROW, codes.SIDE, codes.SHARES, codes.PRICE]] = 1.0
    orders[1, codes.SYMBOL] = 1.0
    account, prices, nothing = np.full(2, 10.0), np.ones((2, 2)), np.zeros(2)
    ledger = Ledger(orders, account, account, prices, prices, prices, nothing, nothing > 0, np.arange(2))
    panel = Panel(
        dates=(date(2024, 1, 1), date(2024, 1, 2)), symbols=("A", "B"),
        open=prices, high=prices, low=prices, close=prices, volume=prices, factor=prices, score=prices,
        gone=np.full(2, 2),
    )  # fmt: skip
    vectorbt_account(ledger, panel)


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
