"""A file or table of dates -> the sessions of an exchange, which then travel with every snapshot.

One column of dates, in any order and under any of the usual names; a file may have no header. Where a column says
whether a day is open (is_open, is_trading_day), only open days are sessions. The list says which days are sessions
from its first to its last date, and replaces the stored list of its exchange.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import polars as pl

from kronos_quant.display import TextReport
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.inputs import PathLike, Table, as_path, short_repr
from kronos_quant.market.calendar_files import LONGEST_BREAK, store_user_sessions
from kronos_quant.market.calendars import exchange_calendar
from kronos_quant.market.database import ingest_lock, open_database, statement, transaction
from kronos_quant.market.dialects.cells import usual_stamps
from kronos_quant.market.dialects.names import DAYS, MOMENTS, find_columns
from kronos_quant.market.dialects.texts import LINE
from kronos_quant.market.ingest.columns import check_years, parse_stamps
from kronos_quant.market.ingest.lists import read_cells
from kronos_quant.market.reader import open_market
from kronos_quant.market.sessions import calendar_name
from kronos_quant.market.snapshots import publish

_DATES = ("cal_date", "calendar_date", *DAYS, "session", *MOMENTS)
_OPEN = ("is_open", "is_trading_day", "是否交易日", "是否交易")
"""Columns that are 1 on a session and 0 on any other day."""


@dataclass(frozen=True, slots=True, repr=False)
class CalendarReport(TextReport):
    """What the ingest of a calendar did."""

    path: str
    exchange: str
    """Whose sessions they are; "" where unknown."""
    sessions: int
    first: date
    last: date
    replaced: int
    """Stored sessions that were replaced."""
    differing: int
    """Days on which exchange_calendars says otherwise, as far as it reaches."""
    first_differing: date | None
    breaks: tuple[tuple[date, date], ...]
    """Neighbouring sessions more than 15 days apart."""
    snapshot: str

    def lines(self) -> list[str]:
        """The report in words, one fact per line."""
        lines = [
            f"{self.path}: calendar of {self.exchange or 'the market'}: {counted(self.sessions, 'session')}, "
            f"{self.first} to {self.last}; {self.replaced:,} replaced"
        ]
        if self.differing:
            lines.append(
                f"differs from exchange_calendars: {counted(self.differing, 'day')} (first: {self.first_differing}); "
                "the file is used"
            )
        for before, after in self.breaks[:3]:
            lines.append(f"no session between {before} and {after}")
        return [*lines, f"snapshot {self.snapshot[:16]}"]


def ingest_calendar(root: PathLike, source: PathLike | Table, *, exchange: str = "") -> CalendarReport:
    """Read the sessions of an exchange into the workspace folder `root` and publish the result.

    Parameters
    ----------
    root
        The workspace's folder.
    source
        A text file or a table with a column of dates.
    exchange
        ISO code of the exchange; "": that of the bars, where it is known.

    Raises
    ------
    DataError
        For a source that cannot be read, or a workspace without bars; the store is unchanged then.
    """
    root = as_path(root, "root")
    calendar_name(exchange)
    named = exchange or open_market(root).exchange
    sessions = read_sessions(source)
    path = str(source) if isinstance(source, str | Path) else "table"
    with ingest_lock(root), open_database(root) as connection:
        with transaction(connection):
            replaced = store_user_sessions(connection, named, sessions)
            record = {"source": "calendar", "path": path, "notes": [counted(len(sessions), "session")]}
            connection.execute(statement("insert_list"), record)
        snapshot = publish(root, connection)
    differing = _differing(sessions, named)
    return CalendarReport(
        path=path,
        exchange=named,
        sessions=len(sessions),
        first=sessions[0],
        last=sessions[-1],
        replaced=replaced,
        differing=len(differing),
        first_differing=differing[0] if differing else None,
        breaks=tuple((before, after) for before, after in pairwise(sessions) if after - before > LONGEST_BREAK),
        snapshot=snapshot.digest,
    )


def read_sessions(source: PathLike | Table) -> list[date]:
    """The sessions of a file or table, ascending, each once; DataError, with line and value, for what is no date."""
    place, cells = read_cells(source)
    names = [name for name in cells.columns if name != LINE]
    found = find_columns(names, _DATES) or (names if len(names) == 1 else [])
    if not found:
        raise DataError(
            f"{place}: expected a column of dates (date, trade_date, cal_date), found {listed(names, 20)}",
            hint="Name the column of the sessions `date`.",
        )
    if len(names) == 1 and _is_date(names[0]):  # a list without a header
        cells = pl.concat([pl.DataFrame({LINE: [0], names[0]: names}, schema=cells.schema), cells])
    if flags := find_columns(names, _OPEN):
        cells = cells.filter(pl.col(flags[0]).str.strip_chars().is_in(["1", "1.0", "True", "true", "Y", "是"]))
    stamps = cells[found[0]].str.strip_chars()
    days = parse_stamps(usual_stamps(stamps, str(place)), None)
    if days.null_count():
        row = int(days.is_null().arg_true()[0])
        raise DataError(
            f"{place}: line {cells[LINE][row]}: column {found[0]}: expected a date like 2027-01-04, "
            f"found {short_repr(stamps[row])}"
        )
    if days.is_empty():
        raise DataError(f"{place}: expected sessions, found no open day")
    check_years(f"{place}: line", cells[LINE], stamps, days)
    return days.dt.date().unique().sort().to_list()


def _is_date(text: str) -> bool:
    return parse_stamps(usual_stamps(pl.Series("date", [text]), ""), None).null_count() == 0


def _differing(sessions: list[date], exchange: str) -> list[date]:
    """Days between the first and the last session on which the exchange's own calendar says otherwise."""
    calendar = exchange_calendar(exchange)
    if calendar is None:
        return []
    last = min(sessions[-1], calendar.dates[-1])
    return sorted({on for on in sessions if on <= last} ^ set(calendar.between(sessions[0], last)))
