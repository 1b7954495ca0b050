"""The errors a user can cause, and the exit code of each.

KronosQuantError            1   anything else
├── ConfigError             2   usage or a configuration file
├── DataError               3   data missing or bad
└── CheckpointError         4   a model is missing or does not fit

A message says what, where, expected and found; ``hint`` holds the next command. Codes 5 (leak or parity) and
130 (interrupted) belong to commands, not to a class here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

SHOWN_OFFENDERS = 5
LONGEST_ITEM, LONGEST_LINE = 200, 2_000
"""Characters that are shown of an offender, and of a line."""


def printable(text: str, most: int = LONGEST_LINE) -> str:
    """A text that a terminal only prints: what would move its cursor or turn its letters round is escaped.

    most : characters of a line that are shown

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    if text.isprintable() and len(text) <= most:
        return text
    safe = "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)
    return "\n".join(line if len(line) <= most else f"{line[: most - 3]}..." for line in safe.split("\n"))


def one_line(text: str) -> str:
    """`printable` in one line: also a path or a value with a line break; one that is too long loses its middle.

    >>> print(one_line("a\\nb"))
    a\\nb
    """
    safe = printable(text, sys.maxsize).replace("\n", "\\n")
    half = LONGEST_LINE // 2
    return safe if len(safe) <= LONGEST_LINE else f"{safe[:half]}...{safe[3 - half :]}"


class KronosQuantError(Exception):
    """A mistake that the user can correct; `kq` prints it in one line and exits with `exit_code`.

    others : lines that follow the message, such as the other faults of the same file
    """

    exit_code = 1

    def __init__(self, message: str, *others: str, hint: str | None = None) -> None:
        super().__init__(*map(one_line, (message, *others)))
        self.hint = None if hint is None else one_line(hint)

    def __str__(self) -> str:
        return "\n".join(self.args)


class ConfigError(KronosQuantError):
    """A command line, a YAML file or an environment variable is wrong."""

    exit_code = 2


class DataError(KronosQuantError):
    """Bars, signals or a source file are missing, damaged or do not fit."""

    exit_code = 3


class CheckpointError(KronosQuantError):
    """A model is missing, damaged, or its parts do not fit each other."""

    exit_code = 4


def error_lines(error: KronosQuantError) -> list[str]:
    """An error as `kq` prints it.

    >>> error_lines(DataError("bars.csv: no rows", hint="kq ingest csv FILE"))
    ['error: bars.csv: no rows', 'hint:  kq ingest csv FILE']
    """
    first, *others = error.args
    lines = [f"error: {first}", *(f"       {line}" for line in others)]
    return [*lines, f"hint:  {error.hint}"] if error.hint else lines


def listed(offenders: Iterable[object], shown: int = SHOWN_OFFENDERS) -> str:
    """The first few offenders and how many more there are: 'A, B, C and 7 more'."""
    items = [printable(str(item), LONGEST_ITEM) for item in offenders]
    if len(items) <= shown:
        return ", ".join(items)
    return f"{', '.join(items[:shown])} and {len(items) - shown} more"


def counted(number: int, thing: str) -> str:
    """'1 session', '2,000 sessions'."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
