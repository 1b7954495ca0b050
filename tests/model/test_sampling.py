import hashlib
from collections import Counter
from datetime import date, datetime

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from kronos_quant.errors import ConfigError
from kronos_quant.model import sampling
from kronos_quant.model.sampling import Sampling, Streams, draw_tokens, series_seed, uniforms

DRAWS = 20_000


def rows(logits, count=DRAWS, seed=1):
    """One series of `count` paths, every row with the same logits."""
    streams = Streams.of(torch.tensor([seed]), count)
    return logits.expand(count, -1), streams


def exact_nucleus(probabilities, top_p):
    """The published rule by sorting: keep a token when the mass strictly before it is at most top_p."""
    order = np.argsort(-probabilities, kind="stable")
    before = np.cumsum(probabilities[order]) - probabilities[order]
    kept = np.zeros_like(probabilities)
    kept[order[before <= top_p]] = probabilities[order[before <= top_p]]
    return kept / kept.sum()


def assert_distributed(tokens, expected, significance=1e-4):
    counts = np.bincount(tokens.numpy(), minlength=len(expected))
    assert counts[expected == 0].sum() == 0, "a token outside the nucleus was drawn"
    inside = expected > 0
    wanted = expected[inside] * len(tokens)
    statistic = ((counts[inside] - wanted) ** 2 / wanted).sum()
    degrees = max(inside.sum() - 1, 1)
    assert statistic < chi2.ppf(1 - significance, degrees)


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("sharpness", [0.3, 2.0])
def test_draws_follow_the_exact_nucleus(top_p, sharpness):
    logits = torch.randn(40, generator=torch.Generator().manual_seed(3)) * sharpness
    expected = exact_nucleus(logits.double().softmax(-1).numpy(), top_p)
    many, streams = rows(logits)
    assert_distributed(draw_tokens(many, Sampling(top_p=top_p), streams, 0), expected)


@pytest.mark.parametrize("top_p", [1e-3, 0.05, 0.5, 0.9])
@pytest.mark.parametrize("sharpness", [0.3, 4.0])
def test_a_fixed_number_of_rounds_gives_the_same_tokens(top_p, sharpness):
    logits = torch.randn(DRAWS, 40, generator=torch.Generator().manual_seed(3)) * sharpness
    streams = Streams.of(torch.tensor([8]), DRAWS)
    probabilities = logits.softmax(-1)
    first = sampling._inverse_cdf(probabilities, streams.uniforms(5, 0))
    asked, unasked = (
        redraw(probabilities, first.clone(), top_p, streams, 5)
        for redraw in (sampling._redraw_rejected, sampling._redraw_unasked)
    )
    assert unasked.equal(asked)
    assert not asked.equal(first)


def test_the_number_of_rounds_follows_from_the_chance_of_a_chain():
    for top_p in (0.01, 0.5, 0.9):
        count = sampling.rounds(top_p)
        assert count**2 / 2 + count * np.log2(top_p) >= 64 > (count - 1) ** 2 / 2 + (count - 1) * np.log2(top_p)


def test_temperature_divides_the_logits():
    logits = torch.tensor([0.0, 1.0, 2.0])
    many, streams = rows(logits)
    tokens = draw_tokens(many, Sampling(temperature=0.5, top_p=1.0), streams, 0)
    assert_distributed(tokens, (logits.double() * 2).softmax(-1).numpy())


def test_the_nucleus_is_taken_of_what_top_k_leaves():
    # probabilities .4 .3 .2 .1; of the best three, rescaled: 4/9, 3/9, 2/9; before the third: 7/9 = .78
    many, streams = rows(torch.tensor([0.1, 0.4, 0.2, 0.3]).log())
    ninth = np.array([0, 4, 2, 3]) / 9
    assert_distributed(draw_tokens(many, Sampling(top_k=3, top_p=1.0), streams, 0), ninth)
    assert_distributed(draw_tokens(many, Sampling(top_k=3, top_p=0.78), streams, 0), ninth)
    # without top-k the mass before the third is .7, so it stays; with it, .7 is below 7/9 and it goes
    assert_distributed(draw_tokens(many, Sampling(top_k=3, top_p=0.75), streams, 0), np.array([0, 4, 0, 3]) / 7)
    assert_distributed(draw_tokens(many, Sampling(top_p=0.75), streams, 0), ninth)


