from __future__ import annotations

import json
from dataclasses import replace

import polars as pl
import pytest

from kronos_quant.jobs import parity as job
from kronos_quant.market import open_market


@pytest.fixture
def workspace(market_workspace):
    market = open_market(market_workspace.root)
    bars = market.bars().filter(pl.col("symbol").str.starts_with("MADE0"), pl.col("date") >= market.sessions()[-8])
    scores = bars.select("date", "symbol", (pl.col("close").cast(pl.Float64) % 1).alias("score"))
    scores.write_csv(market_workspace.root / "scores.csv")
    text = "scores: scores.csv\ntopk: 4\nn_drop: 1\nhold_thresh: 2\n"
    (market_workspace.root / "strategies" / "own.yaml").write_text(text)
    return market_workspace


def test_parity_prints_both_comparisons_and_the_ladder(kq, workspace):
    done = kq(workspace.root, "parity", "own")
    assert (done.code, done.err) == (0, "")
    assert "profile qlib, pyqlib:       equal: accounts within" in done.out
    assert "profile exchange, ledger:   equal: accounts within" in done.out
    assert "note: Qlib looks at the session after the last: the newest one is left out." in done.out
    assert done.out.splitlines()[-1].startswith("commission and dated levies")


def test_parity_that_does_not_hold_exits_with_5(kq, workspace, monkeypatch):
    found = job.parity

    def other(*arguments):
        there = found(*arguments)
        return replace(there, qlib=replace(there.qlib, difference=1e-3))

    monkeypatch.setattr(job, "parity", other)
    done = kq(workspace.root, "parity", "own", "--json")
    assert done.code == 5
    assert json.loads(done.out)["holds"] is False
    assert json.loads(done.out)["found"]["qlib"]["difference"] == 1e-3


def test_what_qlib_does_not_have_is_refused(kq, workspace):
    (workspace.root / "strategies" / "hold.yaml").write_text("scores: scores.csv\nstrategy: buy_and_hold\n")
    assert kq(workspace.root, "parity", "hold").refusal()[:2] == (
        2,
        "parity: Qlib has topk_dropout, found buy_and_hold",
    )
