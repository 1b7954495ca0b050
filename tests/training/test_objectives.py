from dataclasses import replace

import pytest
import torch
from reference_model import s2_logits_last

from kronos_quant.model import PRESETS, Kronos, KronosTokenizer
from kronos_quant.training.batches.loader import TrainingBatch
from kronos_quant.training.objectives import PredictorObjective, TokenizerObjective
from kronos_quant.training.processes import Ranks

CODES = 6
"""s1 of the toy are 0 to 5, and its s2 is a function of s1."""


@pytest.fixture
def networks():
    torch.manual_seed(0)
    preset = PRESETS["nano"]
    return KronosTokenizer(preset.tokenizer), Kronos(preset.predictor)


def test_only_the_loss_region_asked_for_counts(networks):
    tokenizer, predictor = networks
    values, stamp = torch.randn(3, 12, 6), torch.zeros(3, 12, 5, dtype=torch.int16)
    future = PredictorObjective(tokenizer, predictor, lookback=8, region="future")
    everything = PredictorObjective(tokenizer, predictor, lookback=8, region="all")
    inputs = future.inputs(TrainingBatch(stamp, values))
    s1, s2 = tokenizer.encode(values)
    s1_logits, s2_logits = predictor(s1[:, :-1], s2[:, :-1], stamp[:, :-1], s1_next=s1[:, 1:])
    for objective, first in ((future, 8), (everything, 1)):
        by_hand = [
            torch.nn.functional.cross_entropy(logits[:, first - 1 :].flatten(0, 1), ids[:, first:].flatten())
            for logits, ids in ((s1_logits, s1), (s2_logits, s2))
        ]
        parts = objective(*inputs)
        assert torch.allclose(torch.stack([parts["ce_s1"], parts["ce_s2"]]), torch.stack(by_hand), atol=1e-6)
        assert torch.allclose(parts["loss"], sum(by_hand) / 2)


def test_kept_tokens_and_values_give_the_same_inputs(networks):
    tokenizer, predictor = networks
    objective = PredictorObjective(tokenizer, predictor, 8, "all")
    values, stamp = torch.randn(2, 12, 6), torch.zeros(2, 12, 5, dtype=torch.int16)
    of_values, of_tokens = (
        objective.inputs(TrainingBatch(stamp, values)),
        objective.inputs(TrainingBatch(stamp, tokens=tokenizer.encode(values))),
    )
    assert all(torch.equal(one, other) for one, other in zip(of_values, of_tokens, strict=True))


def test_the_tokenizer_is_frozen_in_the_predictors_phase(networks):
    tokenizer, predictor = networks
    objective = PredictorObjective(tokenizer, predictor, 8, "future")
    assert not any(parameter.requires_grad for parameter in tokenizer.parameters())
    assert {id(p) for p in objective.parameters()} == {id(p) for p in predictor.parameters()}


def test_the_parts_of_the_tokenizers_loss_are_named_and_add_up(networks):
    tokenizer, _ = networks
    objective = TokenizerObjective(tokenizer, Ranks(0, 1, torch.device("cpu")))
    parts = objective(*objective.inputs(TrainingBatch(torch.zeros(4, 10, 5), torch.randn(4, 10, 6)), 4))
    assert torch.allclose(parts["loss"], (parts["recon_s1"] + parts["recon"] + parts["bsq"]) / 2)
    assert {"commitment", "sample_entropy", "codebook_entropy", "s1_perplexity", "s2_perplexity"} <= parts.keys()


class OtherRank:
    """Stands for the ranks: this one has some of the windows, and the mean over the others is known."""

    def __init__(self, means, windows):
        self.world, self.means, self.windows = 2, iter(means), windows

    def pooled(self, mean, count):
        assert not mean.requires_grad
        return (mean * count + next(self.means) * self.windows) / (count + self.windows)


def code_book_means(tokenizer, values):
    """What the ranks pool, of these values alone: the mean bits, and the share of each code."""
    found = []
    tokenizer.loss(values, lambda mean: found.append(mean.detach()) or mean)
    return found


