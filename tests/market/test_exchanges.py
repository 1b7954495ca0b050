from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from kronos_quant.market.exchanges.boards import BOARDS, Facts, board_on, levy_exchange, rules_panel
from kronos_quant.market.exchanges.levies import BROKERAGE, LEVIES, UNKNOWN, brokerage, levies

Limits = tuple[float | None, float | None]


def limits(symbol: str, exchange: str, on: date, facts: Facts | None = None) -> Limits:
    """Largest rise and fall of a symbol on a date, None without a limit."""
    panel = rules_panel([symbol], [on], exchange, facts)
    up, down = (None if np.isnan(limit[0, 0]) else float(limit[0, 0]) for limit in (panel.up, panel.down))
    return up, down


WEEK = [date(2024, 6, day) for day in (17, 18, 19, 20, 21, 24, 25)]


@pytest.mark.parametrize(
    ("symbol", "on", "limit"),
    [
        ("SH600000", date(2024, 6, 18), 0.10),
        ("SZ000001", date(1996, 12, 13), None),
        ("SZ000001", date(1996, 12, 16), 0.10),
        ("SZ300750", date(2020, 8, 21), 0.10),
        ("SZ300750", date(2020, 8, 24), 0.20),
        ("SZ301001", date(2024, 6, 18), 0.20),
        ("SH688981", date(2024, 6, 18), 0.20),
        ("BJ830799", date(2024, 6, 18), 0.30),
        ("SH900901", date(2024, 6, 18), 0.10),
        ("SH000300", date(2024, 6, 18), None),
        ("SH510300", date(2024, 6, 18), 0.10),
        ("SH019547", date(2024, 6, 18), None),
        ("AAPL", date(2024, 6, 18), None),
    ],
)
def test_the_limit_is_that_of_board_and_date(symbol: str, on: date, limit: float | None) -> None:
    assert limits(symbol, "", on) == (limit, limit)


@pytest.mark.parametrize(
    ("symbol", "on", "limit"),
    [
        ("SH600000", date(1998, 4, 21), 0.10),  # before there was special treatment
        ("SH600000", date(2026, 7, 3), 0.05),
        ("SH600000", date(2026, 7, 6), 0.10),
        ("SZ300750", date(2020, 8, 21), 0.05),
        ("SZ300750", date(2020, 8, 24), 0.20),
        ("SH688981", date(2024, 6, 18), 0.20),
        ("BJ830799", date(2024, 6, 18), 0.30),
    ],
)
def test_special_treatment_narrows_the_limit_where_its_board_and_date_say(symbol: str, on: date, limit: float) -> None:
    assert limits(symbol, "", on, Facts([on], st=[(symbol, on, on)])) == (limit, limit)


@pytest.mark.parametrize(
    ("symbol", "listed", "session", "up", "down"),
    [
        ("SH688981", date(2020, 7, 16), 5, None, None),
        ("SH688981", date(2020, 7, 16), 6, 0.20, 0.20),
        ("SZ301001", date(2021, 1, 4), 5, None, None),
        ("SZ300001", date(2015, 1, 5), 1, 0.44, 0.36),
        ("SZ300001", date(2015, 1, 5), 2, 0.10, 0.10),
        ("SH601000", date(2013, 12, 12), 1, None, None),
        ("SH601000", date(2013, 12, 13), 1, 0.44, 0.36),
        ("SZ002001", date(2014, 6, 12), 1, None, None),
        ("SZ002001", date(2014, 6, 13), 1, 0.44, 0.36),
        ("SH601000", date(2023, 4, 7), 2, 0.10, 0.10),
        ("SH601000", date(2023, 4, 10), 5, None, None),
        ("SH601000", date(2023, 4, 10), 6, 0.10, 0.10),
        ("BJ920001", date(2024, 1, 2), 1, None, None),
        ("BJ920001", date(2024, 1, 2), 2, 0.30, 0.30),
    ],
)
def test_the_first_sessions_of_a_listing(
    symbol: str, listed: date, session: int, up: float | None, down: float | None
) -> None:
    days = [listed + timedelta(days=i) for i in range(session)]
    facts = Facts(days, listed={symbol: listed}, issue_price={symbol: 5.0})
    assert limits(symbol, "", days[-1], facts) == (up, down)
    of_issue = rules_panel([symbol], days[-1:], "", facts).reference[0, 0] == 5.0
    assert of_issue == (up == 0.44)


