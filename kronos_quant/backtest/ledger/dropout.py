"""Top-K dropout by the exchange's rules in plain Python."""

from __future__ import annotations

import math

from kronos_quant.backtest.ledger.accounts import Accounts, traded_rows
from kronos_quant.backtest.ledger.exchange import Exchange
from kronos_quant.backtest.ledger.risk import Keeper
from kronos_quant.backtest.ledger.targets import less
from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.rules import Rules
from kronos_quant.backtest.strategy import Strategy


def simulate_slowly(strategy: Strategy, panel: Panel, rules: Rules) -> Accounts:
    """Orders, account and cash of `strategy`, one row after the other."""
    book = Accounts(Exchange(strategy, panel, rules), strategy.account)
    keeper = Keeper(book, strategy.account)
    for t in traded_rows(panel):
        account = keeper.begin(t)
        book.receive_dividends(t)
        book.leave_delisted(t)
        changes = {
            i: change
            for i, change in keeper.changes(t, account, None).items()
            if change[0] == 0 or book.pending.get(i, 0.0) >= 0
        }
        for i in list(book.pending):
            if i in changes or (keeper.halted and book.pending[i] > 0):
                del book.pending[i]
        selling = [i for i in book.pending if book.pending[i] < 0]
        book.carry_on(t, "sell")
        known = {i: float(s) for i, s in enumerate(panel.score[t - 1]) if not math.isnan(s)}
        scores = {i: s for i, s in known.items() if not book.exchange.untouchable(t, i)}
        sales = worst(book, t, scores)
        changes = {i: change for i, change in changes.items() if change[0] == 0 or i not in sales}
        for i, (shares, why) in sorted(changes.items()):
            sold = less(book, t, i, shares)
            if sold > 0 and book.free_to_sell(t, i) > 0 and not book.exchange.untouchable(t, i):
                book.sell(t, i, sold)
                book.blame(why)
        once = [i for i in sales if i not in changes and not (strategy.risk.active and i in selling)]
        sell_worst(keeper, t, account, once)
        book.carry_on(t, "buy")
        if not keeper.halted:
            buy_best(keeper, t, account, by_rank(scores))
        book.close(t)
    return book


def by_rank(scores: dict[int, float]) -> list[int]:
    """Symbols by descending score, ties by symbol."""
    return sorted(scores, key=lambda i: (-scores[i], i))


def worst(book: Accounts, t: int, scores: dict[int, float]) -> list[int]:
    """What ranks too low, is old enough and may be sold, worst first."""
    s, held, ranked = book.exchange.strategy, sorted(book.shares), by_rank(scores)
    others = [i for i in ranked if i not in held][: s.n_drop + s.topk - len(held)]
    movable = [i for i in held if not book.exchange.untouchable(t, i)]
    pool = [i for i in ranked if i in movable or i in others] + [i for i in movable if i not in scores]
    return [
        i
        for i in reversed(pool[s.topk - (len(held) - len(movable)) :])
        if i in held
        and book.exchange.session(t) - book.exchange.session(book.traded[i]) >= s.hold_thresh
        and book.pending.get(i, 0.0) >= 0
        and book.free_to_sell(t, i) > 0
    ]


def sell_worst(keeper: Keeper, t: int, account: float, sales: list[int]) -> None:
    """Sell whole holdings, within half of the turnover that is left."""
    book, cap = keeper.book, keeper.book.exchange.strategy.risk.max_turnover
    room = math.inf if cap is None else (cap * account - keeper.traded(t)) / 2
    for i in sales:
        if cap is not None:
            room -= book.shares[i] * book.exchange.close(t - 1, i)
        if room < 0:
            book.note(t, i, "sell", "rejected", "turnover cap", book.shares[i], 0.0, book.exchange.price(t, i))
            continue
        book.pending.pop(i, None)
        book.sell(t, i, book.shares[i])


def buy_best(keeper: Keeper, t: int, account: float, ranked: list[int]) -> None:
    """Give the free places to the best candidates that can be bought."""
    book = keeper.book
    s, exchange = book.exchange.strategy, book.exchange
    places = s.topk - len(book.shares)
    candidates = [i for i in ranked if i not in book.shares and book.traded.get(i) != t]
    if places == 0 or not candidates:
        return
    fillable = [i for i in candidates if exchange.blocked(t, i, "buy") is None and not keeper.rests(t, i)][:places]
    asked = book.cash * s.cash_fraction / (len(fillable) or places)
    money, why = bounded_money(keeper, t, account, ranked, len(fillable) or places, asked)
    for i in candidates:
        if places == 0:
            return
        near = exchange.close(t, i) if math.isnan(exchange.price(t, i)) else exchange.slipped(t, i, "buy")
        refused = refusal(keeper, t, account, i, money)
        if refused:
            book.note(t, i, "buy", "rejected", refused, asked / near, 0.0, exchange.price(t, i))
            places -= refused == "turnover cap"
            continue
        whole, wanted = (exchange.whole_lots(t, i, amount / near, 1e-6) for amount in (asked, money))
        blocked = exchange.blocked(t, i, "buy") is not None
        if wanted > 0 or blocked:
            book.buy(t, i, wanted)
            if whole > wanted:
                book.blame(why, whole)
        elif whole > 0:
            book.note(t, i, "buy", "rejected", why, whole, 0.0, exchange.price(t, i))
        else:
            book.note(t, i, "buy", "rejected", "below one lot", money / near, 0.0, exchange.price(t, i))
        places -= not blocked


def bounded_money(
    keeper: Keeper, t: int, account: float, ranked: list[int], places: int, asked: float
) -> tuple[float, str]:
    """The money for each purchase that the risk rules leave, and the rule that leaves least."""
    book, risk = keeper.book, keeper.book.exchange.strategy.risk
    values = {i: shares * book.exchange.close(t - 1, i) for i, shares in book.shares.items()}
    held = sum(values.values())
    most = keeper.bound_by_volatility(t, account, values or dict.fromkeys(ranked[: book.exchange.strategy.topk], 1.0))
    bounds = [
        (None if risk.max_weight is None else risk.max_weight * account, "maximum weight"),
        (None if risk.max_gross is None else (risk.max_gross * account - held) / places, "exposure cap"),
        (None if risk.max_net is None else (risk.max_net * account - held) / places, "exposure cap"),
        (None if most is None else (most - held) / places, "volatility target"),
        ((book.cash - book.reserve) / places if risk.cash_buffer else None, "cash buffer"),
    ]
    money, why = asked, ""
    for bound, name in bounds:
        if bound is not None and bound < money:
            money, why = bound if bound > 1e-9 * abs(account) else 0.0, name
    return money, why


def refusal(keeper: Keeper, t: int, account: float, i: int, money: float) -> str:
    """The risk rule that lets a symbol not be bought at all; empty where none does."""
    book, risk = keeper.book, keeper.book.exchange.strategy.risk
    if keeper.rests(t, i):
        return "stays out after a stop"
    group = keeper.group(t, i)
    if risk.max_group is not None and group >= 0:
        members = [j for j in book.shares if keeper.group(t, j) == group]
        most = risk.max_group * account * (1 + 1e-9)
        if sum(book.shares[j] * book.exchange.close(t - 1, j) for j in members) + money > most:
            return "group cap"
    if risk.max_turnover is not None and keeper.traded(t) + money > risk.max_turnover * account * (1 + 1e-9):
        return "turnover cap"
    return ""
