from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from made import store_unchecked

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.files import to_json
from kronos_quant.market import BarBatch, ingest_intervals, ingest_universe, open_market
from kronos_quant.market.database import open_database
from kronos_quant.market.ingest.lists import read_intervals
from kronos_quant.market.listings import listing_spans
from kronos_quant.market.universes import OPEN_END, every_stock, members, membership, of_kind, tidy
from kronos_quant.schema import INSTRUMENTS, UNIVERSES

BatchMaker = Callable[..., BarBatch]

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


DAYS = [date(2024, 1, day) for day in range(1, 31)]
NO_TABLES = pl.DataFrame(schema={"symbol": pl.String, "start": pl.Date, "end": pl.Date})


def instruments(*rows: tuple[str, str, int, int, bool | None]) -> pl.DataFrame:
    """Symbol, kind, first and last date by their day, and whether a list of all symbols names it."""
    found = [(symbol, "", kind, DAYS[first], DAYS[last], in_all) for symbol, kind, first, last, in_all in rows]
    return pl.DataFrame(found, schema=INSTRUMENTS, orient="row")


def spans_of(known: pl.DataFrame, tables: pl.DataFrame = NO_TABLES) -> pl.DataFrame:
    last = known.select("symbol", pl.col("last_date").alias("last"))
    return listing_spans(known, tables, last, DAYS, delisted_after=10)


def test_without_a_list_everybody_is_every_stock_from_its_first_bar_on() -> None:
    known = instruments(("A", "stock", 0, 10, None), ("B", "stock", 5, 29, None), ("I", "index", 0, 29, None))
    everybody = every_stock(known, spans_of(known), INTERVALS.clear())
    assert everybody.columns == list(UNIVERSES)
    assert members(everybody, "all", DAYS[4]) == ["A"]
    assert members(everybody, "all", DAYS[10]) == ["A", "B"]
    assert members(everybody, "all", DAYS[11]) == ["B"]  # more than ten sessions without a bar follow


def test_the_list_of_a_source_is_everybody_but_for_funds_bonds_and_indices() -> None:
    rows = [("A", "stock", 0, 29, True), ("F", "fund", 0, 29, True), ("I", "index", 0, 29, True)]
    known = instruments(*rows, ("U", "stock", 0, 29, False), ("C", "stock", 3, 29, None))
    lists = [("all", name, DAYS[1], DAYS[20]) for name in ("A", "F", "I")]
    everybody = every_stock(known, spans_of(known), pl.DataFrame(lists, schema=UNIVERSES, orient="row"))
    assert members(everybody, "all", DAYS[0]) == []
    assert members(everybody, "all", DAYS[5]) == ["A", "C"]  # U is in no list, C of a source without one
    assert members(everybody, "all", DAYS[25]) == ["A", "C"]  # the list's latest end is that of its data
    assert members(of_kind(known, spans_of(known), "funds"), "funds", DAYS[5]) == ["F"]
    assert members(of_kind(known, spans_of(known), "indices"), "indices", DAYS[5]) == ["I"]


def test_the_end_of_the_data_ends_no_listing() -> None:
    known = instruments(
        ("LONG", "stock", 0, 15, None), ("SHORT", "stock", 0, 25, None),
        ("TABLE", "stock", 0, 5, None), ("OPEN", "stock", 0, 5, None),
    )  # fmt: skip
    tables = pl.DataFrame({"symbol": ["TABLE", "OPEN"], "start": DAYS[:2], "end": [DAYS[7], OPEN_END]})
    found = {row["symbol"]: row for row in spans_of(known, tables).rows(named=True)}
    assert {name: (row["delisted"], row["delisted_by"]) for name, row in found.items()} == {
        "LONG": (DAYS[15], "inferred"),
        "SHORT": (None, None),
        "TABLE": (DAYS[7], "stated"),
        "OPEN": (None, None),
    }
    # nobody knew of it before so many sessions had passed
    assert {name: row["known"] for name, row in found.items() if row["known"]} == {"LONG": DAYS[25], "TABLE": DAYS[7]}


