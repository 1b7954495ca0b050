"""The calendar that travels with a snapshot: calendar.<freq>.parquet.

Its sessions go from a month before the bars to the last one that is known, so that every reader sees the same ones,
whatever version of exchange_calendars it has. What says which days are sessions, the later the stronger:

    exchange   exchange_calendars, as far as it reaches
    source     sessions that a source publishes in advance: after the exchange's known ones, or alone
    user       `kq ingest calendar`: from the first to the last date of the file
    weekdays   days between them that nobody covers: estimated. A calendar that begins within LONGEST_BREAK of the one
               before continues it: the days between are no sessions

Where the exchange is unknown and nobody gave sessions there is no file. In the database the origin of given sessions
is `user` or `source:<place>`, so that they go when their source is read again without them, or dropped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq

from kronos_quant.errors import DataError
from kronos_quant.market.calendars import WEEKDAYS, TradingCalendar, exchange_calendar, odd_hours
from kronos_quant.market.sessions import calendar_name
from kronos_quant.readers import REPAIR, parse_json, read_footer, read_parquet
from kronos_quant.schema import DAILY, check_table

EXCHANGE, SOURCE, USER, ESTIMATED = "exchange", "source", "user", "weekdays"
"""Who says that a day is a session."""

_COLUMNS: dict[str, pl.DataType] = {
    "date": pl.Date(),
    "open": pl.Datetime("us"),
    "close": pl.Datetime("us"),
    "origin": pl.String(),
}
_KEY = b"kronos_quant"
LONGEST_BREAK = timedelta(days=15)
"""Between two sessions; longer ones are in doubt."""
_YEARS_AHEAD = 2  # of a calendar without an end: the same for the same bars, whenever they are published
_BEFORE = timedelta(days=31)  # so that it begins before the bars, also where their first day is no session
_IN_REACH = timedelta(days=366)
"""A forecast may reach this far beyond the bars."""

Origins = dict[date, str]
"""Session -> who says so."""


def store_user_sessions(connection: duckdb.DuckDBPyConnection, exchange: str, dates: Sequence[date]) -> int:
    """Store a user's sessions instead of the stored ones of this exchange; return how many there were.

    connection : in a transaction of the caller. exchange : ISO code, "" where unknown.
    """
    removed = connection.execute(
        "DELETE FROM calendar_sessions WHERE origin = ? AND exchange = ? RETURNING date", [USER, exchange]
    ).fetchall()
    _insert(connection, USER, exchange, dates)
    return len(removed)


def store_source_sessions(
    connection: duckdb.DuckDBPyConnection, place: str, exchange: str, dates: Sequence[date]
) -> None:
    """Store what a source publishes, maybe nothing, instead of what it had published.

    Parameters
    ----------
    connection
        In a transaction of the caller.
    place
        Of the source, as `readings.place_name` has it; "" for a table in memory.
    exchange, dates
        ISO code, "" where unknown; the sessions.

    >>> store_source_sessions(connection, "/data/cn", "XSHG", [date(2027, 1, 4)])  # doctest: +SKIP
    """
    connection.execute("DELETE FROM calendar_sessions WHERE origin = ?", [_origin_of(place)])
    _insert(connection, _origin_of(place), exchange, dates)


def forget_dropped_sources(connection: duckdb.DuckDBPyConnection) -> None:
    """Remove the sessions of sources that no reading is of any more."""
    connection.execute(
        "DELETE FROM calendar_sessions WHERE origin <> ? AND origin NOT IN (SELECT ? || place FROM readings)",
        [USER, _origin_of("")],
    )


def _origin_of(place: str) -> str:
    return f"{SOURCE}:{place}"


def _insert(connection: duckdb.DuckDBPyConnection, origin: str, exchange: str, dates: Sequence[date]) -> None:
    connection.register("given_sessions", pl.DataFrame({"date": list(dates)}, {"date": pl.Date}).to_arrow())
    connection.execute("INSERT INTO calendar_sessions SELECT ?, ?, date FROM given_sessions", [origin, exchange])


def given_sessions(connection: duckdb.DuckDBPyConnection, exchange: str) -> dict[str, list[date]]:
    """USER and SOURCE -> the sessions given for an exchange, ascending."""
    stored = connection.execute("SELECT origin, exchange, date FROM calendar_sessions").fetchall()
    shared, found = calendar_name(exchange), dict[str, set[date]]()
    for origin, of, on in stored:
        if not of or calendar_name(of) == shared:
            found.setdefault(origin.partition(":")[0], set()).add(on)
    return {origin: sorted(dates) for origin, dates in found.items()}


def write_calendar(
    folder: Path, connection: duckdb.DuckDBPyConnection, freq: str, exchange: str, first: date, last: date
) -> str | None:
    """Write the calendar of one frequency to a snapshot's folder.

    Parameters
    ----------
    folder, connection
        Of the snapshot, and the database.
    freq, exchange
        Of the bars; "" where the exchange is unknown.
    first, last
        First and last session of the bars.

    Returns
    -------
    str | None
        Its digest where it is a part of the snapshot's: where a source or a user gave sessions, or where the
        exchange's known sessions end within a year of the bars, so that another version would know more. Else None.

    >>> write_calendar(folder, connection, "day", "XSHG", date(2024, 1, 2), date(2024, 6, 28))  # doctest: +SKIP
    """
    base, given = exchange_calendar(exchange), given_sessions(connection, exchange)
    origins = merge(base, given, first - _BEFORE, date(last.year + _YEARS_AHEAD, 12, 31))
    if base is None and not origins:
        return None
    frame = _frame(base, origins, freq)
    check_table("snapshot.calendar", frame)
    about: dict[str, Any] = {
        "name": base.name if base else "",
        "weekdays": base.weekdays if base else WEEKDAYS,
        "hours": [[str(opens), str(closes)] for opens, closes in base.regular] if base else [],
    }
    content = json.dumps([about, frame.rows()], default=str, sort_keys=True)
    about |= {"digest": hashlib.sha256(content.encode()).hexdigest(), "exchange_calendars": _version() if base else ""}
    table = frame.to_arrow().replace_schema_metadata({_KEY: json.dumps(about)})
    pq.write_table(table, path_of(folder, freq), compression="zstd")
    reached = base is not None and base.dates[-1] < last + _IN_REACH
    return str(about["digest"]) if reached or {SOURCE, USER}.intersection(origins.values()) else None


def merge(base: TradingCalendar | None, given: dict[str, list[date]], first: date, last: date) -> Origins:
    """The sessions from `first` on, ascending, by the order of precedence in the module's text.

    Parameters
    ----------
    base
        Of the exchange, None where it is unknown.
    given
        Sessions by origin.
    first, last
        The first session, and where those of the exchange are cut.

    >>> given = {USER: [date(2027, 1, 4)], SOURCE: [date(2026, 12, 31), date(2027, 1, 5)]}
    >>> merge(None, given, date(2027, 1, 1), date.max)
    {datetime.date(2027, 1, 4): 'user', datetime.date(2027, 1, 5): 'source'}
    """
    found: Origins = {}
    spans: list[tuple[date, date]] = []
    advance = given.get(SOURCE, [])
    if base is not None:
        end = min(base.dates[-1], last)
        found |= dict.fromkeys(base.between(first, end), EXCHANGE)
        spans.append((first, end))
        advance = [on for on in advance if on > base.dates[-1]]
    if advance:
        found |= dict.fromkeys((on for on in advance if on >= first), SOURCE)
        spans.append((advance[0], advance[-1]))
    if of_user := given.get(USER):
        found = {on: origin for on, origin in found.items() if not of_user[0] <= on <= of_user[-1]}
        found |= dict.fromkeys((on for on in of_user if on >= first), USER)
        spans.append((of_user[0], of_user[-1]))
    found |= dict.fromkeys(_uncovered(spans, first, base.weekdays if base else WEEKDAYS), ESTIMATED)
    return dict(sorted(found.items()))


def _uncovered(spans: Collection[tuple[date, date]], first: date, weekdays: str) -> Iterable[date]:
    """The weekdays between spans that lie in none of them."""
    ends = sorted(span for span in spans if span[1] >= first)
    day = max(ends[0][0], first) if ends else first
    for begin, end in ends:
        gap = day
        while day < begin and begin - gap > LONGEST_BREAK:
            if weekdays[day.weekday()] == "1":
                yield day
            day += timedelta(days=1)
        day = max(day, end + timedelta(days=1))


def _frame(base: TradingCalendar | None, origins: Origins, freq: str) -> pl.DataFrame:
    """The sessions in _COLUMNS; with the hours of an exchange, for intraday bars, a row for each part of a session."""
    rows: list[tuple[date, datetime | None, datetime | None, str]] = []
    for on, origin in origins.items():
        if freq == DAILY or base is None:
            rows.append((on, None, None, origin))
            continue
        for opens, closes in base.hours.get(on, base.regular):
            end = datetime.combine(on, closes) + timedelta(days=closes == time())
            rows.append((on, datetime.combine(on, opens), end, origin))
    return pl.DataFrame(rows, schema=_COLUMNS, orient="row")


def path_of(folder: Path, freq: str) -> Path:
    """Where a snapshot's folder has the calendar of a frequency."""
    return folder / f"calendar.{freq}.parquet"


