"""The text of a file of bars, whoever wrote it -> a table of cells as text, and how the file is written.

Told from the file: the encoding (UTF-8 with or without a mark, UTF-16, GB18030 and so GBK), the separator (comma, tab,
semicolon, bar or blanks), the lines above the header, whether there is a header, the words below the last row.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from kronos_quant.errors import DataError, counted
from kronos_quant.foreign_tables import MOST_COLUMNS
from kronos_quant.inputs import short_repr
from kronos_quant.market.dialects.names import known_names, plain_name
from kronos_quant.readers import parse_json, parse_rows

LINE = "#line"
"""The column that holds each row's number in its source."""

SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", " ": "blanks"}
_HEAD_LINES = 60
_HEADER_AMONG = 12  # lines at the top, one of which is the header if there is any
_LEAST_NAMES = 2
_FOOTER_LINES = 6
_FEWEST_NUMBERS = 4  # cells of a row that has no header above it
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LONGEST_LINE = 2**20
"""Characters: MOST_COLUMNS columns of 50 letters each."""
_LARGE = 2**24
"""Characters of a file whose columns are looked at before its rows."""
_LARGEST_JSON = 2**26
"""Characters of a document with the bars of one symbol."""
_DATUM = re.compile(r"^\s*[\"']?[-+]?\d")  # how a cell of a row begins, and no name
_SOURCE = re.compile(
    r"来源|^\s*#|通达信|(?i:source|copyright|downloaded)"
)  # words below a table, in a cell of their own
_LINE_ENDS = "Save it with the usual line ends."
_JSON_TABLES = ("results", "data", "values", "bars", "candles", "kline", "klines")


@dataclass(frozen=True, slots=True)
class TextTable:
    """The cells of one file as text."""

    frame: pl.DataFrame
    """Columns as the file names them ("1", "2", ... without a header), LINE first."""
    encoding: str
    separator: str
    """One of SEPARATORS; "" for JSON."""
    has_header: bool
    titles: tuple[str, ...]
    """The lines above the header."""
    footers: tuple[str, ...]
    """Words below the last row."""


def decode(content: bytes, place: str) -> tuple[str, str]:
    """The text of a file and its encoding; DataError where it is in none that is known.

    >>> decode("日期".encode("gbk"), "x")
    ('日期', 'gb18030')
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _decoded(content, encoding, place), encoding.removesuffix("-sig")
    head = content[:4000]
    if len(head) > 1 and 0 in head:
        even, odd = head[::2].count(0), head[1::2].count(0)
        if max(even, odd) > len(head) // 8 and min(even, odd) <= max(even, odd) // 8:
            encoding = "utf-16-be" if even > odd else "utf-16-le"
            return _decoded(content, encoding, place), encoding
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return _decoded(content, "gb18030", place), "gb18030"


def _decoded(content: bytes, encoding: str, place: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        tried = "UTF-8, UTF-16 and GB18030" if encoding == "gb18030" else encoding.upper()
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{place}: line {line}: expected text in {tried}, found bytes that are none", hint="Save it as UTF-8."
        ) from None


def read_text(content: bytes, place: str) -> TextTable:
    """The table in a file's bytes; DataError, naming `place` and the line, for what is no table."""
    text, encoding = decode(content, place)
    if not text.strip():
        raise DataError(f"{place}: expected a header line and rows, found an empty file")
    if text.lstrip()[:1] in ("[", "{") and len(text) <= _LARGEST_JSON and (table := _from_json(text)) is not None:
        frame, named = table
        check_names(frame.columns, place)
        return TextTable(frame.with_row_index(LINE, offset=1), encoding, "", named, (), ())
    _check_size(text, place)
    lines = _whole_header(text.replace("\r\n", "\n").split("\n"))
    if not any(_cells(line, ",") for line in lines):
        raise DataError(f"{place}: expected a header line and rows, found an empty file")
    separator = _separator(lines[:_HEAD_LINES])
    if separator == " ":
        lines = ["\t".join(line.split()) for line in lines]
    letter = "\t" if separator == " " else separator
    header, has_header = _find_header(lines, letter)
    titles = tuple(line.strip() for line in lines[:header] if line.strip())
    first = header + 1 if has_header else header
    if "\r" in lines[header].rstrip("\r"):
        raise DataError(f"{place}: line {header + 1}: contains a carriage return", hint=_LINE_ENDS)
    names = _names(lines[header], letter) if has_header else []
    end, footers = _body_end(lines, first, letter)
    body = lines[first:end]
    if not any(line.strip() for line in body):
        raise DataError(f"{place}: expected rows below the header line, found none")
    names, body = _without_last_empty(names, body, letter)
    _check_shape(place, names, body, first + 1, letter)
    frame = _parsed(body, letter, place, first + 1)
    cells = frame.columns[1:]
    found = _counted(names) if has_header else [str(number) for number in range(1, len(cells) + 1)]
    check_names(found, place)
    frame = frame.rename(dict(zip(cells, found, strict=False)))
    return TextTable(frame, encoding, separator, has_header, titles, footers)


