import pytest
import torch
from reference_model import s2_logits_last

from kronos_quant.errors import ConfigError
from kronos_quant.model.decoding import BarDecoder, BarEncoder, PathDecoder, check_horizon, used_lookback
from kronos_quant.model.sampling import Sampling, Streams, draw_tokens

GREEDY = Sampling(temperature=0)


def random_tokens(batch, bars, seed=21):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randint(0, 16, (batch, bars), generator=generator),
        torch.randint(0, 8, (batch, bars), generator=generator),
    )


@torch.no_grad()
def naive_sample(model, tokens, x_stamp, y_stamp, sampling, seeds, samples, max_context):
    """The published loop: every sample its own row, the whole window again at every step."""
    streams = Streams.of(seeds, samples)
    s1, s2, stamps = (part.repeat_interleave(samples, dim=0) for part in (*tokens, x_stamp))
    future = y_stamp.repeat_interleave(samples, dim=0)
    for i in range(y_stamp.shape[1]):
        window = slice(-max_context, None)
        context = model.context(s1[:, window], s2[:, window], stamps[:, window])
        new_s1 = draw_tokens(model.s1_logits(context[:, -1]), sampling, streams, 2 * i)
        new_s2 = draw_tokens(s2_logits_last(model, context, new_s1), sampling, streams, 2 * i + 1)
        s1, s2 = torch.cat((s1, new_s1[:, None]), 1), torch.cat((s2, new_s2[:, None]), 1)
        stamps = torch.cat((stamps, future[:, i : i + 1]), 1)
    H = y_stamp.shape[1]
    return s1[:, -H:].view(-1, samples, H), s2[:, -H:].view(-1, samples, H)


@torch.no_grad()
def naive_decode(tokenizer, tokens, paths, max_context):
    """Decode the last window of each path's whole row in one pass; keep the future bars and the one before them."""
    _, S, H = paths[0].shape
    rows = [
        torch.cat((past.repeat_interleave(S, dim=0), future.flatten(0, 1)), dim=1)
        for past, future in zip(tokens, paths, strict=True)
    ]
    bars = tokenizer.decode(*(row[:, -max_context:] for row in rows)).unflatten(0, (-1, S))
    return bars[:, :, -H:], bars[:, 0, -H - 1]


@pytest.mark.parametrize("rotation", ["published", "consistent"])
@pytest.mark.parametrize("sampling", [GREEDY, Sampling(top_p=0.9), Sampling(0.7, top_k=5, top_p=0.8)])
@pytest.mark.parametrize(
    ("lookback", "horizon", "max_context"),
    [
        (10, 6, 32),  # never slides
        (10, 6, 16),  # reaches the limit exactly
        (10, 6, 15),  # exactly the last bar needs no room: it is not run again
        (10, 9, 12),  # slides on the way
        (12, 5, 12),  # slides at once
        (20, 5, 12),  # a lookback beyond the limit
        (4, 11, 6),  # the lookback has left the window before the end
        (1, 3, 1),  # one bar at a time
        (5, 1, 8),  # one bar ahead
    ],
)
def test_cached_sampling_equals_the_naive_loop(
    make_predictor, make_stamps, rotation, sampling, lookback, horizon, max_context
):
    model = make_predictor(dependency_rotation=rotation)
    tokens, stamps = random_tokens(3, lookback), make_stamps(3, lookback + horizon)
    seeds = torch.tensor([5, -6, 7])
    arguments = (tokens, stamps[:, :lookback], stamps[:, lookback:], sampling, seeds, 4)
    expected = naive_sample(model, *arguments, max_context)
    found = PathDecoder(model, max_context).sample(*arguments)
    assert found[0].equal(expected[0])
    assert found[1].equal(expected[1])
    assert found[0].shape == (3, 4, horizon)


@pytest.mark.parametrize(
    "changes", [{"n_heads": 1}, {"n_heads": 8}, {"n_layers": 1}, {"d_model": 32, "n_heads": 16}, {"learn_te": False}]
)
def test_cached_sampling_equals_the_naive_loop_for_other_shapes(make_predictor, make_stamps, changes):
    model = make_predictor(**changes)
    tokens, stamps = random_tokens(2, 8), make_stamps(2, 14)
    arguments = (tokens, stamps[:, :8], stamps[:, 8:], Sampling(), torch.tensor([1, 2]), 3)
    for max_context in (32, 10):
        expected = naive_sample(model, *arguments, max_context)
        found = PathDecoder(model, max_context).sample(*arguments)
        assert found[0].equal(expected[0])
        assert found[1].equal(expected[1])


