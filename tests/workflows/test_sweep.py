from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from kronos_quant import ConfigError, KronosQuantError
from kronos_quant.backtest import cluster
from kronos_quant.backtest.sweep import parse_grid
from kronos_quant.market import open_market
from kronos_quant.runs import finished_runs, unfinished_runs
from kronos_quant.stats.selection import estimate_overfitting
from kronos_quant.validity.trials import read_trials
from kronos_quant.workflows import sweep as job
from kronos_quant.workflows.backtest import run_backtest
from kronos_quant.workflows.sweep import run_sweep


def sessions_of(scored_workspace):
    """Those that the strategy's scores trade in."""
    return open_market(scored_workspace.root).sessions()[-29:]


def test_a_sweep_leaves_every_trial_and_its_maps(scored_workspace):
    summary = run_sweep(scored_workspace, "own", ["topk=2,3,4", "n_drop=1,2", "hold_thresh=1"], device="cpu")
    assert sorted(path.name for path in summary.folder.iterdir()) == [
        "config.yaml",
        "heatmap-topk-n_drop.png",
        "manifest.json",
        "metrics.json",
        "sweep.html",
        "sweep.json",
        "trials.parquet",
    ]
    trials = pl.read_parquet(summary.folder / "trials.parquet")
    assert trials.select("topk", "n_drop").rows() == [(2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)]
    assert [run.path for run in finished_runs(scored_workspace.runs, "sweep")] == [summary.folder]
    assert trials["deflated_sharpe_probability"].is_between(0, 1).all()
    text = "\n".join(summary.lines())
    assert "6 trials in" in text
    assert "best 6 of 6 trials by Sharpe ratio:" in text
    assert len(summary.best()) == 6
    shown = repr(summary)
    assert "n_drop=1" in shown
    assert [line for line in summary.luck.lines() if line.partition(": ")[2] not in shown] == []
    for trial in summary.best().to_dicts():
        assert f"{trial['sharpe_ratio']:.2f}" in shown
    assert summary.best()["sharpe_ratio"].is_sorted(descending=True)
    first = summary.plot().axes[0]
    assert (first.get_ylabel(), first.get_xlabel()) == ("topk", "n_drop")
    page = (summary.folder / "sweep.html").read_text()
    days = sessions_of(scored_workspace)
    assert f"{days[0]} to {days[-1]}, 29 sessions. Rule: topk_dropout. Benchmark: " in page
    assert "Grid: topk, n_drop, hold_thresh; 6 trials." in page


def test_a_trial_is_what_a_backtest_of_its_own_gives(scored_workspace, monkeypatch):
    summary = run_sweep(scored_workspace, "own", ["hold_thresh=2,5"], device="cpu")
    alone = run_backtest(scored_workspace, "own", device="cpu", page=False).figures
    # the trial and the back-test are one configuration on the same scores
    assert alone["trials"] == len(read_trials(scored_workspace.runs)) == 2
    assert alone["overfitting_trials"] == 2
    [same] = summary.trials.filter(hold_thresh=2).to_dicts()
    shared = ("total_return", "sharpe_ratio", "information_ratio", "cost", "trades", "mean_holdings")
    for name in (*shared, "deflated_sharpe_probability"):
        assert same[name] == pytest.approx(alone[name], rel=1e-12), name


