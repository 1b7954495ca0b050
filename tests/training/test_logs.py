"""log.jsonl, speed.json, and the trackers against stand-ins of their packages."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from training.jobs import job_in

from kronos_quant import ConfigError, KronosQuantError
from kronos_quant.config import CometConfig
from kronos_quant.training import fit, logs
from kronos_quant.training.logs import (
    LaunchSpeed,
    TrainingLog,
    check_trackers,
    metric_values,
    open_trackers,
    read_launches,
    read_log,
    speed_line,
)
from kronos_quant.training.processes import Ranks


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(logs.time, "time", lambda: now[0])
    return now


def ranks(world=1, rank=0):
    return Ranks(rank, world, torch.device("cpu"))


def test_moments_are_counted_from_the_start_of_the_launch_and_noted_once(tmp_path, clock, caplog):
    launch = LaunchSpeed(tmp_path, ranks(2), started=97.0)
    for moment, second in (("joined", 101.5), ("ready", 103.0), ("first_step", 104.0), ("first_step", 109.0)):
        clock[0] = second
        with caplog.at_level("INFO"):
            launch.reached(moment)
    assert launch.seconds_to == {"joined": 4.5, "ready": 6.0, "first_step": 7.0}
    assert caplog.messages == [
        "start-up (2 processes): connected after 4.5 s, bars and networks loaded after 6.0 s, first step after 7.0 s"
    ]


def test_rates_are_those_of_all_epochs_over_all_ranks_and_of_one(tmp_path):
    launch = LaunchSpeed(tmp_path, ranks(2), 0.0)
    launch.add_epoch("tokenizer", 100, 2.0)
    launch.add_epoch("tokenizer", 200, 3.0)
    launch.add_epoch("predictor", 50, 1.0)
    [found] = read_launches(tmp_path)
    assert found["windows_per_second"] == {"tokenizer": 120.0, "predictor": 100.0}
    assert found["windows_per_second_per_rank"] == {"tokenizer": 60.0, "predictor": 50.0}


def test_a_launch_that_goes_on_is_added_and_only_the_first_rank_writes(tmp_path):
    LaunchSpeed(tmp_path, ranks(1), 0.0).add_epoch("tokenizer", 10, 1.0)
    LaunchSpeed(tmp_path, ranks(2, rank=1), 0.0).add_epoch("tokenizer", 10, 1.0)
    LaunchSpeed(tmp_path, ranks(2), 0.0).add_epoch("tokenizer", 10, 1.0)
    assert [launch["ranks"] for launch in read_launches(tmp_path)] == [1, 2]


def test_the_last_launch_is_told_in_words(tmp_path, clock):
    assert speed_line(read_launches(tmp_path)) is None
    launch = LaunchSpeed(tmp_path, ranks(2), started=90.0)
    launch.reached("first_step")
    launch.add_epoch("tokenizer", 2_500, 1.0)
    assert speed_line(read_launches(tmp_path)) == (
        "speed: 2 processes on cpu, first step after 10.0 s; windows/s per process: tokenizer 2,500"
    )


def test_a_training_leaves_its_speed_beside_its_log(market_workspace):
    job = job_in(market_workspace, tokenizer_epochs=1, predictor_epochs=0)
    fit(job)
    [found] = json.loads((job.folder / "speed.json").read_text())["launches"]
    seconds = [found["seconds_to"][moment] for moment in ("joined", "ready", "first_step")]
    assert seconds == sorted(seconds)
    assert all(rate > 0 for rate in found["windows_per_second"].values())
    fit(job)
    assert len(read_launches(job.folder)) == 1


ROW = {"phase": "predictor", "epoch": 2, "step": 40, "split": "val", "loss": 1.5, "ce_s1": 2.0}


class Recorder:
    """Notes every call, and answers each with itself."""

    def __init__(self):
        self.calls = []
        self.info = SimpleNamespace(run_id="run-1")

    def __getattr__(self, name):
        def call(*arguments, **settings):
            self.calls.append((name, arguments, settings))
            return self

        return call

    def of(self, name):
        return [(arguments, settings) for called, arguments, settings in self.calls if called == name]


@pytest.fixture
def comet(monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(sys.modules, "comet_ml", recorder)
    return recorder


@pytest.fixture
def mlflow(monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(sys.modules, "mlflow", recorder)
    return recorder


@pytest.fixture
def tensorboard(monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(sys.modules, "tensorboard", recorder)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=recorder.SummaryWriter))
    return recorder


def used(name, folder):
    folder.mkdir(exist_ok=True)
    [tracker] = open_trackers((name,), folder)
    tracker.log_parameters({"train.seed": 1})
    tracker.log_row(ROW)
    tracker.close()


def test_a_rows_numbers_are_named_by_phase_and_split():
    assert metric_values(ROW) == {"predictor/val/loss": 1.5, "predictor/val/ce_s1": 2.0}


def test_comet_goes_on_with_the_experiment_of_the_run(comet, tmp_path):
    used("comet", tmp_path / "run-a")
    used("comet", tmp_path / "run-a")
    used("comet", tmp_path / "run-b")
    keys = [settings["experiment_key"] for _, settings in comet.of("start")]
    assert keys[0] == keys[1] != keys[2]
    assert 32 <= len(keys[0]) <= 50
    assert keys[0].isalnum()
    assert comet.of("start")[0][1]["mode"] == "get_or_create"
    assert comet.of("log_metrics")[0] == (
        ({"predictor/val/loss": 1.5, "predictor/val/ce_s1": 2.0},),
        {"step": 40, "epoch": 2},
    )
    assert comet.of("log_parameters")[0] == (({"train.seed": 1},), {})
    assert len(comet.of("end")) == 3


def test_comet_gets_the_project_and_the_workspace_of_the_settings(comet, tmp_path):
    open_trackers(("comet",), tmp_path, CometConfig(project_name="mine"))
    assert comet.of("start")[0][1] | {"experiment_key": ""} == {
        "experiment_key": "",
        "mode": "get_or_create",
        "project_name": "mine",
    }


def test_mlflow_goes_on_with_the_run_it_began(mlflow, tmp_path):
    used("mlflow", tmp_path / "run-a")
    used("mlflow", tmp_path / "run-a")
    assert [settings for _, settings in mlflow.of("start_run")] == [
        {"run_id": None, "run_name": "run-a"},
        {"run_id": "run-1", "run_name": None},
    ]
    assert mlflow.of("log_metrics")[0] == (({"predictor/val/loss": 1.5, "predictor/val/ce_s1": 2.0},), {"step": 40})
    assert mlflow.of("log_params") == [(({"train.seed": 1},), {})]
    assert len(mlflow.of("end_run")) == 2


def test_tensorboard_writes_into_the_runs_folder(tensorboard, tmp_path):
    used("tensorboard", tmp_path / "run-a")
    assert tensorboard.of("SummaryWriter") == [((str(tmp_path / "run-a" / "tensorboard"),), {})]
    assert tensorboard.of("add_scalar") == [
        (("predictor/val/loss", 1.5, 40), {}),
        (("predictor/val/ce_s1", 2.0, 40), {}),
    ]


@pytest.mark.parametrize(("name", "module", "package"), [
    ("comet", "comet_ml", "comet-ml"), ("mlflow", "mlflow", "mlflow"), ("tensorboard", "tensorboard", "tensorboard"),
])  # fmt: skip
def test_a_missing_package_is_one_clear_line(monkeypatch, name, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=f"{name}: the package {package} is not installed") as caught:
        check_trackers((name,))
    assert caught.value.hint == f"pip install 'kronos-quant[{name}]'"


def test_a_tracker_that_cannot_begin_says_why(comet, tmp_path):
    def refuse(**settings):
        raise RuntimeError("no API key\nand a long trace")

    comet.start = refuse
    with pytest.raises(KronosQuantError, match=r"train\.trackers: comet cannot start: no API key$"):
        open_trackers(("comet",), tmp_path)


def test_a_training_tells_its_trackers_every_row_of_the_log(comet, market_workspace):
    job = job_in(market_workspace, trackers=["comet"], tokenizer_epochs=0, predictor_epochs=1)
    fit(job)
    assert len(comet.of("log_metrics")) == len((job.folder / "log.jsonl").read_text().splitlines())
    [(parameters, _)] = comet.of("log_parameters")
    assert parameters[0]["predictor_epochs"] == 1
    assert len(comet.of("end")) == 1


def test_the_log_is_cut_where_a_state_left_it(tmp_path):
    log = TrainingLog(tmp_path, writes=True)
    log.append({"step": 1})
    size = log.size()
    log.append({"step": 2})
    log.cut(size)
    log.append({"step": 3})
    assert read_log(tmp_path) == [{"step": 1}, {"step": 3}]


def test_ranks_that_do_not_save_leave_the_log_alone(tmp_path):
    TrainingLog(tmp_path, writes=True).append({"step": 1})
    other = TrainingLog(tmp_path, writes=False)
    other.append({"step": 2})
    other.cut(0)
    assert other.size() == 0
    assert read_log(tmp_path) == [{"step": 1}]
