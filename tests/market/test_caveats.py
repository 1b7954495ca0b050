"""What an ingest warned of is said again wherever a result rests on those very bars."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from made import store_unchecked

from kronos_quant.market import BarBatch, Market, ingest_csv, open_market
from kronos_quant.market.caveats import WORDS, bar_caveats, listing_caveat, survivorship_caveat
from kronos_quant.market.quality.checks import iter_checks
from kronos_quant.market.sessions import sessions_between

BatchMaker = Callable[..., BarBatch]
DAYS = sessions_between("XSHG", date(2024, 1, 2), date(2024, 3, 29))
SPLIT = 30


def write_bars(path: Path, factor: float) -> None:
    """A share that is split 1 to 2 on a day; factor : what its column of factors holds from then on."""
    lines = ["date,symbol,open,high,low,close,volume,factor"]
    for symbol in ("SH600000", "SH600001"):
        for place, day in enumerate(DAYS):
            split = symbol == "SH600000" and place >= SPLIT
            price = (20 + place % 3 / 10) / (2 if split and factor == 1 else 1)
            own = factor if split else 1
            lines.append(f"{day},{symbol},{price},{price + 0.1},{price - 0.1},{price},{100000 + place},{own}")
    path.write_text("\n".join(lines))


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    root = tmp_path_factory.mktemp("root")
    write_bars(root / "a.csv", 1)
    ingest_csv(root / "w", root / "a.csv")
    return open_market(root / "w")


def test_every_rule_that_travels_is_a_check() -> None:
    assert set(WORDS) <= {check.name for check in iter_checks() if check.severity == "warning"}


def test_a_warning_holds_where_the_bar_is_and_nowhere_else(market: Market) -> None:
    both = ["SH600000", "SH600001"]
    lines = bar_caveats(market, both, DAYS[0], DAYS[-1])
    assert any("unadjusted_split" in line and f"SH600000 {DAYS[SPLIT]}" in line for line in lines)
    assert bar_caveats(market, both, DAYS[0], DAYS[SPLIT - 1]) == []
    assert bar_caveats(market, ["SH600001"], DAYS[0], DAYS[-1]) == []


def test_a_mended_source_is_warned_of_no_more(market: Market, tmp_path: Path) -> None:
    write_bars(tmp_path / "a.csv", 1)
    ingest_csv(tmp_path / "w", tmp_path / "a.csv")
    write_bars(tmp_path / "a.csv", 2)
    ingest_csv(tmp_path / "w", tmp_path / "a.csv")
    assert bar_caveats(open_market(tmp_path / "w"), ["SH600000"], DAYS[0], DAYS[-1]) == []


def test_members_without_bars_are_a_share_of_the_member_sessions(tmp_path: Path, make_batch: BatchMaker) -> None:
    start, end = date(2024, 1, 2), date(2024, 1, 5)
    members = [
        ("u", "A", start, end),
        ("u", "GONE", start, date(2024, 1, 3)),
        ("u", "LATER", date(2025, 1, 1), end.replace(year=2026)),
    ]
    store_unchecked(tmp_path, make_batch({"A": {1: 10, 2: 10, 3: 10, 4: 10}}, universes=members))
    [line] = survivorship_caveat(open_market(tmp_path), "u", start, end)
    assert line.startswith("Survivorship: 1 member of u without any bar from 2024-01-02 to 2024-01-05, 33.3%")
    assert "GONE" in line
    assert survivorship_caveat(open_market(tmp_path), "all", start, end) == []


def test_an_end_of_a_listing_that_no_table_states_is_named_as_inferred(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": dict.fromkeys(range(1, 9), 10), "B": {1: 10, 2: 10}}))
    market = open_market(tmp_path, delisted_after=3)
    days = market.sessions()
    [line] = listing_caveat(market, ["A", "B"], days[0], days[-1])
    assert line.startswith("The end of 1 listing is inferred (B): more than 3 sessions without a bar")
    assert listing_caveat(market, ["A"], days[0], days[-1]) == []
    assert listing_caveat(market, ["A", "B"], days[0], days[3]) == []