def _whole_header(lines: list[str]) -> list[str]:
    """The lines, a header with line breaks within its quoted names as one and empty ones for the rest of it."""
    for first, line in enumerate(lines[:_HEADER_AMONG]):
        if line.count('"') % 2 == 0:
            continue
        for last in range(first + 1, min(first + 2 * _HEAD_LINES, len(lines))):
            whole = " ".join(part.strip("\r") for part in lines[first : last + 1])
            if whole.count('"') % 2 == 0 and lines[last].count('"') % 2 and _names_columns(whole, lines, last):
                return [*lines[:first], whole, *[""] * (last - first), *lines[last + 1 :]]
        break
    return lines


def _names_columns(header: str, lines: Sequence[str], last: int) -> bool:
    """Whether a line holds names of columns, and no other quoted cell goes on below it."""
    following = lines[last + 1] if last + 1 < len(lines) else ""
    known = max(known_names(_cells(header, separator)) for separator in SEPARATORS)
    return known > _LEAST_NAMES and following.count('"') % 2 == 0


def check_names(names: Sequence[str], place: str) -> None:
    """Raise DataError for a column that is called as that of the rows' numbers."""
    if LINE in names:
        raise DataError(f"{place}: expected names of columns, found {LINE!r}", hint="Rename the column.")


def _check_size(text: str, place: str) -> None:
    """Raise DataError, before memory is spent on it, for what no table of bars is, by its head and its line ends."""
    head = text[: _HEAD_LINES * _LONGEST_LINE].split("\n", _HEAD_LINES)[:_HEAD_LINES]
    letters = [separator for separator in SEPARATORS if separator != " "]
    widest = max((line.count(letter) + 1 for line in head for letter in letters), default=0)
    if widest > MOST_COLUMNS:
        raise DataError(f"{place}: expected at most {MOST_COLUMNS:,} columns, found {widest:,}")
    for begin in range(0, len(text) - _LONGEST_LINE + 1, _LONGEST_LINE):
        if text.find("\n", begin, begin + _LONGEST_LINE) < 0 and text.find("\r", begin, begin + _LONGEST_LINE) < 0:
            line = text.count("\n", 0, begin) + 1
            raise DataError(f"{place}: line {line}: expected at most {_LONGEST_LINE:,} characters, found more")
    if len(text) <= _LARGE:
        return
    rows = [line.split() if separator == " " else _cells(line, separator) for line in head for separator in SEPARATORS]
    if not any(known_names(cells) or (cells and is_row(cells)) for cells in rows):
        first = next((line for line in head if line.strip()), "")
        raise DataError(f"{place}: expected the names of columns, such as date and symbol, found {short_repr(first)}")


def _cells(line: str, separator: str) -> list[str]:
    """The cells of a line; [] for an empty one."""
    try:
        return next(csv.reader([line], delimiter=separator)) if line.strip(f'{separator} \r"') else []
    except csv.Error:
        return line.split(separator)


def _separator(head: Sequence[str]) -> str:
    """The separator that makes the head of the file a table: most names of the header known, most cells in each row."""
    best, best_score = ",", (0, 0.0, 0)
    for separator in SEPARATORS:
        given = [line.split() if separator == " " else _cells(line, separator) for line in head if line.strip()]
        rows = [cells for cells in given if cells]
        if not rows:
            continue
        counts = [len(row) for row in rows]
        usual = max(set(counts), key=counts.count)
        named = max((known_names(row) for row in rows[:_HEADER_AMONG] if len(row) > 1), default=0)
        if usual < _LEAST_NAMES and named < _LEAST_NAMES:
            continue
        fewest = 3 if separator == " " else 1  # a comma file whose stamps have a blank is none of blanks
        score = (named, counts.count(usual) / len(counts), usual)
        if usual >= fewest and score > best_score:
            best, best_score = separator, score
    return best


def _find_header(lines: Sequence[str], separator: str) -> tuple[int, bool]:
    """The line of the header, or the first row where there is none."""
    written = [number for number, line in enumerate(lines[:_HEAD_LINES]) if _cells(line, separator)]
    known = {number: known_names(_cells(lines[number], separator)) for number in written[:_HEADER_AMONG]}
    if known and max(known.values()) >= _LEAST_NAMES:
        return max(known, key=lambda number: (known[number], -number)), True
    for number in written[:_HEADER_AMONG]:
        if is_row(_cells(lines[number], separator)):
            return number, False
    return written[0], True


def is_row(cells: Sequence[str]) -> bool:
    """Whether cells are a row of numbers, not the names above them."""
    return sum(_DATUM.match(cell) is not None for cell in cells) > _FEWEST_NUMBERS and bool(_DATUM.match(cells[0]))


