"""The history of the bars as readers see it: a file beside each snapshot, so that nobody needs the database.

It is no part of a snapshot's content, nor of its digest: equal bars are equal whatever they were before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

import polars as pl

from kronos_quant.errors import DataError, counted
from kronos_quant.market.reader import Market
from kronos_quant.market.snapshots import HISTORY_FILE
from kronos_quant.schema import BARS, DAILY, FEATURES

VALUES = (*FEATURES, "factor")
CHANGES = ("restated", "moved", "vanished", "returned")
"""restated: another value came; moved: only the level of its factor, with a factor restated before it; vanished: the
source no longer has the bar (the stored one is kept); returned: the source has it again."""

_INGEST = ("ingest", "recorded", "source", "path")


def read_history(market: Market, symbols: Sequence[str] | None = None, since: date | None = None) -> pl.DataFrame:
    """What became of stored bars of a market, sorted by (symbol, time, ingest); the database is not opened.

    symbols : canonical, all by default. since : only what ingests recorded on that day (UTC) or later.
    Columns symbol, date, time, change (one of CHANGES), old_<value> and new_<value> of VALUES (in the stored scale; of
    a bar that vanished or returned null, for its value did not change), ingest (its number), recorded (when, UTC),
    source and path of what it read.
    Raises DataError for a snapshot that an older version published without its history.
    """
    path = market.snapshot.folder / HISTORY_FILE
    if not path.exists():
        raise DataError(
            f"{market.snapshot.folder}: published by an older kronos-quant, without the history of its bars",
            hint="any ingest publishes it, e.g. kq ingest qlib",
        )
    chosen = pl.lit(True) if symbols is None else pl.col("symbol").is_in(list(symbols))
    events = pl.scan_parquet(path).filter(pl.col("freq") == market.freq, chosen).drop("freq").collect()
    own = events["symbol"].unique().sort().to_list()
    present = market.bars(own).select("symbol", "time", *(pl.col(name).alias(f"present_{name}") for name in VALUES))
    replaced = events.filter(pl.col("open").is_not_null()).join(
        present, on=["symbol", "time"], how="left", maintain_order="left"
    )
    # what replaced a value is what the next ingest replaced in turn, and at last the present bar
    newer = [
        pl.coalesce(pl.col(name).shift(-1).over("symbol", "time"), f"present_{name}").alias(f"new_{name}")
        for name in VALUES
    ]
    told = pl.concat([replaced.with_columns(newer), events.filter(pl.col("open").is_null())], how="diagonal")
    if since is not None:
        told = told.filter(pl.col("recorded").dt.date() >= since)
    return told.select(
        *(pl.col(name).cast(BARS[name]) for name in ("symbol", "date", "time")),
        "change",
        *(pl.col(name).cast(BARS[name]).alias(f"old_{name}") for name in VALUES),
        *(pl.col(f"new_{name}").cast(BARS[name]) for name in VALUES),
        *_INGEST,
    ).sort("symbol", "time", "ingest", maintain_order=True)


@dataclass(frozen=True, slots=True)
class SymbolHistory:
    """What became of the bars of one symbol."""

    symbol: str
    freq: str
    since: date | None
    rows: pl.DataFrame
    """As `read_history` gives it."""

    def lines(self) -> list[str]:
        """For people: the counts, then a line a change; bars that moved together stand on one line."""
        when = "" if self.since is None else f" recorded since {self.since}"
        if self.rows.is_empty():
            return [f"{self.symbol} ({self.freq}): no change{when}: every bar is as it first came"]
        counts = [f"{(self.rows['change'] == change).sum():,} {change}" for change in CHANGES]
        return [f"{self.symbol} ({self.freq}): {', '.join(counts)}{when}", *self._change_lines()]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: every change with its old and new values, null where none changed."""
        return {
            "symbol": self.symbol,
            "freq": self.freq,
            "since": self.since,
            "changes": [
                {
                    "time": row["time"],
                    "change": row["change"],
                    "old": _values(row, "old"),
                    "new": _values(row, "new"),
                    "ingest": row["ingest"],
                    "recorded": row["recorded"],
                    "source": row["source"],
                    "path": row["path"],
                }
                for row in self.rows.iter_rows(named=True)
            ],
        }

    def _change_lines(self) -> Iterator[str]:
        def together(row: dict[str, Any]) -> tuple[Any, ...]:
            return row["ingest"], row["change"], None if row["change"] == "moved" else row["time"]

        by_ingest = self.rows.sort("ingest", "time", maintain_order=True).iter_rows(named=True)
        for _, group in groupby(by_ingest, key=together):
            rows = list(group)
            first, last = rows[0], rows[-1]
            span = _stamp(first, self.freq)
            if len(rows) > 1:
                span = f"{span} to {_stamp(last, self.freq)} ({counted(len(rows), 'bar')})"
            by = f"ingest {first['ingest']}, {first['recorded']:%Y-%m-%d %H:%M:%S} UTC, {first['source']}"
            yield f"{span}  {first['change']}{_told(first)}  [{by}{' ' + first['path'] if first['path'] else ''}]"


def symbol_history(market: Market, text: str, since: date | None = None) -> SymbolHistory:
    """What became of the bars of the symbol that a text names; raises DataError for an unknown one."""
    symbol = market.resolve(text)
    return SymbolHistory(symbol, market.freq, since, read_history(market, [symbol], since))


def _values(row: dict[str, Any], which: str) -> dict[str, float] | None:
    if row["change"] not in ("restated", "moved"):
        return None
    return {name: row[f"{which}_{name}"] for name in VALUES}


def _stamp(row: dict[str, Any], freq: str) -> str:
    return f"{row['time']:%Y-%m-%d}" if freq == DAILY else f"{row['time']:%Y-%m-%d %H:%M}"


def _told(row: dict[str, Any]) -> str:
    """': close 11 -> 11.2, ...' of a replaced bar."""
    if row["change"] == "vanished":
        return " from its source; the stored bar is kept"
    if row["change"] == "returned":
        return " to its source"
    if row["change"] == "moved":
        return f" with a restated factor: factor {row['old_factor']:.7g} -> {row['new_factor']:.7g}"
    changed = [
        f"{name} {row[f'old_{name}']:.7g} -> {row[f'new_{name}']:.7g}"
        for name in VALUES
        if row[f"old_{name}"] != row[f"new_{name}"]
    ]
    return f": {', '.join(changed)}"
