"""A strategy that gives weights, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable

from kronos_quant.backtest.ledger.accounts import Accounts
from kronos_quant.backtest.ledger.exchange import Exchange
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rules import Rules
from kronos_quant.backtest.strategy import Strategy

Weigh = Callable[[int], dict[int, float] | None]
"""Session -> weights by symbol number, what is missing is sold; None: no decision."""


def simulate_targets_slowly(strategy: Strategy, panel: Panel, rules: Rules, weigh: Weigh) -> Accounts:
    """Orders, account and cash of weights, one session after the other."""
    book = Accounts(Exchange(strategy, panel, rules), strategy.account)
    for t in range(1, len(panel.dates)):
        weights = weigh(t)
        account = book.accounts[-1] if book.accounts else strategy.account
        targets = {} if weights is None else wanted_shares(book, t, weights, account)
        book.leave_delisted(t)
        for i in targets:
            book.pending.pop(i, None)
        book.carry_on(t, "sell")
        held = {i: book.shares.get(i, 0.0) for i in targets}
        changed = [i for i in targets if abs(targets[i] - held[i]) > 1e-9 * max(abs(targets[i]), abs(held[i]))]
        for i in changed:
            if targets[i] < held[i]:
                reduce(book, t, i, targets[i])
        book.carry_on(t, "buy")
        for i in changed:
            if targets[i] > held[i]:
                increase(book, t, i, targets[i])
        book.close(t)
    return book


def wanted_shares(book: Accounts, t: int, weights: dict[int, float], account: float) -> dict[int, float]:
    """Shares worth the weights at the last closes, the largest weights first, ties by symbol."""
    N = len(book.exchange.panel.symbols)
    order = sorted(range(N), key=lambda i: (-abs(weights.get(i, 0.0)), i))
    wanted = {}
    for i in order:
        close = book.exchange.close(t - 1, i)
        wanted[i] = 0.0 if math.isnan(close) else weights.get(i, 0.0) * max(account, 0.0) / close
    return wanted


def in_lots(book: Accounts, t: int, i: int, shares: float) -> float:
    """Shares rounded towards nothing to what may be ordered."""
    return math.copysign(book.exchange.whole_lots(t, i, abs(shares), 1e-6), shares)


def reduce(book: Accounts, t: int, i: int, target: float) -> None:
    """Sell down to a target: a holding that is given up goes whole."""
    held = book.shares.get(i, 0.0)
    partly = target > 0 or held <= 0
    sold = in_lots(book, t, i, held - target) if partly else held - in_lots(book, t, i, target)
    if sold > 0:
        book.sell(t, i, sold)


def increase(book: Accounts, t: int, i: int, target: float) -> None:
    """Buy up to a target: what is short and given up is bought back whole."""
    held = book.shares.get(i, 0.0)
    back = held < 0 <= target
    bought = in_lots(book, t, i, target) - held if back else in_lots(book, t, i, target - held)
    if bought > 0:
        book.buy(t, i, bought)
