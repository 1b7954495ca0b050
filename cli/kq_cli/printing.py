"""Results to stdout: lines and tables for people, JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import typer

from kronos_quant.errors import printable
from kronos_quant.files import to_json


def print_json(value: Any) -> None:
    """One JSON document on stdout, with escapes where its encoding lacks a character: a script reads the same value."""
    text = to_json(value)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = to_json(value, ascii_only=True)
    typer.echo(text)


def print_lines(lines: Iterable[str]) -> None:
    """Lines on stdout."""
    for line in lines:
        typer.echo(printable(line))


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
    """An aligned table on stdout: folded into a terminal's width, as wide as it has to be when it is piped."""
    from kronos_quant.display import terminal_width, text_table  # Polars loads here, not at --help

    typer.echo(text_table(columns, rows, terminal_width()))


def print_records(records: Sequence[Mapping[str, Any]]) -> None:
    """A table of mappings with the same keys."""
    if records:
        print_table(list(records[0]), [list(record.values()) for record in records])
