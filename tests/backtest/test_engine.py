from __future__ import annotations

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, panel_of, random_market, random_rules, reordered, rules_with, sizeless

from kronos_quant.backtest import Panel, Strategy, engine, rules_of, simulate, vectorbt_check
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.vectorbt_check import vectorbt_account
from kronos_quant.errors import DataError, KronosQuantError

NAN = float("nan")


def strategy_of(**fields) -> Strategy:
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 100_000.0, "lot": 100, "price_limit": "none"}
    return sizeless(plain | {"costs": PLAIN_COSTS} | fields)


def trades(result) -> list[tuple]:
    return result.orders.select("date", "symbol", "side", "status", "reason").rows()


SWAP = {
    "score": [[2, 1], [1, 2], [1, 2]],
    "close": [[10, 20], [10.5, 20], [11.5, 22]],
    "open_": [[10, 20], [10, 20], [11, 21]],
}


def test_ledger_of_two_sessions_to_the_cent():
    result = simulate(strategy_of(), panel_of(**SWAP))
    # 100,000 x 0.95 buys 9,500 at 10; cost 95; 4,905 + 9,500 x 10.5
    assert result.account[0] == pytest.approx(104_655.00, abs=1e-9)
    # sold at 11: 104,500 - 156.75; 109,248.25 x 0.95 / 21 buys 4,900; cost 102.90; 6,245.35 + 4,900 x 22
    assert result.cash[1] == pytest.approx(6_245.35, abs=1e-9)
    assert result.account[1] == pytest.approx(114_045.35, abs=1e-9)
    np.testing.assert_allclose(result.cost, [95.0, 156.75 + 102.90])
    np.testing.assert_allclose(result.turnover, [0.95, (104_500 + 102_900) / 104_655])
    np.testing.assert_allclose(result.returns, [0.04655, 114_045.35 / 104_655 - 1])
    np.testing.assert_allclose(result.gross_returns, [(4_655 + 95) / 1e5, (9_390.35 + 259.65) / 104_655])
    assert result.fills.select("symbol", "side", "shares", "price", "value", "cost").rows() == [
        ("S00", "buy", 9_500, 10, 95_000, 95),
        ("S00", "sell", 9_500, 11, 104_500, 156.75),
        ("S01", "buy", 4_900, 21, 102_900, 102.9),
    ]
    assert result.positions.select("symbol", "shares", "price").rows() == [("S00", 9_500, 10.5), ("S01", 4_900, 22)]
    assert result.dates == panel_of(**SWAP).dates[1:]


def test_fills_at_the_close_when_the_strategy_says_so():
    result = simulate(strategy_of(fill="close"), panel_of(**SWAP))
    assert result.fills["price"].to_list() == [10.5, 11.5, 22]


def test_minimum_cost_is_charged_when_the_rate_is_less():
    result = simulate(strategy_of(account=4_000.0), panel_of(**SWAP))
    assert result.fills["cost"].to_list() == [5.0, 5.0, 5.0]


def test_no_drop_holds_for_ever():
    result = simulate(strategy_of(n_drop=0), panel_of(**SWAP))
    assert result.fills.select("symbol", "side").rows() == [("S00", "buy")]


def test_a_symbol_is_kept_for_hold_thresh_sessions():
    score = [[2, 1], *[[1, 2]] * 5]
    result = simulate(strategy_of(hold_thresh=3), panel_of(score, np.full((6, 2), 10.0)))
    bought, sold = result.fills["date"][:2]
    assert (sold - bought).days == 3


def test_a_blocked_place_goes_to_the_next_name_and_the_order_says_why():
    close = [[10, 10, 10], [NAN, 10, 10], [10, 10, 10]]
    result = simulate(strategy_of(), panel_of([[3, 2, 1]] * 3, close))
    assert [row[1:] for row in trades(result)[:2]] == [("S00", "buy", "rejected", "no bar"),
                                                      ("S01", "buy", "filled", "")]  # fmt: skip
    assert result.rejections == {"no bar": 1}


def test_a_symbol_at_its_upper_limit_is_not_bought_and_at_its_lower_not_sold():
    close = [[10, 10], [11, 10], [11, 10]]
    result = simulate(strategy_of(price_limit=0.1), panel_of([[2, 1]] * 3, close))
    assert trades(result)[0][1:] == ("S00", "buy", "rejected", "limit up")
    falling = panel_of([[2, 1], [1, 2], [1, 2]], [[10, 10], [10, 10], [9, 10]])
    result = simulate(strategy_of(price_limit=0.1), falling)
    assert trades(result)[1][1:] == ("S00", "sell", "rejected", "limit down")


