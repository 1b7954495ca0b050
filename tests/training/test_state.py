import random

import pytest
import torch

from kronos_quant import CheckpointError
from kronos_quant.training.logs.journal import Journal, read_rows
from kronos_quant.training.means import Means
from kronos_quant.training.processes.ranks import Ranks
from kronos_quant.training.state import Outcome, Position, TrainingState, load_state, save_state
from kronos_quant.training.validation import Score

CPU = torch.device("cpu")


def state(serial=1, loss=1.0):
    score = Score(figures={"loss": loss, "rank_ic": None}, errors=[loss / 7])
    position = Position(outcome=Outcome(phase="tokenizer", start=score, best=score), epoch=1, step=serial)
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


def test_without_a_state_there_is_none(tmp_path):
    assert load_state(tmp_path / "state") is None


def test_a_state_of_an_unknown_form_is_refused(tmp_path):
    (tmp_path / "00000001").mkdir()
    (tmp_path / "00000001" / "state.json").write_text('{"serial": 1, "extra": 2}')
    with pytest.raises(CheckpointError, match="00000001: the state cannot be read"):
        load_state(tmp_path)


def test_the_log_is_cut_where_a_state_left_it(tmp_path):
    journal = Journal(tmp_path, writes=True)
    journal.row({"step": 1})
    size = journal.size()
    journal.row({"step": 2})
    journal.cut(size)
    journal.row({"step": 3})
    assert read_rows(tmp_path) == [{"step": 1}, {"step": 3}]


def test_ranks_that_do_not_save_leave_the_log_alone(tmp_path):
    Journal(tmp_path, writes=True).row({"step": 1})
    other = Journal(tmp_path, writes=False)
    other.row({"step": 2})
    other.cut(0)
    assert other.size() == 0
    assert read_rows(tmp_path) == [{"step": 1}]


def test_means_are_weighted_by_windows_and_come_back():
    means, alone = Means(), Ranks(0, 1, CPU)
    means.add({"loss": torch.tensor(1.0)}, 3)
    means.add({"loss": torch.tensor(5.0)}, 1)
    assert means.over(alone) == {"loss": 2.0}
    again = Means.restored(means.saved(alone), alone)
    again.add({"loss": torch.tensor(2.0)}, 4)
    assert again.over(alone) == {"loss": 2.0}


def test_another_number_of_ranks_loses_no_window_of_the_epoch():
    saved = [{"loss": 6.0, "windows": 3.0}, {"loss": 2.0, "windows": 1.0}]
    first, second, third = (Means.restored(saved, Ranks(rank, 3, CPU)) for rank in range(3))
    assert (first.sums["loss"].item(), first.windows) == (8.0, 4.0)
    assert (second.windows, third.windows) == (0, 0)
    assert Means.restored([], Ranks(0, 2, CPU)).sums == {}
