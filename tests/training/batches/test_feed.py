import numpy as np
import pytest
import torch
from training.jobs import job_in

from kronos_quant.config import AugmentConfig
from kronos_quant.market import open_market
from kronos_quant.model import PRESETS, KronosTokenizer
from kronos_quant.training import load_data
from kronos_quant.training.batches import Batch, Feed, tokenize_index
from kronos_quant.training.batches.data import epoch_plan
from kronos_quant.training.processes.ranks import Ranks
from kronos_quant.windows import gather

CPU = torch.device("cpu")


@pytest.fixture
def data_and_plan(market_workspace):
    job = job_in(market_workspace, batch_size=6, samples_per_epoch=20)
    data = load_data(open_market(market_workspace.root), job.train, "all")
    return data, epoch_plan(data, job.train)


def test_a_batch_holds_the_windows_normalised_by_their_lookback(data_and_plan):
    data, plan = data_and_plan
    item, batch = next(iter(Feed(data, plan, Ranks(0, 1, CPU)).epoch(1)))
    expected = gather(data.table, data.train, item.windows, data.clip)
    assert np.array_equal(batch.values.numpy(), expected.values)
    assert np.array_equal(batch.stamp.numpy(), expected.stamp)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_neither_order_nor_numbers(data_and_plan, workers):
    data, plan = data_and_plan
    alone, ahead = (
        list(Feed(data, plan, Ranks(0, 1, CPU), augmented=AugmentConfig(noise=0.1), workers=count).epoch(2))
        for count in (0, workers)
    )
    assert len(alone) == len(ahead) == 4
    for (item, batch), (other, made_ahead) in zip(alone, ahead, strict=True):
        assert item.windows.tolist() == other.windows.tolist()
        assert torch.equal(batch.values, made_ahead.values)


def test_shares_of_a_step_add_up_to_its_mean_and_a_rank_without_a_window_counts_nothing(data_and_plan):
    data, plan = data_and_plan
    feeds = [Feed(data, plan, Ranks(rank, 4, CPU)) for rank in range(4)]
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
    [(windows, batch)] = Feed(data, plan, Ranks(batches, batches + 1, CPU)).validation()
    assert len(windows) == 0
    assert len(batch.values) == plan.batch_size
    assert sum(len(drawn) for drawn, _ in Feed(data, plan, Ranks(0, 1, CPU)).validation()) == len(data.val)


def test_leaving_an_epoch_early_ends_its_workers(data_and_plan):
    data, plan = data_and_plan
    passes = Feed(data, plan, Ranks(0, 1, CPU), workers=2).epoch(1)
    next(passes)
    passes.close()
    assert list(passes) == []


def test_kept_tokens_are_those_of_the_windows(data_and_plan):
    data, plan = data_and_plan
    torch.manual_seed(0)
    tokenizer = KronosTokenizer(PRESETS["nano"].tokenizer).eval()
    ranks = Ranks(0, 1, CPU)
    tokens = tokenize_index(tokenizer, data.table, data.train, data.clip, ranks)
    feed = Feed(data, plan, ranks, train_tokens=tokens)
    item, batch = next(iter(feed.epoch(1)))
    values = torch.from_numpy(gather(data.table, data.train, item.windows, data.clip).values)
    s1, s2 = tokenizer.encode(values)
    assert batch.values is None
    assert torch.equal(batch.tokens[0], s1)
    assert torch.equal(batch.tokens[1], s2)


def test_ids_of_sixteen_bits_survive_being_kept(data_and_plan):
    from kronos_quant.training.batches import TokenTable

    ids = torch.tensor([[0, 1, 32_767, 32_768, 65_535]])
    table = TokenTable(ids.to(torch.int16), ids.to(torch.int16))
    assert torch.equal(table.of(torch.tensor([0]))[0], ids)


def test_a_batch_on_the_cpu_stays_where_it_is():
    batch = Batch(torch.zeros(1, 2, 5, dtype=torch.int16), torch.zeros(1, 2, 6))
    assert batch.to(CPU) is batch