@pytest.mark.slow
def test_every_trial_is_in_the_ledger_with_its_returns(scored_workspace):
    grid = ["topk=2,3,4", "hold_thresh=1,5"]
    summary = run_sweep(scored_workspace, "own", grid, device="cpu")
    ledger = read_trials(scored_workspace.runs)
    assert ledger.table["trial"].sort().to_list() == summary.trials["ledger"].sort().to_list()
    assert ledger.table["run"].unique().to_list() == [f"sweep/{summary.folder.name}"]
    assert json.loads(ledger.table["settings"][0])["topk"] == 2
    returns = ledger.returns_on(sessions_of(scored_workspace), summary.trials["ledger"].to_list())
    expected = pl.read_parquet(summary.folder / "trials.parquet")["total_return"].to_numpy()
    np.testing.assert_allclose(np.prod(1 + returns, axis=0) - 1, expected, rtol=1e-12)
    # the same sweep again adds none, another one does
    run_sweep(scored_workspace, "own", grid, device="cpu")
    assert len(read_trials(scored_workspace.runs)) == 6
    run_sweep(scored_workspace, "own", ["topk=4,5", "hold_thresh=5"], device="cpu")
    assert len(read_trials(scored_workspace.runs)) == 7


def test_a_sweep_says_how_much_of_its_best_trial_is_luck(scored_workspace):
    summary = run_sweep(scored_workspace, "own", ["topk=1,2,3,4,5", "hold_thresh=1,2"], device="cpu")
    best = summary.best().row(0, named=True)
    assert summary.luck.whole.trials == 10
    assert summary.luck.whole.probability == pytest.approx(best["deflated_sharpe_probability"])
    returns = read_trials(scored_workspace.runs).returns_on(
        sessions_of(scored_workspace), summary.trials["ledger"].to_list()
    )
    assert summary.luck.overfitting == estimate_overfitting(returns)
    text = "\n".join(summary.lines())
    assert "Trials counted: 10 distinct configurations in this workspace" in text
    assert "Probability of back-test overfitting" in text
    metrics = json.loads((summary.folder / "metrics.json").read_text())
    assert metrics["sweep_trials"] == metrics["overfitting_trials"] == 10
    assert summary.as_dict()["luck"]["trials"] == 10


@pytest.mark.slow
def test_trials_without_any_trade_come_last_and_have_no_luck(scored_workspace):
    summary = run_sweep(scored_workspace, "own", ["account=1,1_000_000"], device="cpu")
    assert np.isfinite(summary.best()["sharpe_ratio"][0])
    assert np.isnan(summary.best()["sharpe_ratio"][1])
    none = run_sweep(scored_workspace, "own", ["account=1,2"], device="cpu")
    assert none.luck is None
    assert none.as_dict()["luck"] is None
    assert not any("Deflated" in line for line in none.lines())


@pytest.mark.slow
def test_a_sweep_that_was_interrupted_goes_on_where_it_was(scored_workspace, monkeypatch):
    monkeypatch.setattr(job, "SAVE_EVERY", 2)
    whole, calls = cluster.run_trials, []

    def interrupted(trials, *others):
        for number, done in enumerate(whole(trials, *others)):
            if number == 3:
                raise KeyboardInterrupt
            yield done

    grid = ["topk=1,2,3,4", "hold_thresh=1,2"]
    monkeypatch.setattr(cluster, "run_trials", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(scored_workspace, "own", grid, device="cpu")
    [run] = unfinished_runs(scored_workspace.runs, "sweep")
    # three were run: the batch of two, and the one that was waiting for another
    assert len(read_trials(scored_workspace.runs)) == 3
    assert len(pl.read_parquet(run.path / "trials.parquet")) == 3

    def counted(trials, *others):
        calls.extend(trials)
        return whole(trials, *others)

    monkeypatch.setattr(cluster, "run_trials", counted)
    summary = run_sweep(scored_workspace, "own", grid, device="cpu")
    assert (summary.folder, summary.resumed, len(calls), len(summary.trials)) == (run.path, 3, 5, 8)
    assert not summary.trials["sharpe_ratio"].has_nulls()
    assert len(read_trials(scored_workspace.runs)) == 8
    assert unfinished_runs(scored_workspace.runs, "sweep") == []
    # another grid is another sweep
    other = run_sweep(scored_workspace, "own", ["topk=1,2"], device="cpu")
    assert other.folder != run.path
    assert json.loads((other.folder / "sweep.json").read_text())["grid"] == {"topk": [1, 2]}


@pytest.mark.slow
def test_a_sweep_that_was_killed_just_before_its_end_leaves_the_same_table(scored_workspace):
    first = run_sweep(scored_workspace, "own", ["topk=1,2"], device="cpu")
    path, manifest = first.folder / "trials.parquet", first.folder / "manifest.json"
    whole = path.read_bytes()
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"status": "running"}))
    again = run_sweep(scored_workspace, "own", ["topk=1,2"], device="cpu")
    assert (again.folder, again.resumed) == (first.folder, 2)
    assert path.read_bytes() == whole


