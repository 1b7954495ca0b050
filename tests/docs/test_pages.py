"""Every page runs, and shows what it prints. `make docs-accept` writes what was printed into the pages."""

import pytest
from doccheck.accept import accepted, with_outputs_of
from doccheck.pages import DOCS, Page, pages

ENGLISH = [page for page in pages() if not page.path.is_relative_to(DOCS / "zh")]
EXECUTED = [page for page in ENGLISH if page.workspace is not None]


def update_translation(page: Page) -> None:
    """Put the outputs of a page into its Chinese twin."""
    if page.path.is_relative_to(DOCS / "en"):
        twin = DOCS / "zh" / page.path.relative_to(DOCS / "en")
    else:
        twin = page.path.with_name("README.zh.md")
    if twin.is_file():
        twin.write_text(with_outputs_of(page, Page.read(twin)), encoding="utf-8")


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.name)
def test_a_page_runs_and_shows_what_it_prints(page, page_run, request):
    if request.config.getoption("--accept"):
        page.path.write_text(accepted(page_run(page)), encoding="utf-8")
        page = Page.read(page.path)
        update_translation(page)
    else:
        page_run(page).run()
    assert page.fences


@pytest.mark.parametrize(
    "page", [page for page in ENGLISH if page.path.is_relative_to(DOCS)], ids=lambda page: page.name
)
def test_a_page_with_blocks_to_run_names_its_workspace(page):
    assert page.workspace is not None or not any(fence.runs for fence in page.fences)
