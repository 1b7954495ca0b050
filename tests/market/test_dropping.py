"""Symbols and sources removed: what is left is what a store has that never held them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from made import store_unchecked

from kronos_quant.errors import ConfigError, DataError
from kronos_quant.market import (
    BarBatch,
    drop_bars,
    dropping,
    ingest_csv,
    ingest_intervals,
    ingest_universe,
    open_market,
)
from kronos_quant.market.history import read_history, symbol_history

BatchMaker = Callable[..., BarBatch]
A = {1: 10.0, 2: 11.0, 3: 12.0}
B = {2: 20.0, 3: 21.0, 4: 22.0}


def digest(root: Path) -> str:
    return open_market(root).snapshot.digest


def test_a_dropped_symbol_leaves_a_store_that_never_had_it_and_its_history(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    both, fresh = tmp_path / "both", tmp_path / "fresh"
    store_unchecked(both, replace(make_batch({"SH600000": A, "SH600004": B}), path=Path("/data/bars.csv")))
    store_unchecked(fresh, make_batch({"SH600004": B}))
    before = digest(both)
    shown = drop_bars(both, "600000.SH")
    assert (shown.bars, shown.symbols, shown.sessions, shown.deleted) == (3, ("SH600000",), 1, False)
    assert shown.lines() == [
        "symbol SH600000: 3 bars of 1 symbol and 1 session would be removed",
        "nothing was removed yet: add --yes",
    ]
    assert digest(both) == before
    report = drop_bars(both, ["SH600000"], delete=True)
    assert report.lines()[0] == "symbol SH600000: 3 bars of 1 symbol and 1 session removed"
    assert digest(both) == digest(fresh) == report.snapshot
    told = symbol_history(open_market(both), "sh600000")
    assert told.title == "SH600000 (day): 0 restated, 0 moved, 0 vanished, 0 returned, 3 dropped"
    assert told.rows.select("old_close", "new_close", "source").rows() == [
        (close, None, "drop") for close in A.values()
    ]
    assert "dropped by kq drop; close was 10" in told.lines()[1]
    # its source brings it back
    store_unchecked(both, replace(make_batch({"SH600000": A, "SH600004": B}), path=Path("/data/bars.csv")))
    assert digest(both) == before


def test_lists_of_a_user_keep_a_dropped_symbol_and_the_report_names_them(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    store_unchecked(tmp_path, make_batch({"SH600000": A, "SH600004": B}))
    (tmp_path / "list.csv").write_text("symbol,start,end\nSH600000,2024-01-02,\nSH600004,2024-01-02,\n")
    ingest_universe(tmp_path, "mine", tmp_path / "list.csv")
    ingest_intervals(tmp_path, "st", tmp_path / "list.csv")
    report = drop_bars(tmp_path, "SH600000", delete=True)
    assert report.lists == ("intervals st", "universe mine")
    assert open_market(tmp_path).membership("mine", date(2024, 1, 4)).without_bars == ("SH600000",)


@pytest.mark.parametrize("name", ["bars", "bars/../bars/SH600000.csv"])
def test_a_dropped_source_takes_what_only_it_brought(tmp_path: Path, make_batch: BatchMaker, name: str) -> None:
    folder = tmp_path / "bars"
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    other = replace(make_batch({"SH600000": {3: 12.0, 4: 13.0}, "SZ000001": B}), path=tmp_path / "other.csv")
    mine = replace(
        make_batch({"SH600000": A}, universes=[("mine", "SH600000", date(2024, 1, 2), date(2024, 1, 4))]),
        path=folder / "SH600000.csv",
    )
    store_unchecked(old, other)
    store_unchecked(old, mine)
    store_unchecked(fresh, other)
    report = drop_bars(old, source=tmp_path / name, delete=True)
    assert (report.bars, report.shared, report.sessions, report.universes) == (2, 1, 1, ("mine",))
    assert digest(old) == digest(fresh)
    assert open_market(old).origins("test") == [tmp_path / "other.csv"]
    with pytest.raises(DataError, match=r"unknown source .*: bars were read from 1 other place"):
        drop_bars(old, source=tmp_path / name, delete=True)


def test_one_frequency_is_dropped_alone(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = make_batch({"SH600000": A})
    store_unchecked(tmp_path, batch)
    before = digest(tmp_path)
    store_unchecked(tmp_path, replace(batch, freq="5min", path=Path("/data/5min.csv")))
    assert drop_bars(tmp_path, "SH600000", freq="5min", delete=True).bars == 3
    assert digest(tmp_path) == before
    with pytest.raises(DataError, match=r"no 5min bars \(stored: day\)"):
        drop_bars(tmp_path, "SH600000", freq="5min")


def test_a_store_without_any_bar_left_says_so_and_takes_new_ones(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = make_batch({"SH600000": A})
    before = store_unchecked(tmp_path, batch).snapshot
    drop_bars(tmp_path, "SH600000", delete=True)
    with pytest.raises(DataError, match="no bars have been ingested"):
        open_market(tmp_path)
    assert store_unchecked(tmp_path, batch).snapshot == before


def test_unknown_names_are_refused_with_the_near_ones(tmp_path: Path, make_batch: BatchMaker) -> None:
    with pytest.raises(DataError, match="no bars have been ingested"):
        drop_bars(tmp_path, "SH600000")
    store_unchecked(tmp_path, replace(make_batch({"SH600000": A}), path=Path("/data/bars.csv")))
    with pytest.raises(DataError, match="unknown symbol 'SH600001'") as caught:
        drop_bars(tmp_path, ["SH600000", "SH600001"], delete=True)
    assert caught.value.hint == "nearest: SH600000"
    with pytest.raises(DataError, match=r"unknown source /data/bar\.csv: bars were read from 1 other place") as caught:
        drop_bars(tmp_path, source="/data/bar.csv", delete=True)
    assert caught.value.hint == "nearest: /data/bars.csv"
    for arguments in ({}, {"symbols": "SH600000", "source": "/data"}):
        with pytest.raises(ConfigError, match="expected symbols or a source"):
            drop_bars(tmp_path, **arguments)


def test_a_drop_killed_before_it_is_published_is_finished_by_the_same_command(
    tmp_path: Path, make_batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise SystemExit

    for name, arguments in (("symbol", {"symbols": "SH600000"}), ("source", {"source": Path("/data/a.csv")})):
        root = tmp_path / name
        for symbol, path in (("SH600000", "/data/a.csv"), ("SH600004", "/data/b.csv")):
            store_unchecked(root, replace(make_batch({symbol: A}), path=Path(path)))
        before = digest(root)
        with monkeypatch.context() as patch:
            patch.setattr(dropping, "publish", killed)
            with pytest.raises(SystemExit):
                drop_bars(root, **arguments, delete=True)
        assert digest(root) == before
        assert drop_bars(root, **arguments, delete=True).bars == 0
        assert open_market(root).bars()["symbol"].unique().to_list() == ["SH600004"]
        assert len(read_history(open_market(root), "SH600000")) == 3


def test_a_dropped_file_can_be_read_in_another_way(tmp_path: Path) -> None:
    source = tmp_path / "AAPL.csv"
    source.write_text(
        "date,open,high,low,close,volume\n2024-01-02,1,1,1,1,9\n2024-01-03,2,2,2,2,9\n2024-01-04,3,3,3,3,9\n"
    )
    ingest_csv(tmp_path, source)
    source.write_text("date,open,high,low,close,volume\n2024-01-05,4,4,4,4,9\n")
    with pytest.raises(DataError, match="the others would be lost"):
        ingest_csv(tmp_path, source, amount="zero")
    drop_bars(tmp_path, source=source, delete=True)
    assert ingest_csv(tmp_path, source, amount="zero").bars == 1
    assert open_market(tmp_path).bars()["close"].to_list() == [4]