def test_the_published_nucleus_is_not_looked_at_beside_top_k():
    many, streams = rows(torch.tensor([0.1, 0.4, 0.2, 0.3]).log())
    both, published = (
        draw_tokens(many, Sampling(top_k=3, top_p=0.1, nucleus=nucleus), streams, 0)
        for nucleus in ("combined", "published")
    )
    assert_distributed(both, np.array([0.0, 1, 0, 0]))
    assert_distributed(published, np.array([0, 4, 2, 3]) / 9)


def test_top_k_keeps_exactly_k_of_equal_tokens():
    many, streams = rows(torch.zeros(10))
    assert len(Counter(draw_tokens(many, Sampling(top_k=3, top_p=1.0), streams, 0).tolist())) == 3


def test_top_k_beyond_the_vocabulary_keeps_all():
    many, streams = rows(torch.zeros(4))
    tokens = draw_tokens(many, Sampling(top_k=100, top_p=1.0), streams, 0)
    assert_distributed(tokens, np.full(4, 0.25))


def test_the_token_that_crosses_the_threshold_is_kept():
    many, streams = rows(torch.tensor([0.5, 0.25, 0.25]).log())
    tokens = draw_tokens(many, Sampling(top_p=0.49), streams, 0)
    assert (tokens == 0).all()
    # the two equal tokens have the same mass before them, .5: both stay or both go
    assert_distributed(draw_tokens(many, Sampling(top_p=0.51), streams, 0), np.array([0.5, 0.25, 0.25]))


def test_a_tiny_nucleus_is_the_most_probable_token_and_ends_soon():
    logits = torch.randn(500, 1024, generator=torch.Generator().manual_seed(0)) * 0.01
    tokens = draw_tokens(logits, Sampling(top_p=1e-6), Streams.of(torch.arange(500), 1), 0)
    assert tokens.equal(logits.argmax(-1))


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(top_k=1), Sampling(temperature=0, top_p=0.1)])
def test_greedy_takes_the_most_probable_token(sampling):
    logits = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    assert sampling.greedy
    assert draw_tokens(logits, sampling, Streams.of(torch.arange(50), 1), 0).equal(logits.argmax(-1))


def test_impossible_tokens_are_never_drawn():
    logits = torch.full((8,), float("-inf"))
    logits[3] = 0.0
    for top_p in (0.9, 1.0):
        many, streams = rows(logits)
        assert (draw_tokens(many, Sampling(top_p=top_p), streams, 0) == 3).all()


def test_a_row_draws_the_same_alone_in_a_batch_and_in_any_order():
    logits = torch.randn(64, 50, generator=torch.Generator().manual_seed(2))
    streams, sampling = Streams.of(torch.arange(16), 4), Sampling(top_p=0.6)
    whole = draw_tokens(logits, sampling, streams, 7)
    order = torch.randperm(64)
    assert draw_tokens(logits[order], sampling, streams.at(order), 7).equal(whole[order])
    for row in (0, 17, 63):
        one = torch.tensor([row])
        assert draw_tokens(logits[one], sampling, streams.at(one), 7).equal(whole[one])


def test_the_global_generator_plays_no_part():
    logits = torch.randn(64, 50, generator=torch.Generator().manual_seed(2))
    streams = Streams.of(torch.arange(64), 1)
    torch.manual_seed(0)
    first = draw_tokens(logits, Sampling(), streams, 0)
    torch.manual_seed(1)
    assert draw_tokens(logits, Sampling(), streams, 0).equal(first)


def test_bfloat16_logits_are_drawn_in_float32():
    logits = torch.randn(64, 50, generator=torch.Generator().manual_seed(2)).bfloat16()
    streams = Streams.of(torch.arange(64), 1)
    assert draw_tokens(logits, Sampling(), streams, 0).equal(draw_tokens(logits.float(), Sampling(), streams, 0))


def test_streams_number_the_samples_of_each_seed():
    streams = Streams.of(torch.tensor([7, 9]), 3)
    assert streams.seeds.tolist() == [7, 7, 7, 9, 9, 9]
    assert streams.samples.tolist() == [0, 1, 2, 0, 1, 2]


