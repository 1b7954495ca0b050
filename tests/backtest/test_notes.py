from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from backtest.markets import PLAIN_COSTS, panel_of, sizeless

from kronos_quant.backtest import Panel, rules_of
from kronos_quant.backtest.accounts import order_table, series_of
from kronos_quant.backtest.engine import run_kernel
from kronos_quant.backtest.notes import notes_of, rejections_of
from kronos_quant.backtest.result import metrics_of

NAN = float("nan")


def noted(panel: Panel, **fields) -> tuple[str, ...]:
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 1e5, "lot": 100, "price_limit": "none"}
    strategy = sizeless(plain | {"costs": PLAIN_COSTS} | fields)
    ledger = run_kernel(strategy, panel, rules_of(strategy, panel))
    metrics = metrics_of(series_of(ledger), ledger, None, 250)
    return notes_of(strategy, panel, order_table(ledger.orders, ledger.factor, panel), metrics)


def test_an_ordinary_run_has_nothing_to_say():
    assert noted(panel_of([[2, 1]] * 3, np.full((3, 2), 10.0))) == ()


def test_a_run_without_scores_before_any_session_says_loudly_that_nothing_traded():
    notes = noted(panel_of([[NAN, NAN], [2, 1]], np.full((2, 2), 10.0)))
    assert notes[0].startswith("NO TRADE WAS MADE: no session of the period had a score")


def test_a_strategy_that_orders_nothing_is_not_taken_for_one_without_scores():
    panel = panel_of([[2, 1]] * 3, np.full((3, 2), 10.0))
    # half of two symbols less than one: no leg
    notes = noted(panel, strategy="long_short_quantile", quantile=0.4)
    assert notes[0] == "NO TRADE WAS MADE: the strategy placed no order although there were scores."


def test_a_run_whose_orders_were_all_rejected_says_why():
    notes = noted(panel_of([[2, 1]] * 3, np.full((3, 2), 10.0)), account=500.0)
    assert notes == ("NO TRADE WAS MADE: all 2 orders were rejected: below one lot (2).",)


def test_sessions_without_scores_are_counted_and_named():
    notes = noted(panel_of([[2, 1], [NAN, NAN], [2, 1]], np.full((3, 2), 10.0)))
    assert notes == ("1 of 2 sessions have no score at all (2024-01-02): nothing is traded on them.",)


@pytest.mark.parametrize(("topk", "said"), [(1, False), (2, True), (50, True)])
def test_a_universe_that_topk_takes_whole_leaves_nothing_to_choose(topk, said):
    notes = noted(panel_of([[2, 1]] * 3, np.full((3, 2), 10.0)), topk=topk)
    assert any("the scores select nothing" in note for note in notes) == said


def test_scores_without_bars_are_named():
    panel = panel_of([[2, 1]] * 3, np.full((3, 2), 10.0))
    fields = {name: getattr(panel, name) for name in panel.__slots__}
    assert noted(Panel(**fields | {"unpriced": ("X1", "X2")})) == (
        "Scores without bars in the period, never traded: X1, X2.",
    )


def test_what_became_of_delisted_holdings_is_said():
    notes = noted(panel_of([[2, 1], [2, 1], [NAN, NAN]], [[10, 10], [10, 10], [NAN, 10]]), delisting_return=-0.3)
    assert "1 holding counts as delisted (S00)" in notes[0]
    assert "(delisting_return -30%)" in notes[0]


def test_rejections_are_counted_by_reason_the_most_frequent_first():
    close = [[10, 10, 10], [NAN, 11, 10], [NAN, 10, 10]]
    strategy = sizeless({"topk": 1, "n_drop": 1, "price_limit": 0.1, "lot": 10_000_000, "only_tradable": False})
    panel = panel_of([[3, 2, 1]] * 3, close, gone=[3, 3, 3])
    ledger = run_kernel(strategy, panel, rules_of(strategy, panel))
    orders = order_table(ledger.orders, ledger.factor, panel)
    assert rejections_of(orders) == {"no bar": 2, "below one lot": 2, "limit up": 1}


def test_orders_that_were_not_filled_in_full_are_counted_by_reason():
    panel = panel_of([[2, 1]] * 4, np.full((4, 2), 10.0), volume=[[20_000.0, 1.0]] * 4)
    notes = noted(panel, liquidity={"participation": 0.25})
    # 5,000 of 9,500 and then 4,500 of the rest
    assert notes[0] == "50.0% of 2 orders were not filled in full (0 rejected, 1 cut): volume cap 50.0%."
    assert noted(replace(panel, volume=np.full((4, 2), 1e9)), liquidity={"participation": 0.25}) == ()


def test_cash_and_holdings_far_from_the_plan_are_told():
    panel = panel_of([[3, 2, 1, NAN, NAN, NAN]] * 4, np.full((4, 6), 10.0))
    # one lot of 100 is all that 1,100 pays for
    told = noted(panel, topk=3, account=1_100.0, risk_degree=1.0, costs={"buy": 0, "sell": 0, "minimum": 0})
    assert any(note.endswith("symbols are held on average; topk is 3.") for note in told) == (
        not any("NO TRADE" in note for note in told)
    )
    waiting = noted(panel_of([[NAN, NAN]] * 5 + [[2, NAN]] * 2, np.full((7, 2), 10.0)))
    assert "Mean cash is 84.2% of the account; the strategy plans 5.0%." in waiting


def test_a_portfolio_of_most_of_the_universe_is_told():
    panel = panel_of([[4, 3, 2, 1]] * 3, np.full((3, 4), 10.0))
    assert any("topk is 3 of 4 symbols" in note for note in noted(panel, topk=3))
    assert not any("of 4 symbols" in note for note in noted(panel, topk=2))


def test_fills_without_a_known_volume_are_neither_capped_nor_silent():
    liquidity = {"impact": 1.0, "participation": 0.1}
    nothing = panel_of([[2, 1]] * 3, np.full((3, 2), 10.0), volume=np.zeros((3, 2)))
    [told] = noted(nothing, liquidity=liquidity)
    assert told == (
        "NO VOLUMES: none of 1 fill has a known volume (S00): neither participation nor market impact applies to them."
    )
    assert not any("olume" in note for note in noted(nothing))
