"""The kernel's fills through vectorbt's portfolio: a second account, which must equal the kernel's.

A dividend changes adjusted shares without an order. For vectorbt it is one, a sale or purchase at the close before, in
a row of its own before that of the ex-date; what it brings more or less than the dividend is corrected by hand.

Shape letters: T rows (sessions, or bars of an intraday market), X of them with ex-dates, M places in the portfolio, O
fills.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any, TypeVar

import numpy as np

from kronos_quant.arrays import BoolArray, FloatArray, IntArray
from kronos_quant.backtest import codes
from kronos_quant.backtest.accounts import Ledger
from kronos_quant.backtest.panel import Panel
from kronos_quant.children import start_python
from kronos_quant.errors import DataError, KronosQuantError

logger = logging.getLogger(__name__)

NOTEBOOK_PARTS = ("IPython", "anywidget", "ipywidgets", "nbformat")

NumberArray = TypeVar("NumberArray", FloatArray, IntArray)

CUSHION = 1e-6
"""Of the account, what vectorbt is given more."""

ACCOUNT_TOLERANCE = 1e-9
"""Largest relative difference between the kernel's account and vectorbt's."""

NEARLY_LOST = 1e-3
"""Below this fraction of its highest value, an account is compared as if it were this fraction."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A ledger's fills as vectorbt takes them: one cell a row and place, NaN size where nothing trades.

    A symbol has a place from its first purchase until all of it is left; then another symbol may have it. vectorbt
    looks at every cell, and there are far fewer places than symbols.
    symbol : int64[T, M] for the M places (two at least), number of the symbol that trades there, -1 for none
    size, price, fee, close : f64[T, M]
    turn : int64[T, M], the columns of each row in the order in which they trade, sells first
    excess : f64[T, M], what sales cost more than they brought, which is no part of `fee`; of dividends what they are
    less than the sale that stands for them
    cushion : money that vectorbt gets on top of the account's
    """

    symbol: IntArray
    size: FloatArray
    price: FloatArray
    fee: FloatArray
    close: FloatArray
    turn: IntArray
    excess: FloatArray
    cushion: float


def with_ex_rows(ledger: Ledger) -> tuple[Ledger, FloatArray, IntArray]:
    """The ledger with T + X rows: one before each with ex-dates of holdings, with the orders that stand for dividends.

    Returns it, what each of its fills brings more than its dividend, f64[O], and the rows of the old ones, int64[T].
    """
    paid, T = ledger.dividends, len(ledger.account)
    if paid is None or not len(paid.row):
        return ledger, np.zeros(len(ledger.fills)), np.arange(T)
    ex_rows = np.unique(paid.row)
    rows = np.arange(T) + np.searchsorted(ex_rows, np.arange(T), side="right")
    # several dividends of a symbol in a row are one order
    keys, which = np.unique(paid.row * ledger.last.shape[1] + paid.symbol, return_inverse=True)
    ex_row, symbol = np.divmod(keys, ledger.last.shape[1])
    change, money = (np.bincount(which, weights=values) for values in (paid.change, paid.money))
    before = ledger.last[ex_row - 1, symbol]
    events = np.zeros((len(keys), codes.COLUMNS))
    events[:, codes.ROW], events[:, codes.SYMBOL] = rows[ex_row] - 1, symbol
    events[:, codes.SIDE], events[:, codes.SHARES] = np.sign(change), np.abs(change)
    events[:, codes.PRICE] = before
    fills = ledger.fills.copy()
    fills[:, codes.ROW] = rows[fills[:, codes.ROW].astype(np.int64)]
    both, more = np.concatenate([events, fills]), -change * before - money
    order = np.argsort(both[:, codes.ROW], kind="stable")
    # the row of an ex-date's dividends is like the one before it
    old = np.sort(np.concatenate([np.arange(T), ex_rows - 1]))
    held = ledger.held[old]
    held[rows[ex_row] - 1, symbol] += change
    expanded = replace(
        ledger,
        orders=both[order],
        account=ledger.account[old],
        cash=ledger.cash[old],
        held=held,
        last=ledger.last[old],
        factor=ledger.factor[old],
        borrowed=np.where(np.isin(np.arange(len(old)), rows), ledger.borrowed[old], 0.0),
        halted=ledger.halted[old],
        session=ledger.session[old],
    )
    return expanded, np.concatenate([more, np.zeros(len(fills))])[order], rows


def replay_of(ledger: Ledger, more: FloatArray | None = None) -> Replay:
    """The cells of `ledger`'s fills. more : f64[O], what each of them brings more than it should"""
    fills = ledger.fills
    more = np.zeros(len(fills)) if more is None else more
    row, symbol = fills[:, codes.ROW].astype(np.int64), fills[:, codes.SYMBOL].astype(np.int64)
    signed, price = fills[:, codes.SIDE] * fills[:, codes.SHARES], fills[:, codes.PRICE]
    fee = fills[:, codes.COST] + fills[:, codes.TAX]
    # vectorbt refuses a price of 0, what a delisting at -100% leaves at: it is charged as a fee on the last close
    last = ledger.last[row, symbol]
    price, fee = np.where(price == 0, last, price), np.where(price == 0, fee - signed * last, fee)
    # it leaves out a sale that costs more than it brings, which Qlib makes
    excess = np.where(signed < 0, np.maximum(fee + signed * price, 0.0), 0.0)
    # and it spends nothing that is not there: Qlib does where it rounds an order up by a tenth of a share, and the last
    # cent is one that rounding may take
    cushion = 2.0 * max(-float(ledger.cash.min()), 0.0) + CUSHION * float(ledger.account.max())
    cushion += float(np.abs(more).sum() + np.abs(signed * price)[more != 0].sum())
    place = places_of(row, symbol, ledger.held[row, symbol] == 0)
    # one column alone is another type of array to numba, for which all would be compiled once more
    shape = len(ledger.account), max(int(place.max(initial=0)) + 1, 2)
    turn = cells(np.arange(len(fills)), row, place, shape, len(fills))
    there = cells(symbol, row, place, shape, -1)
    return Replay(
        symbol=there,
        size=cells(signed, row, place, shape, np.nan),
        price=cells(price, row, place, shape, np.nan),
        fee=cells(fee - excess, row, place, shape, 0.0),
        close=closes_of(ledger, there),
        turn=np.argsort(turn, axis=1),
        excess=cells(excess + more, row, place, shape, 0.0),
        cushion=cushion,
    )