def test_a_start_in_the_list_dates_a_listing_and_a_first_bar_does_not() -> None:
    known = instruments(("LIST", "stock", 3, 29, True), ("FIRST", "stock", 0, 29, True), ("BARS", "stock", 3, 29, None))
    assert spans_of(known).select("symbol", "listed", "listed_by").rows() == [
        ("BARS", None, None),
        ("FIRST", None, None),
        ("LIST", DAYS[3], "inferred"),
    ]


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
        "u on 2020-06-06: 4 constituents, 1 with a bar on 2020-06-05, 1 suspended, 2 without bars",
        "survivorship gap: 50.0% of the constituents have no bars",
        "A",
        "B  suspended",
        "C  no bars",
        "D  no bars",
    ]
    assert json.loads(json.dumps(found.as_dict()))["survivorship_gap"] == 0.5


def test_a_member_is_suspended_after_its_last_bar_until_its_listing_is_over(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    always = [("u", name, date(2020, 1, 1), date(2099, 12, 31)) for name in ("AA", "BB", "CC")]
    over = pl.DataFrame({"symbol": ["CC"], "start": [date(2020, 1, 1)], "end": [date(2024, 1, 2)]})
    batch = make_batch({"AA": {1: 10, 2: 10}, "BB": {1: 10}, "CC": {1: 10}}, universes=always)
    store_unchecked(tmp_path, replace(batch, listings=over))
    found = open_market(tmp_path).membership("u", date(2024, 1, 3))
    assert (found.suspended, found.without_bars) == (("BB",), ("CC",))


def test_a_universe_without_members_has_no_gap() -> None:
    found = membership(INTERVALS, "csi300", date(2030, 1, 1), date(2021, 12, 31), SPANS)
    assert (found.members, found.survivorship_gap) == ((), 0.0)


def test_the_market_looks_for_bars_on_the_last_session_up_to_the_date(tmp_path: Path, make_batch: BatchMaker) -> None:
    always = [("u", name, date(2020, 1, 1), date(2099, 12, 31)) for name in ("AA", "BB", "CC")]
    store_unchecked(tmp_path, make_batch({"AA": {1: 10, 2: 10, 7: 10}, "BB": {1: 10, 7: 10}}, universes=always))
    market = open_market(tmp_path)
    found = market.membership("u", date(2024, 1, 5))
    assert (found.session, found.suspended, found.without_bars) == (date(2024, 1, 3), ("BB",), ("CC",))
    with pytest.raises(DataError, match="2021-01-01 is before the data, which begin on "):
        market.membership("u", date(2021, 1, 1))
    with pytest.raises(DataError, match="2030-01-01 is after the data, which end on "):
        market.membership("u", date(2030, 1, 1))
    with pytest.raises(DataError, match="unknown universe 'csi300'; available: all, u"):
        market.membership("csi300", date(2024, 1, 5))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, make_batch: BatchMaker) -> Path:
    """A workspace with bars of two stocks from 2024-01-02 on; SH600004 begins two days later."""
    root = tmp_path_factory.mktemp("stored")
    store_unchecked(root, make_batch({"SH600000": {1: 10, 2: 11, 3: 12, 4: 13}, "SH600004": {3: 20, 4: 21}}))
    return root


@pytest.fixture
def root(tmp_path: Path, stored: Path) -> Path:
    """A copy of `stored`."""
    return Path(shutil.copytree(stored, tmp_path / "root"))


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
        f"{root}/list.csv: universe mine: 3 intervals of 3 symbols, 2019-01-02 to 2024-01-04; 0 replaced",
        "without bars: 1 symbol (SH600009)",
        f"snapshot {market.snapshot.digest[:16]}",
    ]
    assert json.loads(to_json(report.as_dict()))["without_bars"] == ["SH600009"]


