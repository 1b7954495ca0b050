from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from kronos_quant.market.exchanges import BOARDS, board_of, rules_panel, trading_rules


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
