"""Logits to tokens: temperature, top-k, then the nucleus on what is left; randomness is an input.

A uniform is a pure function of (seed, sample, step, draw), so a series draws the same tokens in any batch, order,
process or resume. The nucleus is drawn without sorting: take a token by inverse CDF from the whole distribution and
keep it when the tokens more probable than it hold at most `top_p`; else draw again among the more probable ones (the
others are outside the nucleus too). Every kept draw has exactly the nucleus distribution, by rejection.

Letters: R rows, V vocabulary.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Literal

import torch
from torch import Tensor

from kronos_quant.bounds import HOTTEST, MOST_TOKENS
from kronos_quant.errors import ConfigError
from kronos_quant.inputs import as_count, as_number

# splitmix64 (Steele, Lea and Flood 2014): the odd increment, then shift and multiplier of each mixing round
_GOLDEN = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31
_DRAW_BITS = 20
_FLOAT_BITS = 24


Nucleus = Literal["combined", "published"]
"""combined: top_k, then the nucleus of what is left. published: top_p is not looked at where top_k is given."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is chosen from its logits, the same for s1 and s2."""

    temperature: float = 1.0
    """Divides the logits; 0 takes the most probable token."""
    top_k: int = 0
    """Keep this many most probable tokens; 0 keeps all, 1 is greedy."""
    top_p: float = 0.9
    """Then keep a token when the mass strictly before it, of what is left, is at most this."""
    nucleus: Nucleus = "combined"

    def __post_init__(self) -> None:
        as_number(self.temperature, "temperature", lambda heat: 0 <= heat <= HOTTEST, "a number from 0 to 100")
        as_count(self.top_k, "top_k", 0, MOST_TOKENS)
        as_number(self.top_p, "top_p", lambda share: 0 < share <= 1, "a number above 0 and at most 1")
        if self.nucleus not in ("combined", "published"):
            raise ConfigError(f"nucleus: must be combined or published, got {self.nucleus!r}")

    @property
    def greedy(self) -> bool:
        """True when no randomness is used."""
        return self.temperature == 0 or self.top_k == 1


DEFAULT_SAMPLING = Sampling()


@dataclass(frozen=True, slots=True)
class Streams:
    """The random streams of some rows: which series (seed) and which of its paths (sample) each row is."""

    seeds: Tensor  # int64[R]
    samples: Tensor  # int64[R]

    @classmethod
    def of(cls, seeds: Tensor, samples: int) -> Streams:
        """Rows of `samples` paths for each seed int64[B], sample fastest."""
        index = torch.arange(samples, device=seeds.device)
        return cls(seeds.repeat_interleave(samples), index.repeat(len(seeds)))

    def at(self, rows: Tensor) -> Streams:
        """The streams of some of the rows, int64[R']."""
        return Streams(self.seeds[rows], self.samples[rows])

    def uniforms(self, step: int, draw: int) -> Tensor:
        """One uniform a row, float32[R]."""
        return uniforms(self.seeds, self.samples, step, draw)


def draw_tokens(logits: Tensor, sampling: Sampling, streams: Streams, step: int) -> Tensor:
    """Choose one token a row.

    logits : float[R, V]. step : the position of this choice in a path, any number that no other choice of it has.
    Returns int64[R].
    """
    if sampling.greedy:
        return logits.argmax(-1)
    scaled = logits.float() / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        kept, tokens = scaled.topk(sampling.top_k, dim=-1)
        top_p = sampling.top_p if sampling.nucleus == "combined" else 1.0
        chosen = _draw_nucleus(kept.softmax(-1), top_p, streams, step)
        return tokens.gather(1, chosen[:, None])[:, 0]
    return _draw_nucleus(scaled.softmax(-1), sampling.top_p, streams, step)


def _draw_nucleus(probabilities: Tensor, top_p: float, streams: Streams, step: int) -> Tensor:
    tokens = _inverse_cdf(probabilities, streams.uniforms(step, 0))
    if top_p >= 1:
        return tokens
    redraw = _redraw_rejected if probabilities.device.type == "cpu" else _redraw_unasked
    return redraw(probabilities, tokens, top_p, streams, step)


