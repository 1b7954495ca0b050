"""What would be understood of a source of bars, without writing anything: `kq ingest csv --dry-run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kronos_quant.display import TextReport, text_table
from kronos_quant.errors import counted, listed
from kronos_quant.market.dialects.texts import LINE, SEPARATORS
from kronos_quant.market.ingest.klines import Klines, RawTable, ReadOptions, to_batch
from kronos_quant.market.ingest.tables import Table, read_sources

_SHOWN_ROWS = 3


@dataclass(frozen=True, slots=True, repr=False)
class IngestPreview(TextReport):
    """What a source of bars was understood as: of its first file, and of all together."""

    place: str
    """The first file, or "table"."""
    files: int
    dialect: str
    vendor: str
    """The dialect in words."""
    encoding: str
    """"" for what is no text."""
    separator: str
    """comma, tab, semicolon, bar or blanks; "" for what is no text."""
    decimal_comma: bool
    columns: dict[str, str]
    """What is read -> the column it is read from."""
    unread: tuple[str, ...]
    volume_unit: str
    amount_unit: str
    prices: str
    """In the source: raw, adjusted or unknown."""
    factor: bool
    """Whether raw prices can be told from adjusted ones."""
    labels: str
    """What stamps of intraday bars mark in the source: end or start."""
    freq: str
    symbols: tuple[str, ...]
    """Of all files."""
    bars: int
    """Of all files, before any check."""
    first: str
    last: str
    paused: int
    """Sessions that the source calls suspended."""
    notes: tuple[str, ...]
    before: tuple[dict[str, Any], ...]
    """The first rows as in the source."""
    after: tuple[dict[str, Any], ...]
    """The same as bars, before any check."""

    def lines(self) -> list[str]:
        """The report in words, one fact per line."""
        text = f", {self.separator or 'JSON'}, {self.encoding.upper()}" if self.encoding else ""
        comma = ", decimal comma" if self.decimal_comma else ""
        columns = ", ".join(f"{ours} = {theirs or '(unnamed)'}" for ours, theirs in self.columns.items())
        stamps = "days" if self.freq == "day" else f"{self.labels} of bars of {self.freq}"
        return [
            f"{self.place}: {self.vendor} ({self.dialect}){text}{comma}",
            f"columns: {columns}",
            f"units: volume in {self.volume_unit}, amount in {self.amount_unit}",
            f"prices: {self.prices}; factor: {'known' if self.factor else 'not in the source, 1'}",
            f"stamps: {stamps}, {self.first} to {self.last}",
            f"symbols: {len(self.symbols):,} in {counted(self.files, 'file')} ({listed(self.symbols)}); "
            f"{counted(self.bars, 'bar')}" + (f", {self.paused:,} of them suspended" if self.paused else ""),
            *(f"note: {note}" for note in self.notes),
            "rows of the source:",
            *_table_lines(self.before),
            "as bars:",
            *_table_lines(self.after),
            "nothing was written",
        ]


def _table_lines(rows: tuple[dict[str, Any], ...]) -> list[str]:
    columns = list(rows[0]) if rows else []
    cells = [["" if row[name] is None else row[name] for name in columns] for row in rows]
    return [f"  {line}" for line in text_table(columns, cells).splitlines()]


def preview_source(source: Table, options: ReadOptions, factors: Path | None = None) -> IngestPreview:
    """What would be read of a text file, Parquet or Arrow file, a folder of them, or a table in memory.

    Parameters
    ----------
    source, options, factors
        As for `tables.read_csv_files` and `tables.read_tables`.

    Raises
    ------
    DataError
        As an ingest would.
    """
    tables, klines, notes = read_sources(source, options, factors)
    batch = to_batch(klines, "preview", None, options)
    table, first = tables[0], klines[0]
    facts = first.facts()
    bars = batch.bars.sort("time")
    return IngestPreview(
        place=table.place,
        files=len(tables),
        dialect=facts["dialect"],
        vendor=first.layout.dialect.title,
        encoding=first.layout.encoding,
        separator=SEPARATORS.get(first.layout.separator, ""),
        decimal_comma=first.layout.decimal_comma,
        columns=dict(sorted(first.layout.columns.items(), key=_order)),
        unread=first.layout.unread,
        volume_unit=facts["volume_unit"],
        amount_unit=facts["amount_unit"],
        prices=facts["prices"],
        factor=first.has_factor,
        labels=facts["labels"],
        freq=batch.freq,
        symbols=tuple(bars["symbol"].unique().sort()),
        bars=len(bars),
        first=str(bars["time"][0]),
        last=str(bars["time"][-1]),
        paused=len(batch.paused),
        notes=(*batch.notes, *notes),
        before=tuple(table.frame.drop(LINE).head(_SHOWN_ROWS).iter_rows(named=True)),
        after=_first_bars(table, first),
    )


_ORDER = ("symbol", "time", "clock", "open", "high", "low", "close", "volume", "amount", "factor")


def _order(item: tuple[str, str]) -> int:
    return _ORDER.index(item[0]) if item[0] in _ORDER else len(_ORDER)


def _first_bars(table: RawTable, klines: Klines) -> tuple[dict[str, Any], ...]:
    """The bars of the first rows, in the order of the source."""
    shown = klines.bars.head(_SHOWN_ROWS).with_columns(pl.col("time").dt.to_string("%Y-%m-%d %H:%M"))
    return tuple(shown.iter_rows(named=True))
