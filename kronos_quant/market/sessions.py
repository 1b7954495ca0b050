"""When an exchange trades: its sessions, and the end stamps of future bars.

Times are naive and exchange-local; a daily bar is stamped 00:00 of its session, an intraday bar at its end.
exchange_calendars is the source; what lies beyond its last known session is estimated and flagged.
"""

from __future__ import annotations

import re
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
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
_WEEKDAYS = "1111100"

Hours = tuple[tuple[time, time], ...]
"""The (open, close) times of a session's parts; a lunch break makes two. A close of 00:00 is midnight."""


@dataclass(frozen=True, slots=True)
class FutureTimes:
    """End stamps of future bars."""

    times: list[datetime]
    estimated: list[bool]
    """True where the session is beyond the calendar: weekdays are assumed."""


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


def next_times(
    last_time: datetime,
    count: int,
    freq: str,
    exchange: str,
    *,
    sessions: Sequence[date] = (),
    stamps: Sequence[time] = (),
) -> FutureTimes:
    """The end stamps of the `count` bars after `last_time`, in order.

    Beyond the last known session weekdays with regular hours are assumed, and flagged as estimated.

    Parameters
    ----------
    last_time
        End stamp of the last bar, exchange-local.
    count
        Number of bars.
    freq
        "day", "5min", ...
    exchange
        ISO code, or "" where unknown.
    sessions, stamps
        For an unknown exchange: the sessions of the data and, for intraday bars, the times of day at which bars end.

    Examples
    --------
    >>> next_times(datetime(2024, 7, 3), 1, "day", "XNYS").times
    [datetime.datetime(2024, 7, 5, 0, 0)]
    """
    source: _Calendar | _DataSessions
    name = calendar_name(exchange)
    source = _DataSessions(tuple(sessions), tuple(stamps)) if name is None else _Calendar(name)
    times: list[datetime] = []
    estimated: list[bool] = []
    # the bar that ends at midnight belongs to the session before
    for session, guessed in source.sessions_from(last_time.date() - timedelta(days=1)):
        midnight = [datetime.combine(session, time())]
        for stamp in midnight if freq == DAILY else source.bar_ends(session, freq_minutes(freq)):
            if stamp > last_time and len(times) < count:
                times.append(stamp)
                estimated.append(guessed)
        if len(times) >= count:
            break
    return FutureTimes(times, estimated)


@dataclass(frozen=True, slots=True)
class _Calendar:
    """Sessions and bars of an exchange whose calendar is known."""

    name: str

    def sessions_from(self, start: date) -> Iterator[tuple[date, bool]]:
        """Sessions from `start` on, endlessly; True: beyond the calendar."""
        known = _known_sessions(self.name)
        for session in known[bisect_left(known, start) :]:
            yield session, False
        for session in _days_after(max(known[-1], start - timedelta(days=1)), _calendar(self.name).weekmask):
            yield session, True

    def bar_ends(self, session: date, minutes: int) -> list[datetime]:
        """End stamps of a session's bars: each part of the session cut into steps, the last one ending with it."""
        ends = []
        for opens, closes in _hours(self.name, session):
            bar_end = datetime.combine(session, opens)
            close = datetime.combine(session, closes) + timedelta(days=closes == time())
            while bar_end < close:
                bar_end = min(bar_end + timedelta(minutes=minutes), close)
                ends.append(bar_end)
        return ends


@dataclass(frozen=True, slots=True)
class _DataSessions:
    """Sessions and times of day as the bars show them, for an unknown exchange."""

    sessions: tuple[date, ...]
    stamps: tuple[time, ...]

    def sessions_from(self, start: date) -> Iterator[tuple[date, bool]]:
        """Sessions of the data from `start` on, then weekdays."""
        yield from ((session, False) for session in self.sessions if session >= start)
        last_known = max((*self.sessions[-1:], start - timedelta(days=1)))
        for session in _days_after(last_known, _WEEKDAYS):
            yield session, True

    def bar_ends(self, session: date, minutes: int) -> list[datetime]:
        """End stamps of a session's bars: the data's own times of day."""
        if not self.stamps:
            raise DataError(
                f"the times of the next {minutes}min bars are unknown: no exchange is set and there are no bars",
                hint="Set `exchange` in kq.yaml.",
            )
        ends = (datetime.combine(session, stamp) + timedelta(days=stamp == time()) for stamp in self.stamps)
        return sorted(ends)


def _days_after(last: date, weekmask: str) -> Iterator[date]:
    while True:
        last += timedelta(days=1)
        if weekmask[last.weekday()] == "1":
            yield last


@lru_cache(maxsize=4096)
def _hours(name: str, session: date) -> Hours:
    """The parts of a session; regular hours beyond the calendar's last known one."""
    if session <= _known_sessions(name)[-1]:
        parts = session_parts(name, session, session)
        return tuple((opens.time(), closes.time()) for opens, closes in parts.rows())
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
        bound = exchange_calendars.get_calendar(name).bound_min()
        return exchange_calendars.get_calendar(name, start=bound or _EARLIEST)
