"""`kq runs`: what is in runs/, newest first."""

from __future__ import annotations

import json
from pathlib import Path

from kronos_quant.runs import staged_run
from kronos_quant.runs.manifest import Inputs


def test_runs_are_listed_newest_first_by_kind_and_number(kq, market_workspace):
    for kind in ("backtest", "evaluate", "backtest"):
        with staged_run(market_workspace.runs, kind, Inputs()):
            pass
    listed = json.loads(kq(market_workspace.root, "runs", "--json").out)
    assert [run["kind"] for run in listed] == ["backtest", "evaluate", "backtest"]
    assert [run["id"] for run in listed] == sorted((run["id"] for run in listed), reverse=True)
    assert {run["status"] for run in listed} == {"finished"}
    assert all(Path(run["folder"]).is_dir() for run in listed)
    assert len(json.loads(kq(market_workspace.root, "runs", "--kind", "backtest", "--limit", "1", "--json").out)) == 1
    assert "evaluate" in kq(market_workspace.root, "runs").out
    wrong = kq(market_workspace.root, "runs", "--kind", "trian")
    assert (wrong.code, "kind: expected backtest or evaluate, found 'trian'" in wrong.err) == (2, True)
