"""The real loop, run tiny on the CPU."""

import hashlib
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from training.jobs import job_in, weights

from kronos_quant import CheckpointError, ConfigError, DataError, KronosQuantError
from kronos_quant.config import ModelConfig, TrainConfig
from kronos_quant.model import PRESETS, Kronos, KronosTokenizer, load_pair
from kronos_quant.training import fit, launch
from kronos_quant.training.batches import TrainingData
from kronos_quant.training.batches.data import epoch_plan
from kronos_quant.training.fit import BEST, LOG, read_rows, starting_networks
from kronos_quant.training.state import load_state
from kronos_quant.windows import gather

FIT = sys.modules[fit.__module__]


def test_a_training_leaves_best_periodic_checkpoints_a_log_and_a_card(market_workspace):
    job = job_in(market_workspace)
    result = fit(job)
    assert load_pair(result.best).max_context == 512
    checkpoints = job.folder / "checkpoints"
    assert sorted(path.name for path in (checkpoints / "predictor").iterdir()) == ["best", "last"]
    KronosTokenizer.from_pretrained(checkpoints / "tokenizer" / "best")
    rows = read_rows(job.folder)
    assert [(row["phase"], row["epoch"], row["split"]) for row in rows] == [
        ("tokenizer", 0, "val"),
        ("tokenizer", 1, "train"),
        ("tokenizer", 1, "val"),
        ("predictor", 0, "val"),
        ("predictor", 1, "train"),
        ("predictor", 1, "val"),
        ("predictor", 2, "train"),
        ("predictor", 2, "val"),
    ]
    assert result.tokenizer.best_loss < result.tokenizer.start_loss
    assert result.predictor.best_loss < result.predictor.start_loss
    card = json.loads((result.best / "card.json").read_text())
    weights = result.best / "predictor" / "model.safetensors"
    assert card["sha256"]["predictor/model.safetensors"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert len(card["sha256"]) == 4
    assert (card["lookback_window"], card["predict_window"], card["freq"]) == (16, 4, "day")
    assert card["targets"]["train"][1] < card["targets"]["val"][0] < card["targets"]["test"][0]


def test_equal_seeds_give_equal_weights_and_other_seeds_others(market_workspace):
    first, again, other = (
        weights(fit(job_in(market_workspace, name, seed=seed, predictor_epochs=1)).best)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_phase_of_zero_epochs_keeps_the_base(market_workspace):
    base = fit(job_in(market_workspace, "base")).best
    job = job_in(market_workspace, "tuned", tokenizer_epochs=0, predictor_epochs=1)
    job = job.model_copy(update={"model": ModelConfig(base=str(base))})
    tuned = weights(fit(job).best)
    before = weights(base)
    assert all(torch.equal(before[name], tuned[name]) for name in before if name.startswith("t."))
    assert not all(torch.equal(before[name], tuned[name]) for name in before if name.startswith("p."))


def test_what_is_trained_here_says_that_its_dependency_layer_is_consistent(market_workspace):
    best = fit(job_in(market_workspace, predictor_epochs=0, tokenizer_epochs=0)).best
    assert Kronos.from_pretrained(best / "predictor").config.dependency_rotation == "consistent"


def test_two_processes_train_the_predictor_like_one_at_the_same_global_batch(market_workspace):
    # 2 epochs of 4 steps; gradients of halves are summed in another order, which AdamW turns into up to a step where a
    # gradient is 0 but for rounding (the keys' biases)
    settings = {"tokenizer_epochs": 0, "accumulation_steps": 2, "batch_size": 8}
    alone = job_in(market_workspace, "alone", **settings)
    fit(alone)
    job = job_in(market_workspace, "together", **settings)
    (job.folder / "job.json").write_text(job.model_dump_json())
    launch(job.folder / "job.json", processes=2)
    one, two = weights(alone.folder / BEST), weights(job.folder / BEST)
    floats = [name for name in one if one[name].is_floating_point() and "k_proj.bias" not in name]
    assert max(float((one[name] - two[name]).abs().max()) for name in floats) < 1e-4
    losses = [[row["loss"] for row in read_rows(each.folder)] for each in (alone, job)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


@pytest.mark.slow
def test_two_processes_train_the_tokenizer_nearly_like_one(market_workspace):
    # the entropy of the code book is taken over a rank's own windows
    alone, job = (job_in(market_workspace, name, predictor_epochs=0) for name in ("alone", "together"))
    fit(alone)
    (job.folder / "job.json").write_text(job.model_dump_json())
    launch(job.folder / "job.json", processes=2)
    losses = [[row["loss"] for row in read_rows(each.folder)] for each in (alone, job)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-2)


def test_too_few_bars_for_a_window_say_which_split_and_how_many(market_workspace):
    with pytest.raises(DataError, match=r"training: no window of 200 \+ 4 bars has its targets in .* \(12 symbols"):
        fit(job_in(market_workspace, lookback_window=200))
    with pytest.raises(DataError, match=r"validation: no window of 16 \+ 30 bars"):
        fit(job_in(market_workspace, "b", predict_window=30))


def test_a_loss_that_is_not_a_number_stops_the_training_and_keeps_what_was_saved(market_workspace):
    job = job_in(market_workspace, predictor_learning_rate=1e18, predictor_epochs=3, max_grad_norm=1e30)
    with pytest.raises(
        KronosQuantError,
        match=r"predictor: the training loss became (nan|inf) in epoch \d, step \d; its windows are MADE\d+ 20",
    ) as caught:
        fit(job)
    assert caught.value.hint.startswith("lower train.predictor_learning_rate or look at these bars")
    assert (job.folder / "checkpoints" / "tokenizer" / "best").is_dir()
    assert not (job.folder / BEST).exists()


def test_a_rank_that_fails_ends_the_launch_with_one_error(market_workspace):
    job = job_in(market_workspace, lookback_window=200)
    (job.folder / "job.json").write_text(job.model_dump_json())
    with pytest.raises(KronosQuantError, match="ended with exit code 3"):
        launch(job.folder / "job.json", processes=2)
    assert not (job.folder / LOG).exists()


def test_a_base_that_is_not_there_is_a_checkpoint_error(market_workspace):
    job = job_in(market_workspace).model_copy(update={"model": ModelConfig(base="NeoQuasar/Kronos-small")})
    with pytest.raises(CheckpointError, match="Kronos-small"):
        fit(job)


def test_a_market_without_bars_is_a_data_error(market_workspace):
    job = job_in(market_workspace)
    shutil.rmtree(market_workspace.root / "db")
    with pytest.raises(DataError):
        fit(job)


def test_the_windows_whose_loss_is_not_a_number_are_named_and_the_state_before_them_is_kept(
    market_workspace, monkeypatch
):
    job = job_in(market_workspace, state_every_steps=1, samples_per_epoch=160, predictor_epochs=0)
    inner = KronosTokenizer.loss
    spoilt = np.float32(0)

    def loss(self, x):
        parts = inner(self, x)
        hit = (x[:, -1, 3] == spoilt).any()
        return replace(parts, total=parts.total * torch.where(hit, torch.nan, 1.0))

    load = FIT.load_data

    def load_and_choose(*arguments):
        nonlocal spoilt
        data = load(*arguments)
        chosen = epoch_plan(data, job.train).order(1)[40]
        spoilt = gather(data.table, data.train, np.array([chosen]), data.clip).values[0, -1, 3]
        load_and_choose.label = TrainingData.label(data, data.train, chosen)
        return data

    monkeypatch.setattr(FIT, "load_data", load_and_choose)
    monkeypatch.setattr(KronosTokenizer, "loss", loss)
    with pytest.raises(KronosQuantError, match="tokenizer: the training loss became nan in epoch 1, step 3") as caught:
        fit(job)
    assert str(caught.value).endswith(f"its bad windows are {load_and_choose.label}")
    state, tensors = load_state(job.folder / "state")
    assert (state.position.epoch, state.position.step) == (1, 2)
    assert all(value.isfinite().all() for value in tensors.values())


@pytest.mark.parametrize(
    ("rotation", "note"), [("consistent", "would forecast wrongly"), ("published", "reads these weights")]
)
def test_the_rotation_asked_for_is_in_the_config_and_the_card_says_what_it_means(market_workspace, rotation, note):
    job = job_in(market_workspace, tokenizer_epochs=0, predictor_epochs=1, dependency_rotation=rotation)
    best = fit(job).best
    assert load_pair(best).predictor.config.dependency_rotation == rotation
    card = json.loads((best / "card.json").read_text())
    assert card["dependency_rotation"] == rotation
    assert note in card["note"]


def test_dropout_is_the_bases_own_unless_asked_for_and_attention_has_none(market_workspace):
    job = job_in(market_workspace)
    small = job.model_copy(update={"model": ModelConfig(base="scratch", preset="small")})
    config = starting_networks(small).predictor.config
    published = PRESETS["small"].predictor
    assert (config.ffn_dropout_p, config.token_dropout_p) == (published.ffn_dropout_p, published.token_dropout_p)
    assert (published.attn_dropout_p, config.attn_dropout_p) == (0.1, 0.0)
    train = TrainConfig.model_validate({"dropout": 0.05, "attention_dropout": None})
    config = starting_networks(small.model_copy(update={"train": train})).predictor.config
    assert (config.ffn_dropout_p, config.resid_dropout_p, config.token_dropout_p) == (0.05, 0.05, 0.05)
    assert config.attn_dropout_p == 0.1


def test_periodic_checkpoints_stay_and_patience_ends_a_phase(market_workspace):
    job = job_in(market_workspace, tokenizer_epochs=0, predictor_epochs=6, checkpoint_every=2, patience=2,
                 predictor_learning_rate=1e-12)  # fmt: skip
    fit(job)
    rows = [row for row in read_rows(job.folder) if row["phase"] == "predictor" and row["split"] == "val"]
    best = min(rows, key=lambda row: row["loss"])["epoch"]
    assert rows[-1]["epoch"] == min(best + 2, 6)
    names = sorted(path.name for path in (job.folder / "checkpoints" / "predictor").iterdir())
    assert [name for name in names if name.startswith("epoch")] == [
        f"epoch_{epoch:03d}" for epoch in range(2, rows[-1]["epoch"] + 1, 2)
    ]


def test_a_base_of_another_shape_than_its_tokenizer_is_refused(market_workspace):
    base = fit(job_in(market_workspace, "base", tokenizer_epochs=0, predictor_epochs=0)).best
    shutil.rmtree(base / "tokenizer")
    KronosTokenizer(replace(PRESETS["nano"].tokenizer, s1_bits=7)).save_pretrained(base / "tokenizer")
    job = job_in(market_workspace).model_copy(update={"model": ModelConfig(base=str(base))})
    with pytest.raises(CheckpointError, match="the tokenizer does not fit the predictor"):
        fit(job)


def test_fp16_without_cuda_is_refused_before_anything_is_read(market_workspace):
    with pytest.raises(ConfigError, match="fp16 needs CUDA"):
        fit(job_in(market_workspace, precision="fp16"))


def test_nccl_without_cuda_is_refused(market_workspace):
    with pytest.raises(ConfigError, match=r"train\.backend: nccl works between GPUs only"):
        fit(job_in(market_workspace, backend="nccl"))


def test_training_in_bf16_with_augmentation_averages_and_a_cosine_lowers_the_loss(market_workspace):
    job = job_in(
        market_workspace, precision="bf16", schedule="cosine", weight_average=0.8, dropout=0.1, workers=2,
        augment={"noise": 0.05, "magnitude": 0.1, "time_warp": 0.2, "slice": 0.1},
    )  # fmt: skip
    result = fit(job)
    assert result.tokenizer.best_loss < result.tokenizer.start_loss
    assert result.predictor.best_loss < result.predictor.start_loss
    assert all(value.dtype != torch.bfloat16 for value in weights(result.best).values())
