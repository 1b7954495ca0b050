"""A source read again with other options: the store is then what a new one is that was only read so."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from kronos_quant.errors import DataError
from kronos_quant.market import (
    IngestReport,
    ingest_csv,
    ingest_qlib,
    ingest_table,
    ingest_universe,
    open_market,
    read_history,
    symbol_history,
)
from kronos_quant.market.quality.checks import read_contradicted, read_rejected

TIMES = ("09:35", "09:40", "09:45", "09:50")
HEADER = "timestamps,open,high,low,close,volume,amount"
QlibDir = Any
SLOW = pytest.mark.slow


def minutes(base: float = 10.0, days: tuple[int, ...] = (2, 3, 4), symbol: str = "") -> str:
    """Bars of 5 minutes from 9:35 on, each with other prices; amounts of volume x close."""
    rows = []
    named = f"{symbol}," if symbol else ""
    for day in days:
        for step, clock in enumerate(TIMES):
            close, volume = base + day * 0.1 + step * 0.03, 1200 + step
            prices = f"{close:.2f},{close + 0.02:.2f},{close - 0.02:.2f},{close:.2f}"
            rows.append(f"{named}2024-01-{day:02} {clock},{prices},{volume},{volume * close:.2f}")
    return "\n".join([f"symbol,{HEADER}" if symbol else HEADER, *rows]) + "\n"


def daily(dates: tuple[str, ...] = ("02/03/2024", "03/03/2024", "03/02/2024", "04/03/2024")) -> str:
    """Daily bars, of other days where the month goes first."""
    closes = [10.0 + i for i in range(len(dates))]
    rows = [f"{day},{c},{c + 1},{c - 1},{c},1000,{1000 * c}" for day, c in zip(dates, closes, strict=True)]
    return "\n".join([HEADER, *rows]) + "\n"


def state(root: Path) -> tuple[object, ...]:
    """What readers can see: the digest covers bars, sessions, instruments, universes, facts and the exchange."""
    snapshot = open_market(root).snapshot
    rejected = {freq: read_rejected(snapshot.folder, freq).drop("ingest", "finished").rows() for freq in snapshot.freqs}
    contradicted = {freq: read_contradicted(snapshot.folder, freq).rows() for freq in snapshot.freqs}
    return snapshot.digest, rejected, contradicted


def changes(root: Path, symbol: str | None = None) -> list[tuple[str, int]]:
    told = read_history(open_market(root), symbol) if symbol else read_history(open_market(root))
    return sorted(told.group_by("change").len().rows())


def again(report: IngestReport) -> list[str]:
    return [line for line in report.lines() if "read before" in line]


@pytest.mark.parametrize(
    ("text", "name", "first", "second"),
    [
        (minutes(), "SH600000.csv", {}, {"labels": "start"}),
        (minutes(), "SH600000.csv", {}, {"symbol": "SZ000001"}),
        pytest.param(
            minutes(),
            "data.csv",
            {"symbol": "AAPL", "exchange": "XNYS"},
            {"symbol": "SH600000"},
            marks=pytest.mark.slow,
        ),
        pytest.param(minutes(base=300), "00700.csv", {}, {"exchange": "XHKG"}, marks=SLOW),
        (minutes(), "AAPL.csv", {"exchange": "24/7"}, {}),
        pytest.param(minutes(), "SH600000.csv", {}, {"amount": "zero"}, marks=SLOW),
        (minutes(), "SH600000.csv", {}, {"volume_unit": "lots"}),
        pytest.param(
            minutes(), "SH600000.csv", {"amount_unit": "thousand", "volume_unit": "shares"}, {}, marks=pytest.mark.slow
        ),
        (daily(), "SH600000.csv", {"day_first": False}, {"day_first": True}),
        pytest.param(daily(), "AAPL.csv", {"day_first": True}, {"day_first": False}, marks=SLOW),
        pytest.param(
            minutes(),
            "SH600000.csv",
            {"dialect": "generic"},
            {"dialect": "eastmoney", "labels": "start"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_file_read_with_another_option_is_as_if_it_had_only_been_read_so(
    tmp_path: Path, text: str, name: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    source = tmp_path / name
    source.write_text(text)
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    ingest_csv(old, source, **first)
    before = state(old)
    report = ingest_csv(old, source, **second)
    ingest_csv(fresh, source, **second)
    assert state(old) == state(fresh)
    assert state(old) != before
    assert len(again(report)) == 1
    assert not report.vanished


def test_the_report_names_the_old_option_and_counts_and_the_history_has_the_old_values(tmp_path: Path) -> None:
    source = tmp_path / "SH600000.csv"
    source.write_text(minutes())
    ingest_csv(tmp_path, source)
    report = ingest_csv(tmp_path, source, labels="start")
    # of four bars a session three stamps are shared, with other values, and the first is a ghost
    assert again(report) == [
        "read before with labels end: 12 bars of that reading replaced, 3 of them removed; "
        "old values: kq history SYMBOL"
    ]
    assert (report.added, report.changed, report.unchanged, report.restated) == (3, 9, 0, {"SH600000": 9})
    assert changes(tmp_path) == [("replaced", 3), ("restated", 9)]
    told = read_history(open_market(tmp_path)).filter(change="replaced")
    assert told["time"].dt.time().unique().to_list() == [time(9, 35)]
    assert told["old_close"].to_list() == pytest.approx([10.2, 10.3, 10.4])
    assert told["new_close"].to_list() == [None] * 3
    lines = symbol_history(open_market(tmp_path), "SH600000").lines()
    assert any("replaced: another reading of the source has no such bar; close was 10.2" in line for line in lines)


def test_a_change_that_moves_no_bar_is_said_too(tmp_path: Path) -> None:
    source = tmp_path / "AAPL.csv"
    source.write_text(minutes())
    ingest_csv(tmp_path, source, exchange="24/7")
    assert again(ingest_csv(tmp_path, source)) == ["read before with exchange 24/7; no bar differs"]
    assert open_market(tmp_path).exchange == ""


def test_equal_options_spelled_out_are_the_same_reading_and_vanished_bars_stay(tmp_path: Path) -> None:
    source = tmp_path / "SH600000.csv"
    source.write_text(minutes())
    ingest_csv(tmp_path, source)
    source.write_text("".join(line for line in minutes().splitlines(keepends=True) if "03 09:40" not in line))
    report = ingest_csv(tmp_path, source, labels="end", exchange="XSHG", symbol="SH600000", volume_unit="shares")
    assert again(report) == []
    assert report.vanished == {"SH600000": 1}
    assert len(open_market(tmp_path).bars()) == 12
    # read in another way, nothing of the former reading is left, its vanished bar included
    report = ingest_csv(tmp_path, source, labels="start")
    assert len(open_market(tmp_path).bars()) == 11
    assert (report.replaced.gone, report.vanished) == (4, {})


def test_factors_that_are_given_later_replace_raw_prices(tmp_path: Path) -> None:
    source, factors = tmp_path / "bars" / "SH600000.csv", tmp_path / "other" / "f.csv"
    for path in (source, factors):
        path.parent.mkdir()
    source.write_text(daily(("2024-01-02", "2024-01-03", "2024-01-04")))
    factors.write_text("symbol,date,hfq_factor\nSH600000,2024-01-02,2.0\nSH600000,2024-01-04,4.0\n")
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    ingest_csv(old, source)
    report = ingest_csv(old, source, factors=factors)
    ingest_csv(fresh, source, factors=factors)
    assert state(old) == state(fresh)
    assert open_market(old).bars()["factor"].to_list() == [2, 2, 4]
    assert again(report)[0].startswith("read before with no factors: 3 bars of that reading replaced;")


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=SLOW)])
def test_files_of_a_folder_are_readings_of_their_own(tmp_path: Path, alone: bool) -> None:
    folder = tmp_path / "bars"
    folder.mkdir()
    for name, base in (("SH600000", 10.0), ("SH600004", 20.0), ("SZ000001", 30.0)):
        (folder / f"{name}.csv").write_text(minutes(base))
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    ingest_csv(old, folder)
    report = ingest_csv(old, folder / "SH600004.csv" if alone else folder, labels="start")
    if alone:
        for name, labels in (("SH600000", "end"), ("SZ000001", "end"), ("SH600004", "start")):
            ingest_csv(fresh, folder / f"{name}.csv", labels=labels)
    else:
        ingest_csv(fresh, folder, labels="start")
    assert state(old) == state(fresh)
    words = "read before with" if alone else "3 files read before with"
    assert again(report)[0].startswith(f"{words} labels end: {12 if alone else 36} bars of that reading replaced")


@pytest.mark.slow
def test_several_files_of_one_symbol_go_one_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    folder.mkdir()
    for name, days in (("a", (2, 5)), ("b", (3,)), ("c", (4,))):
        (folder / f"{name}.csv").write_text(minutes(days=days, symbol="SH600000"))
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    # bars arrive between and around those that are stored
    for place in (folder / "c.csv", folder / "a.csv", folder):
        ingest_csv(old, place)
    ingest_csv(old, folder / "a.csv", labels="start")
    for name, labels in (("a", "start"), ("b", "end"), ("c", "end")):
        ingest_csv(fresh, folder / f"{name}.csv", labels=labels)
    assert state(old) == state(fresh)


@pytest.mark.parametrize("ending", ["parquet", pytest.param("arrow", marks=SLOW)])
def test_tables_in_files_are_replaced_and_those_in_memory_stay(tmp_path: Path, ending: str) -> None:
    frame = pl.read_csv(minutes().encode(), try_parse_dates=False)
    source = tmp_path / f"SH600000.{ending}"
    frame.write_parquet(source) if ending == "parquet" else frame.write_ipc(source)
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    ingest_table(old, source)
    assert len(again(ingest_table(old, source, labels="start"))) == 1
    ingest_table(fresh, source, labels="start")
    assert state(old) == state(fresh)
    memory = tmp_path / "memory"
    ingest_table(memory, frame, symbol="SH600000")
    assert again(ingest_table(memory, frame, symbol="SH600000", labels="start")) == []
    assert len(open_market(memory).bars()) == 15


def test_a_qlib_directory_read_with_other_units_is_replaced_with_its_lists(tmp_path: Path, qlib_dir: QlibDir) -> None:
    closes = [10.0, 11.0, 12.0, 11.5, 11.0]
    qlib_dir.stock("sh600000", closes, amount=[100 * close for close in closes])
    qlib_dir.stock("sh600004", closes[1:], start=1, amount=[100 * close for close in closes[1:]])
    qlib_dir.text("instruments/all.txt", "SH600000\t2024-01-02\t2024-01-08\nSH600004\t2024-01-03\t2024-01-08\n")
    qlib_dir.text("instruments/csi300.txt", "SH600000\t2024-01-02\t2024-01-08\n")
    qlib_dir.text("calendars/day_future.txt", "2024-01-08\n2024-01-09\n2024-01-10\n")
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    ingest_qlib(old, qlib_dir.path)
    (qlib_dir.path / "instruments" / "csi300.txt").rename(qlib_dir.path / "instruments" / "mine.txt")
    assert again(ingest_qlib(old, qlib_dir.path)) == []
    assert set(open_market(old).universe_names()) == {"all", "csi300", "mine"}
    report = ingest_qlib(old, qlib_dir.path, volume_unit="lots", amount_unit="thousand")
    ingest_qlib(fresh, qlib_dir.path, volume_unit="lots", amount_unit="thousand")
    assert state(old) == state(fresh)
    ingest_qlib(old, qlib_dir.path, volume_unit="lots", amount_unit="thousand", exchange="24/7")
    with duckdb.connect(old / "db" / "market.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT DISTINCT exchange FROM calendar_sessions").fetchall() == [("24/7",)]
    assert "read before with volume-unit shares, amount-unit units: 9 bars of that reading replaced" in again(report)[0]


@pytest.mark.slow
def test_bars_and_lists_of_another_source_stay(tmp_path: Path) -> None:
    mine, other, members = tmp_path / "mine.csv", tmp_path / "other.csv", tmp_path / "members.csv"
    mine.write_text(minutes(days=(2, 3)))
    other.write_text(minutes(days=(3, 4)))
    members.write_text("symbol,start,end\nSH600000,2024-01-02,\n")
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    for root, labels in ((old, "end"), (fresh, "start")):
        ingest_csv(root, other, symbol="SH600000")
        ingest_universe(root, "mine", members)
        ingest_csv(root, mine, symbol="SH600000", labels=labels)
    report = ingest_csv(old, mine, symbol="SH600000", labels="start")
    assert state(old) == state(fresh)
    # of the 2nd the four bars that only it brought; those of the 3rd are the other file's too
    assert report.replaced.gone == 1
    times = open_market(old).bars(start="2024-01-03", end="2024-01-03")["time"].dt.time().to_list()
    assert times == [time(9, minute) for minute in (35, 40, 45, 50, 55)]


def test_a_file_name_that_is_used_for_another_symbol_keeps_the_first(tmp_path: Path) -> None:
    source = tmp_path / "download.csv"
    source.write_text(minutes(10))
    ingest_csv(tmp_path, source, symbol="AAPL")
    source.write_text(minutes(70))
    report = ingest_csv(tmp_path, source, symbol="MSFT")
    assert open_market(tmp_path).bars()["symbol"].unique().sort().to_list() == ["AAPL", "MSFT"]
    assert report.notes[-1] == (
        f"{source}: read before as AAPL, with other prices: 12 bars of it kept (kq drop symbol AAPL removes them)"
    )


def test_a_source_with_far_fewer_rows_does_not_replace_its_earlier_reading(tmp_path: Path) -> None:
    source = tmp_path / "SH600000.csv"
    source.write_text(minutes())
    ingest_csv(tmp_path, source)
    before = state(tmp_path)
    source.write_text(minutes(days=(5,)))
    with pytest.raises(DataError, match="read before with labels end, 12 bars; now it has 4 rows") as caught:
        ingest_csv(tmp_path, source, labels="start")
    assert caught.value.hint == f"kq drop source {source}"
    assert state(tmp_path) == before


def test_a_bar_refused_in_the_earlier_reading_is_forgotten_with_its_session(tmp_path: Path) -> None:
    source = tmp_path / "AAPL.csv"
    source.write_text(f"{daily()}05/03/2024,10,9,11,10,1000,10000\n")  # high below low
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    ingest_csv(old, source, day_first=False)
    source.write_text(daily())
    ingest_csv(old, source, day_first=True)
    ingest_csv(fresh, source, day_first=True)
    assert state(old) == state(fresh)
    assert open_market(old).sessions() == [date(2024, 2, 3), *(date(2024, 3, day) for day in (2, 3, 4))]


def test_a_workspace_that_was_moved_knows_the_files_in_it(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    (before / "SH600000.csv").write_text(minutes(days=(2,)))
    ingest_csv(before, before / "SH600000.csv")
    before.rename(after)
    assert len(again(ingest_csv(after, after / "SH600000.csv", labels="start"))) == 1
    assert len(open_market(after).bars()) == 4
