from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import pytest

from kronos_quant.errors import DataError
from kronos_quant.market.calendars import next_times
from kronos_quant.market.sessions import (
    calendar_name,
    end_times,
    freq_minutes,
    hours_notes,
    night_notes,
    session_parts,
    sessions_before,
    sessions_between,
    time_zone,
)


def test_an_unknown_frequency_or_exchange_is_refused() -> None:
    with pytest.raises(DataError, match="unknown frequency 'week': expected day, 1min, 5min"):
        freq_minutes("week")
    with pytest.raises(DataError, match="exchange 'XXXX' has no calendar: expected one of XSHG, XSHE") as caught:
        calendar_name("XXXX")
    assert "kq.yaml" in str(caught.value.hint)


def test_shanghai_shenzhen_and_beijing_share_one_calendar_from_the_first_session_on() -> None:
    assert {calendar_name(exchange) for exchange in ("XSHG", "XSHE", "BJSE")} == {"XSHG"}
    # the package's default would start 20 years back
    assert sessions_between("XSHE", date(1991, 1, 1), date(1991, 1, 6)) == [
        date(1991, 1, 2),
        date(1991, 1, 3),
        date(1991, 1, 4),
    ]
    assert sessions_between("", date(1991, 1, 1), date(1991, 1, 6)) == []


def test_sessions_before_a_date_end_with_it_or_the_session_before() -> None:
    assert sessions_before("XNYS", date(2025, 6, 8), 2) == [date(2025, 6, 5), date(2025, 6, 6)]
    with pytest.raises(DataError, match="expected 20000 sessions up to 1991-01-04, found"):
        sessions_before("XSHG", date(1991, 1, 4), 20000)


def test_the_time_zone_is_the_exchanges() -> None:
    assert time_zone("XSHE") == "Asia/Shanghai"
    assert time_zone("") is None


def times(*texts: str) -> pl.Series:
    return pl.Series([datetime.fromisoformat(text) for text in texts], dtype=pl.Datetime("us"))


def parts(exchange: str, first: date, last: date) -> list[str]:
    rows = session_parts(exchange, first, last).rows()
    return [f"{opens:%m-%d %H:%M}-{closes:%m-%d %H:%M}" for opens, closes in rows]


def test_the_parts_of_a_session_know_lunch_breaks_half_days_and_midnight() -> None:
    assert parts("XSHE", date(2024, 6, 18), date(2024, 6, 18)) == ["06-18 09:30-06-18 11:30", "06-18 13:00-06-18 15:00"]
    # the day after Thanksgiving
    assert parts("XNYS", date(2024, 11, 28), date(2024, 11, 29)) == ["11-29 09:30-11-29 13:00"]
    # Christmas Eve has no afternoon in Hong Kong
    assert parts("XHKG", date(2024, 12, 24), date(2024, 12, 27)) == [
        "12-24 09:30-12-24 12:00",
        "12-27 09:30-12-27 12:00",
        "12-27 13:00-12-27 16:00",
    ]
    assert parts("24/7", date(2024, 6, 22), date(2024, 6, 22)) == ["06-22 00:00-06-23 00:00"]
    assert parts("XSHG", date(2090, 1, 1), date(2090, 2, 1)) == []


def test_the_first_sessions_of_an_exchange_have_hours_too() -> None:
    assert parts("XSHG", date(1991, 1, 2), date(1991, 1, 2))[0].startswith("01-02 09:30")
    assert len(parts("XNYS", date(1962, 1, 3), date(1962, 1, 3))) == 1


