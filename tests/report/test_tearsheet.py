"""The page and the text of a back-test, from one document."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace

import numpy as np
import pytest
from report.cases import Examined, examined, index
from report.pages import Reader, assert_self_contained, page_data
from validity.cases import walks

from kronos_quant.report.backtest_sections import result_sections
from kronos_quant.report.document import Document
from kronos_quant.report.pages.tearsheet import backtest_document, headline_document, performance_png, write_tearsheet
from kronos_quant.report.quantstats_page import QuantstatsReport
from kronos_quant.report.quantstats_sections import statistics_part
from kronos_quant.report.terms import terms_of

NOTES = ["A note.", "CONTAMINATED: 3 sessions."]


GIVEN = QuantstatsReport("<!DOCTYPE html>", (statistics_part(("figure", "portfolio"), [("ulcer index", "0.1")]),))
"""What the process of quantstats gives."""


def document_of(case: Examined, notes=(), name: str | None = "SPX") -> Document:
    terms = terms_of(case.result, case.rules, name)
    return backtest_document(case.result, case.found, "topk", terms, notes, name)


def written(folder, case: Examined, notes=(), name: str | None = "SPX") -> str:
    """The page of a whole case."""
    troubles = write_tearsheet(
        folder / "t.html", document_of(case, notes, name), case.result, name, "Run 1; bars a1.", lambda: GIVEN
    )
    assert troubles == []
    return (folder / "t.html").read_text(encoding="utf-8")


def self_contained(page: str) -> Reader:
    return assert_self_contained(page, ("quantstats.html",))


@pytest.fixture(scope="session")
def full(whole_case, tmp_path_factory) -> tuple[Examined, str, Reader]:
    page = written(tmp_path_factory.mktemp("full"), whole_case, NOTES)
    return whole_case, page, Reader(page)


def test_the_page_needs_no_network_and_prints_no_undetermined_number(full):
    assert_self_contained(full[1], ("quantstats.html",))


def test_everything_stands_in_the_order_in_which_it_is_read(full):
    case, _, read = full
    titles = [section.title for section in result_sections(case.result, case.found)]
    pictures = [
        *("Charts", "Drawdown and excess", "Exposure, holdings, turnover", "Rolling half years"),
        *("Distribution of returns", "By year"),
    ]
    headline = ["Read this first", "Significance", "Result, after costs", "Trading", "What was run"]
    account = [
        *("Deepest drawdowns", "Best contributors", "Worst contributors", "All contributors"),
        *("Holdings at the end", "Orders"),
    ]
    further = ["Further statistics", "All settings of the strategy, defaults included"]
    assert read.headings == ["Back-test: topk", *headline, *pictures, *titles, *account, *further]


def test_title_period_benchmark_annualisation_and_origin_are_on_top(full):
    case, _, read = full
    first, last = case.result.dates[0], case.result.dates[-1]
    assert (
        f"{first} to {last}, 200 sessions. Benchmark: SPX. 252 sessions per year, risk-free rate 0, returns after "
        f"costs, "
        "compounded. Run 1; bars a1." in read.text
    )


def test_the_tables_hold_the_figures_of_the_run(full):
    case, _, read = full
    metrics = case.result.metrics
    figures = read.table("Result, after costs")
    sharpes = [metrics["sharpe_ratio"], case.found.without_size["sharpe_ratio"], metrics["benchmark_sharpe_ratio"]]
    assert figures["Sharpe ratio, annual"] == [f"{sharpe:.2f}" for sharpe in sharpes]
    assert read.table("Trading")["trades"] == [f"{metrics['trades']:,.0f}"]
    assert read.table("Against the benchmark")["beta"] == [f"{metrics['beta']:.2f}"]
    assert "benchmark SPX" in read.text
    assert len(read.table("Industries")) == 11
    assert read.table("Costs")["commission"][0] == f"{metrics['commission']:,.2f}"


def test_every_setting_is_listed_with_the_value_used(full):
    case, _, read = full
    settings = dict(next(rows for name, rows in read.tables if ["topk", "8"] in rows))
    strategy = case.result.strategy
    assert set(type(strategy).model_fields) - {"costs", "liquidity", "risk", "qlib", "optimise"} <= set(settings)
    assert settings["liquidity.sessions"] == "20"
    assert settings["costs.borrow"] == "0.03"
    assert settings["account"] == "1000000.0"


def test_every_picture_is_there_with_and_without_a_script_and_says_how_to_read_it(full):
    read = full[2]
    assert read.tags.count("figcaption") == read.tags.count("figure") == read.text.count("How to read it:") == 5
    assert read.tags.count("svg") == read.classes.count("chart") == 5
    assert "each point covers the previous 126 sessions. A good Sharpe ratio" in read.text


def test_grave_notes_stand_out(full):
    assert full[2].classes.count("loud") == 2  # once on the first screen, once among the notes
    assert full[1].index("CONTAMINATED") < full[1].index("<h2>Significance")


def test_the_first_screen_has_the_verdict_the_grave_notes_and_growth(full):
    case, page, _ = full
    lead = Reader(page[page.index('<section id="lead"') : page.index('<section id="notes"')])
    assert lead.text.startswith(f"{case.found.lines()[0]} CONTAMINATED: 3 sessions. Read this first: 2 notes")
    assert "#notes" in lead.references
    assert lead.tags.count("figure") == 1
    [growth] = page_data(page[: page.index('<section id="notes"')])
    curves = {curve["name"]: curve["values"] for curve in growth["panels"][0]["curves"]}
    assert growth["places"] == [str(day) for day in case.result.dates]
    np.testing.assert_allclose(curves["portfolio, after costs"], np.cumprod(1 + case.result.returns) - 1, rtol=1e-5)
    assert f"portfolio, after costs {case.result.metrics['total_return']:+.1%}" in page


def test_the_text_is_the_same_document(full):
    case, _, _ = full
    text = document_of(case, NOTES).to_text()
    places = [text.index(part) for part in ("Back-test: topk", "For research only", "Read this first", "Significance",
                                            "What was run", "Costs\n", "Holdings by date")]  # fmt: skip
    assert places == sorted(places)
    assert "  benchmark      SPX\n" in text
    head = headline_document(document_of(case, NOTES)).to_text()
    assert text.startswith(head.rstrip())
    assert head.rstrip().endswith("benchmark      SPX")


@pytest.mark.usefixtures("sketched")
def test_a_run_without_a_trade_says_so_loudly(tmp_path):
    case = examined(tmp_path, walks(60, 24, seed=6), benchmark=index(60), account=1.0, lot=100)
    read = self_contained(written(tmp_path, case, case.result.notes))
    assert read.listed[0].startswith("NO TRADE WAS MADE")
    assert "loud" in read.classes
    assert read.tags.count("figure") == 3  # growth, drawdown, exposure; a flat line has no distribution
    assert read.table("Result, after costs")["Sharpe ratio, annual"][0] == "-"


@pytest.mark.parametrize("sessions", [1, 3, 19])
@pytest.mark.usefixtures("sketched")
def test_very_short_runs_have_a_whole_page_without_empty_pictures(tmp_path, sessions):
    case = examined(tmp_path, walks(sessions + 1, 24, seed=6), benchmark=index(sessions + 1))
    read = self_contained(written(tmp_path, case))
    assert read.tags.count("figure") == 3
    assert f"extrapolated from {sessions} session" in read.text


@pytest.mark.usefixtures("sketched")
def test_a_long_short_run_without_a_benchmark_has_its_legs(tmp_path):
    case = examined(tmp_path, walks(60, 24, seed=6), strategy="long_short_quantile", quantile=0.25, every=4)
    read = self_contained(written(tmp_path, case))
    assert set(read.table("Long and short")) == {"positions", "long", "short"}
    assert "Against the benchmark" not in read.headings
    assert "Benchmark: none." in read.text
    assert "a steep decline means that costs consume the return" in read.text
    assert read.table("Monthly returns")["year"][-1] == "period"


@pytest.mark.usefixtures("sketched")
def test_an_account_that_is_lost_still_has_a_page(tmp_path):
    costs = {"buy": 0.06, "sell": 0.06, "minimum": 0}
    case = examined(tmp_path, walks(90, 24, seed=6), benchmark=index(90), strategy="topk_rebalance", costs=costs)
    assert case.result.account[-1] < 1e6 / 500
    read = self_contained(written(tmp_path, case))
    assert read.table("Result, after costs")["total return"][0].startswith("-99.")
    assert read.table("Result, after costs")["maximum drawdown"][0].startswith("-99.")


@pytest.mark.usefixtures("sketched")
def test_symbols_and_titles_that_are_html_stay_text(tmp_path):
    panel = replace(walks(30, 24, seed=6), symbols=tuple(f"<script>{i:02d}</script>" for i in range(24)))
    read = self_contained(written(tmp_path, examined(tmp_path, panel, benchmark=index(30)), name="<img src=x>"))
    assert "<script>" in read.text
    assert "Benchmark: <img src=x>." in read.text


@pytest.mark.usefixtures("sketched")
def test_what_quantstats_cannot_say_is_a_note_on_the_page(tmp_path, whole_case):
    failed = QuantstatsReport(troubles=("quantstats cannot.",))
    page, document = tmp_path / "t.html", document_of(whole_case)
    assert write_tearsheet(page, document, whole_case.result, quantstats=lambda: failed) == ["quantstats cannot."]
    read = assert_self_contained(page.read_text(encoding="utf-8"))
    assert read.listed == ["quantstats cannot."]
    assert "Further statistics" not in read.headings
    assert [path.name for path in tmp_path.iterdir()] == ["t.html"]


def test_the_page_leads_to_that_of_quantstats(full, tmp_path):
    assert "quantstats.html" in full[2].references
    written(tmp_path, full[0])
    assert (tmp_path / "quantstats.html").read_text(encoding="utf-8") == GIVEN.page


def test_the_picture_of_a_run_is_made_of_its_returns(whole_case, tmp_path):
    result = whole_case.result
    growth = result.plot("topk", "SPX").axes[0]
    np.testing.assert_allclose(growth.lines[0].get_ydata(), [0, *(np.cumprod(1 + result.returns) - 1)])
    assert not growth.texts  # there were trades
    performance_png(tmp_path / "p.png", result, "topk", "SPX")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_run_gives_the_same_page_and_leaves_no_trace(full, tmp_path, capfd, caplog):
    import matplotlib as mpl

    case, page, _ = full
    style = dict(mpl.rcParams)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        again = written(tmp_path, case, NOTES)
    assert again == page
    assert dict(mpl.rcParams) == style
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""
