"""Pages run, and show what they print; those that need the demo: test_pages_demo.py.

`make docs-accept` writes what was printed into the pages.
"""

import pytest
from doccheck.executed import check, english_pages, executed
from doccheck.pages import DOCS

pytestmark = pytest.mark.slow  # they take a minute of both cores, which CI does not have


@pytest.mark.parametrize("page", executed(demo=False), ids=lambda page: page.name)
def test_a_page_runs_and_shows_what_it_prints(page, page_run, request):
    check(page, page_run, request.config.getoption("--accept"))


@pytest.mark.parametrize(
    "page", [page for page in english_pages() if page.path.is_relative_to(DOCS)], ids=lambda page: page.name
)
def test_a_page_with_blocks_to_run_names_its_workspace(page):
    assert page.workspace is not None or not any(fence.runs for fence in page.fences)
