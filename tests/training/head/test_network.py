import json

import pytest
import torch
from safetensors.torch import load_file

from kronos_quant.training.head import RankHead


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
