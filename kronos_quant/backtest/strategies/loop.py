"""The event loop of the strategies that give weights: view -> weights -> orders -> the exchange, session by session.

Shape letters: T sessions, N symbols.
"""

from __future__ import annotations

import numpy as np

from kronos_quant.backtest.kernel.arrays import Book, Charges, History, Market
from kronos_quant.backtest.kernel.exchange import new_book_nb, new_history_nb
from kronos_quant.backtest.kernel.targets import session_nb
from kronos_quant.backtest.panel import FloatArray, Panel
from kronos_quant.backtest.strategies.protocol import FIELDS, Decide, View, checked_weights
from kronos_quant.backtest.strategy import Strategy


def run_sessions(
    strategy: Strategy, panel: Panel, market: Market, charges: Charges, decide: Decide
) -> tuple[Book, History]:
    """The book after the last session, and the account after each. Session 0 only gives scores."""
    T, N = panel.score.shape
    book, history = new_book_nb(strategy.account, N), new_history_nb(T, N, strategy.account)
    short = strategy.short or strategy.strategy == "long_short_quantile"
    name = strategy.strategy if strategy.code is None else str(strategy.code)
    for t in range(1, T):
        view = view_before(panel, market, book, history, t)
        weights = checked_weights(decide(view), view, name, short=short)
        target = np.full(N, np.nan) if weights is None else target_shares(weights, view.account, market.last[t - 1])
        order = np.arange(N) if weights is None else np.argsort(-np.abs(weights), kind="stable")
        book = session_nb(market, charges, book, history, t, target, order, strategy.delisting_return)
    return book, history


def view_before(panel: Panel, market: Market, book: Book, history: History, t: int) -> View:
    """What is known before session t."""
    factor = market.factor[t - 1]
    scores = market.score[t].copy()
    shares = np.where(book.shares == 0, 0.0, book.shares * factor)
    return View(
        date=panel.dates[t - 1],
        number=t - 1,
        symbols=panel.symbols,
        scores=scores,
        shares=shares,
        prices=market.last[t - 1] / factor,
        cash=float(history.cash[t - 1]),
        account=float(history.account[t - 1]),
        past=tuple(getattr(panel, field)[:t] for field in FIELDS),
    )


def target_shares(weights: FloatArray, account: float, last: FloatArray) -> FloatArray:
    """Adjusted shares that are worth the weights at the last closes; none of what never had one."""
    known = last > 0
    shares = np.zeros(len(weights))
    shares[known] = weights[known] * max(account, 0.0) / last[known]
    return shares
