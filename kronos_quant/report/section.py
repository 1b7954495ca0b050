"""A part of a report, the same for text and page: a title, sentences, a table."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

NOTHING = re.compile(r"-0(\.0+)?%?")
PERCENT = re.compile(r"([+-])(\d+\.?\d*)%")

DEEPEST = 15.0
"""Percent; a gain or a loss from here on has the full colour."""


@dataclass(frozen=True, slots=True)
class Section:
    """lines : whole sentences; columns, rows : a table whose first column names the row; either may be empty.

    wide : whether the table needs the whole width of a page; shaded : whether gains and losses are coloured there
    """

    title: str
    lines: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    wide: bool = False
    shaded: bool = False

    def words(self) -> list[bool]:
        """Whether each column holds words, which begin on the left: the first does, and any with a letter in it."""
        if not self.rows:
            return []
        columns = zip(*self.rows, strict=True)
        return [i == 0 or any(cell[:1].isalpha() for cell in column) for i, column in enumerate(columns)]


def shown(value: float, form: str) -> str:
    """A figure as text, a dash where it is not determined; what rounds to nothing has no minus."""
    if math.isnan(value):
        return "-"
    text = form.format(value)
    return form.format(0.0) if NOTHING.fullmatch(text) else text


def section_texts(sections: Sequence[Section], width: int) -> Iterator[list[str]]:
    """Each section as the lines of a plain text."""
    for section in sections:
        lines = [section.title]
        for line in section.lines:
            lines += wrap(line, width - 2, initial_indent="  ", subsequent_indent="  ")
        lines += _text_table(section)
        yield lines


def _text_table(section: Section) -> Iterator[str]:
    cells = [section.columns, *section.rows] if section.rows else []
    columns = [[row[i] for row in cells] for i in range(len(section.columns))] if cells else []
    aligned = [
        [cell.ljust(width) if words else cell.rjust(width) for cell in column]
        for column, words, width in zip(
            columns, section.words(), (max(map(len, cells)) for cells in columns), strict=True
        )
    ]
    for row in zip(*aligned, strict=True):
        yield "  " + "  ".join(row).rstrip()


def section_html(section: Section, kind: str = "") -> str:
    """A section as HTML, every text escaped. kind : its class."""
    lines = "".join(f"<p>{escaped(line)}</p>" for line in section.lines)
    table = ""
    if section.rows:
        sides = [' class="words"' if words else "" for words in section.words()]
        names = _cells("th", section.columns, sides)
        shades = shade if section.shaded else lambda cell: ""
        rows = "".join(
            f"<tr>{_cells('td', row, [side + shades(cell) for cell, side in zip(row, sides, strict=True)])}</tr>"
            for row in section.rows
        )
        table = f"<table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>"
    title = f"<h3>{escaped(section.title)}</h3>" if section.title else ""
    return f'<section class="{kind}">{title}{lines}{table}</section>'


def _cells(tag: str, texts: Sequence[str], sides: Sequence[str]) -> str:
    return "".join(f"<{tag}{side}>{escaped(text)}</{tag}>" for text, side in zip(texts, sides, strict=True))


def shade(cell: str) -> str:
    """The colour of a gain (blue) or a loss (orange) as an attribute: the deeper, the larger; none for other cells."""
    found = PERCENT.fullmatch(cell)
    if found is None:
        return ""
    colour = "0,114,178" if found[1] == "+" else "213,94,0"
    return f' style="background:rgba({colour},{0.55 * min(float(found[2]) / DEEPEST, 1):.2f})"'


def escaped(text: str) -> str:
    """Text as HTML; the brackets of placeholders are escaped too, so that no name can stand for one."""
    found = html.escape(text)
    for bracket in "{}[]":
        found = found.replace(bracket, f"&#{ord(bracket)};")
    return found
