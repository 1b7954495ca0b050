"""The report of a back-test: report.txt and tearsheet.html from one document. Shape letter: T sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from kronos_quant.arrays import FloatArray
from kronos_quant.backtest import BacktestResult
from kronos_quant.charts import (
    AccountCurves,
    Chart,
    ExposureCurves,
    distribution_chart,
    distribution_figure,
    drawdown_chart,
    drawdown_figure,
    exposure_chart,
    exposure_figure,
    growth_chart,
    growth_figure,
    rolling_chart,
    rolling_figure,
    write_png,
)
from kronos_quant.display import setting_text
from kronos_quant.errors import counted
from kronos_quant.files import write_text
from kronos_quant.report.account_sections import contributors, deepest_drawdowns, last_holdings, orders, years
from kronos_quant.report.account_tables import account_tables
from kronos_quant.report.backtest_sections import headline_sections, result_sections
from kronos_quant.report.document import Document, Part, Picture, is_loud, make_picture
from kronos_quant.report.periods import half_year, rolling_series
from kronos_quant.report.quantstats_page import PAGE, QuantstatsReport
from kronos_quant.report.terms import Term, labelled, settings_of
from kronos_quant.validity.examination import Examination

FEWEST = 20
"""Sessions below which a distribution has no shape."""

LOUD = 2
"""Grave notes that the first screen repeats, at most."""

ROLLING = {
    "sharpe_ratio": "Sharpe ratio, annual",
    "annual_volatility": "Volatility, annual",
    "beta": "Beta to the benchmark",
}
"""Rolling figures that are drawn."""

PERCENT = [ROLLING["annual_volatility"]]
"""Those that are fractions."""

GROWTH = "the gap between the solid and the dotted line is the cost of trading."
EXPOSURE = (
    "gross is the value of all positions / account, and cash what is not invested. Many sessions with much cash or few "
    "holdings mean that orders were rejected or symbols were missing; turnover is what costs are paid for."
)

DISTRIBUTION = (
    "session returns after costs and the normal distribution with the same mean and standard deviation. Bars above the "
    "curve on the far left are losses larger than the volatility suggests: the Sharpe ratio flatters such a strategy."
)


def backtest_document(
    result: BacktestResult,
    found: Examination,
    title: str,
    terms: Sequence[Term],
    notes: Sequence[str] = (),
    benchmark_name: str | None = None,
) -> Document:
    """What there is to say of a back-test, without pictures.

    found : how the result was examined; title : name of the strategy; terms : of `terms_of`; notes : to read first
    """
    first, last = result.dates[0], result.dates[-1]
    benchmark = "none" if result.benchmark_returns is None else benchmark_name or "unnamed"
    facts = (
        f"{first} to {last}, {counted(len(result.dates), 'session')}. Benchmark: {benchmark}. "
        f"{result.sessions_per_year} sessions per year, risk-free rate 0, returns after costs, compounded.",
    )
    run = Part("What was run", facts=tuple(labelled(terms)))
    sections = (*headline_sections(result, found, benchmark_name), run, *result_sections(result, found))
    return Document(f"Back-test: {title}", facts, tuple(notes), sections)


def headline_document(document: Document) -> Document:
    """The part of a back-test's document that comes first, for the terminal."""
    last = next(place for place, section in enumerate(document.sections) if section.title == "What was run")
    return replace(document, sections=document.sections[: last + 1])


def write_tearsheet(
    path: Path,
    document: Document,
    result: BacktestResult,
    benchmark_name: str | None = None,
    origin: str = "",
    quantstats: Callable[[], QuantstatsReport] = QuantstatsReport,
) -> list[str]:
    """Write the page of a back-test: its document with charts, its tables and all settings.

    Returns what it could not show, in plain sentences, which are among its notes. Each file is written whole or not
    at all.

    Parameters
    ----------
    path
        Of the page; the page of quantstats is written beside it.
    document
        Of `backtest_document`.
    result
        What it is about.
    benchmark_name
        For charts and tables.
    origin
        A line under the title.
    quantstats
        Gives what quantstats found, see `quantstats_child`; asked last, for it may take a while.

    >>> import inspect
    >>> list(inspect.signature(write_tearsheet).parameters)[:3]
    ['path', 'document', 'result']
    """
    tables, curves = account_tables(result), account_curves(result, benchmark_name)
    growth = make_picture("", lambda width: growth_figure(curves, width), GROWTH, growth_chart(curves))
    charts = Part("Charts", pictures=tuple(_pictures(result, tables, curves)), wide=True)
    headline = headline_document(document).sections
    account = (
        deepest_drawdowns(tables["drawdowns"]),
        *contributors(result, tables["contributors"]),
        last_holdings(result),
        orders(result),
    )
    further = quantstats()
    sections = (
        *(*headline, charts, years(tables["years"], result.caveat), *document.sections[len(headline) :]),
        *(section for section in account if section is not None),
        *(*_further(further), _settings(result)),
    )
    facts = (*document.facts, origin) if origin else document.facts
    page = replace(document, facts=facts, sections=sections, notes=(*document.notes, *further.troubles))
    replace(page, lead=_lead(page, growth)).write_page(path)
    if further.page:
        write_text(path.with_name(PAGE), further.page)
    return list(further.troubles)