def places_of(row: IntArray, symbol: IntArray, left: BoolArray) -> IntArray:
    """int64[O]: the place of each fill; left : whether nothing of its symbol is held after it.

    A row trades a place once: one that was left in a row is free in the next.
    """
    places: dict[int, int] = {}
    free: list[int] = []
    leaving: list[int] = []
    found, now = [], -1
    for t, i, gone in zip(row.tolist(), symbol.tolist(), left.tolist(), strict=True):
        if t != now:
            free += leaving
            leaving, now = [], t
        if i not in places:
            places[i] = free.pop() if free else len(places) + len(leaving)
        found.append(places[i])
        if gone:
            leaving.append(places.pop(i))
    return np.array(found, dtype=np.int64)


def closes_of(ledger: Ledger, traded: IntArray) -> FloatArray:
    """f64[T, M]: the last closes of the symbols in each place, 1 before the first of them.

    traded : int64[T, M], the symbols that trade in each place, -1 for none
    """
    rows, places = np.arange(len(traded))[:, None], np.arange(traded.shape[1])
    since = np.maximum.accumulate(np.where(traded >= 0, rows, 0), axis=0)
    symbol = traded[since, places]
    # before its first bar nothing is held, and 0 shares x NaN would spoil the account
    return np.where(symbol >= 0, np.nan_to_num(ledger.last[rows, symbol], nan=1.0), 1.0)


def cells(values: NumberArray, row: IntArray, place: IntArray, shape: tuple[int, int], empty: float) -> NumberArray:
    """An array of `empty` but for some values in their rows and places."""
    filled = np.full(shape, empty, dtype=values.dtype)
    filled[row, place] = values
    return filled


