"""What speed.json says of a run's launches."""

import json

import pytest
import torch
from training.jobs import job_in

from kronos_quant.training import fit
from kronos_quant.training.logs import speed
from kronos_quant.training.logs.speed import Speed, launched_at, read_launches, speed_lines
from kronos_quant.training.processes.ranks import Ranks


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(speed.time, "time", lambda: now[0])
    return now


def ranks(world=1, rank=0):
    return Ranks(rank, world, torch.device("cpu"))


def test_moments_are_counted_from_the_start_of_the_launch_and_noted_once(tmp_path, clock, caplog):
    launch = Speed(tmp_path, ranks(2), started=97.0)
    for moment, second in (("joined", 101.5), ("ready", 103.0), ("first_step", 104.0), ("first_step", 109.0)):
        clock[0] = second
        with caplog.at_level("INFO"):
            launch.reached(moment)
    assert launch.seconds_to == {"joined": 4.5, "ready": 6.0, "first_step": 7.0}
    assert caplog.messages == [
        "ranks: 2, joined after 4.5 s, bars and networks ready after 6.0 s, first step after 7.0 s"
    ]


def test_rates_are_those_of_all_epochs_over_all_ranks_and_of_one(tmp_path):
    launch = Speed(tmp_path, ranks(2), 0.0)
    launch.epoch("tokenizer", 100, 2.0)
    launch.epoch("tokenizer", 200, 3.0)
    launch.epoch("predictor", 50, 1.0)
    [found] = read_launches(tmp_path)
    assert found["windows_per_second"] == {"tokenizer": 120.0, "predictor": 100.0}
    assert found["windows_per_second_per_rank"] == {"tokenizer": 60.0, "predictor": 50.0}


def test_a_launch_that_goes_on_is_added_and_only_the_first_rank_writes(tmp_path):
    Speed(tmp_path, ranks(1), 0.0).epoch("tokenizer", 10, 1.0)
    Speed(tmp_path, ranks(2, rank=1), 0.0).epoch("tokenizer", 10, 1.0)
    Speed(tmp_path, ranks(2), 0.0).epoch("tokenizer", 10, 1.0)
    assert [launch["ranks"] for launch in read_launches(tmp_path)] == [1, 2]


def test_the_last_launch_is_told_in_words(tmp_path, clock):
    assert speed_lines(read_launches(tmp_path)) == []
    launch = Speed(tmp_path, ranks(2), started=90.0)
    launch.reached("first_step")
    launch.epoch("tokenizer", 2_500, 1.0)
    assert speed_lines(read_launches(tmp_path)) == [
        "speed:      2 ranks on cpu, first step 10.0 s after the start; windows a second and rank: tokenizer 2,500"
    ]


def test_a_launch_is_timed_from_when_its_launcher_began(monkeypatch):
    monkeypatch.setenv(speed.LAUNCHED, "12.5")
    assert launched_at() == 12.5
    monkeypatch.delenv(speed.LAUNCHED)
    assert launched_at() == speed._imported_at


def test_a_training_leaves_its_speed_beside_its_log(market_workspace):
    job = job_in(market_workspace, tokenizer_epochs=1, predictor_epochs=1)
    fit(job)
    [found] = json.loads((job.folder / "speed.json").read_text())["launches"]
    seconds = [found["seconds_to"][moment] for moment in ("joined", "ready", "first_step")]
    assert seconds == sorted(seconds)
    assert all(rate > 0 for rate in found["windows_per_second"].values())
    fit(job)
    assert len(read_launches(job.folder)) == 1
