from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from made import store_unchecked

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import BarBatch, Market, ingest_intervals, open_market
from kronos_quant.market.snapshots import ORIGINS_FILE
from kronos_quant.schema import BARS

BatchMaker = Callable[..., BarBatch]
SPAN = {1: 10.0, 2: 11.0, 4: 12.0}  # 2024-01-02, 01-03, 01-05


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, make_batch: BatchMaker) -> Market:
    root = tmp_path_factory.mktemp("market")
    closes = {"SH600000": SPAN, "SZ000001": {2: 5.0}, "SH000001": SPAN, "SH000905": SPAN}
    top = ("csi300", "SH600000", date(2024, 1, 1), date(2024, 1, 3))
    store_unchecked(
        root, make_batch(closes, universes=[top, ("csi300", "SH600009", date(2024, 1, 1), date(2024, 1, 3))])
    )
    return open_market(root)


def test_bars_come_sorted_in_the_schemas_form(market: Market) -> None:
    bars = market.bars()
    assert bars.schema == pl.Schema(BARS)
    assert bars.equals(bars.sort("symbol", "time"))
    assert len(bars) == 10


def test_bars_are_cut_by_symbols_and_session_dates(market: Market) -> None:
    cut = market.bars(["SH600000"], start=date(2024, 1, 3), end=date(2024, 1, 5))
    assert cut["close"].to_list() == [11, 12]
    assert market.bars("600000.SH", start="2024-01-03", end="2024-01-05").equals(cut)
    assert market.bars(("sz000001", "SZ000001"))["symbol"].to_list() == ["SZ000001"]
    assert market.bars("SZ000001", start="2024-01-05").is_empty()


def test_bars_that_cannot_be_meant_are_refused(market: Market) -> None:
    with pytest.raises(DataError, match="unknown symbol 'SH60000': not among the 4 in the market") as unknown:
        market.bars(["SH600000", "SH60000"])
    assert str(unknown.value.hint).startswith("nearest: SH600000")
    with pytest.raises(ConfigError, match="start: expected a date such as 2025-06-05, found 'May'"):
        market.bars("SH600000", start="May")
    with pytest.raises(ConfigError, match="start 2024-01-05 is after end 2024-01-03"):
        market.bars("SH600000", start="2024-01-05", end="2024-01-03")
    with pytest.raises(ConfigError, match="symbols: expected a symbol or a list of symbols, found an empty list"):
        market.bars([])
    with pytest.raises(ConfigError, match="date: expected a date such as 2025-06-05, found 20240103"):
        market.members("csi300", 20240103)  # type: ignore[arg-type]


def test_a_selection_may_name_symbols_without_bars(market: Market) -> None:
    assert market.select_bars(["SZ000001", "NOBODY"])["symbol"].to_list() == ["SZ000001"]
    assert market.select_bars([]).is_empty()


def test_a_symbol_that_is_only_listed_has_no_bars(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"SH600000": SPAN}))
    listing = pl.DataFrame({"symbol": ["SH600009"], "start": ["2020-01-01"], "end": [None]})
    ingest_intervals(tmp_path, "listing", listing)
    market = open_market(tmp_path)
    assert "SH600009" in market.members("all", "2024-01-03")
    with pytest.raises(DataError, match="no day bars of SH600009"):
        market.bars(["SH600000", "SH600009"])


def test_a_market_shows_itself_shortly(market: Market) -> None:
    assert repr(market).splitlines()[0] == "Market: 10 day bars of 4 symbols, 2024-01-02 to 2024-01-05"
    assert "<caption>Market: " in market._repr_html_()


def test_sessions_and_the_newest_bar(market: Market) -> None:
    assert market.sessions() == [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 5)]
    assert market.last_time() == datetime(2024, 1, 5)


def test_when_bars_end_is_told_once_for_all_symbols(market: Market, tmp_path: Path, make_batch: BatchMaker) -> None:
    midnights = [datetime(2024, 1, 2), datetime(2024, 1, 3), datetime(2024, 1, 5)]
    assert market.times().rows() == [(at.date(), at) for at in midnights]
    batch = make_batch({"A": {1: 10.0, 2: 11.0}, "B": {2: 5.0}})
    bars = pl.concat([batch.bars.with_columns(pl.col("time").dt.offset_by(at)) for at in ("10h", "11h")])
    store_unchecked(tmp_path / "within", replace(batch, freq="60min", bars=bars))
    ends = [datetime(2024, 1, day, hour) for day in (2, 3) for hour in (10, 11)]
    assert open_market(tmp_path / "within").times().rows() == [(at.date(), at) for at in ends]


def test_members_include_those_without_bars(market: Market) -> None:
    assert market.universe_names() == ["all", "csi300", "indices"]
    assert market.members("csi300", date(2024, 1, 3)) == ["SH600000", "SH600009"]
    assert market.members("csi300", date(2024, 1, 4)) == []
    assert market.members("all", date(2024, 1, 2)) == ["SH600000"]
    assert market.members("all", date(2024, 1, 3)) == ["SH600000", "SZ000001"]
    assert market.universe("csi300")["symbol"].to_list() == ["SH600000", "SH600009"]


def test_an_unknown_universe_names_the_known(market: Market) -> None:
    with pytest.raises(DataError, match=r"^unknown universe 'csi301'; available: all, csi300, indices$"):
        market.members("csi301", date(2024, 1, 3))


