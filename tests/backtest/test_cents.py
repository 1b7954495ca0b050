"""Ledgers made by hand, to the cent: what an exchange takes and lets through, session by session."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from backtest.markets import panel_of, sizeless

from kronos_quant.backtest import rules_of, simulate
from kronos_quant.backtest.panel import in_ticks
from kronos_quant.market import Facts

NAN = float("nan")


def market(symbols, score, raw, *, opened=None, factor=None, start=date(2024, 6, 17), volume=None, gone=None):
    """A panel of raw prices and their factors, as float32 bars have them after an adjustment."""
    raw = np.array(raw, dtype=float)
    factor = np.ones_like(raw) if factor is None else np.array(factor, dtype=float)
    opened = raw if opened is None else np.array(opened, dtype=float)
    panel = panel_of(score, raw * factor, open_=opened * factor, factor=factor, volume=volume, gone=gone)
    days = tuple(start + timedelta(days=t) for t in range(len(raw)))
    return replace(panel, dates=days, symbols=tuple(symbols))


def run(panel, exchange="", facts=None, decide=None, **fields):
    strategy = sizeless({"topk": 1, "n_drop": 1, "hold_thresh": 1, "account": 100_000.0} | fields)
    rules = rules_of(strategy, panel, exchange, facts)
    return simulate(strategy, in_ticks(panel, rules.tick), rules, decide=decide)


def test_three_sessions_of_shanghai_to_the_cent():
    panel = market(
        ["SH600000", "SH600001"],
        [[2, 1], [1, 2], [1, 2], [1, 2]],
        [[10.00, 20.00], [10.50, 20.50], [10.80, 21.00], [10.80, 21.40]],
        opened=[[10.00, 20.00], [10.12, 20.30], [10.77, 20.60], [10.80, 21.10]],
    )
    result = run(panel)
    bought, sold, swapped = result.fills.rows(named=True)
    # 95,000 at 10.12 are 93 lots: 94,116.00; commission 23.529, transfer fee 0.001% 0.94116, each to the cent
    assert (bought["shares"], bought["value"]) == (9_300, pytest.approx(94_116.00))
    assert bought["cost"] == pytest.approx(23.53 + 0.94, abs=1e-9)
    assert result.cash[0] == pytest.approx(100_000 - 94_116 - 24.47, abs=1e-6)
    assert result.account[0] == pytest.approx(5_859.53 + 9_300 * 10.50, abs=1e-6)
    # sold at 10.77: 100,161.00, commission 25.04025, transfer fee 1.00161, stamp duty 0.05% 50.0805
    assert sold["value"] == pytest.approx(100_161.00)
    assert sold["cost"] == pytest.approx(25.04 + 1.00 + 50.08, abs=1e-9)
    cash = 5_859.53 + 100_161.00 - 76.12
    # 0.95 x 105,944.41 at 20.60 are 48 lots
    assert swapped["shares"] == 4_800
    cash -= 98_880 + 24.72 + 0.99  # 24.72 and 0.9888
    assert result.cash[1] == pytest.approx(cash, abs=1e-6)
    np.testing.assert_allclose(result.account[1:], [cash + 4_800 * 21.00, cash + 4_800 * 21.40], atol=1e-6)


@pytest.mark.parametrize(
    ("start", "bought", "sold"),
    [
        # stamp duty and transfer fee of 95,000, beside a commission of nothing
        (date(2007, 5, 27), 95.00, 95.00),
        (date(2007, 6, 4), 285.00, 285.00),
        (date(2008, 5, 5), 95.00, 95.00),
        (date(2008, 10, 6), 0.00, 95.00),
        (date(2015, 8, 3), 1.90, 96.90),
        (date(2022, 5, 9), 0.95, 95.95),
        (date(2023, 8, 21), 0.95, 95.95),
        (date(2023, 8, 29), 0.95, 48.45),
    ],
)
def test_what_the_state_takes_on_its_day(start, bought, sold):
    panel = market(["SH600000", "SH600001"], [[2, 1], [1, 2], [1, 2]], [[10.0, 20.0]] * 3, start=start)
    fills = run(panel, costs={"commission": 0, "minimum": 0}).fills
    assert fills["levies"].to_list()[:2] == pytest.approx([bought, sold], abs=1e-6)


def test_the_change_of_a_duty_between_two_sessions_is_met_on_its_day():
    panel = market(["SH600000", "SH600001"], [[2, 1], [1, 2], [1, 2]], [[10.0, 20.0]] * 3, start=date(2023, 8, 26))
    # bought on the 27th, sold on the 28th, the first day of half the duty
    assert run(panel, costs={"commission": 0, "minimum": 0}).fills["levies"][1] == pytest.approx(0.95 + 47.5)


@pytest.mark.parametrize(
    ("symbol", "before", "opened", "filled"),
    [
        # 10%: 10.05 x 1.1 = 11.055, rounded half up to 11.06
        ("SH600000", 10.05, 11.06, False),
        ("SH600000", 10.05, 11.05, True),
        ("SZ000001", 9.99, 10.99, False),
        # 20% on the growth boards
        ("SZ300001", 10.05, 12.05, True),
        ("SZ300001", 10.05, 12.06, False),
        ("SH688001", 10.05, 12.06, False),
        # 30% in Beijing
        ("BJ830799", 10.05, 13.06, True),
        ("BJ830799", 10.05, 13.07, False),
    ],
)
def test_the_upper_limit_at_the_open_of_each_board(symbol, before, opened, filled):
    panel = market([symbol], [[1]] * 2, [[before], [opened]])
    fills = run(panel).fills
    assert (len(fills) == 1) == filled


@pytest.mark.parametrize(("opened", "sold"), [(9.05, False), (9.06, True)])
def test_the_lower_limit_rounds_half_up_too(opened, sold):
    # 10.05 x 0.9 = 9.045: 9.05
    panel = market(["SH600000"], [[1], [NAN], [NAN]], [[10.05], [10.05], [opened]])
    weights = iter([{"SH600000": 0.5}, {}])
    result = run(panel, strategy="python", code="own.py", decide=lambda view: next(weights))
    assert result.orders["status"].to_list() == ["filled", "filled" if sold else "rejected"]


def test_only_the_price_of_execution_meets_the_limit_not_the_close_of_the_day():
    panel = market(["SH600000"], [[1]] * 2, [[10.0], [11.0]], opened=[[10.0], [10.5]])
    assert run(panel).fills["price"].to_list() == [10.5]


def test_the_reference_of_an_ex_rights_day_is_cut_by_the_ratio_of_the_factors():
    # 10 for 10: raw 20.00 becomes 10.00; the limit of the day is 11.00 and not 22.00
    for opened, filled in ((11.00, False), (10.99, True)):
        panel = market(["SH600000"], [[1]] * 2, [[20.0], [opened]], factor=[[1.0], [2.0]])
        assert (len(run(panel).fills) == 1) == filled


def test_a_split_and_a_dividend_change_the_shares_and_not_the_account():
    # 3 for 2 on the third day, a dividend of 0.30 beside it: factor 1.5 x 9.80 / 9.50
    factor = 1.5 * 9.8 / 9.5
    panel = market(
        ["SH600000"], [[1], [NAN], [NAN], [NAN]], [[14.7], [14.7], [9.5], [9.5]],
        factor=[[1.0], [1.0], [factor], [factor]],
    )  # fmt: skip
    weights = iter([{"SH600000": 0.5}, None, {}])
    result = run(panel, strategy="python", code="own.py", lot=100, decide=lambda view: next(weights))
    first, second = (result.positions.filter(date=day).row(0, named=True) for day in panel.dates[1:3])
    assert (first["shares"], first["price"]) == (3_400, pytest.approx(14.7))
    assert (second["shares"], second["price"]) == (pytest.approx(3_400 * factor), pytest.approx(9.5))
    assert result.account[1] == pytest.approx(result.account[0])
    # what became an odd number is sold whole
    assert result.fills["shares"][1] == pytest.approx(3_400 * factor)
    assert result.metrics["mean_holdings"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("symbol", "money", "shares"),
    [
        ("SH600000", 10_499.99, 1_000),
        ("SH600000", 999.99, 0),
        ("SH688001", 2_010.00, 201),
        ("SH688001", 1_999.00, 0),
        ("BJ830799", 1_010.00, 101),
        ("BJ830799", 999.00, 0),
        ("SH510300", 1_999.00, 100),
    ],
)
def test_lots_and_steps_of_each_board(symbol, money, shares):
    panel = market([symbol], [[1]] * 2, [[10.0]] * 2)
    costs = {"commission": 0, "minimum": 0, "levies": "none"}
    result = run(panel, account=money, risk_degree=1.0, costs=costs)
    assert result.fills["shares"].sum() == shares
    assert result.orders["reason"][0] == ("" if shares else "below one lot")


def test_nothing_is_sold_on_its_day_in_shanghai_and_everything_in_hong_kong():
    for symbol, sold in (("SH600000", False), ("HK00700", True)):
        panel = market([symbol], [[1]] * 4, [[10.0]] * 4)
        panel = replace(panel, dates=tuple(panel.dates[t // 2] for t in range(4)), times=times_of(panel.dates, 2))
        weights = iter([{symbol: 0.5}, {}])
        result = run(panel, strategy="python", code="own.py", decide=lambda view, given=weights: next(given))
        assert result.orders["status"].to_list() == ["filled", "filled" if sold else "rejected"]


def times_of(days, bars):
    from datetime import datetime, time

    return tuple(datetime.combine(days[t // bars], time(10, t % bars)) for t in range(len(days)))


def test_the_minimum_of_the_commission_is_five_yuan_a_trade():
    panel = market(["SH600000", "SH600001"], [[2, 1], [1, 2], [1, 2]], [[10.0, 20.0]] * 3)
    fills = run(panel, account=10_600.0).fills
    # 1,000 shares: 2.50 of commission are 5.00; sold 5.00 and 5.00 of duty, 0.10 each way
    assert fills["cost"].to_list()[:2] == pytest.approx([5.10, 10.10])


def test_hong_kong_pays_its_duty_on_both_sides_and_new_york_only_for_sales():
    panel = market(["HK00700", "HK00005"], [[2, 1], [1, 2], [1, 2]], [[400.0, 60.0]] * 3)
    fills = run(panel, costs={"commission": 0, "minimum": 0}, lots={"HK00700": 100, "HK00005": 400}).fills
    assert fills["levies"].to_list()[:2] == pytest.approx([80.0, 80.0])
    assert fills["shares"].to_list()[:2] == [200, 200]
    usual = market(["AAA", "BBB"], [[2, 1], [1, 2], [1, 2]], [[400.0, 60.0]] * 3)
    first, second, _ = run(usual, "XNYS", costs={"commission": 0, "minimum": 0}).fills["levies"]
    assert first == 0
    # 237 shares for 94,800: 27.80 a million are 2.63544, and 0.000166 a share 0.039342
    assert second == pytest.approx(2.64 + 0.04)


def test_a_suspended_holding_waits_and_a_delisted_one_leaves_at_what_is_stated():
    raw = [[10.0, 20.0], [10.0, 20.0], [NAN, 20.0], [8.0, 20.0], [NAN, 20.0], [NAN, 20.0]]
    score = [[2, NAN], [NAN, NAN], [NAN, NAN], [NAN, NAN], [NAN, NAN], [NAN, NAN]]
    costs = {"commission": 0, "minimum": 0, "levies": "none"}
    result = run(market(["SH600000", "SH600001"], score, raw), n_drop=0, delisting_return=-0.4, costs=costs)
    # 9,500 bought at 10; valued at 10 while suspended, at 8 after, and leaving at 8 x 0.6
    np.testing.assert_allclose(result.account, [100_000, 100_000, 81_000, 5_000 + 45_600, 5_000 + 45_600])
    assert result.fills["reason"].to_list() == ["", "delisted"]
    assert result.fills["cost"][1] == 0


def test_a_special_treatment_halves_the_limit_only_between_its_dates():
    raw = [[10.0], [10.5], [11.03]]
    days = market(["SH600000"], [[1]] * 3, raw).dates
    for spans, reasons in (([], [""]), ([("SH600000", days[0], days[1])], ["limit up", ""]),
                           ([("SH600000", days[0], days[2])], ["limit up", "limit up"])):  # fmt: skip
        facts = Facts(days, st=spans)
        result = run(market(["SH600000"], [[1]] * 3, raw), "XSHG", facts, n_drop=0)
        assert result.orders["reason"].to_list() == reasons


def test_a_new_listing_has_no_limit_for_its_first_five_sessions():
    raw = [[10.0], [15.0], [20.0], [25.0], [30.0], [33.0], [40.0]]
    score = [[NAN]] * 4 + [[1], [NAN], [NAN]]
    panel = market(["SH688001"], score, raw)
    # the fifth session of the listing fills at 30 after 25; the sixth would not at 33 after 30 x 1.2 = 36
    facts = Facts(panel.dates, listed={"SH688001": panel.dates[1]})
    assert run(panel, "XSHG", facts, n_drop=0).fills["price"].to_list() == [33.0]
    free = replace(panel, score=np.array([[NAN]] * 3 + [[1]] + [[NAN]] * 3))
    assert run(free, "XSHG", facts, n_drop=0).fills["price"].to_list() == [30.0]
    blocked = replace(panel, score=np.array([[NAN]] * 5 + [[1]] + [[NAN]]))
    assert run(blocked, "XSHG", facts, n_drop=0).orders["reason"].to_list() == ["limit up"]


def test_a_cap_cuts_to_whole_lots_and_the_rest_follows_at_the_prices_of_its_days():
    raw = [[10.0], [10.0], [10.2], [10.4], [10.4]]
    volume = [[30_000.0]] * 5
    result = run(
        market(["SH600000"], [[1]] * 5, raw, volume=volume), n_drop=0, account=100_000.0,
        liquidity={"participation": 0.115, "sessions": 5}, costs={"commission": 0, "minimum": 0, "levies": "none"},
    )  # fmt: skip
    # 11.5% of 30,000 are 3,450: 34 lots; 9,500 wanted
    assert result.fills.select("shares", "price", "reason").rows() == [
        (3_400, pytest.approx(10.0), "volume cap"),
        (3_400, pytest.approx(10.2), "volume cap"),
        (2_700, pytest.approx(10.4), ""),
    ]
    assert result.cash[-1] == pytest.approx(100_000 - 34_000 - 34_680 - 28_080)


def test_impact_and_slippage_are_paid_one_after_the_other_to_the_cent():
    raw = [[10.0], [11.0], [10.0], [10.0], [10.0]]
    panel = market(["AAA"], [[NAN], [NAN], [1], [NAN], [NAN]], raw, volume=[[50_000.0]] * 5)
    weights = iter([None, None, {"AAA": 0.5}, {}])
    result = run(
        panel, "XNYS", strategy="python", code="own.py", decide=lambda view: next(weights),
        liquidity={"impact": 0.1, "slippage": 0.002, "sessions": 3},
        costs={"levies": "none", "commission": 0, "minimum": 0},
    )  # fmt: skip
    spread = np.std([0.1, 10 / 11 - 1], ddof=1)
    bought, sold = result.fills.rows(named=True)
    assert bought["price"] == pytest.approx(10.02 * (1 + 0.1 * spread * np.sqrt(0.1)))
    assert bought["slippage"] == pytest.approx(5_000 * 0.02)
    assert bought["impact"] == pytest.approx(5_000 * (bought["price"] - 10.02))
    later = np.std([0.1, 10 / 11 - 1, 0.0], ddof=1)
    assert sold["price"] == pytest.approx(9.98 * (1 - 0.1 * later * np.sqrt(0.1)))
    spent = bought["slippage"] + bought["impact"] + sold["slippage"] + sold["impact"]
    assert result.account[-1] == pytest.approx(100_000 - spent)
    assert result.cost.sum() == pytest.approx(spent)


def test_what_is_short_pays_borrowing_on_its_value_at_each_close():
    raw = [[10.0], [10.0], [12.0], [9.0]]
    weights = iter([{"AAA": -0.4}, None, {}])
    result = run(
        market(["AAA"], [[1]] * 4, raw), "XNYS", strategy="python", code="own.py", short=True,
        decide=lambda view: next(weights), costs={"levies": "none", "commission": 0, "minimum": 0, "borrow": 0.126},
    )  # fmt: skip
    # 4,000 short: 0.05% a session of 40,000 and of 48,000; bought back at 9
    np.testing.assert_allclose(
        result.account, [100_000 - 20, 100_000 - 8_000 - 20 - 24, 100_000 + 4_000 - 20 - 24], rtol=1e-12
    )
    assert result.metrics["borrow"] == pytest.approx(44.0)
