"""The guides run, and show what they print."""

import pytest
from doccheck.executed import check, executed


@pytest.mark.parametrize("page", executed(guides=True), ids=lambda page: page.name)
def test_a_guide_runs_and_shows_what_it_prints(page, page_run, request):
    check(page, page_run, request.config.getoption("--accept"))