@lru_cache(maxsize=16)
def read_calendar(path: Path) -> TradingCalendar:
    """The calendar of a snapshot. Raises DataError for a file that cannot be read."""
    about, frame = _about(path), read_parquet(path, hint=REPAIR)
    try:
        regular = tuple((time.fromisoformat(opens), time.fromisoformat(closes)) for opens, closes in about["hours"])
        parts = frame.drop_nulls("open").select("open", "close").rows()
        guessed = frame.filter(pl.col("origin") == ESTIMATED)["date"]
        dates = tuple(frame["date"].unique().sort())
        return TradingCalendar(
            about["name"], dates, about["weekdays"], regular, odd_hours(parts, regular), frozenset(guessed)
        )
    except (KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise _damaged(path) from error


def calendar_digest(path: Path) -> str:
    """The digest of a calendar's content, as its file names it."""
    return str(_about(path).get("digest"))


def _about(path: Path) -> dict[str, Any]:
    found = (read_footer(path, hint=REPAIR).metadata or {}).get(_KEY, b"")
    about = parse_json(found.decode(errors="replace"))
    if not isinstance(about, dict):
        raise _damaged(path)
    return about


def _damaged(path: Path) -> DataError:
    return DataError(f"{path}: the calendar cannot be read: expected sessions and hours", hint=REPAIR)


def _version() -> str:
    return metadata.version("exchange-calendars")
