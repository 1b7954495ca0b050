"""Training a part of the predictor."""

import pytest
import torch
from training.jobs import fit_in_two_processes, job_in, weights

from kronos_quant import ConfigError
from kronos_quant.config import AdaptConfig
from kronos_quant.model import PRESETS, Kronos, load_pair
from kronos_quant.training import BEST, fit
from kronos_quant.training.adapt import SCALE, LoraLinear, adapt_predictor, check_adapt, merged_predictor
from kronos_quant.training.logs import read_log
from kronos_quant.training.optimise import Optimiser
from kronos_quant.training.state import load_state

CONFIG = PRESETS["nano"].predictor
LORA, LAST = {"lora": 4}, {"last_layers": 1}


def adapt(**values):
    return AdaptConfig.model_validate(values)


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    return Kronos(CONFIG)


def inputs():
    generator = torch.Generator().manual_seed(1)
    s1, s2 = torch.randint(2**8, (2, 3, 12), generator=generator)
    return s1, s2, torch.zeros(3, 12, 5, dtype=torch.int16)


def learning(network):
    return {name for name, value in network.named_parameters() if value.requires_grad}


def test_the_last_layers_learn_with_the_heads_and_nothing_before_them(predictor):
    trained = adapt_predictor(predictor, adapt(last_layers=1), 0)
    assert trained is predictor
    assert {name.split(".")[0] for name in learning(trained)} == {"transformer", "norm", "dep_layer", "head"}
    assert {name.split(".")[1] for name in learning(trained) if name.startswith("transformer")} == {"1"}
    s1_logits, s2_logits = trained(*inputs())
    (s1_logits.sum() + s2_logits.sum()).backward()
    assert {name for name, value in trained.named_parameters() if value.grad is not None} == learning(trained)


def test_an_update_changes_nothing_at_first_and_holds_the_same_tensors(predictor):
    trained = adapt_predictor(predictor, adapt(lora=4), 0)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(trained(*inputs()), predictor(*inputs()), strict=True))
    frozen = dict(trained.named_parameters())
    for name, value in predictor.named_parameters():
        assert frozen[name].data_ptr() == value.data_ptr()
        assert value.requires_grad
    assert all(".lora_" in name for name in learning(trained))


def test_every_projection_of_the_layers_has_an_update_of_the_rank_asked_for(predictor):
    trained = adapt_predictor(predictor, adapt(lora=4), 0)
    updated = {name for name, layer in trained.named_modules() if isinstance(layer, LoraLinear)}
    attention = ("q_proj", "k_proj", "v_proj", "out_proj")
    assert updated == {
        *(f"transformer.{i}.self_attn.{name}" for i in range(2) for name in attention),
        *(f"transformer.{i}.ffn.{name}" for i in range(2) for name in ("w1", "w2", "w3")),
        *(f"dep_layer.cross_attn.{name}" for name in attention),
    }
    # d 64, ff 128: 12 projections of 64 x 64 and 6 of 64 x 128, 4 x (in + out) each
    assert sum(value.numel() for value in trained.parameters() if value.requires_grad) == 4 * (12 * 128 + 6 * 192)


