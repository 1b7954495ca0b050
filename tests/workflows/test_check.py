from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from kronos_quant.errors import DataError
from kronos_quant.files import to_json
from kronos_quant.market import ingest_csv
from kronos_quant.workflows.check import run_check
from kronos_quant.workspace import WorkspaceFolder, init_workspace, open_workspace_folder

GATES = "market: {exchange: XNYS}\ngates: {max_rejected_share: 0, rules: {price_jump: 0}}\n"


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspaceFolder:
    """Ten sessions of one symbol: the sixth jumps, the eighth's close lies beside its range."""
    closes = [10.0] * 5 + [17.0] * 5
    days = [f"2024-01-{day:02d}" for day in (2, 3, 4, 5, 8, 9, 10, 11, 12, 16)]
    frame = pl.DataFrame({"timestamps": days, "open": closes, "high": closes, "low": closes, "close": closes})
    frame = frame.with_columns(volume=pl.int_range(10, dtype=pl.Int64) + 100)
    close = pl.when(pl.col("timestamps") == "2024-01-11").then(99.0).otherwise("close")
    frame.with_columns(close=close).write_csv(tmp_path / "AAA.csv")
    init_workspace(tmp_path / "w", GATES)
    ingest_csv(tmp_path / "w", tmp_path / "AAA.csv", exchange="XNYS")
    return open_workspace_folder(tmp_path / "w")


def test_the_report_tells_what_is_stored_what_was_rejected_and_which_gates_fail(workspace: WorkspaceFolder) -> None:
    report = run_check(workspace)
    lines = report.lines()
    assert lines[0].startswith("day bars: 9 of 1 symbol, 2024-01-02 to 2024-01-16; exchange: XNYS; snapshot ")
    assert lines[1:] == [
        "warnings: 1 stored bar",
        "  price_jump:                    1 bar, 1 symbol, 1 date (AAA 1)",
        "rejected: 1 bar",
        "  close_outside_range:           1 bar, 1 symbol, 1 date (AAA 1)",
        "gate FAILED: max_rejected_share: found 0.1, allowed 0",
        "gate FAILED: price_jump: found 1, allowed 0",
    ]
    with pytest.raises(DataError, match="2 of 2 gates fail"):
        report.enforce_gates()


def test_the_json_report_counts_by_rule_and_symbol(workspace: WorkspaceFolder) -> None:
    told = json.loads(to_json(run_check(workspace).as_dict()))
    rules = {rule["rule"]: rule for rule in told["rules"]}
    assert rules["price_jump"]["by_symbol"] == [
        {"symbol": "AAA", "bars": 1, "first": "2024-01-09 00:00:00", "last": "2024-01-09 00:00:00"}
    ]
    assert (rules["close_outside_range"]["bars"], rules["close_outside_range"]["rejected"]) == (0, 1)
    assert rules["close_outside_range"]["severity"] == "error"
    [rejected] = told["rejected"]["shown"]
    assert (rejected["symbol"], rejected["close"], rejected["rules"]) == ("AAA", 99.0, "close_outside_range")
    assert (told["bars"], told["symbols"], told["passed"], told["page"]) == (9, 1, False, None)
    assert told["gates"][0] == {"gate": "max_rejected_share", "allowed": 0.0, "found": 0.1, "passed": False}


def test_own_checks_run_beside_the_packages_and_a_page_is_written(workspace: WorkspaceFolder, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "dear.sql").write_text("-- warning: too dear.\nSELECT row FROM incoming WHERE close > 12\n")
    page = tmp_path / "quality.html"
    lines = run_check(workspace, page, own).lines()
    assert "  dear:                         4 bars, 1 symbol, 4 dates (AAA 4)" in lines
    assert lines[-1] == f"report: {page}"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_check_that_fails_leaves_no_page(workspace: WorkspaceFolder, tmp_path: Path) -> None:
    checks = workspace.root / "db" / "checks"
    checks.mkdir()
    (checks / "odd.sql").write_text("-- warning: reads a file.\nSELECT 1 AS row FROM read_csv('/etc/passwd')\n")
    with pytest.raises(DataError, match=r"db/checks/odd\.sql: Permission Error"):
        run_check(workspace, tmp_path / "quality.html")
    assert not (tmp_path / "quality.html").exists()


def test_a_workspace_without_bars_says_what_to_do(tmp_path: Path) -> None:
    init_workspace(tmp_path)
    with pytest.raises(DataError, match="no bars have been ingested"):
        run_check(open_workspace_folder(tmp_path))
