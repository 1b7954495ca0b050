from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from kronos_quant.errors import DataError
from kronos_quant.market.ingest.columns import has_offsets, infer_freq, parse_stamps

START = datetime(2024, 6, 17, 9, 30)


def frame(*times: datetime, symbol: str = "A") -> pl.DataFrame:
    return pl.DataFrame({"symbol": symbol, "time": times}, schema_overrides={"time": pl.Datetime("us")})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019/11/26 9:35", datetime(2019, 11, 26, 9, 35)),
        ("2024-06-18 11:15:00", datetime(2024, 6, 18, 11, 15)),
        ("2024-06-18T11:15:30.250", datetime(2024, 6, 18, 11, 15, 30)),
        ("2024/6/8", datetime(2024, 6, 8)),
        ("2024.06.08", datetime(2024, 6, 8)),
        ("20240608", datetime(2024, 6, 8)),
        ("202406180935", datetime(2024, 6, 18, 9, 35)),
        ("20240618093507", datetime(2024, 6, 18, 9, 35, 7)),
        ("20240618093500000", datetime(2024, 6, 18, 9, 35)),
        ("1718673300", datetime(2024, 6, 18, 1, 15)),
        (" 1718673300000 ", datetime(2024, 6, 18, 1, 15)),
        ("1718673300000000", datetime(2024, 6, 18, 1, 15)),
        ("1718673300000000000", datetime(2024, 6, 18, 1, 15)),
        ("946684800", datetime(2000, 1, 1)),
        ("946684800000", datetime(2000, 1, 1)),
        ("2024", None),
        ("17186733", None),
        (" 2024-06-18 11:15 ", datetime(2024, 6, 18, 11, 15)),
        ("2024-13-18", None),
        ("2024-02-30", None),
        ("18/06/2024", None),
        ("2024-06-18 25:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_the_usual_spellings_are_read_and_others_are_null(text: str | None, expected: datetime | None) -> None:
    assert parse_stamps(pl.Series([text], dtype=pl.String), None).to_list() == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-06-18T03:15:00Z", datetime(2024, 6, 18, 11, 15)),
        ("2024-06-18 03:15:00 UTC", datetime(2024, 6, 18, 11, 15)),
        ("2024-06-18 11:15:00+08:00", datetime(2024, 6, 18, 11, 15)),
        ("2024-06-17 23:15:00-0400", datetime(2024, 6, 18, 11, 15)),
        ("2024-06-18 08:45:00+05:30", datetime(2024, 6, 18, 11, 15)),
        ("2024-06-18 11:15", datetime(2024, 6, 18, 11, 15)),
    ],
)
def test_an_offset_is_dropped_after_conversion_to_exchange_time(text: str, expected: datetime) -> None:
    assert parse_stamps(pl.Series([text]), "Asia/Shanghai").to_list() == [expected]


@pytest.mark.parametrize(
    "stamps",
    [["2024-06-18T00:00:00Z", "2024-06-19T00:00:00Z"], [1718668800, 1718755200], ["1718668800000", "1718755200000"]],
)
def test_stamps_that_all_show_midnight_are_days_and_stay_so(stamps: list[object]) -> None:
    days = [datetime(2024, 6, 18), datetime(2024, 6, 19)]
    assert parse_stamps(pl.Series(stamps), "America/New_York").to_list() == days


def test_midnight_among_other_times_is_a_moment() -> None:
    stamps = pl.Series(["2024-06-18T00:00:00Z", "2024-06-18T00:05:00Z"])
    assert parse_stamps(stamps, "Asia/Shanghai").to_list() == [datetime(2024, 6, 18, 8), datetime(2024, 6, 18, 8, 5)]


def test_typed_times_lose_their_zone_by_conversion() -> None:
    aware = pl.Series([START]).dt.replace_time_zone("UTC")
    assert parse_stamps(aware, "Asia/Shanghai").to_list() == [datetime(2024, 6, 17, 17, 30)]
    assert parse_stamps(aware, None).to_list() == [START]
    assert has_offsets(aware)
    assert not has_offsets(pl.Series([START]))
    assert parse_stamps(pl.Series([START.date()]), "Asia/Shanghai").to_list() == [datetime(2024, 6, 17)]


def test_what_is_no_time_by_its_type_is_null() -> None:
    assert parse_stamps(pl.Series([[1]]), None).to_list() == [None]
    assert parse_stamps(pl.Series([float("nan"), 1718673300.0]), None).to_list() == [None, datetime(2024, 6, 18, 1, 15)]


def test_where_the_exchange_is_unknown_the_written_clock_stays() -> None:
    stamps = pl.Series(["2024-06-18T03:15:00Z", "2024-06-18 03:20"])
    assert has_offsets(stamps)
    assert not has_offsets(stamps[1:])
    assert parse_stamps(stamps, None).to_list() == [datetime(2024, 6, 18, 3, 15), datetime(2024, 6, 18, 3, 20)]


@pytest.mark.parametrize(("minutes", "freq"), [(1, "1min"), (5, "5min"), (60, "60min")])
def test_the_frequency_is_the_most_common_step_within_a_session(minutes: int, freq: str) -> None:
    morning = [START + timedelta(minutes=minutes * step) for step in range(5)]
    later = [moment + timedelta(days=1, hours=2) for moment in morning]
    assert infer_freq(frame(*morning, *later), "x") == freq


def test_one_bar_a_day_is_daily_whatever_its_clock_and_its_gaps() -> None:
    days = [START + timedelta(days=offset) for offset in (0, 1, 2, 7, 8, 30)]
    assert infer_freq(frame(*days), "x") == "day"
    assert infer_freq(frame(START), "x") == "day"


def test_a_duplicate_stamp_does_not_make_daily_bars_intraday() -> None:
    days = [START + timedelta(days=offset) for offset in (0, 1, 1, 2, 3)]
    assert infer_freq(frame(*days), "x") == "day"


def test_steps_are_counted_within_each_symbol() -> None:
    days = [START + timedelta(days=offset) for offset in range(4)]
    assert infer_freq(pl.concat([frame(*days), frame(*days, symbol="B")]), "x") == "day"


def test_weekly_bars_and_steps_of_seconds_are_refused() -> None:
    with pytest.raises(DataError, match=r"a.csv: expected daily or intraday bars, found bars mostly 7 days apart"):
        infer_freq(frame(*[START + timedelta(weeks=week) for week in range(4)]), "a.csv")
    with pytest.raises(DataError, match=r"a.csv: expected steps of whole minutes between bars, found mostly 0:00:30"):
        infer_freq(frame(*[START + timedelta(seconds=30 * step) for step in range(9)]), "a.csv")
