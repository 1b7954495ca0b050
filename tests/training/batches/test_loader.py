"""Every window once: what the loaders of all ranks yield, with and without workers."""

import numpy as np
import polars as pl
import pytest
import torch
from training.jobs import job_in

from kronos_quant.config import AugmentConfig
from kronos_quant.market import open_market
from kronos_quant.model import PRESETS, KronosTokenizer
from kronos_quant.training import list_windows, load_data
from kronos_quant.training.batches.loader import BatchLoader, EpochPlan, TrainingBatch, epoch_plan, validation_batches
from kronos_quant.training.batches.tokens import TokenTable, tokenize_index
from kronos_quant.training.processes import Ranks
from kronos_quant.windows import gather

CPU = torch.device("cpu")


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
    ranks = [BatchLoader(None, plan(103, 103), Ranks(rank, world, CPU))._passes(1, 0) for rank in range(world)]
    seen = []
    for parts in zip(*ranks, strict=True):
        together = [window for part in parts for window in part.windows[: part.drawn].tolist()]
        assert sorted(together) == sorted(parts[0].whole)
        seen += together
    assert sorted(seen) == list(range(103))


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_validation_is_disjoint_and_complete_and_its_batches_do_not_depend_on_the_ranks(world):
    batches = [tuple(part) for rank in range(world) for part in validation_batches(50, 8, rank, world)]
    alone = [tuple(part) for part in validation_batches(50, 8, 0, 1)]
    assert sorted(batches) == sorted(alone)
    assert sorted(window for part in batches for window in part) == list(range(50))


@pytest.fixture
def data_and_plan(market_workspace):
    job = job_in(market_workspace, batch_size=6, samples_per_epoch=20)
    data = load_data(open_market(market_workspace.root), job.train, "all")
    return data, epoch_plan(data, job.train)


def test_a_batch_holds_the_windows_normalised_by_their_lookback(data_and_plan):
    data, plan = data_and_plan
    item, batch = next(iter(BatchLoader(data, plan, Ranks(0, 1, CPU)).epoch(1)))
    expected = gather(data.table, data.train, item.windows, data.clip)
    assert np.array_equal(batch.values.numpy(), expected.values)
    assert np.array_equal(batch.stamp.numpy(), expected.stamp)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_neither_order_nor_numbers(data_and_plan, workers):
    data, plan = data_and_plan
    alone, ahead = (
        list(BatchLoader(data, plan, Ranks(0, 1, CPU), augmented=AugmentConfig(noise=0.1), workers=count).epoch(2))
        for count in (0, workers)
    )
    assert len(alone) == len(ahead) == 4
    for (item, batch), (other, made_ahead) in zip(alone, ahead, strict=True):
        assert item.windows.tolist() == other.windows.tolist()
        assert torch.equal(batch.values, made_ahead.values)


def test_shares_of_a_step_add_up_to_its_mean_and_a_rank_without_a_window_counts_nothing(data_and_plan):
    data, plan = data_and_plan
    feeds = [BatchLoader(data, plan, Ranks(rank, 4, CPU)) for rank in range(4)]
    steps = list(zip(*(feed.epoch(1) for feed in feeds), strict=True))
    for parts in steps:
        # DDP averages over the 4 ranks
        assert sum(item.share for item, _ in parts) / 4 == pytest.approx(1)
    last = [item for item, _ in steps[-1]]
    assert [item.drawn for item in last] == [1, 1, 0, 0]
    assert [len(item.windows) for item in last] == [1, 1, 1, 1]
    assert last[3].share == 0


