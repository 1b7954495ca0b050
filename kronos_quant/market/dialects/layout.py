"""Which column of a table is which, by the table of names and the dialect.

`understand` needs the names, the first rows and the file's name; the numbers themselves are judged later (`units`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from kronos_quant.errors import DataError
from kronos_quant.market.dialects.names import (
    CLOCKS,
    DAYS,
    FIELDS,
    MOMENTS,
    UNITS,
    find_columns,
    known_names,
    plain_name,
    plain_names,
    split_unit,
    without_count,
)
from kronos_quant.market.dialects.texts import LINE, TextTable
from kronos_quant.market.dialects.vendors import ADJUSTED, GENERIC, MARKETS, RAW, Dialect, dialect_named, recognise
from kronos_quant.market.dialects.wide import has_levels, unstack, unstack_pairs
from kronos_quant.schema import NUMBERS, PRICES

BAR_FIELDS = (*NUMBERS, "raw_factor", "dividing_factor", "adjusted_close", "paused", "traded", "adjust_flag")
"""What is read of a bar beside its symbol and time."""

AUTO = "auto"

_UNNAMED = re.compile(r"|unnamed:?\d*|index|level\d")
_CLOCK = re.compile(r"\s*\d{1,2}:\d{2}(:\d{2})?(\.\d+)?\s*([AaPp][Mm])?\s*")
_DAY = re.compile(r"\s*\d{4}\D?\d{1,2}\D?\d{1,2}")
_SUFFIX = re.compile(r"\.(csv|txt|tsv|json|parquet|pq|arrow|feather|ipc|day|lc1|lc5)(\.(gz|zst))?$", re.IGNORECASE)
_CODE = re.compile(r"(?<![0-9A-Za-z])((?:SH|SZ|BJ)\d{6}|\d{6}\.(?:SH|SZ|BJ|XSHG|XSHE)|\d{6})(?!\d)", re.IGNORECASE)
_UNIT_CELL = re.compile(r"^\[单位\]|[\[\]()（）\s]")
_LABEL_ROWS, _LEAST_LABELS = 3, 2
_WORDS_OF_BASIS = (("不复权", RAW), ("前复权", ADJUSTED), ("后复权", ADJUSTED))
_SHORT_BASIS = {"bfq": "不复权", "qfq": "前复权", "hfq": "后复权"}
_NAMED_BASIS = re.compile(r"[不前后]复权|(?<![a-z])(?:bfq|qfq|hfq)(?![a-z])", re.IGNORECASE)
_OF_FACTORS = re.compile(r"factor|因子", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layout:
    """What was understood of one table before its numbers are read."""

    dialect: Dialect
    columns: Mapping[str, str]
    """Our field -> the table's column; `time` always, `clock` for a time of day beside a date."""
    header_units: Mapping[str, float]
    """Field -> how much one of its numbers is, where the header says so."""
    unread: tuple[str, ...]
    """Columns that are not read."""
    words: tuple[str, ...] = ()
    """Lines above and below the table."""
    named_basis: str = ""
    """不复权, 前复权 or 后复权, where the name of the file or of its folder says so."""
    encoding: str = ""
    separator: str = ""
    decimal_comma: bool = False

    @property
    def stated_basis(self) -> str:
        """RAW or ADJUSTED as the words of the file say, else "" ."""
        said = (*self.words, self.named_basis)
        return next((basis for word, basis in _WORDS_OF_BASIS for line in said if word in line), "")

    @property
    def is_backward(self) -> bool:
        """Whether prices were adjusted from the first bar on: what was paid per share is far from the newest ones."""
        return any("后复权" in line for line in (*self.words, self.named_basis))

    @property
    def is_additive(self) -> bool:
        """Whether the file says that prices were adjusted by subtracting dividends (TongDaXin's 前复权)."""
        return self.dialect.name.startswith("tongdaxin") and any("前复权" in line for line in self.words)


def stem_of(path: Path | None) -> str:
    """A file's name without its ending.

    >>> stem_of(Path("SH#600000.txt")), stem_of(Path("NASDAQ_AAPL, 1D.csv"))
    ('SH#600000', 'NASDAQ_AAPL, 1D')
    """
    return "" if path is None else _SUFFIX.sub("", path.name)


def flatten_frame(frame: pl.DataFrame, stem: str, dialect: str = AUTO) -> tuple[pl.DataFrame, Dialect]:
    """As `flatten`, of a table that has types."""
    chosen = None if dialect == AUTO else dialect_named(dialect)
    rows = unstack_pairs(frame)
    if rows is not None:
        return rows, chosen or _of_levels(rows)
    return frame, chosen or recognise([name for name in frame.columns if name != LINE], stem)


def _of_levels(frame: pl.DataFrame) -> Dialect:
    adjusted = find_columns(frame.columns, FIELDS["adjusted_close"])
    return dialect_named("yahoo" if adjusted else "yfinance_download")


