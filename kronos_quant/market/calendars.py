"""The sessions and hours of a market, and the end stamps of the bars that come next.

A `TradingCalendar` knows sessions from its first to its last one; what lies beyond is estimated and flagged. Where no
calendar is known, the recent bars show the weekdays and the times of day: only those up to the moment that is asked
about, so that a date's stamps do not depend on what came after it.
Times are naive and exchange-local; a daily bar is stamped 00:00 of its session, an intraday bar at its end.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.market.sessions import (
    Hours,
    calendar_name,
    freq_minutes,
    known_until,
    regular_hours,
    regular_weekdays,
    session_parts,
    sessions_between,
)
from kronos_quant.schema import DAILY

WEEKDAYS = "1111100"
"""Monday to Friday, where nothing else is known."""

RECENT_SESSIONS = 20
"""Sessions that show on which weekdays, and at what times of day, bars end."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FutureTimes:
    """End stamps of future bars."""

    times: list[datetime]
    estimated: list[bool]
    """True where no calendar knows the session: usual weekdays and hours are assumed."""


@dataclass(frozen=True, slots=True)
class TradingCalendar:
    """Sessions from the first known to the last known one, and their hours."""

    name: str
    """Of exchange_calendars; "" where only a source or a user has given sessions."""
    dates: tuple[date, ...]
    """Sessions, ascending."""
    weekdays: str = WEEKDAYS
    """Which days are sessions beyond `dates`, from Monday on: 1 or 0."""
    regular: Hours = ()
    """The usual parts of a session; () where unknown."""
    hours: Mapping[date, Hours] = field(default_factory=dict)
    """Of sessions that differ from `regular`."""
    estimated: frozenset[date] = frozenset()
    """Those of `dates` that no calendar covers."""

    def between(self, first: date, last: date) -> list[date]:
        """Known sessions, both ends inclusive."""
        return list(self.dates[bisect_left(self.dates, first) : bisect_right(self.dates, last)])

    def parts(self, first: date, last: date) -> pl.DataFrame:
        """When the market is open: columns open and close, as `sessions.session_parts`."""
        rows = [
            (datetime.combine(on, opens), datetime.combine(on, closes) + _DAY * (closes == time()))
            for on in self.between(first, last)
            for opens, closes in self.hours.get(on, self.regular)
        ]
        schema = {"open": pl.Datetime("us"), "close": pl.Datetime("us")}
        return pl.DataFrame(rows, schema=schema, orient="row").sort("open")

    def sessions_from(self, start: date) -> Iterator[tuple[date, bool]]:
        """Sessions from `start` on, endlessly; True: estimated."""
        known = self.dates
        for on in _days_from(start, self.weekdays):
            if known and on >= known[0]:
                break
            yield on, True
        for place in range(bisect_left(known, start), len(known)):
            yield known[place], known[place] in self.estimated
        after = max(known[-1] + _DAY, start) if known else start
        for on in _days_from(after, self.weekdays):
            yield on, True

    def bar_ends(self, session: date, minutes: int) -> list[datetime]:
        """End stamps of a session's bars: each part of the session cut into steps, the last one ending with it."""
        ends = []
        for opens, closes in self.hours.get(session, self.regular):
            bar_end = datetime.combine(session, opens)
            close = datetime.combine(session, closes) + _DAY * (closes == time())
            while bar_end < close:
                bar_end = min(bar_end + timedelta(minutes=minutes), close)
                ends.append(bar_end)
        return ends

    def next_times(self, last_time: datetime, count: int, freq: str) -> FutureTimes:
        """The end stamps of the `count` bars after `last_time`, in order."""
        step = 0 if freq == DAILY else freq_minutes(freq)
        # the bar that ends at midnight belongs to the session before
        return _take(
            self.sessions_from(last_time.date() - _DAY),
            (lambda on: self.bar_ends(on, step)) if step else _midnight,
            last_time,
            count,
        )