def vectorbt_portfolio(ledger: Ledger, panel: Panel) -> Any:
    """vectorbt's Portfolio of a ledger's fills: a column each traded symbol, one group, cash shared.

    Its value is the account but for what being short cost (`ledger.borrowed`), which vectorbt has no fee for. Shares
    and prices are adjusted ones; a delisting without anything left is a sale at the last close for as much in fees. A
    dividend that is paid in cash is a sale at the close before, in a row of its own before the ex-date's.
    ledger : of `run_kernel`. Raises DataError where nothing was traded.
    """
    if len(ledger.fills) == 0:
        raise DataError("no portfolio without a trade")
    import pandas as pd

    ledger, more, rows = with_ex_rows(ledger)
    replay, cash = replay_of(ledger, more), ledger.account[0]
    by_place = simulated(replay, cash)
    import vectorbt as vbt

    records = by_place.order_records.copy()
    cell = records["idx"], records["col"]
    traded = np.unique(ledger.fills[:, codes.SYMBOL].astype(np.int64))
    records["fees"] += replay.excess[cell]
    records["col"] = np.searchsorted(traded, replay.symbol[cell])
    last = np.nan_to_num(ledger.last[:, traded], nan=1.0)
    when = np.array(panel.times or panel.dates, dtype="datetime64[ns]")
    stamps = when[np.searchsorted(rows, np.arange(len(ledger.account)))]
    stamps[np.setdiff1d(np.arange(len(stamps)), rows)] -= np.timedelta64(1, "s")
    index = pd.DatetimeIndex(stamps)
    close = pd.DataFrame(last, index=index, columns=[panel.symbols[n] for n in traded])
    return vbt.Portfolio(
        vbt.ArrayWrapper.from_obj(close, freq="1D", group_by=True),
        close,
        records[np.argsort(records["col"], kind="stable")],
        by_place.log_records,
        np.array([cash]),
        cash_sharing=True,
        fillna_close=False,
    )


def vectorbt_account(ledger: Ledger) -> FloatArray:
    """The account f64[T] that vectorbt's portfolio has from the kernel's fills."""
    cash = ledger.account[0]
    if len(ledger.fills) == 0:
        return np.full(len(ledger.account), cash)
    ledger, more, rows = with_ex_rows(ledger)
    replay = replay_of(ledger, more)
    portfolio = simulated(replay, cash)
    from vectorbt.portfolio import nb
    from vectorbt.portfolio.enums import Direction

    # what portfolio.value() computes, without wrapping each step of it in frames, which takes longer than the steps
    records, columns = portfolio.orders.values, portfolio.orders.col_mapper.col_map
    flow = nb.cash_flow_nb(replay.close.shape, records, columns, False)
    held = nb.assets_nb(nb.asset_flow_nb(replay.close.shape, records, columns, Direction.Both))
    value = cash + np.cumsum(flow.sum(axis=1)) + (held * replay.close).sum(axis=1)
    return np.asarray(value - np.cumsum(replay.excess.sum(axis=1) + ledger.borrowed), dtype=np.float64)[rows]


def simulated(replay: Replay, cash: float) -> Any:
    """What vectorbt makes of the cells."""
    import pandas as pd

    with without_notebooks():
        import vectorbt as vbt

    return vbt.Portfolio.from_orders(
        close=pd.DataFrame(replay.close),
        size=replay.size,
        price=replay.price,
        fixed_fees=replay.fee,
        init_cash=cash + replay.cushion,
        cash_sharing=True,
        group_by=True,
        call_seq=replay.turn,
        fillna_close=False,
        freq="1D",
    )


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


def start_compiling() -> Popen[bytes] | None:
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
    return start_python(code, stdout=DEVNULL, stderr=DEVNULL)


def compile_portfolio() -> None:
    """Value an account of two purchases, so that what vectorbt compiles for that is in numba's cache."""
    orders = np.zeros((2, codes.COLUMNS))
    orders[:, [codes.ROW, codes.SIDE, codes.SHARES, codes.PRICE]] = 1.0
    orders[1, codes.SYMBOL] = 1.0
    account, prices, nothing = np.full(2, 10.0), np.ones((2, 2)), np.zeros(2)
    ledger = Ledger(orders, account, account, prices, prices, prices, nothing, nothing > 0, np.arange(2))
    vectorbt_account(ledger)


def check_accounts(kernel_account: FloatArray, portfolio_account: FloatArray, panel: Panel) -> None:
    """Raise KronosQuantError where the kernel's account and vectorbt's are not the same."""
    # both are sums of what was traded before, so what is left of an account that lost nearly everything is rounded as
    # its highest value was
    scale = np.maximum(np.abs(kernel_account), NEARLY_LOST * np.maximum.accumulate(kernel_account))
    difference = np.abs(portfolio_account - kernel_account) / np.maximum(scale, 1.0)
    wrong = np.flatnonzero(~(difference <= ACCOUNT_TOLERANCE))
    if len(wrong):
        t = wrong[0]
        raise KronosQuantError(
            f"the two accounts differ: on {panel.dates[t]} the kernel has {kernel_account[t]:,.6f}, "
            f"vectorbt {portfolio_account[t]:,.6f}",
            hint="this is a fault of kronos-quant, not of your input: please report it",
        )
