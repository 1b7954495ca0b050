"""`kq demo` run once for all pages: a page that shows the line gets its folder and what it printed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from doccheck.terminal import Recorded, Terminal

DEMOS = ("kq demo", "kq demo none --strength 0")
"""The lines that pages may show."""
PRINTED = "printed.txt"


def make_demo(folder: Path, line: str) -> None:
    """Run the line in a folder and keep what it printed there."""
    terminal = Terminal(folder)
    terminal.run(line)
    (folder / PRINTED).write_text(terminal.take(), encoding="utf-8")


def demo_served(demos: Callable[[str], Path]) -> Recorded:
    """What a terminal does for a line of `DEMOS`: copies the workspace that it left, and gives what it printed."""

    def serve(cwd: Path, words: list[str]) -> str | None:
        line = " ".join(words)
        if line not in DEMOS:
            return None
        made = demos(line)
        for workspace in (path for path in made.iterdir() if path.is_dir()):
            shutil.copytree(workspace, cwd / workspace.name, dirs_exist_ok=True)
        return (made / PRINTED).read_text(encoding="utf-8")

    return serve
