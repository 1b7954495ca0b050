import json

import pytest
import yaml

from kronos_quant import CheckpointError, ConfigError, DataError
from kronos_quant.config import ModelConfig, TrainConfig
from kronos_quant.jobs import train as job
from kronos_quant.jobs.train import TrainingSummary, run_training
from kronos_quant.market import open_market
from kronos_quant.model import load_pair
from kronos_quant.runs import finished_runs
from kronos_quant.workspace import open_workspace


@pytest.fixture
def run(trained_workspace):
    [run] = finished_runs(trained_workspace.runs, "train")
    return run


def test_a_training_leaves_its_checkpoints_its_log_and_its_curve(run):
    assert sorted(path.name for path in run.path.iterdir()) == [
        "checkpoints",
        "config.yaml",
        "job.json",
        "log.jsonl",
        "loss.png",
        "manifest.json",
        "metrics.json",
    ]
    assert (run.path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert len((run.path / "log.jsonl").read_text().splitlines()) == run.metrics()["rows"] == 8
    checkpoints = run.path / "checkpoints"
    assert sorted(str(path.relative_to(checkpoints)) for path in checkpoints.glob("*/*")) == [
        "best/card.json",
        "best/predictor",
        "best/tokenizer",
        "predictor/epoch_001",
        "predictor/epoch_002",
        "tokenizer/epoch_001",
    ]
    load_pair(checkpoints / "best")


def test_the_manifest_says_which_bars_and_seeds_the_weights_came_from(run, trained_workspace):
    manifest = run.manifest()
    assert manifest["status"] == "finished"
    assert manifest["inputs"]["snapshot"] == open_market(trained_workspace.root).snapshot.digest
    assert manifest["inputs"]["seeds"] == {"train": 0}
    assert {"torch", "polars"} <= set(manifest["packages"])
    card = json.loads((run.path / "checkpoints" / "best" / "card.json").read_text())
    assert card["snapshot"] == manifest["inputs"]["snapshot"]


def test_the_config_left_is_resolved_and_can_be_read_again(run):
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    train = TrainConfig.model_validate(config["train"])
    assert (train.tokenizer_epochs, train.predictor_epochs) == (1, 2)
    # the preset filled in what kq.yaml leaves open
    assert train.predictor_learning_rate == 3e-3
    assert ModelConfig.model_validate(config["model"]).base == "scratch"


def test_the_metrics_are_the_losses_before_and_at_their_best(run):
    losses = run.metrics()["validation_loss"]
    assert set(losses) == {"tokenizer", "predictor"}
    assert all(phase["best"] < phase["before"] and phase["epoch"] >= 1 for phase in losses.values())


def test_the_metrics_of_a_log_by_hand(tmp_path):
    def row(phase, epoch, loss, split="val"):
        return {"phase": phase, "epoch": epoch, "split": split, "loss": loss}

    rows = [row("tokenizer", 0, 2.0), row("tokenizer", 1, 0.5, "train"), row("tokenizer", 1, 1.0)]
    rows += [row("tokenizer", 2, 1.5), row("predictor", 0, 3.0), row("predictor", 1, 4.0)]
    metrics = job._metrics(rows)
    assert metrics["validation_loss"] == {
        "tokenizer": {"before": 2.0, "best": 1.0, "epoch": 1},
        "predictor": {"before": 3.0, "best": 3.0, "epoch": 0},
    }
    lines = TrainingSummary(tmp_path, tmp_path / "best", metrics).lines()
    assert lines[0] == "tokenizer: validation loss 2.0000 before training, 1.0000 at its best (epoch 1)"
    assert lines[-1].endswith("loss.png")


def test_base_weights_that_are_not_to_be_had_say_how_to_start_from_scratch(market_workspace, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    workspace = open_workspace(market_workspace.root, {"model.base": "NeoQuasar/Kronos-small"})
    with pytest.raises(CheckpointError, match="NeoQuasar/Kronos-small: not in") as caught:
        run_training(workspace, gpus=0)
    assert caught.value.exit_code == 4
    assert caught.value.hint.endswith("kq.yaml: model: {base: scratch, preset: nano}")
    assert not workspace.runs.exists()


def test_without_bars_nothing_starts(market_workspace):
    workspace = open_workspace(market_workspace.root, {"market.freq": "5min"})
    with pytest.raises(DataError, match="no 5min bars: there are day"):
        run_training(workspace, gpus=0)
    assert not workspace.runs.exists()


def test_more_gpus_than_there_are_are_refused_before_anything_is_read(tmp_path, market_workspace, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="--gpus 4: this machine has 0"):
        run_training(market_workspace, gpus=4)
    assert not market_workspace.runs.exists()


def test_a_training_that_fails_before_its_first_checkpoint_leaves_no_folder(market_workspace):
    workspace = open_workspace(market_workspace.root, {"train.lookback_window": 200})
    with pytest.raises(DataError, match="no window of 200"):
        run_training(workspace, gpus=0)
    assert list((workspace.runs / "train").iterdir()) == []


def test_a_training_that_is_interrupted_later_keeps_its_checkpoints_and_is_not_the_latest(
    market_workspace, monkeypatch
):
    def interrupted(fitted):
        (fitted.folder / "checkpoints" / "tokenizer").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_training(market_workspace, gpus=0)
    [left] = (market_workspace.runs / "train").iterdir()
    assert json.loads((left / "manifest.json").read_text())["status"] == "interrupted"
    assert finished_runs(market_workspace.runs, "train") == []


def test_several_processes_are_launched_on_the_job_that_was_written(market_workspace, monkeypatch):
    launched = []

    def launch(job_file, processes):
        launched.append((json.loads(job_file.read_text())["device"], processes))
        raise KeyboardInterrupt

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr(job, "launch", launch)
    with pytest.raises(KeyboardInterrupt):
        run_training(market_workspace, gpus=2)
    assert launched == [("cuda", 2)]
