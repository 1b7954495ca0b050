"""The pages that run, in two parts that run at the same time: a test file is a process's (`--dist loadfile`)."""

from __future__ import annotations

from collections.abc import Callable

from doccheck.accept import accepted, with_outputs_of
from doccheck.demo import LINES
from doccheck.pages import DOCS, Page, pages
from doccheck.runner import PageRun


def english_pages() -> list[Page]:
    """All pages but the Chinese ones, whose blocks are those of the English ones."""
    return [page for page in pages() if not page.path.is_relative_to(DOCS / "zh") and page.path.name != "README.zh.md"]


def executed(*, demo: bool) -> list[Page]:
    """The pages that run: those that need the demo's workspace, which takes longest to make, or the others."""
    return [page for page in english_pages() if page.workspace is not None and demo == needs_demo(page)]


def needs_demo(page: Page) -> bool:
    """Whether a page runs in the demo's workspace, or shows how it is made."""
    shown = {line for fence in page.fences if fence.runs for line in fence.source.splitlines()}
    return page.workspace == "demo" or not shown.isdisjoint(LINES)


def check(page: Page, page_run: Callable[[Page], PageRun], accept: bool) -> None:
    """Run a page; with `accept` write what it printed into it and into its translation, else compare."""
    if not accept:
        page_run(page).run()
        return
    page.path.write_text(accepted(page_run(page)), encoding="utf-8")
    update_translation(Page.read(page.path))


def update_translation(page: Page) -> None:
    """Put the outputs of a page into its Chinese twin."""
    if page.path.is_relative_to(DOCS / "en"):
        twin = DOCS / "zh" / page.path.relative_to(DOCS / "en")
    else:
        twin = page.path.with_name("README.zh.md")
    if twin.is_file():
        twin.write_text(with_outputs_of(page, Page.read(twin)), encoding="utf-8")
