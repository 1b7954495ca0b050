from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, intraday, panel_of, random_market, sizeless

from kronos_quant.backtest import Strategy, simulate
from kronos_quant.backtest.kernel.states import market_states
from kronos_quant.backtest.liquidity import rows_before, volatilities, volumes
from kronos_quant.backtest.panel import Past
from kronos_quant.backtest.settings import Liquidity
from kronos_quant.panel.matrix import rolling_sum

NAN = float("nan")


def liquidity(**fields) -> Liquidity:
    return Liquidity.model_validate(fields)


def strategy_of(**fields) -> Strategy:
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 100_000.0, "lot": 100, "price_limit": "none"}
    return sizeless(plain | {"costs": PLAIN_COSTS} | fields)


def test_sums_are_over_the_sessions_before():
    values = np.array([[1.0], [2.0], [4.0], [8.0]])
    panel = panel_of(values, values)
    assert rolling_sum(values, *rows_before(panel, 2))[:, 0].tolist() == [0, 1, 3, 6]
    assert rolling_sum(values, *rows_before(panel, 9))[:, 0].tolist() == [0, 1, 3, 7]
    # two bars a session: the bars of the sessions before, not those of the same one
    assert rolling_sum(values, *rows_before(intraday(panel, 2), 1))[:, 0].tolist() == [0, 0, 3, 3]


@pytest.mark.parametrize("seed", range(5))
def test_trailing_figures_equal_slow_ones_and_know_nothing_of_the_session(seed):
    panel, _, _ = random_market(seed)
    chosen = liquidity(participation=0.1, impact=1.0, sessions=4)
    volume, volatility = volumes(chosen, panel), volatilities(chosen, panel)
    T, N = panel.close.shape
    for t in range(T):
        for n in range(N):
            before = panel.volume[max(t - 4, 0) : t, n]
            known = before[~np.isnan(before)]
            assert volume[t, n] == (pytest.approx(known.mean()) if known.sum() > 0 else np.inf)
            moves = []
            for s in range(max(t - 4, 1), t):
                earlier = panel.close[:s, n][~np.isnan(panel.close[:s, n])]
                if len(earlier) and not np.isnan(panel.close[s, n]):
                    moves.append(panel.close[s, n] / earlier[-1] - 1)
            if len(moves) < 2:
                assert np.isnan(volatility[t, n])
            else:
                assert volatility[t, n] == pytest.approx(np.std(moves, ddof=1), abs=1e-9)


def test_the_first_sessions_refer_to_what_was_before_the_panel():
    panel = panel_of([[1]] * 3, [[10.0], [11.0], [12.0]], volume=[[400.0], [800.0], [1_600.0]])
    close, volume = np.array([[8.0], [10.0], [8.0]]), np.array([[100.0], [NAN], [200.0]])
    days = tuple(panel.dates[0] - timedelta(days=3 - t) for t in range(3))
    panel = replace(panel, past=Past(days, (close, close, close, close, volume, close / close)))
    chosen = liquidity(impact=1.0, sessions=3)
    # the three sessions before each: 100, -, 200; -, 200, 400; 200, 400, 800
    np.testing.assert_allclose(volumes(chosen, panel)[:, 0], [150.0, 300.0, 1_400 / 3])
    moves = [0.25, -0.2, 0.25, 0.1]
    expected = [np.std(moves[begin:end], ddof=1) for begin, end in ((0, 2), (0, 3), (1, 4))]
    np.testing.assert_allclose(volatilities(chosen, panel)[:, 0], expected)
    # without them the first session has nothing to refer to
    alone = replace(panel, past=None)
    assert np.isposinf(volumes(chosen, alone)[0]).all()
    assert np.isnan(volatilities(chosen, alone)[:3]).all()


def test_the_very_first_purchase_meets_the_cap_and_moves_the_price():
    panel = panel_of([[1]] * 2, [[10.0]] * 2, volume=[[9e9]] * 2)
    days = tuple(panel.dates[0] - timedelta(days=3 - t) for t in range(3))
    close, volume = np.array([[10.0], [11.0], [10.0]]), np.full((3, 1), 20_000.0)
    panel = replace(panel, past=Past(days, (close, close, close, close, volume, close / close)))
    strategy = strategy_of(liquidity={"impact": 0.1, "participation": 0.25, "volume": "trailing", "sessions": 3})
    # the mean of 20,000 twice and 9e9 once
    known = simulate(strategy, replace(panel, volume=np.full((2, 1), 20_000.0)))
    assert known.fills.select("status", "reason", "shares").rows() == [("partial", "volume cap", 5_000)]
    spread = np.std([0.1, 10 / 11 - 1, 0.0], ddof=1)
    assert known.fills["price"][0] == pytest.approx(10 * (1 + 0.1 * spread * np.sqrt(0.25)))


def test_fills_of_which_nobody_knew_how_far_they_move_the_price_are_counted():
    close = np.array([[10.0], [11.0], [10.0], [11.0]])
    panel = panel_of([[1]] * 4, close, volume=np.full((4, 1), 9e6))
    result = simulate(strategy_of(liquidity={"impact": 0.5}), panel)
    assert result.notes[-1].startswith("1 of 1 fills had no market impact: too few earlier bars")
    later = simulate(strategy_of(liquidity={"impact": 0.5}), replace(panel, score=np.array([[NAN]] * 2 + [[1.0]] * 2)))
    assert not any("no impact" in note for note in later.notes)