def basis_of_path(path: Path | None) -> str:
    """What the name of a file, else that of its folder, says of the prices in it; "" where neither does.

    >>> basis_of_path(Path("600000_hfq.csv")), basis_of_path(Path("前复权/600000.csv")), basis_of_path(Path("A.csv"))
    ('后复权', '前复权', '')
    """
    names = () if path is None else (stem_of(path), path.parent.name)
    found = next(
        (match[0] for name in names if not _OF_FACTORS.search(name) for match in _NAMED_BASIS.finditer(name)), ""
    )
    return _SHORT_BASIS.get(found.lower(), found)


def flatten(table: TextTable, stem: str, dialect: str = AUTO) -> tuple[pl.DataFrame, Dialect]:
    """The frame of a text with a name for every column, and its dialect."""
    chosen = None if dialect == AUTO else dialect_named(dialect)
    if has_levels(table):
        frame = unstack(table).frame
        return frame, chosen or _of_levels(frame)
    words = (*table.titles, *table.footers)
    frame = without_labels(table.frame) if table.has_header else table.frame
    if table.has_header:
        return frame, chosen or recognise([name for name in frame.columns if name != LINE], stem, words)
    row = ["" if cell is None else str(cell).strip() for cell in frame.row(0)[1:]]
    found = chosen or recognise((), stem, words, row)
    if len(found.headless) != len(row):
        return frame, found
    names = [name if name != "-" else f"column {place}" for place, name in enumerate(found.headless, 1)]
    return frame.rename(dict(zip(frame.columns[1:], names, strict=True))), found