def test_buys_follow_executed_sells_so_that_never_more_than_topk_are_held():
    close = [[10, 10], [10, 10], [NAN, 10], [10, 10]]
    result = simulate(strategy_of(only_tradable=False), panel_of([[2, 1], [1, 2], [1, 2], [1, 2]], close))
    assert [row[1:] for row in trades(result)] == [
        ("S00", "buy", "filled", ""),
        ("S00", "sell", "rejected", "no bar"),
        ("S00", "sell", "filled", ""),
        ("S01", "buy", "filled", ""),
    ]
    assert result.metrics["mean_holdings"] == 1


@pytest.mark.parametrize(("at", "left"), [(0.0, 95_000.0), (-0.3, 66_500.0), (-1.0, 0.0)])
def test_a_delisted_holding_leaves_at_its_last_price_without_cost(at, left):
    close = [[10, 10], [10, 10], [NAN, NAN]]
    result = simulate(strategy_of(delisting_return=at), panel_of([[2, 1], [NAN, NAN], [NAN, NAN]], close))
    assert result.cash[1] == pytest.approx(4_905 + left)
    assert trades(result)[-1][1:] == ("S00", "sell", "filled", "delisted")
    assert "1 holding counts as delisted (S00)" in result.notes[0]


def test_a_suspended_holding_is_kept_at_its_last_price():
    panel = panel_of([[2, 1]] * 3, [[10, 10], [12, 10], [NAN, 10]], open_=[[10, 10], [10, 10], [NAN, 10]], gone=[3, 3])
    result = simulate(strategy_of(), panel)
    assert result.account[1] == result.account[0]
    assert result.positions["price"].to_list() == [12, 12]


def test_holders_of_a_small_universe_do_not_trade_in_circles():
    result = simulate(strategy_of(topk=5, n_drop=2, lot=0), panel_of([[1, 2, 3]] * 6, np.full((6, 3), 10.0)))
    assert len(result.fills) == 3
    assert "topk is 5, but only 3 of 3 symbols have a score" in result.notes[0]


def test_lots_are_of_raw_shares_and_an_odd_remainder_is_sold_whole():
    # raw 20.00 = adjusted 10.00 / 0.5; a 3-for-2 split after the purchase makes the raw shares odd
    factor = [[0.5, 1], [0.5, 1], [0.75, 1]]
    panel = panel_of([[2, 1], [1, 2], [1, 2]], [[10, 10]] * 3, factor=factor)
    result = simulate(strategy_of(), panel)
    assert result.fills["shares"].to_list() == pytest.approx([4_700, 7_050, 9_400])
    assert result.fills["price"].to_list()[:2] == pytest.approx([20.0, 10 / 0.75])


def test_lots_of_the_exchange_are_used_only_when_the_strategy_says_so():
    lots = np.array([5_000, 5_000])
    panel = panel_of(**SWAP)
    for lot, shares in (("exchange", 5_000), (100, 9_500)):
        strategy = strategy_of(lot=lot)
        assert simulate(strategy, panel, rules_with(strategy, panel, lots=lots)).fills["shares"][0] == shares
    assert simulate(strategy_of(lot="exchange"), panel_of(**SWAP)).fills["shares"][1] == 9_500


def test_arrays_that_do_not_fit_are_refused():
    other = panel_of([[1.0]] * 2, [[1.0]] * 2)
    with pytest.raises(DataError, match=r"rules must be of \(3, 2\) sessions and symbols, found \(2, 1\)"):
        simulate(strategy_of(), panel_of(**SWAP), rules_of(strategy_of(), other))
    with pytest.raises(DataError, match="expected 3 closes"):
        simulate(strategy_of(), panel_of(**SWAP), benchmark_close=np.ones(2))


def test_benchmark_returns_are_close_to_close_and_gaps_are_said():
    result = simulate(strategy_of(), panel_of(**SWAP), benchmark_close=np.array([100.0, NAN, 110.0]))
    np.testing.assert_allclose(result.benchmark_returns, [0.0, 0.1])
    assert "The benchmark has no bar in 1 session (2024-01-02)" in result.notes[-1]
    with pytest.raises(DataError, match="the benchmark has no bar from 2024-01-01 to 2024-01-03"):
        simulate(strategy_of(), panel_of(**SWAP), benchmark_close=np.full(3, NAN))


@pytest.mark.parametrize("seed", range(12))
def test_vectorbt_has_the_same_account_as_the_kernel(seed):
    panel, limits, lots = random_market(seed)
    strategy = strategy_of(topk=4, n_drop=2, account=1e6, lot="exchange", price_limit="exchange", delisting_return=-1.0)
    ledger = run_kernel(strategy, panel, rules_with(strategy, panel, limits, lots))
    np.testing.assert_allclose(vectorbt_account(ledger), ledger.account, rtol=1e-9)


