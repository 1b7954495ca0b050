from __future__ import annotations

import json

import polars as pl
import pytest

from kronos_quant.market import open_market


@pytest.fixture
def workspace(market_workspace):
    market = open_market(market_workspace.root)
    bars = market.bars().filter(pl.col("symbol").str.starts_with("MADE0"), pl.col("date") >= market.sessions()[-8])
    scores = bars.select("date", "symbol", (pl.col("close").cast(pl.Float64) % 1).alias("score"))
    scores.write_csv(market_workspace.root / "scores.csv")
    (market_workspace.root / "strategies" / "own.yaml").write_text("scores: scores.csv\ntopk: 4\nn_drop: 1\n")
    return market_workspace


def test_a_sweep_prints_its_best_trials_and_where_all_are(kq, workspace):
    done = kq(workspace.root, "sweep", "own", "--grid", "topk=2,3", "--grid", "hold_thresh=1,2")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("4 trials in ")
    assert "runs/sweep/" in done.out.splitlines()[-1]


def test_a_sweep_can_be_read_by_a_script_and_tells_what_it_left_out(kq, workspace):
    done = kq(workspace.root, "sweep", "own", "--grid", "n_drop=1,9", "--json")
    found = json.loads(done.out)
    assert (found["trials"], len(found["best"])) == (1, 1)
    assert found["left_out"] == ["n_drop=9: n_drop must be at most topk (4), found 9"]


def test_a_wrong_grid_is_refused_in_one_line(kq, workspace):
    code, error, hint = kq(workspace.root, "sweep", "own", "--grid", "scores=a.csv").refusal()
    assert (code, error) == (2, "--grid scores: changes what is traded on")
    assert hint == "run such strategies apart"