@pytest.mark.parametrize(("case", "stamps"), [("greedy", "y_stamp"), ("greedy_sliding", "y_stamp_long")])
def test_greedy_bars_equal_the_published_ones(tokenizer, predictor, cases, case, stamps):
    tokens = tokenizer.encode(cases["x"])
    paths = PathDecoder(predictor, 32).sample(tokens, cases["x_stamp"], cases[stamps], GREEDY, torch.arange(3), 2)
    bars, last = BarDecoder(tokenizer, 32).decode(tokens, paths)
    H = cases[stamps].shape[1]
    for sample in (0, 1):
        assert (bars[:, sample] - cases[case][:, -H:]).abs().max() <= 1e-5
    assert (last - cases[case][:, -H - 1]).abs().max() <= 1e-5


def test_samples_of_one_series_differ_and_equal_seeds_agree(make_predictor, make_stamps):
    tokens, stamps = random_tokens(1, 8), make_stamps(1, 14)
    twice = tuple(part.expand(2, -1) for part in tokens)
    decoder = PathDecoder(make_predictor(), 32)
    pair = (stamps[:, :8].expand(2, -1, -1), stamps[:, 8:].expand(2, -1, -1))
    s1, _ = decoder.sample(twice, *pair, Sampling(top_p=1.0), torch.tensor([3, 3]), 6)
    assert s1[0].equal(s1[1])
    assert len({tuple(path) for path in s1[0].tolist()}) > 1
    other, _ = decoder.sample(twice, *pair, Sampling(top_p=1.0), torch.tensor([3, 4]), 6)
    assert other[0].equal(s1[0])
    assert not other[1].equal(s1[0])


@pytest.mark.parametrize("samples", [1, 5, 9, 20])
@pytest.mark.parametrize(("lookback", "horizon", "max_context"), [(10, 6, 32), (3, 9, 32), (10, 9, 12)])
def test_any_number_of_samples_equals_the_naive_loop(
    make_predictor, make_stamps, samples, lookback, horizon, max_context
):
    model = make_predictor()
    tokens, stamps = random_tokens(2, lookback), make_stamps(2, lookback + horizon)
    arguments = (tokens, stamps[:, :lookback], stamps[:, lookback:], Sampling(), torch.tensor([5, -6]), samples)
    expected = naive_sample(model, *arguments, max_context)
    found = PathDecoder(model, max_context).sample(*arguments)
    assert found[0].equal(expected[0])
    assert found[1].equal(expected[1])


@pytest.mark.parametrize(("context", "lookback", "expected"), [("exact", 90, 32), ("trim", 90, 28), ("trim", 9, 9)])
def test_the_lookback_that_is_used(context, lookback, expected):
    assert used_lookback(context, lookback, 5, 32) == expected  # 28 + 5 - 1 = 32: the last bar is not run again


def test_a_trimmed_context_equals_a_window_that_never_slides(make_predictor, make_stamps):
    model = make_predictor()
    tokens, stamps = random_tokens(2, 20), make_stamps(2, 26)
    rest = (Sampling(), torch.tensor([1, 2]), 3)
    trimmed = PathDecoder(model, 16, "trim").sample(tokens, stamps[:, :20], stamps[:, 20:], *rest)
    short = tuple(part[:, -11:] for part in tokens)
    expected = naive_sample(model, short, stamps[:, 9:20], stamps[:, 20:], *rest, max_context=99)
    assert trimmed[0].equal(expected[0])
    assert trimmed[1].equal(expected[1])


def test_a_trimmed_context_without_place_for_a_lookback_is_refused():
    assert used_lookback("trim", 90, 32, 32) == 1
    with pytest.raises(ConfigError, match="context trim: a horizon of 33 bars leaves no lookback in a window of 32"):
        used_lookback("trim", 90, 33, 32)


@pytest.mark.parametrize(
    ("horizon", "found"), [(257, "at most 256 bars, 8 x the model's max_context, found 257"), (0, "a whole .* found 0")]
)
def test_a_horizon_of_nothing_or_beyond_memory_is_refused(horizon, found):
    assert [check_horizon(bars, 32) for bars in (1, 33, 256)] == [1, 33, 256]
    with pytest.raises(ConfigError, match=f"horizon: expected {found}"):
        check_horizon(horizon, 32)


def test_fewer_samples_are_the_first_of_more(make_predictor, make_stamps):
    tokens, stamps = random_tokens(2, 8), make_stamps(2, 14)
    decoder = PathDecoder(make_predictor(), 32)
    arguments = (tokens, stamps[:, :8], stamps[:, 8:], Sampling(), torch.tensor([3, 4]))
    assert decoder.sample(*arguments, 9)[0][:, :4].equal(decoder.sample(*arguments, 4)[0])


