"""The real loop, run tiny on the CPU."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from training.jobs import FIT, fit_in_two_processes, job_in, weights

from kronos_quant import CheckpointError, ConfigError, DataError, KronosQuantError
from kronos_quant.config import ModelConfig, TrainConfig
from kronos_quant.model import PRESETS, KronosTokenizer, load_pair
from kronos_quant.training import BEST, fit, launch
from kronos_quant.training.batches.data import TrainingData
from kronos_quant.training.batches.loader import epoch_plan
from kronos_quant.training.job import starting_networks
from kronos_quant.training.logs import LOG, read_launches, read_log
from kronos_quant.training.state import load_state
from kronos_quant.windows import gather
from kronos_quant.workspace import open_workspace_folder


def rows_of(job, phase, split=None):
    """The rows of a phase in a job's log."""
    return [row for row in read_log(job.folder) if row["phase"] == phase and split in (None, row["split"])]


@pytest.fixture(scope="module")
def plain(market_folder, tmp_path_factory):
    """A training from scratch with the settings of `job_in`, and its job; only to be read."""
    folder = tmp_path_factory.mktemp("plain") / "workspace"
    shutil.copytree(market_folder, folder)
    job = job_in(open_workspace_folder(folder), decoded_windows=40)
    return job, fit(job)


