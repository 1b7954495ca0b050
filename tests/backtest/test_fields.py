"""Every field of a strategy file that a back-test reads does what it says, worked out by hand on one small market."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from backtest.markets import panel_of, sizeless

from kronos_quant.backtest import Strategy, rules_of, simulate
from kronos_quant.backtest.panel import SymbolGroups
from kronos_quant.backtest.settings import Costs, Liquidity, QlibSettings, Risk
from kronos_quant.backtest.strategy import SHARE_SETTINGS
from kronos_quant.errors import DataError

NAN = float("nan")

PLAIN = {
    "topk": 1,
    "n_drop": 1,
    "hold_thresh": 1,
    "account": 100_000.0,
    "lot": 0,
    "price_limit": "none",
    "risk_degree": 1.0,
    "costs": {"levies": "none", "commission": 0, "minimum": 0, "borrow": 0},
}

FIRST, SECOND = [2, 1], [1, 2]


def run(fields, score=None, close=None, *, open_=None, volume=None, groups=None, decide=None, exchange=""):
    close = close if close is not None else [[10.0, 20.0]] * len(score)
    panel = panel_of(score if score is not None else [FIRST] * len(close), close, open_=open_, volume=volume)
    if groups is not None:
        panel = replace(panel, groups=SymbolGroups(("a", "b"), np.array([groups] * len(close))))
    costs = PLAIN["costs"] | fields.get("costs", {})
    plain = {name: value for name, value in PLAIN.items() if name != "risk_degree" or not SHARE_SETTINGS & set(fields)}
    strategy = sizeless(plain | fields | {"costs": costs})
    return simulate(strategy, panel, rules_of(strategy, panel, exchange), decide=decide)


def sides(result) -> list[tuple]:
    return result.fills.select("symbol", "side").rows()


def shares(result) -> list[float]:
    return result.fills["shares"].to_list()


def days(result) -> list[int]:
    """The sessions, counted from 0, in which something filled."""
    return [day.day - 1 for day in result.fills["date"]]


def test_topk_is_how_many_are_held():
    score, close = [[3, 2, 1]] * 2, [[10.0, 20.0, 40.0]] * 2
    assert sides(run({"topk": 2}, score, close)) == [("S00", "buy"), ("S01", "buy")]
    assert run({"topk": 3}, score, close).metrics["mean_holdings"] == 3


def test_n_drop_is_how_many_are_replaced_in_a_session():
    score, close = [[4, 3, 2, 1]] + [[1, 2, 3, 4]] * 2, [[10.0] * 4] * 3
    one, two = (run({"topk": 2, "n_drop": n}, score, close) for n in (1, 2))
    assert [side for _, side in sides(one)].count("sell") == 1
    assert [side for _, side in sides(two)].count("sell") == 2


@pytest.mark.parametrize(("sessions", "sold"), [(1, 2), (2, 3), (4, 5)])
def test_hold_thresh_counts_from_the_purchase(sessions, sold):
    assert days(run({"hold_thresh": sessions}, [FIRST] + [SECOND] * 5, [[10.0, 20.0]] * 6)) == [1, sold, sold]


@pytest.mark.parametrize(("fill", "price"), [("open", 11.0), ("close", 12.0)])
def test_fill_is_the_price_of_the_next_bar(fill, price):
    result = run({"fill": fill}, close=[[10, 20], [12, 20]], open_=[[10, 20], [11, 20]])
    assert result.fills["price"].to_list() == [price]


def test_the_account_is_the_cash_at_the_start():
    assert shares(run({"account": 500.0}, [FIRST] * 2)) == [pytest.approx(50.0)]


@pytest.mark.parametrize("part", [0.3, 0.95])
def test_cash_fraction_is_the_part_of_the_cash_that_purchases_spend(part):
    assert run({"cash_fraction": part}, [FIRST] * 2).cash[0] == pytest.approx(100_000 * (1 - part))


@pytest.mark.parametrize("part", [0.3, 0.95])
def test_target_exposure_is_the_part_of_the_account_that_is_invested(part):
    result = run({"strategy": "buy_and_hold", "target_exposure": part}, [FIRST] * 2)
    assert result.cash[0] == pytest.approx(100_000 * (1 - part))


@pytest.mark.parametrize(("lot", "bought"), [(0, 9_523.809523), (1, 9_523), (100, 9_500), (1_000, 9_000)])
def test_a_lot_is_what_purchases_are_multiples_of(lot, bought):
    assert shares(run({"lot": lot}, close=[[10.5, 20]] * 2)) == [pytest.approx(bought)]


def test_lots_are_of_the_symbols_named():
    assert shares(run({"lot": "exchange", "lots": {"S00": 700}}, close=[[10.5, 20]] * 2)) == [9_100]


@pytest.mark.parametrize(("limit", "reason"), [(0.05, "limit up"), (0.2, ""), ("none", "")])
def test_a_price_limit_is_of_the_close_before(limit, reason):
    result = run({"price_limit": limit, "cash_fraction": 0.9}, close=[[10, 20], [11, 20]])
    assert result.orders["reason"][0] == reason


def test_unknown_instruments_are_refused_or_traded_without_rules():
    panel = replace(panel_of([[2, 1]] * 2, [[10, 20], [13, 20]]), symbols=("SH019547", "SH600000"))
    fields = {"topk": 1, "n_drop": 0, "lot": 0, "liquidity": {"impact": 0, "participation": None}}
    with pytest.raises(DataError, match="no trading rules for 1 symbol"):
        simulate(Strategy.model_validate(fields), panel)
    traded = simulate(Strategy.model_validate(fields | {"unknown_instruments": "trade"}), panel)
    assert traded.orders["status"].to_list() == ["filled"]


@pytest.mark.parametrize(("at", "left"), [(0.0, 100_000), (-0.25, 75_000), (0.5, 150_000)])
def test_delisting_return_is_what_is_left_of_the_last_close(at, left):
    result = run({"delisting_return": at}, [FIRST, [NAN] * 2, [NAN] * 2], [[10, 20], [10, 20], [NAN, 20]])
    assert result.cash[1] == pytest.approx(left)


def test_sessions_per_year_annualise_the_figures():
    close = [[10.0, 20.0], [10.0, 20.0], [10.1, 20.0], [10.0, 20.0]]
    one, four = (run({"sessions_per_year": n}, close=close) for n in (100, 400))
    assert four.metrics["annual_volatility"] == pytest.approx(2 * one.metrics["annual_volatility"])
    assert four.sessions_per_year == 400


def test_the_commission_is_of_every_trade_and_at_least_the_minimum():
    paid = run({"costs": {"commission": 0.001, "minimum": 7}, "account": 10_000.0}, [FIRST, SECOND, SECOND]).fills
    assert paid["cost"].to_list() == pytest.approx(
        [paid["value"][0] * 0.001, 9_990.01 * 0.001, paid["value"][2] * 0.001]
    )
    least = run({"costs": {"commission": 0.001, "minimum": 70}, "account": 10_000.0}, [FIRST, SECOND, SECOND]).fills
    assert least["cost"].to_list() == [70, 70, 70]


def test_buy_and_sell_are_of_their_sides():
    fills = run({"costs": {"buy": 0.01, "sell": 0.02, "commission": None}}, [FIRST, SECOND, SECOND]).fills
    assert (fills["cost"] / fills["value"]).to_list() == pytest.approx([0.01, 0.02, 0.01])


def test_levies_are_the_exchanges_or_none():
    close = [[10.0, 20.0]] * 3
    for levies, levied in (("exchange", True), ("none", False)):
        panel = panel_of([FIRST, SECOND, SECOND], close)
        panel = replace(panel, symbols=("SH600000", "SH600001"))
        strategy = sizeless(PLAIN | {"costs": {"levies": levies, "commission": 0, "minimum": 0}})
        assert (simulate(strategy, panel).metrics["levies"] > 0) == levied


def test_liquidity_of_costs_chooses_between_the_customary_commissions():
    fields = {"costs": {"commission": None, "minimum": None}}
    taker = run(fields, [FIRST] * 2, exchange="24/7")
    maker = run({"costs": fields["costs"] | {"liquidity_role": "maker"}}, [FIRST] * 2, exchange="24/7")
    assert maker.fills["cost"][0] / maker.fills["value"][0] < taker.fills["cost"][0] / taker.fills["value"][0]


def test_borrow_is_a_year_of_what_is_short():
    fields = {"strategy": "python", "code": "own.py", "short": True, "sessions_per_year": 250}
    result = run(fields | {"costs": {"borrow": 0.25}}, close=[[10.0, 20.0]] * 3, decide=lambda view: {"S00": -0.5})
    # a thousandth a session of 50,000, then of half of 99,950
    assert result.metrics["borrow"] == pytest.approx(50 + 49.975)


def test_slippage_makes_purchases_dearer_and_sales_cheaper():
    result = run({"liquidity": {"slippage": 0.01}}, [FIRST, SECOND, SECOND])
    assert result.fills["price"].to_list() == pytest.approx([10.1, 9.9, 20.2])


SEEN = {"close": [[10.0], [11.0], [10.0], [11.0], [10.0]], "score": [[NAN]] * 3 + [[1.0]] * 2}


def test_impact_grows_with_its_factor_and_is_seen_over_its_sessions():
    volume = np.array([[1e5], [1e5], [1e5], [4e5], [1e5]])
    moves = [0.1, 10 / 11 - 1, 0.1]
    for factor, sessions, trailing in ((0.3, 3, 2e5), (0.6, 3, 2e5), (0.3, 2, 2.5e5)):
        result = run({"liquidity": {"impact": factor, "sessions": sessions}}, **SEEN, volume=volume)
        spread = np.std(moves[-sessions:], ddof=1)
        bought = result.fills["shares"][0]
        assert result.fills["price"][0] == pytest.approx(10 * (1 + factor * spread * np.sqrt(bought / trailing)))


@pytest.mark.parametrize(("basis", "most"), [("trailing", 2_000), ("bar", 500)])
def test_participation_is_of_the_volume_that_is_named(basis, most):
    volume = [[4_000.0, 1.0], [1_000.0, 1.0], [1_000.0, 1.0]]
    result = run({"liquidity": {"participation": 0.5, "volume": basis}}, [FIRST] * 3, volume=volume)
    assert shares(result)[0] == most


@pytest.mark.parametrize(("carry", "orders"), [(True, [500, 500, 500]), (False, [500])])
def test_carry_over_orders_again_what_was_cut(carry, orders):
    result = run({"liquidity": {"participation": 0.5, "carry_over": carry}}, [FIRST] * 4, volume=[[1_000.0, 1.0]] * 4)
    assert shares(result) == orders


@pytest.mark.parametrize(("strategy", "held"), [("topk_rebalance", 2), ("buy_and_hold", 2), ("long_short_quantile", 4)])
def test_strategy_chooses_the_rule(strategy, held):
    result = run({"strategy": strategy, "topk": 2, "quantile": 0.5}, [[4, 3, 2, 1]] * 2, [[10.0] * 4] * 2)
    assert result.metrics["mean_holdings"] == held


@pytest.mark.parametrize(("every", "traded"), [(1, {1, 2, 4}), (2, {1, 3}), (3, {1}), (9, {1})])
def test_every_is_the_sessions_between_two_rebalancings(every, traded):
    score = [FIRST, SECOND, SECOND, FIRST, FIRST]
    assert set(days(run({"strategy": "topk_rebalance", "every": every}, score))) == traded


def test_weighting_by_score_is_not_equal():
    score, close = [[4, 2, 1]] * 2, [[10.0] * 3] * 2
    fields = {"strategy": "topk_rebalance", "topk": 3}
    equal, scored = (run(fields | {"weighting": name}, score, close).positions for name in ("equal", "score"))
    assert equal["weight"].to_list() == pytest.approx([1 / 3] * 3)
    assert scored["weight"].to_list() == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(("quantile", "legs"), [(0.25, 1), (0.5, 2), (0.3, 1)])
def test_quantile_is_the_share_of_the_symbols_in_each_leg(quantile, legs):
    result = run({"strategy": "long_short_quantile", "quantile": quantile}, [[4, 3, 2, 1]] * 2, [[10.0] * 4] * 2)
    weights = result.positions["weight"].to_list()
    assert sorted(np.sign(weights)) == [-1] * legs + [1] * legs
    assert sum(abs(weight) for weight in weights) == pytest.approx(1.0)


def test_short_lets_the_users_own_function_sell_what_it_has_not():
    result = run(
        {"strategy": "python", "code": "own.py", "short": True}, [FIRST] * 2, decide=lambda view: {"S01": -0.5}
    )
    assert shares(result) == [pytest.approx(2_500)]
    assert sides(result) == [("S01", "sell")]


RISE, FALL = [[10, 20], [10, 20], [12, 20], [12, 20]], [[10, 20], [10, 20], [8, 20], [8, 20]]

CUTS = [
    ({"max_weight": 0.4}, {}, "maximum weight", [4_000.0]),
    ({"max_gross": 0.3}, {}, "exposure cap", [3_000.0]),
    ({"max_net": 0.2}, {}, "exposure cap", [2_000.0]),
    ({"max_group": 0.5, "groups": "groups.csv"}, {"groups": [0, 1]}, "group cap", []),
    ({"stop_loss": 0.1, "stay_out": 9}, {"close": FALL}, "stop-loss", [10_000.0, 10_000.0]),
    ({"take_profit": 0.1, "stay_out": 9}, {"close": RISE}, "take-profit", [10_000.0, 10_000.0]),
    ({"max_turnover": 0.5}, {}, "turnover cap", []),
    ({"cash_buffer": 0.25}, {}, "cash buffer", [7_500.0]),
    ({"drawdown_halt": 0.1}, {"close": FALL}, "drawdown halt", [10_000.0, 10_000.0]),
    ({"drawdown_halt": 0.1, "resume_after": 1}, {"close": [*FALL, [8, 20]]}, "drawdown halt", [10_000.0] * 3),
]  # fmt: skip


@pytest.mark.parametrize(("risk", "market", "rule", "filled"), CUTS)
def test_a_rule_of_the_section_risk_cuts_what_it_names(risk, market, rule, filled):
    close = market.get("close", [[10, 20]] * 4)
    # only the first symbol has scores, and only before the first purchase: nothing else is bought
    groups = market.get("groups")
    result = run({"risk": risk, "n_drop": 0}, [[2, NAN]] * len(close), close, groups=groups)
    assert shares(result)[: len(filled)] == pytest.approx(filled)
    assert rule in result.risk
    assert run({"n_drop": 0}, [[2, NAN]] * len(close), close).risk == {}


def test_the_volatility_target_and_its_sessions():
    moves = np.array([0.05, -0.05] * 8)
    close = (10 * np.cumprod(1 + moves))[:, None]
    score = np.full((16, 1), NAN)
    score[14] = 1.0
    risk = {"volatility_target": 0.2, "volatility_sessions": 10}
    result = run({"risk": risk, "sessions_per_year": 100}, score, close)
    spread = np.std(moves[5:15], ddof=1) * 10
    # the holding is worth its bound at the last close, and the order is made at the open
    assert result.fills["value"][0] == pytest.approx(100_000 * 0.2 / spread, rel=1e-6)
    longer = run({"risk": risk | {"volatility_sessions": 14}, "sessions_per_year": 100}, score, close)
    assert longer.fills["value"][0] == pytest.approx(100_000 * 0.2 / (np.std(moves[1:15], ddof=1) * 10), rel=1e-6)


def test_a_band_leaves_what_drifts_within_it():
    close = [[10, 20], [10, 20], [10.3, 20], [10.3, 20]]
    for band, fills in ((0.0, 2), (0.1, 1)):
        assert len(run({"risk": {"max_weight": 0.5, "band": band}}, [[2, NAN]] * 4, close).fills) == fills


QLIB = {"profile": "qlib", "costs": {"levies": "exchange", "commission": None, "buy": 0, "sell": 0}}


def test_only_tradable_of_qlib_ranks_what_trades_on_the_day():
    close = [[10, 20], [10.0, 20.0], [10.0, 20.0]]
    panel = panel_of([FIRST] * 3, close)
    blocked = replace(panel, close=np.array([[10, 20], [NAN, 20], [10, 20.0]]))
    for chosen, bought in ((False, []), (True, ["S01"])):
        strategy = sizeless(PLAIN | QLIB | {"qlib": {"only_tradable": chosen}})
        result = simulate(strategy, blocked)
        assert result.fills.filter(date=panel.dates[1])["symbol"].to_list() == bought


def test_forbid_all_trade_at_limit_of_qlib_is_of_both_sides():
    close = [[10, 20], [8.0, 20.0], [8.0, 20.0]]
    for chosen, first in ((True, 2), (False, 1)):
        strategy = sizeless(PLAIN | QLIB | {"price_limit": 0.1, "qlib": {"forbid_all_trade_at_limit": chosen}})
        # limit down on the first day: no purchase, or one
        assert days(simulate(strategy, panel_of([FIRST] * 3, close)))[0] == first


def test_impact_cost_of_qlib_is_added_to_the_rate():
    strategy = sizeless(PLAIN | QLIB | {"risk_degree": 0.5, "qlib": {"impact_cost": 0.1}})
    result = simulate(strategy, panel_of([FIRST] * 2, [[10.0, 20.0]] * 2, volume=[[50_000.0, 1.0]] * 2))
    # a tenth of the day's shares: a hundredth of 10%
    assert (shares(result), result.fills["cost"][0]) == ([5_000], pytest.approx(50_000 * 0.1 * 0.01))


def test_volume_threshold_of_qlib_is_of_the_days_own_volume():
    strategy = sizeless(PLAIN | QLIB | {"qlib": {"volume_threshold": 0.25}})
    result = simulate(strategy, panel_of([FIRST] * 2, [[10.0, 20.0]] * 2, volume=[[1.0, 1.0], [1_999.0, 1.0]]))
    # a quarter of 1,999 shares
    assert shares(result) == pytest.approx([499.75])
    # in lots of 100, 400 of them
    lots = strategy.model_copy(update={"lot": 100})
    volume = [[1.0, 1.0], [1_999.0, 1.0]]
    assert shares(simulate(lots, panel_of([FIRST] * 2, [[10.0, 20.0]] * 2, volume=volume))) == [400]


ELSEWHERE = {
    "recipe", "scores_file", "score_column", "start", "end", "universe", "benchmark", "max_missing_scores", "code",
    "profile",
    "fill_window", "dividends", "dividend_tax",
    "costs", "liquidity", "risk", "qlib", "optimise",
}  # fmt: skip
"""Read by the jobs, or sections whose own fields are tested above, those of `optimise` in
strategies/test_optimise; fills over a window in test_execution, dividends in test_dividends."""


@pytest.mark.parametrize("section", [Strategy, Costs, Liquidity, Risk, QlibSettings])
def test_no_field_is_without_a_test(section):
    text = Path(__file__).read_text(encoding="utf-8")
    fields = set(section.model_fields) - (ELSEWHERE if section is Strategy else {"directory"})
    assert {name for name in fields if f'"{name}"' not in text} == set()
