"""The page of a forecast: one file, no scripts, no references, every name escaped."""

import polars as pl
import pytest
from report.pages import Reader
from report.test_fan import make_fan

from kronos_quant.report import write_forecast_page

EVIL = '<script>alert("A")</script>&'
TABLE = pl.DataFrame({"time": ["2024-01-27 00:00:00"], "estimated": [True], "q50": [12.345678], EVIL: ["x"]})


@pytest.fixture
def page(tmp_path):
    write_forecast_page(tmp_path / "f.html", make_fan(), EVIL, [f"model {EVIL}"], [f"no bar {EVIL}"], TABLE)
    return Reader((tmp_path / "f.html").read_text(encoding="utf-8"))


def test_the_page_needs_nothing_beside_itself_and_escapes_names(page):
    assert page.references == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert page.words.count(EVIL) == 3  # the title, the heading, a column's name
    assert {f"Model {EVIL}", f"No bar {EVIL}"} <= set(page.words)


def test_the_style_sheet_fetches_nothing_and_knows_dark_and_narrow_screens(page, tmp_path):
    text = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport" content="width=device-width' in text
    assert page.tags.count("svg") == 2  # for a screen and for a phone


def test_the_key_names_the_intervals_and_the_naive_band(page):
    told = {"forecast, 90% of the paths", "forecast, 50% of the paths", "forecast, median", "naive random walk, 90%"}
    assert told <= set(page.words)


def test_the_page_says_what_is_good_and_which_command_measures_it(page):
    assert "Good: blue bands narrower than the dashed lines" in page.text
    assert "kq evaluate" in page.words


def test_the_table_shows_days_shares_and_flags_briefly(page):
    assert {"2024-01-27", "yes", "12.3457"} <= set(page.words)


def test_the_table_is_that_of_the_bars_to_come(page):
    [(heading, rows)] = page.tables
    assert heading == "The close of each bar to come"
    assert rows == [["time", "estimated", "q50", EVIL], ["2024-01-27", "yes", "12.3457", "x"]]


def test_what_each_bar_holds_is_told_when_pointed_at(page):
    assert page.tags.count("title") == 1 + 2 * len(make_fan().times)  # the page's own, and one a bar in both pictures
