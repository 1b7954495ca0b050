from filelock import FileLock
from made import killed_process, left_by_a_killed_process

from kronos_quant.files import write_json
from kronos_quant.runs import Inputs, list_runs, start_run
from kronos_quant.runs.folder import KILLED
from kronos_quant.workflows.leftovers import find_leftovers, remove_leftovers


def killed_run(workspace, kind, *held):
    """A run whose process was killed; `held` : files that it left."""
    with start_run(workspace.runs, kind, Inputs(), keep=["manifest.json"]) as run:
        pass
    write_json(run.path / "manifest.json", run.manifest() | {"status": "running", "process": killed_process()})
    for name in held:
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_text("")
    return run


def test_what_killed_commands_left_is_found_and_removed_and_what_is_worth_keeping_stays(market_workspace):
    workspace = market_workspace
    halves = [
        workspace.root / place / left_by_a_killed_process("x")
        for place in ("", "db/snapshots", "models", "runs/backtest")
    ]
    for half in halves:
        half.mkdir(parents=True)
    empty, kept = killed_run(workspace, "train"), killed_run(workspace, "train", "state/00000001")
    sweep, trials = killed_run(workspace, "sweep"), killed_run(workspace, "sweep", "trials.parquet")
    claims = workspace.signal_store / ".claims"
    claims.mkdir(parents=True)
    free, held = claims / "a-2025-01-02.lock", claims / "a-2025-01-03.lock"
    free.touch()
    assert find_leftovers(workspace) == sorted([*halves, empty.path, sweep.path])
    with FileLock(held):
        removed = remove_leftovers(workspace)
    assert removed == sorted([*halves, empty.path, sweep.path, free])
    assert kept.path.exists()
    assert trials.path.exists()
    assert held.exists()
    assert find_leftovers(workspace) == []
    assert set(list_runs(workspace.runs)["status"]) == {KILLED}


def test_the_next_run_removes_those_that_were_killed_before_they_held_anything(market_workspace):
    runs = market_workspace.runs
    empty, kept = killed_run(market_workspace, "train"), killed_run(market_workspace, "train", "state/00000001")
    (runs / "train" / f".{empty.id}.lock").touch()
    with start_run(runs, "train", Inputs(), keep=["state"]) as run:
        assert {path.name for path in (runs / "train").iterdir()} == {run.id, kept.id}
