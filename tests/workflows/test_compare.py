from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest

from kronos_quant import ConfigError, DataError
from kronos_quant.report.pages.comparison import figure_table, read_run
from kronos_quant.runs import finished_runs
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workflows.compare import run_comparison, run_named
from kronos_quant.workspace import open_workspace_folder


@pytest.fixture(scope="session")
def compared(backtest, tmp_path_factory):
    """A workspace with two back-tests, of 4 and of 2 symbols, and their ids. Not to be changed."""
    folder = tmp_path_factory.mktemp("compared") / "workspace"
    shutil.copytree(backtest[0].root, folder)
    workspace = open_workspace_folder(folder)
    (folder / "strategies" / "two.yaml").write_text("topk: 2\nn_drop: 1\nhold_thresh: 2\naccount: 1_000_000\n")
    first = finished_runs(workspace.runs, "backtest")[0].id
    return workspace, first, run_backtest(workspace, "two", device="cpu", page=False).folder.name


@pytest.fixture
def two(compared, tmp_path):
    """A copy of it, to change; only the runs are there, and what running again needs."""
    workspace, first, second = compared
    shutil.copytree(workspace.root, tmp_path / "two")
    return open_workspace_folder(tmp_path / "two"), first, second


def test_a_comparison_leaves_page_curves_figures_and_metrics(two):
    workspace, first, second = two
    summary = run_comparison(workspace, [first, second])
    assert sorted(path.name for path in summary.folder.iterdir()) == [
        "compare.html",
        "curves.png",
        "figures.csv",
        "manifest.json",
        "metrics.json",
    ]
    metrics = json.loads((summary.folder / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert [run["run"] for run in metrics["runs"]] == [first, second]
    assert metrics["differences"] == {"strategy.topk": ["4", "2"]}
    [test] = metrics["against_first"]
    assert (test["run"], test["sessions"]) == (second, 28)
    page = summary.page.read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<svg") == 2  # for a screen and for a phone
    assert "http:" not in page
    assert "https:" not in page
    legend = summary.plot().axes[0].get_legend().get_texts()
    assert [text.get_text() for text in legend] == [f"{run.metrics['strategy']} ({run.name})" for run in summary.runs]
    text = "\n".join(summary.lines())
    for told in ("Figures, after costs", "Settings that differ", f"Versus topk ({first})", "strategy.topk"):
        assert told in text
    assert summary.document.sections
    shown = repr(summary)
    for part in summary.document.sections:
        assert [cell for row in part.rows for cell in row if cell not in shown] == []
        assert [sentence for sentence in part.sentences if sentence not in shown] == []


@pytest.mark.slow
def test_the_difference_is_that_of_the_daily_returns(two):
    workspace, first, second = two
    runs = {run.id: run for run in finished_runs(workspace.runs, "backtest")}
    one, other = (pl.read_parquet(runs[name].folder / "returns.parquet")["return"] for name in (first, second))
    [test] = run_comparison(workspace, [first, second]).tests
    assert test.annual_difference == pytest.approx((other - one).mean() * 252)
    # the first one named is the one that the others are held against
    [back] = run_comparison(workspace, [second, first]).tests
    assert back.annual_difference == pytest.approx(-test.annual_difference)
    assert back.t == pytest.approx(-test.t)


def test_only_sessions_of_both_are_compared(two):
    workspace, first, second = two
    [mine] = [run for run in finished_runs(workspace.runs, "backtest") if run.id == second]
    path = mine.folder / "returns.parquet"
    pl.read_parquet(path).tail(12).write_parquet(path)
    summary = run_comparison(workspace, [first, second])
    assert summary.tests[0].sessions == 12
    pl.read_parquet(path).with_columns(pl.col("date") + pl.duration(days=4000)).write_parquet(path)
    apart = run_comparison(workspace, [first, second])
    assert apart.tests[0].sessions == 0
    assert "too few common sessions" in "\n".join(apart.lines())


def test_runs_with_the_same_settings_say_so(two):
    workspace, first, _ = two
    again = run_backtest(workspace, "topk", device="cpu", page=False).folder.name
    text = "\n".join(run_comparison(workspace, [first, again]).lines())
    assert "All settings are the same." in text
    assert "not available" in text  # their returns do not differ at all


def test_a_run_may_be_named_by_its_beginning_or_its_folder(two, tmp_path):
    workspace, first, second = two
    assert run_named(workspace, second[:19]).id == second
    shutil.copytree(workspace.runs / "backtest" / first, tmp_path / "elsewhere")
    assert run_named(workspace, str(tmp_path / "elsewhere")).id == "elsewhere"


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (["{first}"], "a comparison needs at least 2 runs", "kq compare ID ID"),
        (["{first}", "nothing"], "'nothing': neither the id nor the folder of a finished back-test", "the newest are "),
        (["{first}", ""], "'': neither the id nor the folder of a finished back-test", "the newest are "),
        (["{first}", "{first}"], "{first}: given twice", None),
        (["20", "{first}"], "20: 2 runs begin with this: {first}, {second}", None),
    ],
)
def test_names_that_are_none_are_refused_in_one_line(compared, names, message, hint):
    workspace, first, second = compared
    fill = {"first": first, "second": second}
    with pytest.raises(ConfigError) as error:
        run_comparison(workspace, [name.format(**fill) for name in names])
    assert str(error.value).startswith(message.format(**fill))
    assert "\n" not in str(error.value)
    assert (error.value.hint or "").startswith(hint or "")
    assert not (workspace.runs / "compare").exists()


def test_without_any_back_test_the_hint_is_how_to_make_one(market_workspace):
    with pytest.raises(ConfigError) as error:
        run_named(market_workspace, "x")
    assert error.value.hint == "kq backtest strategies/topk.yaml"


@pytest.mark.parametrize("file", ["returns.parquet", "config.yaml", "metrics.json"])
@pytest.mark.parametrize("damage", ["missing", "garbage", "empty"])
def test_a_folder_that_is_not_whole_is_refused(compared, tmp_path, file, damage):
    workspace, first, _ = compared
    shutil.copytree(run_named(workspace, first).folder, tmp_path / "run")
    run = run_named(workspace, str(tmp_path / "run"))
    path = run.folder / file
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"\x00]garbage" if damage == "garbage" else b"")
    with pytest.raises(DataError, match=file):
        read_run(run)


def test_the_table_of_figures_has_a_column_a_run(compared):
    workspace, first, second = compared
    runs = [read_run(run_named(workspace, name)) for name in (first, second)]
    table = figure_table(runs)
    assert table.columns == ["figure", first, second]
    row = table.filter(figure="total_return")
    assert row[second][0] == pytest.approx(np.prod(1 + runs[1].returns) - 1)
