"""What holds for every strategy, every market and every set of rules: random cases, of sessions and of bars."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import intraday, random_market, random_rules, reordered, with_past
from backtest.test_kernel import by_name, random_risk, random_strategy, random_weights, with_groups

from kronos_quant.backtest import Panel, Rules, Strategy, codes
from kronos_quant.backtest.accounts import Ledger
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.liquidity import volumes

SEEDS = range(30)
KINDS = ("topk_dropout", "topk_rebalance", "long_short_quantile", "buy_and_hold", "python")


def case(seed: int) -> tuple[Strategy, Panel, Rules]:
    """A random strategy of some kind with random rules, on sessions or on bars."""
    rng = np.random.default_rng([seed, 8])
    panel = with_past(seed, with_groups(seed, random_market(seed)[0]))
    if rng.random() < 0.5:
        panel = intraday(panel, int(rng.integers(2, 6)))
    kind = KINDS[seed % len(KINDS)]
    own = {"code": "own.py", "short": True} if kind == "python" else {}
    strategy = random_strategy(seed, strategy=kind, risk=random_risk(seed), every=int(rng.integers(1, 4)), **own)
    rules = random_rules(seed, strategy, panel)
    next_day = rng.random(len(panel.symbols)) < 0.5
    return strategy, panel, replace(rules, borrow=0.0002, next_day=next_day)


def run(
    seed: int, strategy: Strategy, panel: Panel, rules: Rules, *, long: bool = False, order: np.ndarray | None = None
) -> Ledger:
    """long : nothing is sold short; order : the numbers that the panel's symbols had when the weights were made."""
    weights = random_weights(seed, panel)
    if long:
        weights = [chosen and {i: abs(weight) for i, weight in chosen.items()} for chosen in weights]
    if order is not None:
        place = np.argsort(order)
        weights = [chosen and {int(place[i]): weight for i, weight in chosen.items()} for chosen in weights]
    rows = {moment: t for t, moment in enumerate(panel.times or panel.dates)}
    decide = None
    if strategy.strategy == "python":

        def decide(view):
            return by_name(weights[rows[view.moment] + 1], panel)

    return run_kernel(strategy, panel, rules, decide=decide)


