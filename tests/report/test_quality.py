from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from made import make_bars, weekdays
from report.pages import Reader

from kronos_quant import schema
from kronos_quant.config import GatesConfig
from kronos_quant.market import BarBatch, open_market, store_bars
from kronos_quant.market.quality.checks import iter_checks
from kronos_quant.market.quality.survey import survey
from kronos_quant.market.store import make_instruments
from kronos_quant.report.pages.quality import PICTURES_PER_RULE, REJECTED_SHOWN, SYMBOLS_PER_RULE, write_quality_page

SESSIONS = weekdays(60)
EVIL = "<SCRIPT>&A"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Six symbols, each with a jump; one has a name that is HTML, and a bar that was rejected."""
    tmp_path = tmp_path_factory.mktemp("quality")
    symbols = [EVIL, "B", "C", "D", "E", "F"]
    here, before = pl.col("date") == SESSIONS[30], pl.col("date") == SESSIONS[10]
    bars = make_bars(symbols, SESSIONS).with_columns(
        pl.when(here).then(pl.col(name) * 2).otherwise(name).alias(name) for name in (*schema.PRICES, "amount")
    )
    beside = before & (pl.col("symbol") == EVIL)
    bars = bars.with_columns(close=pl.when(beside).then(0.5).otherwise("close"))
    universes = pl.DataFrame(schema=schema.UNIVERSES)
    store_bars(tmp_path, BarBatch("test", None, "day", bars, make_instruments(symbols, ""), universes, SESSIONS, ""))
    gates = GatesConfig(max_rejected_share=0.5, rules={"price_jump": 2})
    write_quality_page(tmp_path / "q.html", survey(open_market(tmp_path), list(iter_checks()), gates))
    return Reader((tmp_path / "q.html").read_text(encoding="utf-8"))


def test_the_page_needs_nothing_beside_itself_and_escapes_names(page: Reader) -> None:
    assert all(reference.startswith("#") for reference in page.references)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert EVIL in page.words


def test_the_page_shows_the_worst_symbols_of_a_rule_and_its_gates(page: Reader) -> None:
    # jumps of six symbols, four of them shown; one symbol's rejected bar
    assert page.tags.count("svg") == PICTURES_PER_RULE + 1
    assert {"price_jump", "close_outside_range", "passed", "failed", "Rejected bars"} <= set(page.words)
    assert "0.5" in page.words  # the rejected close
    assert "12" in page.words  # each jump is up and down


def test_each_finding_has_a_row_with_what_is_stored_and_what_was_rejected(page: Reader) -> None:
    rules = page.table("Findings")
    assert rules["rule"] == ["severity", "stored", "rejected", "symbols"]
    assert rules["price_jump"][0] == "warning"
    assert int(rules["price_jump"][1]) == 12
    assert rules["close_outside_range"] == ["error", "0", "1", "1"]
    assert "Bars with warnings are stored; bars with errors are rejected." in page.text


@pytest.mark.usefixtures("sketched")
def test_a_market_without_faults_has_a_page_too(tmp_path: Path) -> None:
    bars = make_bars(["A"], SESSIONS)
    universes = pl.DataFrame(schema=schema.UNIVERSES)
    store_bars(tmp_path, BarBatch("test", None, "day", bars, make_instruments(["A"], ""), universes, SESSIONS, ""))
    write_quality_page(tmp_path / "q.html", survey(open_market(tmp_path), list(iter_checks()), GatesConfig()))
    page = Reader((tmp_path / "q.html").read_text(encoding="utf-8"))
    assert "svg" not in page.tags
    assert "0 bars stored with a warning, 0 rejected." in page.words
    assert page.headings == ["Data quality", f"{len(list(iter_checks()))} checks found nothing"]


def test_gates_are_held_against_what_was_found(page: Reader) -> None:
    gates = page.table("Gates")
    assert gates["gate"] == ["allowed", "found", "result"]
    assert [row[-1] for name, row in gates.items() if name != "gate"] == ["passed", "failed"]
    jumps = next(row for name, row in gates.items() if "price_jump" in name)
    assert jumps[:2] == ["2", "12"]


def test_a_rejected_bar_is_shown_with_its_values_and_why(page: Reader) -> None:
    [row] = [row for name, rows in page.tables if name == "Rejected bars" for row in rows[1:]]
    assert row[0] == EVIL
    assert row[1] == str(SESSIONS[10])
    assert row[2] == "close_outside_range"
    assert row[7] == "0.5"


def test_a_rule_lists_its_symbols_with_first_and_last_date(page: Reader) -> None:
    rows = next(rows for name, rows in page.tables if name.startswith("price_jump"))
    assert rows[0] == ["symbol", "bars", "first", "last"]
    assert {row[0] for row in rows[1:]} == {EVIL, "B", "C", "D", "E", "F"}
    assert {tuple(row[1:]) for row in rows[1:]} == {("2", str(SESSIONS[30]), str(SESSIONS[31]))}


@pytest.mark.usefixtures("sketched")
def test_more_symbols_and_more_rejected_bars_than_fit_are_counted(tmp_path: Path) -> None:
    symbols = [f"S{i:03d}" for i in range(SYMBOLS_PER_RULE + 3)]
    bad = pl.col("date").is_in(SESSIONS[:12])
    bars = make_bars(symbols, SESSIONS).with_columns(close=pl.when(bad).then(0.5).otherwise("close"))
    universes = pl.DataFrame(schema=schema.UNIVERSES)
    store_bars(tmp_path, BarBatch("test", None, "day", bars, make_instruments(symbols, ""), universes, SESSIONS, ""))
    write_quality_page(tmp_path / "q.html", survey(open_market(tmp_path), list(iter_checks()), GatesConfig()))
    page = Reader((tmp_path / "q.html").read_text(encoding="utf-8"))
    rows = next(rows for name, rows in page.tables if name.startswith("close_outside_range"))
    assert len(rows) == 1 + SYMBOLS_PER_RULE
    assert "3 more symbols" in page.text
    more = 12 * len(symbols) - REJECTED_SHOWN
    assert f"The first {REJECTED_SHOWN}; {more:,} more are in snapshot" in page.text


def test_findings_come_first_and_checks_that_found_nothing_are_one_line_that_unfolds(page: Reader) -> None:
    found = page.table("Findings")
    assert all(row[1] != "0" or row[2] != "0" for name, row in found.items() if name != "rule")
    assert page.headings[:3] == ["Data quality", "Gates", "Findings"]
    [clean] = [rows for _, rows in page.tables if rows[0] == ["rule", "severity", "why it matters"]]
    assert f"{len(clean) - 1} checks found nothing" in page.text
    assert not {row[0] for row in clean[1:]} & set(found)
