from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from made import ROOT, store_unchecked

from kronos_quant.errors import DataError
from kronos_quant.files import to_json
from kronos_quant.market import BarBatch, open_market, read_history, symbol_history
from kronos_quant.market.history import VALUES
from kronos_quant.market.snapshots import HISTORY_FILE

BatchMaker = Callable[..., BarBatch]
DAYS = {1: 10.0, 2: 11.0, 3: 12.0, 4: 11.5}


SOURCE = Path("/data/bars.csv")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, make_batch: BatchMaker) -> Path:
    """Four ingests: a close restated twice, then a bar that vanishes."""
    root = tmp_path_factory.mktemp("stored")
    for closes in (DAYS, {**DAYS, 2: 11.25}, {**DAYS, 2: 11.5}, {1: 10.0, 2: 11.5, 4: 11.5}):
        store_unchecked(root, replace(make_batch({"SH600000": closes, "SZ000001": DAYS}), path=SOURCE))
    return root


@pytest.fixture
def root(tmp_path: Path, stored: Path) -> Path:
    """A copy of `stored`."""
    return Path(shutil.copytree(stored, tmp_path / "root"))


def test_each_old_value_stands_beside_the_one_that_replaced_it(root: Path) -> None:
    told = read_history(open_market(root))
    assert told.select("symbol", "date", "change", "old_close", "new_close", "ingest").rows() == [
        ("SH600000", date(2024, 1, 3), "restated", 11.0, 11.25, 2),
        ("SH600000", date(2024, 1, 3), "restated", 11.25, 11.5, 3),
        ("SH600000", date(2024, 1, 4), "vanished", None, None, 4),
    ]
    assert set(told["source"]) == {"test"}
    assert set(told["path"]) == {str(SOURCE)}
    assert told.columns == [
        *("symbol", "date", "time", "change"),
        *(f"old_{name}" for name in VALUES),
        *(f"new_{name}" for name in VALUES),
        *("ingest", "recorded", "source", "path"),
    ]


def test_symbols_and_the_day_of_recording_narrow_it_down(root: Path) -> None:
    market = open_market(root)
    assert read_history(market, ["SZ000001"]).is_empty()
    today = datetime.now(UTC).date()
    assert len(read_history(market, since=today - timedelta(days=1))) == 3
    assert read_history(market, since=today + timedelta(days=1)).is_empty()


def test_an_older_snapshot_tells_what_was_known_then(root: Path, make_batch: BatchMaker) -> None:
    before = open_market(root)
    store_unchecked(root, make_batch({"SH600000": {1: 9.0}}))
    assert len(read_history(before)) == 3
    assert read_history(open_market(root))["new_close"].to_list()[0] == 9.0


def test_the_history_of_one_symbol_is_told_in_lines(root: Path) -> None:
    lines = symbol_history(open_market(root), "600000.SH").lines()
    assert lines[0] == "SH600000 (day): 2 restated, 0 moved, 1 vanished, 0 returned"
    assert lines[1].startswith(
        "2024-01-03  restated: open 11 -> 11.25, high 12 -> 12.25, low 10 -> 10.25, close 11 -> 11.25  [ingest 2, 20"
    )
    assert lines[1].endswith(f" UTC, test {SOURCE}]")
    assert lines[3].startswith("2024-01-04  vanished from the source; the stored bar is kept  [ingest 4, ")
    assert symbol_history(open_market(root), "000001").lines() == ["SZ000001 (day): no change"]
    late = symbol_history(open_market(root), "SH600000", date(2099, 1, 1))
    assert late.lines() == ["SH600000 (day): no change recorded since 2099-01-01"]
    with pytest.raises(DataError, match="unknown symbol 'AAPL'"):
        symbol_history(open_market(root), "AAPL")


def test_the_history_of_one_symbol_is_told_as_json(root: Path) -> None:
    told = json.loads(to_json(symbol_history(open_market(root), "SH600000").as_dict()))
    assert (told["symbol"], told["freq"], told["since"]) == ("SH600000", "day", None)
    first, _, last = told["changes"]
    assert (first["old"]["close"], first["new"]["close"], first["ingest"]) == (11.0, 11.25, 2)
    assert (last["change"], last["old"], last["new"]) == ("vanished", None, None)


def test_bars_that_moved_along_with_a_factor_stand_on_one_line(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": DAYS}))
    factor = pl.when(pl.col("date") >= date(2024, 1, 3)).then(1.25).otherwise(1.0)
    prices = {name: pl.col(name) * factor for name in ("open", "high", "low", "close")}
    store_unchecked(tmp_path, make_batch({"A": DAYS}, factor=factor, volume=100 / factor, **prices))
    lines = symbol_history(open_market(tmp_path), "A").lines()
    assert lines[0] == "A (day): 1 restated, 2 moved, 0 vanished, 0 returned"
    assert lines[1].startswith("2024-01-03  restated: open 11 -> 13.75, ")
    assert lines[2].startswith(
        "2024-01-04 to 2024-01-05 (2 bars)  moved with an earlier factor: factor 1 -> 1.25  [ingest 2, "
    )


def test_intraday_bars_have_a_history_of_their_own(tmp_path: Path, make_batch: BatchMaker) -> None:
    for close in (10.0, 11.0):
        store_unchecked(tmp_path, make_batch({"A": {1: 5.0}}))
        batch = make_batch({"A": {1: close}})
        bars = batch.bars.with_columns(pl.col("time").dt.offset_by("10h"))
        store_unchecked(tmp_path, replace(batch, freq="5min", bars=bars))
    assert read_history(open_market(tmp_path)).is_empty()
    lines = symbol_history(open_market(tmp_path, "5min"), "A").lines()
    assert lines[1].startswith("2024-01-02 10:00  restated: open 10 -> 11, ")


def test_reading_waits_for_no_ingest_and_an_ingest_for_no_reader(root: Path) -> None:
    holding = (
        "import sys; from pathlib import Path\n"
        "from kronos_quant.market.database import ingest_lock, open_database\n"
        "root = Path(sys.argv[1])\n"
        "with ingest_lock(root), open_database(root): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"held\n"
        assert len(read_history(open_market(root))) == 3
        writer.communicate()


def test_a_snapshot_of_an_older_version_says_that_it_has_none(root: Path, make_batch: BatchMaker) -> None:
    market = open_market(root)
    (market.snapshot.folder / HISTORY_FILE).unlink()
    with pytest.raises(DataError, match="published by an older kronos-quant, without the history") as caught:
        read_history(market)
    assert caught.value.hint == "Any ingest publishes it."
    store_unchecked(root, make_batch({"SH600000": {2: 11.5}}))  # the same bars, and the snapshot is whole again
    assert len(read_history(open_market(root))) == 3
