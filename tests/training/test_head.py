"""The return head: its losses, its network, its training and its files."""

import json
import math
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import rankdata
from training.jobs import job_in, left

from kronos_quant import DataError
from kronos_quant.config import HeadConfig
from kronos_quant.market import ingest_synthetic, open_market
from kronos_quant.model import read_card
from kronos_quant.signals.importing import read_external
from kronos_quant.training import fit, launch, load_data
from kronos_quant.training.batches.data import CrossSections
from kronos_quant.training.head import (
    SHARPNESS,
    RankHead,
    compare_rankings,
    date_ranks,
    listwise,
    pairwise,
    training_windows,
    usable_dates,
)
from kronos_quant.training.logs import read_log
from kronos_quant.training.processes import StopRequest
from kronos_quant.training.validation import ValidationScore
from kronos_quant.windows import WindowIndex
from kronos_quant.workspace import init_workspace, open_workspace_folder


def test_ranks_are_scipys_and_lie_around_0():
    returns = torch.tensor([0.1, -0.2, 0.1, 0.0, 0.3])
    expected = (rankdata(returns.numpy()) - 0.5) / 5 - 0.5
    assert date_ranks(returns).tolist() == pytest.approx(expected.tolist())
    assert date_ranks(torch.zeros(4)).tolist() == [0, 0, 0, 0]


def test_listwise_by_hand():
    ranks, scores = torch.tensor([-0.25, 0.25]), torch.tensor([0.0, 1.0])
    # softmax of -1 and 1 against that of 0 and 1
    target = 1 / (1 + math.exp(-SHARPNESS / 2))
    forecast = 1 / (1 + math.exp(-1.0))
    expected = -(target * math.log(forecast) + (1 - target) * math.log(1 - forecast))
    assert listwise(scores, ranks).item() == pytest.approx(expected, rel=1e-6)


def test_pairwise_by_hand():
    ranks, scores = torch.tensor([-0.25, 0.25]), torch.tensor([0.0, 1.0])
    # two pairs that are half a rank apart and rightly ordered, of four; a symbol is no pair with itself
    assert pairwise(scores, ranks).item() == pytest.approx(2 * 0.5 * math.log(1 + math.exp(-1.0)) / 4, rel=1e-6)


@pytest.mark.parametrize("loss", [listwise, pairwise])
def test_the_right_order_costs_less_than_none_and_the_wrong_one_more(loss):
    ranks = date_ranks(torch.randn(20, generator=torch.Generator().manual_seed(0)))
    right, none, wrong = (loss(scale * ranks, ranks).item() for scale in (3.0, 0.0, -3.0))
    assert right < none < wrong


def contexts(rows=50, width=6):
    generator = torch.Generator().manual_seed(0)
    return 3 + 2 * torch.randn(rows, width, generator=generator)


def test_contexts_are_standardised_by_those_it_learns_from():
    seen = contexts()
    head = RankHead(seen, 0, seed=0)
    [layer] = head.layers
    standard = (seen - seen.mean(0)) / seen.std(0)
    assert torch.allclose(head(seen), standard @ layer.weight[0] + layer.bias, atol=1e-6)


def test_a_column_that_does_not_vary_is_not_blown_up():
    seen = contexts()
    seen[:, 2] = 1.0
    assert RankHead(seen, 0, seed=0)(seen).isfinite().all()


