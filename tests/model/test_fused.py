import pytest
import torch
from torch.nn import functional

from kronos_quant.model import fused
from kronos_quant.model.fused import Cache, Groups, Slots, Stack, attend, hiding_mask, normed
from kronos_quant.model.kronos import Block


@pytest.mark.parametrize(
    ("samples", "prefix", "horizon", "groups", "paths"),
    [
        (5, 90, 10, 1, 5),
        (8, 90, 10, 1, 8),
        (9, 90, 10, 2, 5),  # one path more than asked for
        (20, 90, 10, 3, 7),
        (5, 90, 60, 2, 3),  # long horizons hide more: smaller groups
        (4, 1, 100, 4, 1),
        (1, 0, 3, 1, 1),
    ],
)
def test_paths_are_grouped_by_the_shape_of_the_work(samples, prefix, horizon, groups, paths):
    found = Groups.of(3, samples, prefix, horizon)
    assert (found.groups, found.paths) == (groups, paths)
    assert found.samples >= samples
    assert found.rows == 3 * groups


def test_paths_are_ordered_token_by_token():
    groups = Groups(series=1, groups=2, paths=2)
    paths = torch.tensor([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]])  # three paths asked for: the last fills up
    expected = [[[1, 4], [2, 5], [3, 6]], [[7, 7], [8, 8], [9, 9]]]
    assert groups.filled(paths).tolist() == expected


def test_a_token_sees_the_prefix_and_its_own_path_up_to_itself():
    mask = hiding_mask(2, 2, 2, torch.float32, torch.device("cpu"))
    hidden = float("-inf")
    assert mask.tolist() == [
        [0, 0, 0, hidden, hidden, hidden],  # token 0 of path 0
        [0, 0, hidden, 0, hidden, hidden],
        [0, 0, 0, hidden, 0, hidden],  # token 1 of path 0
        [0, 0, hidden, 0, hidden, 0],
    ]


def test_attention_over_a_shared_cache_equals_attention_of_each_path_alone():
    torch.manual_seed(0)
    R, M, P, U, N, K = 2, 3, 5, 4, 2, 8
    prefix, own, q = torch.randn(2, R, P, N, K), torch.randn(2, R, U, M, N, K), torch.randn(R, 2, M, N, K)
    cache = Cache(torch.empty(R, P + U * M, N, K), torch.empty(R, P + U * M, N, K))
    cache.write_series(0, 1, *prefix)
    slots = Slots(P, U, M, torch.float32, torch.device("cpu"))
    cache.write(slots.take(U).start, *own.flatten(2, 3))
    found = attend(q.flatten(1, 2), cache, slots.newest(2))  # [R, N, 2 * M, K]
    for m in range(M):
        keys, values = (torch.cat((prefix[i], own[i, :, :, m]), dim=1).transpose(1, 2) for i in (0, 1))
        seen = torch.ones(2, P + U, dtype=torch.bool).tril(P + U - 2)
        alone = functional.scaled_dot_product_attention(
            q[:, :, m].transpose(1, 2), keys, values, attn_mask=seen, scale=1.0
        )
        assert (found[:, :, m::M] - alone).abs().max() < 1e-6


def test_a_prefix_is_written_for_every_group_of_its_series():
    cache = Cache(torch.zeros(6, 4, 1, 2), torch.zeros(6, 4, 1, 2))
    new = torch.arange(8.0).view(2, 2, 1, 2)
    cache.write_series(1, 2, new, -new)  # the second and the third of three series
    assert cache.k[2, :2].equal(new[0])
    assert cache.k[3, :2].equal(new[0])
    assert cache.v[5, :2].equal(-new[1])
    assert not cache.k[:2].any()
    assert not cache.k[:, 2:].any()


@pytest.mark.parametrize("work", [1, 2**30])  # series by series, and all at once
def test_a_prefix_runs_as_the_blocks_do(make_predictor, monkeypatch, work):
    monkeypatch.setattr(fused, "BLOCK_WORK", work)
    model = make_predictor()
    blocks = [block for block in model.transformer if isinstance(block, Block)]
    for block in blocks:  # weights that the folding would lose if it were wrong
        torch.nn.init.uniform_(block.norm1.weight, 0.5, 2.0)
        torch.nn.init.uniform_(block.norm2.weight, 0.5, 2.0)
    stack, x = Stack(blocks, 16), torch.randn(3, 7, model.config.d_model)
    expected = x
    for block in blocks:
        expected = block(expected)
    with torch.inference_mode():
        whole = stack.prefill(x, stack.room(3, 7, x.device), 1)
        last = stack.prefill(x, stack.room(3, 7, x.device), 1, last_only=True)
    assert (whole - expected).abs().max() < 1e-5
    assert (last - expected[:, -1:]).abs().max() < 1e-5


def test_the_norm_without_its_weight():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert torch.allclose(normed(x, torch.float32), torch.tensor([[3.0, 4.0], [0.0, 0.0]]) / 12.5**0.5, atol=1e-6)
    assert normed(x, torch.bfloat16).dtype == torch.bfloat16