def without_labels(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows without those right below the header that hold the columns' labels or units; units go to the names."""
    names = frame.columns[1:]
    below = 0
    for row in frame.head(_LABEL_ROWS).rows():
        cells = ["" if cell is None else str(cell).strip() for cell in row[1:]]
        units = [_UNIT_CELL.sub("", cell).lower() for cell in cells]
        counted = sum(unit in UNITS for unit in units)
        if any(re.search(r"\d", cell) for cell in cells) or not (counted or known_names(cells) >= _LEAST_LABELS):
            break
        below += 1
        names = [
            f"{name}({unit})" if unit in UNITS and split_unit(name)[1] is None else name
            for name, unit in zip(names, units, strict=True)
        ]
    if below in (0, len(frame)):
        return frame
    return frame.slice(below).rename(dict(zip(frame.columns[1:], names, strict=True)))


def understand(place: str, frame: pl.DataFrame, dialect: Dialect) -> Layout:
    """Which column is which. Raises DataError, naming `place`, for a column that is missing or there twice."""
    names = [name for name in frame.columns if name != LINE]
    columns = {field: name for field in BAR_FIELDS if (name := _column(place, field, names, dialect)) is not None}
    if "volume" not in columns:
        columns |= _of_both_coins(names)
    symbols = find_columns(names, FIELDS["symbol"])
    if symbols:
        columns["symbol"] = symbols[0]
    columns |= _times(frame, names)
    missing = [name for name in ("time", *PRICES) if name not in columns]
    if missing:
        wanted = ["timestamps" if name == "time" else name for name in missing]
        raise DataError(
            f"{place}: expected the columns timestamps, open, high, low, close; missing {', '.join(wanted)}; found "
            f"{', '.join(map(without_count, names))}",
            hint="Rename the columns.",
        )
    units = {
        field: unit for field, name in columns.items() if field in NUMBERS and (unit := split_unit(name)[1]) is not None
    }
    used = {*columns.values()}
    unread = tuple(name for name in names if name not in used and not _is_unnamed(name) and "column " not in name)
    return Layout(dialect, columns, units, unread)


def with_text(layout: Layout, table: TextTable, decimal_comma: bool) -> Layout:
    """The layout with what is known of its text."""
    words = (*table.titles, *table.footers)
    return replace(layout, words=words, encoding=table.encoding, separator=table.separator, decimal_comma=decimal_comma)


def _column(place: str, field: str, names: Sequence[str], dialect: Dialect) -> str | None:
    """The column of a field. Raises DataError where there are two for a number of a bar."""
    own = dialect.columns.get(field)
    if own is not None:
        return next((name for name in names if split_unit(name)[0] == own), None)
    found = find_columns(names, FIELDS[field])
    letters = {"o", "h", "l", "c"} <= {plain_name(name) for name in names}
    found = [name for name in found if letters or len(plain_name(name)) > 1 or not name.isascii()]
    if len(found) > 1 and field in NUMBERS:
        raise DataError(
            f"{place}: expected one column for {field}, found {', '.join(map(without_count, found))}",
            hint="Delete or rename all of them but one.",
        )
    return found[0] if found else None


def _of_both_coins(names: Sequence[str]) -> dict[str, str]:
    """The columns `Volume BTC` and `Volume USDT`, of a pair's first coin and its second: volume and amount."""
    counted = [name for name in names if re.fullmatch(r"(?i)volume[ _(][a-z0-9]+\)?", name.strip())]
    return dict(zip(("volume", "amount"), counted, strict=True)) if len(counted) == 2 else {}


def _is_unnamed(name: str) -> bool:
    return _UNNAMED.fullmatch(plain_name(name)) is not None


def _times(frame: pl.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """The column of times, and that of the time of day beside a date."""
    days, clocks, moments = (find_columns(names, wanted) for wanted in (DAYS, CLOCKS, MOMENTS))
    if {"o", "h", "l", "c"} - {plain_name(name) for name in names}:
        moments = [name for name in moments if len(plain_name(name)) > 1]
    if moments:
        if days and _first(frame, moments[0], _CLOCK):
            return {"time": days[0], "clock": moments[0]}
        return {"time": moments[0]}
    if days:
        return {"time": days[0]} | ({"clock": clocks[0]} if clocks else {})
    if clocks:
        return {"time": clocks[0]}
    unnamed = next((name for name in names[:2] if _is_unnamed(name) and _first(frame, name, _DAY)), None)
    return {} if unnamed is None else {"time": unnamed}


def _first(frame: pl.DataFrame, column: str, pattern: re.Pattern[str]) -> bool:
    """Whether the first cell of a column matches a pattern; dates and times of tables do as they are printed."""
    known = frame[column].drop_nulls().head(1)
    return len(known) > 0 and pattern.match(str(known[0])) is not None


def symbol_of_file(stem: str, words: Sequence[str], dialect: Dialect) -> str | None:
    """The symbol that a file's name has by its dialect, or a line above its table; None where neither says.

    >>> from kronos_quant.market.dialects.vendors import dialect_named
    >>> symbol_of_file("BTCUSDT-1h-2024-12", (), dialect_named("binance_archive"))
    'BTCUSDT'
    >>> symbol_of_file("SSE_000300, 1D", (), dialect_named("tradingview"))
    'SH000300'
    """
    found = re.fullmatch(dialect.file_name, stem) if dialect.file_name else None
    if found is not None:
        symbol = spelled(found["symbol"], dialect)
        prefix = {"XSHG": "SH", "XSHE": "SZ", "BJSE": "BJ"}.get(market_of(stem, dialect), "")
        if market_of(stem, dialect) == "XHKG" and symbol.isdigit():
            return f"HK{symbol.zfill(5)}"
        return prefix + symbol if re.fullmatch(r"\d{6}", symbol) else symbol
    turned = spelled(stem, dialect)
    if turned != stem.upper():
        return turned
    if _CODE.search(stem.upper().replace("_", " ").replace("#", "")):
        return None
    code = next((match for line in words if (match := _CODE.search(line))), None)
    return None if code is None else code[1].upper()


def market_of(stem: str, dialect: Dialect) -> str:
    """ISO code of the exchange whose clock a file's stamps are converted to, "" where neither name nor dialect says."""
    found = re.fullmatch(dialect.file_name, stem) if "(?P<market>" in dialect.file_name else None
    return dialect.exchange if found is None else MARKETS.get(found["market"], "")


def spelled(symbol: str, dialect: Dialect) -> str:
    """A symbol in upper case without what the dialect puts around it.

    >>> from kronos_quant.market.dialects.vendors import dialect_named
    >>> spelled("msft.us", dialect_named("stooq_bulk")), spelled("105.MSFT", dialect_named("eastmoney"))
    ('MSFT', 'MSFT')
    """
    text = symbol.strip().upper()
    for pattern, replacement in dialect.symbol:
        text = re.sub(pattern, replacement, text)
    return text


def is_factor_table(names: Sequence[str]) -> bool:
    """Whether columns are those of a table of factors: a factor, and no price.

    >>> is_factor_table(["ts_code", "trade_date", "adj_factor"]), is_factor_table(["date", "open", "factor"])
    (True, False)
    """
    factors = (*FIELDS["raw_factor"], *FIELDS["dividing_factor"], *FIELDS["factor"])
    return bool(find_columns(names, factors)) and not any(find_columns(names, FIELDS[price]) for price in PRICES)


def is_bar_table(names: Sequence[str]) -> bool:
    """Whether the columns of bars are all there."""
    plain = {split_unit(name)[0] for name in names}
    return all(plain & set(plain_names(FIELDS[price])) for price in PRICES)


__all__ = [
    "AUTO",
    "BAR_FIELDS",
    "GENERIC",
    "Layout",
    "basis_of_path",
    "flatten",
    "flatten_frame",
    "is_bar_table",
    "is_factor_table",
    "market_of",
    "spelled",
    "stem_of",
    "symbol_of_file",
    "understand",
    "with_text",
]
