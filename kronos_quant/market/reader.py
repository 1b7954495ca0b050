"""The market as every package sees it: one published snapshot, read with Polars.

Nothing here opens the database, so reading never blocks an ingest and never sees half of one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from importlib import metadata
from pathlib import Path

import duckdb
import polars as pl

from kronos_quant import readers
from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import DataError, counted, listed
from kronos_quant.files import asset_dir
from kronos_quant.inputs import DateLike, PathLike, Symbols, as_date, as_path, as_symbols, short_repr
from kronos_quant.market import universes
from kronos_quant.market.calendar_files import calendar_digest, path_of, read_calendar
from kronos_quant.market.calendars import RECENT_SESSIONS, FutureTimes, RecentBars, TradingCalendar, exchange_calendar
from kronos_quant.market.database import DB_FOLDER
from kronos_quant.market.dividends import DIVIDENDS
from kronos_quant.market.listings import DELISTED_AFTER, listing_spans
from kronos_quant.market.quality.checks import WARNED, WARNED_FILE
from kronos_quant.market.ranges import check_inside, check_session, select_range
from kronos_quant.market.snapshot_files import (
    VIEW_BARS,
    create_view,
    read_frame,
    read_last_bars,
    read_sessions,
    read_symbols,
    read_times,
)
from kronos_quant.market.snapshot_parts import SNAPSHOTS, lost_pointer
from kronos_quant.market.snapshots import ORIGINS_FILE, SUSPENDED, Snapshot, current_snapshot, default_freq
from kronos_quant.market.symbols import find_symbol, usual_benchmark
from kronos_quant.market.universes import INTERVALS, UNADJUSTED, Membership, check_kind
from kronos_quant.schema import BARS, DAILY
from kronos_quant.workspace import WorkspaceFolder

_PARQUET = "a Parquet file"


@dataclass(frozen=True, slots=True, repr=False)
class Market(Displayed):
    """One state of the market at one frequency; see `open_market`."""

    snapshot: Snapshot
    freq: str
    delisted_after: int = DELISTED_AFTER
    """Sessions without a bar after which a listing counts as over, where no table states it."""

    @property
    def title(self) -> str:
        """One line: how many bars, of what, over which period."""
        span = self.snapshot.freqs[self.freq]
        held = f"{span.traded:,} {self.freq} bars of {counted(span.symbols, 'symbol')}"
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
        """Bars in schema.BARS, sorted by (symbol, time); a suspended session has none, and a missing volume is 0.

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
        return self._collect(self._chosen(self._scan(), symbols, start, end))

    def stored_bars(
        self, symbols: Sequence[str] | None = None, start: date | None = None, end: date | None = None
    ) -> pl.DataFrame:
        """Like `select_bars`, as the source gave them: also those of suspended sessions; a missing volume is null."""
        return self._collect(self._chosen(self._scan_stored().select(list(BARS)), symbols, start, end))

    @staticmethod
    def _chosen(
        frame: pl.LazyFrame, symbols: Sequence[str] | None, start: date | None, end: date | None
    ) -> pl.LazyFrame:
        if symbols is not None:
            frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
        if start is not None:
            frame = frame.filter(pl.col("date") >= start)
        if end is not None:
            frame = frame.filter(pl.col("date") <= end)
        return frame

    def sessions(self) -> list[date]:
        """Every session of the data, ascending."""
        return list(read_sessions(self._file("sessions")))

    def session_range(self, start: DateLike | None = None, end: DateLike | None = None) -> list[date]:
        """The sessions from `start` to `end`, both inclusive; the bounds need not be sessions themselves.

        Raises ConfigError where they are swapped, DataError where no session is between them.
        """
        return select_range(read_sessions(self._file("sessions")), as_date(start, "start"), as_date(end, "end"))

    def times(self) -> pl.DataFrame:
        """When bars end: distinct (date, time), ascending; of daily bars every session, also one without any bar."""
        if self.freq == DAILY:
            return pl.DataFrame({"date": self.sessions()}).with_columns(time=pl.col("date").cast(pl.Datetime("us")))
        return read_times(self._file("bars"))

    def last_time(self) -> datetime:
        """The end stamp of the newest bar."""
        if self.freq == DAILY:
            return datetime.combine(self.snapshot.freqs[self.freq].last, time())
        newest: datetime = self._collect(self._scan().select(pl.col("time").max())).item()
        return newest

    def instruments(self) -> pl.DataFrame:
        """Instruments in schema.INSTRUMENTS, sorted by symbol."""
        known = read_frame(self.snapshot.folder / "instruments.parquet")
        return known if "in_all" in known.columns else known.with_columns(in_all=pl.lit(None, pl.Boolean))

    def universe_names(self) -> list[str]:
        """The universes that `members` knows: all, the stored lists, and funds, bonds or indices if there are any."""
        kinds = self.instruments()["kind"].unique()
        others = {name for name, kind in universes.KIND_UNIVERSES.items() if kind in kinds}
        return [universes.ALL, *sorted({*self._intervals()["universe"], *others} - {universes.ALL})]

    def universe(self, name: str) -> pl.DataFrame:
        """A universe in schema.UNIVERSES; "all" is every stock of the source's list, and those of sources without one.

        Raises DataError for an unknown name.
        """
        if name not in self.universe_names():
            raise DataError(f"unknown universe {short_repr(name)}; available: {', '.join(self.universe_names())}")
        stored = self._intervals().filter(pl.col("universe") == name)
        if name == universes.ALL:
            return universes.every_stock(self.instruments(), self.listings(), stored)
        if stored.is_empty():
            return universes.of_kind(self.instruments(), self.listings(), name)
        return stored

    def traded_members(self, membership: pl.DataFrame) -> list[str]:
        """The symbols that a universe (schema.UNIVERSES) ever had, without indices, sorted."""
        traded = self.instruments().filter(pl.col("kind") != "index")["symbol"]
        return traded.filter(traded.is_in(membership["symbol"].unique().implode())).to_list()

    def source_lists(self) -> pl.DataFrame:
        """The lists as the sources gave them, in schema.UNIVERSES: "all" with its funds and indices."""
        return self._intervals()

    def members(self, universe: str = universes.ALL, on: DateLike | None = None) -> list[str]:
        """Constituents of a universe on a date (default: the newest session), sorted, also those without bars."""
        return universes.members(self.universe(universe), universe, self._date(on))

    def membership(self, universe: str = universes.ALL, on: DateLike | None = None) -> Membership:
        """Constituents of a universe on a date (default: the newest session), and which of them have no bars then.

        A date between two sessions takes the bars of the one before; DataError for a date before or after the data.
        """
        day = self._date(on)
        known = read_sessions(self._file("sessions"))
        check_inside(known, day)
        session = known[bisect_right(known, day) - 1]
        intervals = self.universe(universe)
        names = universes.members(intervals, universe, day)
        traded = self._scan().filter(pl.col("symbol").is_in(names))
        found = traded.group_by("symbol").agg(
            pl.col("date").min().alias("first"), (pl.col("date") == session).any().alias("traded")
        )
        # until its listing is over, a symbol without bars is suspended
        over = self.listings().select("symbol", last=pl.col("delisted").fill_null(known[-1]))
        spans = self._collect(found).join(over, on="symbol", how="left")
        return universes.membership(intervals, universe, day, session, spans)

    def intervals(self, kind: str) -> pl.DataFrame:
        """The intervals of a kind (`universes.KINDS`, else ConfigError): symbol, start, end (inclusive), value."""
        check_kind(kind, weights=True)
        return self._facts("intervals", INTERVALS).filter(pl.col("kind") == kind).drop("kind")

    def dividends(self) -> pl.DataFrame:
        """What companies paid and gave per share, as far as it was ingested, in `dividends.DIVIDENDS`."""
        return self._facts("dividends", DIVIDENDS)

    def listings(self) -> pl.DataFrame:
        """When each symbol was listed, as far as it is known, in `listings.LISTINGS`."""
        last = read_last_bars(self._file("bars"))
        tables, sessions = self.intervals("listing"), read_sessions(self._file("sessions"))
        return listing_spans(self.instruments(), tables, last, sessions, self.delisted_after)

    def resolve(self, text: str) -> str:
        """The symbol that a text names: SH600000, 600000.SH, sh600000 or, where only one fits, 600000.

        Raises DataError for an unknown symbol (with the nearest ones) and for digits that several symbols share.
        """
        return find_symbol(text, read_symbols(self.snapshot.folder / "instruments.parquet"), self.exchange)

    def check_session(self, on: DateLike) -> date:
        """The session that a date names; DataError, naming the nearest sessions, for a date that is none."""
        day = self._date(on)
        check_session(read_sessions(self._file("sessions")), day)
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
        known = read_sessions(self._file("sessions"))
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
        return usual_benchmark(self.instruments().filter(pl.col("kind") == "index")["symbol"].to_list())

    def origins(self, source: str) -> list[Path]:
        """Where the bars of a source (qlib, csv, ...) were read from, each place once, the last first; maybe none."""
        path = self.snapshot.folder / ORIGINS_FILE
        if not path.exists():
            return []
        read = read_frame(path).filter(freq=self.freq, source=source)
        return [Path(place) for place in dict.fromkeys(reversed(read["path"].to_list()))]

    def warnings(self) -> pl.DataFrame:
        """The stored bars that a check warned of at their ingest: rule, symbol, date, time; see `kq check`."""
        path = self.snapshot.folder / WARNED_FILE
        if not path.exists():  # a snapshot of an older version
            return pl.DataFrame(schema=WARNED)
        return read_frame(path).filter(freq=self.freq).drop("freq")

    def connect(self) -> duckdb.DuckDBPyConnection:
        """An in-memory DuckDB for SQL: bars, instruments, universes, sessions and the views of db/views.

        `bars` is what `bars` gives; `stored_bars` has those of suspended sessions too, marked in a column `suspended`.
        """
        connection = duckdb.connect(":memory:")
        create_view(connection, "stored_bars", self._file("bars"))
        create_view(connection, "sessions", self._file("sessions"))
        connection.execute(VIEW_BARS + (f" WHERE NOT {SUSPENDED}" if self._has_suspended else ""))
        for name in ("instruments", "universes"):
            create_view(connection, name, self.snapshot.folder / f"{name}.parquet")
        connection.register("intervals", self._facts("intervals", INTERVALS).to_arrow())
        unadjusted = self._facts("unadjusted_volumes", UNADJUSTED).filter(pl.col("freq") == self.freq)
        connection.register("unadjusted_volumes", unadjusted.select("symbol").to_arrow())
        for path in sorted((asset_dir("db") / "views").glob("*.sql")):
            connection.execute(readers.read_text(path))
        return connection

    def _date(self, on: DateLike | None) -> date:
        """A date as given, the newest session for None."""
        return as_date(on, "date") or read_sessions(self._file("sessions"))[-1]

    def _file(self, name: str) -> Path:
        return self.snapshot.folder / f"{name}.{self.freq}.parquet"

    def _scan(self) -> pl.LazyFrame:
        stored = self._scan_stored()
        traded = stored.filter(~pl.col(SUSPENDED)) if self._has_suspended else stored
        return traded.select(list(BARS)).with_columns(pl.col("volume", "amount").fill_null(0.0))

    def _scan_stored(self) -> pl.LazyFrame:
        return readers.scan_parquet(self._file("bars"), hint=readers.REPAIR)

    @property
    def _has_suspended(self) -> bool:
        """Whether the file of bars holds some of suspended sessions and, with them, the column that says so."""
        return self.snapshot.freqs[self.freq].suspended > 0

    def _collect(self, query: pl.LazyFrame) -> pl.DataFrame:
        """The answer of a query of the bars; DataError where their file is damaged."""
        with readers.reading(self._file("bars"), _PARQUET, hint=readers.REPAIR):
            return query.collect()

    def _intervals(self) -> pl.DataFrame:
        return read_frame(self.snapshot.folder / "universes.parquet")

    def _facts(self, name: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
        """A part that snapshots of older versions do not have."""
        path = self.snapshot.folder / f"{name}.parquet"
        return read_frame(path) if path.exists() else pl.DataFrame(schema=schema)


def open_market(root: PathLike, freq: str | None = None, delisted_after: int = DELISTED_AFTER) -> Market:
    """The newest published state of the workspace folder `root`.

    Parameters
    ----------
    root
        The workspace's folder.
    freq
        "day", "5min", ...; by default daily bars where there are any, else the first frequency there is.
    delisted_after
        Sessions without a bar after which a listing counts as over, where no table of listings states it.

    Raises
    ------
    DataError
        When nothing was ingested yet or the frequency is not there.

    >>> open_market("my-research").bars("AAPL", start="2024-01-01")  # doctest: +SKIP
    """
    root = as_path(root, "root")
    snapshot = current_snapshot(root)
    if snapshot is None or not snapshot.freqs:
        lost = lost_pointer(root / DB_FOLDER / SNAPSHOTS) if snapshot is None else None
        raise lost or DataError(f"{root}: no bars have been ingested", hint="kq ingest qlib")
    freq = freq or default_freq(snapshot)
    if freq not in snapshot.freqs:
        raise DataError(f"{root}: no {freq} bars (stored: {', '.join(snapshot.freqs)})")
    return Market(snapshot, freq, delisted_after)


def workspace_market(workspace: WorkspaceFolder, freq: str | None = None) -> Market:
    """The newest bars of a workspace at the frequency given, else at the one that kq.yaml sets."""
    market = workspace.config.market
    return open_market(workspace.root, freq or market.freq, market.delisted_after)