def test_nothing_is_computed_that_nobody_asks_for():
    panel, _, _ = random_market(1)
    assert (
        volumes(liquidity(slippage=0.1, impact=0, participation=None), panel).size
        == volatilities(liquidity(participation=0.1, impact=0), panel).size
        == 0
    )
    own = volumes(liquidity(participation=0.1, volume="bar"), panel)
    seen = np.logical_or.accumulate(panel.volume > 0)
    np.testing.assert_array_equal(own, np.where(seen & ~np.isnan(panel.volume), panel.volume, np.inf))


def test_slippage_makes_every_fill_worse_and_is_told_apart():
    panel = panel_of([[2, 1], [1, 2], [1, 2]], np.full((3, 2), 10.0))
    result = simulate(strategy_of(liquidity={"slippage": 0.01}), panel)
    assert result.fills["price"].to_list() == pytest.approx([10.1, 9.9, 10.1])
    # 95,000 / 10.1 buys 9,400
    assert result.fills["slippage"].to_list()[:2] == pytest.approx([940.0, 940.0])
    assert result.metrics["slippage"] == pytest.approx(result.fills["slippage"].sum())
    np.testing.assert_allclose(result.gross_returns, 0.0, atol=1e-12)


def test_an_order_beyond_the_cap_is_cut_and_goes_on_in_the_next_session():
    volume = [[3_000.0, 1.0]] * 5
    panel = panel_of([[2, NAN]] * 5, np.full((5, 2), 10.0), volume=volume)
    result = simulate(strategy_of(liquidity={"participation": 0.5}), panel)
    # 9,500 wanted, 1,500 a session
    assert result.orders.select("status", "reason", "wanted_shares", "shares").rows()[:3] == [
        ("partial", "volume cap", 9_500, 1_500),
        ("partial", "volume cap", 8_000, 1_500),
        ("partial", "volume cap", 6_500, 1_500),
    ]
    dropped = simulate(strategy_of(liquidity={"participation": 0.5, "carry_over": False}), panel)
    assert dropped.fills["shares"].to_list() == [1_500]
    nothing = simulate(strategy_of(liquidity={"participation": 0.01}), panel)
    assert set(nothing.orders["reason"]) == {"volume cap"}
    assert "NO TRADE WAS MADE" in nothing.notes[0]


def test_a_sale_beyond_the_cap_leaves_over_several_sessions_and_keeps_its_place():
    volume = [[20_000.0, 20_000.0]] * 2 + [[6_000.0, 20_000.0]] * 4
    panel = panel_of([[2, 1], *[[1, 2]] * 5], np.full((6, 2), 10.0), volume=volume)
    chosen = {"participation": 0.5, "volume": "bar"}
    result = simulate(strategy_of(liquidity=chosen), panel)
    assert result.fills.select("symbol", "side", "shares").rows()[:5] == [
        ("S00", "buy", 9_500),
        ("S00", "sell", 3_000),
        ("S00", "sell", 3_000),
        ("S00", "sell", 3_000),
        ("S00", "sell", 500),
    ]
    assert result.fills["symbol"][5] == "S01"
    assert any("LOOK-AHEAD" in note and "the volume of the bar they trade in" in note for note in result.notes)


def test_impact_is_the_square_root_of_the_share_of_volume_times_volatility():
    close = np.array([[10.0], [11.0], [10.0], [11.0], [10.0], [10.0]])
    panel = panel_of([[NAN]] * 3 + [[1]] * 3, close, volume=np.full((6, 1), 40_000.0))
    result = simulate(strategy_of(liquidity={"impact": 0.5, "sessions": 3}), panel)
    moves = np.std([0.1, 10 / 11 - 1, 0.1], ddof=1)
    shares = result.fills["shares"][0]
    assert result.fills["price"][0] == pytest.approx(10 * (1 + 0.5 * moves * np.sqrt(shares / 40_000)))
    assert result.metrics["impact"] == pytest.approx(shares * (result.fills["price"][0] - 10))


def test_a_limit_is_met_at_the_price_with_its_slippage():
    price = np.array([[10.0, 10.0], [10.95, 9.05]])
    ones, limits = np.ones((2, 2)), np.full((2, 2), 0.1)
    assert market_states(price, price, ones, limits, limits, slippage=0.004)[1].tolist() == [0, 0]
    assert market_states(price, price, ones, limits, limits, slippage=0.006)[1].tolist() == [2, 3]


@pytest.mark.parametrize("seed", range(20))
def test_no_fill_is_larger_than_its_share_of_the_volume(seed):
    panel, _, _ = random_market(seed)
    strategy = strategy_of(topk=4, n_drop=2, account=1e6, liquidity={"participation": 0.05, "sessions": 5})
    result = simulate(strategy, panel)
    volume = volumes(strategy.liquidity, panel)
    traded = result.fills.filter(result.fills["reason"] != "delisted")
    for day, symbol, shares in traded.select("date", "symbol", "adjusted_shares").iter_rows():
        assert shares <= 0.05 * volume[panel.dates.index(day), panel.symbols.index(symbol)] * (1 + 1e-9)