def test_equal_seeds_give_equal_heads_and_no_other_random_number_is_drawn():
    state = torch.random.get_rng_state()
    first, again, other = (RankHead(contexts(), 4, seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(first(contexts()), again(contexts()))
    assert not torch.equal(first(contexts()), other(contexts()))


@pytest.mark.parametrize("hidden", [0, 4])
def test_what_is_saved_is_the_whole_head(tmp_path, hidden):
    head = RankHead(contexts(), hidden, seed=0)
    for _ in range(2):
        head.save(tmp_path / "head")
    assert json.loads((tmp_path / "head" / "config.json").read_text()) == {"d_model": 6, "hidden": hidden}
    kept = load_file(tmp_path / "head" / "model.safetensors")
    assert kept.keys() == head.state_dict().keys()
    again = RankHead(torch.randn(9, 6), hidden, seed=5)
    again.load_state_dict(kept)
    assert torch.equal(again(contexts()), head(contexts()))


HEAD = {"epochs": 2, "dates": 30}


def loaded(workspace, **settings):
    return load_data(open_market(workspace.root), job_in(workspace, "data", **settings).train, "all")


def test_training_dates_are_evenly_spaced_and_have_ten_symbols(market_workspace):
    data = loaded(market_workspace)
    index, date = training_windows(data, 30, 3)
    times, counts = np.unique(data.table.time[index.anchor], return_counts=True)
    assert len(times) == len(np.unique(date)) == 30
    assert counts.min() >= 10
    assert (index.lookback, index.predict) == (16, 3)
    every = np.unique(data.table.time[data.train.anchor])
    spacing = np.diff(np.searchsorted(every, times))
    assert spacing.max() - spacing.min() <= 2
    assert data.table.time[index.anchor + 3].max() <= data.splits.train.end


def test_too_few_symbols_are_told_before_anything_is_trained(tmp_path):
    init_workspace(tmp_path, "market: {exchange: XNYS}\ntrain: {lookback_window: 16, predict_window: 4}\n")
    ingest_synthetic(tmp_path, strength=0.2, symbols=6, sessions=140, seed=0)
    workspace = open_workspace_folder(tmp_path)
    with pytest.raises(DataError, match=r"train\.head: needs training dates with at least 10 symbols; .* has 6"):
        usable_dates(loaded(workspace, samples_per_epoch=16))
    job = job_in(workspace, head=HEAD, samples_per_epoch=16, batch_size=8, tokenizer_epochs=1, predictor_epochs=1)
    with pytest.raises(DataError, match=r"train\.head: needs") as caught:
        fit(job)
    assert caught.value.hint == "the head ranks symbols against each other: set train.head.epochs to 0"
    assert not (job.folder / "log.jsonl").exists()


def ranked(ics):
    found = [ic for ic in ics if ic is not None]
    mean = sum(found) / len(found) if found else None
    return ValidationScore(figures={"rank_ic": mean, "rank_ic_margin": 0.1}, rank_ics=ics)


def sections(dates):
    date = np.arange(dates)
    return CrossSections(WindowIndex(1, 1, date), date, date)


def test_a_gain_is_a_difference_above_its_interval_date_by_date():
    decoded = ranked([0.1, 0.3, 0.2, None])
    found = compare_rankings(ranked([0.2, 0.4, 0.4, 0.9]), decoded, sections(4), HeadConfig(), 30)
    # the differences are .1 .1 .2: mean .1333, standard error .0333, t 4.302653; the last date has no decoded one
    assert found.difference == pytest.approx(0.4 / 3)
    assert found.difference_margin == pytest.approx(4.302653 / 30, rel=1e-6)
    assert not found.gain
    assert found.verdict == (
        "return head: no significant gain: rank IC +0.475, validation forecasts +0.200, difference +0.133 ± 0.143"
    )
    better = compare_rankings(ranked([0.3, 0.5, 0.41, None]), decoded, sections(4), HeadConfig(), 30)
    assert better.gain
    assert better.verdict.startswith("return head: significant gain: rank IC")
    assert better.verdict.endswith("difference +0.203 ± 0.014")


@pytest.mark.parametrize("ics", [[0.5], [None, None]])
def test_too_few_dates_are_no_gain(ics):
    found = compare_rankings(ranked(ics), ranked(ics), sections(len(ics)), HeadConfig(), 30)
    assert (found.gain, found.verdict) == (
        False,
        "return head: gain not measurable (too few dates with symbols to rank)",
    )


@pytest.fixture(scope="module")
def headed(market_folder, tmp_path_factory):
    """A training with a head, and its job."""
    folder = tmp_path_factory.mktemp("head") / "workspace"
    shutil.copytree(market_folder, folder)
    workspace = open_workspace_folder(folder)
    job = job_in(workspace, "headed", head=HEAD, decoded_windows=60, predictor_epochs=1)
    return job, fit(job)


def test_a_head_is_logged_kept_and_set_beside_the_decoded_forecasts(headed):
    job, result = headed
    rows = [row for row in read_log(job.folder) if row["phase"] == "head"]
    assert [(row["epoch"], row["split"], row["step"]) for row in rows] == [
        (1, "train", 30), (1, "val", 30), (2, "train", 60), (2, "val", 60)
    ]  # fmt: skip
    assert rows[2]["loss"] < rows[0]["loss"]
    finding = json.loads((result.best / "card.json").read_text())["head"]
    assert (finding["loss"], finding["hidden"], finding["dates"]) == ("listwise", 0, 30)
    assert finding["rank_ic"] == rows[-1]["rank_ic"]
    assert finding["decoded_rank_ic"] == result.card.decoded.trained["rank_ic"]
    assert finding["verdict"].startswith("return head: ")
    assert (job.folder / "checkpoints" / "head" / "model.safetensors").exists()


def test_a_head_leaves_the_networks_alone(headed, trained_base):
    for name in ("tokenizer", "predictor"):
        files = [best / name / "model.safetensors" for best in (headed[1].best, trained_base)]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert read_card(trained_base).head is None
    assert not (trained_base.parent / "head").exists()


def test_its_scores_of_unseen_dates_are_signals_to_import(headed, market_workspace):
    job, result = headed
    market = open_market(market_workspace.root)
    signals = read_external(job.folder / "head_scores.parquet", market)
    assert (signals.score, signals.not_finite, signals.unknown_rows, signals.no_session) == ("score", 0, 0, 0)
    assert signals.frame["date"].min() > result.card.targets.train[1].date()
    # the newest session has no future yet, and scores all the same
    assert signals.frame["date"].max() == market.sessions()[-1]


def test_fitted_again_or_stopped_on_the_way_it_leaves_the_same_bytes(headed, monkeypatch):
    job, _ = headed
    before = left(job.folder)
    asked = []

    def stop_after_the_first_epoch(stop):
        asked.append(stop)
        return len(asked) > 8

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "requested", property(stop_after_the_first_epoch, lambda stop, value: None))
        with pytest.raises(KeyboardInterrupt):
            fit(job)
    fit(job)
    assert left(job.folder) == before


@pytest.mark.slow
def test_two_processes_train_the_same_head(market_workspace):
    settings = {"head": HEAD | {"hidden": 8, "loss": "pairwise"}, "tokenizer_epochs": 0, "predictor_epochs": 0}
    alone, job = (job_in(market_workspace, name, **settings) for name in ("alone", "together"))
    (job.folder / "job.json").write_text(job.model_dump_json())
    launch(job.folder / "job.json", processes=2)  # a head sorts its scores with Polars, which hangs in a forked process
    fit(alone)
    for name in ("log.jsonl", "checkpoints/head/model.safetensors"):
        assert (alone.folder / name).read_bytes() == (job.folder / name).read_bytes()
    scores = [pl.read_parquet(each.folder / "head_scores.parquet") for each in (alone, job)]
    assert scores[0].equals(scores[1])


@pytest.mark.slow
def test_a_head_finds_the_order_that_a_hidden_state_makes(tmp_path):
    """A made market whose hidden state shows in the volume: the head ranks its unseen dates."""
    init_workspace(tmp_path, "market: {exchange: XNYS}\ntrain: {lookback_window: 16, predict_window: 4}\n")
    ingest_synthetic(tmp_path, strength=0.6, symbols=60, sessions=160, seed=1)
    workspace = open_workspace_folder(tmp_path)
    job = job_in(workspace, tokenizer_epochs=2, predictor_epochs=1, samples_per_epoch=1600, batch_size=16,
                 decoded_windows=100, head={"epochs": 4})  # fmt: skip
    finding = fit(job).card.head.model_dump()
    assert finding["rank_ic"] > 0.1
