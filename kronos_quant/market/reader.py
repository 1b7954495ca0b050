"""The market as every package sees it: one published snapshot, read with Polars.

Nothing here opens the database, so reading never blocks an ingest and never sees half of one.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant import readers
from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import ConfigError, DataError, counted, listed
from kronos_quant.files import asset_dir
from kronos_quant.inputs import LONGEST_NAME, DateLike, PathLike, Symbols, as_date, as_path, as_symbols, short_repr
from kronos_quant.market import universes
from kronos_quant.market.calendar_files import calendar_digest, path_of, read_calendar
from kronos_quant.market.calendars import RECENT_SESSIONS, FutureTimes, RecentBars, TradingCalendar, exchange_calendar
from kronos_quant.market.ranges import check_inside, check_session, select_range
from kronos_quant.market.snapshots import ORIGINS_FILE, Snapshot, current_snapshot, default_freq
from kronos_quant.market.symbols import canonical
from kronos_quant.market.universes import INTERVALS, UNADJUSTED, Membership, check_kind, listing_dates
from kronos_quant.schema import DAILY
from kronos_quant.workspace import WorkspaceFolder

_BENCHMARKS = ("SH000300", "SH000905", "SH000852", "SH000001")
"""CSI 300, CSI 500, CSI 1000, Shanghai Composite: what `auto` looks for, in this order."""

_PARQUET = "a Parquet file"


@dataclass(frozen=True, slots=True, repr=False)
class Market(Displayed):
    """One state of the market at one frequency; see `open_market`."""

    snapshot: Snapshot
    freq: str

    @property
    def title(self) -> str:
        """One line: how many bars, of what, over which period."""
        span = self.snapshot.freqs[self.freq]
        held = f"{span.bars:,} {self.freq} bars of {counted(span.symbols, 'symbol')}"
        return f"Market: {held}, {span.first} to {span.last}"

    def summary(self) -> pl.DataFrame:
        """What it holds: columns `figure` and `value`, both text."""
        rows = {
            "exchange": self.exchange or "unknown",
            "sessions": f"{self.snapshot.freqs[self.freq].sessions:,}",
            "universes": ", ".join(self.universe_names()),
            "snapshot": self.snapshot.digest[:16],
        }
        return summary_table(rows.items())

    @property
    def exchange(self) -> str:
        """ISO code of the exchange, "24/7", or "" where unknown."""
        return self.snapshot.freqs[self.freq].exchange

    def bars(
        self, symbols: Symbols | None = None, start: DateLike | None = None, end: DateLike | None = None
    ) -> pl.DataFrame:
        """Bars in schema.BARS, sorted by (symbol, time).

        Parameters
        ----------
        symbols
            One symbol or several, in any spelling (SH600000, 600000.SH, aapl); all by default.
        start, end
            Both inclusive, as dates or ISO text; they need not be sessions.

        Raises
        ------
        DataError
            For an unknown symbol, with the nearest ones, for a symbol that has no bars at all, and for a range without
            any session.
        ConfigError
            For a date that is none, and a start after the end.
        """
        given = as_symbols(symbols)
        since, until = as_date(start, "start"), as_date(end, "end")
        self.session_range(since, until)
        if given is None:
            return self.select_bars(None, since, until)
        names = [self.resolve(text) for text in given]
        frame = self.select_bars(names, since, until)
        absent = set(names) - set(frame["symbol"].unique())
        barren = sorted(absent - set(self.select_bars(sorted(absent))["symbol"].unique())) if absent else []
        if barren:
            raise DataError(
                f"no {self.freq} bars of {listed(barren)}: known as a constituent or listing only", hint="kq universe"
            )
        return frame

    def select_bars(
        self, symbols: Sequence[str] | None = None, start: date | None = None, end: date | None = None
    ) -> pl.DataFrame:
        """Like `bars`, of canonical symbols and without checks: a symbol without bars gives no rows."""
        frame = self._scan()
        if symbols is not None:
            frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
        if start is not None:
            frame = frame.filter(pl.col("date") >= start)
        if end is not None:
            frame = frame.filter(pl.col("date") <= end)
        return self._collect(frame)

    def sessions(self) -> list[date]:
        """Every session of the data, ascending."""
        return list(_sessions(self._file("sessions")))

    def session_range(self, start: DateLike | None = None, end: DateLike | None = None) -> list[date]:
        """The sessions from `start` to `end`, both inclusive; the bounds need not be sessions themselves.

        Raises ConfigError where they are swapped, DataError where no session is between them.
        """
        return select_range(_sessions(self._file("sessions")), as_date(start, "start"), as_date(end, "end"))

    def times(self) -> pl.DataFrame:
        """When bars end: distinct (date, time), ascending; of daily bars every session, also one without any bar."""
        if self.freq == DAILY:
            return pl.DataFrame({"date": self.sessions()}).with_columns(time=pl.col("date").cast(pl.Datetime("us")))
        return _times(self._file("bars"))

    def last_time(self) -> datetime:
        """The end stamp of the newest bar."""
        if self.freq == DAILY:
            return datetime.combine(self.snapshot.freqs[self.freq].last, time())
        newest: datetime = self._collect(self._scan().select(pl.col("time").max())).item()
        return newest

    def instruments(self) -> pl.DataFrame:
        """Instruments in schema.INSTRUMENTS, sorted by symbol."""
        return _frame(self.snapshot.folder / "instruments.parquet")

    def universe_names(self) -> list[str]:
        """The universes that `members` knows; "all" is always one."""
        return [universes.ALL, *self._intervals()["universe"].unique().sort()]

    def universe(self, name: str) -> pl.DataFrame:
        """A universe in schema.UNIVERSES; "all" is every stock's listing. Raises DataError for an unknown name."""
        if name == universes.ALL:
            return universes.listings(self.instruments())
        if name not in self.universe_names():
            raise DataError(f"unknown universe {short_repr(name)}; available: {', '.join(self.universe_names())}")
        return self._intervals().filter(pl.col("universe") == name)

    def members(self, universe: str = universes.ALL, on: DateLike | None = None) -> list[str]:
        """Constituents of a universe on a date (default: the newest session), sorted, also those without bars."""
        return universes.members(self.universe(universe), universe, self._date(on))

    def membership(self, universe: str = universes.ALL, on: DateLike | None = None) -> Membership:
        """Constituents of a universe on a date (default: the newest session), and which of them have no bars then.

        A date between two sessions takes the bars of the one before; DataError for a date before or after the data.
        """
        day = self._date(on)
        known = _sessions(self._file("sessions"))
        check_inside(known, day)
        session = known[bisect_right(known, day) - 1]
        names = universes.members(self.universe(universe), universe, day)
        traded = self._scan().filter(pl.col("symbol").is_in(names))
        found = traded.group_by("symbol").agg(
            pl.col("date").min().alias("first"),
            pl.col("date").max().alias("last"),
            (pl.col("date") == session).any().alias("traded"),
        )
        # a symbol still listed after its last bar is suspended, not delisted
        listed_until = self.instruments().select("symbol", "last_date")
        spans = self._collect(found).join(listed_until, on="symbol", how="left")
        spans = spans.with_columns(last=pl.max_horizontal("last", "last_date"))
        return universes.membership(self.universe(universe), universe, day, session, spans)

    def intervals(self, kind: str) -> pl.DataFrame:
        """The intervals of a kind (st, listing, industry; else ConfigError): symbol, start, end (inclusive), value."""
        check_kind(kind)
        return self._facts("intervals", INTERVALS).filter(pl.col("kind") == kind).drop("kind")

    def listing_dates(self) -> pl.DataFrame:
        """Listing date of each symbol: symbol, listed; null for a symbol whose bars start with the data."""
        first = _sessions(self._file("sessions"))[0]
        return listing_dates(self.instruments(), self.intervals("listing"), first)

    def resolve(self, text: str) -> str:
        """The symbol that a text names: SH600000, 600000.SH, sh600000 or, where only one fits, 600000.

        Raises DataError for an unknown symbol (with the nearest ones) and for digits that several symbols share.
        """
        if not isinstance(text, str):
            raise ConfigError(f"symbol: expected a symbol such as SH600000, found {short_repr(text)}")
        known = _symbols(self.snapshot.folder / "instruments.parquet")
        name = text.strip().upper()
        sharing = [symbol for symbol in known if symbol[2:] == name] if re.fullmatch(r"\d{4,6}", name) else []
        if len(sharing) > 1:
            raise DataError(f"symbol {short_repr(text)} is ambiguous: {listed(sharing)}")
        for spelling in (name, *sharing, canonical(name, self.exchange), canonical(name)):
            if spelling in known:
                return spelling
        nearest = difflib.get_close_matches(canonical(name[:LONGEST_NAME]), known, n=3)
        raise DataError(
            f"unknown symbol {short_repr(text)}: not among the {len(known):,} in the market",
            hint=f"nearest: {', '.join(nearest)}" if nearest else "kq universe",
        )

    def check_session(self, on: DateLike) -> date:
        """The session that a date names; DataError, naming the nearest sessions, for a date that is none."""
        day = self._date(on)
        check_session(_sessions(self._file("sessions")), day)
        return day

    def next_times(self, last_time: datetime, count: int) -> FutureTimes:
        """The end stamps of the `count` bars after `last_time`, from what was known then.

        Where the exchange is unknown, only bars up to `last_time` count, and the stamps are flagged as estimated.
        """
        calendar = self.calendar()
        if calendar is not None and self.exchange:
            return calendar.next_times(last_time, count, self.freq)
        return self._recent_bars(last_time).next_times(last_time, count, self.freq, calendar)

    def calendar(self) -> TradingCalendar | None:
        """The calendar published with the bars; None where the exchange is unknown and nobody gave sessions.

        For a snapshot of an older version, which has none, that of exchange_calendars as it is installed.
        """
        path = path_of(self.snapshot.folder, self.freq)
        return read_calendar(path) if path.exists() else exchange_calendar(self.exchange)

    def calendar_digest(self) -> str:
        """What decides the stamps of future bars beside the bars themselves, as a text that changes with it."""
        path = path_of(self.snapshot.folder, self.freq)
        if path.exists():
            return calendar_digest(path)
        return metadata.version("exchange-calendars") if self.exchange else ""

    def _recent_bars(self, last_time: datetime) -> RecentBars:
        """The sessions up to a moment and, of intraday bars, the times of day at which the recent ones ended."""
        known = _sessions(self._file("sessions"))
        if self.freq == DAILY:
            return RecentBars(known[: bisect_right(known, last_time.date())])
        bars = self.times()
        count = int(bars["time"].search_sorted(last_time, side="right"))
        if not count:
            return RecentBars([])
        recent = known[: bisect_right(known, bars["date"][count - 1])][-RECENT_SESSIONS:]
        seen = bars["time"][int(bars["date"].search_sorted(recent[0])) : count]
        return RecentBars(recent, seen.dt.time().unique().sort().to_list())

    def benchmark(self, choice: str = "auto") -> str | None:
        """The symbol of the benchmark.

        choice : "auto" (CSI 300, 500, 1000, Shanghai Composite, else the only index there is), "none", or a symbol.
        Returns None where there is no index. Raises DataError when several indices leave `auto` no choice.
        """
        if choice == "none":
            return None
        if choice != "auto":
            return self.resolve(choice)
        indices: list[str] = self.instruments().filter(pl.col("kind") == "index")["symbol"].to_list()
        for symbol in _BENCHMARKS:
            if symbol in indices:
                return symbol
        if len(indices) > 1:
            raise DataError(
                f"benchmark auto: {len(indices)} indices, none of them {', '.join(_BENCHMARKS)}: {listed(indices)}",
                hint="set `benchmark` to one of them, or to none",
            )
        return indices[0] if indices else None

    def origins(self, source: str) -> list[Path]:
        """Where the bars of a source (qlib, csv, ...) were read from, each place once, the last first; maybe none."""
        path = self.snapshot.folder / ORIGINS_FILE
        if not path.exists():
            return []
        read = _frame(path).filter(freq=self.freq, source=source)
        return [Path(place) for place in dict.fromkeys(reversed(read["path"].to_list()))]

    def connect(self) -> duckdb.DuckDBPyConnection:
        """An in-memory DuckDB for SQL: bars, instruments, universes, sessions and the views of db/views."""
        connection = duckdb.connect(":memory:")
        for name in ("bars", "sessions"):
            _create_view(connection, name, self._file(name))
        for name in ("instruments", "universes"):
            _create_view(connection, name, self.snapshot.folder / f"{name}.parquet")
        connection.register("intervals", self._facts("intervals", INTERVALS).to_arrow())
        unadjusted = self._facts("unadjusted_volumes", UNADJUSTED).filter(pl.col("freq") == self.freq)
        connection.register("unadjusted_volumes", unadjusted.select("symbol").to_arrow())
        for path in sorted((asset_dir("db") / "views").glob("*.sql")):
            connection.execute(readers.read_text(path))
        return connection

    def _date(self, on: DateLike | None) -> date:
        """A date as given, the newest session for None."""
        return as_date(on, "date") or _sessions(self._file("sessions"))[-1]

    def _file(self, name: str) -> Path:
        return self.snapshot.folder / f"{name}.{self.freq}.parquet"

    def _scan(self) -> pl.LazyFrame:
        return readers.scan_parquet(self._file("bars"), hint=readers.REPAIR)

    def _collect(self, query: pl.LazyFrame) -> pl.DataFrame:
        """The answer of a query of the bars; DataError where their file is damaged."""
        with readers.reading(self._file("bars"), _PARQUET, hint=readers.REPAIR):
            return query.collect()

    def _intervals(self) -> pl.DataFrame:
        return _frame(self.snapshot.folder / "universes.parquet")

    def _facts(self, name: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
        """A part that snapshots of older versions do not have."""
        path = self.snapshot.folder / f"{name}.parquet"
        return _frame(path) if path.exists() else pl.DataFrame(schema=schema)


def open_market(root: PathLike, freq: str | None = None) -> Market:
    """The newest published state of the workspace folder `root`.

    freq : "day", "5min", ...; by default daily bars where there are any, else the first frequency there is.
    Raises DataError when nothing was ingested yet or the frequency is not there.

    >>> open_market("my-research").bars("AAPL", start="2024-01-01")  # doctest: +SKIP
    """
    root = as_path(root, "root")
    snapshot = current_snapshot(root)
    if snapshot is None:
        raise DataError(f"{root}: no bars have been ingested", hint="kq ingest qlib")
    freq = freq or default_freq(snapshot)
    if freq not in snapshot.freqs:
        raise DataError(f"{root}: no {freq} bars (stored: {', '.join(snapshot.freqs)})")
    return Market(snapshot, freq)


def workspace_market(workspace: WorkspaceFolder, freq: str | None = None) -> Market:
    """The newest bars of a workspace at the frequency given, else at the one that kq.yaml sets."""
    return open_market(workspace.root, freq or workspace.config.market.freq)


# A snapshot never changes, so what was read of one stays true; the bars themselves are not kept.
@lru_cache(maxsize=16)
def _frame(path: Path) -> pl.DataFrame:
    return readers.read_parquet(path, hint=readers.REPAIR)


@lru_cache(maxsize=16)
def _sessions(path: Path) -> tuple[date, ...]:
    with readers.reading(path, _PARQUET, hint=readers.REPAIR):
        return tuple(_frame(path)["date"])


@lru_cache(maxsize=16)
def _times(path: Path) -> pl.DataFrame:
    bars = readers.scan_parquet(path, hint=readers.REPAIR)
    with readers.reading(path, _PARQUET, hint=readers.REPAIR):
        return bars.select("date", "time").unique().sort("time").collect()


@lru_cache(maxsize=16)
def _symbols(path: Path) -> dict[str, None]:
    with readers.reading(path, _PARQUET, hint=readers.REPAIR):
        return dict.fromkeys(_frame(path)["symbol"])


def _create_view(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    readers.regular_file(path, hint=readers.REPAIR)
    with readers.reading(path, _PARQUET, hint=readers.REPAIR):
        connection.read_parquet(readers.duckdb_path(path)).create_view(name)
