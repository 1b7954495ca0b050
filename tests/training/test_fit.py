"""The real loop, run tiny on the CPU."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from kronos_quant import CheckpointError, DataError, KronosQuantError
from kronos_quant.config import ModelConfig, TrainConfig
from kronos_quant.model import Kronos, KronosTokenizer, load_pair
from kronos_quant.training import TrainingJob, fit, launch
from kronos_quant.training.fit import BEST, LOG, read_rows
from kronos_quant.workspace import Workspace


def job_in(workspace: Workspace, name: str = "run", **changes: object) -> TrainingJob:
    folder = workspace.root / name
    folder.mkdir()
    train = workspace.config.train.model_copy(
        update={"tokenizer_learning_rate": 4e-3, "predictor_learning_rate": 3e-3} | changes
    )
    return TrainingJob(
        root=workspace.root,
        folder=folder,
        freq=None,
        universe="all",
        device="cpu",
        models=workspace.models,
        model=ModelConfig(base="scratch", preset="nano"),
        train=train,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    pair = load_pair(folder)
    named = {"t": pair.tokenizer.state_dict(), "p": pair.predictor.state_dict()}
    return {f"{part}.{name}": value for part, state in named.items() for name, value in state.items()}


def test_a_training_leaves_best_periodic_checkpoints_a_log_and_a_card(market_workspace):
    job = job_in(market_workspace)
    result = fit(job)
    assert load_pair(result.best).max_context == 512
    checkpoints = job.folder / "checkpoints"
    assert sorted(path.name for path in (checkpoints / "predictor").iterdir()) == ["epoch_001", "epoch_002"]
    KronosTokenizer.from_pretrained(checkpoints / "tokenizer" / "epoch_001")
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


def test_two_processes_train_like_one_at_the_same_global_batch(market_workspace):
    alone = fit(job_in(market_workspace, "alone"))
    job = job_in(market_workspace, "together")
    (job.folder / "job.json").write_text(job.model_dump_json())
    launch(job.folder / "job.json", processes=2)
    one, two = weights(alone.best), weights(job.folder / BEST)
    # gradients of halves are summed in another order, and the codebook's entropy is taken over a rank's own batch;
    # where a gradient is 0 but for rounding (the keys' biases), AdamW makes whole steps of it
    floats = [name for name in one if one[name].is_floating_point() and "k_proj.bias" not in name]
    assert max(float((one[name] - two[name]).abs().mean()) for name in floats) < 2e-3
    losses = [[row["loss"] for row in read_rows(folder)] for folder in (alone.best.parents[1], job.folder)]
    assert losses[0] == pytest.approx(losses[1], abs=2e-2)


def test_too_few_bars_for_a_window_say_which_split_and_how_many(market_workspace):
    with pytest.raises(DataError, match=r"training: no window of 200 \+ 4 bars has its targets in .* \(12 symbols"):
        fit(job_in(market_workspace, lookback_window=200))
    with pytest.raises(DataError, match=r"validation: no window of 16 \+ 30 bars"):
        fit(job_in(market_workspace, "b", predict_window=30))


def test_a_loss_that_is_not_a_number_stops_the_training_and_keeps_what_was_saved(market_workspace):
    job = job_in(market_workspace, predictor_learning_rate=1e18, predictor_epochs=3, max_grad_norm=1e30)
    with pytest.raises(KronosQuantError, match=r"predictor: the training loss became (nan|inf) in epoch") as caught:
        fit(job)
    assert "lower train.predictor_learning_rate" in caught.value.hint
    assert (job.folder / "checkpoints" / "tokenizer" / "epoch_001").is_dir()
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


def test_only_the_loss_region_asked_for_counts():
    torch.manual_seed(0)
    from dataclasses import replace

    from kronos_quant.model import PRESETS
    from kronos_quant.training.objectives import PredictorObjective

    preset = PRESETS["nano"]
    tokenizer, predictor = KronosTokenizer(preset.tokenizer), Kronos(replace(preset.predictor))
    values, stamp = torch.randn(3, 12, 6), torch.zeros(3, 12, 5, dtype=torch.long)
    future = PredictorObjective(tokenizer, predictor, lookback=8, region="future")
    everything = PredictorObjective(tokenizer, predictor, lookback=8, region="all")
    losses = [objective(values, stamp)["loss"] for objective in (future, everything)]
    assert not torch.equal(*losses)
    s1, s2 = tokenizer.encode(values)
    s1_logits, _ = predictor(s1[:, :-1], s2[:, :-1], stamp[:, :-1], s1_next=s1[:, 1:])
    by_hand = torch.nn.functional.cross_entropy(s1_logits[:, 7:].reshape(12, -1), s1[:, 8:].reshape(12))
    assert torch.allclose(future(values, stamp)["ce_s1"], by_hand)


def test_the_config_of_the_tiny_workspace_is_what_the_tests_say(market_workspace):
    assert isinstance(market_workspace.config.train, TrainConfig)
    shutil.rmtree(market_workspace.root / "db")
    with pytest.raises(DataError):
        fit(job_in(market_workspace))
