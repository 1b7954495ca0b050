from __future__ import annotations

import json
import shutil
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from kronos_quant import schema
from kronos_quant.backtest.inputs import collect_inputs
from kronos_quant.market import open_market
from kronos_quant.stats.selection import return_moments
from kronos_quant.validity.attribution import HISTORY, read_background, read_industries
from kronos_quant.validity.trials import read_trials, strategy_key


@pytest.fixture
def prepared(backtest_workspace):
    return collect_inputs(backtest_workspace, "topk", "cpu", compute=False)


def test_a_back_test_is_in_the_ledger_of_trials(backtest):
    workspace, summary = backtest
    [row] = read_trials(workspace.runs).table.to_dicts()
    assert row["run"] == f"backtest/{summary.folder.name}"
    assert row["sharpe"] == return_moments(summary.returns).sharpe
    assert row["snapshot"] == open_market(workspace.root).snapshot.digest
    assert (row["first"], row["last"]) == (summary.dates[0], summary.dates[-1])
    assert json.loads(row["settings"])["topk"] == 4


def test_a_back_test_whose_folder_was_removed_still_counts(backtest_workspace):
    shutil.rmtree(backtest_workspace.runs / "backtest")
    assert len(read_trials(backtest_workspace.runs)) == 1


def test_the_verdict_is_in_report_metrics_and_page(backtest):
    _, summary = backtest
    metrics = json.loads((summary.folder / "metrics.json").read_text())
    assert metrics["trials"] == 1
    assert 0 <= metrics["deflated_sharpe_probability"] <= 1
    assert metrics["deflated_sharpe_passes"] in (True, False)
    assert metrics["overfitting_probability"] is None
    verdict = "PASS:" if metrics["deflated_sharpe_passes"] else "FAIL:"
    page = summary.tearsheet.read_text()
    for told in (summary.report, summary.head, page):
        assert "Significance" in told
        assert verdict in told
        assert "Trials counted: 1 distinct configuration in this workspace" in " ".join(told.split())


@pytest.mark.parametrize(
    "title",
    [
        "Against the benchmark",
        "Where the return came from",
        "One-session delay",
        "Capacity",
        "Costs",
        "Limits and rejections",
        "Monthly returns",
        "Holdings by date",
    ],
)
def test_each_part_of_the_report_is_in_text_and_page(backtest, title):
    _, summary = backtest
    assert f"\n{title}\n" in summary.report
    assert f"<h2>{title}</h2>" in summary.tearsheet.read_text()
    assert f"\n{title}\n" not in summary.head


def test_the_figures_of_every_part_are_in_metrics(backtest):
    _, summary = backtest
    metrics = json.loads((summary.folder / "metrics.json").read_text())
    for name in ("sortino_ratio", "calmar_ratio", "alpha", "alpha_t", "beta", "tracking_error", "information_ratio"):
        assert isinstance(metrics[name], float), name
    assert sum(part["annual_return"] for part in metrics["attribution"]) == pytest.approx(
        summary.returns.mean() * summary.sessions_per_year
    )
    assert metrics["delayed_one_session"]["annual_return"] != metrics["annual_return"]
    assert [size["account"] for size in metrics["capacity"]["sizes"]][2] == 1_000_000
    months = metrics["monthly_returns"]
    assert np.prod([1 + value for value in months.values()]) - 1 == pytest.approx(metrics["total_return"])
    assert metrics["rolling"] == {}  # 28 sessions are no half year


def test_the_bars_before_the_panel_are_those_of_the_sessions_before(prepared):
    market, panel = prepared.market, prepared.panel
    found = read_background(market, panel)
    sessions = market.sessions()
    first = sessions.index(panel.dates[0])
    history = min(first, HISTORY)
    assert found.close.shape == (history + len(panel.dates), len(panel.symbols))
    bars = market.bars(["MADE0001"], sessions[first - 1], sessions[first - 1])
    n = panel.symbols.index("MADE0001")
    assert found.close[history - 1, n] == bars["close"][0]
    assert found.amount[history - 1, n] == bars["amount"][0]
    np.testing.assert_array_equal(found.close[history:, n], panel.close[:, n])
    assert found.industries is None


def test_industries_are_those_of_each_session(prepared, monkeypatch):
    panel = prepared.panel
    one, other = panel.symbols[:2]
    change = panel.dates[5]
    spans = pl.DataFrame(
        [
            (one, panel.dates[0], change - timedelta(days=1), "banks"),
            (one, change, panel.dates[-1], "steel"),
            (other, panel.dates[0], panel.dates[-1], "banks"),
        ],
        schema={"symbol": pl.String, "start": pl.Date, "end": pl.Date, "value": pl.String},
        orient="row",
    )
    monkeypatch.setattr(type(prepared.market), "intervals", lambda self, kind: spans)
    found = read_industries(prepared.market, panel)
    assert found.names == ("banks", "steel")
    assert found.member[4:6, 0].tolist() == [0, 1]
    assert set(found.member[:, 1]) == {0}
    assert set(found.member[:, 2]) == {-1}


def test_another_text_of_own_code_is_another_trial(backtest_workspace, prepared):
    code = backtest_workspace.root / "own.py"
    own = prepared.strategy.model_copy(update={"strategy": "python", "code": code})
    keys = []
    for text in ("def decide(view): return None\n", "def decide(view): return {}\n"):
        code.write_text(text)
        keys.append(strategy_key(backtest_workspace, prepared, own))
    assert keys[0] != keys[1]


def test_schema_knows_the_bars_that_a_background_needs():
    assert {"close", "volume", "time", "date", "symbol"} <= set(schema.BARS)