def test_two_accounts_that_differ_stop_the_run(monkeypatch):
    assert vectorbt_check.ACCOUNT_TOLERANCE == 1e-9
    monkeypatch.setattr(engine, "vectorbt_account", lambda ledger: ledger.account * (1 + 1e-8))
    with pytest.raises(KronosQuantError, match="the two accounts differ: on 2024-01-01 the kernel has 100,000"):
        simulate(strategy_of(), panel_of(**SWAP))


@pytest.mark.parametrize("seed", range(20))
def test_cash_is_never_negative_and_never_more_than_topk_are_held(seed):
    panel, _, _ = random_market(seed)
    strategy = strategy_of(topk=3, n_drop=2, risk_degree=1.0, lot=0)
    ledger = run_kernel(strategy, panel, rules_of(strategy, panel))
    assert (ledger.cash >= 0).all()
    assert (ledger.held > 0).sum(axis=1).max() <= 3


@pytest.mark.parametrize("seed", range(20))
def test_nothing_after_a_session_changes_what_was_done_until_then(seed):
    panel, limits, lots = random_market(seed)
    strategy = strategy_of(topk=3, n_drop=2, lot="exchange", price_limit="exchange")
    until = len(panel.dates) // 2
    changed = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close", "score")}
    for values in changed.values():
        values[until + 1 :] *= 1.7
    changed["score"][until] *= -1  # known only at the close of that session
    later = type(panel)(
        panel.dates, panel.symbols, **changed, volume=panel.volume, factor=panel.factor, delisted=panel.delisted
    )
    first, second = (run_kernel(strategy, p, rules_with(strategy, p, limits, lots)) for p in (panel, later))
    np.testing.assert_array_equal(first.account[: until + 1], second.account[: until + 1])
    np.testing.assert_array_equal(first.held[: until + 1], second.held[: until + 1])


@pytest.mark.parametrize("seed", range(20))
def test_permuting_symbols_permutes_the_holdings(seed):
    panel, limits, lots = random_market(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(panel.symbols))
    strategy = strategy_of(topk=3, n_drop=2, lot="exchange", price_limit="exchange")
    # equal scores, and holdings without one, rank by their symbols: only those may change with the order
    score = rng.normal(size=panel.score.shape)
    fields = {name: getattr(panel, name) for name in ("open", "high", "low", "close", "volume", "factor")}
    one = Panel(panel.dates, panel.symbols, **fields, score=score, delisted=panel.delisted)
    moved = {name: values[:, order] for name, values in fields.items()}
    other = Panel(panel.dates, panel.symbols, **moved, score=score[:, order], delisted=reordered(panel.delisted, order))
    first = run_kernel(strategy, one, rules_with(strategy, one, limits, lots))
    second = run_kernel(strategy, other, rules_with(strategy, other, limits[:, order], lots[order]))
    np.testing.assert_allclose(first.held[:, order], second.held, rtol=1e-9)
    np.testing.assert_allclose(first.account, second.account, rtol=1e-12)


def test_without_costs_gross_and_net_are_the_same():
    panel, _, _ = random_market(5)
    result = simulate(strategy_of(topk=3, costs={"buy": 0, "sell": 0, "minimum": 0}), panel)
    np.testing.assert_array_equal(result.returns, result.gross_returns)
    assert result.metrics["cost"] == 0


@pytest.mark.parametrize("seed", range(60))
def test_orders_keep_to_lots_cash_and_the_day_of_purchase_whatever_the_rules(seed):
    panel, _, _ = random_market(seed)
    strategy = strategy_of(topk=4, n_drop=3, hold_thresh=0, account=3e4, risk_degree=1.0)
    rules = random_rules(seed, strategy, panel)
    result = simulate(strategy, panel, rules)
    assert (result.cash >= -1e-9).all()
    assert (result.account > 0).all()
    lots = dict(zip(panel.symbols, zip(rules.lot, rules.step, strict=True), strict=True))
    bought = result.fills.filter(side="buy")
    for symbol, shares in bought.select("symbol", "shares").iter_rows():
        lot, step = lots[symbol]
        if lot:
            assert shares >= lot - 1e-6
            assert (shares - lot) / step == pytest.approx(round((shares - lot) / step), abs=1e-6)
    both = bought.join(result.fills.filter(side="sell"), on=["date", "symbol"])
    assert both.is_empty()
    assert (result.fills["levies"] <= result.fills["cost"]).all()


def test_a_delisting_is_shown_at_its_last_close_and_at_less():
    close = [[10, 10], [10, 10], [NAN, 10]]
    panel = panel_of([[2, 1], [NAN, NAN], [NAN, NAN]], close)
    result = simulate(strategy_of(), panel)
    # 9,500 shares worth 95,000 of 99,905
    assert result.delisted == pytest.approx({0.0: -0.00095, -0.3: -0.00095 - 0.285, -1.0: -0.00095 - 0.95})
    assert simulate(strategy_of(), panel_of(**SWAP)).delisted == {}
