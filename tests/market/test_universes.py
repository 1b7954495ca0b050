from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kronos_quant.errors import DataError
from kronos_quant.market import Batch, open_market, store_bars
from kronos_quant.market.universes import listings, members, membership, tidy
from kronos_quant.schema import INSTRUMENTS, UNIVERSES

BatchMaker = Callable[..., Batch]

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


SPANS = pl.DataFrame(
    [
        ("A", date(2019, 1, 1), date(2022, 1, 1), True),
        ("B", date(2019, 1, 1), date(2022, 1, 1), False),
        ("C", date(2019, 1, 1), date(2020, 2, 1), False),
    ],
    schema={"symbol": pl.String, "first": pl.Date, "last": pl.Date, "traded": pl.Boolean},
    orient="row",
)


def test_members_without_bars_are_listed_and_counted_apart_from_suspended_ones() -> None:
    intervals = pl.DataFrame(
        {"universe": "u", "symbol": list("ABCD"), "start": date(2020, 1, 1), "end": date(2021, 1, 1)}
    )
    found = membership(intervals, "u", date(2020, 6, 6), date(2020, 6, 5), SPANS)
    assert found.members == ("A", "B", "C", "D")
    assert found.suspended == ("B",)
    assert found.without_bars == ("C", "D")  # C's bars end before, D has none
    assert found.survivorship_gap == 0.5
    assert found.lines() == [
        "u on 2020-06-06: 4 members: 1 with a bar on 2020-06-05, 1 suspended, 2 without bars",
        "survivorship gap: 50.0% of the members have no bars",
        "A",
        "B  suspended",
        "C  no bars",
        "D  no bars",
    ]
    assert json.loads(json.dumps(found.as_dict()))["survivorship_gap"] == 0.5


def test_a_member_that_is_listed_after_its_last_bar_is_suspended_at_the_end(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    always = [("u", name, date(2020, 1, 1), date(2099, 12, 31)) for name in ("AA", "BB", "CC")]
    batch = make_batch({"AA": {1: 10, 2: 10}, "BB": {1: 10}, "CC": {1: 10}}, universes=always)
    still = pl.when(pl.col("symbol") == "BB").then(pl.date(2024, 1, 3))
    store_bars(tmp_path, replace(batch, instruments=batch.instruments.with_columns(last_date=still)))
    found = open_market(tmp_path).membership("u", date(2024, 1, 3))
    assert (found.suspended, found.without_bars) == (("BB",), ("CC",))


def test_a_universe_without_members_has_no_gap() -> None:
    found = membership(INTERVALS, "csi300", date(2030, 1, 1), date(2021, 12, 31), SPANS)
    assert (found.members, found.survivorship_gap) == ((), 0.0)


def test_the_market_looks_for_bars_on_the_last_session_up_to_the_date(tmp_path: Path, make_batch: BatchMaker) -> None:
    always = [("u", name, date(2020, 1, 1), date(2099, 12, 31)) for name in ("AA", "BB", "CC")]
    store_bars(tmp_path, make_batch({"AA": {1: 10, 2: 10, 7: 10}, "BB": {1: 10, 7: 10}}, universes=always))
    market = open_market(tmp_path)
    found = market.membership("u", date(2024, 1, 5))
    assert (found.session, found.suspended, found.without_bars) == (date(2024, 1, 3), ("BB",), ("CC",))
    assert market.membership("u", date(2021, 1, 1)).without_bars == ("CC",)  # before the data: as on the first session
    with pytest.raises(DataError, match="universe 'csi300' is unknown: known are all, u"):
        market.membership("csi300", date(2024, 1, 5))
