from __future__ import annotations

from datetime import date

import polars as pl

from kronos_quant.market.universes import listings, members, tidy
from kronos_quant.schema import INSTRUMENTS, UNIVERSES

INTERVALS = pl.DataFrame(
    [
        ("csi300", "B", date(2020, 1, 1), date(2020, 6, 30)),
        ("csi300", "B", date(2021, 1, 1), date(2021, 12, 31)),
        ("csi300", "A", date(2020, 1, 1), date(2021, 12, 31)),
        ("csi500", "C", date(2020, 1, 1), date(2021, 12, 31)),
    ],
    schema=UNIVERSES,
    orient="row",
)


def test_members_are_those_whose_interval_holds_the_date_ends_included() -> None:
    assert members(INTERVALS, "csi300", date(2020, 6, 30)) == ["A", "B"]
    assert members(INTERVALS, "csi300", date(2020, 7, 1)) == ["A"]
    assert members(INTERVALS, "csi300", date(2021, 1, 1)) == ["A", "B"]
    assert members(INTERVALS, "csi300", date(2022, 1, 1)) == []


def test_a_symbol_in_two_overlapping_intervals_is_a_member_once() -> None:
    double = pl.concat([INTERVALS, INTERVALS.with_columns(end=pl.lit(date(2030, 1, 1)))])
    assert members(double, "csi300", date(2020, 3, 1)) == ["A", "B"]


def test_equal_memberships_are_equal_frames_whatever_their_order() -> None:
    shuffled = pl.concat([INTERVALS.reverse(), INTERVALS.head(2)])
    assert tidy(shuffled).equals(tidy(INTERVALS))


def test_everybody_is_every_stock_between_listing_and_delisting() -> None:
    instruments = pl.DataFrame(
        [
            ("A", "", "stock", date(2020, 1, 1), date(2020, 12, 31)),
            ("B", "", "stock", date(2020, 6, 1), date(2021, 12, 31)),
            ("I", "", "index", date(2020, 1, 1), date(2021, 12, 31)),
        ],
        schema=INSTRUMENTS,
        orient="row",
    )
    everybody = listings(instruments)
    assert everybody.columns == list(UNIVERSES)
    assert members(everybody, "all", date(2020, 5, 31)) == ["A"]
    assert members(everybody, "all", date(2020, 12, 31)) == ["A", "B"]
    assert members(everybody, "all", date(2021, 1, 1)) == ["B"]
