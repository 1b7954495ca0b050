"""A terminal for the pages: runs `kq` lines in this process and gives what a reader would see."""

from __future__ import annotations

import io
import logging
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from kq_cli.app import main

Recorded = Callable[[Path, list[str]], str | None]
"""Puts the result of a costly command into a folder and gives what it printed; None for a command that is not known."""


@dataclass
class Terminal:
    """A folder, and the text that has been printed since the last `take`."""

    root: Path
    recorded: Recorded = lambda folder, words: None
    cwd: Path = field(init=False)
    printed: io.StringIO = field(init=False, default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.root = self.root.resolve()
        self.cwd = self.root

    def run(self, block: str, ends_with: int = 0) -> None:
        """Run the lines of a shell block; raises AssertionError where a line ends with another code than told."""
        lines = commands_of(block)
        for number, words in enumerate(lines):
            expected = ends_with if number == len(lines) - 1 else 0
            code = self.run_one(words)
            if code != expected:
                raise AssertionError(
                    f"{shlex.join(words)}: exit code {code}, not {expected}\n{self.printed.getvalue()}"
                )

    def run_one(self, words: list[str]) -> int:
        if words[0] == "cd" and len(words) == 2:
            target = (self.cwd / words[1]).resolve()
            if not target.is_dir() or not target.is_relative_to(self.root):
                raise AssertionError(f"cd {words[1]}: no such folder in the workspace of the page")
            self.cwd = target
            return 0
        if words[0] != "kq":
            raise AssertionError(f"{shlex.join(words)}: only `kq` and `cd` lines can run; mark the block {{.no-run}}")
        text = self.recorded(self.cwd, words)
        if text is not None:
            self.printed.write(text)
            return 0
        with self.attached(), swapped_arguments(words):
            try:
                main()
            except SystemExit as done:
                return int(done.code or 0)
        return 0

    @contextmanager
    def attached(self) -> Iterator[None]:
        """In its folder, with all that is printed or logged kept, as a terminal shows it."""
        before, logger, root = Path.cwd(), logging.getLogger("kronos_quant"), logging.getLogger()
        level = logger.level
        handler = logging.StreamHandler(self.printed)
        handler.addFilter(lambda record: record.name.startswith("kronos_quant") or record.levelno >= logging.WARNING)
        root.addHandler(handler)
        os.chdir(self.cwd)
        try:
            with redirect_stdout(self.printed), redirect_stderr(self.printed):
                yield
        finally:
            os.chdir(before)
            root.removeHandler(handler)
            logger.setLevel(level)

    def take(self) -> str:
        """What was printed since the last time, with the paths as seen from the page's folder."""
        text = self.printed.getvalue()
        self.printed.seek(0)
        self.printed.truncate()
        return text.replace(f"{self.root}{os.sep}", "").replace(str(self.root), ".")


@contextmanager
def swapped_arguments(words: list[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = list(words)
    try:
        yield
    finally:
        sys.argv = before


def commands_of(block: str) -> list[list[str]]:
    """The commands of a shell block as words: without comments, continued lines joined, `a && b` as two."""
    commands = []
    for line in re.sub(r"\\\n\s*", " ", block).splitlines():
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), "&&"]:
            if word == "&&":
                commands += [words] if words else []
                words = []
            else:
                words.append(word)
    return commands
