from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import pytest

from kronos_quant.errors import DataError
from kronos_quant.market.calendars import (
    RECENT_SESSIONS,
    FutureTimes,
    RecentBars,
    TradingCalendar,
    exchange_calendar,
    next_times,
    usual_weekdays,
)
from kronos_quant.market.sessions import session_parts, sessions_before, sessions_between

At = Callable[[str], datetime]


def clock(times: list[datetime]) -> list[str]:
    return [f"{moment:%m-%d %H:%M}" for moment in times]


def test_five_minute_bars_of_shanghai_end_before_and_after_the_lunch_break(at: At) -> None:
    after = next_times(at("2024-06-18 11:20"), 4, "5min", "XSHG")
    assert clock(after.times) == ["06-18 11:25", "06-18 11:30", "06-18 13:05", "06-18 13:10"]
    assert after.estimated == [False] * 4


def test_a_session_of_shanghai_has_48_five_minute_bars(at: At) -> None:
    day = next_times(at("2024-06-18 00:00"), 49, "5min", "XSHG").times
    assert clock([day[0], day[47], day[48]]) == ["06-18 09:35", "06-18 15:00", "06-19 09:35"]


def test_the_bar_after_friday_is_on_monday_and_holidays_are_left_out(at: At) -> None:
    assert next_times(at("2024-06-21 15:00"), 1, "5min", "XSHG").times == [at("2024-06-24 09:35")]
    # Dragon Boat Festival: Monday 2024-06-10
    assert next_times(at("2024-06-07"), 2, "day", "XSHG").times == [at("2024-06-11"), at("2024-06-12")]
    # National Day: 2024-10-01 to 2024-10-07
    assert next_times(at("2024-09-30 15:00"), 1, "30min", "XSHE").times == [at("2024-10-08 10:00")]


def test_half_days_of_new_york_end_early(at: At) -> None:
    after = next_times(at("2024-11-29 12:30"), 3, "30min", "XNYS")
    assert clock(after.times) == ["11-29 13:00", "12-02 10:00", "12-02 10:30"]


def test_a_step_that_does_not_divide_the_session_ends_with_it(at: At) -> None:
    day = next_times(at("2024-06-18 14:30"), 2, "60min", "XNYS")
    assert clock(day.times) == ["06-18 15:30", "06-18 16:00"]


def test_hong_kong_has_its_own_break_and_half_days(at: At) -> None:
    after = next_times(at("2024-12-24 11:55"), 2, "5min", "XHKG")
    assert clock(after.times) == ["12-24 12:00", "12-27 09:35"]


def test_a_market_that_never_closes_goes_on_through_midnight_and_weekends(at: At) -> None:
    after = next_times(at("2024-06-21 23:50"), 3, "5min", "24/7")
    assert clock(after.times) == ["06-21 23:55", "06-22 00:00", "06-22 00:05"]
    assert next_times(at("2024-06-21"), 2, "day", "24/7").times == [at("2024-06-22"), at("2024-06-23")]


def test_beyond_the_calendar_weekdays_stand_in_flagged_with_regular_hours(at: At) -> None:
    # Shanghai's calendar is known to the end of a year; no package knows 2090
    after = next_times(at("2090-06-16 15:00"), 3, "60min", "XSHG")
    assert clock(after.times) == ["06-19 10:30", "06-19 11:30", "06-19 14:00"]  # 2090-06-16 is a Friday
    assert after.estimated == [True] * 3


def test_only_the_times_beyond_the_calendar_are_flagged() -> None:
    known = sessions_before("XSHG", date(2100, 1, 1), 2)
    after = next_times(datetime.combine(known[0], time()), 3, "day", "XSHG")
    assert after.estimated == [False, True, True]
    assert after.times[0].date() == known[1]
    assert all(moment.weekday() < 5 for moment in after.times)


def test_without_an_exchange_the_usual_weekdays_follow_whatever_the_later_data_show(at: At) -> None:
    seen = [date(2024, 6, 17), date(2024, 6, 18)]
    after = next_times(at("2024-06-18"), 4, "day", "", sessions=[*seen, date(2024, 6, 20), date(2024, 6, 21)])
    assert clock(after.times) == ["06-19 00:00", "06-20 00:00", "06-21 00:00", "06-24 00:00"]
    assert after.estimated == [True] * 4
    assert after == next_times(at("2024-06-18"), 4, "day", "", sessions=seen)


