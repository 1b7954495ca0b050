import numpy as np
import pytest

from kronos_quant.training.data import epoch_order, rank_batches


def test_an_epoch_over_all_windows_sees_each_once():
    assert sorted(epoch_order(100, 100, epoch=3, seed=1)) == list(range(100))


def test_epochs_are_cut_from_permutations_laid_end_to_end():
    drawn = np.concatenate([epoch_order(100, 30, epoch, seed=1) for epoch in range(10)])
    for first in (0, 100, 200):
        assert sorted(drawn[first : first + 100]) == list(range(100))


def test_more_samples_than_windows_repeat_only_after_all_came_once():
    drawn = epoch_order(40, 100, epoch=0, seed=0)
    assert sorted(drawn[:40]) == sorted(drawn[40:80]) == list(range(40))
    assert len(set(drawn[80:])) == 20


def test_the_order_is_seeded():
    assert epoch_order(50, 50, 0, seed=1).tolist() == epoch_order(50, 50, 0, seed=1).tolist()
    assert epoch_order(50, 50, 0, seed=1).tolist() != epoch_order(50, 50, 0, seed=2).tolist()
    assert epoch_order(50, 50, 0, seed=1).tolist() != epoch_order(50, 50, 1, seed=1).tolist()


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_ranks_share_each_step_without_overlap_and_nothing_is_lost(world):
    order = epoch_order(103, 103, 0, 0)
    steps = list(zip(*(rank_batches(order, 16, rank, world) for rank in range(world)), strict=True))
    seen = []
    for number, parts in enumerate(steps):
        together = np.concatenate(parts)
        assert sorted(together) == sorted(order[16 * number : 16 * number + 16])
        seen += together.tolist()
    assert sorted(seen) == list(range(103))


def test_a_last_batch_with_fewer_windows_than_ranks_is_left_out_on_every_rank():
    order = np.arange(18)
    assert [len(list(rank_batches(order, 16, rank, 4))) for rank in range(4)] == [1, 1, 1, 1]