@pytest.mark.parametrize(
    "text",
    [
        "con_code,in_date,out_date\n600000.SH,20240102,None\n000001.SZ,20240102,20240301\n",
        "股票代码,纳入日期,剔除日期\n'600000,20240102.0,\n'000001,20240102.0,20240301.0\n",
        "code;ipoDate;outDate\n600000.0;02.01.2024;NaN\n1.0;02.01.2024;01.03.2024\n",
        "SH600000\t2024-01-02\t2099-12-31\nSZ000001\t2024-01-02\t2024-03-01\n",
    ],
)
def test_lists_have_the_names_codes_and_dates_of_bars(tmp_path: Path, text: str) -> None:
    spans = [("SH600000", date(2024, 1, 2), OPEN_END), ("SZ000001", date(2024, 1, 2), date(2024, 3, 1))]
    assert read_intervals(write(tmp_path, text), "XSHG").select("symbol", "start", "end").rows() == spans


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


def test_listings_tell_the_dates_and_the_names_without_bars(root: Path) -> None:
    text = "symbol,start,end\nSH600004,2023-12-01,\nSH600009,2010-01-04,2024-01-03\n"
    ingest_intervals(root, "listing", write(root, text))
    market = open_market(root)
    listed = dict(market.listings().select("symbol", "listed").iter_rows())
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
        ("code,from\nA,2024-01-02\n", "missing columns end; found code, from"),
        (
            "symbol,start,end\nA,2024-01-02,\n,2024-01-02,\n",
            "line 3: column symbol: expected a symbol, found an empty cell",
        ),
        ("symbol,start,end\nA,,\n", "line 2: column start: expected a date like 2024-06-18, found an empty cell"),
        ("symbol,start,end\nA,2024-01-02,x\n", "column end: expected a date like 2024-06-18, or an empty cell, found"),
        ("symbol,start,end\nA,2024-01-02,2024-01-01\n", "expected an end on or after the start, found '2024-01-01'"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_intervals(write(tmp_path, text), "")
    assert str(caught.value).startswith(f"{tmp_path}/list.csv: ")
    assert message in str(caught.value)


def test_an_industry_without_a_name_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"missing columns value; found symbol, start, end"):
        ingest_intervals(root, "industry", write(root, "symbol,start,end\nA,2024-01-02,\n"))
    with pytest.raises(DataError, match=r"line 2: column value: expected a value, found an empty cell"):
        ingest_intervals(root, "industry", write(root, "symbol,start,end,value\nA,2024-01-02,,\n"))


def test_the_kind_of_a_fund_is_one_that_has_rules(root: Path) -> None:
    header = "symbol,start,end,value\n"
    with pytest.raises(DataError, match=r"line 3: column value: expected one of ordinary, 20pct, .* found 'stocks'"):
        ingest_intervals(root, "fund", write(root, f"{header}SH513100,2024-01-02,,gold\nSH510300,2024-01-02,,stocks\n"))
    ingest_intervals(root, "fund", write(root, f"{header}SH513100,2024-01-02,,Cross-Border\n"))
    ingest_intervals(root, "delisting", write(root, "symbol,start,end\nSH600000,2024-01-02,2024-01-22\n"))
    assert open_market(root).intervals("fund")["value"].to_list() == ["cross-border"]
    assert open_market(root).intervals("delisting")["symbol"].to_list() == ["SH600000"]


def test_names_and_kinds_that_cannot_be_are_refused(root: Path) -> None:
    path = write(root, "symbol,start,end\nA,2024-01-02,\n")
    for name in ("all", "ALL", "a b", "../x", ""):
        with pytest.raises(ConfigError, match=r"universe name: (expected letters, digits|'all' is every stock)"):
            ingest_universe(root, name, path)
    with pytest.raises(ConfigError, match=r"intervals: expected st, .*industry, delisting, fund, found 'colour'"):
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


def test_a_table_in_memory_gives_the_intervals_of_a_file(root: Path) -> None:
    file = write(root, "symbol,start,end\n600000.SH,2024-01-02,\n")
    table = pl.DataFrame({"symbol": ["SH600000"], "start": [date(2024, 1, 2)], "end": [None]})
    assert read_intervals(table, "").equals(read_intervals(file, ""))
    with pytest.raises(DataError, match="table: missing columns start, end; found symbol"):
        ingest_universe(root, "mine", table.select("symbol"))
    with pytest.raises(DataError, match="table: expected intervals, found an empty table"):
        ingest_universe(root, "mine", table.clear())
