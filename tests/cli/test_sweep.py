from __future__ import annotations

import json


def test_a_sweep_prints_its_best_trials_and_where_all_are(kq, scored_workspace):
    done = kq(scored_workspace.root, "sweep", "own", "--grid", "topk=2,3", "--grid", "hold_thresh=1,2")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("4 trials in ")
    assert "runs/sweep/" in done.out.splitlines()[-1]


def test_a_sweep_can_be_read_by_a_script_and_tells_what_it_left_out(kq, scored_workspace):
    done = kq(scored_workspace.root, "sweep", "own", "--grid", "n_drop=1,9", "--json")
    found = json.loads(done.out)
    assert (found["trials"], len(found["best"])) == (1, 1)
    assert found["left_out"] == ["n_drop=9: n_drop must be at most topk (4), found 9"]


def test_a_wrong_grid_is_refused_in_one_line(kq, scored_workspace):
    code, error, hint = kq(scored_workspace.root, "sweep", "own", "--grid", "scores=a.csv").refusal()
    assert (code, error) == (2, "--grid scores_file: cannot be swept: it changes what is traded")
    assert hint == "run each value as a back-test of its own and set them side by side with kq compare"


def test_without_ray_the_extra_is_named_in_one_line(kq, scored_workspace, monkeypatch):
    monkeypatch.setattr("kronos_quant.backtest.cluster.find_spec", lambda name: None)
    done = kq(scored_workspace.root, "sweep", "own", "--grid", "topk=2,3", "--ray", "auto")
    assert done.refusal() == (2, "--ray: the package ray is not installed", "pip install 'kronos-quant[ray]'")
