from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest
from made import store_unchecked

from kronos_quant.errors import DataError, KronosQuantError
from kronos_quant.files import to_json
from kronos_quant.market import BarBatch, IngestReport, open_market, store, store_bars
from kronos_quant.market.database import DATABASE, ingest_lock
from kronos_quant.market.ingest_report import rule_counts

BatchMaker = Callable[..., BarBatch]


def rows(root: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(root / "db" / DATABASE) as connection:
        return connection.execute(query).fetchall()


def closes(root: Path, symbol: str) -> list[float]:
    return open_market(root).bars([symbol])["close"].to_list()


def test_the_report_counts_new_changed_and_unchanged_bars(tmp_path: Path, make_batch: BatchMaker) -> None:
    first = store_unchecked(tmp_path, make_batch({"A": {1: 10, 2: 11}, "B": {1: 20, 2: 21}}))
    assert (first.bars, first.added, first.changed, first.unchanged) == (4, 4, 0, 0)
    again = store_unchecked(tmp_path, make_batch({"A": {1: 10, 2: 11}, "B": {1: 20, 2: 21}}))
    assert (again.added, again.changed, again.unchanged) == (0, 0, 4)
    assert again.snapshot == first.snapshot
    third = store_unchecked(tmp_path, make_batch({"A": {2: 11.5, 3: 12}}))
    assert (third.added, third.changed, third.unchanged) == (1, 1, 0)
    assert closes(tmp_path, "A") == [10, 11.5, 12]
    assert closes(tmp_path, "B") == [20, 21]
    assert rows(tmp_path, "SELECT source, bars, added, changed FROM ingests ORDER BY id") == [
        ("test", 4, 4, 0),
        ("test", 4, 0, 0),
        ("test", 2, 1, 1),
    ]


def test_refused_rows_are_kept_with_their_reason_until_they_come_in_order(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    spoiled = make_batch(
        {"A": {1: 10, 2: 11, 3: 12}}, low=pl.when(pl.col("close") == 11).then(-1).otherwise(pl.col("close"))
    )
    report = store_bars(tmp_path, spoiled)
    assert (report.bars, report.rejected, report.rejected_by_rule) == (2, 1, {"price_not_positive": 1})
    assert report.suspended == 1
    store_bars(tmp_path, spoiled)
    kept = rows(tmp_path, "SELECT symbol, date, low, close, rules, ingest FROM rejected_bars")
    assert kept == [("A", date(2024, 1, 3), -1.0, 11.0, "price_not_positive", 2)]
    assert closes(tmp_path, "A") == [10, 12]
    store_bars(tmp_path, make_batch({"A": {2: 11}}))
    assert rows(tmp_path, "SELECT * FROM rejected_bars") == []
    assert closes(tmp_path, "A") == [10, 11, 12]


def test_a_refused_bar_does_not_displace_the_good_one_of_before(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_bars(tmp_path, make_batch({"A": {1: 10, 2: 11}}))
    store_bars(tmp_path, make_batch({"A": {1: 10, 2: 99}}, high=pl.col("close").clip(upper_bound=50)))
    assert closes(tmp_path, "A") == [10, 11]


def test_a_batch_of_which_nothing_passes_changes_nothing(tmp_path: Path, make_batch: BatchMaker) -> None:
    with pytest.raises(DataError, match=r"^test: no bar passed the checks: rejected \(factor_not_positive 2\)$"):
        store_bars(tmp_path, make_batch({"A": {1: 10, 2: 11}}, factor=pl.lit(0.0)))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_exchange_is_refused_before_anything_is_written(tmp_path: Path, make_batch: BatchMaker) -> None:
    with pytest.raises(DataError, match="exchange 'NYSE' has no calendar"):
        store_bars(tmp_path, make_batch({"A": {1: 10}}, exchange="NYSE"))
    assert list(tmp_path.iterdir()) == []


def test_a_crash_within_the_transaction_leaves_the_old_state(
    tmp_path: Path, make_batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store_unchecked(tmp_path, make_batch({"A": {1: 10}}))

    def crash(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(store, "_merge_lists", crash)
    with pytest.raises(SystemExit):
        store_unchecked(tmp_path, make_batch({"A": {1: 11, 2: 12}}))
    monkeypatch.undo()
    assert rows(tmp_path, "SELECT close FROM bars") == [(10.0,)]
    assert open_market(tmp_path).snapshot.digest == before.snapshot


def test_after_a_crash_before_publishing_readers_see_the_old_state_and_the_next_ingest_the_new(
    tmp_path: Path, make_batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_unchecked(tmp_path, make_batch({"A": {1: 10}}))

    def crash(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(store, "publish", crash)
    with pytest.raises(SystemExit):
        store_unchecked(tmp_path, make_batch({"A": {1: 11, 2: 12}}))
    monkeypatch.undo()
    assert closes(tmp_path, "A") == [10]
    # the same ingest again finds nothing new to store, and publishes what the crash kept back
    report = store_unchecked(tmp_path, make_batch({"A": {1: 11, 2: 12}}))
    assert (report.added, report.changed) == (0, 0)
    assert closes(tmp_path, "A") == [11, 12]


def test_a_reader_goes_on_while_an_ingest_holds_the_lock(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": {1: 10}}))
    with ingest_lock(tmp_path), duckdb.connect(tmp_path / "db" / DATABASE) as connection:
        connection.execute("BEGIN; DELETE FROM bars")
        assert closes(tmp_path, "A") == [10]
        with pytest.raises(KronosQuantError, match="another ingest is writing"):
            store_bars(tmp_path, make_batch({"A": {1: 10}}), wait_seconds=0.05)


def test_a_reader_keeps_its_state_through_an_ingest(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": {1: 10}}))
    market = open_market(tmp_path)
    store_unchecked(tmp_path, make_batch({"A": {1: 11, 2: 12}, "B": {1: 5}}))
    assert market.bars()["close"].to_list() == [10]
    assert market.instruments()["symbol"].to_list() == ["A"]
    assert len(open_market(tmp_path).bars()) == 3


def test_the_digest_does_not_depend_on_the_order_of_ingest(tmp_path: Path, make_batch: BatchMaker) -> None:
    one = {"A": {1: 10, 2: 11}}
    two = {"B": {2: 20}, "A": {3: 12}}
    member = ("top", "A", date(2024, 1, 1), date(2024, 12, 31))
    store_unchecked(tmp_path / "x", make_batch(one, universes=[member]))
    forward = store_unchecked(tmp_path / "x", make_batch(two))
    store_unchecked(tmp_path / "y", make_batch(two))
    backward = store_unchecked(tmp_path / "y", make_batch(one, universes=[member]))
    whole = make_batch({"B": {2: 20}, "A": {3: 12, 1: 10, 2: 11}}, universes=[member])
    at_once = store_unchecked(tmp_path / "z", whole)
    assert forward.snapshot == backward.snapshot == at_once.snapshot
    changed = store_unchecked(tmp_path / "z", make_batch({"A": {1: 10.001}}))
    assert changed.snapshot != forward.snapshot
    restored = store_unchecked(tmp_path / "z", make_batch({"A": {1: 10}}))
    assert restored.snapshot == forward.snapshot


def test_listing_dates_come_from_the_source_or_from_the_bars(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = make_batch({"A": {1: 10, 3: 11}, "B": {2: 20}})
    stated = batch.instruments.with_columns(
        first_date=pl.when(pl.col("symbol") == "A").then(pl.lit(date(2000, 1, 1))),
        last_date=pl.when(pl.col("symbol") == "A").then(pl.lit(date(2024, 1, 3))),
    )
    store_unchecked(tmp_path, replace(batch, instruments=stated))
    store_unchecked(tmp_path, make_batch({"B": {4: 21}}))  # says nothing of listings
    spans = open_market(tmp_path).instruments().select("symbol", "first_date", "last_date").rows()
    assert spans == [
        ("A", date(2000, 1, 1), date(2024, 1, 4)),  # its bars go on after the stated end
        ("B", date(2024, 1, 3), date(2024, 1, 5)),
    ]


def test_a_universe_named_again_replaces_the_stored_one(tmp_path: Path, make_batch: BatchMaker) -> None:
    span = (date(2024, 1, 1), date(2024, 12, 31))
    store_unchecked(
        tmp_path, make_batch({"A": {1: 10}, "B": {1: 10}}, universes=[("top", "A", *span), ("low", "B", *span)])
    )
    store_unchecked(tmp_path, make_batch({"A": {1: 10}}, universes=[("top", "B", *span)]))
    market = open_market(tmp_path)
    assert market.members("top", date(2024, 1, 2)) == ["B"]
    assert market.members("low", date(2024, 1, 2)) == ["B"]


@pytest.mark.parametrize(
    ("symbols", "named", "exchange"),
    [
        (("SH600000", "SZ000001"), "", "XSHG"),
        (("HK09988",), "", "XHKG"),
        (("SH600000", "AAPL"), "", ""),
        (("SH600000", "EW_INDEX"), "", "XSHG"),  # an index may be spelled as it likes
        (("AAPL",), "XNYS", "XNYS"),
        (("AAPL",), "", ""),
    ],
)
def test_the_exchange_is_as_named_or_as_all_stocks_tell(
    tmp_path: Path, make_batch: BatchMaker, symbols: tuple[str, ...], named: str, exchange: str
) -> None:
    bars = {symbol: {1: 10} for symbol in symbols}
    assert store_unchecked(tmp_path, make_batch(bars, exchange=named)).exchange == exchange
    if named:  # once is enough: it is remembered
        assert store_unchecked(tmp_path, make_batch(bars)).exchange == exchange


def test_sessions_that_do_not_fit_the_exchange_are_told(tmp_path: Path, make_batch: BatchMaker) -> None:
    # 2024-01-06 is a Saturday; 01-03 and 01-04 are sessions of New York
    report = store_bars(tmp_path, make_batch({"A": {1: 10, 4: 10, 14: 11}}, exchange="XNYS"))
    assert report.notes == (
        "1 session of the source not in the XNYS calendar (first: 2024-01-15)",
        "7 sessions of XNYS missing from the source (first: 2024-01-03)",
    )


def test_a_refused_saturday_is_no_session(tmp_path: Path, make_batch: BatchMaker) -> None:
    report = store_bars(tmp_path, make_batch({"A": {1: 10, 2: 11, 3: 10, 4: 11, 5: 12}}, exchange="XNYS"))
    assert (report.rejected_by_rule, report.notes, report.last) == ({"outside_session": 1}, (), date(2024, 1, 5))
    assert open_market(tmp_path).sessions() == [date(2024, 1, day) for day in (2, 3, 4, 5)]


def test_suspended_sessions_are_counted_within_each_life(tmp_path: Path, make_batch: BatchMaker) -> None:
    report = store_unchecked(
        tmp_path, make_batch({"A": dict.fromkeys(range(1, 5), 9), "B": {1: 9, 4: 9}, "C": {2: 9, 3: 9}})
    )
    assert report.suspended == 2


def test_two_frequencies_live_side_by_side(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": {1: 10}}))
    store_unchecked(tmp_path, replace(make_batch({"A": {1: 7, 2: 8}}), freq="5min"))
    assert open_market(tmp_path).bars()["close"].to_list() == [10]
    assert open_market(tmp_path, "5min").bars()["close"].to_list() == [7, 8]
    assert len(open_market(tmp_path).sessions()) == 1


def test_the_exchange_of_one_frequency_says_nothing_of_another(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"AAPL": {1: 10}}, exchange="XNYS"))
    report = store_unchecked(tmp_path, replace(make_batch({"SH600977": {1: 7, 2: 8}}), freq="5min"))
    assert report.exchange == "XSHG"
    assert open_market(tmp_path, "day").exchange == "XNYS"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, make_batch: BatchMaker) -> IngestReport:
    low = pl.when(pl.col("close") == 11).then(-1).otherwise(pl.col("close"))
    return store_bars(tmp_path_factory.mktemp("report"), make_batch({"A": {1: 10, 2: 11, 3: 20}}, low=low))


def test_the_lines_say_what_was_stored_refused_and_kept_with_a_warning(report: IngestReport) -> None:
    assert report.lines() == [
        "test: 1 symbol, 3 sessions (day), 2024-01-02 to 2024-01-04",
        "bars: 2 accepted: 2 new, 0 changed, 0 unchanged",
        "rejected: 1 (price_not_positive 1)",
        "warnings: price_jump 1; these bars are kept",
        "suspended: 1 session without a bar between a symbol's first and last bar",
        f"exchange: unknown; snapshot {report.snapshot[:16]}",
    ]


def test_the_dictionary_survives_json(report: IngestReport) -> None:
    told = json.loads(to_json(report.as_dict()))
    assert (told["first"], told["last"], told["rejected"]) == ("2024-01-02", "2024-01-04", 1)
    assert told["rejected_by_rule"] == {"price_not_positive": 1}
    assert told["snapshot"] == report.snapshot


def test_rules_are_listed_most_frequent_first() -> None:
    assert rule_counts({"b": 1, "a": 1, "c": 2000}) == " (c 2,000, a 1, b 1)"
    assert rule_counts({}) == ""
