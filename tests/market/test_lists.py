from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import Batch, ingest_intervals, ingest_universe, open_market, store_bars
from kronos_quant.market.database import open_database
from kronos_quant.market.ingest.lists import read_intervals
from kronos_quant.market.intervals import OPEN_END

BatchMaker = Callable[..., Batch]


@pytest.fixture
def root(tmp_path: Path, make_batch: BatchMaker) -> Path:
    """A workspace with bars of two stocks from 2024-01-02 on; SH600004 begins two days later."""
    store_bars(tmp_path, make_batch({"SH600000": {1: 10, 2: 11, 3: 12, 4: 13}, "SH600004": {3: 20, 4: 21}}))
    return tmp_path


def write(root: Path, text: str) -> Path:
    path = root / "list.csv"
    path.write_text(text)
    return path


def test_a_universe_comes_from_a_csv_of_intervals(root: Path) -> None:
    text = (
        "end,symbol,start,note\n2024-01-03,600000.SH,2024-01-02,x\n,sh600004,2024/1/4,\n2019-12-31,600009,20190102,\n"
    )
    report = ingest_universe(root, "Mine", write(root, text))
    market = open_market(root)
    assert market.universe_names() == ["all", "mine"]
    assert market.members("mine", date(2024, 1, 3)) == ["SH600000"]
    assert market.members("mine", date(2024, 1, 5)) == ["SH600004"]  # no end: still so
    assert market.members("mine", date(2019, 6, 1)) == ["SH600009"]
    assert (report.what, report.intervals, report.symbols, report.replaced) == ("universe mine", 3, 3, 0)
    assert (report.first, report.last, report.without_bars) == (date(2019, 1, 2), date(2024, 1, 4), ("SH600009",))
    assert report.lines() == [
        f"{root}/list.csv: universe mine: 3 intervals of 3 symbols, 2019-01-02 to 2024-01-04; 0 stored before",
        "without any bar: 1 symbol (SH600009)",
        f"snapshot {market.snapshot.digest[:16]}",
    ]
    assert json.loads(json.dumps(report.as_dict()))["without_bars"] == ["SH600009"]


def test_a_list_replaces_the_one_of_its_name_and_no_other(root: Path) -> None:
    ingest_universe(root, "a", write(root, "symbol,start,end\nSH600000,2024-01-02,\nSH600004,2024-01-02,\n"))
    ingest_universe(root, "b", write(root, "symbol,start,end\nSH600000,2024-01-02,\n"))
    report = ingest_universe(root, "a", write(root, "symbol,start,end\nSH600004,2024-01-02,\n"))
    market = open_market(root)
    assert report.replaced == 2
    assert market.members("a", date(2024, 1, 3)) == ["SH600004"]
    assert market.members("b", date(2024, 1, 3)) == ["SH600000"]


def test_intervals_are_published_and_read_by_kind(root: Path) -> None:
    before = open_market(root)
    assert before.intervals("st").is_empty()
    ingest_intervals(root, "st", write(root, "symbol,start,end\nSH600000,2024-01-03,2024-01-04\n"))
    report = ingest_intervals(
        root,
        "industry",
        write(root, "symbol,start,end,industry\nSH600000,2024-01-02,,Banks\nSH600004,2024-01-02,,Air\n"),
    )
    market = open_market(root)
    assert market.intervals("st").rows() == [("SH600000", date(2024, 1, 3), date(2024, 1, 4), None)]
    assert market.intervals("industry").rows() == [
        ("SH600000", date(2024, 1, 2), OPEN_END, "Banks"),
        ("SH600004", date(2024, 1, 2), OPEN_END, "Air"),
    ]
    assert market.snapshot.digest == report.snapshot != before.snapshot.digest
    assert market.connect().sql("SELECT count(*) FROM intervals").fetchall() == [(3,)]
    with open_database(root) as connection:
        recorded = connection.execute("SELECT source, bars FROM ingests ORDER BY id").fetchall()
    assert recorded == [("test", 6), ("intervals st", 0), ("intervals industry", 0)]