def test_the_stamp_of_the_last_future_bar_has_no_effect(make_predictor, make_stamps):
    tokens, stamps = random_tokens(2, 8), make_stamps(2, 14)
    decoder = PathDecoder(make_predictor(), 32)
    changed = stamps.clone()
    changed[:, -1] = 0
    expected, found = (
        decoder.sample(tokens, s[:, :8], s[:, 8:], Sampling(), torch.arange(2), 3) for s in (stamps, changed)
    )
    assert found[0].equal(expected[0])
    earlier = stamps.clone()
    earlier[:, 8:-1] = 0
    moved = decoder.sample(tokens, earlier[:, :8], earlier[:, 8:], Sampling(), torch.arange(2), 3)
    assert not moved[0].equal(expected[0])


@pytest.mark.parametrize("blocks", [1, 2, 4])
@pytest.mark.parametrize("bars", [5, 40])  # within max_context and beyond
def test_encoding_gives_the_tokens_of_the_tokenizer(make_tokenizer, blocks, bars):
    tokenizer = make_tokenizer(n_enc_layers=blocks)
    x = torch.randn(3, bars, 6)
    encoder = BarEncoder(tokenizer, 16)
    for _ in range(2):
        for found, expected in zip(encoder.encode(x), tokenizer.encode(x), strict=True):
            assert found.equal(expected)


@pytest.mark.parametrize("blocks", [1, 2, 4])
@pytest.mark.parametrize(("lookback", "horizon", "max_context"), [(9, 5, 32), (9, 5, 14), (9, 5, 11), (20, 5, 12)])
def test_decoding_with_a_shared_prefix_equals_one_pass_over_each_path(
    make_tokenizer, blocks, lookback, horizon, max_context
):
    tokenizer = make_tokenizer(n_dec_layers=blocks)
    tokens = random_tokens(2, lookback)
    paths = tuple(part.view(2, 3, horizon) for part in random_tokens(6, horizon, seed=22))
    bars, last = BarDecoder(tokenizer, max_context).decode(tokens, paths)
    expected, expected_last = naive_decode(tokenizer, tokens, paths, max_context)
    assert (bars - expected).abs().max() < 1e-5
    assert (last - expected_last).abs().max() < 1e-5


def test_a_horizon_that_fills_the_window_decodes_the_lookback_by_itself(make_tokenizer):
    tokenizer = make_tokenizer(n_dec_layers=3)
    tokens = random_tokens(2, 5)
    paths = tuple(part.view(2, 3, 8) for part in random_tokens(6, 8, seed=22))
    bars, last = BarDecoder(tokenizer, 8).decode(tokens, paths)
    alone = tokenizer.decode(*(part.flatten(0, 1) for part in paths)).view(2, 3, 8, 6)
    assert (bars - alone).abs().max() < 1e-5
    assert (last - tokenizer.decode(*tokens)[:, -1]).abs().max() < 1e-5


def test_a_horizon_beyond_max_context_is_decoded_in_half_windows(make_tokenizer):
    """Blocks of 4 bars for a limit of 8: each bar comes from the pass over the 8 tokens that end with its block."""
    tokenizer = make_tokenizer(n_dec_layers=3)
    tokens = random_tokens(2, 6)
    paths = tuple(part.view(2, 3, 10) for part in random_tokens(6, 10, seed=22))
    bars, last = BarDecoder(tokenizer, 8).decode(tokens, paths)
    whole = [
        torch.cat((past[:, None].expand(-1, 3, -1), future), dim=2).flatten(0, 1)
        for past, future in zip(tokens, paths, strict=True)
    ]
    first = tokenizer.decode(*(row[:, 2:10] for row in whole)).view(2, 3, 8, 6)  # 4 of the lookback, 4 future
    second = tokenizer.decode(*(row[:, 6:14] for row in whole)).view(2, 3, 8, 6)
    third = tokenizer.decode(*(row[:, 8:16] for row in whole)).view(2, 3, 8, 6)  # the last 2 future bars
    expected = torch.cat((first[:, :, 4:], second[:, :, 4:], third[:, :, 6:]), dim=2)
    assert (bars - expected).abs().max() < 1e-5
    assert (last - first[:, 0, 3]).abs().max() < 1e-5


def test_a_decoder_leaves_the_model_as_it_was(make_predictor, make_tokenizer):
    for model, build in ((make_predictor(), PathDecoder), (make_tokenizer(), BarDecoder)):
        before = {key: value.clone() for key, value in model.state_dict().items()}
        build(model, 16)
        assert all(value.equal(before[key]) for key, value in model.state_dict().items())