@dataclass(frozen=True, slots=True)
class RecentBars:
    """What bars up to a moment show of a market without a calendar."""

    sessions: Sequence[date]
    """Up to the moment, ascending; the last RECENT_SESSIONS are used."""
    stamps: Sequence[time] = ()
    """Times of day at which intraday bars ended."""

    def next_times(
        self, last_time: datetime, count: int, freq: str, calendar: TradingCalendar | None = None
    ) -> FutureTimes:
        """The end stamps of the `count` bars after `last_time`, in order, all of them estimated.

        Parameters
        ----------
        last_time
            End stamp of the last bar.
        count, freq
            Number of bars, and "day", "5min", ...
        calendar
            Sessions that a source or a user has given: daily stamps on them are not estimated.

        Raises
        ------
        DataError
            For intraday bars where no time of day is known.

        >>> RecentBars([date(2024, 7, 5)]).next_times(datetime(2024, 7, 5), 1, "day").times
        [datetime.datetime(2024, 7, 8, 0, 0)]
        """
        days_from = self._days_from if calendar is None else calendar.sessions_from
        days = days_from(last_time.date() - _DAY)
        if freq == DAILY:
            return _take(days, _midnight, last_time, count)
        minutes = freq_minutes(freq)
        if not self.stamps:
            raise DataError(
                f"the times of the next {minutes}min bars are unknown: no exchange is set and there are no bars",
                hint="Set `exchange` in kq.yaml.",
            )
        if len(self.sessions) < 2:  # one session, perhaps begun: its end is unknown
            step = timedelta(minutes=minutes)
            return FutureTimes([last_time + step * i for i in range(1, count + 1)], [True] * count)
        found = _take(days, self._bar_ends, last_time, count)
        return FutureTimes(found.times, [True] * count)

    def _bar_ends(self, session: date) -> list[datetime]:
        """The times of day of the recent bars."""
        return sorted(datetime.combine(session, stamp) + _DAY * (stamp == time()) for stamp in self.stamps)

    def _days_from(self, start: date) -> Iterator[tuple[date, bool]]:
        """The sessions from `start` on, then the usual weekdays."""
        recent = self.sessions[-RECENT_SESSIONS:]
        yield from ((on, False) for on in recent if on >= start)
        after = max((*(on + _DAY for on in recent[-1:]), start))
        yield from ((on, True) for on in _days_from(after, usual_weekdays(recent)))


def usual_weekdays(recent: Sequence[date]) -> str:
    """On which weekdays a market trades, by its recent sessions.

    Monday to Friday unless RECENT_SESSIONS have none of them; a weekend day where half of the weeks have it.

    >>> usual_weekdays([date(2024, 7, 5), date(2024, 7, 6), date(2024, 7, 7)])
    '1111111'
    """
    counts = Counter(on.weekday() for on in recent)
    weeks = len({on.isocalendar()[:2] for on in recent})
    enough = len(recent) >= RECENT_SESSIONS
    found = [not enough or counts[day] > 0 for day in range(5)] + [counts[day] * 2 >= max(weeks, 1) for day in (5, 6)]
    return "".join("1" if each else "0" for each in found)


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
        ISO code, or "" where unknown: then all stamps are estimated.
    sessions, stamps
        For an unknown exchange: the sessions of the data, of which only those up to `last_time` count, and for
        intraday bars the times of day at which bars have ended.

    Examples
    --------
    >>> next_times(datetime(2024, 7, 3), 1, "day", "XNYS").times
    [datetime.datetime(2024, 7, 5, 0, 0)]
    """
    calendar = exchange_calendar(exchange)
    if calendar is not None:
        return calendar.next_times(last_time, count, freq)
    seen = [session for session in sessions if session <= last_time.date()]
    return RecentBars(seen, stamps).next_times(last_time, count, freq)


def exchange_calendar(exchange: str) -> TradingCalendar | None:
    """The calendar of an exchange as exchange_calendars knows it, None where the exchange is unknown ("")."""
    name = calendar_name(exchange)
    return None if name is None else _computed(name)


@lru_cache(maxsize=8)
def _computed(name: str) -> TradingCalendar:
    last = known_until(name)
    assert last is not None
    dates, regular = tuple(sessions_between(name, date.min, last)), regular_hours(name)
    return TradingCalendar(
        name, dates, regular_weekdays(name), regular, odd_hours(session_parts(name, dates[0], last).rows(), regular)
    )


def odd_hours(parts: Iterable[tuple[datetime, datetime]], regular: Hours) -> dict[date, Hours]:
    """The hours of the sessions that differ from the regular ones. parts : (open, close), ascending"""
    found: dict[date, list[tuple[time, time]]] = {}
    for opens, closes in parts:
        found.setdefault(opens.date(), []).append((opens.time(), closes.time()))
    return {on: hours for on, of_session in found.items() if (hours := tuple(of_session)) != regular}


def _take(
    days: Iterator[tuple[date, bool]], ends: Callable[[date], list[datetime]], last_time: datetime, count: int
) -> FutureTimes:
    """The first `count` ends after `last_time`."""
    times: list[datetime] = []
    estimated: list[bool] = []
    while len(times) < count:
        on, guessed = next(days)
        later = [stamp for stamp in ends(on) if stamp > last_time][: count - len(times)]
        times += later
        estimated += [guessed] * len(later)
    return FutureTimes(times, estimated)


def _midnight(session: date) -> list[datetime]:
    return [datetime.combine(session, time())]


def _days_from(start: date, weekdays: str) -> Iterator[date]:
    while True:
        if weekdays[start.weekday()] == "1":
            yield start
        start += _DAY
