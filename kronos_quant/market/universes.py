"""Dated membership: universes, and facts about symbols that a source of bars does not carry.

Both are intervals with inclusive ends. The facts (special treatment, listings, industries, delisting periods, kinds of
funds) are optional and come from CSV files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import ConfigError, counted
from kronos_quant.inputs import short_repr
from kronos_quant.market.database import statement
from kronos_quant.market.dividends import DIVIDENDS
from kronos_quant.schema import UNIVERSES, check_table

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
"""The universe of every stock listed on the day; of a source with a list of all symbols, the stocks of that."""
KIND_UNIVERSES = {"funds": "fund", "bonds": "bond", "indices": "index"}
"""Universes of what is no stock -> its kind; a list of a source or a user under such a name goes before."""

INTERVALS: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "symbol": pl.String(),
    "start": pl.Date(),
    "end": pl.Date(),  # inclusive
    "value": pl.String(),  # the industry, the kind of fund; null where the interval alone says it
}
UNADJUSTED: dict[str, pl.DataType] = {"freq": pl.String(), "symbol": pl.String()}

KINDS = ("st", "listing", "industry", "delisting", "fund")
WITH_VALUE = ("industry", "fund")
"""Kinds whose intervals need a value."""

_WEIGHTS = "weights:"

OPEN_END = date(2099, 12, 31)
"""The end of an interval that has not ended, as in Qlib's lists."""


@dataclass(frozen=True, slots=True, repr=False)
class Membership(Displayed):
    """The constituents of a universe on a date, and which of them have bars."""

    universe: str
    on: date
    session: date
    """The last session up to the date, whose bars count."""
    members: tuple[str, ...]
    suspended: tuple[str, ...]
    """Members without a bar on the session that are still listed: a later bar or a list shows it."""
    without_bars: tuple[str, ...]
    """Members without any bar up to the session, or delisted before it: a back-test cannot hold them."""

    @property
    def survivorship_gap(self) -> float:
        """Share of the members whose bars are missing on the session; 0 for a universe without members."""
        return len(self.without_bars) / len(self.members) if self.members else 0.0

    @property
    def title(self) -> str:
        """The universe, the date and the counts."""
        traded = len(self.members) - len(self.suspended) - len(self.without_bars)
        return (
            f"{self.universe} on {self.on}: {counted(len(self.members), 'constituent')}, {traded:,} with a bar on "
            f"{self.session}, {len(self.suspended):,} suspended, {len(self.without_bars):,} without bars"
        )

    def summary(self) -> pl.DataFrame:
        """The counts as text: columns `figure` and `value`."""
        counts = {"constituents": self.members, "suspended": self.suspended, "without bars": self.without_bars}
        rows = [(name, f"{len(symbols)}") for name, symbols in counts.items()]
        return summary_table([*rows, ("survivorship gap", f"{self.survivorship_gap:.1%}")])

    def table(self) -> pl.DataFrame:
        """A row for each member: symbol and state (traded, suspended, no bars)."""
        states = dict.fromkeys(self.suspended, "suspended") | dict.fromkeys(self.without_bars, "no bars")
        return pl.DataFrame(
            {"symbol": self.members, "state": [states.get(symbol, "traded") for symbol in self.members]},
            schema={"symbol": pl.String, "state": pl.String},
        )

    def to_pandas(self) -> pd.DataFrame:
        """`table` for pandas."""
        return self.table().to_pandas()

    def lines(self) -> list[str]:
        """For people: the counts, and every member; those without a bar are marked."""
        marked = [symbol if state == "traded" else f"{symbol}  {state}" for symbol, state in self.table().rows()]
        return [self.title, f"survivorship gap: {self.survivorship_gap:.1%} of the constituents have no bars", *marked]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: plain values, dates in ISO form."""
        plain = {"date": str(self.on), **asdict(self), "session": str(self.session)}
        del plain["on"]
        return plain | {"survivorship_gap": self.survivorship_gap}


def membership(intervals: pl.DataFrame, universe: str, on: date, session: date, spans: pl.DataFrame) -> Membership:
    """The members on a date, divided by their bars around `session`, the last session up to that date.

    spans : a row for each symbol with bars: symbol, first (bar), last (bar, or end of the listing), traded (a bar on
    the session).
    """
    names = members(intervals, universe, on)
    traded = set(spans.filter("traded")["symbol"])
    around = set(spans.filter((pl.col("first") <= session) & (pl.col("last") >= session))["symbol"])
    return Membership(
        universe=universe,
        on=on,
        session=session,
        members=tuple(names),
        suspended=tuple(name for name in names if name in around - traded),
        without_bars=tuple(name for name in names if name not in around),
    )


def tidy(intervals: pl.DataFrame) -> pl.DataFrame:
    """Intervals in schema.UNIVERSES, each once, sorted, so that equal memberships are equal frames."""
    columns = [pl.col(name).cast(dtype) for name, dtype in UNIVERSES.items()]
    return intervals.select(columns).unique().sort(list(UNIVERSES))


def members(intervals: pl.DataFrame, universe: str, on: date) -> list[str]:
    """Symbols with an interval of `universe` (both ends inclusive) that contains `on`, sorted."""
    inside = (pl.col("universe") == universe) & (pl.col("start") <= on) & (pl.col("end") >= on)
    return intervals.filter(inside)["symbol"].unique().sort().to_list()


def every_stock(instruments: pl.DataFrame, listings: pl.DataFrame, lists: pl.DataFrame) -> pl.DataFrame:
    """The universe "all", in schema.UNIVERSES: the stocks of the source's list, and those of sources without one.

    Parameters
    ----------
    instruments
        schema.INSTRUMENTS.
    listings
        LISTINGS: the intervals of stocks that no list names.
    lists
        Stored intervals of this name.
    """
    stocks = instruments.filter(pl.col("kind") == "stock")
    # the latest end of a list is that of its data, after which it says nothing
    open_end = pl.when(pl.col("end") == pl.col("end").max()).then(OPEN_END).otherwise("end")
    named = lists.with_columns(end=open_end).filter(pl.col("symbol").is_in(stocks["symbol"].implode()))
    others = stocks.filter(pl.col("in_all").is_null()).join(named, on="symbol", how="anti")
    return tidy(pl.concat([named, listed_spans(others, listings, ALL)]))


def of_kind(instruments: pl.DataFrame, listings: pl.DataFrame, universe: str) -> pl.DataFrame:
    """One of KIND_UNIVERSES, in schema.UNIVERSES: all funds, bonds or indices from listing to delisting.

    Parameters
    ----------
    instruments
        schema.INSTRUMENTS.
    listings
        LISTINGS.
    universe
        A name of KIND_UNIVERSES.
    """
    return listed_spans(instruments.filter(pl.col("kind") == KIND_UNIVERSES[universe]), listings, universe)


def listed_spans(instruments: pl.DataFrame, listings: pl.DataFrame, universe: str) -> pl.DataFrame:
    """schema.UNIVERSES: instruments from their first date to their delisting, open where none is known."""
    spans = instruments.join(listings.select("symbol", "delisted"), on="symbol", how="left")
    return tidy(
        spans.select(
            pl.lit(universe).alias("universe"), "symbol", start="first_date", end=pl.col("delisted").fill_null(OPEN_END)
        )
    )


def weights_kind(index: str) -> str:
    """The kind of the intervals that hold an index's weights: their value is the weight, a fraction."""
    return _WEIGHTS + index.lower()