def test_what_is_kept_is_a_plain_predictor_that_does_the_same(predictor):
    trained = adapt_predictor(predictor, adapt(lora=4), 0)
    torch.manual_seed(2)
    for layer in trained.modules():
        if isinstance(layer, LoraLinear):
            torch.nn.init.normal_(layer.lora_out, std=0.05)
    kept = merged_predictor(trained.eval())
    assert not kept.training
    assert kept.state_dict().keys() == predictor.state_dict().keys()
    for ours, theirs, before in zip(kept(*inputs()), trained(*inputs()), predictor(*inputs()), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
        assert not torch.allclose(ours, before, atol=1e-2)
    layer = trained.transformer[0].ffn.w1
    by_hand = layer.weight + SCALE * layer.lora_out @ layer.lora_in
    assert torch.equal(kept.transformer[0].ffn.w1.weight, by_hand)
    assert kept.embedding.emb_s1.weight.data_ptr() == predictor.embedding.emb_s1.weight.data_ptr()


def test_a_predictor_without_updates_is_kept_as_it_is(predictor):
    assert merged_predictor(predictor) is predictor
    assert adapt_predictor(predictor, adapt(), 0) is predictor


def test_equal_seeds_draw_equal_updates_whatever_was_drawn_before(predictor):
    first = adapt_predictor(predictor, adapt(lora=2), 7)
    state = torch.random.get_rng_state()
    again, other = (adapt_predictor(predictor, adapt(lora=2), seed) for seed in (7, 8))
    assert torch.equal(state, torch.random.get_rng_state())
    pick = "transformer.0.ffn.w1.lora_in"
    assert torch.equal(first.state_dict()[pick], again.state_dict()[pick])
    assert not torch.equal(first.state_dict()[pick], other.state_dict()[pick])


@pytest.mark.parametrize(
    ("asked", "from_scratch", "message"),
    [
        (LORA, True, r"train\.adapt: lora 4 needs weights to start from, and model\.base is scratch"),
        (LAST, True, r"train\.adapt: last_layers 1 needs weights"),
        ({"last_layers": 3}, False, r"train\.adapt: last_layers 3: the predictor has 2 layers"),
    ],
)
def test_what_cannot_be_adapted_is_refused(asked, from_scratch, message):
    with pytest.raises(ConfigError, match=message):
        check_adapt(adapt(**asked), CONFIG, from_scratch)


def test_everything_learns_from_scratch():
    check_adapt(adapt(), CONFIG, from_scratch=True)


@pytest.fixture
def based(market_workspace, trained_base):
    """Jobs that begin with a trained base."""

    def make(name, asked, **settings):
        return job_in(market_workspace, name, trained_base, tokenizer_epochs=0, adapt=asked, **settings)

    make.base = trained_base
    return make


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        (LORA, {"transformer.0", "transformer.1", "dep_layer.cross_attn"}),
        (
            LAST,
            {"transformer.1", "norm.weight", "dep_layer.cross_attn", "dep_layer.norm", "head.proj_s1", "head.proj_s2"},
        ),
    ],
)
def test_a_training_changes_what_it_adapts_and_leaves_a_plain_pair(based, asked, changed):
    job = based("tuned", asked)
    result = fit(job)
    assert result.predictor.best.loss < result.predictor.start.loss
    before, after = weights(based.base), weights(result.best)
    assert before.keys() == after.keys()
    differ = {".".join(name.split(".")[1:3]) for name in before if not torch.equal(before[name], after[name])}
    assert differ == changed
    assert result.card.adapt == ("lora 4" if asked is LORA else "last_layers 1")
    last = Kronos.from_pretrained(job.folder / "checkpoints" / "predictor" / "last")
    assert last.state_dict().keys() == load_pair(based.base).predictor.state_dict().keys()


class Killed(BaseException):
    """Stands for a process that ends."""


@pytest.mark.parametrize("asked", [LORA, LAST])
@pytest.mark.slow
def test_the_state_holds_only_what_learns_and_a_resumed_training_ends_the_same(based, asked, monkeypatch):
    plain, job = (
        based(name, asked, state_every_steps=1, dropout=0.1, weight_average=0.5) for name in ("plain", "stopped")
    )
    fit(plain)
    steps = []
    inner = Optimiser.step

    def step(self, number):
        steps.append(number)
        if len(steps) == 6:
            raise Killed
        inner(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Optimiser, "step", step)
        with pytest.raises(Killed):
            fit(job)
    state, tensors = load_state(job.folder / "state")
    assert (state.position.epoch, state.position.step) == (2, 1)
    names = {name.removeprefix("weight.") for name in tensors if name.startswith("weight.")}
    assert names
    assert (
        all(".lora_" in name for name in names) if asked is LORA else not any("transformer.0" in name for name in names)
    )
    fit(job)
    for name in (
        "log.jsonl",
        "checkpoints/best/predictor/model.safetensors",
        "checkpoints/predictor/last/model.safetensors",
    ):
        assert (job.folder / name).read_bytes() == (plain.folder / name).read_bytes()


@pytest.mark.slow
def test_two_processes_adapt_like_one(based):
    alone, job = (based(name, LORA, batch_size=8) for name in ("alone", "together"))
    fit_in_two_processes(job)
    fit(alone)
    one, two = weights(alone.folder / BEST), weights(job.folder / BEST)
    floats = [name for name in one if one[name].is_floating_point() and "k_proj.bias" not in name]
    assert max(float((one[name] - two[name]).abs().max()) for name in floats) < 1e-4
    losses = [[row["loss"] for row in read_log(each.folder)[1:]] for each in (alone, job)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_adapting_from_scratch_is_refused_before_anything_is_trained(market_workspace):
    with pytest.raises(ConfigError, match="lora 4 needs weights to start from"):
        fit(job_in(market_workspace, adapt=LORA))