def _settings(result: BacktestResult) -> Part:
    rows = ((name, setting_text(value)) for name, value in settings_of(result.strategy.model_dump(mode="json")))
    title = "All settings of the strategy, defaults included"
    return Part(title, (), ("setting", "value"), tuple(rows), wide=True, folded=True)


def _further(report: QuantstatsReport) -> tuple[Part, ...]:
    """The further statistics, with the way to the page of quantstats."""
    links = (("All of quantstats' report, with its charts", PAGE),) if report.page else ()
    return tuple(replace(section, links=links) for section in report.sections)


def _lead(document: Document, growth: Picture) -> Part:
    """What the first screen shows: the verdict, the notes that change everything, and growth."""
    verdict = [section.sentences[0] for section in document.sections if section.tone and section.sentences]
    loud = [note for note in document.notes if is_loud(note)][:LOUD]
    notes = [(f"Read this first: {counted(len(document.notes), 'note')}", "#notes")] if document.notes else []
    return Part("", (*verdict[:1], *loud), pictures=(growth,), wide=True, links=tuple(notes), name="lead")


def account_curves(result: BacktestResult, benchmark_name: str | None) -> AccountCurves:
    """What the charts of an account show of a result."""
    traded = not result.fills.is_empty()
    returns = result.returns, result.gross_returns, result.benchmark_returns
    return AccountCurves(result.dates, *returns, benchmark_name or "", traded=traded)


def performance_png(path: Path, result: BacktestResult, title: str, benchmark_name: str | None = None) -> None:
    """Write the chart of growth, drawdown and excess, under its title."""
    write_png(path, result.plot(title, benchmark_name or ""))


def _pictures(result: BacktestResult, tables: Mapping[str, pl.DataFrame], curves: AccountCurves) -> Iterator[Picture]:
    """Those that the run has enough sessions for, each with how to read it. tables : of `account_tables`"""
    title = "Drawdown and costs" if curves.benchmark_returns is None else "Drawdown and excess"
    yield make_picture(title, lambda w: drawdown_figure(curves, w), _drawdown_reading(curves), drawdown_chart(curves))
    held = exposure_curves(result, tables["exposures"])
    chart = exposure_chart(held)
    yield make_picture("Exposure, holdings, turnover", lambda w: exposure_figure(held, w), EXPOSURE, chart)
    window = half_year(result.sessions_per_year)
    series = rolling_series(result.returns, result.benchmark_returns, window, result.sessions_per_year)
    drawn = {title: series[name] for name, title in ROLLING.items() if np.isfinite(series.get(name, np.nan)).any()}
    if drawn:
        chart, reading = rolling_chart(result.dates, drawn, window, PERCENT), _rolling_reading(result, window)
        yield make_picture("Rolling half years", lambda w: _rolling(result, drawn, window, w), reading, chart)
    if len(result.returns) >= FEWEST and np.ptp(result.returns) > 0:
        returns, chart = result.returns, distribution_chart(result.returns)
        yield make_picture(
            "Distribution of returns", lambda w: distribution_figure(returns, width=w), DISTRIBUTION, chart
        )


def exposure_curves(result: BacktestResult, exposures: pl.DataFrame) -> ExposureCurves:
    """What the chart of exposure shows of a result. exposures : of `exposure_table`"""
    gross, net, cash, holdings = (
        exposures[name].cast(pl.Float64).to_numpy() for name in ("gross", "net", "cash", "holdings")
    )
    return ExposureCurves(result.dates, gross, net, cash, holdings, result.turnover)


def _rolling(result: BacktestResult, drawn: dict[str, FloatArray], window: int, width: float) -> Chart:
    return rolling_figure(result.dates, drawn, window, percent=PERCENT, width=width)


def _drawdown_reading(curves: AccountCurves) -> str:
    depth = "in Drawdown, shallow and short is good; a loss of 50% needs a gain of 100% to recover."
    if curves.benchmark_returns is None:
        return f"{depth} In the panel below, a steep decline means that costs consume the return."
    return (
        f"{depth} In Excess, a steady rise is good. If it is flat while growth rises, the market earned the "
        "return; if it rose only once, it may be a single lucky bet."
    )


def _rolling_reading(result: BacktestResult, window: int) -> str:
    beta = "" if result.benchmark_returns is None else " Beta is the sensitivity to the benchmark's returns."
    return (
        f"each point covers the previous {window} sessions. A good "
        "Sharpe ratio stays above 0 throughout; one good period is no edge, and a declining line is an edge that "
        f"fades. Steady volatility is good.{beta}"
    )
