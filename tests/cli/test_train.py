"""The options of `kq train`."""

import json
import re
from pathlib import Path

import pytest
from kq_cli import train

from kronos_quant.config import ModelConfig, TrainConfig
from kronos_quant.model import ModelCard
from kronos_quant.runs import finished_runs, unfinished_runs


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """How `kq train` called the library; nothing is trained."""
    from kronos_quant.training.run import TrainingResult

    calls = []

    def run(workspace, gpus, resume=None):
        calls.append((gpus, resume))
        losses = {"predictor": {"start": 2.0, "best": 1.0, "epoch": 3}}
        figures = dict.fromkeys(("mae", "mse", "r2", "correlation", "direction", "rank_ic"), 0.1)
        decoded = {
            "windows": 8, "times": 2, "horizon": 4, "samples": 20, "chosen_by": "token_loss", "trained": figures,
            "start": figures | {"name": "zero-shot model"}, "last_close": figures, "verdict": ["no better"],
        }  # fmt: skip
        (tmp_path / "log.jsonl").touch()
        card = ModelCard.model_validate({"validation_loss": losses, "decoded": decoded})
        return TrainingResult(tmp_path, tmp_path / "best", card, [])

    monkeypatch.setattr("kronos_quant.workflows.train.run_training", run)
    return calls


@pytest.mark.parametrize(("option", "resume"), [((), None), (("--resume",), True), (("--fresh",), False)])
def test_going_on_or_beginning_is_asked_for(kq, market_workspace, asked, option, resume):
    done = kq(market_workspace.root, "train", "--gpus", "0", *option)
    assert done.code == 0
    assert asked == [(0, resume)]
    lines = done.out.splitlines()
    assert lines[0] == "predictor: validation loss 1.0000 (start 2.0000), best epoch 3"
    assert lines[1].startswith("validation forecasts: 8 windows on 2 dates, horizon 4 bars")
    assert "no better" in lines


def test_json_holds_the_figures_and_the_folders(kq, market_workspace, asked, tmp_path):
    told = json.loads(kq(market_workspace.root, "train", "--json").out)
    assert told["validation_loss"]["predictor"]["best"] == 1.0
    assert told["best"] == str(tmp_path / "best")


def test_preparing_writes_the_job_and_prints_the_line_for_every_machine(kq, market_workspace):
    done = kq(market_workspace.root, "train", "--gpus", "0", "--prepare")
    assert done.code == 0
    [run] = unfinished_runs(market_workspace.runs, "train")
    assert f"-m kronos_quant.training {run.path / 'job.json'}" in done.out
    assert "kq train --resume" in done.out
    assert finished_runs(market_workspace.runs, "train") == []


def test_nothing_to_go_on_with(kq, market_workspace):
    code, error, hint = kq(market_workspace.root, "train", "--gpus", "0", "--resume").refusal()
    assert (code, hint) == (2, "kq train")
    assert error.endswith("runs/train: no unfinished training to resume")


def test_the_help_says_what_a_stop_costs(kq, tmp_path):
    told = " ".join(kq(tmp_path, "train", "--help").out.replace("│", " ").split())
    assert "Run the same command to resume" in told
    assert "--fresh" in told
    assert "--prepare" in told


def test_the_help_leads_from_qlib_data_and_from_csv_to_a_model(kq, tmp_path):
    told = " ".join(kq(tmp_path, "train", "--help").out.replace("│", " ").split())
    for step in (
        "kq init mine",
        "kq ingest qlib DIR",
        "kq ingest csv FILE",
        "kq train",
        "data_path",
        "checkpoints/best",
    ):
        assert step in told
    named = set(re.findall(r"`([a-z_]+)`", Path(train.__file__).read_text()))
    fields = {*ModelConfig.model_fields, *TrainConfig.model_fields}
    assert {"base", "choose_by", "adapt", "lookback_window", "val_time_range"} <= named
    assert named <= fields | {"scratch"}


def test_an_unknown_option_is_refused(kq, market_workspace):
    assert kq(market_workspace.root, "train", "--batch-size", "8").refusal()[0] == 2
