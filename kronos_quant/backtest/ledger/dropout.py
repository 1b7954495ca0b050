"""Top-K dropout by the exchange's rules in plain Python."""

from __future__ import annotations

import math

from kronos_quant.backtest.ledger.accounts import Accounts
from kronos_quant.backtest.ledger.exchange import Exchange
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rules import Rules
from kronos_quant.backtest.strategy import Strategy


def simulate_slowly(strategy: Strategy, panel: Panel, rules: Rules) -> Accounts:
    """Orders, account and cash of `strategy`, one session after the other."""
    book = Accounts(Exchange(strategy, panel, rules), strategy.account)
    for t in range(1, len(panel.dates)):
        book.leave_delisted(t)
        book.carry_on(t, "sell")
        scores = {i: float(s) for i, s in enumerate(panel.score[t - 1]) if not math.isnan(s)}
        sell_worst(book, t, scores)
        book.carry_on(t, "buy")
        buy_best(book, t, by_rank(scores))
        book.close(t)
    return book


def by_rank(scores: dict[int, float]) -> list[int]:
    """Symbols by descending score, ties by symbol."""
    return sorted(scores, key=lambda i: (-scores[i], i))


def sell_worst(book: Accounts, t: int, scores: dict[int, float]) -> None:
    """Sell what ranks too low and is old enough."""
    s, held, ranked = book.exchange.strategy, sorted(book.shares), by_rank(scores)
    others = [i for i in ranked if i not in held][: s.n_drop + s.topk - len(held)]
    pool = [i for i in ranked if i in held or i in others] + [i for i in held if i not in scores]
    for i in reversed(pool[s.topk :]):
        if i not in held or t - book.traded[i] < s.hold_thresh or book.pending.get(i, 0.0) < 0:
            continue
        book.pending.pop(i, None)
        book.sell(t, i, book.shares[i])


def buy_best(book: Accounts, t: int, ranked: list[int]) -> None:
    """Give the free places to the best candidates that can be bought."""
    s, exchange = book.exchange.strategy, book.exchange
    places = s.topk - len(book.shares)
    candidates = [i for i in ranked if i not in book.shares and book.traded.get(i) != t]
    if places == 0 or not candidates:
        return
    fillable = [i for i in candidates if exchange.blocked(t, i, "buy") is None][:places]
    money = book.cash * s.risk_degree / (len(fillable) or places)
    for i in candidates:
        if places == 0:
            return
        near = exchange.close(t, i) if math.isnan(exchange.price(t, i)) else exchange.slipped(t, i, "buy")
        wanted = exchange.whole_lots(t, i, money / near, 1e-6)
        blocked = exchange.blocked(t, i, "buy") is not None
        if wanted <= 0 and not blocked:
            book.note(t, i, "buy", "rejected", "below one lot", money / near, 0.0, exchange.price(t, i))
        else:
            book.buy(t, i, wanted)
        places -= not blocked
