"""Who belonged to what, and when: members by date from intervals."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import polars as pl

from kronos_quant.schema import UNIVERSES

ALL = "all"
"""The universe of every stock listed on the day."""


@dataclass(frozen=True, slots=True)
class Membership:
    """Who belonged to a universe on a date, and whether the store knows how they traded."""

    universe: str
    on: date
    session: date
    """The last session up to the date, on which bars are looked for; the first one for a date before the data."""
    members: tuple[str, ...]
    suspended: tuple[str, ...]
    """Members with bars before the session and none on it, that are listed still: by a later bar or by a list."""
    without_bars: tuple[str, ...]
    """Members without any bar up to the session, or gone before it: a back-test cannot hold them."""

    @property
    def survivorship_gap(self) -> float:
        """Share of the members whose bars are missing on the session; 0 for a universe without members."""
        return len(self.without_bars) / len(self.members) if self.members else 0.0

    def lines(self) -> list[str]:
        """For people: the counts, and every name; members without bars are marked."""
        traded = len(self.members) - len(self.suspended) - len(self.without_bars)
        counts = (
            f"{self.universe} on {self.on}: {len(self.members):,} members: {traded:,} with a bar on {self.session}, "
            f"{len(self.suspended):,} suspended, {len(self.without_bars):,} without bars"
        )
        marks = {**dict.fromkeys(self.suspended, "  suspended"), **dict.fromkeys(self.without_bars, "  no bars")}
        names = [f"{symbol}{marks.get(symbol, '')}" for symbol in self.members]
        return [counts, f"survivorship gap: {self.survivorship_gap:.1%} of the members have no bars", *names]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: plain values, dates in ISO form."""
        plain = {"date": str(self.on), **asdict(self), "session": str(self.session)}
        del plain["on"]
        return plain | {"survivorship_gap": self.survivorship_gap}


def membership(intervals: pl.DataFrame, universe: str, on: date, session: date, spans: pl.DataFrame) -> Membership:
    """The members on a date, told apart by their bars around `session`.

    intervals : schema.UNIVERSES.
    spans : one row a symbol with bars: symbol, first (bar), last (bar, or end of the listing), traded (a bar on the
    session).
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
    """Symbols with an interval of `universe` that holds `on` (both ends inclusive), sorted.

    intervals : schema.UNIVERSES; a symbol may have several.
    """
    inside = (pl.col("universe") == universe) & (pl.col("start") <= on) & (pl.col("end") >= on)
    return intervals.filter(inside)["symbol"].unique().sort().to_list()


def listings(instruments: pl.DataFrame) -> pl.DataFrame:
    """The universe "all": every stock (no index) from its listing to its delisting, in schema.UNIVERSES.

    instruments : schema.INSTRUMENTS.
    """
    stocks = instruments.filter(pl.col("kind") == "stock")
    return tidy(stocks.select(pl.lit(ALL).alias("universe"), "symbol", start="first_date", end="last_date"))
