"""How stored bars changed: read from a file next to each snapshot, so that no reader needs the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

import polars as pl

from kronos_quant import readers
from kronos_quant.display import Displayed, summary_table
from kronos_quant.errors import DataError, counted
from kronos_quant.inputs import DateLike, Symbols, as_date, as_symbols
from kronos_quant.market.reader import Market
from kronos_quant.market.snapshot_parts import check_part
from kronos_quant.market.snapshots import HISTORY_FILE
from kronos_quant.market.store import stamp_text
from kronos_quant.market.symbols import canonical
from kronos_quant.schema import BARS
from kronos_quant.schema import NUMBERS as VALUES

if TYPE_CHECKING:
    import pandas as pd

CHANGES = ("restated", "moved", "vanished", "returned", "replaced", "dropped")
"""restated: the value changed; moved: only the level of its factor changed, because an earlier factor was restated;
vanished: no longer in the source (the stored bar is kept); returned: in the source again; replaced: removed, because
the source was read again with other options and then has no such bar; dropped: removed by `kq drop`."""

_REMOVED = ("replaced", "dropped")

_INGEST = ("ingest", "recorded", "source", "path")


def read_history(market: Market, symbols: Symbols | None = None, since: DateLike | None = None) -> pl.DataFrame:
    """How stored bars of a market changed, sorted by (symbol, time, ingest); the database is not opened.

    Parameters
    ----------
    market, symbols
        Of `open_market`; one symbol or several, in any spelling, all by default.
    since
        Only changes recorded on that day (UTC) or later.

    Returns
    -------
    Columns symbol, date, time, change (one of CHANGES), old_<value> and new_<value> of VALUES (stored scale; null for
    a bar that vanished or returned, the new ones for a removed bar too), ingest (its number), recorded (when, UTC),
    source and path of what was read.

    Raises
    ------
    DataError
        For an unknown symbol, or a snapshot that an older version published without its history.
    """
    given, day = as_symbols(symbols), as_date(since, "since")
    path = market.snapshot.folder / HISTORY_FILE
    if not path.exists():
        raise DataError(
            f"{market.snapshot.folder}: published by an older kronos-quant, without the history of its bars",
            hint="Any ingest publishes it.",
        )
    chosen = pl.lit(True) if given is None else pl.col("symbol").is_in([_resolve(market, text) for text in given])
    with readers.reading(path, "a Parquet file", hint=readers.REPAIR):
        stored = readers.scan_parquet(path)
        check_part(path, stored.collect_schema().names())
        events = stored.filter(pl.col("freq") == market.freq, chosen).drop("freq").collect()
    own = events["symbol"].unique().sort().to_list()
    present = market.stored_bars(own).select(
        "symbol", "time", *(pl.col(name).alias(f"present_{name}") for name in VALUES)
    )
    replaced = events.filter(pl.col("open").is_not_null()).join(
        present, on=["symbol", "time"], how="left", maintain_order="left"
    )
    # a value was replaced by the one that the next ingest replaced in turn, the last one by the present bar
    newer = [
        pl.when(~pl.col("change").is_in(_REMOVED))
        .then(pl.coalesce(pl.col(name).shift(-1).over("symbol", "time"), f"present_{name}"))
        .alias(f"new_{name}")
        for name in VALUES
    ]
    changes = pl.concat([replaced.with_columns(newer), events.filter(pl.col("open").is_null())], how="diagonal")
    if day is not None:
        changes = changes.filter(pl.col("recorded").dt.date() >= day)
    return changes.select(
        *(pl.col(name).cast(BARS[name]) for name in ("symbol", "date", "time")),
        "change",
        *(pl.col(name).cast(BARS[name]).alias(f"old_{name}") for name in VALUES),
        *(pl.col(f"new_{name}").cast(BARS[name]) for name in VALUES),
        *_INGEST,
    ).sort("symbol", "time", "ingest", maintain_order=True)


@dataclass(frozen=True, slots=True, repr=False)
class SymbolHistory(Displayed):
    """How the stored bars of one symbol changed."""

    symbol: str
    freq: str
    since: date | None
    rows: pl.DataFrame
    """The table of `read_history`."""

    @property
    def title(self) -> str:
        """The symbol and how many bars changed in which way."""
        when = "" if self.since is None else f" recorded since {self.since}"
        if self.rows.is_empty():
            return f"{self.symbol} ({self.freq}): no change{when}"
        found = {change: int((self.rows["change"] == change).sum()) for change in CHANGES}
        counts = [f"{count:,} {change}" for change, count in found.items() if count or change not in _REMOVED]
        return f"{self.symbol} ({self.freq}): {', '.join(counts)}{when}"

    def summary(self) -> pl.DataFrame:
        """The number of changes of each kind: columns `figure` and `value`."""
        return summary_table((change, f"{(self.rows['change'] == change).sum():,}") for change in CHANGES)

    def to_pandas(self) -> pd.DataFrame:
        """`rows` for pandas."""
        return self.rows.to_pandas()

    def lines(self) -> list[str]:
        """For people: the counts, then a line per change; bars that moved together share a line."""
        return [self.title, *self._change_lines()]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: every change with its old and new values, null where none changed."""
        return {
            "symbol": self.symbol,
            "freq": self.freq,
            "since": self.since,
            "changes": [
                {"time": row["time"], "change": row["change"], "old": _values(row, "old"), "new": _values(row, "new")}
                | {name: row[name] for name in _INGEST}
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
            span = stamp_text(first["time"], self.freq)
            if len(rows) > 1:
                span = f"{span} to {stamp_text(last['time'], self.freq)} ({counted(len(rows), 'bar')})"
            by = f"ingest {first['ingest']}, {first['recorded']:%Y-%m-%d %H:%M:%S} UTC, {first['source']}"
            place = f" {first['path']}" if first["path"] else ""
            yield f"{span}  {first['change']}{_change_text(first)}  [{by}{place}]"


def symbol_history(market: Market, text: str, since: DateLike | None = None) -> SymbolHistory:
    """How the stored bars of one symbol changed.

    Parameters
    ----------
    market, text
        Of `open_market`, and the symbol in any spelling; an unknown one raises DataError.
    since
        Only changes recorded on that day (UTC) or later.
    """
    symbol = _resolve(market, text)
    return SymbolHistory(symbol, market.freq, as_date(since, "since"), read_history(market, symbol, since))


def _resolve(market: Market, text: str) -> str:
    """The symbol that a text names, of the market or, removed from it, of the history."""
    try:
        return market.resolve(text)
    except DataError:
        symbol, path = canonical(text, market.exchange), market.snapshot.folder / HISTORY_FILE
        if not path.exists():
            raise
        with readers.reading(path, "a Parquet file", hint=readers.REPAIR):
            known = readers.scan_parquet(path).filter(pl.col("symbol") == symbol).head(1).collect()
        if known.is_empty():
            raise
        return symbol


def _values(row: dict[str, Any], which: str) -> dict[str, float] | None:
    if row["change"] in ("vanished", "returned") or (which == "new" and row["change"] in _REMOVED):
        return None
    return {name: row[f"{which}_{name}"] for name in VALUES}


def _change_text(row: dict[str, Any]) -> str:
    """': close 11 -> 11.2, ...' of a replaced bar."""
    if row["change"] == "vanished":
        return " from the source; the stored bar is kept"
    if row["change"] == "returned":
        return " to the source"
    if row["change"] == "replaced":
        return f": another reading of the source has no such bar; close was {row['old_close']:.7g}"
    if row["change"] == "dropped":
        return f" by kq drop; close was {row['old_close']:.7g}"
    if row["change"] == "moved":
        return f" with an earlier factor: factor {row['old_factor']:.7g} -> {row['new_factor']:.7g}"
    changed = [
        f"{name} {row[f'old_{name}']:.7g} -> {row[f'new_{name}']:.7g}"
        for name in VALUES
        if row[f"old_{name}"] != row[f"new_{name}"]
    ]
    return f": {', '.join(changed)}"
