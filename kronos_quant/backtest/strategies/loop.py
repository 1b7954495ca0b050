"""The event loop of the strategies that give weights: view -> weights -> orders -> the exchange, row by row.

Shape letters: T rows (sessions, or bars of an intraday market), N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest.kernel.arrays import Book, Charges, Guard, History, MarketArrays
from kronos_quant.backtest.kernel.book import first_traded_nb, new_book, new_history
from kronos_quant.backtest.kernel.risk import begin_row_nb, new_watch
from kronos_quant.backtest.kernel.targets import session_nb
from kronos_quant.backtest.panel import FIELDS, Panel
from kronos_quant.backtest.strategies.protocol import Decide, View, checked_weights
from kronos_quant.backtest.strategy import Strategy


def run_sessions(
    strategy: Strategy, panel: Panel, market: MarketArrays, charges: Charges, guard: Guard, decide: Decide
) -> tuple[Book, History]:
    """The book after the last row, and the account after each. The first session only gives scores.

    While a drawdown halt lasts, the strategy is not called.
    """
    T, N = panel.score.shape
    book, history = new_book(strategy.account, N, market), new_history(T, N, strategy.account)
    watch = new_watch(N, strategy.account)
    name = strategy.strategy if strategy.code is None else str(strategy.code)
    for t in range(first_traded_nb(market.session), T):
        begin_row_nb(market, guard, book, watch, history, t)
        view = view_before(panel, market, book, history, t)
        weights = None if history.halted[t] else checked_weights(decide(view), view, name, short=strategy.sells_short)
        target = np.full(N, np.nan) if weights is None else target_shares(weights, view.account, market.last[t - 1])
        order = np.arange(N) if weights is None else np.argsort(-np.abs(weights), kind="stable")
        book = session_nb(market, charges, guard, book, watch, history, t, target, order, strategy.delisting_return)
    return book, history


def view_before(panel: Panel, market: MarketArrays, book: Book, history: History, t: int) -> View:
    """What is known before row t."""
    factor = market.factor[t - 1]
    scores = panel.score[t - 1].copy()
    shares = np.where(book.shares == 0, 0.0, book.shares * factor)
    return View(
        date=panel.dates[t - 1],
        number=int((market.scored[1:t] > 0).sum()) if panel.times else t - 1,
        symbols=panel.symbols,
        scores=scores,
        shares=shares,
        prices=market.last[t - 1] / factor,
        cash=float(history.cash[t - 1]),
        account=float(history.account[t - 1]),
        past=tuple(read_only(getattr(panel, field)[:t]) for field in FIELDS),
        earlier=() if panel.past is None else tuple(read_only(values[:]) for values in panel.past.bars),
        time=panel.times[t - 1] if panel.times else None,
        suspended=market.suspended[t].copy() if market.suspended.size else None,
    )


def read_only(values: FloatArray) -> FloatArray:
    """The same values, a view of their own, which refuses to be changed."""
    values.flags.writeable = False
    return values


def target_shares(weights: FloatArray, account: float, last: FloatArray) -> FloatArray:
    """Adjusted shares that are worth the weights at the last closes; none of what never had one."""
    known = last > 0
    shares = np.zeros(len(weights))
    shares[known] = weights[known] * max(account, 0.0) / last[known]
    return shares