@pytest.mark.parametrize(
    ("symbol", "exchange", "lot", "step"),
    [
        ("SH600000", "XSHG", 100, 100),
        ("SH688981", "XSHG", 200, 1),
        ("BJ830799", "XSHG", 100, 1),
        ("SH510300", "XSHG", 100, 100),
        ("AAPL", "XNYS", 1, 1),
        ("HK09988", "XHKG", 1, 1),
        ("BTCUSDT", "24/7", 0, 1),
        ("ANY", "", 1, 1),
    ],
)
def test_lots_are_those_of_board_or_exchange(symbol: str, exchange: str, lot: int, step: int) -> None:
    panel = rules_panel([symbol], WEEK, exchange)
    assert (panel.lot[0], panel.step[0]) == (lot, step)


def test_a_foreign_exchange_has_no_mainland_limits_even_for_a_mainland_spelling() -> None:
    assert limits("SH600000", "XNYS", date(2024, 6, 18)) == (None, None)


def test_the_panel_has_the_limit_of_each_symbol_and_date() -> None:
    symbols = ["SH600000", "SZ300750", "AAPL", "SH688981", "BJ830799", "SH000300", "SH900901"]
    dates = [date(1996, 12, 13), date(2019, 7, 22), date(2020, 8, 21), date(2020, 8, 24), date(2024, 6, 18)]
    panel = rules_panel(symbols, dates, "XSHG")
    assert panel.up.shape == panel.down.shape == panel.reference.shape == (5, 7)
    assert np.isnan(panel.reference).all()
    nan = np.nan
    expected = [
        [nan, nan, nan, nan, nan, nan, nan],
        [0.1, 0.1, nan, 0.2, nan, nan, 0.1],
        [0.1, 0.1, nan, 0.2, nan, nan, 0.1],
        [0.1, 0.2, nan, 0.2, nan, nan, 0.1],
        [0.1, 0.2, nan, 0.2, 0.3, nan, 0.1],
    ]
    np.testing.assert_array_equal(panel.up, expected)
    np.testing.assert_array_equal(panel.up, panel.down)
    assert panel.tick.tolist() == [0.01] * 6 + [0.001]


def test_the_panel_of_nothing_is_empty() -> None:
    panel = rules_panel([], [], "")
    assert panel.up.shape == (0, 0)
    assert len(panel.lot) == 0


def test_intervals_of_special_treatment_hold_on_their_days_only() -> None:
    st = [("SH600000", WEEK[1], WEEK[2]), ("SH688981", WEEK[0], WEEK[6]), ("SZ999999", WEEK[0], WEEK[6])]
    panel = rules_panel(["SH600000", "SH688981"], WEEK, "", Facts(WEEK, st=st))
    assert panel.up[:, 0].tolist() == [0.1, 0.05, 0.05, 0.1, 0.1, 0.1, 0.1]
    assert panel.up[:, 1].tolist() == [0.2] * 7


def test_first_sessions_are_counted_in_the_sessions_known_and_not_in_those_of_the_panel() -> None:
    listed = {"SH688981": WEEK[1], "SH600000": WEEK[1], "BJ920001": WEEK[1], "SZ999999": WEEK[1]}
    symbols = ["SH688981", "SH600000", "BJ920001"]
    panel = rules_panel(symbols, WEEK[2:], "", Facts(WEEK, listed=listed))
    assert np.isnan(panel.up).sum(axis=0).tolist() == [4, 4, 0]  # of five, the first is before the panel
    whole = rules_panel(symbols, WEEK, "", Facts(WEEK, listed=listed))
    assert np.isnan(whole.up[:, 2]).tolist() == [False, True, False, False, False, False, False]


def test_a_listing_before_the_sessions_known_is_long_ago_and_one_on_their_first_day_is_not() -> None:
    before = rules_panel(["SH688981"], WEEK, "", Facts(WEEK, listed={"SH688981": date(2024, 6, 14)}))
    assert not np.isnan(before.up).any()
    on = rules_panel(["SH688981"], WEEK, "", Facts(WEEK, listed={"SH688981": WEEK[0]}))
    assert np.isnan(on.up).sum() == 5


def test_the_issue_price_is_the_reference_of_a_first_session_where_it_is_known() -> None:
    days = [date(2015, 1, 5), date(2015, 1, 6)]
    listed = {"SH601000": days[0], "SZ002001": days[0]}
    panel = rules_panel(list(listed), days, "", Facts(days, listed=listed, issue_price={"SH601000": 5.0}))
    assert (panel.up[0, 0], panel.down[0, 0], panel.reference[0, 0]) == (0.44, 0.36, 5.0)
    assert np.isnan(panel.up[0, 1])
    assert panel.up[1].tolist() == [0.1, 0.1]
    assert np.isnan(panel.reference[1]).all()


