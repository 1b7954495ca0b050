from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from kronos_quant import DataError
from kronos_quant.market import ingest_intervals, open_market
from kronos_quant.workflows import backtest as job
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workflows.trading.beside import read_groups


@pytest.fixture
def workspace(scored_workspace, monkeypatch):
    monkeypatch.setattr(job, "write_tearsheet", lambda *arguments, **settings: [])
    monkeypatch.setattr(job, "performance_png", lambda *arguments, **settings: None)
    return scored_workspace


def with_risk(workspace, text):
    path = workspace.root / "strategies" / "own.yaml"
    path.write_text(path.read_text() + text)
    return workspace


def group_file(workspace, name="groups.csv"):
    symbols = open_market(workspace.root).instruments()["symbol"].to_list()
    rows = "".join(f"{symbol},{'odd' if i % 2 else 'even'}\n" for i, symbol in enumerate(symbols))
    (workspace.root / name).write_text("symbol,group\n" + rows)
    return {symbol: "odd" if i % 2 else "even" for i, symbol in enumerate(symbols)}


def test_groups_of_a_file_are_kept_to_and_the_run_tells(workspace):
    group_of = group_file(workspace)
    with_risk(workspace, "risk: {max_group: 0.45, groups: groups.csv}\n")
    summary = run_backtest(workspace, "own", "cpu")
    weights = summary.result.positions.with_columns(group=pl.col("symbol").replace_strict(group_of))
    most = weights.group_by("date", "group").agg(pl.col("weight").sum())["weight"].max()
    assert most < 0.5  # 0.45 at the last closes, and a day's move
    assert summary.metrics["risk"]["group cap"] > 0
    assert "maximum weight 45.00% per group" in summary.report
    assert summary.result.strategy.risk.groups is not None


def test_industries_that_were_ingested_are_the_groups_without_a_file(workspace):
    symbols = open_market(workspace.root).instruments()["symbol"].to_list()
    rows = "".join(f"{symbol},2000-01-01,,{'steel' if symbol < 'MADE0006' else 'banks'}\n" for symbol in symbols)
    (workspace.root / "industry.csv").write_text("symbol,start,end,value\n" + rows)
    with_risk(workspace, "risk: {max_group: 0.3}\n")
    with pytest.raises(DataError, match=r"risk\.max_group: no industries have been ingested") as error:
        run_backtest(workspace, "own", "cpu")
    assert error.value.hint.startswith("kq ingest intervals industry FILE")
    ingest_intervals(workspace.root, "industry", workspace.root / "industry.csv")
    assert run_backtest(workspace, "own", "cpu").metrics["risk"]["group cap"] > 0


def test_a_file_of_groups_may_be_dated(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("symbol,group,start,end\n600000.SH,banks,,2024-01-31\nSH600000,steel,2024-02-01,\n")
    assert read_groups(path, "XSHG").rows() == [
        ("SH600000", "banks", None, date(2024, 1, 31)),
        ("SH600000", "steel", date(2024, 2, 1), None),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "groups.csv: no such file of groups"),
        ("symbol,sector\nA,b\n", "expected the columns symbol and group, found symbol, sector"),
        ("symbol,group\nA,\n", "1 rows lack their symbol or group"),
        ("symbol,group,start\nA,b,lately\n", "start: expected dates such as 2025-06-05, found 'lately'"),
        ("symbol,group\n", None),
    ],
)
def test_a_file_that_holds_no_groups_is_refused(tmp_path, content, message):
    path = tmp_path / "groups.csv"
    if content is not None:
        path.write_text(content)
    if message is None:
        assert read_groups(path, "").is_empty()
        return
    with pytest.raises(DataError, match=message):
        read_groups(path, "")


def test_groups_of_none_of_the_symbols_are_refused(workspace):
    (workspace.root / "groups.csv").write_text("symbol,group\nSH600000,banks\n")
    with_risk(workspace, "risk: {max_group: 0.3, groups: groups.csv}\n")
    with pytest.raises(DataError, match=r"risk\.max_group: none of 12 symbols has a group"):
        run_backtest(workspace, "own", "cpu")
