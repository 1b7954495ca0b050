"""How results show themselves: a short repr, a table in a notebook.

A result mixes `Displayed` in and says its `title` and its `summary()`; the text and the HTML are made here.
"""

from __future__ import annotations

import html
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


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
        return "\n".join([self.title, *(f"  {figure:<{width}}  {value}" for figure, value in rows)])

    def _repr_html_(self) -> str:
        return html_table(self.summary().columns, self.summary().rows(), caption=self.title)


def html_table(columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> str:
    """A table as HTML, every text escaped."""

    def cells(tag: str, values: Sequence[object]) -> str:
        return "".join(f"<{tag}>{html.escape(str(value))}</{tag}>" for value in values)

    head = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table>{head}<thead><tr>{cells('th', columns)}</tr></thead><tbody>{body}</tbody></table>"


def figure_text(value: float, form: str) -> str:
    """A figure as text, "not available" where it is NaN; what rounds to zero has no minus sign.

    >>> figure_text(-0.00001, "{:.1%}")
    '0.0%'
    """
    if math.isnan(value):
        return "not available"
    text = form.format(value)
    return form.format(0.0) if text.lstrip("-") == form.format(0.0) else text