def test_a_name_whose_bars_start_with_the_data_counts_as_long_listed(root: Path) -> None:
    assert dict(open_market(root).listing_dates().iter_rows()) == {"SH600000": None, "SH600004": date(2024, 1, 4)}


def test_listings_tell_the_dates_and_the_names_without_bars(root: Path) -> None:
    text = "symbol,start,end\nSH600004,2023-12-01,\nSH600009,2010-01-04,2024-01-03\n"
    ingest_intervals(root, "listing", write(root, text))
    market = open_market(root)
    listed = dict(market.listing_dates().iter_rows())
    assert listed == {"SH600000": None, "SH600004": date(2023, 12, 1), "SH600009": date(2010, 1, 4)}
    gone = market.instruments().filter(pl.col("symbol") == "SH600009").row(0, named=True)
    assert (gone["exchange"], gone["last_date"]) == ("XSHG", date(2024, 1, 3))
    assert market.members("all", date(2024, 1, 3)) == ["SH600000", "SH600004", "SH600009"]
    assert market.membership("all", date(2024, 1, 3)).without_bars == ("SH600004", "SH600009")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a header line and rows, found an empty file"),
        ("symbol,start,end\n", "expected rows below the header line, found none"),
        ("code,from\nA,2024-01-02\n", "expected the columns end; found code, from"),
        (
            "symbol,start,end\nA,2024-01-02,\n,2024-01-02,\n",
            "line 3: column symbol: expected a symbol, found 'nothing'",
        ),
        ("symbol,start,end\nA,,\n", "line 2: column start: expected a date like 2024-06-18, found 'nothing'"),
        ("symbol,start,end\nA,2024-01-02,x\n", "column end: expected a date like 2024-06-18, or nothing, found 'x'"),
        ("symbol,start,end\nA,2024-01-02,2024-01-01\n", "expected no date before the start, found '2024-01-01'"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_intervals(write(tmp_path, text), "")
    assert str(caught.value).startswith(f"{tmp_path}/list.csv: ")
    assert message in str(caught.value)


def test_an_industry_without_a_name_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"expected the columns value; found symbol, start, end"):
        ingest_intervals(root, "industry", write(root, "symbol,start,end\nA,2024-01-02,\n"))
    with pytest.raises(DataError, match=r"line 2: column value: expected a value, found 'nothing'"):
        ingest_intervals(root, "industry", write(root, "symbol,start,end,value\nA,2024-01-02,,\n"))


def test_names_and_kinds_that_cannot_be_are_refused(root: Path) -> None:
    path = write(root, "symbol,start,end\nA,2024-01-02,\n")
    for name in ("all", "ALL", "a b", "../x", ""):
        with pytest.raises(ConfigError, match=r"universe name: expected letters, digits"):
            ingest_universe(root, name, path)
    with pytest.raises(ConfigError, match=r"intervals: expected st, listing, industry, found 'colour'"):
        ingest_intervals(root, "colour", path)
    with pytest.raises(ConfigError, match=r"intervals: expected st, listing, industry"):
        open_market(root).intervals("colour")


def test_lists_need_bars_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no bars have been ingested"):
        ingest_universe(tmp_path, "mine", write(tmp_path, "symbol,start,end\nA,2024-01-02,\n"))


def test_a_refused_list_leaves_everything_as_it_was(root: Path) -> None:
    before = open_market(root).snapshot
    with pytest.raises(DataError):
        ingest_universe(root, "mine", write(root, "symbol,start,end\nA,,\n"))
    assert open_market(root).snapshot == before


def test_snapshots_of_before_intervals_read_as_having_none(root: Path) -> None:
    market = open_market(root)
    for name in ("intervals", "unadjusted_volumes"):
        (market.snapshot.folder / f"{name}.parquet").unlink()
    assert market.intervals("st").is_empty()
    assert market.connect().sql("SELECT count(*) FROM raw_bars").fetchall() == [(6,)]
