"""The page of a forecast: one file, no scripts, no references, every name escaped."""

import polars as pl
import pytest
from charts.cases import make_fan
from report.pages import Reader

from kronos_quant.report.pages.forecast import write_forecast_page

EVIL = '<script>alert("A")</script>&'
TABLE = pl.DataFrame({"time": ["2024-01-27 00:00:00"], "estimated": [True], "q50": [12.345678], EVIL: ["x"]})


@pytest.fixture
def page(tmp_path):
    write_forecast_page(tmp_path / "f.html", make_fan(), EVIL, [f"model {EVIL}"], [f"no bar {EVIL}"], TABLE)
    return Reader((tmp_path / "f.html").read_text(encoding="utf-8"))


def test_the_page_needs_nothing_but_itself_and_escapes_names(page):
    assert all(reference.startswith("#") for reference in page.references)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert page.words.count(EVIL) == 3  # the title, the heading, a column's name
    assert {f"Model {EVIL}", f"No bar {EVIL}"} <= set(page.words)


def test_the_result_comes_first_and_the_picture_is_there_for_a_screen_and_a_phone(page):
    assert page.headings == [EVIL, "Result", "Close of each forecast bar"]
    assert page.tags.count("svg") == 2


def test_the_page_says_what_is_good_and_which_command_measures_it(page):
    assert "A band narrower than the random walk's is better only if its coverage is as stated." in page.text
    assert "kq evaluate measures how accurate" in page.text
    assert "the bars that followed" not in page.text


def test_the_table_is_that_of_the_forecast_bars(page):
    [(heading, rows)] = page.tables
    assert heading == "Close of each forecast bar"
    assert rows == [["time", "estimated", "q50", EVIL], ["2024-01-27", "yes", "12.3457", "x"]]


@pytest.mark.usefixtures("sketched")
def test_no_column_says_that_no_stamp_is_estimated(tmp_path):
    table = TABLE.with_columns(estimated=pl.lit(value=False))
    write_forecast_page(tmp_path / "page.html", make_fan(), EVIL, [], [], table)
    [(_, rows)] = Reader((tmp_path / "page.html").read_text(encoding="utf-8")).tables
    assert rows[0] == ["time", "q50", EVIL]


@pytest.mark.usefixtures("sketched")
def test_the_bars_that_followed_are_named_where_they_are_drawn(tmp_path):
    fan = make_fan()
    after = fan.history.tail(5).with_columns(time=pl.Series(fan.times))
    write_forecast_page(tmp_path / "f.html", make_fan(realised=after), "t", [], [], TABLE)
    assert "Orange candlesticks are the bars that followed." in (tmp_path / "f.html").read_text(encoding="utf-8")
