"""Pages that run in the demo's workspace; in a file of their own, so that no other page waits for it to be made."""

import pytest
from doccheck.executed import check, executed

pytestmark = pytest.mark.slow  # they take a minute of both cores, which CI does not have


@pytest.mark.parametrize("page", executed(demo=True), ids=lambda page: page.name)
def test_a_page_of_the_demo_runs_and_shows_what_it_prints(page, page_run, request):
    check(page, page_run, request.config.getoption("--accept"))
