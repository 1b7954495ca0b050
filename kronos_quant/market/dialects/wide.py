"""Tables with a column per price and symbol under two or three lines of header -> one row a bar.

yfinance writes them: fields above tickers, or tickers above fields, then a line that names the index, or none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.market.dialects.names import FIELDS, find_columns, split_unit, without_count
from kronos_quant.market.dialects.texts import LINE, TextTable, is_row
from kronos_quant.schema import PRICES

_LEVEL_NAMES = ("price", "ticker", "tickers", "symbol", "symbols", "attributes", "")
_DEEPEST = 3
_PAIR = re.compile(r"""\(["'](.+)["'], ["'](.+)["']\)""")


def has_levels(table: TextTable) -> bool:
    """Whether a table has several lines of header with a symbol in each column."""
    return table.has_header and _levels(table) is not None


def unstack(table: TextTable) -> TextTable:
    """The rows of a table of several header lines, a bar each, with the columns `time` and `symbol`; else the table.

    Cells that are empty where another symbol has a bar are no bars.
    """
    levels = _levels(table)
    if levels is None:
        return table
    fields, symbols, below = levels
    return replace(table, frame=_stacked(table.frame.slice(below), fields, symbols))


def unstack_pairs(frame: pl.DataFrame) -> pl.DataFrame | None:
    """The rows of a table whose columns are pairs of a field and a symbol, as pandas names those of two levels.

    None for another table. The first column is LINE, the next one of times.

    >>> frame = pl.DataFrame({"#line": [1], "('Date', '')": ["2024-05-28"]} | {
    ...     f"('{field}', 'AAPL')": [1.0] for field in ("Open", "High", "Low", "Close")})
    >>> unstack_pairs(frame).columns
    ['#line', 'time', 'symbol', 'Open', 'High', 'Low', 'Close']
    """
    pairs = [_PAIR.fullmatch(name) for name in frame.columns[2:]]
    found = [(pair[1], pair[2]) for pair in pairs if pair is not None]
    if len(found) < len(PRICES) or len(found) < len(pairs):
        return None
    first, second = ([pair[level] for pair in found] for level in (0, 1))
    known = [
        sum(bool(find_columns([name], FIELDS[price])) for price in PRICES for name in level)
        for level in (first, second)
    ]
    if max(known) < len(PRICES):
        return None
    return _stacked(frame, *((first, second) if known[0] >= known[1] else (second, first)))


def _stacked(frame: pl.DataFrame, fields: Sequence[str], symbols: Sequence[str]) -> pl.DataFrame:
    """Columns after LINE and the times, of a field and a symbol each, as rows of a bar."""
    cells = frame.columns[2:]
    time = frame.columns[1]
    parts = []
    for symbol in dict.fromkeys(symbols):
        mine = {field: cell for field, one, cell in zip(fields, symbols, cells, strict=True) if one == symbol}
        lacking = [price for price in PRICES if not find_columns(mine, FIELDS[price])]
        if lacking:
            raise DataError(f"columns of {symbol}: expected open, high, low, close; missing {', '.join(lacking)}")
        named = [pl.col(cell).alias(field) for field, cell in mine.items()]
        part = frame.select(LINE, pl.col(time).alias("time"), pl.lit(symbol).alias("symbol"), *named)
        parts.append(part.filter(pl.any_horizontal(pl.col(list(mine)).is_not_null())))
    return pl.concat(parts, how="diagonal_relaxed")


def _levels(table: TextTable) -> tuple[list[str], list[str], int] | None:
    """Fields, symbols, and how many rows of the frame belong to the header; None for a table of one header line."""
    names = [without_count(name) for name in table.frame.columns[1:]]
    if len(names) < len(PRICES) + 1:
        return None
    rows: list[list[str]] = []
    for row in table.frame.head(_DEEPEST).rows():
        cells = ["" if cell is None else str(cell).strip() for cell in row[1:]]
        if is_row([cell for cell in cells if cell] or [""]) or not _heads(cells):
            break
        rows.append(cells)
    above = [_title_cells(title, len(names)) for title in table.titles[-1:]]
    lines = [line for line in (*above, names, *rows) if sum(bool(cell) for cell in line[1:]) == len(line) - 1]
    if len(lines) < 2 or split_unit(lines[0][0])[0] not in (*_LEVEL_NAMES, "date", "datetime"):
        return None
    prices = [sum(bool(find_columns([cell], FIELDS[price])) for price in PRICES for cell in line) for line in lines]
    best = max(range(len(lines)), key=lambda place: prices[place])
    other = next(place for place in range(len(lines)) if place != best)
    if prices[best] < len(PRICES):
        return None
    return lines[best][1:], lines[other][1:], len(rows)


def _heads(cells: Sequence[str]) -> bool:
    """Whether a line belongs to the header: no date stands in its first cell, and no number in the others."""
    return not cells[0][:1].isdigit() and not any(cell[:1].isdigit() and _is_number(cell) for cell in cells[1:])


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).replace(",", "").isdigit()


def _title_cells(title: str, width: int) -> list[str]:
    cells = [cell.strip() for cell in title.split(",")]
    return cells if len(cells) == width else []
