"""A strategy that gives weights, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable

from kronos_quant.backtest.ledger.accounts import Accounts, traded_rows
from kronos_quant.backtest.ledger.exchange import Exchange
from kronos_quant.backtest.ledger.risk import Keeper
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rules import Rules
from kronos_quant.backtest.strategy import Strategy

Weigh = Callable[[int], dict[int, float] | None]
"""Session -> weights by symbol number, what is missing is sold; None: no decision."""


def simulate_targets_slowly(strategy: Strategy, panel: Panel, rules: Rules, weigh: Weigh) -> Accounts:
    """Orders, account and cash of weights, one row after the other."""
    book = Accounts(Exchange(strategy, panel, rules), strategy.account)
    keeper = Keeper(book, strategy.account)
    for t in traded_rows(panel):
        account = keeper.begin(t)
        weights = None if keeper.halted else weigh(t)
        wanted = None if weights is None else wanted_shares(book, t, weights, account)
        book.receive_dividends(t)
        book.leave_delisted(t)
        order, changes = list(wanted or range(len(panel.symbols))), keeper.changes(t, account, wanted)
        targets = {} if wanted is None else dict(wanted)
        targets |= {i: shares for i, (shares, _) in changes.items()}
        for i in range(len(panel.symbols)):
            if i in targets or keeper.halted:
                book.pending.pop(i, None)
        book.carry_on(t, "sell")
        held = dict(book.shares)
        for side in ("sell", "buy"):
            for i in order:
                trade(book, t, i, held.get(i, 0.0), side, targets.get(i), (wanted or {}).get(i), changes.get(i))
            if side == "sell":
                book.carry_on(t, "buy")
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


def trade(
    book: Accounts, t: int, i: int, held: float, side: str,
    target: float | None, asked: float | None, change: tuple[float, str] | None,
) -> None:  # fmt: skip
    """Come from what was held to a target on one side, and tell what a risk rule changed of what was asked."""
    if book.exchange.untouchable(t, i):
        return
    if side == "buy" and target is not None and less(book, t, i, target, held) > 0:
        return
    amount = less if side == "sell" else more
    shares = 0.0 if target is None else amount(book, t, i, target, held)
    whole = 0.0 if asked is None else amount(book, t, i, asked, held)
    if shares > 0:
        (book.sell if side == "sell" else book.buy)(t, i, shares)
        if change is not None:
            book.blame(change[1], whole)
    elif whole > 0 and change is not None:
        book.note(t, i, side, "rejected", change[1], whole, 0.0, book.exchange.price(t, i))


def in_lots(book: Accounts, t: int, i: int, shares: float) -> float:
    """Shares rounded towards nothing to what may be ordered."""
    return math.copysign(book.exchange.whole_lots(t, i, abs(shares), 1e-6), shares)


def changed(held: float, target: float) -> bool:
    """Whether a target is more than rounding away from what is held."""
    return abs(target - held) > 1e-9 * max(abs(target), abs(held))


def less(book: Accounts, t: int, i: int, target: float, held: float | None = None) -> float:
    """What to sell to come down to a target: a holding that is given up goes whole."""
    held = book.shares.get(i, 0.0) if held is None else held
    if target >= held or not changed(held, target):
        return 0.0
    return in_lots(book, t, i, held - target) if target > 0 or held <= 0 else held - in_lots(book, t, i, target)


def more(book: Accounts, t: int, i: int, target: float, held: float | None = None) -> float:
    """What to buy to come up to a target: what is short and given up is bought back whole."""
    held = book.shares.get(i, 0.0) if held is None else held
    if target <= held or not changed(held, target):
        return 0.0
    return in_lots(book, t, i, target) - held if held < 0 <= target else in_lots(book, t, i, target - held)
