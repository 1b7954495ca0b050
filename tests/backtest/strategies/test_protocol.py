from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from backtest.markets import panel_of, sizeless

from kronos_quant.backtest import simulate
from kronos_quant.backtest.panel import Past
from kronos_quant.errors import KronosQuantError

NAN = float("nan")


def run(decide, score=None, close=None, **fields):
    plain = {"strategy": "python", "code": "own.py", "account": 1_000.0, "lot": 0, "price_limit": "none"}
    strategy = sizeless(plain | {"costs": {"buy": 0, "sell": 0, "minimum": 0}} | fields)
    close = close if close is not None else [[10, 20], [11, 20], [12, 20]]
    return simulate(strategy, panel_of(score or [[2, 1]] * 3, close), decide=decide)


def test_a_strategy_sees_what_was_known_before_the_session_and_nothing_else():
    seen = []

    def decide(view):
        seen.append(view)
        return {"S00": 0.5}

    run(decide, score=[[2, 1], [3, NAN], [9, 9]])
    first, second = seen
    assert [view.number for view in seen] == [0, 1]
    assert [view.date.day for view in seen] == [1, 2]
    assert first.scores.tolist() == [2, 1]
    assert second.prices.tolist() == [11, 20]
    assert first.shares.tolist() == [0, 0]
    # 500 / 10 shares, bought at 11
    assert second.shares.tolist() == [50, 0]
    assert (second.cash, second.account) == (450, 1_000)
    assert second.bars("close", 9).tolist() == [[10, 20], [11, 20]]
    assert second.bars("close", 1).tolist() == [[11, 20]]


def test_what_a_strategy_was_shown_is_its_own_to_change():
    def decide(view):
        view.scores[:] = 0
        view.bars("close", 5)[:] = 0
        view.shares[:] = 99

    result = run(decide)
    assert result.orders.is_empty()
    assert result.account.tolist() == [1_000, 1_000]


def test_the_bars_that_a_strategy_was_shown_cannot_be_changed():
    def decide(view):
        view.past[0][:] = 1

    with pytest.raises(ValueError, match="read-only"):
        run(decide)


def test_the_bars_before_the_first_session_are_there_to_be_read():
    seen = []
    panel = panel_of([[2, 1]] * 3, [[10, 20], [11, 20], [12, 20]])
    close = np.array([[8.0, 16.0], [9.0, 18.0]])
    days = tuple(panel.dates[0] - timedelta(days=2 - t) for t in range(2))
    panel = replace(panel, past=Past(days, (close - 1, close, close, close, close * 100, close / close)))
    plain = {"strategy": "python", "code": "own.py", "account": 1_000.0, "lot": 0, "price_limit": "none"}
    simulate(sizeless(plain), panel, decide=lambda view: seen.append(view))
    first, second = seen
    assert first.bars("close", 1).tolist() == [[10, 20]]
    assert first.bars("close", 2).tolist() == [[9, 18], [10, 20]]
    assert first.bars("open", 9).tolist() == [[7, 15], [8, 17], [10, 20]]
    assert second.bars("close", 3).tolist() == [[9, 18], [10, 20], [11, 20]]


def test_no_decision_leaves_everything_and_an_empty_one_sells_everything():
    decisions = iter([{"S00": 1.0}, None])
    assert len(run(lambda view: next(decisions)).fills) == 1
    decisions = iter([{"S00": 0.5}, {}])
    result = run(lambda view: next(decisions))
    assert result.fills["side"].to_list() == ["buy", "sell"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"S00": NAN}, "own.py on 2024-01-01: weights that are no numbers: S00 nan"),
        ({"S00": "all"}, "weights that are no numbers: S00 'all'"),
        ({"S00": -0.5}, "nothing may be sold short here: S00 -0.5"),
        ({"S07": 0.5}, "unknown symbols: S07"),
        ({"S00": 0.8, "S01": 0.7}, "weights sum to 150.0% of the account, expected at most 100%"),
        (["S00"], "expected a mapping of symbols to weights or None, found list"),
    ],
)
def test_what_cannot_be_traded_is_refused_in_one_line(weights, message):
    with pytest.raises(KronosQuantError) as error:
        run(lambda view: weights)
    assert message in str(error.value)
    assert error.value.exit_code == 1


def test_short_sales_are_allowed_where_the_strategy_file_says_so():
    result = run(lambda view: {"S00": -0.5}, short=True)
    assert result.positions["shares"][0] == pytest.approx(-50)


def test_an_unknown_field_of_the_bars_is_named():
    with pytest.raises(KronosQuantError, match="expected one of open, high, low, close, volume, factor, found 'vwap'"):
        run(lambda view: view.bars("vwap", 3))


def test_a_symbol_that_never_had_a_bar_is_not_bought():
    result = run(lambda view: {"S00": 0.5, "S01": 0.5}, close=[[10, NAN], [11, NAN], [12, 20]])
    assert set(result.orders["symbol"]) == {"S00"}


def test_scores_that_are_ties_are_numbers_like_others():
    result = run(lambda view: {"S00": float(np.float64(0.5)), "S01": np.float32(0.25)})
    assert len(result.fills) >= 2
