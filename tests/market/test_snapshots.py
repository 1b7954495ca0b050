from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest
from made import store_unchecked

from kronos_quant.errors import DataError
from kronos_quant.market import BarBatch, open_market, snapshots
from kronos_quant.market.snapshots import current_snapshot, read_snapshot, shared_exchange
from kronos_quant.schema import BARS, INSTRUMENTS, UNIVERSES

BatchMaker = Callable[..., BarBatch]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "db" / "snapshots"


def test_a_snapshot_holds_everything_in_the_schemas_forms(tmp_path: Path, folder: Path, make_batch: BatchMaker) -> None:
    report = store_unchecked(tmp_path, make_batch({"B": {1: 20}, "A": {2: 11, 1: 10}}, exchange="XNYS"))
    snapshot = current_snapshot(tmp_path)
    assert snapshot is not None
    assert snapshot.digest == report.snapshot
    assert (folder / "CURRENT").read_text() == f"{snapshot.folder.name}\n"
    assert snapshot.folder.name == snapshot.digest[:16]
    assert {path.name for path in snapshot.folder.iterdir()} == {
        "bars.day.parquet",
        "sessions.day.parquet",
        "calendar.day.parquet",
        "instruments.parquet",
        "universes.parquet",
        "intervals.parquet",
        "unadjusted_volumes.parquet",
        "rejected_bars.parquet",
        "contradicted_bars.parquet",
        "warned_bars.parquet",
        "history.parquet",
        "origins.parquet",
        "meta.json",
    }
    bars = pl.read_parquet(snapshot.folder / "bars.day.parquet")
    assert bars.schema == pl.Schema(BARS | {"suspended": pl.Boolean()})
    assert bars.equals(bars.sort("symbol", "time"))
    assert pl.read_parquet(snapshot.folder / "instruments.parquet").schema == pl.Schema(INSTRUMENTS)
    assert pl.read_parquet(snapshot.folder / "universes.parquet").schema == pl.Schema(UNIVERSES)
    span = snapshot.freqs["day"]
    assert (span.bars, span.symbols, span.sessions, span.first, span.last) == (
        3,
        2,
        2,
        date(2024, 1, 2),
        date(2024, 1, 3),
    )
    assert span.exchange == "XNYS"
    assert snapshot.created.utcoffset() is not None


def test_without_an_ingest_there_is_no_snapshot(tmp_path: Path) -> None:
    assert current_snapshot(tmp_path) is None


def test_older_snapshots_stay(tmp_path: Path, folder: Path, make_batch: BatchMaker) -> None:
    first = store_unchecked(tmp_path, make_batch({"A": {1: 10}}))
    store_unchecked(tmp_path, make_batch({"A": {2: 11}}))
    assert read_snapshot(folder / first.snapshot[:16]).freqs["day"].bars == 1
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2


def test_a_crash_while_writing_leaves_the_old_snapshot_and_no_rubbish_after_the_next(
    tmp_path: Path, folder: Path, make_batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store_unchecked(tmp_path, make_batch({"A": {1: 10}}))

    def crash(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(snapshots, "write_text", crash)
    with pytest.raises(SystemExit):
        store_unchecked(tmp_path, make_batch({"A": {2: 11}}))
    monkeypatch.undo()
    assert open_market(tmp_path).snapshot.digest == first.snapshot
    (folder / ".staged-0").mkdir()
    (folder / ".partial-0-CURRENT").write_text("of a killed process")
    store_unchecked(tmp_path, make_batch({"A": {2: 11}}))
    assert len(open_market(tmp_path).bars()) == 2
    assert not list(folder.glob(".*"))


def test_a_damaged_snapshot_is_told_and_the_next_ingest_mends_it(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": {1: 10}}))
    meta = open_market(tmp_path).snapshot.folder / "meta.json"
    meta.write_text("{")
    with pytest.raises(DataError, match=r"meta\.json: not readable as JSON") as caught:
        open_market(tmp_path)
    assert caught.value.hint == "kq doctor --repair"
    store_unchecked(tmp_path, make_batch({"A": {1: 10}}))
    assert len(open_market(tmp_path).bars()) == 1


def test_a_snapshot_of_a_newer_format_is_refused(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch({"A": {1: 10}}))
    meta = open_market(tmp_path).snapshot.folder / "meta.json"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"format": 9}))
    with pytest.raises(DataError, match=r"written by a newer kronos-quant \(format 9; this one knows 1\)"):
        open_market(tmp_path)


def test_a_pointer_to_nowhere_is_told(tmp_path: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "CURRENT").write_text("0123456789abcdef\n")
    with pytest.raises(DataError, match=r"0123456789abcdef/meta\.json: no such file"):
        current_snapshot(tmp_path)


def test_the_digest_of_the_bars_does_not_depend_on_where_the_bars_are_cut(
    tmp_path: Path, make_batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_batch({symbol: dict.fromkeys(range(1, 300), 10.0) for symbol in "ABCDEFGHIJKLMNOP"})
    whole = store_unchecked(tmp_path / "x", batch)
    monkeypatch.setattr(snapshots, "_ROWS_A_RANGE", 700)
    assert store_unchecked(tmp_path / "y", batch).snapshot == whole.snapshot


def test_symbols_count_in_the_digest_not_only_values(tmp_path: Path, make_batch: BatchMaker) -> None:
    one = store_unchecked(tmp_path / "x", make_batch({"A": {1: 10, 2: 10}, "B": {3: 10}}))
    other = store_unchecked(tmp_path / "y", make_batch({"A": {1: 10}, "B": {2: 10, 3: 10}}))
    assert one.snapshot != other.snapshot


def test_stocks_agree_on_an_exchange_or_there_is_none() -> None:
    assert shared_exchange(["SH600000", "SZ000001", "BJ430047"]) == "XSHG"
    assert shared_exchange(["HK00700"]) == "XHKG"
    assert shared_exchange(["SH600000", "HK00700"]) == ""
    assert shared_exchange([]) == ""


def test_the_snapshot_answers_sql_through_the_views(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = make_batch({"A": {1: 10, 3: 12}, "B": {1: 20, 2: 21, 3: 22}}, factor=pl.lit(2.0))
    store_unchecked(tmp_path, batch)
    with open_market(tmp_path).connect() as connection:
        raw = connection.execute("SELECT open, close, volume, amount FROM raw_bars WHERE symbol = 'A' ORDER BY time")
        assert raw.fetchall() == [(5, 5, 200, 1000), (6, 6, 200, 1000)]
        coverage = connection.execute("SELECT symbol, bars, suspended FROM coverage ORDER BY symbol")
        assert coverage.fetchall() == [("A", 2, 1), ("B", 3, 0)]
        with pytest.raises(duckdb.Error):
            connection.execute("DELETE FROM bars")
