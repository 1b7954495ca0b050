from __future__ import annotations

import json

import polars as pl
import pytest

from kronos_quant import ConfigError
from kronos_quant.jobs import sweep as job
from kronos_quant.jobs.backtest import run_backtest
from kronos_quant.jobs.sweep import parsed, run_sweep
from kronos_quant.market import open_market
from kronos_quant.runs import finished_runs, unfinished_runs


@pytest.fixture
def workspace(market_workspace):
    market = open_market(market_workspace.root)
    bars = market.bars().filter(pl.col("symbol").str.starts_with("MADE0"), pl.col("date") >= market.sessions()[-30])
    scores = bars.select("date", "symbol", (pl.col("close").cast(pl.Float64) % 1).alias("score"))
    scores.write_parquet(market_workspace.root / "scores.parquet")
    text = "scores: scores.parquet\ntopk: 4\nn_drop: 1\nhold_thresh: 2\naccount: 1_000_000\n"
    (market_workspace.root / "strategies" / "own.yaml").write_text(text)
    return market_workspace


def test_a_sweep_leaves_every_trial_and_its_maps(workspace):
    summary = run_sweep(workspace, "own", ["topk=2,3,4", "n_drop=1,2", "hold_thresh=1"], "cpu")
    assert sorted(path.name for path in summary.folder.iterdir()) == [
        "config.yaml",
        "heatmap-topk-n_drop.png",
        "manifest.json",
        "metrics.json",
        "sweep.json",
        "trials.parquet",
    ]
    trials = pl.read_parquet(summary.folder / "trials.parquet")
    assert trials.select("topk", "n_drop").rows() == [(2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)]
    assert [run.path for run in finished_runs(workspace.runs, "sweep")] == [summary.folder]
    text = "\n".join(summary.lines())
    assert "6 trials in" in text
    assert "chosen among 6 trials" in text
    assert len(summary.best()) == 6
    assert summary.best()["sharpe_ratio"].is_sorted(descending=True)


def test_a_trial_is_what_a_backtest_of_its_own_gives(workspace, monkeypatch):
    monkeypatch.setattr("kronos_quant.jobs.backtest.write_tearsheet", lambda *arguments, **settings: [])
    monkeypatch.setattr("kronos_quant.jobs.backtest.performance_png", lambda *arguments, **settings: None)
    summary = run_sweep(workspace, "own", ["hold_thresh=2,5"], "cpu")
    alone = run_backtest(workspace, "own", "cpu").metrics
    [same] = summary.trials.filter(hold_thresh=2).to_dicts()
    for name in ("total_return", "sharpe_ratio", "information_ratio", "cost", "trades", "mean_holdings"):
        assert same[name] == pytest.approx(alone[name], rel=1e-12), name


def test_a_sweep_that_was_interrupted_goes_on_where_it_was(workspace, monkeypatch):
    monkeypatch.setattr(job, "SAVE_EVERY", 2)
    whole, calls = job.run_trials, []

    def interrupted(trials, *others):
        for number, done in enumerate(whole(trials, *others)):
            if number == 3:
                raise KeyboardInterrupt
            yield done

    grid = ["topk=1,2,3,4", "hold_thresh=1,2"]
    monkeypatch.setattr(job, "run_trials", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(workspace, "own", grid, "cpu")
    [run] = unfinished_runs(workspace.runs, "sweep")
    assert len(pl.read_parquet(run.path / "trials.parquet")) == 2

    def counted(trials, *others):
        calls.extend(trials)
        return whole(trials, *others)

    monkeypatch.setattr(job, "run_trials", counted)
    summary = run_sweep(workspace, "own", grid, "cpu")
    assert (summary.folder, summary.resumed, len(calls), len(summary.trials)) == (run.path, 2, 6, 8)
    assert not summary.trials["sharpe_ratio"].has_nulls()
    assert unfinished_runs(workspace.runs, "sweep") == []
    # another grid is another sweep
    other = run_sweep(workspace, "own", ["topk=1,2"], "cpu")
    assert other.folder != run.path
    assert json.loads((other.folder / "sweep.json").read_text())["grid"] == {"topk": [1, 2]}


def test_a_sweep_that_fails_before_anything_is_done_leaves_no_folder(workspace, monkeypatch):
    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr(job, "run_trials", fail)
    with pytest.raises(MemoryError):
        run_sweep(workspace, "own", ["topk=1,2"], "cpu")
    assert list((workspace.runs / "sweep").iterdir()) == []


def test_grids_are_read_as_yaml_values():
    assert parsed(["topk=20,50", "fill=open,close", "liquidity.participation=null,0.1", "lot=exchange,0"]) == {
        "topk": [20, 50],
        "fill": ["open", "close"],
        "liquidity.participation": [None, 0.1],
        "lot": ["exchange", 0],
    }


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (["topk"], "expected a field and values like topk=20,50,100, found 'topk'"),
        (["topk="], "expected a field and values"),
        (["=1"], "expected a field and values"),
        (["topk=1", "topk=2"], "--grid topk: given twice"),
        ([], "a sweep needs a grid"),
    ],
)
def test_what_is_no_grid_is_refused(grid, message):
    with pytest.raises(ConfigError, match=message):
        parsed(grid)