def test_halves_of_a_batch_have_the_loss_and_the_gradient_of_the_whole(networks):
    tokenizer, _ = networks
    values = torch.randn(9, 10, 6)
    whole = tokenizer.loss(values)
    whole.total.backward()
    expected = {name: value.grad.clone() for name, value in tokenizer.named_parameters()}
    tokenizer.zero_grad()
    halves = (values[:6], values[6:])
    found = []
    for mine, other in (halves, halves[::-1]):
        objective = TokenizerObjective(tokenizer, OtherRank(code_book_means(tokenizer, other), len(other)))
        parts = objective(*objective.inputs(TrainingBatch(torch.zeros(1), mine), len(mine)))
        # a rank's loss counts as much as its windows do, and gradients add up
        (parts["loss"] * len(mine) / len(values)).backward()
        found.append(parts)
    for name in ("codebook_entropy", "s1_perplexity", "s2_perplexity"):
        assert [part[name].item() for part in found] == pytest.approx([getattr(whole, name).item()] * 2, rel=1e-6)
    loss = sum(part["loss"].item() * len(half) for part, half in zip(found, halves, strict=True)) / len(values)
    assert loss == pytest.approx(whole.total.item(), abs=1e-6)
    for name, value in tokenizer.named_parameters():
        assert torch.allclose(value.grad, expected[name], rtol=1e-4, atol=1e-7), name


def test_in_validation_every_batch_stands_for_itself(networks):
    tokenizer, _ = networks
    values = torch.randn(4, 10, 6)
    objective = TokenizerObjective(tokenizer, OtherRank([], 4)).eval()
    assert torch.equal(
        objective(*objective.inputs(TrainingBatch(torch.zeros(1), values)))["loss"], tokenizer.loss(values).total
    )


def sampled_siblings_change_the_loss(objective, inputs) -> bool:
    torch.manual_seed(1)
    first = objective(*inputs)["ce_s2"].item()
    torch.manual_seed(2)
    return objective(*inputs)["ce_s2"].item() != first


def test_siblings_are_sampled_in_training_only_and_only_when_asked_for(networks):
    tokenizer, predictor = networks
    values, stamp = torch.randn(3, 12, 6), torch.zeros(3, 12, 5, dtype=torch.int16)
    sampled = PredictorObjective(tokenizer, predictor, 8, "future", teacher_forcing=False)
    forced = PredictorObjective(tokenizer, predictor, 8, "future")
    inputs = sampled.inputs(TrainingBatch(stamp, values))
    assert sampled_siblings_change_the_loss(sampled.train(), inputs)
    assert not sampled_siblings_change_the_loss(sampled.eval(), inputs)
    assert not sampled_siblings_change_the_loss(forced.train(), inputs)


def possible_pairs(teacher_forcing: bool, rotation: str) -> float:
    """Train on bars whose s1 is random and whose s2 follows from it; the share of sampled pairs that can exist."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    bits = {"s1_bits": 3, "s2_bits": 3}
    tokenizer = KronosTokenizer(replace(PRESETS["nano"].tokenizer, **bits))
    sizes = {"d_model": 32, "n_heads": 2, "ff_dim": 64, "n_layers": 1}
    predictor = Kronos(replace(PRESETS["nano"].predictor, **bits, **sizes, dependency_rotation=rotation))
    objective = PredictorObjective(tokenizer, predictor, 4, "all", teacher_forcing).train()
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=1e-2)
    partner = torch.tensor([3, 0, 4, 1, 5, 2])

    def tokens(rows: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        s1 = torch.randint(CODES, (rows, 16), generator=generator)
        return s1, partner[s1], torch.zeros(rows, 16, 5, dtype=torch.int16)

    for _ in range(120):
        optimizer.zero_grad()
        objective(*tokens(32))["loss"].backward()
        optimizer.step()
    predictor.eval()
    s1, s2, stamp = tokens(400)
    with torch.no_grad():
        context = predictor.context(s1, s2, stamp)
        drawn = torch.multinomial(predictor.s1_logits(context[:, -1]).softmax(-1), 1, generator=generator)[:, 0]
        s2_logits = s2_logits_last(predictor, context, drawn)
        sibling = torch.multinomial(s2_logits.softmax(-1), 1, generator=generator)[:, 0]
    known = drawn < CODES
    return (partner[drawn.clamp(max=CODES - 1)] == sibling)[known].float().mean().item()


def test_s2_learns_from_s1():
    assert possible_pairs(teacher_forcing=True, rotation="consistent") >= 0.95


def test_the_published_way_does_not():
    assert possible_pairs(teacher_forcing=False, rotation="published") < 0.6
