"""The commands of `kq` as Typer knows them, to check lines of help and documentation against."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import cache

import typer
from kq_cli.app import app

Command = typer.main.TyperCommand


@cache
def commands() -> dict[str, Command]:
    """Every command and group under its full name: 'kq', 'kq ingest', 'kq ingest qlib', …"""
    return dict(_walk("kq", typer.main.get_command(app)))


def _walk(name: str, command: Command) -> Iterator[tuple[str, Command]]:
    yield name, command
    for sub, inner in getattr(command, "commands", {}).items():
        yield from _walk(f"{name} {sub}", inner)


def parse(line: str) -> str:
    """Parse a command line without running it; returns the name of its command, raises Typer's usage error."""
    words = shlex.split(line, comments=True)
    known = commands()
    length = max(n for n in range(1, len(words) + 1) if " ".join(words[:n]) in known)
    name = " ".join(words[:length])
    rest = words[length:]
    if getattr(known[name], "commands", {}) and rest and not rest[0].startswith("-"):
        raise typer.BadParameter(f"no such command: {name} {rest[0]}")  # a group leaves that to the call
    known[name].make_context(name, rest)
    return name