def reference_uniform(seed, sample, step, draw):
    """The same hash in Python's unbounded integers."""
    mask, golden = 2**64 - 1, 0x9E3779B97F4A7C15

    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    state = mix((seed + golden) & mask)
    state = mix((state + golden * (sample + 1)) & mask)
    state = mix((state + golden * ((step * 2**20 + draw) + 1)) & mask)
    return (state >> 40) / 2**24


@pytest.mark.parametrize("seed", [0, 1, -1, 2**63 - 1, -(2**63), 123456789])
def test_uniforms_equal_the_hash_in_exact_integers(seed):
    for sample, step, draw in ((0, 0, 0), (5, 0, 0), (0, 7, 0), (0, 0, 3), (999, 2047, 12)):
        found = uniforms(torch.tensor([seed]), sample, step, draw)
        assert found.dtype == torch.float32
        assert found.item() == reference_uniform(seed % 2**64, sample, step, draw)


def test_the_first_mixing_is_splitmix64():
    # splitmix64 seeded with 0 begins with this number; a state of 0 mixes to it in the first of the three rounds
    from kronos_quant.model.sampling import _GOLDEN, _mix, _signed

    assert _mix(torch.tensor(_signed(_GOLDEN))).item() % 2**64 == 0xE220A8397B1DCDAF


def test_uniforms_are_flat_below_one_and_unrelated_between_keys():
    seeds, samples = torch.arange(500)[:, None], torch.arange(100)
    u = uniforms(seeds, samples, 0, 0)
    assert u.shape == (500, 100)
    assert u.min() >= 0
    assert u.max() < 1
    counts = torch.histc(u, bins=50, min=0, max=1)
    assert ((counts - 1000) ** 2 / 1000).sum() < chi2.ppf(0.9999, 49)
    for other in (
        uniforms(seeds + 1, samples, 0, 0),
        uniforms(seeds, samples + 1, 0, 0),
        uniforms(seeds, samples, 1, 0),
    ):
        correlation = np.corrcoef(u.flatten(), other.flatten())[0, 1]
        assert abs(correlation) < 5 / np.sqrt(u.numel())
    assert not u.equal(uniforms(seeds, samples, 0, 1))


def test_series_seed_is_a_digest_of_seed_symbol_and_moment():
    key = b"7\nSH600000\n2025-06-05T00:00:00"
    expected = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big", signed=True)
    assert series_seed(7, "SH600000", date(2025, 6, 5)) == expected
    assert series_seed(7, "SH600000", datetime(2025, 6, 5)) == expected
    others = {
        series_seed(8, "SH600000", date(2025, 6, 5)),
        series_seed(7, "SH600001", date(2025, 6, 5)),
        series_seed(7, "SH600000", date(2025, 6, 6)),
        series_seed(7, "SH600000", datetime(2025, 6, 5, 9, 35)),
    }
    assert len(others | {expected}) == 5


def test_series_seeds_fit_a_signed_64_bit_integer():
    seeds = [series_seed(0, f"S{i}", date(2025, 1, 1)) for i in range(300)]
    assert torch.tensor(seeds).dtype == torch.int64
    assert min(seeds) < 0 < max(seeds)
    assert len(set(seeds)) == 300


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"temperature": -0.1}, "temperature: expected a number from 0 to 100, found -0.1"),
        ({"temperature": float("nan")}, "temperature: expected a number from 0 to 100, found nan"),
        ({"temperature": float("inf")}, "temperature: expected a number from 0 to 100, found inf"),
        ({"top_k": -1}, "top_k: expected a whole number of at least 0, found -1"),
        ({"top_k": "9"}, "top_k: expected a whole number of at least 0, found '9'"),
        ({"temperature": "hot"}, "temperature: expected a number from 0 to 100, found 'hot'"),
        ({"top_p": 0.0}, "top_p: expected a number above 0 and at most 1, found 0.0"),
        ({"top_p": 1.2}, "top_p: expected a number above 0 and at most 1, found 1.2"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        Sampling(**settings)


def test_an_unknown_nucleus_is_refused():
    with pytest.raises(ConfigError, match="nucleus: must be combined or published, got 'both'"):
        Sampling(nucleus="both")
