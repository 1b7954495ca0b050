"""The tearsheet in a browser: KQ_CHROMIUM=/usr/bin/chromium pytest tests/report/test_browser.py"""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from made import HANG_SECONDS
from report.cases import Examined
from report.pages import Reader

from kronos_quant.report.pages.tearsheet import backtest_document, write_tearsheet
from kronos_quant.report.terms import terms_of

BROWSER = os.environ.get("KQ_CHROMIUM", "")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not BROWSER, reason="KQ_CHROMIUM does not name a Chromium")]

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000", "--enable-logging=stderr"),
)


@pytest.mark.parametrize("size", ["1200,900", "800,900", "390,844"])
def test_every_chart_is_drawn_and_every_table_sorts_without_an_error(whole_case: Examined, tmp_path, size):
    page = tmp_path / "tearsheet.html"
    terms = terms_of(whole_case.result, whole_case.rules, "SPX")
    document = backtest_document(whole_case.result, whole_case.found, "</script><b>topk", terms, ["A note."], "SPX")
    write_tearsheet(page, document, whole_case.result, "SPX")
    command = [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path / 'user'}", f"--window-size={size}", "--dump-dom"]
    done = subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, timeout=HANG_SECONDS, check=True, encoding="utf-8"
    )
    assert "CONSOLE" not in done.stderr
    read = Reader(done.stdout)
    charts = re.findall(r'<div class="chart" role="img" aria-label="([^"]*)"([^>]*)>', done.stdout)
    assert len(charts) == read.classes.count("drawn") == 5
    assert not any("hidden" in rest for _, rest in charts)
    assert all(len(label) > 60 for label, _ in charts)
    assert read.classes.count("ranges") == 4  # the distribution has no sessions to choose
    assert read.classes.count("sort") > 30
    assert f"25 of {len(whole_case.result.orders):,} rows shown" in read.text
    assert "b" not in Reader(done.stdout.partition("<h1>")[2].partition("</h1>")[0]).tags
