"""How results and work are shown: a short repr, a table in a notebook or on a terminal, a progress bar.

A result mixes `Displayed` in and says its `title` and its `summary()`; the text and the HTML are made here. A summary
holds the verdict and every note that the command of the same name prints.
"""

from __future__ import annotations

import html
import io
import math
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import polars as pl

from kronos_quant.errors import one_line, printable

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that a spreadsheet takes for a formula."""

_UNBOUNDED = 100_000
"""Columns of a table that is not shown on a terminal."""


class SummaryTable(pl.DataFrame):
    """Key figures as text, printed whole: Polars itself cuts long tables and long cells."""

    def __str__(self) -> str:
        return text_table(self.columns, self.rows(), terminal_width())

    def _repr_html_(self, *, _from_series: bool = False) -> str:
        return html_table(self.columns, self.rows())


def summary_table(
    figures: Iterable[tuple[str, str]], notes: Iterable[str] = (), verdict: str | None = None
) -> SummaryTable:
    """A summary: columns `figure` and `value`, the verdict first and the notes last.

    Parameters
    ----------
    figures : name and value with its unit, as text
    notes : what a reader has to know, one sentence each; repeated ones once
    verdict : in one sentence

    >>> print(summary_table([("Sharpe ratio", "1.20")], ["one holding was delisted"], "FAIL: 9 trials"))
    figure        value
    verdict       FAIL: 9 trials
    Sharpe ratio  1.20
    note          one holding was delisted
    """
    rows = [("verdict", verdict)] if verdict else []
    rows += [*figures, *(("note", note) for note in dict.fromkeys(notes))]
    return SummaryTable(rows, schema={"figure": pl.String, "value": pl.String}, orient="row")


class Displayed(ABC):
    """A result with a title and a summary: a table of two columns, `figure` and `value`, both text."""

    __slots__ = ()

    @property
    @abstractmethod
    def title(self) -> str:
        """One line: what it is, of what, over which period."""

    @abstractmethod
    def summary(self) -> pl.DataFrame:
        """The key figures as text, with their units: columns `figure` and `value`."""

    def __repr__(self) -> str:
        rows = self.summary().rows()
        width = max((len(figure) for figure, _ in rows), default=0)
        return printable("\n".join([self.title, *(f"  {figure:<{width}}  {value}" for figure, value in rows)]))

    def _repr_html_(self) -> str:
        return html_table(self.summary().columns, self.summary().rows(), caption=self.title)


class TextReport(Displayed):
    """A report in lines "name: fact": the first line is its title, the others are its summary."""

    __slots__ = ()

    @abstractmethod
    def lines(self) -> list[str]:
        """The report in words, one fact per line."""

    def as_dict(self) -> dict[str, Any]:
        """The report for `--json`."""
        values: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        return values

    @property
    def title(self) -> str:
        """The first line."""
        return self.lines()[0]

    def summary(self) -> pl.DataFrame:
        """The other lines, cut at their first colon."""
        cut = [line.strip().partition(": ") for line in self.lines()[1:]]
        rows = [(name, fact.strip()) if colon else ("", name) for name, colon, fact in cut]
        return summary_table(rows)


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def text_table(columns: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None) -> str:
    """A table as aligned plain text: numbers to the right, a None is empty, floats with six digits.

    width : columns of the terminal, into which long cells are folded; None: as wide as it has to be

    >>> print(text_table(["symbol", "score"], [("AAPL", 0.25), ("MSFT", 1.5)]))
    symbol  score
    AAPL     0.25
    MSFT      1.5
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for number, column in enumerate(columns):
        numeric = bool(cells) and all(_is_number(row[number]) or row[number] is None for row in cells)
        table.add_column(Text(printable(column)), justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*[Text(_cell_text(value)) for value in row])
    written = io.StringIO()
    Console(file=written, width=width or _UNBOUNDED, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell_text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else one_line(str(value))


def html_table(columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """A table as HTML, every text escaped."""

    def cells(tag: str, values: Sequence[object]) -> str:
        return "".join(f"<{tag}>{html.escape(str(value))}</{tag}>" for value in values)

    head = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{head}<thead><tr>{cells('th', columns)}</tr></thead><tbody>{body}</tbody></table>"


def figure_text(value: float, form: str, unknown: str = "not available") -> str:
    """A figure as text, `unknown` where it is not finite; what rounds to zero has no minus sign.

    >>> figure_text(-0.00001, "{:.1%}")
    '0.0%'
    """
    if not math.isfinite(value):
        return unknown
    text, zero = form.format(value), form.format(0.0)
    return zero if text.lstrip("-") == zero.lstrip("+") else text


def figure_or_dash(value: float, form: str) -> str:
    """A figure in a table, a dash where it is not determined."""
    return figure_text(value, form, "-")


def setting_text(value: object) -> str:
    """The value of a setting: yes, no, none where nothing is set, else as it is written.

    >>> [setting_text(value) for value in (True, None, {}, 0.5, "open")]
    ['yes', 'none', 'none', '0.5', 'open']
    """
    if value is None or value in ({}, [], ()):
        return "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield `advance(n)`; draws a bar with the time left only when stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda steps: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)
