"""Funds, REITs, convertible bonds, B shares and delisting periods by date, worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from kronos_quant.market.exchanges.boards import BOARDS, Facts, board_on, levy_exchange, rules_panel
from kronos_quant.market.exchanges.funds import FUND_BOARDS, FUND_KINDS, fund_board
from kronos_quant.market.exchanges.levies import brokerage, levies

DAYS = [date(2022, 7, 28), date(2022, 7, 29), date(2022, 8, 1), date(2022, 8, 2)]


@pytest.mark.parametrize(
    ("symbol", "board", "lot", "step", "tick", "next_day"),
    [
        ("SH510300", "Shanghai fund", 100, 100, 0.001, True),
        ("SZ161725", "Shenzhen fund", 100, 100, 0.001, True),
        ("SZ159915", "Shenzhen fund, 20%", 100, 100, 0.001, True),
        ("SH588000", "Shanghai fund, 20%", 100, 100, 0.001, True),
        ("SH511010", "Shanghai bond fund", 100, 100, 0.001, False),
        ("SH513100", "Shanghai cross-border fund", 100, 100, 0.001, False),
        ("SH518880", "Shanghai gold fund", 100, 100, 0.001, False),
        ("SH508000", "REIT", 100, 100, 0.001, True),
        ("SZ180101", "REIT", 100, 100, 0.001, True),
        ("SH113050", "Convertible bond", 10, 10, 0.001, False),
        ("SZ127045", "Convertible bond", 10, 10, 0.001, False),
        ("SH900901", "Shanghai B", 100, 100, 0.001, True),
        ("SZ200012", "Shenzhen B", 100, 100, 0.01, True),
        ("SH688981", "STAR", 200, 1, 0.01, True),
        ("BJ920002", "Beijing", 100, 1, 0.01, True),
    ],
)
def test_a_code_tells_what_it_is_with_lot_tick_and_t1(symbol, board, lot, step, tick, next_day) -> None:
    found = board_on(symbol, "XSHG")
    assert found is not None
    assert found.name == board
    panel = rules_panel([symbol], DAYS, "")
    assert (panel.lot[0], panel.step[0], panel.tick[0]) == (lot, step, tick)
    assert panel.next_day[:, 0].tolist() == [next_day] * 4


def test_a_convertible_has_no_limit_until_2022_08_01_and_that_of_the_issue_price_on_its_first_day() -> None:
    facts = Facts(DAYS, listed={"SZ127045": DAYS[2], "SZ123001": DAYS[1]})
    panel = rules_panel(["SH113050", "SZ127045", "SZ123001"], DAYS, "", facts)
    nan = np.nan
    np.testing.assert_array_equal(panel.up, [[nan, nan, nan], [nan, nan, nan], [0.2, 0.573, 0.2], [0.2, 0.2, 0.2]])
    np.testing.assert_array_equal(panel.down[2], [0.2, 0.433, 0.2])
    np.testing.assert_array_equal(panel.reference[2], [nan, 100.0, nan])


def test_the_kind_of_a_fund_is_what_the_list_says_on_its_days() -> None:
    days = [date(2020, 1, 17), date(2020, 1, 20), date(2020, 8, 21), date(2020, 8, 24)]
    kinds = [
        ("SH510170", date(2020, 1, 1), date(2020, 8, 21), "commodity"),
        ("SZ159901", date(2020, 8, 24), date(2099, 12, 31), "20pct"),
        ("SZ159915", date(2015, 1, 1), date(2099, 12, 31), "ordinary"),
        ("SH600000", date(2015, 1, 1), date(2099, 12, 31), "gold"),  # no fund: nothing changes
    ]
    panel = rules_panel([name for name, *_ in kinds], days, "", Facts(days, funds=kinds))
    assert panel.next_day.T.tolist() == [[True, False, False, True], [True] * 4, [True] * 4, [True] * 4]
    assert panel.up.T.tolist() == [[0.1] * 4, [0.1, 0.1, 0.1, 0.2], [0.1] * 4, [0.1] * 4]


def test_every_kind_of_fund_has_its_rules_on_both_exchanges() -> None:
    for prefix in ("SH5", "SZ1"):
        boards = [fund_board(f"{prefix}59000", kind) for kind in FUND_KINDS]
        assert [board.fund for board in boards if board is not None] == list(FUND_KINDS)
        assert {board.pays for board in boards if board is not None} == {"funds"}
    assert fund_board("BJ920002", "gold") is None


@pytest.mark.parametrize(
    ("symbol", "start", "expected"),
    [
        ("SH600000", date(2020, 12, 30), [0.1, 0.1]),  # no first day without a limit yet
        ("SH600000", date(2021, 1, 4), [None, 0.1]),
        ("SZ300001", date(2020, 8, 21), [0.1, 0.1]),
        ("SZ300001", date(2020, 8, 24), [0.2, 0.2]),
        ("SZ300001", date(2021, 1, 4), [None, 0.2]),
        ("SH688001", date(2021, 1, 4), [None, 0.2]),
        ("BJ830799", date(2024, 1, 2), [None, 0.3]),
        ("SZ200012", date(2021, 1, 4), [None, 0.1]),
    ],
)
def test_the_first_day_of_a_delisting_period_and_the_next(symbol, start, expected) -> None:
    days = [date.fromordinal(start.toordinal() + n) for n in range(-1, 4)]
    facts = Facts(days, st=[(symbol, days[0], days[-1])], delisting=[(symbol, start, days[3])])
    panel = rules_panel([symbol], days, "", facts)
    assert [None if np.isnan(limit) else limit for limit in panel.up[1:3, 0]] == expected
    np.testing.assert_array_equal(panel.up, panel.down)
    # before and after it, as under special treatment
    usual = rules_panel([symbol], days, "", Facts(days, st=[(symbol, days[0], days[-1])]))
    np.testing.assert_array_equal(panel.up[[0, 4]], usual.up[[0, 4]])


def test_funds_and_bonds_pay_commission_and_nothing_else() -> None:
    on = date(2024, 6, 18)
    paying = [levy_exchange(symbol, "XSHG") for symbol in ("SH510300", "SZ180101", "SZ123001", "SH900901", "SZ200012")]
    assert paying == ["funds", "funds", "bonds", "Shanghai B", "Shenzhen B"]
    assert [levies(name, on) for name in paying[:3]] == [()] * 3
    assert {levy.name: levy.sell for levy in levies("Shanghai B", on)} == {
        "stamp duty": 0.0005,
        "settlement fee": 0.0005,
    }
    assert [brokerage(name).minimum for name in paying] == [5.0, 5.0, 0.0, 1.0, 5.0]


def test_every_row_has_a_source_and_stands_in_the_order_of_its_days() -> None:
    for board in (*BOARDS, *FUND_BOARDS):
        tables = (board.limits, board.st_limits, board.starts, board.resale, board.delisting.limits)
        for rows in (*tables, board.delisting.first_day):
            days = [row.since for row in rows]
            assert days == sorted(set(days)), board.name
            assert all(row.source for row in rows), board.name
        assert board.resale, board.name
        assert board.limits, board.name
    names = [board.name for board in (*BOARDS, *FUND_BOARDS)]
    assert len(set(names)) == len(names)
