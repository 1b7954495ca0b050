"""Blocks laid out for inference: fused and folded weights, and attention over caches that samples share.

Sample paths of a series run in groups. The keys and values of a group lie in one cache: those of the lookback (the
prefix) once, behind them those of each path's own bars. One product scores a group's queries against the whole cache,
and a mask hides from each path what belongs to the others; nothing is expanded or joined.

The stream between the blocks is float32 in any case; `dtype` is that of the matrix products.
Letters: B series, R groups (of all series), M paths of a group, P tokens of the prefix, T tokens a path, H horizon,
D width, N heads, K size of a head.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from kronos_quant.model.kronos import RMS_EPS, Attention, Block, RMSNorm

GROUP_PATHS = 8
"""Most paths that share a cache: each also scores, and hides, the others' own bars."""
BLOCK_WORK = 2**19
"""Width times tokens that a processor prefills at once: more leaves its second cache, less starves the products."""


@dataclass(frozen=True, slots=True)
class Groups:
    """How the S paths of each of B series are grouped; the last group may hold paths that nobody asked for."""

    series: int  # B
    groups: int  # of each series
    paths: int  # of each group, M

    @classmethod
    def of(cls, series: int, samples: int, prefix: int, horizon: int) -> Groups:
        """As few groups as keep what paths hide from each other below about twice what they share."""
        most = min(max(2 * prefix // horizon, 1), GROUP_PATHS)
        groups = -(-samples // most)
        return cls(series, groups, -(-samples // groups))

    @property
    def rows(self) -> int:
        """R, the groups of all series."""
        return self.series * self.groups

    @property
    def samples(self) -> int:
        """Paths of a series, those that nobody asked for included."""
        return self.groups * self.paths

    def spread(self, x: Tensor) -> Tensor:
        """Give each group its series' row: [B, ...] -> [R, ...]."""
        return x if self.groups == 1 else x.repeat_interleave(self.groups, dim=0)

    def filled(self, paths: Tensor) -> Tensor:
        """Order [B, S, H] as a cache does, token by token and path by path: [R, H, M]; the last path fills up."""
        missing = self.samples - paths.shape[1]
        if missing:
            paths = torch.cat((paths, paths[:, -1:].expand(-1, missing, -1)), dim=1)
        return paths.reshape(self.rows, self.paths, -1).mT


@dataclass(frozen=True, slots=True)
class Cache:
    """Keys and values of one layer, [R, tokens, N, K]."""

    k: Tensor
    v: Tensor

    @classmethod
    def empty(cls, attention: Projections, rows: int, tokens: int, device: torch.device) -> Cache:
        """Room for `tokens` of each row."""
        shape = (rows, tokens, attention.n_heads, attention.head_size)
        k, v = (torch.empty(shape, device=device, dtype=attention.dtype) for _ in range(2))
        return cls(k, v)

    def write(self, at: int, k: Tensor, v: Tensor) -> None:
        """Put k, v [R, tokens, N, K] at token `at` and after."""
        self.k[:, at : at + k.shape[1]] = k
        self.v[:, at : at + v.shape[1]] = v

    def write_series(self, first: int, groups: int, k: Tensor, v: Tensor) -> None:
        """Put the prefix k, v [b, P, N, K] of the series from `first` on at the head of each of their groups."""
        rows = slice(first * groups, (first + len(k)) * groups)
        for cached, new in ((self.k, k), (self.v, v)):
            cached[rows, : new.shape[1]].view(-1, groups, *new.shape[1:]).copy_(new[:, None])


def hiding_mask(prefix: int, tokens: int, paths: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What is added to the scores of a group's own tokens, [tokens * M, prefix + tokens * M]: 0 or -inf.

    Row and column t * M + m stand for token t of path m; it sees the prefix and tokens 0 to t of its own path.
    """
    token = torch.arange(tokens, device=device).repeat_interleave(paths)
    path = torch.arange(paths, device=device).repeat(tokens)
    seen = (path[:, None] == path) & (token[:, None] >= token)
    mask = torch.zeros(len(token), prefix + len(token), device=device, dtype=dtype)
    mask[:, prefix:].masked_fill_(~seen, float("-inf"))
    return mask


class Projections:
    """The fused query, key and value projection of an attention, its output projection and its rotary turns.

    In each head the halves of query and key are interleaved, which no scalar product notices: a rotation is then one
    product of complex numbers. The query carries the scale of the scores. Weights stand as [in, out].
    """

    def __init__(self, attention: Attention, max_context: int, dtype: torch.dtype, norm: RMSNorm | None = None) -> None:
        """norm : the one before it, whose weight is folded in."""
        self.n_heads, self.dtype = attention.n_heads, dtype
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        weights = [p.weight.detach().float() for p in projections]
        biases = [p.bias.detach().float() for p in projections]
        width = weights[0].shape[0]
        self.head_size = width // self.n_heads
        scale = self.head_size**-0.5
        paired = torch.arange(width).view(self.n_heads, 2, -1).mT.flatten().to(weights[0].device)
        weight = torch.cat((weights[0][paired] * scale, weights[1][paired], weights[2]))
        if norm is not None:
            weight = weight * norm.weight.detach().float()
        self.weight = weight.T.to(dtype).contiguous()
        self.bias = torch.cat((biases[0][paired] * scale, biases[1][paired], biases[2])).to(dtype)
        self.out_weight = attention.out_proj.weight.detach().T.to(dtype).contiguous()
        self.out_bias = attention.out_proj.bias.detach().to(dtype)
        cos, sin = attention.rotary.tables(max_context)
        self.turns = torch.complex(*(table[:, None, : self.head_size // 2].contiguous() for table in (cos, sin)))

    def qkv(self, x: Tensor, positions: slice | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of x[R, tokens, D], each [R, tokens, N, K]; the first two rotated to `positions`."""
        fused = torch.addmm(self.bias, x.flatten(0, -2), self.weight).view(*x.shape[:-1], 3 * self.n_heads, -1)
        q, k = self.rotate(fused[..., : 2 * self.n_heads, :], positions).chunk(2, dim=-2)
        return q, k, fused[..., 2 * self.n_heads :, :]

    def keys_values(self, x: Tensor, positions: slice | Tensor | None) -> tuple[Tensor, Tensor]:
        """Key and value of x[R, tokens, D], each [R, tokens, N, K]; the key rotated unless `positions` is None."""
        width = x.shape[-1]
        fused = torch.addmm(self.bias[width:], x.flatten(0, -2).to(self.dtype), self.weight[:, width:])
        k, v = fused.view(*x.shape[:-1], 2 * self.n_heads, -1).chunk(2, dim=-2)
        return (k if positions is None else self.rotate(k, positions)), v

    def rotate(self, x: Tensor, positions: slice | Tensor) -> Tensor:
        """Rotate x[..., tokens, heads, K], whose pairs are adjacent, to `positions`."""
        pairs = torch.view_as_complex(x.float().view(*x.shape[:-1], -1, 2))
        return torch.view_as_real(pairs * self.turns[positions]).flatten(-2).to(self.dtype)

    def out(self, mixed: Tensor) -> Tensor:
        """[R, N, tokens, K] -> [R, tokens, D]."""
        joined = mixed.transpose(1, 2).flatten(-2)
        return torch.addmm(self.out_bias, joined.flatten(0, -2), self.out_weight).view(joined.shape)


class Layer:
    """One block; each call changes the stream x[R, tokens, D] in place."""

    def __init__(self, block: Block, max_context: int, dtype: torch.dtype) -> None:
        self.attention = Projections(block.self_attn, max_context, dtype, block.norm1)
        after = block.norm2.weight.detach().float()
        gate, up = ((linear.weight.detach().float() * after).T for linear in (block.ffn.w1, block.ffn.w3))
        self.gate_weight, self.up_weight = gate.to(dtype).contiguous(), up.to(dtype).contiguous()
        self.down_weight = block.ffn.w2.weight.detach().T.to(dtype).contiguous()
        self.dtype = dtype

    def qkv(self, x: Tensor, positions: slice | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of the stream, each [R, tokens, N, K]."""
        return self.attention.qkv(normed(x, self.dtype), positions)

    def finish(self, x: Tensor, mixed: Tensor) -> None:
        """Add the attention's output [R, N, tokens, K] and then the feed-forward part to the stream."""
        x += self.attention.out(mixed)
        rows = normed(x, self.dtype).flatten(0, -2)
        hidden = torch.mm(rows, self.gate_weight)
        torch.nn.functional.silu(hidden, inplace=True).mul_(torch.mm(rows, self.up_weight))
        x += torch.mm(hidden, self.down_weight).view(x.shape)


class Stack:
    """Blocks run over the prefix of each series once, and over the own tokens of its paths."""

    def __init__(self, blocks: Iterable[Block], max_context: int, dtype: torch.dtype = torch.float32) -> None:
        self.layers = [Layer(block, max_context, dtype) for block in blocks]

    def room(self, rows: int, tokens: int, device: torch.device) -> list[Cache]:
        """Empty caches, one a layer."""
        return [Cache.empty(layer.attention, rows, tokens, device) for layer in self.layers]

    def prefill(self, x: Tensor, caches: Sequence[Cache], groups: int, *, last_only: bool = False) -> Tensor:
        """Run the prefixes x[B, P, D] and fill the heads of the caches of their groups; no caches: run alone.

        Returns the last layer's output, [B, P, D], or with last_only its last token [B, 1, D].
        """
        parts = [self._prefill(x[part], caches, groups, part.start, last_only) for part in _blocks(x)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _prefill(self, x: Tensor, caches: Sequence[Cache], groups: int, first: int, last_only: bool) -> Tensor:
        x = x.clone()
        for i, layer in enumerate(self.layers):
            q, k, v = layer.qkv(x, slice(0, x.shape[1]))
            if caches:
                caches[i].write_series(first, groups, k, v)
            cut = last_only and i == len(self.layers) - 1
            if cut:
                q, x = q[:, -1:], x[:, -1:].clone()
            layer.finish(x, _attention(q, k, v, causal=not cut))
        return x[:, -1:] if last_only else x

    def extend(self, x: Tensor, caches: Sequence[Cache], place: Place) -> Tensor:
        """Run new tokens of every path, x[R, T * M, D] (changed in place), and write their keys and values."""
        for layer, cache in zip(self.layers, caches, strict=True):
            q, k, v = layer.qkv(x, place.positions)
            cache.write(place.start, k, v)
            layer.finish(x, attend(q, cache, place))
        return x


@dataclass(frozen=True, slots=True)
class Place:
    """Where the newest tokens of a group stand: in the cache, in the sequence, and what hides the other paths."""

    start: int
    """The first of them in the cache."""
    stop: int
    """One behind the last of them."""
    positions: slice | Tensor
    """Of each of them in its path's window."""
    mask: Tensor | None
    """[T * M, stop], see `hiding_mask`; None where nothing is hidden."""


class Slots:
    """The places in a cache, behind the prefix, that the own tokens of a group's paths take one after another."""

    def __init__(self, prefix: int, room: int, paths: int, dtype: torch.dtype, device: torch.device) -> None:
        """room : tokens of each path at most."""
        self.prefix, self.paths, self.used = prefix, paths, 0
        self.length = prefix + room * paths
        self.mask = hiding_mask(prefix, room, paths, dtype, device)

    def take(self, tokens: int) -> Place:
        """The place of so many more tokens of each path."""
        self.used += tokens
        return self.newest(tokens)

    def newest(self, tokens: int = 1) -> Place:
        """The place of the newest tokens of each path; of the prefix's last one where no path has its own."""
        stop, end = self.prefix + self.used * self.paths, self.prefix + self.used
        if self.used == 0:
            return Place(stop - 1, stop, slice(end - 1, end), None)
        if tokens == 1:
            positions: slice | Tensor = slice(end - 1, end)
        else:
            positions = torch.arange(end - tokens, end, device=self.mask.device).repeat_interleave(self.paths)
        rows = slice((self.used - tokens) * self.paths, self.used * self.paths)
        mask = None if tokens == self.paths == 1 else self.mask[rows, :stop]
        return Place(stop - tokens * self.paths, stop, positions, mask)


def attend(q: Tensor, cache: Cache, place: Place) -> Tensor:
    """Attention of queries [R, tokens, N, K] over all that the cache holds up to `place`: [R, N, tokens, K]."""
    return _attention(q, cache.k[:, : place.stop], cache.v[:, : place.stop], mask=place.mask)


def _attention(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """[R, tokens, N, K] each -> [R, N, tokens, K]."""
    by_head = (q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return scaled_dot_product_attention(by_head[0], by_head[1], by_head[2], mask, is_causal=causal, scale=1.0)


def normed(x: Tensor, dtype: torch.dtype) -> Tensor:
    """x[..., D] over its root mean square, as `dtype`; the norm's weight is folded into what follows."""
    scale = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(RMS_EPS).rsqrt_()
    return torch.mul(x, scale, out=torch.empty_like(x, dtype=dtype))


def _blocks(x: Tensor) -> list[slice]:
    """The series of x[B, P, D] that are prefilled together; all on an accelerator."""
    series, tokens, width = x.shape
    step = max(1, BLOCK_WORK // (tokens * width)) if x.device.type == "cpu" else series
    return [slice(first, min(first + step, series)) for first in range(0, series, step)]
