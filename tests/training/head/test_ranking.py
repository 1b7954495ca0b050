"""The return head in a training: what it learns from, what it is worth, what it leaves."""

import json

import numpy as np
import polars as pl
import pytest
from training.jobs import job_in, left

from kronos_quant import DataError
from kronos_quant.market import ingest_synthetic, open_market
from kronos_quant.signals.importing import read_foreign
from kronos_quant.training import fit, launch, load_data
from kronos_quant.training.batches import CrossSections
from kronos_quant.training.head.ranking import compare_rankings, training_windows, usable_dates
from kronos_quant.training.logs import read_rows
from kronos_quant.training.processes import Stop
from kronos_quant.training.validation import Score
from kronos_quant.windows import WindowIndex
from kronos_quant.workspace import init_workspace, open_workspace_folder

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
    with pytest.raises(DataError, match=r"train\.head: needs training dates with 10 symbols, the most .* has is 6"):
        usable_dates(loaded(workspace, samples_per_epoch=16))
    job = job_in(workspace, head=HEAD, samples_per_epoch=16, batch_size=8, tokenizer_epochs=1, predictor_epochs=1)
    with pytest.raises(DataError, match=r"train\.head: needs") as caught:
        fit(job)
    assert caught.value.hint == "it ranks symbols against each other: set train.head.epochs to 0"
    assert not (job.folder / "log.jsonl").exists()


def ranked(ics):
    found = [ic for ic in ics if ic is not None]
    mean = sum(found) / len(found) if found else None
    return Score(figures={"rank_ic": mean, "rank_ic_margin": 0.1}, rank_ics=ics)


def sections(dates):
    date = np.arange(dates)
    return CrossSections(WindowIndex(1, 1, date), date, date)


def test_a_gain_is_a_difference_above_its_interval_date_by_date():
    decoded = ranked([0.1, 0.3, 0.2, None])
    found = compare_rankings(ranked([0.2, 0.4, 0.4, 0.9]), decoded, sections(4))
    # the differences are .1 .1 .2: mean .1333, standard error .0333, t 4.302653; the last date has no decoded one
    assert found["difference"] == pytest.approx(0.4 / 3)
    assert found["difference_margin"] == pytest.approx(4.302653 / 30, rel=1e-6)
    assert not found["gain"]
    assert found["verdict"] == (
        "return head: rank IC +0.4750, decoded forecasts +0.2000: no gain that is told from chance (+0.1333 ± 0.1434)"
    )
    better = compare_rankings(ranked([0.3, 0.5, 0.41, None]), decoded, sections(4))
    assert better["gain"]
    assert better["verdict"].endswith("a gain (+0.2033 ± 0.0143)")


@pytest.mark.parametrize("ics", [[0.5], [None, None]])
def test_too_few_dates_are_no_gain(ics):
    found = compare_rankings(ranked(ics), ranked(ics), sections(len(ics)))
    assert (found["gain"], found["verdict"]) == (
        False,
        "return head: no gain to be told: too few dates with symbols to rank",
    )


@pytest.fixture
def headed(market_workspace):
    """A training with a head, and its job."""
    job = job_in(market_workspace, "headed", head=HEAD, decoded_windows=60, predictor_epochs=1)
    return job, fit(job)


def test_a_head_is_logged_kept_and_set_beside_the_decoded_forecasts(headed):
    job, result = headed
    rows = [row for row in read_rows(job.folder) if row["phase"] == "head"]
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


def test_a_head_leaves_the_networks_alone(headed, market_workspace):
    plain = fit(job_in(market_workspace, "plain", decoded_windows=60, predictor_epochs=1))
    for name in ("tokenizer", "predictor"):
        files = [best / name / "model.safetensors" for best in (headed[1].best, plain.best)]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert plain.card.head is None
    assert not (plain.best.parent / "head").exists()


def test_its_scores_of_unseen_dates_are_signals_to_import(headed, market_workspace):
    job, result = headed
    market = open_market(market_workspace.root)
    signals = read_foreign(job.folder / "head_scores.parquet", market)
    assert (signals.score, signals.not_finite, signals.unknown_rows, signals.no_session) == ("score", 0, 0, 0)
    assert signals.rows["date"].min() > result.card.targets.train[1].date()
    # the newest session has no future yet, and scores all the same
    assert signals.rows["date"].max() == market.sessions()[-1]


def test_fitted_again_or_stopped_on_the_way_it_leaves_the_same_bytes(headed, monkeypatch):
    job, _ = headed
    before = left(job.folder)
    asked = []

    def stop_after_the_first_epoch(stop):
        asked.append(stop)
        return len(asked) > 8

    with monkeypatch.context() as patch:
        patch.setattr(Stop, "asked", property(stop_after_the_first_epoch, lambda stop, value: None))
        with pytest.raises(KeyboardInterrupt):
            fit(job)
    fit(job)
    assert left(job.folder) == before


@pytest.mark.slow
def test_two_processes_train_the_same_head(market_workspace):
    settings = {"head": HEAD | {"hidden": 8, "loss": "pairwise"}, "tokenizer_epochs": 0, "predictor_epochs": 0}
    alone, job = (job_in(market_workspace, name, **settings) for name in ("alone", "together"))
    fit(alone)
    (job.folder / "job.json").write_text(job.model_dump_json())
    launch(job.folder / "job.json", processes=2)
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