def test_no_symbol_belongs_to_two_boards_and_rows_are_in_order_with_their_sources() -> None:
    prefixes = [prefix for board in BOARDS for prefix in board.prefixes]
    assert not [(a, b) for a in prefixes for b in prefixes if a != b and a.startswith(b)]
    for board in BOARDS:
        for rows in (board.limits, board.st_limits, board.starts):
            days = [row.since for row in rows]
            assert days == sorted(set(days)), board.name
            assert all(row.source for row in rows), board.name
    found = board_on("SZ300750", "")
    assert found is not None
    assert found.name == "ChiNext"


@pytest.mark.parametrize(
    ("exchange", "on", "buy", "sell"),
    [
        ("XSHG", date(1992, 6, 11), 0.0, 0.0),
        ("XSHG", date(1997, 5, 9), 0.003, 0.003),
        ("XSHG", date(1997, 5, 12), 0.005, 0.005),
        ("XSHG", date(1998, 6, 12), 0.004, 0.004),
        ("XSHG", date(2001, 11, 16), 0.002, 0.002),
        ("XSHG", date(2005, 1, 24), 0.001, 0.001),
        ("XSHG", date(2007, 5, 29), 0.001, 0.001),
        ("XSHG", date(2007, 5, 30), 0.003, 0.003),
        ("XSHE", date(2008, 4, 24), 0.001, 0.001),
        ("XSHE", date(2008, 9, 18), 0.001, 0.001),
        ("XSHG", date(2008, 9, 19), 0.0, 0.001),
        ("XSHG", date(2015, 8, 1), 0.00002, 0.00102),
        ("XSHG", date(2022, 4, 29), 0.00001, 0.00101),
        ("XSHG", date(2023, 8, 25), 0.00001, 0.00101),
        ("BJSE", date(2023, 8, 28), 0.00001, 0.00051),
        ("XHKG", date(2021, 7, 30), 0.001, 0.001),
        ("XHKG", date(2021, 8, 2), 0.0013, 0.0013),
        ("XHKG", date(2023, 11, 17), 0.001, 0.001),
        ("XNYS", date(2024, 5, 21), 0.0, 0.000008),
        ("XNAS", date(2024, 5, 22), 0.0, 0.0000278),
        ("XNYS", date(2025, 5, 14), 0.0, 0.0),
        ("24/7", date(2024, 1, 2), 0.0, 0.0),
    ],
)
def test_what_is_levied_depends_on_exchange_date_and_side(exchange: str, on: date, buy: float, sell: float) -> None:
    found = levies(exchange, on)
    assert sum(levy.buy for levy in found) == pytest.approx(buy)
    assert sum(levy.sell for levy in found) == pytest.approx(sell)


def test_finra_takes_a_fee_of_each_share_sold_up_to_a_bound() -> None:
    [finra] = [levy for levy in levies("XNYS", date(2024, 1, 2)) if levy.name == "FINRA fee"]
    assert (finra.per_share, finra.most) == (0.000166, 8.30)


def test_the_rows_of_a_levy_are_in_the_order_of_their_dates_and_have_sources() -> None:
    for key in {(levy.name, levy.exchanges) for levy in LEVIES}:
        days = [levy.since for levy in LEVIES if (levy.name, levy.exchanges) == key]
        assert days == sorted(set(days))
    assert all(levy.source for levy in LEVIES)


def test_only_shares_pay_the_levies_of_the_mainland() -> None:
    assert levy_exchange("SH600000", "") == "XSHG"
    assert levy_exchange("SZ000001", "XSHG") == "XSHE"
    assert levy_exchange("SH510300", "XSHG") == "funds"
    assert levy_exchange("SH000300", "XSHG") == ""
    assert levy_exchange("AAPL", "XNYS") == "XNYS"
    assert levy_exchange("HK00700", "") == "XHKG"
    assert levy_exchange("ANY", "") == ""


def test_customary_costs_are_told_for_each_exchange_and_plain_ones_elsewhere() -> None:
    assert brokerage("XSHE").minimum == 5.0
    assert brokerage("24/7").maker < brokerage("24/7").taker
    assert brokerage("") is UNKNOWN
    assert {row.sessions_per_year for row in BROKERAGE} == {243, 252, 247, 365}
