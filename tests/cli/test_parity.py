from __future__ import annotations

import json
from dataclasses import replace

from kronos_quant.jobs import parity as job


def test_parity_prints_both_comparisons_and_the_ladder(kq, scored_workspace):
    done = kq(scored_workspace.root, "parity", "own")
    assert (done.code, done.err) == (0, "")
    assert "profile qlib, pyqlib:       equal: accounts within" in done.out
    assert "profile exchange, ledger:   equal: accounts within" in done.out
    assert "note: Qlib looks at the session after the last: the newest one is left out." in done.out
    assert done.out.splitlines()[-1].startswith("commission and dated levies")


def test_parity_that_does_not_hold_exits_with_5(kq, scored_workspace, monkeypatch):
    found = job.parity

    def other(*arguments):
        there = found(*arguments)
        return replace(there, qlib=replace(there.qlib, difference=1e-3))

    monkeypatch.setattr(job, "parity", other)
    done = kq(scored_workspace.root, "parity", "own", "--json")
    assert done.code == 5
    assert json.loads(done.out)["holds"] is False
    assert json.loads(done.out)["found"]["qlib"]["difference"] == 1e-3


def test_what_qlib_does_not_have_is_refused(kq, scored_workspace):
    (scored_workspace.root / "strategies" / "hold.yaml").write_text("scores: scores.csv\nstrategy: buy_and_hold\n")
    assert kq(scored_workspace.root, "parity", "hold").refusal()[:2] == (
        2,
        "parity: Qlib has topk_dropout, found buy_and_hold",
    )
