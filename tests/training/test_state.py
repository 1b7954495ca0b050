import random
import shutil
from types import SimpleNamespace

import pytest
import torch

from kronos_quant import CheckpointError
from kronos_quant.training.state import PhaseOutcome, PhasePosition, RunFiles, TrainingState, load_state, save_state
from kronos_quant.training.validation import ValidationScore

CPU = torch.device("cpu")


def state(serial=1, loss=1.0):
    score = ValidationScore(figures={"loss": loss, "rank_ic": None}, errors=[loss / 7])
    position = PhasePosition(outcome=PhaseOutcome(phase="tokenizer", start=score, best=score), epoch=1, step=serial)
    return TrainingState(serial=serial, identity="x", log_bytes=0, finished={}, position=position)


def test_numbers_come_back_bit_for_bit(tmp_path):
    rng = random.Random(0)
    for serial in range(1, 200):
        loss = rng.random() * 10 ** rng.randint(-9, 9)
        saved = state(serial, loss)
        saved.position.epoch_sums = [{"loss": loss / 3, "windows": 7.0}]
        assert TrainingState.model_validate_json(saved.model_dump_json()) == saved
    tensors = {"weight.a": torch.randn(3, 4), "step.a": torch.tensor(3.0)}
    save_state(tmp_path, saved, tensors)
    _, loaded = load_state(tmp_path)
    assert all(torch.equal(loaded[name], value) for name, value in tensors.items())


def test_the_newest_whole_state_counts_and_older_ones_are_removed(tmp_path):
    for serial in (1, 2, 10):
        save_state(tmp_path, state(serial), {"weight.a": torch.full((2,), float(serial))})
    found, tensors = load_state(tmp_path)
    assert found.serial == 10
    assert tensors["weight.a"].tolist() == [10.0, 10.0]
    assert [path.name for path in tmp_path.iterdir()] == ["00000010"]


def test_a_resumed_training_removes_the_state_that_a_kill_left_below_its_last(tmp_path):
    states = tmp_path / "state"
    save_state(states, state(1), {"weight.a": torch.zeros(2)})
    shutil.copytree(states / "00000001", tmp_path / "kept")
    save_state(states, state(2), {"weight.a": torch.zeros(2)})
    (tmp_path / "kept").rename(states / "00000001")
    ranks, log = SimpleNamespace(first=True, wait=lambda: None), SimpleNamespace(cut=lambda length: None)
    RunFiles(tmp_path, "x", ranks, log, None).resume()
    assert [path.name for path in states.iterdir()] == ["00000002"]


def test_without_a_state_there_is_none(tmp_path):
    assert load_state(tmp_path / "state") is None


def test_a_state_of_an_unknown_form_is_refused(tmp_path):
    (tmp_path / "00000001").mkdir()
    (tmp_path / "00000001" / "state.json").write_text('{"serial": 1, "extra": 2}')
    with pytest.raises(CheckpointError, match=r"00000001/state\.json: "):
        load_state(tmp_path)
