from __future__ import annotations

import logging
import warnings
from datetime import date, timedelta

import numpy as np
import pytest
from report.cases import examined, index
from report.pages import Reader, assert_self_contained
from validity.cases import walks

from kronos_quant.report import Section, headline_of, sections_of, terms_of, write_tearsheet
from kronos_quant.report.tearsheet import Contents, write_page
from kronos_quant.report.tearsheet.pictures import Picture

NAN = float("nan")
NASTY = "<script>alert('x')</script> <b onclick=x> $x$ {{metrics}} [[quantstats]]"


def dates(count: int) -> list[date]:
    return [date(2024, 1, 1) + timedelta(days=i) for i in range(count)]


def returns(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0005, 0.01, count)


def written(path, case, notes=(), name="SPX") -> str:
    """The page of a whole case."""
    told = write_tearsheet(
        path / "t.html", case.result, "topk (run)", name, terms=terms_of(case.result, case.rules, name), notes=notes,
        headline=headline_of(case.result, case.found, name), sections=sections_of(case.result, case.found),
    )  # fmt: skip
    assert told == []
    return (path / "t.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(whole_case, tmp_path_factory):
    return whole_case, written(tmp_path_factory.mktemp("full"), whole_case, ["A note.", "CONTAMINATED: 3 sessions."])


def test_the_page_needs_nobody_and_prints_no_undetermined_number(full):
    assert_self_contained(full[1])


def test_everything_is_told_in_the_order_in_which_it_is_read(full):
    case, page = full
    titles = [section.title for section in sections_of(case.result, case.found)]
    assert Reader(page).headings == [
        "topk (run)",
        "To know first",
        "Is it luck?",
        "Result, after costs",
        "Trading",
        "What was run",
        *titles,
        "The same returns by quantstats",
        "Key figures",
        "EOY Returns vs Benchmark",
        "Deepest drawdowns",
    ]


def test_title_period_benchmark_and_annualisation_are_on_top(full):
    case, page = full
    first, last = case.result.dates[0], case.result.dates[-1]
    assert f"{first} to {last}, 200 sessions • benchmark: SPX • 252 sessions a year, risk-free rate 0," in (
        Reader(page).text
    )


def test_the_tables_hold_the_figures_of_the_run(full):
    case, page = full
    read, metrics = Reader(page), case.result.metrics
    figures = read.table("Result, after costs")
    assert figures["Sharpe ratio, annual"] == [f"{metrics[f'{whose}sharpe_ratio']:.2f}" for whose in ("", "benchmark_")]
    assert read.table("Trading")["trades"] == [f"{metrics['trades']:,.0f}"]
    assert read.table("Against the benchmark")["beta"] == [f"{metrics['beta']:.2f}"]
    assert read.table("What was run")["benchmark"] == ["SPX"]
    assert len(read.table("Industries")) == 11
    assert read.table("Costs")["commission"][0] == f"{metrics['commission']:,.2f}"


def test_every_setting_is_listed_with_the_value_used(full):
    case, page = full
    settings = dict(next(rows for name, rows in Reader(page).tables if ["topk", "8"] in rows))
    strategy = case.result.strategy
    assert set(type(strategy).model_fields) - {"costs", "liquidity", "risk", "qlib"} <= set(settings)
    assert settings["liquidity.sessions"] == "20"
    assert settings["costs.borrow"] == "0.03"
    assert settings["account"] == "1000000.0"


def test_every_picture_has_a_caption_that_tells_good_from_bad(full):
    read = Reader(full[1])
    assert read.tags.count("svg") == read.tags.count("figcaption") == read.tags.count("figure") == 7
    assert full[1].lower().count("good") >= 5


def test_grave_notes_stand_out(full):
    read = Reader(full[1])
    assert read.listed[:2] == ["A note.", "CONTAMINATED: 3 sessions."]
    assert read.classes.count("loud") == 1
    assert "notes grave" in read.classes
    assert full[1].index("CONTAMINATED") < full[1].index("Is it luck?")


def test_a_run_without_a_trade_is_told_loudly_and_nothing_of_quantstats_is_drawn(tmp_path):
    case = examined(tmp_path, walks(60, 24, seed=6), benchmark=index(60), account=1.0, lot=100)
    page = written(tmp_path, case, case.result.notes)
    read = assert_self_contained(page)
    assert read.listed[0].startswith("NO TRADE WAS MADE")
    assert "loud" in read.classes
    assert read.tags.count("svg") == 1  # growth beside the benchmark's; a flat line has no distribution
    assert "quantstats can say nothing of returns that do not move" in read.text
    assert read.table("Result, after costs")["Sharpe ratio, annual"][0] == "-"


@pytest.mark.parametrize("sessions", [1, 2, 3, 19])
@pytest.mark.usefixtures("without_quantstats")
def test_very_short_runs_have_a_whole_page_without_empty_pictures(tmp_path, sessions):
    case = examined(tmp_path, walks(sessions + 1, 24, seed=6), benchmark=index(sessions + 1))
    read = assert_self_contained(written(tmp_path, case))
    assert read.tags.count("svg") == 1
    assert "needed to test significance" in read.text
    assert f"extrapolated from {sessions} session" in read.text


@pytest.mark.usefixtures("without_quantstats")
def test_a_long_short_run_without_a_benchmark_has_its_legs(tmp_path):
    case = examined(tmp_path, walks(60, 24, seed=6), strategy="long_short_quantile", quantile=0.25, every=4)
    read = assert_self_contained(written(tmp_path, case))
    assert set(read.table("Long and short")) == {"positions", "long", "short"}
    assert "Against the benchmark" not in read.headings
    assert "benchmark: none" in read.text


def test_an_account_that_is_lost_still_has_a_page(tmp_path):
    costs = {"buy": 0.06, "sell": 0.06, "minimum": 0}
    case = examined(tmp_path, walks(90, 24, seed=6), benchmark=index(90), strategy="topk_rebalance", costs=costs)
    assert case.result.account[-1] < 1e6 / 500
    read = assert_self_contained(written(tmp_path, case))
    assert read.table("Result, after costs")["total return"][0].startswith("-99.")
    assert read.table("Result, after costs")["maximum drawdown"][0].startswith("-99.")


def page_of(folder, series, other=None, **contents) -> tuple[str, list[str]]:
    told = write_page(folder / "t.html", dates(len(series)), series, other, Contents("a page", **contents))
    return (folder / "t.html").read_text(encoding="utf-8"), told


def test_every_name_is_escaped(tmp_path):
    verdict = Section(NASTY, (NASTY,))
    other = Section(NASTY, (NASTY,), ("name", "value"), ((NASTY, "1"),), wide=True)
    contents = Contents(
        NASTY, NASTY, 252, [NASTY], [verdict, other], [Picture("<svg></svg>", NASTY)], [other], [(NASTY, NASTY)]
    )
    write_page(tmp_path / "t.html", dates(60), returns(60), returns(60, 1), contents)
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    read = assert_self_contained(page)
    assert read.headings.count(NASTY) == 4
    assert [NASTY, NASTY] in [row for _, rows in read.tables for row in rows]
    assert f"benchmark: {' '.join(NASTY.split())}" in read.text
    assert any(row[1] == "Benchmark" for _, rows in read.tables for row in rows if len(row) == 3)


@pytest.mark.usefixtures("without_quantstats")
def test_symbols_and_titles_that_are_html_stay_text(tmp_path):
    panel = walks(30, 24, seed=6)
    panel = type(panel)(**{name: getattr(panel, name) for name in panel.__slots__} | {
        "symbols": tuple(f"<script>{i:02d}</script>" for i in range(24)),
    })  # fmt: skip
    read = assert_self_contained(written(tmp_path, examined(tmp_path, panel), name="<img src=x>"))
    assert "<script>" in read.text


@pytest.mark.parametrize("count", [0, 1, 3])
def test_pages_of_bare_returns_are_whole(tmp_path, count):
    page, told = page_of(tmp_path, returns(count), returns(count, 1), benchmark="SPX")
    assert told == []
    assert_self_contained(page)


@pytest.mark.usefixtures("without_quantstats")
def test_missing_returns_are_left_out_and_counted(tmp_path):
    series, benchmark = returns(40), returns(40, 1)
    series[3], benchmark[5] = NAN, NAN
    page, told = page_of(tmp_path, series, benchmark, benchmark="SPX")
    assert told == ["Sessions without a return, left out of the tearsheet: 1."]
    assert "39 sessions" in page
    assert told[0] in Reader(page).listed


def test_without_any_return_the_page_says_so(tmp_path):
    page, told = page_of(tmp_path, np.array([NAN, NAN]))
    assert told == ["Sessions without a return, left out of the tearsheet: 2."]
    assert "no sessions" in assert_self_contained(page).text


def test_what_quantstats_cannot_compare_is_drawn_without_the_benchmark(tmp_path, monkeypatch):
    from kronos_quant.report.tearsheet import writing

    draw, calls = writing.quantstats_part, []

    def fails(days, series, benchmark, name, years):
        calls.append(benchmark is not None)
        if benchmark is not None:
            raise ZeroDivisionError
        return draw(days, series, benchmark, name, years)

    monkeypatch.setattr(writing, "quantstats_part", fails)
    page, told = page_of(tmp_path, returns(30), returns(30, 1), benchmark="SPX")
    assert calls == [True, False]
    assert told == ["quantstats cannot compare these 30 returns with the benchmark."]
    assert {told[0], "Sharpe"} <= {*Reader(page).listed, *Reader(page).table("Key figures")}


def test_returns_that_look_like_prices_are_not_taken_for_them(tmp_path):
    page, told = page_of(tmp_path, np.array([0.1, 1.5, 0.2]))
    assert told == ["quantstats cannot draw these 3 returns."]
    assert told[0] in assert_self_contained(page).listed


def test_the_same_returns_give_the_same_page_and_leave_no_trace(full, tmp_path, capfd, caplog):
    import matplotlib as mpl

    case, page = full
    style = dict(mpl.rcParams)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        again = written(tmp_path, case, ["A note.", "CONTAMINATED: 3 sessions."])
    assert again == page
    assert dict(mpl.rcParams) == style
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""
