"""When an exchange trades: sessions, and the end stamps of the bars to come.

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

from kronos_quant.errors import DataError
from kronos_quant.schema import DAILY

_CALENDARS = {"XSHG": "XSHG", "XSHE": "XSHG", "BJSE": "XSHG", "XHKG": "XHKG", "XNYS": "XNYS", "24/7": "24/7"}
# Nasdaq and NYSE Arca keep the New York Stock Exchange's sessions
_CALENDARS |= {"XNAS": "XNYS", "ARCX": "XNYS"}
_EARLIEST = "1960-01-01"
"""Where a calendar has no bound of its own; the package's default would start only 20 years back."""

_WEEKDAYS = "1111100"

Hours = tuple[tuple[time, time], ...]
"""The (open, close) times of a session's parts; a lunch break makes two. A close of 00:00 is midnight."""


@dataclass(frozen=True, slots=True)
class FutureTimes:
    """End stamps of the bars to come."""

    times: list[datetime]
    estimated: list[bool]
    """True where no calendar vouches for the session: a weekday stands in."""


def calendar_name(exchange: str) -> str | None:
    """The calendar of an exchange by its ISO code; None where the exchange is unknown ("").

    Raises DataError for a code without a calendar here.
    """
    if not exchange:
        return None
    if exchange not in _CALENDARS:
        raise DataError(
            f"exchange {exchange!r} has no calendar: known are {', '.join(_CALENDARS)}",
            hint="set `exchange` in kq.yaml to one of them, or leave it empty: the data then give the sessions",
        )
    return _CALENDARS[exchange]


def time_zone(exchange: str) -> str | None:
    """The IANA time zone of an exchange, None where the exchange is unknown."""
    name = calendar_name(exchange)
    return None if name is None else str(_calendar(name).tz)


def sessions_between(exchange: str, first: date, last: date) -> list[date]:
    """Sessions of an exchange from `first` to `last`, both inclusive; none beyond what its calendar knows."""
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
    """The `count` sessions of an exchange that end with `last`, or with the session before it.

    Raises DataError where the calendar does not reach back so far.
    """
    name = calendar_name(exchange)
    known = () if name is None else _known_sessions(name)
    end = bisect_right(known, last)
    if end < count:
        raise DataError(f"exchange {exchange!r}: expected {count} sessions up to {last}, found {end}")
    return list(known[end - count : end])


def freq_minutes(freq: str) -> int:
    """Minutes of an intraday frequency: '5min' -> 5. Raises DataError for any other text."""
    found = re.fullmatch(r"([1-9]\d*)min", freq)
    if found is None:
        raise DataError(f"frequency {freq!r} is unknown: expected {DAILY}, 1min, 5min, 15min, 30min or 60min")
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

    sessions, stamps : known sessions and, for intraday bars, the times of day at which bars end; they stand in for a
    calendar where the exchange is unknown ("") and are not read elsewhere.
    Beyond the last known session weekdays stand in, with regular hours, flagged as estimated.
    """
    source: _Calendar | _DataSessions
    name = calendar_name(exchange)
    source = _DataSessions(tuple(sessions), tuple(stamps)) if name is None else _Calendar(name)
    times: list[datetime] = []
    estimated: list[bool] = []
    # the bar that ends at midnight belongs to the session before
    for session, guessed in source.sessions_from(last_time.date() - timedelta(days=1)):
        for stamp in _stamps_of(source, session, freq):
            if stamp > last_time and len(times) < count:
                times.append(stamp)
                estimated.append(guessed)
        if len(times) >= count:
            break
    return FutureTimes(times, estimated)


def _stamps_of(source: _Calendar | _DataSessions, session: date, freq: str) -> list[datetime]:
    midnight = datetime.combine(session, time())
    return [midnight] if freq == DAILY else source.bar_ends(session, freq_minutes(freq))


@dataclass(frozen=True, slots=True)
class _Calendar:
    """Sessions and bars of an exchange whose calendar is known."""

    name: str

    def sessions_from(self, start: date) -> Iterator[tuple[date, bool]]:
        """Sessions from `start` on, without end; True: beyond the calendar's knowledge."""
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
                f"the times of the next {minutes}min bars are unknown: no exchange is named and no bars were given",
                hint="set `exchange` in kq.yaml",
            )
        ends = (datetime.combine(session, stamp) + timedelta(days=stamp == time()) for stamp in self.stamps)
        return sorted(ends)


def _days_after(last: date, weekmask: str) -> Iterator[date]:
    while True:
        last += timedelta(days=1)
        if weekmask[last.weekday()] == "1":
            yield last


def _parts(opens: Any, break_start: Any, break_end: Any, closes: Any) -> Hours:
    if break_start is None or break_end is None:
        return ((opens, closes),)
    return ((opens, break_start), (break_end, closes))


@lru_cache(maxsize=4096)
def _hours(name: str, session: date) -> Hours:
    """The parts of a session; regular hours beyond the calendar's last known one."""
    calendar = _calendar(name)
    if session > _known_sessions(name)[-1]:
        return _regular_hours(calendar)
    row = calendar.schedule.loc[str(session)]
    moments = [row["open"], row["break_start"], row["break_end"], row["close"]]
    # NaT, where there is no break, differs from itself
    clock = [moment.tz_convert(calendar.tz).time() if moment == moment else None for moment in moments]
    opens, break_start, break_end, closes = clock
    return _parts(opens, break_start, break_end, closes)


def _regular_hours(calendar: Any) -> Hours:
    columns = (calendar.open_times, calendar.break_start_times, calendar.break_end_times, calendar.close_times)
    opens, break_start, break_end, closes = (column[-1][1] if column else None for column in columns)
    return _parts(opens, break_start, break_end, closes)


@lru_cache(maxsize=8)
def _known_sessions(name: str) -> tuple[date, ...]:
    return tuple(_calendar(name).sessions.date)


@lru_cache(maxsize=8)
def _calendar(name: str) -> Any:
    # pandas comes with it: loaded only where a calendar is asked for
    import exchange_calendars

    with warnings.catch_warnings():
        # it uses what pandas 3 deprecates; a user of ours can do nothing about that
        warnings.simplefilter("ignore")
        bound = exchange_calendars.get_calendar(name).bound_min()
        return exchange_calendars.get_calendar(name, start=bound or _EARLIEST)
