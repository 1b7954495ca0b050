"""Back-tests that step on bars: two symbols, sessions of three 5-minute bars, to the cent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl
import pytest
from backtest.markets import PLAIN_COSTS, dates, intraday, panel_of, sizeless

from kronos_quant.backtest import Strategy, rules_of, simulate
from kronos_quant.backtest.panel import build_bar_panel, session_panel
from kronos_quant.errors import DataError

NAN = float("nan")
FREE = {"buy": 0, "sell": 0, "minimum": 0}

CLOSE = [[10, 20], [10, 20], [10, 20], [11, 20], [12, 21], [12, 22], [13, 22], [14, 22], [15, 20]]
OPEN = [[10, 20], [10, 20], [10, 20], [10, 20], [11, 20], [12, 21], [12, 22], [13, 22], [14, 21]]
FIRST_BETTER, SECOND_BETTER, NONE = [2, 1], [1, 2], [NAN, NAN]


def strategy_of(**fields) -> Strategy:
    plain = {"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 100_000.0, "lot": 100, "price_limit": "none"}
    return sizeless(plain | {"costs": PLAIN_COSTS} | fields)


def bars_of(score, close=CLOSE, open_=OPEN, bars=3, **fields):
    return intraday(panel_of(score, close, open_=open_, **fields), bars)


def mainland(strategy, panel):
    """The rules of a market whose purchases are sold in the next session at the earliest."""
    return replace(rules_of(strategy, panel), next_day=np.ones(len(panel.symbols), dtype=bool))


def when(result) -> list[tuple]:
    return [(row["time"].day, f"{row['time']:%H:%M}", *[row[name] for name in ("symbol", "side", "status", "reason")])
            for row in result.orders.iter_rows(named=True)]  # fmt: skip


SWAP = [NONE, NONE, FIRST_BETTER, NONE, SECOND_BETTER, NONE, NONE, NONE, NONE]


def test_a_score_trades_at_the_next_bars_open_and_the_account_is_valued_at_every_bar():
    panel = bars_of(SWAP)
    strategy = strategy_of(hold_thresh=0)
    result = simulate(strategy, panel, rules_of(strategy, panel))
    # the close of 2024-01-01 trades at the first open of 2024-01-02, that of its second bar at the third open
    assert when(result) == [
        (2, "10:00", "S00", "buy", "filled", ""),
        (2, "10:10", "S00", "sell", "filled", ""),
        (2, "10:10", "S01", "buy", "filled", ""),
    ]
    # 9,500 at 10 cost 95; sold at 12 for 171; 0.95 x 118,734 buys 5,300 at 21 for 111.30
    assert result.bars["account"].to_list() == pytest.approx(
        [
            100_000 - 95_095 + 9_500 * 11,
            100_000 - 95_095 + 9_500 * 12,
            4_905 + 114_000 - 171 - 111_300 - 111.3 + 5_300 * 22,
            *[7_322.7 + 5_300 * price for price in (22, 22, 20)],
        ],
        abs=1e-9,
    )
    assert result.bars["time"][0] == datetime(2024, 1, 2, 10, 0)
    assert result.dates == dates(3)[1:]
    np.testing.assert_allclose(result.account, [7_322.7 + 5_300 * 22, 7_322.7 + 5_300 * 20])
    np.testing.assert_allclose(result.cost, [95 + 171 + 111.3, 0])
    np.testing.assert_allclose(result.turnover, [(95_000 + 114_000 + 111_300) / 100_000, 0])
    np.testing.assert_allclose(result.returns, [0.239227, 113_322.7 / 123_922.7 - 1], rtol=1e-5)
    assert result.positions.select("date", "symbol", "shares").rows() == [
        (dates(3)[1], "S01", 5_300),
        (dates(3)[2], "S01", 5_300),
    ]


def test_nothing_is_sold_in_the_session_of_its_purchase_where_that_is_forbidden():
    panel = bars_of([*SWAP[:5], SECOND_BETTER, SECOND_BETTER, NONE, NONE])
    strategy = strategy_of(hold_thresh=0)
    result = simulate(strategy, panel, mainland(strategy, panel))
    assert when(result) == [
        (2, "10:00", "S00", "buy", "filled", ""),
        (3, "10:00", "S00", "sell", "filled", ""),
        (3, "10:00", "S01", "buy", "filled", ""),
    ]


def test_weights_that_ask_for_it_are_told_what_was_bought_today():
    panel = bars_of(SWAP)
    strategy = strategy_of(strategy="python", code="own.py", costs=FREE, lot=0, account=1_000.0)
    weights = iter([{"S00": 0.5}, {"S00": 0.75}, {}, None, {}, {}])
    result = simulate(strategy, panel, mainland(strategy, panel), decide=lambda view: next(weights))
    assert when(result) == [
        (2, "10:00", "S00", "buy", "filled", ""),
        (2, "10:05", "S00", "buy", "filled", ""),
        (2, "10:10", "S00", "sell", "rejected", "bought today"),
        (3, "10:05", "S00", "sell", "filled", ""),
    ]


def test_only_what_was_held_before_today_is_sold_where_more_was_bought():
    close = np.full((9, 1), 10.0)
    panel = intraday(panel_of(np.full((9, 1), 1.0), close), 3)
    strategy = strategy_of(strategy="python", code="own.py", costs=FREE, lot=0, account=1_000.0)
    weights = iter([{"S00": 0.4}, None, None, {"S00": 0.6}, {}, {}])
    result = simulate(strategy, panel, mainland(strategy, panel), decide=lambda view: next(weights))
    assert result.orders.select("status", "reason", "wanted_shares", "shares").rows() == [
        ("filled", "", 40, 40),
        ("filled", "", 20, 20),
        ("partial", "bought today", 60, 40),
        ("rejected", "bought today", 20, 0),
    ]


def test_holdings_age_by_sessions_not_by_bars():
    score = [NONE, NONE, FIRST_BETTER] + [SECOND_BETTER] * 6
    result = simulate(strategy_of(hold_thresh=1), bars_of(score))
    assert when(result)[1] == (3, "10:00", "S00", "sell", "filled", "")


def test_limits_count_from_the_close_of_the_session_before():
    # 10 at the close; 10.9 after a rise within the session is no limit, 11 is
    close = [[10.0], [10.0], [10.0], [10.9], [10.9], [11.0], [11.5]]
    score = [[NAN], [NAN], [NAN], [NAN], [1], [1], [NAN]]
    opened = [[10.0], [10.0], [10.0], [10.0], [10.9], [11.0], [11.5]]
    panel = intraday(panel_of(score, close, open_=opened), 3)
    strategy = strategy_of(price_limit=0.1)
    result = simulate(strategy, panel, rules_of(strategy, panel))
    # the open of 11.5 on 2024-01-03 counts from 11.0: below 12.1
    assert when(result) == [
        (2, "10:10", "S00", "buy", "rejected", "limit up"),
        (3, "10:00", "S00", "buy", "filled", ""),
    ]


def test_what_is_short_pays_once_a_session():
    panel = intraday(panel_of(np.full((9, 1), 1.0), np.full((9, 1), 10.0)), 3)
    strategy = strategy_of(
        strategy="python", code="own.py", costs=FREE | {"borrow": 0.252}, lot=0, account=1_000.0, short=True
    )
    weights = iter([{"S00": -0.5}, *[None] * 5])
    result = simulate(strategy, panel, rules_of(strategy, panel), decide=lambda view: next(weights))
    # 500 short at 0.1% a session, two sessions
    np.testing.assert_allclose(result.cost, [0.5, 0.5])
    assert result.bars["account"].to_list() == pytest.approx([1_000, 1_000, 999.5, 999.5, 999.5, 999.0])


def test_a_symbol_that_ends_within_a_session_leaves_in_the_next_one():
    close = [[10, 20], [10, 20], [10, 20], [10, 20], [NAN, 20], [NAN, 20], [NAN, 20], [NAN, 20], [NAN, 20]]
    panel = bars_of([NONE, NONE, FIRST_BETTER] + [NONE] * 6, close, close)
    result = simulate(strategy_of(), panel)
    assert when(result)[1] == (3, "10:00", "S00", "sell", "filled", "delisted")


def test_decisions_of_a_rebalancing_rule_are_counted_in_bars_with_scores():
    score = [NONE, NONE, FIRST_BETTER, NONE, SECOND_BETTER, NONE, FIRST_BETTER, NONE, NONE]
    strategy = strategy_of(strategy="topk_rebalance", every=2, costs=FREE, lot=0)
    panel = bars_of(score)
    result = simulate(strategy, panel, rules_of(strategy, panel))
    bought = [(row[0], row[1], row[2]) for row in when(result) if row[3] == "buy"]
    # the first and the third set of scores, not the second
    assert [row[:2] for row in bought if row[2] == "S00"] == [(2, "10:00"), (3, "10:05")][: len(bought)]
    assert not any(row[2] == "S01" for row in bought)


def test_a_strategy_sees_the_bar_that_has_just_ended():
    seen = []
    strategy = strategy_of(strategy="python", code="own.py")
    simulate(strategy, bars_of(SWAP), decide=lambda view: seen.append(view))
    assert [view.time.strftime("%d %H:%M") for view in seen[:3]] == ["01 10:10", "02 10:00", "02 10:05"]
    assert seen[1].moment == seen[1].time
    assert seen[1].prices.tolist() == [11, 20]
    assert len(seen[1].bars("close", 99)) == 4


def test_stops_are_decided_at_a_bars_close_and_filled_at_the_next_open():
    close = [[10, 20]] * 3 + [[10, 20], [8, 20], [7, 20]] + [[7, 20]] * 3
    panel = bars_of([NONE, NONE, FIRST_BETTER] + [NONE] * 6, close, close)
    strategy = strategy_of(risk={"stop_loss": 0.1}, costs=FREE)
    same_day = simulate(strategy, panel, rules_of(strategy, panel))
    assert when(same_day)[1] == (2, "10:10", "S00", "sell", "filled", "stop-loss")
    assert same_day.fills["price"][1] == 7
    # where nothing may be sold on the day of its purchase it waits, quietly
    later = simulate(strategy, panel, mainland(strategy, panel))
    assert when(later)[1:] == [(3, "10:00", "S00", "sell", "filled", "stop-loss")]


def test_the_turnover_cap_is_a_sessions():
    close = np.full((9, 2), 10.0)
    panel = intraday(panel_of([NONE, NONE, *[[2, 1]] * 7], close), 3)
    strategy = strategy_of(topk=2, costs=FREE, risk={"max_turnover": 0.55})
    result = simulate(strategy, panel, rules_of(strategy, panel))
    filled = [row[:3] for row in when(result) if row[4] == "filled"]
    assert filled == [(2, "10:00", "S00"), (3, "10:00", "S01")]
    assert result.risk == {"turnover cap": 3}


FRAME = {"symbol": pl.String, "date": pl.Date, "time": pl.Datetime("us")}


def frames():
    """Bars of two symbols in two sessions of two bars, one of them missing; scores of one moment."""
    days, values = dates(2), iter(range(1, 9))
    rows = []
    for symbol in ("A", "B"):
        for day in days:
            for minute in (5, 10):
                price = float(next(values))
                rows.append((symbol, day, datetime(day.year, day.month, day.day, 10, minute), *[price] * 4, 100.0, 1.0))
    names = ["open", "high", "low", "close", "volume", "factor"]
    bars = pl.DataFrame(rows, schema=FRAME | dict.fromkeys(names, pl.Float64), orient="row")
    times = bars.select("date", "time").unique().sort("time")
    scores = pl.DataFrame(
        [(datetime(2024, 1, 1, 10, 10), "A", 0.5), (datetime(2024, 1, 1, 10, 10), "B", 0.1)],
        schema={"time": pl.Datetime("us"), "symbol": pl.String, "score": pl.Float64},
        orient="row",
    )
    return bars.filter(~((pl.col("symbol") == "B") & (pl.col("time") == datetime(2024, 1, 2, 10, 10)))), scores, times


def test_bars_and_scores_of_moments_are_laid_out_by_bar():
    panel = build_bar_panel(*frames())
    assert panel.symbols == ("A", "B")
    assert panel.dates == (dates(2)[0],) * 2 + (dates(2)[1],) * 2
    assert [f"{time:%d %H:%M}" for time in panel.times] == ["01 10:05", "01 10:10", "02 10:05", "02 10:10"]
    np.testing.assert_array_equal(panel.close, [[1, 5], [2, 6], [3, 7], [4, NAN]])
    np.testing.assert_array_equal(panel.score[1], [0.5, 0.1])
    assert np.isnan(panel.score[[0, 2, 3]]).all()
    # a bar that is missing in the last session is no delisting
    assert len(panel.delisted) == 0


def test_a_bar_or_a_score_that_is_there_twice_is_refused():
    bars, scores, times = frames()
    with pytest.raises(DataError, match="bars: more than one row for A 2024-01-01 10:05"):
        build_bar_panel(pl.concat([bars, bars.head(1)]), scores, times)
    with pytest.raises(DataError, match="scores: more than one row for A 2024-01-01 10:10"):
        build_bar_panel(bars, pl.concat([scores, scores.head(1)]), times)


def test_a_panel_of_bars_as_one_of_sessions():
    panel = build_bar_panel(*frames())
    panel = replace(panel, high=panel.high + 1, low=panel.low - 1, open=panel.open - 0.5, delisted=np.array([[2, 1]]))
    found = session_panel(panel)
    assert found.dates == dates(2)
    assert found.times == ()
    np.testing.assert_array_equal(found.open, [[0.5, 4.5], [2.5, 6.5]])
    np.testing.assert_array_equal(found.high, [[3, 7], [5, 8]])
    np.testing.assert_array_equal(found.low, [[0, 4], [2, 6]])
    np.testing.assert_array_equal(found.close, [[2, 6], [4, 7]])
    np.testing.assert_array_equal(found.volume, [[200, 200], [200, 100]])
    np.testing.assert_array_equal(found.score, [[0.5, 0.1], [NAN, NAN]])
    assert found.delisted.tolist() == [[1, 1]]
    assert session_panel(found) is found
