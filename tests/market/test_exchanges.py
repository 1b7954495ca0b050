from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from kronos_quant.market.exchanges import BOARDS, LEVIES, board_of, levies, rules_panel, trading_rules


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
        ("SH000300", date(2024, 6, 18), None),
        ("AAPL", date(2024, 6, 18), None),
    ],
)
def test_the_limit_is_that_of_board_and_date(symbol: str, on: date, limit: float | None) -> None:
    assert trading_rules(symbol, "", on).limit == limit


def test_lots_are_100_on_the_mainland_and_1_elsewhere() -> None:
    assert trading_rules("SH600000", "XSHG", date(2024, 6, 18)).lot == 100
    assert trading_rules("AAPL", "XNYS", date(2024, 6, 18)).lot == 1
    assert trading_rules("HK09988", "XHKG", date(2024, 6, 18)).lot == 1


def test_a_foreign_exchange_has_no_mainland_rules_even_for_a_mainland_spelling() -> None:
    assert trading_rules("SH600000", "XNYS", date(2024, 6, 18)).limit is None


def test_the_panel_equals_the_rules_of_each_symbol_and_date() -> None:
    symbols = ["SH600000", "SZ300750", "AAPL", "SH688981", "BJ830799", "SH000300"]
    dates = [date(1996, 12, 13), date(2019, 7, 22), date(2020, 8, 21), date(2020, 8, 24), date(2024, 6, 18)]
    limits, lots = rules_panel(symbols, dates, "XSHG")
    assert limits.shape == (5, 6)
    assert limits.dtype == np.float64
    assert lots.dtype == np.int64
    for n, symbol in enumerate(symbols):
        assert lots[n] == trading_rules(symbol, "XSHG", dates[0]).lot
        for t, on in enumerate(dates):
            expected = trading_rules(symbol, "XSHG", on).limit
            assert np.isnan(limits[t, n]) if expected is None else limits[t, n] == expected


def test_the_panel_of_nothing_is_empty() -> None:
    limits, lots = rules_panel([], [], "")
    assert limits.shape == (0, 0)
    assert len(lots) == 0


def test_no_symbol_belongs_to_two_boards_and_limits_are_in_order() -> None:
    prefixes = [prefix for board in BOARDS for prefix in board.prefixes]
    assert not [(a, b) for a in prefixes for b in prefixes if a != b and a.startswith(b)]
    assert all(list(board.limits) == sorted(board.limits) for board in BOARDS)
    assert board_of("SZ300750") is BOARDS[2]


@pytest.mark.parametrize(
    ("exchange", "on", "buy", "sell"),
    [
        ("XSHG", date(2007, 5, 29), 0.001, 0.001),
        ("XSHG", date(2007, 5, 30), 0.003, 0.003),
        ("XSHE", date(2008, 4, 24), 0.001, 0.001),
        ("XSHE", date(2008, 9, 18), 0.001, 0.001),
        ("XSHG", date(2008, 9, 19), 0.0, 0.001),
        ("XSHG", date(2015, 8, 1), 0.00002, 0.00102),
        ("XSHG", date(2023, 8, 25), 0.00001, 0.00101),
        ("BJSE", date(2023, 8, 28), 0.00001, 0.00051),
        ("XHKG", date(2021, 7, 30), 0.001, 0.001),
        ("XHKG", date(2021, 8, 2), 0.0013, 0.0013),
        ("XHKG", date(2023, 11, 17), 0.001, 0.001),
        ("XNYS", date(2024, 1, 2), 0.0, 0.0),
    ],
)
def test_what_is_levied_depends_on_exchange_date_and_side(exchange: str, on: date, buy: float, sell: float) -> None:
    found = levies(exchange, on)
    assert sum(levy.buy for levy in found) == pytest.approx(buy)
    assert sum(levy.sell for levy in found) == pytest.approx(sell)


def test_the_rows_of_a_levy_are_in_the_order_of_their_dates() -> None:
    for key in {(levy.name, levy.exchanges) for levy in LEVIES}:
        days = [levy.since for levy in LEVIES if (levy.name, levy.exchanges) == key]
        assert days == sorted(set(days))
