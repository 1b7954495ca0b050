import numpy as np
import pytest

from kronos_quant.training.batches.order import EpochPlan, evenly, rank_share, validation_batches


def plan(windows, samples, batch_size=16, passes=1, seed=1):
    return EpochPlan(windows, samples, batch_size, passes, seed)


def test_an_epoch_over_all_windows_sees_each_once():
    assert sorted(plan(100, 100).order(4)) == list(range(100))


def test_epochs_are_cut_from_permutations_laid_end_to_end():
    drawn = np.concatenate([plan(100, 30).order(epoch) for epoch in range(1, 11)])
    for first in (0, 100, 200):
        assert sorted(drawn[first : first + 100]) == list(range(100))


def test_the_order_is_a_function_of_seed_and_epoch():
    assert plan(50, 50).order(1).tolist() == plan(50, 50).order(1).tolist()
    assert plan(50, 50).order(1).tolist() != plan(50, 50, seed=2).order(1).tolist()
    assert plan(50, 50).order(1).tolist() != plan(50, 50).order(2).tolist()


def test_a_step_is_cut_into_passes_and_the_last_step_takes_what_is_left():
    steps = list(plan(100, 100, batch_size=16, passes=2).steps_of(1))
    assert [[len(part) for part in step] for step in steps] == [[16, 16], [16, 16], [16, 16], [4]]
    assert plan(100, 100, batch_size=16, passes=2).steps == 4
    assert np.concatenate([part for step in steps for part in step]).tolist() == plan(100, 100).order(1).tolist()


def test_an_epoch_that_is_taken_up_later_goes_on_with_the_same_steps():
    whole = list(plan(100, 100).steps_of(3))
    rest = list(plan(100, 100).steps_of(3, first=4))
    assert [[part.tolist() for part in step] for step in rest] == [[p.tolist() for p in step] for step in whole[4:]]


@pytest.mark.parametrize("world", [1, 2, 4, 8])
def test_the_ranks_share_each_pass_without_overlap_and_nothing_is_lost(world):
    seen = []
    for step in plan(103, 103).steps_of(1):
        for whole in step:
            together = np.concatenate([rank_share(whole, rank, world) for rank in range(world)])
            assert sorted(together) == sorted(whole)
            seen += together.tolist()
    assert sorted(seen) == list(range(103))


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_validation_is_disjoint_and_complete_and_its_batches_do_not_depend_on_the_ranks(world):
    batches = [tuple(part) for rank in range(world) for part in validation_batches(50, 8, rank, world)]
    alone = [tuple(part) for part in validation_batches(50, 8, 0, 1)]
    assert sorted(batches) == sorted(alone)
    assert sorted(window for part in batches for window in part) == list(range(50))


def test_evenly_takes_both_ends_and_no_more_than_there_are():
    assert np.flatnonzero(evenly(11, 3)).tolist() == [0, 5, 10]
    assert evenly(4, 100).all()