def test_a_rank_without_a_validation_batch_joins_in_with_no_weight(data_and_plan):
    data, plan = data_and_plan
    batches = -(-len(data.val) // plan.batch_size)
    [(windows, batch)] = BatchLoader(data, plan, Ranks(batches, batches + 1, CPU)).validation()
    assert len(windows) == 0
    assert len(batch.values) == plan.batch_size
    assert sum(len(drawn) for drawn, _ in BatchLoader(data, plan, Ranks(0, 1, CPU)).validation()) == len(data.val)


def test_leaving_an_epoch_early_ends_its_workers(data_and_plan):
    data, plan = data_and_plan
    passes = BatchLoader(data, plan, Ranks(0, 1, CPU), workers=2).epoch(1)
    next(passes)
    passes.close()
    assert list(passes) == []


def test_kept_tokens_are_those_of_the_windows(data_and_plan):
    data, plan = data_and_plan
    torch.manual_seed(0)
    tokenizer = KronosTokenizer(PRESETS["nano"].tokenizer).eval()
    ranks = Ranks(0, 1, CPU)
    tokens = tokenize_index(tokenizer, data.table, data.train, data.clip, ranks)
    feed = BatchLoader(data, plan, ranks, train_tokens=tokens)
    item, batch = next(iter(feed.epoch(1)))
    values = torch.from_numpy(gather(data.table, data.train, item.windows, data.clip).values)
    s1, s2 = tokenizer.encode(values)
    assert batch.values is None
    assert torch.equal(batch.tokens[0], s1)
    assert torch.equal(batch.tokens[1], s2)


def test_ids_of_sixteen_bits_survive_being_kept(data_and_plan):
    ids = torch.tensor([[0, 1, 32_767, 32_768, 65_535]])
    table = TokenTable(ids.to(torch.int16), ids.to(torch.int16))
    assert torch.equal(table.select(torch.tensor([0]))[0], ids)


def test_a_batch_on_the_cpu_stays_where_it_is():
    batch = TrainingBatch(torch.zeros(1, 2, 5, dtype=torch.int16), torch.zeros(1, 2, 6))
    assert batch.to(CPU) is batch


KEYS = ["symbol", "asof"]


@pytest.fixture(scope="module")
def loaded(market_folder, tmp_path_factory):
    import shutil

    from kronos_quant.workspace import open_workspace_folder

    folder = tmp_path_factory.mktemp("windows") / "workspace"
    shutil.copytree(market_folder, folder)
    workspace = open_workspace_folder(folder)
    job = job_in(workspace, samples_per_epoch="all", validation_windows="all")
    return load_data(open_market(workspace.root), job.train, "all"), job.train


@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("workers", [0, 2, 4])
def test_every_window_is_drawn_once_whatever_the_ranks_and_the_workers(loaded, ranks, workers):
    data, config = loaded
    windows = list_windows(data, config, ranks=ranks, workers=workers)
    for split, index in (("train", data.train), ("val", data.val)):
        part = windows.filter(pl.col("split") == split)
        assert part.n_unique(KEYS) / part.height == 1.0
        assert part.height == len(index)


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_a_step_has_the_same_windows_for_any_number_of_ranks(loaded, ranks):
    data, config = loaded
    alone, shared = (
        list_windows(data, config, ranks=count, epoch=2)
        .filter(pl.col("split") == "train")
        .sort("step", *KEYS)
        .select("step", *KEYS)
        for count in (1, ranks)
    )
    assert alone.equals(shared)


def test_validation_windows_are_disjoint_over_ranks(loaded):
    data, config = loaded
    val = list_windows(data, config, ranks=4).filter(pl.col("split") == "val")
    assert val.group_by(KEYS).agg(pl.col("rank").n_unique())["rank"].max() == 1
    assert val["rank"].n_unique() > 1


def test_epochs_differ_and_a_window_names_its_symbol_and_last_bar(loaded):
    data, config = loaded
    first, second = (list_windows(data, config, epoch=epoch).filter(pl.col("split") == "train") for epoch in (1, 2))
    assert first["window"].to_list() != second["window"].to_list()
    row = first.row(0, named=True)
    anchor = data.train.anchor[row["window"]]
    assert row["symbol"] == data.table.symbols[data.table.symbol_id[anchor]]
    assert row["asof"] == data.table.time[anchor].item()
    assert data.label(data.train, row["window"]) == f"{row['symbol']} {row['asof']:%Y-%m-%d}"
