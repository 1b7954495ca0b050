from __future__ import annotations

import html
import logging
import re
import warnings
from datetime import date, timedelta

import numpy as np
import pytest

from kronos_quant.report import Section, write_tearsheet
from kronos_quant.report.tearsheet import without_references

NAN = float("nan")


def dates(count: int) -> list[date]:
    return [date(2024, 1, 1) + timedelta(days=i) for i in range(count)]


def returns(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0005, 0.01, count)


def assert_self_contained(page: str) -> None:
    """Nothing in the page makes a browser ask anybody for anything."""
    assert page.startswith("<!DOCTYPE html>")
    assert "</html>" in page
    assert not re.search(r"https?://", page)
    assert not re.search(r"<(link|script|iframe|object|embed|img|base|meta http-equiv)\b", page, re.IGNORECASE)
    assert not re.search(r"\son\w+\s*=", page, re.IGNORECASE)
    assert not re.search(r"@import", page)
    references = re.findall(r'(?:src|href)\s*=\s*["\']?([^"\'> ]+)', page) + re.findall(r"url\(([^)]*)\)", page)
    assert all(reference.startswith("#") for reference in references)
    assert "{{" not in page
    assert "[[" not in page


@pytest.fixture(scope="module")
def full_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("tearsheet") / "tearsheet.html"
    notes = write_tearsheet(
        path, dates(300), returns(300), returns(300, 1), "topk (20240101-1)", "SH000300", facts=["costs: 0.1 %"]
    )
    return path.read_text(encoding="utf-8"), notes


def test_page_needs_no_network(full_page):
    assert_self_contained(full_page[0])


def test_page_names_title_period_benchmark_facts_and_annualisation(full_page):
    page, notes = full_page
    assert notes == []
    assert "<h1>topk (20240101-1)</h1>" in page
    assert "2024-01-01 to 2024-10-26, 300 sessions &bull; benchmark: SH000300 &bull; 252 sessions a year" in page
    assert "<li>costs: 0.1 %</li>" in page
    assert "<th>SH000300</th><th>Strategy</th>" in page
    assert "research only" in page


def test_page_holds_the_plots_and_the_tables(full_page):
    page, _ = full_page
    assert page.count("<svg") == 12
    assert "<td>Sharpe</td>" in page
    assert "Worst 10 drawdowns" in page


def test_empty_pictures_of_half_years_are_left_out_of_short_runs(tmp_path):
    write_tearsheet(tmp_path / "t.html", dates(100), returns(100), returns(100, 1), "short", "SPX")
    page = (tmp_path / "t.html").read_text()
    assert page.count("<svg") == 8
    assert "Rolling" not in page


def test_sections_are_there_with_the_verdict_on_top_also_without_pictures(tmp_path):
    nasty = "<script>alert('x')</script> {{metrics}} [[tables]]"
    verdict = Section("Is it luck?", ("DOES NOT PASS.",))
    other = Section(nasty, (nasty,), ("name", "value"), ((nasty, "1"), ("b", "2")), wide=True)
    for series, name in ((returns(60), "drawn"), (returns(1), "short")):
        write_tearsheet(tmp_path / "t.html", dates(len(series)), series, None, name, sections=[verdict, other])
        page = (tmp_path / "t.html").read_text()
        assert_self_contained(page)
        assert '<section class="verdict"><h3>Is it luck?</h3><p>DOES NOT PASS.</p></section>' in page
        assert page.index('class="verdict"') < page.index('class="columns"') < page.index('class="wide"')
        assert html.unescape(re.search('<section class="wide"><h3>(.*?)</h3>', page)[1]) == nasty
        assert '<td class="words">b</td><td>2</td>' in page


def test_figures_are_of_all_sessions_also_those_before_the_first_trade(tmp_path):
    late = np.concatenate([np.zeros(50), returns(50)])
    write_tearsheet(tmp_path / "t.html", dates(100), late, None, "late")
    expected = late.mean() / late.std(ddof=1) * np.sqrt(252)
    assert f"<td>Sharpe</td><td>{expected:.2f}</td>" in (tmp_path / "t.html").read_text()


def test_every_name_is_escaped(tmp_path):
    nasty = "<script>alert('x')</script> $x$ {{metrics}} [[tables]]"
    write_tearsheet(tmp_path / "t.html", dates(60), returns(60), returns(60, 1), nasty, "<b>$\\alpha$", facts=[nasty])
    page = (tmp_path / "t.html").read_text()
    assert_self_contained(page)
    assert html.unescape(re.search("<h1>(.*?)</h1>", page)[1]) == nasty
    assert "benchmark: &lt;b&gt;$\\alpha$" in page
    assert "<th>Benchmark</th>" in page


@pytest.mark.parametrize("flat", [0.0, 0.01])
def test_flat_returns_go_without_the_benchmark_and_say_so(tmp_path, flat):
    notes = write_tearsheet(tmp_path / "t.html", dates(60), np.full(60, flat), returns(60), "flat", "SPX")
    said = "The tearsheet is without the benchmark: quantstats cannot compare flat returns with it."
    assert notes == [said]
    page = (tmp_path / "t.html").read_text()
    assert said in page
    assert "<svg" in page
    assert_self_contained(page)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_very_short_runs_still_have_a_page(tmp_path, count):
    write_tearsheet(tmp_path / "t.html", dates(count), returns(count), returns(count, 1), "short", "SPX")
    assert_self_contained((tmp_path / "t.html").read_text())


def test_without_any_return_the_page_says_that_it_has_none(tmp_path):
    notes = write_tearsheet(tmp_path / "t.html", dates(2), np.array([NAN, NAN]), None, "empty")
    assert notes == [
        "Sessions without a return, left out of the tearsheet: 2.",
        "The tearsheet has key figures only: quantstats cannot draw a run without returns.",
    ]
    page = (tmp_path / "t.html").read_text()
    assert "<td>sessions</td><td>0</td>" in page
    assert_self_contained(page)


def test_missing_returns_are_left_out_and_counted(tmp_path):
    series, benchmark = returns(40), returns(40, 1)
    series[3], benchmark[5] = NAN, NAN
    notes = write_tearsheet(tmp_path / "t.html", dates(40), series, benchmark, "gaps", "SPX")
    assert notes == ["Sessions without a return, left out of the tearsheet: 1."]
    assert "39 sessions" in (tmp_path / "t.html").read_text()


def test_returns_that_look_like_prices_are_not_taken_for_them(tmp_path):
    notes = write_tearsheet(tmp_path / "t.html", dates(3), np.array([0.1, 1.5, 0.2]), None, "a big win")
    assert notes == ["The tearsheet has key figures only: quantstats cannot draw these 3 returns."]
    assert "<td>total return</td><td>2.3</td>" in (tmp_path / "t.html").read_text()


def test_the_same_returns_give_the_same_page_and_leave_no_trace(tmp_path, capfd, caplog):
    import matplotlib as mpl

    style = dict(mpl.rcParams)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        for name in ("a.html", "b.html"):
            write_tearsheet(tmp_path / name, dates(40), returns(40), None, "same")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert dict(mpl.rcParams) == style
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


def test_svg_pictures_lose_what_names_the_web():
    svg = (
        '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "x"\n "http://www.w3.org/svg11.dtd">\n'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://a" width="1">'
        "<metadata><rdf:RDF>http://purl.org</rdf:RDF></metadata><g/></svg>"
    )
    assert without_references(svg) == '<svg width="1"><g/></svg>'