def check_kind(kind: str, *, weights: bool = False) -> None:
    """Raise ConfigError unless `kind` is one of KINDS. weights : whether it may be one of `weights_kind` too"""
    if not isinstance(kind, str) or not (kind in KINDS or (weights and kind.startswith(_WEIGHTS))):
        raise ConfigError(f"intervals: expected {', '.join(KINDS)}, found {short_repr(kind)}")


def record_facts(
    connection: duckdb.DuckDBPyConnection,
    ingest: int,
    freq: str,
    options: Sequence[tuple[str, str]],
    unadjusted_volume: Sequence[str],
) -> None:
    """Record, in its transaction, how an ingest was read, and which symbols have an unadjusted volume."""
    for name, value in options:
        connection.execute("INSERT INTO ingest_options VALUES (?, ?, ?)", [ingest, name, value])
    connection.execute(statement("forget_unadjusted"), {"freq": freq})
    marked = pl.DataFrame({"symbol": unadjusted_volume}, schema={"symbol": pl.String})
    connection.register("marked", marked.to_arrow())
    connection.execute("INSERT INTO unadjusted_volumes SELECT $freq, symbol FROM marked", {"freq": freq})


def replace_intervals(connection: duckdb.DuckDBPyConnection, kind: str, intervals: pl.DataFrame) -> int:
    """Store intervals instead of the stored ones of their kind; return how many there were."""
    [(before,)] = connection.execute("SELECT count(*) FROM intervals WHERE kind = ?", [kind]).fetchall()
    connection.execute("DELETE FROM intervals WHERE kind = ?", [kind])
    connection.register("incoming_intervals", intervals.select(list(INTERVALS)).to_arrow())
    connection.execute("INSERT INTO intervals SELECT * FROM incoming_intervals")
    return int(before)


def write_facts(folder: Path, connection: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    """Write intervals, unadjusted volumes and dividends to a snapshot's folder; return them by their part's name."""
    parts = {
        "intervals": connection.sql("SELECT * FROM intervals ORDER BY ALL").pl().cast(pl.Schema(INTERVALS)),
        "unadjusted_volumes": connection.sql("SELECT * FROM unadjusted_volumes ORDER BY ALL").pl(),
    }
    paid = connection.sql("SELECT * FROM dividends ORDER BY ALL").pl().cast(pl.Schema(DIVIDENDS))
    if len(paid):  # the digest of a market without any is what it was before there could be some
        parts["dividends"] = paid
    for name, frame in parts.items():
        check_table(f"snapshot.{name}", frame)
        frame.write_parquet(folder / f"{name}.parquet")
    return parts
