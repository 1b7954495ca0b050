from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kronos_quant.workflows import parity as job


def test_parity_prints_both_comparisons_and_the_ladder(kq, scored_workspace):
    done = kq(scored_workspace.root, "parity", "own")
    assert (done.code, done.err) == (0, "")
    assert "profile qlib and pyqlib:                equal, the same " in done.out
    assert "profile exchange and reference ledger:  equal, the same " in done.out
    assert "note: The newest session is left out: Qlib needs the session after the last one." in done.out
    lines = [line.rsplit(maxsplit=2) for line in done.out.splitlines()]
    first, second, *_, last, whole = lines[[line[:1] for line in lines].index(["Qlib's rules"]) :]
    rules = ["Qlib's rules", "slippage, market impact and participation", "total"]
    assert [line[0] for line in (first, last, whole)] == rules
    accounts = [float(line[1].replace(",", "")) for line in (first, second, last, whole)]
    assert accounts[2] == accounts[3]
    assert float(second[2]) == pytest.approx((accounts[1] / accounts[0] - 1) * 1e4, abs=0.06)
    assert float(whole[2]) == pytest.approx((accounts[3] / accounts[0] - 1) * 1e4, abs=0.06)


def test_parity_that_does_not_hold_exits_with_5(kq, scored_workspace, monkeypatch):
    found = job.compare_profiles

    def other(*arguments):
        there = found(*arguments)
        return replace(there, qlib=replace(there.qlib, difference=1e-3))

    monkeypatch.setattr(job, "compare_profiles", other)
    done = kq(scored_workspace.root, "parity", "own", "--json")
    assert done.code == 5
    assert json.loads(done.out)["holds"] is False
    assert json.loads(done.out)["found"]["qlib"]["difference"] == 1e-3


def test_what_qlib_does_not_have_is_refused(kq, scored_workspace):
    (scored_workspace.root / "strategies" / "hold.yaml").write_text("scores: scores.csv\nstrategy: buy_and_hold\n")
    assert kq(scored_workspace.root, "parity", "hold").refusal()[:2] == (
        2,
        "parity needs topk_dropout, which Qlib has: found buy_and_hold",
    )