@pytest.mark.slow
def test_a_sweep_that_another_process_runs_is_left_alone(scored_workspace, monkeypatch):
    grid, whole = ["topk=1,2,3"], cluster.run_trials

    def meanwhile(trials, *others):
        monkeypatch.setattr(cluster, "run_trials", whole)
        with pytest.raises(KronosQuantError, match="another process is running this sweep") as caught:
            run_sweep(scored_workspace, "own", grid, device="cpu")
        assert caught.value.hint == "wait for it to finish; if it stops, its trials are kept"
        # another sweep is nobody's business
        run_sweep(scored_workspace, "own", ["topk=2,3"], device="cpu")
        yield from whole(trials, *others)

    monkeypatch.setattr(cluster, "run_trials", meanwhile)
    summary = run_sweep(scored_workspace, "own", grid, device="cpu")
    assert len(summary.trials) == len(read_trials(scored_workspace.runs)) == 3
    assert [run.manifest()["status"] for run in finished_runs(scored_workspace.runs, "sweep")] == ["finished"] * 2
    assert not list((scored_workspace.runs / "sweep").glob(".*"))


@pytest.mark.slow
def test_one_trial_and_one_combination_are_told_in_the_singular(scored_workspace):
    summary = run_sweep(scored_workspace, "own", ["topk=2", "n_drop=1,3"], device="cpu")
    lines = summary.lines()
    assert lines[0].startswith("1 trial in ")
    assert lines[1] == "1 combination not valid: topk=2, n_drop=3: n_drop must be at most topk (2), found 3"
    assert lines[2] == "best 1 of 1 trial by Sharpe ratio:"


def test_a_sweep_that_fails_before_anything_is_done_leaves_no_folder(scored_workspace, monkeypatch):
    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr(cluster, "run_trials", fail)
    with pytest.raises(MemoryError):
        run_sweep(scored_workspace, "own", ["topk=1,2"], device="cpu")
    assert list((scored_workspace.runs / "sweep").iterdir()) == []


def test_grids_are_read_as_yaml_values():
    assert parse_grid(["topk=20,50", "fill=open,close", "liquidity.participation=null,0.1", "lot=exchange,0"]) == {
        "topk": [20, 50],
        "fill": ["open", "close"],
        "liquidity.participation": [None, 0.1],
        "lot": ["exchange", 0],
    }
    # the guide's and Qlib's names are those of the same fields
    assert parse_grid(["n_symbol_hold=20", "costs.open_cost=0.001,1e-3"]) == {
        "topk": [20],
        "costs.buy": [0.001, "1e-3"],
    }


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (["topk"], "expected a field and values like topk=20,50,100, found 'topk'"),
        (["topk="], "expected a field and values"),
        (["=1"], "expected a field and values"),
        (["topk=[1,2]"], r"found 'topk=\[1,2\]'"),
        (["topk=5,{a"], "found 'topk=5,{a'"),
        (["topk=2024-01-02"], "found 'topk=2024-01-02'"),
        (["topk=1", "topk=2"], "--grid topk: given twice"),
        (["topk=1", "n_symbol_hold=2"], "--grid topk: given twice"),
        ([], "a sweep needs a grid"),
    ],
)
def test_what_is_no_grid_is_refused(grid, message):
    with pytest.raises(ConfigError, match=message):
        parse_grid(grid)
