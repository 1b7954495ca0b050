"""A page run from top to bottom in one folder, its output blocks compared with what was printed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doccheck.fences import Fence, PageError
from doccheck.outputs import first_difference
from doccheck.pages import Page
from doccheck.settings import check_yaml
from doccheck.terminal import Terminal


@dataclass
class PageRun:
    """A page, its terminal, and the names that its Python blocks share."""

    page: Page
    terminal: Terminal
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def run(self) -> None:
        """Run the page; raises PageError at the first block that fails or shows what was not printed."""
        for fence, printed in self.outputs():
            difference = first_difference(fence.source, printed, fence.number("rel"), fence.number("abs"))
            if difference is not None:
                raise PageError(f"{self.page.place(fence)}: the output is another (make docs-accept)\n{difference}")

    def outputs(self) -> Iterator[tuple[Fence, str]]:
        """Run the page; each output block with what the blocks before it printed."""
        before: Fence | None = None
        for fence in self.page.fences:
            if fence.is_output:
                if before is None or not before.runs:
                    raise PageError(f"{self.page.place(fence)}: an output needs a block that runs right before it")
                yield fence, self.terminal.take()
            else:
                self.terminal.take()
                self.run_block(fence)
            before = fence

    def run_block(self, fence: Fence) -> None:
        place = self.page.place(fence)
        try:
            if fence.title is not None:
                self.write(fence, place)
            elif fence.runs and fence.language == "sh":
                self.terminal.run(fence.source, int(fence.number("exit")))
            elif fence.runs:
                self.run_python(fence)
        except PageError:
            raise
        except Exception as error:
            raise PageError(f"{place}: {type(error).__name__}: {error}") from error

    def run_python(self, fence: Fence) -> None:
        """The block in the page's folder; its lines are those of the page in a traceback."""
        code = compile("\n" * fence.line + fence.source, self.page.name, "exec", dont_inherit=True)
        with self.terminal.attached():
            exec(code, self.names)

    def write(self, fence: Fence, place: str) -> None:
        """A titled block into the folder, after the model of its kind has read it."""
        assert fence.title is not None
        path = (self.terminal.cwd / fence.title).resolve()
        if not path.is_relative_to(self.terminal.root):
            raise PageError(f"{place}: {fence.title}: outside the folder of the page")
        if fence.language == "yaml":
            check_yaml(fence.title, fence.source, place)
        elif fence.language == "python":
            ast.parse(fence.source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fence.source, encoding="utf-8")


def run_page(page: Page, folder: Path, **terminal: Any) -> PageRun:
    """Run a page in a folder; gives the run, whose output blocks all were what was printed."""
    run = PageRun(page, Terminal(folder, **terminal))
    run.run()
    return run
