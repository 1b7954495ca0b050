"""The model of every report: a document of sections, as plain text for a terminal and as one self-contained HTML page.

A page needs no network; every text in it is escaped by the template engine. It follows the reader's light or dark
setting, and its wide tables scroll within themselves on a phone. Its policy lets a browser run nothing but the scripts
of `report.scripts`, which it has where it is interactive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import wrap

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from kronos_quant.charts import NARROW, WIDE, Chart, InteractiveChart, figure_svg
from kronos_quant.files import write_text
from kronos_quant.report.scripts import library_script, page_script, script_policy

PERCENT = re.compile(r"([+-])(\d+\.?\d*)%")
SHOUTED = re.compile(r"[A-Z]{2,} [A-Z]{2,}|[A-Z]{4,}:")
"""How a note begins that changes everything: NO TRADE WAS MADE, CONTAMINATED: ..."""

DEEPEST = 15.0
"""Percent; a gain or a loss from here on has the full colour."""

STATES = {"error": "bad", "failed": "bad", "warning": "warn", "passed": "ok"}
"""Cells that have a colour of their own."""

LABEL_WIDTH = 15
"""Of the facts of a section in plain text."""

READ_FIRST = "Read this first"
DISCLAIMER = "For research only: past results do not guarantee future results, and nothing here is investment advice."


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart on a page, with how to read it.

    svg : across a page; narrow : the same drawn for a phone, "" where the first is small enough for both
    chart : drawn in their place where scripts run; they stay for print, and for readers without scripts
    """

    title: str
    svg: str
    reading: str
    narrow: str = ""
    chart: InteractiveChart | None = None

    @property
    def small(self) -> bool:
        """Whether two of them stand next to each other on a wide page."""
        return not self.narrow and self.chart is None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a document.

    sentences : whole ones; facts : names with their text; columns, rows : a table whose first column names the
    row; pictures : for the page only. Each may be empty.
    wide : whether it needs the whole width of a page; shaded : whether gains and losses are coloured; first : rows at
    the top of the table that are set off; folded : whether a page shows it on a click, and a text not at all
    tone : "verdict", "good" or "doubtful" set it off from the others
    sortable : whether a page sorts the table by a column; filters : the columns by which it filters, with "text" or
    "choice"; shown : rows of it that a page shows at first, 0 for all of them
    links : (text, address) of files of the run, and of sections of the page (#name); name : of the section itself
    """

    title: str
    sentences: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    pictures: tuple[Picture, ...] = ()
    wide: bool = False
    shaded: bool = False
    first: int = 0
    folded: bool = False
    tone: str = ""
    sortable: bool = False
    filters: tuple[tuple[str, str], ...] = ()
    shown: int = 0
    links: tuple[tuple[str, str], ...] = ()
    name: str = ""

    def word_columns(self) -> list[bool]:
        """Whether each column holds words, which begin on the left: the first does, and any with a letter in it."""
        if not self.rows:
            return []
        columns = zip(*self.rows, strict=True)
        return [i == 0 or any(cell[:1].isalpha() for cell in column) for i, column in enumerate(columns)]

    def first_rows(self) -> tuple[tuple[str, ...], ...]:
        """The rows that a page shows at first."""
        return self.rows[: self.shown] if self.shown else self.rows

    def lines(self, width: int) -> list[str]:
        """The section as plain text."""
        lines = [self.title]
        for sentence in self.sentences:
            lines += wrap(sentence, width - 2, initial_indent="  ", subsequent_indent="  ")
        for label, text in self.facts:
            indents = f"  {label:<{LABEL_WIDTH}}", " " * (LABEL_WIDTH + 2)
            lines += wrap(text, width, initial_indent=indents[0], subsequent_indent=indents[1])
        return [*lines, *self._table_lines()]

    def _table_lines(self) -> Iterator[str]:
        cells = [self.columns, *self.rows] if self.rows else []
        columns = [[row[i] for row in cells] for i in range(len(self.columns))] if cells else []
        aligned = [
            [cell.ljust(width) if words else cell.rjust(width) for cell in column]
            for column, words, width in zip(
                columns, self.word_columns(), (max(map(len, cells)) for cells in columns), strict=True
            )
        ]
        for row in zip(*aligned, strict=True):
            yield "  " + "  ".join(row).rstrip()


@dataclass(frozen=True, slots=True)
class Document:
    """A report.

    facts : lines under the title; notes : what the reader has to know first, because it may change how all the rest is
    read; footer : a sentence after the disclaimer; lead : what a page shows before all of it, and a text not at all
    """

    title: str
    facts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sections: tuple[Part, ...] = ()
    footer: str = ""
    lead: Part | None = None

    @property
    def drawn(self) -> bool:
        """Whether a page draws charts in the browser."""
        parts = (*self.sections, *([self.lead] if self.lead else []))
        return any(picture.chart for part in parts for picture in part.pictures)

    @property
    def interactive(self) -> bool:
        """Whether a page has parts that need a script."""
        return self.drawn or any(part.sortable for part in self.sections)

    def to_text(self, width: int = 100) -> str:
        """The document as plain text: what is not folded, without pictures."""
        parts = [[self.title, *(line for text in (*self.facts, DISCLAIMER) for line in wrap(text, width))]]
        if self.notes:
            notes = (wrap(note, width - 4, initial_indent="  - ", subsequent_indent="    ") for note in self.notes)
            parts.append([READ_FIRST, *(line for lines in notes for line in lines)])
        parts += [
            section.lines(width)
            for section in self.sections
            if not section.folded and (section.sentences or section.facts or section.rows)
        ]
        return "\n\n".join("\n".join(lines) for lines in parts) + "\n"

    def to_html(self) -> str:
        """The document as a page."""
        return (
            page_environment()
            .get_template("document.html")
            .render(
                document=self,
                read_first=READ_FIRST,
                disclaimer=DISCLAIMER,
                scripts=self._scripts(),
                policy=script_policy,
            )
        )

    def _scripts(self) -> list[Markup]:
        return [*([library_script()] if self.drawn else []), *([page_script()] if self.interactive else [])]

    def write_page(self, path: Path) -> None:
        """Write the page, whole or not at all."""
        write_text(path, self.to_html())


def is_loud(note: str) -> bool:
    """Whether a note changes everything."""
    return bool(SHOUTED.match(note))


def make_picture(
    title: str, draw: Callable[[float], Chart], reading: str, chart: InteractiveChart | None = None
) -> Picture:
    """A chart for a page, drawn twice: for a screen and for a phone; one that a browser draws needs no second picture.

    Parameters
    ----------
    title, reading
        What it is, and how to read it.
    draw
        Makes it, so many inches wide.
    chart
        What a browser draws in its place.

    >>> make_picture("Growth", lambda width: Chart(figsize=(width, 1)), "up is good").title
    'Growth'
    """
    if chart:
        return Picture(title, figure_svg(draw(WIDE), chart.label), reading, chart=chart)
    return Picture(title, figure_svg(draw(WIDE), title), reading, figure_svg(draw(NARROW), title))


def small_picture(title: str, chart: Chart, reading: str = "") -> Picture:
    """A chart that is small enough for a phone."""
    return Picture(title, figure_svg(chart, title), reading)


def capitalised(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines with a capital at the beginning."""
    return tuple(line[:1].upper() + line[1:] for line in lines)


def plain_cell(value: object) -> str:
    """A value as a cell's text: nothing is a dash, a flag is yes or empty, and a day needs no 00:00."""
    if isinstance(value, bool):
        return "yes" if value else ""
    return (
        f"{value:.6g}" if isinstance(value, float) else str("-" if value is None else value).removesuffix(" 00:00:00")
    )


def cell_style(cell: str) -> str:
    """The colour of a gain (blue) or a loss (orange): the deeper, the larger; none for other cells."""
    found = PERCENT.fullmatch(cell)
    if found is None:
        return ""
    colour = "0,114,178" if found[1] == "+" else "213,94,0"
    return f"background:rgba({colour},{0.55 * min(float(found[2]) / DEEPEST, 1):.2f})"


def page_data(value: object) -> Markup:
    """A value as JSON for a script element, which no text in it can end.

    >>> print(page_data(["</script>"]))
    ["\\u003c/script>"]
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 (without < nothing can begin or end)


def braceless(text: str) -> Markup:
    """Text in which another program, that fills {{places}} of a page, finds none."""
    return Markup(str(escape(text)).replace("{", "&#123;"))  # noqa: S704 (escaped)


@cache
def page_environment() -> Environment:
    """The templates of all pages; every text in them is escaped."""
    environment = Environment(
        loader=PackageLoader("kronos_quant.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # a picture is the only markup that does not come from a template: charts escape what they are given
    environment.filters |= {
        "drawn": Markup,
        "style": cell_style,
        "state": lambda cell: STATES.get(cell, ""),
        "data": page_data,
        "loud": is_loud,
        "braceless": braceless,
    }
    return environment