def test_without_an_exchange_intraday_bars_end_at_the_times_of_the_data(at: At) -> None:
    seen, stamps = [date(2024, 6, 20), date(2024, 6, 21)], [time(10), time(11), time(0)]
    after = next_times(at("2024-06-21 10:00"), 3, "60min", "", sessions=seen, stamps=stamps)
    assert clock(after.times) == ["06-21 11:00", "06-22 00:00", "06-24 10:00"]
    assert after.estimated == [True] * 3
    # how long the first session lasts is not known on it
    alone = next_times(at("2024-06-20 10:00"), 3, "60min", "", sessions=seen, stamps=[time(9), time(10)])
    assert clock(alone.times) == ["06-20 11:00", "06-20 12:00", "06-20 13:00"]


def weeks(days: set[int], count: int = RECENT_SESSIONS) -> list[date]:
    """The last sessions of a market that trades on these weekdays, up to 2024-06-30, a Sunday."""
    found = [date(2024, 6, 30) - timedelta(days=back) for back in range(60, -1, -1)]
    return [on for on in found if on.weekday() in days][-count:]


@pytest.mark.parametrize(
    ("recent", "found"),
    [
        (weeks(set(range(5))), "1111100"),
        (weeks(set(range(7))), "1111111"),
        (weeks({6, 0, 1, 2, 3}), "1111001"),
        (weeks({6, 0, 1, 2, 3}, 4), "1111101"),  # too few to leave out Friday
        (sorted([*weeks(set(range(5))), date(2024, 6, 22)]), "1111100"),  # one Saturday is not usual
        ([], "1111100"),
    ],
)
def test_the_usual_weekdays_are_those_of_the_recent_sessions(recent: list[date], found: str) -> None:
    assert usual_weekdays(recent) == found


def test_intraday_bars_without_exchange_or_data_are_refused(at: At) -> None:
    with pytest.raises(DataError, match="the times of the next 5min bars are unknown: no exchange is set"):
        next_times(at("2024-06-21 10:00"), 1, "5min", "")


def test_a_market_that_never_closes_has_24_hourly_bars_a_day(at: At) -> None:
    day = next_times(at("2024-06-22 00:00"), 25, "60min", "24/7").times
    assert clock([day[0], day[23], day[24]]) == ["06-22 01:00", "06-23 00:00", "06-23 01:00"]


DAYS = [date(2027, 1, 4), date(2027, 1, 5), date(2027, 1, 7)]
FEW = TradingCalendar("", tuple(DAYS), estimated=frozenset(DAYS[1:2]))


def test_a_calendar_knows_its_sessions_and_flags_what_it_fills_in(at: At) -> None:
    after = FEW.next_times(at("2026-12-30"), 6, "day")
    days = ["12-31 00:00", "01-01 00:00", "01-04 00:00", "01-05 00:00", "01-07 00:00", "01-08 00:00"]
    assert (clock(after.times), after.estimated) == (days, [True, True, False, True, False, True])
    assert FEW.between(date(2027, 1, 5), date(2027, 1, 9)) == DAYS[1:]


def test_without_an_exchange_a_given_calendar_names_the_days_but_no_times_of_day(at: At) -> None:
    recent = RecentBars([date(2026, 12, 30), date(2026, 12, 31)], [time(10), time(11)])
    assert recent.next_times(at("2027-01-05"), 1, "day", FEW) == FutureTimes([at("2027-01-07")], [False])
    after = recent.next_times(at("2027-01-04 11:00"), 3, "60min", FEW)
    assert clock(after.times) == ["01-05 10:00", "01-05 11:00", "01-07 10:00"]
    assert after.estimated == [True] * 3


@pytest.mark.parametrize("exchange", ["XSHG", "XHKG", "XNYS", "24/7"])
def test_the_calendar_of_an_exchange_has_the_hours_of_its_sessions(exchange: str) -> None:
    calendar, first, last = exchange_calendar(exchange), date(2024, 1, 1), date(2025, 2, 28)
    assert calendar is not None
    assert calendar.between(first, last) == sessions_between(exchange, first, last)
    assert calendar.parts(first, last).equals(session_parts(exchange, first, last))
