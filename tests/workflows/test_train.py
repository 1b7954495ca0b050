import json
import sys
from dataclasses import replace

import pytest
import yaml

from kronos_quant import CheckpointError, ConfigError, DataError, KronosQuantError
from kronos_quant.config import ModelConfig, TrainConfig
from kronos_quant.market import ingest_csv, open_market
from kronos_quant.model import load_pair
from kronos_quant.model.card import HeadFigures
from kronos_quant.runs import finished_runs, held_run, unfinished_runs
from kronos_quant.training import TrainingJob, fit
from kronos_quant.training.optimise import Optimiser
from kronos_quant.training.run import read_result
from kronos_quant.workflows import train as workflow
from kronos_quant.workflows.train import prepare_training, run_training
from kronos_quant.workspace import open_workspace_folder


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
        "speed.json",
        "state",
    ]
    assert (run.path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert len((run.path / "log.jsonl").read_text().splitlines()) == run.metrics()["rows"] == 9
    checkpoints = run.path / "checkpoints"
    assert sorted(str(path.relative_to(checkpoints)) for path in checkpoints.glob("*/*")) == [
        "best/card.json",
        "best/predictor",
        "best/tokenizer",
        "predictor/best",
        "predictor/last",
        "tokenizer/best",
        "tokenizer/last",
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
    assert all(phase["best"] < phase["start"] and phase["epoch"] >= 1 for phase in losses.values())


def test_the_metrics_are_those_of_the_card_and_the_summary_says_them(run):
    metrics = run.metrics()
    card = json.loads((run.path / "checkpoints" / "best" / "card.json").read_text())
    assert (metrics["validation_loss"], metrics["decoded"]) == (card["validation_loss"], card["decoded"])
    lines = read_result(run).lines()
    loss = metrics["validation_loss"]["tokenizer"]
    assert lines[0] == (f"tokenizer: validation loss {loss['best']:.4f} (start {loss['start']:.4f}), best epoch 1")
    assert lines[2].startswith("validation forecasts: ")
    assert [line.split("  ")[0] for line in lines[4:7]] == ["trained model", "untrained network", "last close"]
    assert lines[7:10] == metrics["decoded"]["verdict"]
    assert lines[10].startswith("speed: 1 process on cpu, first step after ")
    assert lines[-1].endswith("loss.png")


def test_a_return_head_is_told_with_what_to_do_with_its_scores(run):
    result = read_result(run)
    head = HeadFigures(loss="listwise", hidden=0, dates=30, verdict="return head: no significant gain")
    lines = replace(result, card=result.card.model_copy(update={"head": head}), launches=[]).lines()
    assert lines[-4:-2] == [
        "return head: no significant gain",
        f"import its scores: kq signal import {run.path / 'head_scores.parquet'} --name head --horizon 4",
    ]


def test_base_weights_that_are_not_to_be_had_say_how_to_start_from_scratch(market_workspace, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    workspace = open_workspace_folder(market_workspace.root, {"model.base": "NeoQuasar/Kronos-small"})
    with pytest.raises(CheckpointError, match="NeoQuasar/Kronos-small: not in") as caught:
        run_training(workspace, gpus=0)
    assert caught.value.exit_code == 4
    assert caught.value.hint.endswith("kq.yaml: model: {base: scratch, preset: nano}")
    assert not workspace.runs.exists()


def test_without_bars_nothing_starts(market_workspace):
    workspace = open_workspace_folder(market_workspace.root, {"market.freq": "5min"})
    with pytest.raises(DataError, match=r"no 5min bars \(stored: day\)"):
        run_training(workspace, gpus=0)
    assert not workspace.runs.exists()


def test_more_gpus_than_there_are_are_refused_before_anything_is_read(tmp_path, market_workspace, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="--gpus 4: this machine has 0"):
        run_training(market_workspace, gpus=4)
    assert not market_workspace.runs.exists()


def test_a_training_that_fails_before_its_first_checkpoint_leaves_no_folder(market_workspace):
    workspace = open_workspace_folder(market_workspace.root, {"train.lookback_window": 200})
    with pytest.raises(DataError, match="no window of 200"):
        run_training(workspace, gpus=0)
    assert list((workspace.runs / "train").iterdir()) == []


def test_a_training_that_is_interrupted_later_keeps_its_checkpoints_and_is_not_the_latest(
    market_workspace, monkeypatch
):
    def interrupted(fitted, started, networks):
        (fitted.folder / "checkpoints" / "tokenizer").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_training(market_workspace, gpus=0)
    [left] = (market_workspace.runs / "train").iterdir()
    assert json.loads((left / "manifest.json").read_text())["status"] == "interrupted"
    assert finished_runs(market_workspace.runs, "train") == []


def test_several_processes_are_launched_on_the_job_that_was_written(market_workspace, monkeypatch):
    launched = []

    def launch(job_file, processes, started):
        launched.append((json.loads(job_file.read_text())["device"], processes))
        raise KeyboardInterrupt

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr(workflow, "launch", launch)
    with pytest.raises(KeyboardInterrupt):
        run_training(market_workspace, gpus=2)
    assert launched == [("cuda", 2)]


class Killed(BaseException):
    """Stands for a process that ends between two steps."""


def settings(workspace, **changed):
    """The workspace with other settings, and few validation forecasts."""
    quick = {"decoded_windows": 24, "decoded_samples": 4} | changed
    return open_workspace_folder(workspace.root, {f"train.{name}": value for name, value in quick.items()})


def stopped_run(workspace, monkeypatch, at=2):
    """A run that ended after `at` steps and left a state."""
    steps = []
    inner = Optimiser.step

    def step(self, number):
        steps.append(number)
        if len(steps) > at:
            raise Killed
        inner(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Optimiser, "step", step)
        with pytest.raises(Killed):
            run_training(settings(workspace, state_every_steps=1), gpus=0)
    [run] = unfinished_runs(workspace.runs, "train")
    return run


@pytest.mark.slow
def test_the_same_command_goes_on_with_the_run_that_was_stopped(market_workspace, monkeypatch, caplog):
    run = stopped_run(market_workspace, monkeypatch)
    assert run.manifest()["status"] == "failed"
    with caplog.at_level("INFO", logger="kronos_quant"):
        summary = run_training(settings(market_workspace, state_every_steps=1), gpus=0)
    assert summary.folder == run.path
    assert f"resuming {run.path}" in caplog.text
    [finished] = finished_runs(market_workspace.runs, "train")
    assert finished.manifest()["resumed"] == 1
    undisturbed = run_training(settings(market_workspace, state_every_steps=1), gpus=0, resume=False)
    assert undisturbed.folder != run.path
    for name in ("log.jsonl", "checkpoints/best/predictor/model.safetensors", "metrics.json"):
        assert (run.path / name).read_bytes() == (undisturbed.folder / name).read_bytes()


def test_other_settings_begin_another_run_and_resume_says_what_changed(market_workspace, monkeypatch):
    run = stopped_run(market_workspace, monkeypatch)
    with pytest.raises(ConfigError, match=r"cannot resume: train\.batch_size was 16, is 8$") as caught:
        run_training(settings(market_workspace, state_every_steps=1, batch_size=8), gpus=0, resume=True)
    assert caught.value.hint == "kq train --fresh"
    summary = run_training(settings(market_workspace, batch_size=8, tokenizer_epochs=0, predictor_epochs=0), gpus=0)
    assert summary.folder != run.path


def test_what_decides_no_number_may_change_when_a_run_is_gone_on_with(market_workspace, monkeypatch):
    run = stopped_run(market_workspace, monkeypatch)
    assert run_training(settings(market_workspace, workers=2), gpus=0, resume=True).folder == run.path


def test_other_bars_are_told_when_a_run_is_to_go_on(market_workspace, monkeypatch, tmp_path):
    stopped_run(market_workspace, monkeypatch)
    (tmp_path / "NEW.csv").write_text(
        "timestamps,open,high,low,close,volume,amount\n2025-06-05,10,11,9,10.5,1000,10000\n"
    )
    ingest_csv(market_workspace.root, tmp_path / "NEW.csv")
    with pytest.raises(ConfigError, match=r"cannot resume: the bars have changed$"):
        run_training(settings(market_workspace, state_every_steps=1), gpus=0, resume=True)


def test_nothing_to_go_on_with_is_said(market_workspace):
    with pytest.raises(ConfigError, match="no unfinished training to resume"):
        run_training(market_workspace, gpus=0, resume=True)


def test_a_run_that_another_process_trains_is_left_alone(market_workspace, monkeypatch):
    run = stopped_run(market_workspace, monkeypatch)
    refused = pytest.raises(KronosQuantError, match="another process is training this run")
    with held_run(run, KronosQuantError("held")), refused as caught:
        run_training(settings(market_workspace, state_every_steps=1), gpus=0)
    assert caught.value.hint == "kq train --fresh"
    assert run.manifest()["status"] == "failed"


def test_a_prepared_run_is_trained_elsewhere_and_finished_here(market_workspace):
    prepared = prepare_training(settings(market_workspace), gpus=0)
    assert f"-m kronos_quant.training {prepared.job_file}" in "\n".join(prepared.lines())
    fit(TrainingJob.model_validate_json(prepared.job_file.read_text()))
    summary = run_training(settings(market_workspace), gpus=0, resume=True)
    assert summary.folder == prepared.job_file.parent
    assert (summary.folder / "loss.png").exists()
    assert finished_runs(market_workspace.runs, "train")[0].metrics()["rows"] == 9


def test_the_guides_data_path_is_ingested_first_and_names_that_differ_are_explained_once(tmp_path, caplog):
    rows = ["timestamps,open,close,high,low,volume,amount"]
    for number in range(120):
        price = 100 + number % 7
        day, minute = divmod(number, 48)
        stamp = f"2024/1/{2 + day} {9 + (35 + 5 * minute) // 60}:{(35 + 5 * minute) % 60:02d}"
        rows.append(f"{stamp},{price},{price + 1},{price + 2},{price - 1},{1000 + number},0")
    (tmp_path / "HK09988.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "kq.yaml").write_text(
        "market: {exchange: '24/7'}\nmodel: {base: scratch, preset: nano}\n"
        "data: {data_path: HK09988.csv, lookback_window: 12, predict_window: 4, train_ratio: 0.8, val_ratio: 0.2}\n"
        "training: {tokenizer_epochs: 1, basemodel_epochs: 1, batch_size: 16}\n"
    )
    with caplog.at_level("INFO", logger="kronos_quant"):
        summary = run_training(open_workspace_folder(tmp_path), gpus=0)
    assert caplog.text.count("batch_size: windows per pass over all GPUs together") == 1
    assert caplog.text.count("temperature: recipes sample at 1.0") == 1
    assert load_pair(summary.best)
    assert open_market(tmp_path).freq == "5min"
    with pytest.raises(DataError, match="no such file"):
        run_training(open_workspace_folder(tmp_path, {"train.data_path": "elsewhere.csv"}), gpus=0)


def test_a_trackers_missing_package_is_told_before_anything_is_read(market_workspace, monkeypatch):
    monkeypatch.setitem(sys.modules, "comet_ml", None)
    with pytest.raises(ConfigError, match="the package comet-ml is not installed"):
        run_training(settings(market_workspace, trackers=["comet"]), gpus=0)
    assert not market_workspace.runs.exists()


def test_a_result_shows_its_losses_its_verdict_and_its_model(run):
    result = read_result(run)
    figures = dict(result.summary().rows())
    assert list(figures)[:2] == ["tokenizer, validation loss", "predictor, validation loss"]
    assert {"trained vs untrained network", "trained vs last close", "rank IC", "model"} <= figures.keys()
    assert figures["rank IC"].startswith(("+", "-"))
    assert repr(result).startswith(f"training {run.id}\n")
    assert result.log().height == len(result.to_pandas()) == 9
    assert len(result.plot().axes) == 3