def sums(ledger: Ledger, side: int, cells: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Shares traded on a side, by the cell that each fill belongs to; those of delistings are no trades."""
    fills = ledger.fills
    chosen = (fills[:, codes.SIDE] == side) & (fills[:, codes.REASON] != codes.DELISTED)
    found = np.zeros(shape)
    np.add.at(found, (cells[chosen], fills[chosen, codes.SYMBOL].astype(int)), fills[chosen, codes.SHARES])
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_changing_any_bar_or_score_after_a_row_changes_nothing_until_then(seed):
    strategy, panel, rules = case(seed)
    until = int(np.random.default_rng(seed).integers(0, len(panel.dates)))
    later = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close", "volume", "score")}
    for values in later.values():
        values[until + 1 :] *= 1.7
    later["score"][until] *= -1  # known only when that row is over
    later["close"][until + 1 :, ::3] = np.nan
    later["open"][until + 1 :, ::3] = np.nan
    one, other = run(seed, strategy, panel, rules), run(seed, strategy, replace(panel, **later), rules)
    for name in ("account", "cash", "held", "borrowed", "halted"):
        np.testing.assert_array_equal(getattr(one, name)[: until + 1], getattr(other, name)[: until + 1], err_msg=name)
    placed, elsewhere = (ledger.orders[ledger.orders[:, codes.ROW] <= until] for ledger in (one, other))
    np.testing.assert_array_equal(placed, elsewhere)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_is_decided_without_the_bar_that_it_fills_in(seed):
    """Only the fill price of a row is known when it trades: its close, high, low and volume change no order of it."""
    strategy, panel, rules = case(seed)
    liquidity = strategy.liquidity.model_copy(update={"volume": "trailing"})
    strategy = strategy.model_copy(update={"fill": "open", "liquidity": liquidity})
    row = len(panel.dates) - 1
    changed = {name: getattr(panel, name).copy() for name in ("high", "low", "close", "volume")}
    for values in changed.values():
        values[row] *= 1.3
    one, other = run(seed, strategy, panel, rules), run(seed, strategy, replace(panel, **changed), rules)
    np.testing.assert_array_equal(one.orders, other.orders)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_sold_in_the_session_of_its_purchase_where_that_is_forbidden(seed):
    strategy, panel, rules = case(seed)
    ledger = run(seed, strategy, panel, rules)
    sold = sums(ledger, codes.SELL, ledger.session[ledger.fills[:, codes.ROW].astype(int)],
                (int(ledger.session[-1]) + 1, len(panel.symbols)))  # fmt: skip
    before = np.vstack([np.zeros(len(panel.symbols)), ledger.held[ledger.ends][:-1]])
    bound = rules.next_day & (before >= 0) & (ledger.held[ledger.ends] >= 0)
    assert (sold[bound] <= before[bound] * (1 + 1e-9) + 1e-9).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_cash_and_the_cash_buffer_are_never_spent(seed):
    # what is short has to be bought back, and borrowing is paid, whatever the cash
    strategy, panel, rules = case(seed)
    if strategy.strategy == "long_short_quantile":
        strategy = strategy.model_copy(update={"strategy": "topk_rebalance"})
    ledger = run(seed, strategy, panel, rules, long=True)
    assert not (ledger.held < 0).any()
    assert (ledger.cash >= -1e-7).all()
    bought = np.unique(ledger.fills[ledger.fills[:, codes.SIDE] == codes.BUY, codes.ROW].astype(int))
    least = strategy.risk.cash_buffer * ledger.account[bought - 1]
    assert (ledger.cash[bought] >= least - 1e-7).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_purchases_are_of_lots_and_steps(seed):
    strategy, panel, rules = case(seed)
    fills = run(seed, strategy, panel, rules).fills
    factor = np.nan_to_num(panel.factor, nan=0.0)
    for row in fills[(fills[:, codes.SIDE] == codes.BUY) & (fills[:, codes.REASON] != codes.DELISTED)]:
        t, i = int(row[codes.ROW]), int(row[codes.SYMBOL])
        lot, step = int(rules.lot[i]), int(rules.step[i])
        raw = row[codes.SHARES] * factor[t, i]
        if lot and not strategy.short and strategy.strategy != "long_short_quantile":
            assert raw >= lot * (1 - 1e-6)
            assert (raw - lot) / step == pytest.approx(round((raw - lot) / step), abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_more_than_its_share_of_the_volume_is_traded_in_a_bar(seed):
    strategy, panel, rules = case(seed)
    liquidity = strategy.liquidity.model_copy(update={"participation": 0.05})
    strategy = strategy.model_copy(update={"liquidity": liquidity})
    ledger = run(seed, strategy, panel, rules)
    volume = np.nan_to_num(volumes(liquidity, panel), nan=0.0)
    for side in (codes.BUY, codes.SELL):
        traded = sums(ledger, side, ledger.fills[:, codes.ROW].astype(int), volume.shape)
        assert (traded <= 0.05 * volume * (1 + 1e-9)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_no_purchase_takes_a_symbol_above_its_maximum_weight(seed):
    strategy, panel, rules = case(seed)
    strategy = strategy.model_copy(update={"risk": strategy.risk.model_copy(update={"max_weight": 0.15})})
    ledger = run(seed, strategy, panel, rules)
    for row in ledger.fills[(ledger.fills[:, codes.SIDE] == codes.BUY)]:
        t, i = int(row[codes.ROW]), int(row[codes.SYMBOL])
        pending = strategy.liquidity.participation is not None  # what a cap on the volume left over is ordered again
        if ledger.held[t, i] > 0 and not pending and row[codes.REASON] != codes.DELISTED:
            worth = ledger.held[t, i] * ledger.last[t - 1, i]
            bound = 0.15 * ledger.account[t - 1]
            # topk buys for money at the fill price, which may be below the last close
            at = row[codes.PRICE] / ledger.last[t - 1, i]
            assert worth * min(at, 1.0) <= bound * (1 + 1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_permuting_the_symbols_permutes_everything(seed):
    strategy, panel, rules = case(seed)
    rng = np.random.default_rng(seed)
    # equal scores, and holdings without one, rank by their symbols: only those may change with the order
    panel = replace(panel, score=rng.normal(size=panel.score.shape))
    order = rng.permutation(len(panel.symbols))
    moved = {
        name: getattr(panel, name)[:, order] for name in ("open", "high", "low", "close", "volume", "factor", "score")
    }
    groups = replace(panel.groups, member=panel.groups.member[:, order])
    past = replace(panel.past, bars=tuple(values[:, order] for values in panel.past.bars))
    shuffled = replace(panel, **moved, delisted=reordered(panel.delisted, order), groups=groups, past=past)
    cells = {name: getattr(rules, name)[:, order] for name in ("up", "down", "reference")}
    single = {name: getattr(rules, name)[order] for name in ("lot", "step", "tick", "group", "next_day")}
    one = run(seed, strategy, panel, rules)
    other = run(seed, strategy, shuffled, replace(rules, **cells, **single), order=order)
    np.testing.assert_allclose(one.account, other.account, rtol=1e-9)
    np.testing.assert_allclose(one.held[:, order], other.held, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_account_is_what_is_held_and_the_cash_and_the_fills_tell_both(seed):
    strategy, panel, rules = case(seed)
    ledger = run(seed, strategy, panel, rules)
    worth = np.nansum(ledger.held * ledger.last, axis=1)
    np.testing.assert_allclose(ledger.account, ledger.cash + worth, rtol=1e-12)
    fills, (T, N) = ledger.fills, panel.score.shape
    flow, change = np.zeros(T), np.zeros((T, N))
    rows, columns = fills[:, codes.ROW].astype(int), fills[:, codes.SYMBOL].astype(int)
    signed = fills[:, codes.SIDE] * fills[:, codes.SHARES]
    np.add.at(flow, rows, -signed * fills[:, codes.PRICE] - fills[:, codes.COST])
    np.add.at(change, (rows, columns), signed)
    np.testing.assert_allclose(ledger.cash, strategy.account + np.cumsum(flow - ledger.borrowed), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(ledger.held, np.cumsum(change, axis=0), rtol=1e-9, atol=1e-6)
