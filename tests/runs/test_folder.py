import errno
import json

import pytest
import yaml

from kronos_quant import KronosQuantError
from kronos_quant.config import MarketConfig
from kronos_quant.runs import (
    Inputs,
    continue_run,
    finished_runs,
    held_run,
    prepare_run,
    staged_run,
    start_run,
    unfinished_runs,
)

INPUTS = Inputs(snapshot="abc", weights="def", seeds={"sampling": 3})


def test_a_staged_run_appears_when_it_is_finished(tmp_path):
    with staged_run(tmp_path, "backtest", INPUTS) as run:
        run.write_config({"market": MarketConfig()})
        run.write_metrics({"sharpe_ratio": 1.5})
        assert not run.path.exists()
    assert run.path.parent == tmp_path / "backtest"
    assert json.loads((run.path / "metrics.json").read_text()) == {"sharpe_ratio": 1.5}
    assert yaml.safe_load((run.path / "config.yaml").read_text())["market"]["universe"] == "all"
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["inputs"] == {"snapshot": "abc", "weights": "def", "seeds": {"sampling": 3}}
    assert manifest["packages"]["polars"][0].isdigit()
    assert manifest["code"]["version"]


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt()])
def test_a_staged_run_that_fails_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)), staged_run(tmp_path, "backtest", INPUTS) as run:
        run.write_metrics({})
        raise error
    assert list((tmp_path / "backtest").iterdir()) == []


@pytest.mark.parametrize(("error", "status"), [(ValueError(), "failed"), (KeyboardInterrupt(), "interrupted")])
def test_a_long_run_that_fails_keeps_its_checkpoints_and_says_so(tmp_path, error, status):
    with pytest.raises(type(error)), start_run(tmp_path, "train", INPUTS, keep=["checkpoints"]) as run:
        (run.folder / "checkpoints").mkdir()
        assert run.manifest()["status"] == "running"
        raise error
    assert run.manifest()["status"] == status
    assert finished_runs(tmp_path, "train") == []


def test_a_long_run_that_fails_before_its_first_checkpoint_leaves_nothing(tmp_path):
    with pytest.raises(ValueError), start_run(tmp_path, "train", INPUTS, keep=["checkpoints"]):  # noqa: PT011
        raise ValueError
    assert list((tmp_path / "train").iterdir()) == []


def test_a_long_run_that_cannot_even_begin_leaves_nothing(tmp_path, monkeypatch):
    def full(path, value):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("kronos_quant.runs.folder.write_json", full)
    with (
        pytest.raises(KronosQuantError, match="no space left on the disk"),
        start_run(tmp_path, "train", INPUTS, keep=["checkpoints"]),
    ):
        pass
    assert list((tmp_path / "train").iterdir()) == []


def test_finished_runs_come_oldest_first(tmp_path):
    made = []
    for _ in range(3):
        with start_run(tmp_path, "train", INPUTS, keep=["checkpoints"]) as run:
            made.append(run.id)
    assert [run.id for run in finished_runs(tmp_path, "train")] == made == sorted(made)
    assert finished_runs(tmp_path, "backtest") == []


def test_a_run_that_did_not_finish_is_found_and_gone_on_with(tmp_path):
    with pytest.raises(KeyboardInterrupt), start_run(tmp_path, "train", INPUTS, keep=["state"]) as run:
        (run.folder / "state").mkdir()
        raise KeyboardInterrupt
    with start_run(tmp_path, "train", INPUTS, keep=["state"]):
        pass
    [unfinished] = unfinished_runs(tmp_path, "train")
    assert unfinished.id == run.id
    with pytest.raises(ValueError), continue_run(unfinished, keep=["state"]):  # noqa: PT011
        assert unfinished.manifest()["status"] == "running"
        raise ValueError
    assert (unfinished.manifest()["status"], unfinished.manifest()["resumed"]) == ("failed", 1)
    with continue_run(unfinished, keep=["state"]):
        pass
    assert (unfinished.manifest()["status"], unfinished.manifest()["resumed"]) == ("finished", 2)
    assert unfinished_runs(tmp_path, "train") == []


def test_a_prepared_run_waits_for_another_program(tmp_path):
    with prepare_run(tmp_path, "train", INPUTS) as run:
        assert run.manifest()["process"]
    assert run.manifest()["status"] == "running"
    assert [waiting.id for waiting in unfinished_runs(tmp_path, "train")] == [run.id]


def test_a_run_is_filled_by_one_process_at_a_time(tmp_path):
    with prepare_run(tmp_path, "train", INPUTS) as run:
        pass
    elsewhere = KronosQuantError("another process has it")
    with held_run(run, elsewhere):
        with pytest.raises(KronosQuantError, match="another process has it"), held_run(run, elsewhere):
            pass
        assert [waiting.id for waiting in unfinished_runs(tmp_path, "train")] == [run.id]
    with held_run(run, elsewhere):
        pass
    assert [path.name for path in (tmp_path / "train").iterdir()] == [run.id]