@pytest.mark.parametrize("text", ["SH600000", "sh600000", "600000.SH", "600000", " 600000.XSHG "])
def test_a_symbol_is_found_by_any_spelling(market: Market, text: str) -> None:
    assert market.resolve(text) == "SH600000"


def test_digits_that_two_symbols_share_are_ambiguous(market: Market) -> None:
    with pytest.raises(DataError, match="symbol '000001' is ambiguous: SH000001, SZ000001"):
        market.resolve("000001")
    assert market.resolve("000905") == "SH000905"  # the index is the only one


def test_an_unknown_symbol_comes_with_the_nearest(market: Market) -> None:
    with pytest.raises(DataError, match="unknown symbol 'SH60000': not among the 4 in the market") as caught:
        market.resolve("SH60000")
    assert str(caught.value.hint).startswith("nearest: SH600000")
    with pytest.raises(DataError, match="unknown symbol 'XYZ'"):
        market.resolve("XYZ")


def test_a_date_is_given_back_when_it_is_a_session(market: Market) -> None:
    assert market.check_session(date(2024, 1, 3)) == date(2024, 1, 3)


@pytest.mark.parametrize(
    ("on", "message"),
    [
        (date(2024, 1, 4), "2024-01-04 is not a session: the nearest are 2024-01-03 and 2024-01-05"),
        (date(2024, 1, 8), "2024-01-08 is after the data, which end on 2024-01-05"),
        (date(2023, 12, 29), "2023-12-29 is before the data, which begin on 2024-01-02"),
    ],
)
def test_any_other_date_is_refused_with_the_nearest_sessions(market: Market, on: date, message: str) -> None:
    with pytest.raises(DataError) as caught:
        market.check_session(on)
    assert str(caught.value) == message


def test_the_next_bars_follow_the_exchange_calendar(market: Market) -> None:
    assert market.exchange == "XSHG"
    future = market.next_times(datetime(2024, 1, 5), 2)
    assert (future.times, future.estimated) == ([datetime(2024, 1, 8), datetime(2024, 1, 9)], [False, False])


def test_without_an_exchange_the_datas_own_times_of_day_go_on(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = make_batch({"A": {1: 10.0, 2: 11.0}})
    bars = pl.concat([batch.bars.with_columns(pl.col("time").dt.offset_by(at)) for at in ("10h", "11h")])
    store_unchecked(tmp_path, replace(batch, freq="60min", bars=bars))
    future = open_market(tmp_path).next_times(datetime(2024, 1, 3, 10), 3)
    assert future.times == [datetime(2024, 1, 3, 11), datetime(2024, 1, 4, 10), datetime(2024, 1, 4, 11)]
    assert future.estimated == [True, True, True]


def test_the_benchmark_is_the_best_known_index_by_default(market: Market) -> None:
    assert market.benchmark("auto") == "SH000905"
    assert market.benchmark("none") is None
    assert market.benchmark("600000.SH") == "SH600000"
    with pytest.raises(DataError, match="unknown symbol 'SH999999'"):
        market.benchmark("SH999999")


def test_a_sole_index_is_the_benchmark_and_several_unknown_ones_are_listed(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    store_unchecked(tmp_path, make_batch({"A": SPAN}))
    assert open_market(tmp_path).benchmark() is None
    store_unchecked(tmp_path, make_batch({"EW_INDEX": SPAN}))
    assert open_market(tmp_path).benchmark() == "EW_INDEX"
    store_unchecked(tmp_path, make_batch({"^GSPC": SPAN}))
    with pytest.raises(DataError, match=r"benchmark auto: 2 indices, none of them SH000300.*: EW_INDEX, \^GSPC"):
        open_market(tmp_path).benchmark()


def test_a_workspace_without_bars_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no bars have been ingested") as caught:
        open_market(tmp_path)
    assert caught.value.hint == "kq ingest qlib"


def test_a_frequency_that_is_not_there_names_those_that_are(market: Market) -> None:
    with pytest.raises(DataError, match=r"no 5min bars \(stored: day\)"):
        open_market(market.snapshot.folder.parents[2], "5min")


def test_an_unchanged_market_reads_the_same_objects_again(market: Market) -> None:
    assert market.instruments() is market.instruments()


def test_a_market_tells_where_its_bars_were_read_from_the_last_first(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = replace(make_batch({"SH600000": SPAN}), source="qlib")
    for name in ("old", "new", "old"):
        store_unchecked(tmp_path, replace(batch, path=tmp_path / name))
    store_unchecked(tmp_path, replace(batch, source="csv", path=tmp_path / "more.csv"))
    store_unchecked(tmp_path, batch)
    market = open_market(tmp_path)
    # the same bars each time: one snapshot, whose origins are nonetheless the newest
    assert len(list((tmp_path / "db" / "snapshots").glob("[0-9a-f]*"))) == 1
    assert market.origins("qlib") == [tmp_path / "old", tmp_path / "new"]
    assert market.origins("csv") == [tmp_path / "more.csv"]
    assert market.origins("synthetic") == []


def test_a_snapshot_of_an_older_version_tells_nothing(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, replace(make_batch({"SH600000": SPAN}), path=tmp_path / "bars"))
    market = open_market(tmp_path)
    (market.snapshot.folder / ORIGINS_FILE).unlink()
    assert market.origins("test") == []
