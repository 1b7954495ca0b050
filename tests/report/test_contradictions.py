"""A page and a text show many figures twice: each is read back, and every pair has to agree."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from report.cases import Examined, examined, index
from report.pages import Reader
from validity.cases import walks

from kronos_quant.report.backtest_sections import WITHOUT_SIZE, read_first
from kronos_quant.report.pages.tearsheet import backtest_document, write_tearsheet
from kronos_quant.report.terms import terms_of

Tables = dict[str, list[list[str]]]
Claim = tuple[str, str, float, float]
"""Figure, where it stands, its value, and half of its last digit."""

WHOSE = {
    "portfolio": "as run",
    "value": "as run",
    "as run": "as run",
    "delayed": "delayed",
    WITHOUT_SIZE: WITHOUT_SIZE,
    "SPX": "benchmark",
}
"""Column -> whose figures it has; the row names the figure."""

NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+%?")


def number(text: str) -> tuple[float, float]:
    """A figure as written, and half of its last digit."""
    plain = text.replace(",", "").rstrip("%")
    digits = len(plain.partition(".")[2])
    scale = 0.01 if text.endswith("%") else 1.0
    return float(plain) * scale, 0.5 * 10.0**-digits * scale


def claims_of_tables(tables: Tables) -> Iterator[Claim]:
    """The figures of the tables whose rows name a figure and whose columns say whose it is."""
    for title, (head, *rows) in tables.items():
        for row in rows if head[0] == "figure" else []:
            for column, cell in zip(head[1:], row[1:], strict=False):
                if column in WHOSE and NUMBER.fullmatch(cell):
                    yield f"{row[0]}, {WHOSE[column]}", title, *number(cell)


def named(tables: Tables, title: str, label: str, column: str) -> str:
    head, *rows = tables[title]
    [row] = [row for row in rows if row[0] == label]
    return row[head.index(column)]


def claims_elsewhere(tables: Tables, text: str, account: str) -> Iterator[Claim]:
    """The figures that stand in tables of other shapes and in sentences, under the names of the first tables."""

    def found(pattern: str, *names: str) -> Iterator[Claim]:
        for match in re.finditer(pattern, text):
            for name, value in zip(names, match.groups(), strict=True):
                yield name, match[0][:60], *number(value)

    if len(tables.get("Capacity", [])) > 1:
        row = next(row for row in tables["Capacity"] if row[0] == account)
        yield "annual return, as run", "Capacity", *number(row[1])
        yield "impact per year", "Capacity", *number(row[2])
        edge = (
            "annual excess over the benchmark, as run" if "Against the benchmark" in tables else "annual return, as run"
        )
        yield edge, "Capacity", *number(row[3])
    yield "impact per year", "Costs", *number(named(tables, "Costs", "impact", "per year / account"))
    yield "costs, total, as run", "Costs", *number(named(tables, "Costs", "total", "paid"))
    yield "costs per year / account, as run", "Costs", *number(named(tables, "Costs", "total", "per year / account"))
    for name, without, worth in tables.get("What each rule is worth", [])[1:]:
        if name == "market impact and participation":
            yield f"annual return, {WITHOUT_SIZE}", "What each rule is worth", *number(without)
        value, half = number(named(tables, "Result, after costs", "annual return", "portfolio"))
        yield f"worth of {name}", "annual returns", (value - number(without)[0]) * 1e4, 2 * half * 1e4
        yield f"worth of {name}", "What each rule is worth", *number(worth)
        said = rf"{re.escape(name[:1].upper() + name[1:])}: (\S+) bps per year \(annual return without: (\S+%)\)"
        yield from found(said, f"worth of {name}", f"without {name}")
        yield f"without {name}", "What each rule is worth", *number(without)
    yield from found(r"Of ([\d,]+) orders?, ([\d,]+) were rejected", "orders, as run", "orders rejected, as run")
    yield from found(r"total return: \S+ \(required.*?Observed Sharpe (\S+) per year", "Sharpe ratio, annual, as run")
    yield from found(r"mean cash is (\d+%) at 1 million,", "cash, mean share of the account, as run")
    yield from found(r"Mean cash is (\S+%) of the account", "cash, mean share of the account, as run")
    yield from found(r"(\d\S*) symbols are held on average", "symbols held, mean, as run")
    for start, end in re.findall(r"account +([\d,]+) at the start, ([\d,.]+) at the end", text):
        change = number(end)[0] / number(start)[0] - 1
        yield "total return, as run", "account", change, 1e-6
    for column, whose in (("period", "as run"), ("benchmark", "benchmark")):
        head, *rows = tables["Monthly returns"]
        if column in head:
            years = math.prod(1 + number(row[head.index(column)])[0] for row in rows) - 1
            yield f"total return, {whose}", f"Monthly returns, {column}", years, 6e-4 * len(rows)
            months = [number(cell)[0] for row in rows for cell in row[1:13] if cell]
            if column == "period":
                yield "total return, as run", "Monthly returns, months", math.prod(1 + m for m in months) - 1, 1e-3 * 12


def contradictions(tables: Tables, text: str, account: str) -> list[str]:
    """Every pair of figures of one name whose values differ by more than their last digits."""
    known: dict[str, list[tuple[str, float, float]]] = {}
    for name, where, value, half in [*claims_of_tables(tables), *claims_elsewhere(tables, text, account)]:
        known.setdefault(name, []).append((where, value, half))
    assert sum(len(places) > 1 for places in known.values()) >= 8
    return [
        f"{name}: {value} ({where}) and {other} ({there})"
        for name, places in known.items()
        for k, (where, value, half) in enumerate(places)
        for there, other, rest in places[k + 1 :]
        if abs(value - other) > (half + rest) * (1 + 1e-9)
    ]


def tables_of_text(text: str) -> Tables:
    """The tables of a report as text, whose cells stand two spaces apart under those of the first line."""
    tables: Tables = {}
    for section in text.split("\n\n"):
        title, *lines = section.splitlines() or [""]
        cells = [[(found.span(), found[0]) for found in CELL.finditer(line)] for line in lines]
        heads = [i for i, row in enumerate(cells) if len(row) > 1 and row[0][1] in HEADS]
        if heads:
            head, *rows = cells[heads[0] :]
            spans = [span for span, _ in head]
            tables[title] = [[word for _, word in head], *(row_under(spans, row) for row in rows)]
    return tables


def row_under(spans: list[tuple[int, int]], row: list[tuple[tuple[int, int], str]]) -> list[str]:
    """The cells of a row, each under the nearest cell of the first line; empty where a column has none."""
    cells = [""] * len(spans)
    for (begin, end), word in row:
        cells[min(range(len(spans)), key=lambda i: max(spans[i][0] - end, begin - spans[i][1], 0))] = word
    return cells


CELL = re.compile(r"\S+(?: \S+)*")
HEADS = {"figure", "account", "cost", "reason", "year", "rule", "source", "date"}

SESSIONS = 140

CASES = {
    "default": {"benchmark": index(SESSIONS)},
    "small account": {"account": 3e4, "lot": 100, "costs": {"minimum": 5.0}},
    "large account": {"account": 3e8, "benchmark": index(SESSIONS)},
    "short": {"strategy": "long_short_quantile", "quantile": 0.25, "every": 4},
    "risk": {"risk": {"stop_loss": 0.03}, "price_limit": 0.02, "liquidity": {"slippage": 0.001}},
}


LONGER = ("small account", "large account", "risk")


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.slow if name in LONGER else ()) for name in CASES]
)
def shown(request, tmp_path_factory) -> tuple[Examined, str, str]:
    """A back-test, its text and its page."""
    folder = tmp_path_factory.mktemp("shown")
    case = examined(folder, walks(SESSIONS, 24, seed=6), **CASES[request.param])
    name = None if case.result.benchmark_returns is None else "SPX"
    terms, notes = terms_of(case.result, case.rules, name), read_first(case.result.notes, case.found)
    document = backtest_document(case.result, case.found, "topk", terms, notes, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kronos_quant.report.document.figure_svg", lambda chart, label: '<svg role="img"></svg>')
        write_tearsheet(folder / "page.html", document, case.result, name)
    return case, document.to_text(), Path(folder / "page.html").read_text()


def account_of(case: Examined) -> str:
    return f"{case.result.strategy.account:,.0f}"


def test_no_figure_of_the_text_contradicts_another(shown):
    case, text, _ = shown
    assert contradictions(tables_of_text(text), " ".join(text.split()), account_of(case)) == []


def test_no_figure_of_the_page_contradicts_another(shown):
    case, _, page = shown
    read = Reader(page)
    tables: Tables = {}
    for title, rows in read.tables:
        tables.setdefault(title, rows)
    assert contradictions(tables, " ".join(read.text.split()), account_of(case)) == []


def test_a_name_stands_for_one_figure_on_the_page(shown):
    rows: dict[str, set[str]] = {}
    for _, (head, *body) in Reader(shown[2]).tables:
        if head[1:2] in (["portfolio"], ["value"], ["as run"]):
            for row in body:
                rows.setdefault(row[0], set()).add(row[1])
    assert {name: values for name, values in rows.items() if len(values) > 1} == {}
    assert not any("kurtosis" in name or "skew" in name for name in rows)
    assert "(normal distribution: 3)" in shown[1].replace("\n  ", " ")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"(impact and participation: [+-])(\d)", r"\g<1>9\2"),
        (r"(annual return +[+-])(\d)", r"\g<1>9\2"),
        (r"(Of \d)", r"\g<1>7"),
        (r"(Observed Sharpe -?)(\d)", r"\g<1>9\2"),
        (r"(orders rejected +)(\d)", r"\g<1>9\2"),
        (r"(at the start, )(\d)", r"\g<1>9\2"),
    ],
)
def test_a_single_wrong_figure_is_found(whole_case, old, new):
    terms, notes = terms_of(whole_case.result, whole_case.rules, "SPX"), read_first((), whole_case.found)
    text = backtest_document(whole_case.result, whole_case.found, "topk", terms, notes, "SPX").to_text()
    wrong, count = re.subn(old, new, text, count=1)
    assert count == 1
    assert contradictions(tables_of_text(wrong), " ".join(wrong.split()), account_of(whole_case))
