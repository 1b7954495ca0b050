"""Each rule of the section `risk` on markets small enough to be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, panel_of, sizeless

from kronos_quant.backtest import Strategy, simulate
from kronos_quant.backtest.panel import SymbolGroups
from kronos_quant.errors import DataError

NAN = float("nan")
FREE = {"buy": 0, "sell": 0, "minimum": 0, "borrow": 0}


def strategy_of(risk, **fields) -> Strategy:
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 100_000.0, "lot": 100, "price_limit": "none"}
    return sizeless(plain | {"costs": PLAIN_COSTS, "risk": risk} | fields)


def weights_of(risk, *decisions, score=None, close=None, open_=None, **fields):
    """A back-test of stated weights, without costs and lots."""
    free = {"strategy": "python", "code": "own.py", "costs": FREE, "lot": 0, "account": 1_000.0}
    strategy = strategy_of(risk, **free | fields)
    close = close if close is not None else [[10, 20]] * (len(decisions) + 1)
    score = score or [[2, 1]] * len(close)
    given = iter(decisions)
    return simulate(strategy, panel_of(score, close, open_=open_), decide=lambda view: next(given))


def told(result) -> list[tuple]:
    return result.orders.select("symbol", "side", "status", "reason", "wanted_shares", "shares").rows()


def test_a_purchase_is_cut_to_the_maximum_weight_and_what_outgrows_it_is_sold_down():
    panel = panel_of([[2, NAN]] * 3, [[10, 10], [20, 10], [20, 10]], open_=[[10, 10], [10, 10], [20, 10]])
    result = simulate(strategy_of({"max_weight": 0.3}), panel)
    # 30,000 of 100,000 at 10; the next close makes 60,000 of 129,970: 1,049.55 shares too many, in whole lots
    assert told(result) == [
        ("S00", "buy", "partial", "maximum weight", 9_500, 3_000),
        ("S00", "sell", "filled", "maximum weight", 1_000, 1_000),
    ]
    assert result.account[0] == pytest.approx(70_000 - 30 + 60_000)
    assert result.cash[1] == pytest.approx(69_970 + 20_000 - 30)
    assert result.risk == {"maximum weight": 2}
    assert result.rejections == {"maximum weight": 1}


def test_what_drifts_within_the_band_is_not_sold_bit_by_bit():
    close = [[10, 10], [10, 10], [10.4, 10], [10.6, 10], [10.6, 10]]
    risk = {"max_weight": 0.5, "band": 0.02}
    result = weights_of(risk, {"S00": 0.6}, None, None, None, close=close)
    # 50 shares; at 10.4 they are 51.0% (520 of 1,020), within the band; at 10.6 51.5%, and come down to 50%
    [bought, sold] = result.fills.rows(named=True)
    assert (bought["shares"], bought["reason"]) == (50, "maximum weight")
    assert sold["date"] == result.dates[3]
    assert sold["shares"] == pytest.approx(50 - 0.5 * 1_030 / 10.6)
    # without one, both are sold
    assert len(weights_of(risk | {"band": 0}, {"S00": 0.6}, None, None, None, close=close).fills) == 3


def test_a_weight_above_the_maximum_is_cut_long_and_short():
    result = weights_of({"max_weight": 0.25}, {"S00": 0.5, "S01": -0.4}, short=True)
    assert told(result) == [
        ("S01", "sell", "partial", "maximum weight", 20, 12.5),
        ("S00", "buy", "partial", "maximum weight", 50, 25),
    ]


def test_a_full_group_gives_its_place_to_the_next_name_of_another():
    panel = panel_of([[3, 2, 1]] * 2, np.full((2, 3), 10.0))
    panel = replace(panel, groups=SymbolGroups(("a", "b"), np.array([[0, 0, 1]] * 2)))
    result = simulate(strategy_of({"max_group": 0.5}, topk=2), panel)
    assert [row[:4] for row in told(result)] == [
        ("S00", "buy", "filled", ""),
        ("S01", "buy", "rejected", "group cap"),
        ("S02", "buy", "filled", ""),
    ]


def test_the_weights_of_a_group_are_scaled_and_symbols_without_one_are_free():
    strategy = strategy_of(
        {"max_group": 0.3}, strategy="python", code="own.py", costs=FREE, lot=0, account=1_000.0, short=True
    )
    panel = panel_of([[3, 2, 1]] * 2, np.full((2, 3), 10.0))
    panel = replace(panel, groups=SymbolGroups(("a",), np.array([[0, 0, -1]] * 2)))
    result = simulate(strategy, panel, decide=lambda view: {"S00": 0.4, "S01": -0.2, "S02": 0.5})
    held = dict(result.positions.select("symbol", "weight").iter_rows())
    # 0.4 and 0.2 make 0.6 without sign
    assert held == pytest.approx({"S00": 0.2, "S01": -0.1, "S02": 0.5})
    with pytest.raises(DataError, match=r"risk\.max_group: none of 3 symbols has a group"):
        simulate(strategy, replace(panel, groups=None), decide=lambda view: {})


def test_all_holdings_together_are_cut_by_one_factor_and_the_heavier_side_by_another():
    result = weights_of({"max_gross": 0.6}, {"S00": 0.8, "S01": -0.4}, short=True)
    assert result.positions["weight"].to_list() == pytest.approx([0.4, -0.2])
    result = weights_of({"max_net": 0.1}, {"S00": 0.8, "S01": -0.4}, short=True)
    assert result.positions["weight"].to_list() == pytest.approx([0.5, -0.4])
    assert result.risk == {"exposure cap": 1}


def test_topk_shares_what_the_exposure_cap_leaves_among_its_places():
    panel = panel_of([[3, 2]] * 2, np.full((2, 2), 10.0))
    result = simulate(strategy_of({"max_gross": 0.4}, topk=2), panel)
    assert result.fills["shares"].to_list() == [2_000, 2_000]
    assert set(result.fills["reason"]) == {"exposure cap"}


STOPPED = {"close": [[10, 10], [10, 10], [9, 10], [8, 10], [8, 10], [8, 10]]}


def test_a_stop_decides_at_a_close_and_sells_at_the_next_fill_not_at_its_own_price():
    opened = [[10, 10], [10, 10], [10, 10], [8.5, 10], [8, 10], [8, 10]]
    panel = panel_of([[2, NAN]] * 6, **STOPPED, open_=opened)
    result = simulate(strategy_of({"stop_loss": 0.1, "stay_out": 2}, n_drop=0), panel)
    # bought at 10 in session 1; the close of 9 in session 2 is the stop; sold at the open of session 3
    assert told(result)[:2] == [
        ("S00", "buy", "filled", "", 9_500, 9_500),
        ("S00", "sell", "filled", "stop-loss", 9_500, 9_500),
    ]
    assert result.fills["price"][1] == 8.5
    assert result.fills["date"][1] == panel.dates[3]
    # two sessions without the symbol: sessions 3 and 4; bought again in session 5
    after = result.orders.select("date", "reason").rows()[2:]
    assert after == [(panel.dates[4], "stays out after a stop"), (panel.dates[5], "")]


def test_a_split_is_no_loss_and_a_second_purchase_moves_the_entry():
    # raw 10 -> 5 with twice the shares: adjusted prices stay
    factor = [[1.0, 1], [1.0, 1], [2.0, 1], [2.0, 1]]
    panel = panel_of([[2, NAN]] * 4, [[10, 10]] * 4, factor=factor)
    assert simulate(strategy_of({"stop_loss": 0.1}), panel).risk == {}
    # 20 shares at 10, then 20 more at 20: 15 on average, of which a close of 13.6 is 9.3% below
    close, open_ = [[10, 1], [10, 1], [20, 1], [13.6, 1], [13.6, 1]], [[10, 1], [10, 1], [20, 1], [20, 1], [13.6, 1]]
    decisions = ({"S00": 0.2}, None, {"S00": 800 / 1_200}, None)
    result = weights_of({"stop_loss": 0.09}, *decisions, close=close, open_=open_)
    assert [row[2:4] for row in told(result)] == [("filled", ""), ("filled", ""), ("filled", "stop-loss")]
    assert weights_of({"stop_loss": 0.1}, *decisions, close=close, open_=open_).risk == {}


def test_a_take_profit_sells_a_gain_and_buys_back_a_short_that_fell():
    close = [[10, 20], [10, 20], [12, 20], [12, 20]]
    result = weights_of({"take_profit": 0.2}, {"S00": 0.5}, None, None, close=close)
    assert told(result)[1] == ("S00", "sell", "filled", "take-profit", 50, 50)
    falling = [[10, 20], [10, 20], [8, 20], [8, 20]]
    result = weights_of({"take_profit": 0.2}, {"S00": -0.5}, None, None, close=falling, short=True)
    assert told(result)[1] == ("S00", "buy", "filled", "take-profit", 50, 50)
    rising = [[10, 20], [10, 20], [11, 20], [11, 20]]
    result = weights_of({"stop_loss": 0.1}, {"S00": -0.5}, None, None, close=rising, short=True)
    assert told(result)[1][1:4] == ("buy", "filled", "stop-loss")


def test_a_stop_that_meets_a_limit_waits_and_goes_when_it_can():
    close = [[10, 10], [10, 10], [9, 10], [8.1, 10], [8.1, 10]]
    result = simulate(strategy_of({"stop_loss": 0.05}, price_limit=0.1, n_drop=0), panel_of([[2, NAN]] * 5, close))
    assert [row[2:4] for row in told(result)[1:3]] == [("rejected", "stop-loss; limit down"), ("filled", "stop-loss")]


def test_the_turnover_cap_leaves_out_whole_purchases_until_there_is_room():
    panel = panel_of([[3, 2]] * 3, np.full((3, 2), 10.0))
    result = simulate(strategy_of({"max_turnover": 0.55}, topk=2, costs=FREE), panel)
    # 47,500 and 47,500 of 100,000; then 95% of the 53,000 that are left
    assert [(row[0], row[2], row[3]) for row in told(result)] == [
        ("S00", "filled", ""),
        ("S01", "rejected", "turnover cap"),
        ("S01", "filled", ""),
    ]
    np.testing.assert_allclose(result.turnover, [0.47, 0.5])


def test_half_of_the_turnover_is_for_sales_so_that_their_money_can_be_spent():
    close = np.full((3, 4), 10.0)
    panel = panel_of([[4, 3, 2, 1], [1, 2, 3, 4], [1, 2, 3, 4]], close)
    free = simulate(strategy_of({}, topk=2, n_drop=2, costs=FREE), panel)
    assert free.turnover[1] == pytest.approx(1.9, abs=0.06)
    capped = simulate(strategy_of({"max_turnover": 1.0}, topk=2, n_drop=2, costs=FREE), panel)
    assert [row[:4] for row in told(capped)[2:]] == [
        ("S00", "sell", "filled", ""),
        ("S01", "sell", "rejected", "turnover cap"),
        ("S03", "buy", "filled", ""),
    ]
    assert capped.turnover[1] <= 1.0


def test_weights_go_only_part_of_the_way_under_a_turnover_cap():
    result = weights_of({"max_turnover": 0.2}, {"S00": 0.5, "S01": 0.3}, {"S01": 0.3})
    held = result.positions.select("date", "symbol", "weight").rows()
    # 0.8 wanted, 0.2 allowed: a quarter; then 0.125 to sell and 0.225 to buy, 0.2 allowed: 4/7
    assert [row[2] for row in held] == pytest.approx([0.125, 0.075, 0.125 * 3 / 7, 0.075 + 0.225 * 4 / 7])
    np.testing.assert_allclose(result.turnover, [0.2, 0.2])
    assert set(result.orders["reason"]) == {"turnover cap"}


def test_a_stop_comes_before_the_turnover_cap():
    close = [[10, 20], [10, 20], [8, 20], [8, 20]]
    result = weights_of({"stop_loss": 0.1, "max_turnover": 0.3}, {"S00": 0.3}, None, {"S01": 0.9}, close=close)
    # the stop sells 24% of 940; what is left of 30% goes into the other
    sold, bought = result.fills.rows(named=True)[1:]
    assert (sold["reason"], sold["value"]) == ("stop-loss", pytest.approx(240))
    assert (bought["reason"], bought["value"]) == ("turnover cap", pytest.approx(0.3 * 940 - 240))


def test_the_volatility_target_scales_to_what_the_portfolio_would_have_moved():
    rng = np.random.default_rng(3)
    close = 10 * np.exp(np.cumsum(rng.normal(0, 0.03, (14, 2)), axis=0))
    wanted = {"S00": 0.6, "S01": 0.3}
    decisions = [None] * 12 + [wanted]
    risk = {"volatility_target": 0.2, "volatility_sessions": 10}
    result = weights_of(risk, *decisions, close=close, sessions_per_year=250)
    moves = close[1:13] / close[:12] - 1
    trailing = moves[-10:] @ np.array([0.6, 0.3])
    factor = 0.2 / (np.std(trailing, ddof=1) * np.sqrt(250))
    assert factor < 1
    # shares were decided at the close before
    held = result.positions["shares"].to_numpy() * close[12] / 1_000
    np.testing.assert_allclose(held, [0.6 * factor, 0.3 * factor])
    assert result.risk == {"volatility target": 2}
    assert weights_of(risk | {"volatility_target": 9.0}, *decisions, close=close).risk == {}


def test_with_few_sessions_known_a_volatility_target_bounds_nothing():
    rng = np.random.default_rng(3)
    close = 10 * np.exp(np.cumsum(rng.normal(0, 0.03, (10, 2)), axis=0))
    result = weights_of({"volatility_target": 0.01}, *[{"S00": 0.9}] * 9, close=close)
    assert "volatility target" not in result.risk


def test_purchases_leave_the_cash_buffer_whatever_the_open_does():
    # 95,000 buy 8,600 at 11; 88,000 buy 8,000, to the last cent
    panel = panel_of([[2, NAN]] * 2, [[10, 10], [11, 10]], open_=[[10, 10], [11, 10]])
    result = simulate(strategy_of({"cash_buffer": 0.12}, costs=FREE), panel)
    assert told(result) == [("S00", "buy", "partial", "cash buffer", 8_600, 8_000)]
    assert result.cash[0] >= 0.12 * 100_000
    result = weights_of({"cash_buffer": 0.3}, {"S00": 0.5, "S01": 0.5}, open_=[[10, 20], [11, 22]])
    assert result.cash[0] == pytest.approx(300)
    # both are scaled to 35% first; the second one meets the higher open
    assert result.fills["reason"].to_list() == ["cash buffer", "cash buffer"]


def test_a_drawdown_sells_everything_and_the_strategy_stays_out_for_good_or_for_some_sessions():
    close = [[10, 10], [10, 10], [8.9, 10], [8, 10], [8, 10], [8, 10]]
    panel = panel_of([[2, NAN]] * 6, close)
    result = simulate(strategy_of({"drawdown_halt": 0.1}), panel)
    # 95% invested: the account closes 10.5% lower in session 2, is sold in session 3 and rests
    assert told(result)[1] == ("S00", "sell", "filled", "drawdown halt", 9_500, 9_500)
    assert result.fills["date"][1] == panel.dates[3]
    assert len(result.orders) == 2
    assert result.halted == panel.dates[3:]
    assert any("DRAWDOWN HALT" in note and "trading never resumed (3 sessions" in note for note in result.notes)
    again = simulate(strategy_of({"drawdown_halt": 0.1, "resume_after": 2}), panel)
    assert again.halted == panel.dates[3:5]
    # the highest close counts anew, so that the loss of before does not halt it at once
    assert again.fills.select("date", "side").rows()[2] == (panel.dates[5], "buy")
    assert any("trading resumed 2 sessions later" in note for note in again.notes)


def test_a_halted_strategy_is_not_asked():
    asked = []

    def decide(view):
        asked.append(view.date)
        return {"S00": 1.0}

    close = [[10, 10], [10, 10], [8, 10], [8, 10], [8, 10]]
    strategy = strategy_of({"drawdown_halt": 0.1}, strategy="python", code="own.py", costs=FREE, lot=0)
    panel = panel_of([[2, 1]] * 5, close)
    simulate(strategy, panel, decide=decide)
    assert asked == list(panel.dates[:2])


def test_a_cut_that_leaves_less_than_a_lot_is_a_rejection_that_names_the_rule():
    result = simulate(strategy_of({"max_weight": 0.005}), panel_of([[2, NAN]] * 2, [[10, 10]] * 2))
    assert told(result) == [("S00", "buy", "rejected", "maximum weight", 9_500, 0)]
    assert "NO TRADE WAS MADE: all 1 orders were rejected: maximum weight (1)." in result.notes[0]


def test_what_a_rule_and_the_exchange_both_cut_names_both():
    volume = [[2_000.0, 1.0]] * 2
    panel = panel_of([[2, NAN]] * 2, [[10, 10]] * 2, volume=volume)
    result = simulate(strategy_of({"max_weight": 0.5}, liquidity={"participation": 0.5}), panel)
    assert told(result) == [("S00", "buy", "partial", "maximum weight; volume cap", 9_500, 1_000)]
    assert result.risk == {"maximum weight": 1}