@pytest.mark.parametrize(
    ("exchange", "freq", "starts", "ends"),
    [
        ("XSHG", "5min", ["2024-06-18 11:25", "2024-06-18 13:00"], ["2024-06-18 11:30", "2024-06-18 13:05"]),
        ("XSHG", "60min", ["2024-06-18 10:30", "2024-06-18 14:00"], ["2024-06-18 11:30", "2024-06-18 15:00"]),
        ("XNYS", "60min", ["2024-06-18 15:30", "2024-11-29 12:30"], ["2024-06-18 16:00", "2024-11-29 13:00"]),
        ("XHKG", "60min", ["2024-12-24 11:30", "2024-06-18 15:00"], ["2024-12-24 12:00", "2024-06-18 16:00"]),
        ("24/7", "5min", ["2024-06-22 23:55"], ["2024-06-23 00:00"]),
        ("", "60min", ["2024-06-18 15:30"], ["2024-06-18 16:30"]),
        # in the break, on a Saturday, beyond the calendar: a step later
        ("XSHG", "5min", ["2024-06-18 11:30", "2024-06-22 10:00"], ["2024-06-18 11:35", "2024-06-22 10:05"]),
        ("XSHG", "5min", ["2090-06-16 11:25"], ["2090-06-16 11:30"]),
    ],
)
def test_a_bar_ends_a_step_after_its_start_or_with_its_part_of_the_session(
    exchange: str, freq: str, starts: list[str], ends: list[str]
) -> None:
    assert end_times(times(*starts), freq, exchange).to_list() == times(*ends).to_list()


def test_ends_keep_the_order_and_the_copies_of_their_starts() -> None:
    starts = times("2024-06-18 13:00", "2024-06-18 09:30", "2024-06-18 13:00")
    assert (
        end_times(starts, "5min", "XSHG").to_list()
        == times("2024-06-18 13:05", "2024-06-18 09:35", "2024-06-18 13:05").to_list()
    )


def test_shifted_starts_are_the_stamps_that_the_calendar_gives() -> None:
    day = next_times(datetime(2024, 6, 18), 48, "5min", "XSHG").times
    starts = [moment - timedelta(minutes=5) for moment in day]
    assert end_times(pl.Series(starts), "5min", "XSHG").to_list() == day
    assert hours_notes(pl.Series(day), "XSHG") == []


def test_bars_outside_the_hours_of_the_exchange_are_told() -> None:
    ends = times("2024-06-18 09:35", "2024-06-18 11:30", "2024-06-18 12:00", "2024-06-18 15:00", "2024-06-22 10:00")
    assert hours_notes(ends, "XSHG") == ["2 end stamps lie outside the hours of XSHG (first: 2024-06-18 12:00)"]
    assert hours_notes(times("2024-11-29 13:05"), "XNYS") == [
        "1 end stamps lie outside the hours of XNYS (first: 2024-11-29 13:05)"
    ]
    assert hours_notes(times("2024-06-22 00:00", "2024-06-22 12:00"), "24/7") == []
    assert hours_notes(times("2090-06-16 03:00"), "XSHG") == []  # nobody knows that day's hours


def test_bars_that_look_labelled_at_their_start_are_told() -> None:
    starts = times("2024-06-18 09:30", "2024-06-18 11:25", "2024-06-18 13:00", "2024-06-18 14:55")
    assert hours_notes(starts, "XSHG")[-1] == (
        "bars at the opening but none at a close: possibly labelled at their start (--labels start)"
    )
    # an opening auction of its own is no label
    assert len(hours_notes(times("2024-06-18 09:30", "2024-06-18 15:00"), "XSHG")) == 1


def test_a_night_session_is_told_and_a_market_that_never_closes_has_none() -> None:
    day, night = ["2024-03-04 09:05", "2024-03-04 15:00"], ["2024-03-04 21:05", "2024-03-05 00:00", "2024-03-05 02:30"]
    [note] = night_notes(times(*day, *night))
    assert note.startswith("night session (21:05 to 02:30): its bars belong to the next trading day, but stay on")
    assert night_notes(times(*day, "2024-03-04 21:05", "2024-03-04 23:00"))[0].startswith(
        "night session (21:05 to 23:00)"
    )
    assert night_notes(times(*day)) == night_notes(times(*night)) == []
    assert night_notes(times(*day, "2024-03-04 18:00", *night)) == []
