"""When an exchange trades, as the package exchange_calendars knows it.

Times are naive and exchange-local; a daily bar is stamped 00:00 of its session, an intraday bar at its end. Snapshots
hold these sessions (see `calendar_files`), so that only ingests and tables without a snapshot ask here.
"""

from __future__ import annotations

import re
import warnings
from bisect import bisect_left, bisect_right
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Any

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.schema import DAILY

CALENDARS = {"XSHG": "XSHG", "XSHE": "XSHG", "BJSE": "XSHG", "XHKG": "XHKG", "XNYS": "XNYS", "24/7": "24/7"}
# Nasdaq and NYSE Arca keep the New York Stock Exchange's sessions
CALENDARS |= {"XNAS": "XNYS", "ARCX": "XNYS"}
"""Exchange -> its calendar of exchange_calendars."""

_EARLIEST = "1960-01-01"  # where a calendar has no bound; the package's default would start only 20 years back
_DAY_BARS, _EVENING_PAUSE, _NIGHT_END = (time(9), time(15, 30)), (time(16), time(20, 30)), time(6)
_YEARS_AHEAD = 3  # of calendars without a bound; the package's default would end a year from today

Hours = tuple[tuple[time, time], ...]
"""The (open, close) times of a session's parts; a lunch break makes two. A close of 00:00 is midnight."""


def calendar_name(exchange: str) -> str | None:
    """The calendar of an exchange by its ISO code, None for ""; DataError for a code without a calendar here."""
    if not exchange:
        return None
    if not isinstance(exchange, str) or exchange not in CALENDARS:
        raise DataError(
            f"exchange {exchange!r} has no calendar: expected one of {', '.join(CALENDARS)}",
            hint="Correct `exchange` in kq.yaml, or leave it empty to take the sessions from the data.",
        )
    return CALENDARS[exchange]


def time_zone(exchange: str) -> str | None:
    """The IANA time zone of an exchange, None where the exchange is unknown."""
    name = calendar_name(exchange)
    return None if name is None else str(_calendar(name).tz)


def sessions_between(exchange: str, first: date, last: date) -> list[date]:
    """Sessions of an exchange (none for ""), both ends inclusive, as far as its calendar reaches.

    >>> sessions_between("XNYS", date(2024, 7, 3), date(2024, 7, 5))
    [datetime.date(2024, 7, 3), datetime.date(2024, 7, 5)]
    """
    name = calendar_name(exchange)
    if name is None:
        return []
    known = _known_sessions(name)
    return list(known[bisect_left(known, first) : bisect_right(known, last)])


def known_until(exchange: str) -> date | None:
    """The last session that the calendar of an exchange knows, None where the exchange is unknown."""
    name = calendar_name(exchange)
    return None if name is None else _known_sessions(name)[-1]


def sessions_before(exchange: str, last: date, count: int) -> list[date]:
    """The last `count` sessions of an exchange up to a date; DataError where its calendar does not reach so far."""
    name = calendar_name(exchange)
    known = () if name is None else _known_sessions(name)
    end = bisect_right(known, last)
    if end < count:
        raise DataError(f"exchange {exchange!r}: expected {count} sessions up to {last}, found {end}")
    return list(known[end - count : end])


def session_parts(exchange: str, first: date, last: date) -> pl.DataFrame:
    """When an exchange is open from `first` to `last`: columns open and close, a row per part of a session, ascending.

    A lunch break makes two parts. Naive exchange-local times; a close at midnight is 00:00 of the next day.
    """
    name = calendar_name(exchange)
    assert name is not None
    calendar = _calendar(name)
    days = calendar.schedule.loc[str(first) : str(last)]
    moments = {
        column: days[column].dt.tz_convert(calendar.tz).dt.tz_localize(None).to_numpy("datetime64[us]")
        for column in ("open", "break_start", "break_end", "close")
    }
    clock = pl.DataFrame(moments).cast(pl.Datetime("us"))
    morning = clock.select("open", close=pl.coalesce("break_start", "close"))
    afternoon = clock.drop_nulls("break_end").select(open="break_end", close="close")
    return pl.concat([morning, afternoon]).sort("open")


