"""Trackers against stand-ins of their packages; MLflow's own where it is installed."""

import sys
from types import SimpleNamespace

import pytest
from training.jobs import job_in

from kronos_quant import ConfigError, KronosQuantError
from kronos_quant.training import check_trackers, fit
from kronos_quant.training.logs.tracking import named_metrics, open_trackers

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
    tracker.parameters({"train.seed": 1})
    tracker.metrics(ROW)
    tracker.close()


def test_a_rows_numbers_are_named_by_phase_and_split():
    assert named_metrics(ROW) == {"predictor/val/loss": 1.5, "predictor/val/ce_s1": 2.0}


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
    assert caught.value.hint == f"pip install 'kronos-quant[{name}]', or remove it from train.trackers"


def test_a_tracker_that_cannot_begin_says_why(comet, tmp_path):
    def refuse(**settings):
        raise RuntimeError("no API key\nand a long trace")

    comet.start = refuse
    with pytest.raises(KronosQuantError, match=r"train\.trackers: comet cannot begin: no API key$"):
        open_trackers(("comet",), tmp_path)


def test_a_training_tells_its_trackers_every_row_of_the_log(comet, market_workspace):
    job = job_in(market_workspace, trackers=["comet"], tokenizer_epochs=0, predictor_epochs=1)
    fit(job)
    assert len(comet.of("log_metrics")) == len((job.folder / "log.jsonl").read_text().splitlines())
    [(parameters, _)] = comet.of("log_parameters")
    assert parameters[0]["predictor_epochs"] == 1
    assert len(comet.of("end")) == 1