def _names(line: str, separator: str) -> list[str]:
    return [name.strip() for name in _cells(line.removeprefix("\ufeff").rstrip("\r"), separator)]


def _body_end(lines: Sequence[str], first: int, separator: str) -> tuple[int, tuple[str, ...]]:
    """The line after the last row, and the words below it."""
    footers: list[str] = []
    end = len(lines)
    while end > first:
        cells = _cells(lines[end - 1], separator)
        filled = [cell for cell in cells if cell.strip()]
        is_footer = len(filled) == 1 and _SOURCE.search(filled[0]) and not _DATUM.match(filled[0])
        if filled and (not is_footer or len(footers) >= _FOOTER_LINES):
            break
        if filled:
            footers.append(filled[0].strip())
        end -= 1
    return end, tuple(reversed(footers))


def _without_last_empty(names: list[str], body: list[str], separator: str) -> tuple[list[str], list[str]]:
    """Names and rows without the empty cell that a separator at the end of lines makes."""
    written = [line for line in body if line.strip(f'{separator} \r"')]
    ends = [line.rstrip(" \r").endswith(separator) for line in written]
    width = len(_cells(written[0], separator))
    if all(ends) and (len(names) < width or not names[-1]):
        body = [line.rstrip(" \r").removesuffix(separator) for line in body]
        width -= 1
    if names and not names[-1] and len(names) == width + 1:
        names = names[:-1]
    return names, body


def _check_shape(place: str, names: Sequence[str], body: Sequence[str], first: int, separator: str) -> None:
    """Raise DataError for a line with more or fewer cells than the others: it was cut off, or a comma is in a cell."""
    expected, origin = (len(names), first - 1) if names else (0, 0)
    for number, line in enumerate(body, start=first):
        if "\r" in line.rstrip("\r"):
            raise DataError(f"{place}: line {number}: contains a carriage return", hint=_LINE_ENDS)
        plain = '"' not in line
        if plain and not line.strip(f"{separator} \r"):
            continue
        found = line.count(separator) + 1 if plain else _quoted_cells(place, number, line, separator)
        if not expected:
            expected, origin = found, number
        if found == expected:
            continue
        is_cut = found < expected
        raise DataError(
            f"{place}: line {number}: expected {counted(expected, 'cell')} as in line {origin}, found {found}"
            + (": the row is cut off" if is_cut else ""),
            hint="Complete or delete the line." if is_cut else "Quote a cell that has a separator in it.",
        )


def _quoted_cells(place: str, number: int, line: str, separator: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=separator, strict=True)))
    except csv.Error as error:
        reason = "a quote is not closed" if "unexpected end" in str(error) else str(error)
        raise DataError(f"{place}: line {number}: {reason}") from None


def _parsed(body: Sequence[str], separator: str, place: str, first: int) -> pl.DataFrame:
    written = [number for number, line in enumerate(body) if line.strip()]
    frame = parse_rows("\n".join(body[number] for number in written).encode(), place, separator)
    numbers = pl.Series(LINE, written, dtype=pl.UInt32) + first
    return frame.insert_column(0, numbers).filter(pl.any_horizontal(pl.exclude(LINE).is_not_null()))


def _counted(names: Sequence[str]) -> list[str]:
    """Names that differ, as Polars makes them: a second `open` is `open_duplicated_0`."""
    seen: dict[str, int] = {}
    given = []
    for name in names:
        count = seen.get(name)
        seen[name] = 0 if count is None else count + 1
        given.append(name if count is None else f"{name}_duplicated_{count}")
    return given


def _from_json(text: str) -> tuple[pl.DataFrame, bool] | None:
    """The table of a JSON document and whether it names its columns; None where there is none.

    Rows are arrays (Binance, ccxt, freqtrade), objects (Polygon), or arrays beside their names (tushare).
    """
    value = parse_json(text)
    extra: dict[str, Any] = {}
    if isinstance(value, dict):
        extra = {key: one for key, one in value.items() if isinstance(one, str) and plain_name(key) == "ticker"}
        inner = value.get("data")
        if isinstance(inner, dict) and "fields" in inner and "items" in inner:
            value = [dict(zip(inner["fields"], row, strict=False)) for row in inner["items"]]
        else:
            value = next((value[key] for key in _JSON_TABLES if isinstance(value.get(key), list)), None)
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(row, list) for row in value) and len({len(row) for row in value}) == 1:
        cells = [[None if cell is None else str(cell) for cell in row] for row in value]
        width = len(cells[0])
        return pl.DataFrame(cells, schema={str(n): pl.String for n in range(1, width + 1)}, orient="row"), False
    if all(isinstance(row, dict) for row in value):
        rows = [{key: None if one is None else str(one) for key, one in (extra | row).items()} for row in value]
        return pl.DataFrame(rows, infer_schema_length=None), True
    return None