def end_times(starts: pl.Series, freq: str, exchange: str) -> pl.Series:
    """End stamps of intraday bars that start at `starts`: a step later, or where their part of the session closes.

    Outside of the hours of the exchange, and where it is unknown (""), bars end a step after their start.
    """
    step = timedelta(minutes=freq_minutes(freq))
    if not exchange or starts.is_empty():
        return starts + step
    found = _distinct(starts)
    parts = session_parts(exchange, found["moment"][0].date(), found["moment"][-1].date())
    later = pl.col("moment") + step
    within = pl.when(pl.col("moment") < pl.col("close")).then(pl.min_horizontal(later, "close")).otherwise(later)
    ends = found.join_asof(parts, left_on="moment", right_on="open").with_columns(end=within.fill_null(later))
    return starts.to_frame("moment").join(ends, on="moment", how="left", maintain_order="left")["end"].alias("time")


def hours_notes(ends: pl.Series, exchange: str) -> list[str]:
    """Notes on end stamps that disagree with the hours of an exchange, as far as its calendar reaches."""
    horizon = known_until(exchange)
    assert horizon is not None
    found = _distinct(ends.filter(ends.dt.date() <= horizon))
    if found.is_empty():
        return []
    first, last = found["moment"][0].date(), found["moment"][-1].date()
    parts = session_parts(exchange, first - timedelta(days=1), last)
    notes = []
    inside = found.with_columns(before=pl.col("moment") - timedelta(microseconds=1)).join_asof(
        parts, left_on="before", right_on="open"
    )
    outside = inside.filter((pl.col("moment") <= pl.col("close")).fill_null(False).not_())["moment"]
    if len(outside):
        notes.append(
            f"{len(outside)} end stamps lie outside the hours of {exchange} (first: {outside[0]:%Y-%m-%d %H:%M})"
        )
    if outside.is_in(parts["open"].implode()).any() and not found["moment"].is_in(parts["close"].implode()).any():
        notes.append("bars at the opening but none at a close: possibly labelled at their start (--labels start)")
    return notes


def night_notes(ends: pl.Series) -> list[str]:
    """A note on bars of a night session, as futures have one: after a pause in the evening, beside bars of the day."""
    clock = ends.dt.time()
    day, pause = clock.is_between(*_DAY_BARS), clock.is_between(*_EVENING_PAUSE, closed="right")
    evening, early = clock.filter(clock > _EVENING_PAUSE[1]), clock.filter(clock <= _NIGHT_END)
    if evening.is_empty() or pause.any() or not day.any():
        return []
    last = max(early) if len(early) else max(evening)
    return [
        f"night session ({min(evening):%H:%M} to {last:%H:%M}): its bars belong to the next trading day, but stay on "
        "their calendar date: night sessions are not supported, and signals and fills mix two trading days"
    ]


def _distinct(times: pl.Series) -> pl.DataFrame:
    """The distinct times in a column `moment`, ascending."""
    return times.unique().sort().to_frame("moment")


def freq_minutes(freq: str) -> int:
    """Minutes of an intraday frequency. Raises DataError for any other text.

    >>> freq_minutes("5min")
    5
    """
    found = re.fullmatch(r"([1-9]\d*)min", freq)
    if found is None:
        raise DataError(f"unknown frequency {freq!r}: expected {DAILY}, 1min, 5min, 15min, 30min or 60min")
    return int(found[1])


def regular_weekdays(exchange: str) -> str:
    """On which weekdays an exchange trades, from Monday on: 1 or 0."""
    name = calendar_name(exchange)
    assert name is not None
    return str(_calendar(name).weekmask)


def regular_hours(exchange: str) -> Hours:
    """The parts of a usual session as they are now."""
    name = calendar_name(exchange)
    assert name is not None
    calendar = _calendar(name)
    columns = (calendar.open_times, calendar.break_start_times, calendar.break_end_times, calendar.close_times)
    regular: list[Any] = [column[-1][1] if column else None for column in columns]
    opens, break_start, break_end, closes = regular
    return ((opens, break_start), (break_end, closes)) if break_start else ((opens, closes),)


@lru_cache(maxsize=8)
def _known_sessions(name: str) -> tuple[date, ...]:
    return tuple(_calendar(name).sessions.date)


@lru_cache(maxsize=8)
def _calendar(name: str) -> Any:
    # imports pandas: loaded only where a calendar is needed
    import exchange_calendars

    with warnings.catch_warnings():
        # it uses what pandas 3 deprecates; our users cannot change that
        warnings.simplefilter("ignore")
        calendar = exchange_calendars.get_calendar(name)
        end = f"{date.today().year + _YEARS_AHEAD}-12-31"
        bound = calendar.bound_max()
        if bound is not None:
            end = min(end, f"{bound:%Y-%m-%d}")
        return exchange_calendars.get_calendar(name, start=calendar.bound_min() or _EARLIEST, end=end)
