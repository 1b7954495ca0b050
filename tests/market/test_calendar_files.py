"""The calendar that a snapshot holds, and the sessions that sources and users give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from made import store_unchecked

from kronos_quant.errors import DataError
from kronos_quant.market import BarBatch, calendar_files, drop_bars, ingest_calendar, ingest_qlib, open_market, reader
from kronos_quant.market.calendar_files import ESTIMATED, EXCHANGE, SOURCE, USER, merge, path_of
from kronos_quant.market.calendars import exchange_calendar
from kronos_quant.market.ingest.calendars import read_sessions
from kronos_quant.market.ingest.lists import read_intervals
from kronos_quant.market.snapshots import fault_of
from kronos_quant.market.store import store_bars
from kronos_quant.readers import read_json

BatchMaker = Callable[..., BarBatch]
SHARES = {"SH600000": {1: 10.0, 2: 11.0, 4: 12.0}}  # 2024-01-02, 01-03, 01-05
UNNAMED = {"QQA": SHARES["SH600000"]}
FRIDAY = datetime(2024, 1, 5)


def last_known() -> date:
    calendar = exchange_calendar("XSHG")
    assert calendar is not None
    return calendar.dates[-1]


def moved(batch: BarBatch, to: date) -> BarBatch:
    """The batch with its last bar on a date."""
    days = to - max(batch.sessions)
    bars = batch.bars.with_columns(pl.col("date", "time") + days)
    return replace(batch, bars=bars, sessions=[session + days for session in batch.sessions])


def test_a_snapshot_holds_the_sessions_and_no_reader_computes_them(
    tmp_path: Path, make_batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_batch(SHARES)
    store_unchecked(tmp_path, batch)
    intraday = batch.bars.with_columns(pl.col("time").dt.offset_by("10h"))
    store_unchecked(tmp_path, replace(batch, freq="30min", bars=intraday))
    for module in (reader, calendar_files):
        monkeypatch.setattr(module, "exchange_calendar", None)  # whatever version is installed later
    daily, half_hours = open_market(tmp_path, "day"), open_market(tmp_path, "30min")
    # National Day: 2024-10-01 to 10-07
    assert daily.next_times(datetime(2024, 9, 30), 1).times == [datetime(2024, 10, 8)]
    after = half_hours.next_times(datetime(2024, 9, 30, 11), 6)
    assert [f"{end:%d %H:%M}" for end in after.times] == [
        "30 11:30", "30 13:30", "30 14:00", "30 14:30", "30 15:00", "08 10:00",
    ]  # fmt: skip
    assert after.estimated == [False] * 6
    assert fault_of(daily.snapshot.folder) is None


def test_an_old_snapshot_without_a_calendar_is_read_and_gets_one_with_the_next_ingest(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    store_unchecked(tmp_path, make_batch(SHARES))
    market = open_market(tmp_path)
    path, before = path_of(market.snapshot.folder, "day"), market.next_times(FRIDAY, 300)
    content = path.read_bytes()
    path.unlink()
    assert open_market(tmp_path).next_times(FRIDAY, 300) == before
    store_unchecked(tmp_path, make_batch(SHARES))
    assert path.read_bytes() == content


def test_the_digest_holds_the_calendar_only_where_its_end_is_in_reach(tmp_path: Path, make_batch: BatchMaker) -> None:
    def parts(name: str, batch: BarBatch) -> set[str]:
        store_unchecked(tmp_path / name, batch)
        meta = read_json(open_market(tmp_path / name).snapshot.folder / "meta.json")
        return {part for part in meta["parts"] if part.startswith("calendar")}

    batch = make_batch(SHARES)
    assert parts("early", moved(batch, last_known() - timedelta(days=367))) == set()
    assert parts("late", moved(batch, last_known() - timedelta(days=30))) == {"calendar.day"}
    assert parts("unknown", make_batch(UNNAMED)) == set()
    assert not path_of(open_market(tmp_path / "unknown").snapshot.folder, "day").exists()


def test_a_damaged_calendar_is_one_of_our_errors(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch(SHARES))
    market = open_market(tmp_path)
    pl.DataFrame({"date": [1]}).write_parquet(path_of(market.snapshot.folder, "day"))
    with pytest.raises(DataError, match=r"calendar\.day\.parquet: the calendar cannot be read"):
        market.next_times(FRIDAY, 1)


def test_the_stamps_of_a_date_are_the_same_whatever_came_after_it(tmp_path: Path, make_batch: BatchMaker) -> None:
    whole = make_batch({"QQA": {day: 10.0 for day in range(1, 60) if day not in range(30, 39)}})
    cut = replace(whole, bars=whole.bars.filter(pl.col("date") <= date(2024, 1, 30)))
    cut = replace(cut, sessions=cut.bars["date"].to_list())
    for freq, clock in (("day", time()), ("30min", time(15))):
        shifted = [
            replace(each, freq=freq, bars=each.bars.with_columns(time=pl.col("date").dt.combine(clock)))
            for each in (whole, cut)
        ]
        markets = []
        for name, batch in zip("ab", shifted, strict=True):
            store_unchecked(tmp_path / freq / name, batch)
            markets.append(open_market(tmp_path / freq / name))
        for session in cut.sessions[1:]:
            first, second = (market.next_times(datetime.combine(session, clock), 9) for market in markets)
            assert first == second
            assert first.estimated == [True] * 9


def test_a_users_sessions_go_on_after_the_exchanges_and_replace_what_they_cover(
    tmp_path: Path, make_batch: BatchMaker
) -> None:
    store_unchecked(tmp_path, moved(make_batch(SHARES), last_known() - timedelta(days=1)))
    before = open_market(tmp_path)
    end = datetime.combine(last_known(), time())
    assert before.next_times(end, 1).estimated == [True]
    days = [last_known() + timedelta(days=number) for number in (40, 41, 43)]
    report = ingest_calendar(tmp_path, pl.DataFrame({"trade_date": days}))
    assert (report.exchange, report.sessions, report.replaced, report.differing) == ("XSHG", 3, 0, 0)
    after = open_market(tmp_path)
    assert after.snapshot.digest == report.snapshot != before.snapshot.digest
    found = dict(zip(*(getattr(after.next_times(end, 60), name) for name in ("times", "estimated")), strict=True))
    known = [moment.date() for moment, guessed in found.items() if not guessed]
    assert known == days
    assert days[1] + timedelta(days=1) not in [moment.date() for moment in found]
    # what the exchange says between the first and the last date no longer counts
    covered = [last_known() - timedelta(days=300), last_known() - timedelta(days=200)]
    again = ingest_calendar(tmp_path, pl.DataFrame({"date": covered}))
    assert (again.replaced, again.breaks) == (3, ((covered[0], covered[1]),))
    assert again.differing > 60
    assert "differs from exchange_calendars: " in "\n".join(again.lines())


def test_sessions_given_for_another_exchange_do_not_count(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, make_batch(SHARES))
    before = open_market(tmp_path)
    ingest_calendar(tmp_path, pl.DataFrame({"date": ["2024-01-08", "2024-02-05"]}), exchange="XNYS")
    assert open_market(tmp_path).snapshot.digest == before.snapshot.digest
    ingest_calendar(tmp_path, pl.DataFrame({"date": ["2024-01-08", "2024-02-05"]}), exchange="XSHE")
    assert open_market(tmp_path).next_times(FRIDAY, 2).times == [datetime(2024, 1, 8), datetime(2024, 2, 5)]


def test_a_qlib_directory_brings_its_future_sessions(tmp_path: Path, qlib_dir: Any, make_batch: BatchMaker) -> None:
    qlib_dir.stock("qqa", [10, 11, 12, 11, 12])
    ingest_qlib(tmp_path / "without", qlib_dir.path)
    qlib_dir.calendar(["2024-01-08", "2024-01-09", "2024-01-19", "2024-01-22"], "day_future")
    report = ingest_qlib(tmp_path / "with", qlib_dir.path)
    assert "calendar of the source: sessions until 2024-01-22" in report.notes
    last = datetime(2024, 1, 8)
    assert open_market(tmp_path / "without").next_times(last, 2).estimated == [True, True]
    found = open_market(tmp_path / "with").next_times(last, 4)
    assert [moment.day for moment in found.times] == [9, 19, 22, 23]
    assert found.estimated == [False, False, False, True]
    # read again without it, and removed: its sessions go with it
    store_unchecked(tmp_path / "with", make_batch({"QQB": {1: 10.0, 7: 11.0}}))  # keeps the session 2024-01-08
    drop_bars(tmp_path / "with", source=qlib_dir.path, delete=True)
    assert open_market(tmp_path / "with").next_times(last, 1).estimated == [True]
    ingest_qlib(tmp_path / "with", qlib_dir.path)
    assert open_market(tmp_path / "with").next_times(last, 1).estimated == [False]
    (qlib_dir.path / "calendars" / "day_future.txt").unlink()
    ingest_qlib(tmp_path / "with", qlib_dir.path)
    assert open_market(tmp_path / "with").next_times(last, 1).estimated == [True]


def test_a_source_goes_on_where_the_exchange_ends_and_days_that_nobody_covers_are_estimated() -> None:
    base = exchange_calendar("XSHG")
    assert base is not None
    end = last_known()
    source = [end - timedelta(days=3), *(end + timedelta(days=number) for number in range(30, 33))]
    found = merge(base, {SOURCE: source, USER: [end + timedelta(days=32)]}, end - timedelta(days=9), date.max)
    by_origin = {origin: [on for on in found if found[on] == origin] for origin in set(found.values())}
    assert by_origin[EXCHANGE] == base.between(end - timedelta(days=9), end)
    assert by_origin[SOURCE] == source[1:3]
    assert by_origin[USER] == source[3:]
    assert by_origin[ESTIMATED] == [on for number in range(1, 30) if (on := end + timedelta(days=number)).weekday() < 5]
    assert list(found) == sorted(found)


def test_a_calendar_that_begins_soon_after_the_known_one_continues_it(tmp_path: Path, make_batch: BatchMaker) -> None:
    store_unchecked(tmp_path, moved(make_batch(SHARES), last_known()))
    days = [last_known() + timedelta(days=number) for number in (12, 13)]
    ingest_calendar(tmp_path, pl.DataFrame({"date": days}))
    found = open_market(tmp_path).next_times(datetime.combine(last_known(), time()), 3)
    assert [moment.date() for moment in found.times[:2]] == days
    assert found.estimated == [False, False, True]


def test_an_ingest_checks_with_the_sessions_that_a_user_gave(tmp_path: Path, make_batch: BatchMaker) -> None:
    batch = make_batch(SHARES)
    saturday = moved(make_batch({"SH600000": {1: 10.0, 2: 11.0, 3: 11.5, 4: 12.0}}), date(2024, 1, 6))
    saturday = replace(saturday, bars=saturday.bars.filter(pl.col("date") > date(2024, 1, 4)))
    store_bars(tmp_path, batch)
    assert store_bars(tmp_path, saturday).rejected_by_rule == {"outside_session": 1}
    days = [date(2024, 1, day) for day in (2, 3, 4, 5, 6)]
    ingest_calendar(tmp_path, pl.DataFrame({"date": days}))
    assert store_bars(tmp_path, saturday).rejected == 0


@pytest.mark.parametrize(
    "text",
    [
        "2027-01-05\n2027-01-04\n",
        "\ufeffdate\n2027/1/4\n2027/1/5\n2027/1/5\n",
        "exchange,cal_date,is_open,pretrade_date\nSSE,20270104,1,20261231\nSSE,20270105,1,\nSSE,20270106,0,\n",
        "calendar_date,is_trading_day\n2027-01-03,0\n2027-01-04,1\n2027-01-05,1\n",
        ",trade_date\n0,2027-01-04\n1,2027-01-05\n",
    ],
)
def test_sessions_are_read_from_the_files_that_people_have(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text(text)
    assert read_sessions(path) == [date(2027, 1, 4), date(2027, 1, 5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "expected a column of dates"),
        ("date\n2027-01-04\nsoon\n", "line 3: column date: expected a date like 2027-01-04, found 'soon'"),
        ("cal_date,is_open\n20270102,0\n", "expected sessions, found no open day"),
    ],
)
def test_what_is_no_calendar_is_refused_and_nothing_stored(
    tmp_path: Path, make_batch: BatchMaker, text: str, message: str
) -> None:
    store_unchecked(tmp_path, make_batch(SHARES))
    before = open_market(tmp_path).snapshot.digest
    (tmp_path / "sessions.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        ingest_calendar(tmp_path, tmp_path / "sessions.csv")
    assert open_market(tmp_path).snapshot.digest == before


def test_a_column_with_a_long_name_leaves_the_error_short(tmp_path: Path) -> None:
    path = tmp_path / "made.csv"
    path.write_text(f"{'x' * 5000},b\n1,2\n")
    for read in (read_sessions, lambda path: read_intervals(path, "")):
        with pytest.raises(DataError) as caught:
            read(path)
        assert len(str(caught.value)) < 500