def _redraw_rejected(probabilities: Tensor, tokens: Tensor, top_p: float, streams: Streams, step: int) -> Tensor:
    """Draw again the rows whose token lies outside the nucleus, until there is none."""
    rows = torch.arange(len(tokens), device=tokens.device)
    candidates, drawn, draw = probabilities, tokens, 0
    while len(rows):
        better, outside = _judged(candidates, drawn, top_p)
        rejected = outside.nonzero()[:, 0]
        rows, candidates, draw = rows[rejected], better[rejected], draw + 1
        drawn = _inverse_cdf(candidates, streams.at(rows).uniforms(step, draw))
        tokens[rows] = drawn
    return tokens


def _redraw_unasked(probabilities: Tensor, tokens: Tensor, top_p: float, streams: Streams, step: int) -> Tensor:
    """The same tokens without asking the device whether a row is left: as many rounds as a row can need."""
    candidates = probabilities
    for draw in range(1, rounds(top_p) + 1):
        better, outside = _judged(candidates, tokens, top_p)
        candidates = torch.where(outside[:, None], better, candidates)
        tokens = torch.where(outside, _inverse_cdf(candidates, streams.uniforms(step, draw)), tokens)
    return tokens


def rounds(top_p: float) -> int:
    """Rounds after which a row is without a token with a chance below 2^-64.

    What the candidates hold beyond the nucleus shrinks by a uniform factor at every rejection, to 2^-k in the mean
    after k, so that a chain of K rejections has a chance of about 2^(-K^2 / 2) top_p^-K.
    """
    bits = -math.log2(top_p)
    return math.ceil(bits + math.sqrt(bits**2 + 128))


def _judged(candidates: Tensor, tokens: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """The candidates more probable than each row's token, the others zero, and whether the token is outside."""
    own = candidates.gather(1, tokens[:, None])
    # sign and relu: a vectorised mask of the more probable tokens, several times faster than where()
    better = (candidates - own).sign_().relu_().mul_(candidates)
    return better, better.sum(-1) > top_p


def _inverse_cdf(weights: Tensor, uniform: Tensor) -> Tensor:
    """The first token whose cumulated weight exceeds uniform * total; weights float32[R, V] need not sum to 1."""
    cumulated = weights.cumsum(-1)
    total = cumulated[:, -1:]
    # uniform * total may round up to total, which no token exceeds
    below = torch.nextafter(total, torch.zeros_like(total))
    target = torch.minimum(uniform[:, None] * total, below)
    return torch.searchsorted(cumulated, target, right=True)[:, 0].clamp_(max=weights.shape[-1] - 1)


def uniforms(seeds: Tensor, sample: Tensor | int, step: int, draw: int) -> Tensor:
    """Uniforms in [0, 1), float32 of the shape that `seeds` and `sample` broadcast to.

    seeds : int64[...], see `series_seed`. sample : which path. step : which choice of the path. draw : which attempt
    of the choice. Source: splitmix64, one mixing for each of the keys, in int64 that wraps.
    """
    sample = torch.as_tensor(sample, device=seeds.device, dtype=torch.int64)
    state = _mix(seeds + _signed(_GOLDEN))
    state = _mix(state + (sample + 1) * _signed(_GOLDEN))
    state = _mix(state + _signed(_GOLDEN * ((step << _DRAW_BITS | draw) + 1)))
    return _shift(state, 64 - _FLOAT_BITS).float() * 2.0**-_FLOAT_BITS


def series_seed(seed: int, symbol: str, asof: date) -> int:
    """The seed of one series, an int64.

    Parameters
    ----------
    seed
        The run's.
    symbol
        The series.
    asof
        The date or time last seen. A date counts as its midnight: a daily bar's date and its time give the same seed.
    """
    moment = asof if isinstance(asof, datetime) else datetime.combine(asof, time())
    key = f"{seed}\n{symbol}\n{moment.isoformat()}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big", signed=True)


def _mix(state: Tensor) -> Tensor:
    for shift, multiplier in _ROUNDS:
        state = (state ^ _shift(state, shift)) * _signed(multiplier)
    return state ^ _shift(state, _LAST_SHIFT)


def _shift(state: Tensor, places: int) -> Tensor:
    """Logical shift to the right: torch's own keeps the sign."""
    return (state >> places) & ((1 << (64 - places)) - 1)


def _signed(value: int) -> int:
    """The int64 with the low 64 bits of `value`."""
    return (value + 2**63) % 2**64 - 2**63