def test_a_training_leaves_best_periodic_checkpoints_a_log_and_a_card(plain):
    job, result = plain
    assert load_pair(result.best).max_context == 512
    assert load_pair(result.best).predictor.config.dependency_rotation == "consistent"
    checkpoints = job.folder / "checkpoints"
    assert sorted(path.name for path in (checkpoints / "predictor").iterdir()) == ["best", "last"]
    KronosTokenizer.from_pretrained(checkpoints / "tokenizer" / "best")
    rows = read_log(job.folder)
    assert [(row["phase"], row["epoch"], row["split"]) for row in rows] == [
        ("control", 0, "val"),
        ("tokenizer", 0, "val"),
        ("tokenizer", 1, "train"),
        ("tokenizer", 1, "val"),
        ("predictor", 0, "val"),
        ("predictor", 1, "train"),
        ("predictor", 1, "val"),
        ("predictor", 2, "train"),
        ("predictor", 2, "val"),
    ]
    assert result.tokenizer.best.loss < result.tokenizer.start.loss
    assert result.predictor.best.loss < result.predictor.start.loss
    card = json.loads((result.best / "card.json").read_text())
    weights = result.best / "predictor" / "model.safetensors"
    assert card["sha256"]["predictor/model.safetensors"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert len(card["sha256"]) == 4
    assert (card["lookback_window"], card["predict_window"], card["freq"]) == (16, 4, "day")
    assert card["targets"]["train"][1] < card["targets"]["val"][0] < card["targets"]["test"][0]


def test_equal_seeds_give_equal_weights_and_other_seeds_others(market_workspace, trained_base):
    first = weights(trained_base)
    again, other = (
        weights(fit(job_in(market_workspace, name, predictor_epochs=1, **seed)).best)
        for name, seed in (("again", {}), ("other", {"seed": 7}))
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_what_training_starts_from_is_scored_first_and_set_beside_what_it_came_to(plain):
    job, result = plain
    rows = read_log(job.folder)
    figures = {"mae", "mse", "r2", "correlation", "direction", "rank_ic", "rank_ic_margin"}
    beside = {"naive_mae", "naive_mse", "naive_r2"}
    assert (rows[0]["phase"], rows[0]["split"], rows[0]["epoch"], rows[0]["step"]) == ("control", "val", 0, 0)
    assert rows[0].keys() == {"phase", "epoch", "step", "split"} | figures | beside
    for row in rows_of(job, "predictor", "val"):
        assert row.keys() > figures | beside | {"loss", "ce_s1", "ce_s2"}
        assert {row[name] for name in beside} == {rows[0][name] for name in beside}
    assert not [row for row in rows_of(job, "tokenizer") if figures & row.keys()]
    decoded = result.card.as_dict()["decoded"]
    assert (decoded["windows"], decoded["horizon"], decoded["samples"], decoded["chosen_by"]) == (
        40,
        4,
        4,
        "token_loss",
    )
    assert decoded["start"] == {"name": "untrained network"} | {name: rows[0][name] for name in figures}
    best = rows_of(job, "predictor", "val")[result.predictor.best_epoch]
    assert decoded["trained"] == {name: best[name] for name in figures}
    assert decoded["last_close"]["mae"] == rows[0]["naive_mae"]
    assert "untrained network" in decoded["verdict"][0]
    assert "last close" in decoded["verdict"][1]


def test_a_kept_tokenizer_is_scored_once_with_the_base_and_a_trained_one_again(market_workspace, trained_base):
    for epochs, again in ((0, False), (1, True)):
        job = job_in(market_workspace, f"tuned-{epochs}", trained_base, tokenizer_epochs=epochs, predictor_epochs=0)
        result = fit(job)
        control, start = read_log(job.folder)[0], rows_of(job, "predictor", "val")[0]
        assert (control["mae"] != start["mae"]) == again
        assert result.card.decoded.start["name"] == "zero-shot model"
    # nothing was trained at all the first time
    first = json.loads((market_workspace.root / "tuned-0" / "checkpoints" / "best" / "card.json").read_text())
    assert first["decoded"]["verdict"][0] == "No epoch improved on the zero-shot model; its weights are kept."


def test_a_published_base_is_scored_by_its_own_rule_of_generation(market_workspace):
    settings = {"tokenizer_epochs": 0, "predictor_epochs": 0}
    base = fit(job_in(market_workspace, "base", dependency_rotation="published", **settings)).best
    scored = {}
    for rotation in ("published", "consistent"):
        job = job_in(market_workspace, rotation, dependency_rotation=rotation, **settings)
        fit(job.model_copy(update={"model": ModelConfig(base=str(base))}))
        scored[rotation] = read_log(job.folder)[0]["mae"], rows_of(job, "predictor", "val")[0]["mae"]
    assert scored["published"][0] == scored["published"][1] == scored["consistent"][0]
    assert scored["consistent"][1] != scored["consistent"][0]


@pytest.mark.parametrize("choose_by", ["mae", "rank_ic"])
def test_the_epoch_to_keep_is_chosen_by_the_figure_asked_for(market_workspace, choose_by):
    job = job_in(market_workspace, tokenizer_epochs=0, predictor_epochs=3, choose_by=choose_by, decoded_windows=60,
                 decoded_samples=4, patience=0, checkpoint_every=1)  # fmt: skip
    result = fit(job)
    found = [row[choose_by] for row in rows_of(job, "predictor", "val")]
    assert len(found) == 4
    assert result.predictor.best_epoch == (np.argmin if choose_by == "mae" else np.argmax)(found)
    assert result.predictor.best.figures[choose_by] == found[result.predictor.best_epoch]
    losses = [row["loss"] for row in rows_of(job, "predictor", "val")]
    assert result.predictor.best.loss == losses[result.predictor.best_epoch]
    if result.predictor.best_epoch:
        kept, of_epoch = (
            (job.folder / "checkpoints" / "predictor" / name / "model.safetensors").read_bytes()
            for name in ("best", f"epoch_{result.predictor.best_epoch:03d}")
        )
        assert kept == of_epoch


def test_the_tokenizer_may_be_chosen_by_its_reconstruction(market_workspace):
    job = job_in(market_workspace, tokenizer_epochs=3, predictor_epochs=0, tokenizer_choose_by="reconstruction")
    result = fit(job)
    found = [row["recon"] for row in rows_of(job, "tokenizer", "val")]
    assert result.tokenizer.best_epoch == np.argmin(found)


def test_patience_follows_the_figure_asked_for(market_workspace):
    job = job_in(market_workspace, tokenizer_epochs=0, predictor_epochs=12, choose_by="direction", patience=1,
                 decoded_windows=60, decoded_samples=4)  # fmt: skip
    fit(job)
    found = [row["direction"] for row in rows_of(job, "predictor", "val")]
    assert len(found) < 13
    assert found[-1] <= max(found[:-1])
    assert all(later > max(found[:number]) for number, later in enumerate(found[1:-1], start=1))


def test_a_figure_that_the_bars_cannot_give_is_refused_before_anything_is_trained(market_workspace):
    job = job_in(market_workspace, choose_by="rank_ic", decoded_windows=2)
    with pytest.raises(DataError, match=r"train\.choose_by: rank_ic needs dates with 3 symbols") as caught:
        fit(job)
    assert caught.value.hint == "set train.choose_by to correlation, or to an error: mae, mse or r2"
    assert not (job.folder / LOG).exists()


def test_a_phase_of_zero_epochs_keeps_the_base(market_workspace, trained_base):
    tuned = weights(fit(job_in(market_workspace, "tuned", trained_base, tokenizer_epochs=0, predictor_epochs=1)).best)
    before = weights(trained_base)
    assert all(torch.equal(before[name], tuned[name]) for name in before if name.startswith("t."))
    assert not all(torch.equal(before[name], tuned[name]) for name in before if name.startswith("p."))


def test_two_processes_train_the_predictor_like_one_at_the_same_global_batch(market_workspace):
    # 2 epochs of 4 steps; gradients of halves are summed in another order, which AdamW turns into up to a step where a
    # gradient is 0 but for rounding (the keys' biases)
    settings = {"tokenizer_epochs": 0, "accumulation_steps": 2, "batch_size": 8}
    alone = job_in(market_workspace, "alone", **settings)
    job = job_in(market_workspace, "together", **settings)
    fit_in_two_processes(job)
    fit(alone)
    one, two = weights(alone.folder / BEST), weights(job.folder / BEST)
    floats = [name for name in one if one[name].is_floating_point() and "k_proj.bias" not in name]
    assert max(float((one[name] - two[name]).abs().max()) for name in floats) < 1e-4
    losses = [[row["loss"] for row in rows_of(each, "predictor")] for each in (alone, job)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    [launch_of_two] = read_launches(job.folder)
    assert launch_of_two["ranks"] == 2
    assert launch_of_two["windows_per_second"].keys() == {"predictor"}
    # untrained, both decode the same forecasts to the last bit
    assert read_log(alone.folder)[0] == read_log(job.folder)[0]


def test_two_processes_train_the_tokenizer_like_one_though_the_code_book_is_no_mean_over_windows(market_workspace):
    # an odd batch, so that the ranks' shares differ; two passes a step, eight steps
    settings = {"predictor_epochs": 0, "tokenizer_epochs": 2, "accumulation_steps": 2, "batch_size": 9}
    alone, job = (job_in(market_workspace, name, **settings) for name in ("alone", "together"))
    fit_in_two_processes(job)
    fit(alone)
    for name in ("loss", "recon", "codebook_entropy", "s1_perplexity", "s2_perplexity"):
        found = [[row[name] for row in rows_of(each, "tokenizer")] for each in (alone, job)]
        assert found[0] == pytest.approx(found[1], rel=1e-6, abs=1e-6), name
    one, two = (
        KronosTokenizer.from_pretrained(each.folder / "checkpoints" / "tokenizer" / "last").state_dict()
        for each in (alone, job)
    )
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5


def test_too_few_bars_for_a_window_say_which_split_and_how_many(market_workspace):
    with pytest.raises(DataError, match=r"training: no window of 200 \+ 4 bars has its targets in .* \(12 symbols"):
        fit(job_in(market_workspace, lookback_window=200))
    with pytest.raises(DataError, match=r"validation: no window of 16 \+ 30 bars"):
        fit(job_in(market_workspace, "b", predict_window=30))


def test_a_loss_that_is_not_a_number_stops_the_training_and_keeps_what_was_saved(market_workspace):
    job = job_in(market_workspace, predictor_epochs=3, max_grad_norm=1e30)
    # no setting may be as large, so that the loss is sure to be lost
    job = job.model_copy(update={"train": job.train.model_copy(update={"predictor_learning_rate": 1e18})})
    with pytest.raises(
        KronosQuantError,
        match=r"predictor: the training loss became (nan|inf) in epoch \d, step \d; windows of the step: MADE\d+ 20",
    ) as caught:
        fit(job)
    assert caught.value.hint.startswith("lower train.predictor_learning_rate or check these bars")
    assert (job.folder / "checkpoints" / "tokenizer" / "best").is_dir()
    assert not (job.folder / BEST).exists()


@pytest.mark.slow
def test_a_launch_of_two_ranks_leaves_what_one_process_leaves(market_workspace, trained_base):
    alone, job = (
        job_in(market_workspace, name, trained_base, tokenizer_epochs=0, predictor_epochs=0)
        for name in ("alone", "together")
    )
    fit(alone)
    (job.folder / "job.json").write_text(job.model_dump_json())
    launch(job.folder / "job.json", processes=2)
    assert (job.folder / LOG).read_bytes() == (alone.folder / LOG).read_bytes()
    assert weights(job.folder / BEST).keys() == weights(trained_base).keys()


def test_a_rank_that_fails_ends_the_launch_with_one_error(market_workspace):
    job = job_in(market_workspace, lookback_window=200)
    (job.folder / "job.json").write_text(job.model_dump_json())
    with pytest.raises(KronosQuantError, match="ended with exit code 3"):
        launch(job.folder / "job.json", processes=1)
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
    assert str(caught.value).endswith(f"bad windows: {load_and_choose.label}")
    state, tensors = load_state(job.folder / "state")
    assert (state.position.epoch, state.position.step) == (1, 2)
    assert all(value.isfinite().all() for value in tensors.values())


def test_the_rotation_asked_for_is_in_the_config_and_the_card_says_what_it_means(market_workspace, plain):
    published = job_in(market_workspace, tokenizer_epochs=0, predictor_epochs=0, dependency_rotation="published")
    for rotation, note, best in (
        ("consistent", "would forecast wrongly", plain[1].best),
        ("published", "reads these weights", fit(published).best),
    ):
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


def test_a_validation_is_teacher_forced_whatever_the_training_is(market_workspace):
    losses = {}
    for forced in (True, False):
        job = job_in(market_workspace, str(forced), tokenizer_epochs=0, predictor_epochs=1, teacher_forcing=forced)
        fit(job)
        losses[forced] = [row["ce_s2"] for row in rows_of(job, "predictor")]
    assert losses[True][0] == losses[False][0]
    assert losses[True][1] != losses[False][1]


def test_periodic_checkpoints_stay_and_patience_ends_a_phase(market_workspace):
    job = job_in(market_workspace, tokenizer_epochs=0, predictor_epochs=6, checkpoint_every=2, patience=2,
                 predictor_learning_rate=1e-12)  # fmt: skip
    fit(job)
    rows = [row for row in read_log(job.folder) if row["phase"] == "predictor" and row["split"] == "val"]
    best = min(rows, key=lambda row: row["loss"])["epoch"]
    assert rows[-1]["epoch"] == min(best + 2, 6)
    names = sorted(path.name for path in (job.folder / "checkpoints" / "predictor").iterdir())
    assert [name for name in names if name.startswith("epoch")] == [
        f"epoch_{epoch:03d}" for epoch in range(2, rows[-1]["epoch"] + 1, 2)
    ]


def test_a_base_of_another_shape_than_its_tokenizer_is_refused(market_workspace, trained_base):
    base = market_workspace.root / "base"
    shutil.copytree(trained_base, base)
    shutil.rmtree(base / "tokenizer")
    KronosTokenizer(replace(PRESETS["nano"].tokenizer, s1_bits=7)).save_pretrained(base / "tokenizer")
    job = job_in(market_workspace, "run", base)
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
    assert result.tokenizer.best.loss < result.tokenizer.start.loss
    assert result.predictor.best.loss < result.predictor.start.loss
    assert all(value.dtype != torch.bfloat16 for value in weights(result.best).values())
