"""Results to stdout: lines and tables for people, JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import typer

from kronos_quant.files import to_json


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(to_json(value))


def print_lines(lines: Iterable[str]) -> None:
    """Lines on stdout."""
    for line in lines:
        typer.echo(line)


class Report(Protocol):
    """What a command found, for people and for scripts."""

    def lines(self) -> list[str]:
        """The report in words."""

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""


def print_report(report: Report, as_json: bool) -> None:
    """A report as JSON or in words."""
    print_json(report.as_dict()) if as_json else print_lines(report.lines())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """An aligned table on stdout; plain text, so that it can be piped."""
    cells = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        typer.echo("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())


def print_records(records: Sequence[Mapping[str, Any]]) -> None:
    """A table of mappings with the same keys."""
    if records:
        print_table(list(records[0]), [list(record.values()) for record in records])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)
