"""Sample paths by cached decoding: the same tokens as a full forward pass at every step, at a fraction of the work.

A series' lookback (the prefix) runs once, and its keys and values are shared by all samples of the series without a
copy; each sample keeps keys and values of its own future bars only. When the window slides beyond max_context, a bar
drops out that every deeper layer has attended to, so cached values are wrong: from then on each step runs its window
again, what is left of the lookback once a series.

The weights are taken (fused, embeddings folded into tables) when a decoder is made: make it after training.
Letters: B series, S samples, L lookback, H horizon, P tokens of the shared prefix, T tokens of a pass, U own tokens
of a sample, D width, N heads, K size of a head, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear, scaled_dot_product_attention, silu

from kronos_quant.model.kronos import Attention, Block, Kronos, KronosTokenizer, RMSNorm
from kronos_quant.model.sampling import Sampling, Streams, draw_tokens

ATTENTION_SCORES = 2**19
"""Scores that one block of `attend` may hold; bounds memory, and keeps them in the processor's cache."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """Keys and values of one layer: [B, N, P, K] shared by a series, or [B, N, S, U, K] of each sample."""

    k: Tensor
    v: Tensor


class Turns:
    """Rotary turns as complex numbers: one product rotates a pair of values that lie beside each other."""

    def __init__(self, attention: Attention, max_context: int) -> None:
        cos, sin = attention.rotary.tables(max_context)
        half = cos.shape[1] // 2
        self.turns = torch.complex(cos[:, :half], sin[:, :half])[:, None]  # [positions, 1, K / 2]

    def rotate(self, x: Tensor, start: int) -> Tensor:
        """Rotate x[..., T, heads, K], whose tokens stand at `start` and after and whose pairs are adjacent."""
        pairs = torch.view_as_complex(x.float().view(*x.shape[:-1], -1, 2))
        turned = torch.view_as_real(pairs * self.turns[start : start + x.shape[-3]])
        return turned.flatten(-2).type_as(x)


def attend(q: Tensor, prefix: KeyValue, own: KeyValue) -> Tensor:
    """Attention of a sample's last T tokens over the series' prefix and the sample's own tokens.

    q : [B, N, S, T, K], already scaled. prefix : [B, N, P, K]. own : [B, N, S, U, K], its last T are q's tokens.
    Returns [B, N, S, T, K]. The prefix is never expanded: its scores are one product for all samples of a series.
    """
    B, N, S, T, _ = q.shape
    keys = prefix.k.shape[2] + own.k.shape[3]
    block = max(1, ATTENTION_SCORES // (B * N * T * keys))
    if block >= S:
        return _attend_block(q, prefix, own)
    parts = [
        _attend_block(q[:, :, i : i + block], prefix, KeyValue(own.k[:, :, i : i + block], own.v[:, :, i : i + block]))
        for i in range(0, S, block)
    ]
    return torch.cat(parts, dim=2)


def _attend_block(q: Tensor, prefix: KeyValue, own: KeyValue) -> Tensor:
    B, N, S, T, K = q.shape
    P, U = prefix.k.shape[2], own.k.shape[3]
    to_prefix = (q.reshape(B, N, S * T, K) @ prefix.k.mT).view(B, N, S, T, P)
    to_own = q @ own.k.mT
    if T > 1:
        to_own = to_own + torch.full((T, U), float("-inf"), device=q.device, dtype=q.dtype).triu_(U - T + 1)
    weights = torch.cat((to_prefix, to_own), dim=-1).float().softmax(-1).type_as(q)
    of_prefix = weights[..., :P].reshape(B, N, S * T, P) @ prefix.v
    return of_prefix.view(B, N, S, T, K) + weights[..., P:] @ own.v


class Projections:
    """The fused query, key and value projection of an attention, its output projection and its rotary turns.

    In each head the halves of query and key are interleaved, which no scalar product notices: see `Turns`.
    """

    def __init__(self, attention: Attention, max_context: int) -> None:
        self.n_heads = attention.n_heads
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        weights = [p.weight.detach() for p in projections]
        biases = [p.bias.detach() for p in projections]
        width = weights[0].shape[0]
        scale = (width // self.n_heads) ** -0.5
        paired = torch.arange(width).view(self.n_heads, 2, -1).mT.flatten().to(weights[0].device)
        self.weight = torch.cat((weights[0][paired] * scale, weights[1][paired], weights[2]))
        self.bias = torch.cat((biases[0][paired] * scale, biases[1][paired], biases[2]))
        self.out_weight, self.out_bias = attention.out_proj.weight.detach(), attention.out_proj.bias.detach()
        self.turns = Turns(attention, max_context)

    def qkv(self, x: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of x[..., T, D], each [..., T, N, K]; the first two rotated from position `start`."""
        fused = linear(x, self.weight, self.bias).view(*x.shape[:-1], 3 * self.n_heads, -1)
        qk, v = fused[..., : 2 * self.n_heads, :], fused[..., 2 * self.n_heads :, :]
        q, k = self.turns.rotate(qk, start).chunk(2, dim=-2)
        return q, k, v

    def out(self, mixed: Tensor) -> Tensor:
        """[..., N, K] -> [..., D]."""
        return linear(mixed.flatten(-2), self.out_weight, self.out_bias)


class Layer:
    """One block with fused weights."""

    def __init__(self, block: Block, max_context: int) -> None:
        self.attention = Projections(block.self_attn, max_context)
        self.norm1, self.norm2 = block.norm1, block.norm2
        self.up_weight = torch.cat((block.ffn.w1.weight.detach(), block.ffn.w3.weight.detach()))
        self.down_weight = block.ffn.w2.weight.detach()

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Add the attention's output [..., N, K] and then the feed-forward part to x[..., D]."""
        x = x + self.attention.out(mixed)
        gate, up = linear(_normed(self.norm2, x), self.up_weight).chunk(2, dim=-1)
        return x + linear(silu(gate) * up, self.down_weight)


class Stack:
    """Blocks run over a prefix once a series, and over tails of its samples."""

    def __init__(self, blocks: Iterable[Block], max_context: int) -> None:
        self.layers = [Layer(block, max_context) for block in blocks]

    def prefill(self, x: Tensor, *, last_only: bool) -> tuple[Tensor, list[KeyValue]]:
        """Run the prefix x[B, P, D]; return its output, [B, P, D] or with last_only [B, 1, D], and the cache."""
        cache = []
        for i, layer in enumerate(self.layers):
            q, k, v = (part.transpose(1, 2).contiguous() for part in layer.attention.qkv(_normed(layer.norm1, x), 0))
            cache.append(KeyValue(k, v))
            cut = last_only and i == len(self.layers) - 1
            if cut:
                q, x = q[:, :, -1:], x[:, -1:]
            mixed = scaled_dot_product_attention(q, k, v, is_causal=not cut, scale=1.0)
            x = layer.finish(x, mixed.transpose(1, 2))
        return (x[:, -1:] if last_only else x), cache

    def extend(self, x: Tensor, prefix: list[KeyValue], own: list[KeyValue], used: int) -> Tensor:
        """Run T more tokens of each sample, x[B, S, T, D], and write their keys and values into `own` from `used`.

        prefix : the cache of `prefill`. own : room [B, N, S, U, K] a layer, of which `used` are filled.
        """
        T = x.shape[2]
        for layer, shared, room in zip(self.layers, prefix, own, strict=True):
            start = shared.k.shape[2] + used
            q, k, v = layer.attention.qkv(_normed(layer.norm1, x), start)
            mixed = attend(_by_head(q), shared, _append(room, k, v, used, T))
            x = layer.finish(x, mixed.permute(0, 2, 3, 1, 4))
        return x

    def empty_prefix(self, like: Tensor) -> list[KeyValue]:
        """The cache of a prefix of no tokens, for x like[B, ...]."""
        return [_room(layer.attention, (like.shape[0],), 0, like) for layer in self.layers]

    def room(self, like: Tensor, samples: int, length: int) -> list[KeyValue]:
        """Room for `length` own tokens of each sample."""
        return [_room(layer.attention, (like.shape[0], samples), length, like) for layer in self.layers]


def _room(attention: Projections, rows: tuple[int, ...], length: int, like: Tensor) -> KeyValue:
    width = attention.out_weight.shape[0]
    shape = (rows[0], attention.n_heads, *rows[1:], length, width // attention.n_heads)
    return KeyValue(like.new_empty(shape), like.new_empty(shape))


def _append(room: KeyValue, k: Tensor, v: Tensor, used: int, T: int) -> KeyValue:
    """Write k, v [B, S, T, N, K] behind the `used` tokens of `room`; return the view of all that is filled."""
    room.k[:, :, :, used : used + T] = _by_head(k)
    room.v[:, :, :, used : used + T] = _by_head(v)
    return KeyValue(room.k[:, :, :, : used + T], room.v[:, :, :, : used + T])


def _by_head(x: Tensor) -> Tensor:
    """[B, S, T, N, K] -> [B, N, S, T, K]."""
    return x.permute(0, 3, 1, 2, 4)


def _normed(norm: RMSNorm, x: Tensor) -> Tensor:
    return norm.forward(x)


class PathDecoder:
    """Samples the future tokens of series with one predictor."""

    def __init__(self, model: Kronos, max_context: int) -> None:
        self.max_context = max_context
        self.consistent = model.config.dependency_rotation == "consistent"
        self.stack = Stack(_blocks(model.transformer), max_context)
        self.norm, self.time_emb, self.head = model.norm, model.time_emb, model.head
        self.cross = Projections(model.dep_layer.cross_attn, max_context)
        self.dep_norm = model.dep_layer.norm
        width = model.config.d_model
        emb_s1, emb_s2 = model.embedding.emb_s1.weight.detach(), model.embedding.emb_s2.weight.detach()
        fusion, bias = model.embedding.fusion_proj.weight.detach(), model.embedding.fusion_proj.bias.detach()
        self.s1_table = linear(emb_s1 * model.embedding.scale, fusion[:, :width], bias)
        self.s2_table = linear(emb_s2 * model.embedding.scale, fusion[:, width:])
        self.query_table = linear(emb_s1, self.cross.weight[:width], self.cross.bias[:width])

    @torch.inference_mode()
    def sample(
        self,
        tokens: tuple[Tensor, Tensor],
        x_stamp: Tensor,
        y_stamp: Tensor,
        sampling: Sampling,
        seeds: Tensor,
        samples: int,
    ) -> tuple[Tensor, Tensor]:
        """Future sub-tokens of each series: s1, s2 int64[B, S, H].

        tokens : s1, s2 int64[B, L] of the lookback, of which the last max_context are used. x_stamp : [B, L, 5].
        y_stamp : [B, H, 5]; its last row has no effect. seeds : int64[B].
        """
        s1, s2 = (part[:, -self.max_context :] for part in tokens)
        B, P, H = s1.shape[0], s1.shape[1], y_stamp.shape[1]
        lookback = self.embed(s1, s2) + self.time_emb(x_stamp[:, -P:])
        future_time = self.time_emb(y_stamp)[:, None]  # [B, 1, H, D]
        future = lookback.new_empty(B, samples, H, lookback.shape[-1])
        streams = Streams.of(seeds, samples)
        s1_paths, s2_paths = (s1.new_empty(B, samples, H) for _ in range(2))
        window = Window(self, lookback, samples, min(H, self.max_context - P))
        for i in range(H):
            s1_new = draw_tokens(self.head.proj_s1(window.last), sampling, streams, 2 * i)
            s2_new = draw_tokens(window.s2_logits(s1_new), sampling, streams, 2 * i + 1)
            s1_paths[:, :, i], s2_paths[:, :, i] = s1_new.view(B, samples), s2_new.view(B, samples)
            if i == H - 1:
                break
            future[:, :, i] = self.embed(s1_paths[:, :, i], s2_paths[:, :, i]) + future_time[:, :, i]
            if P + i + 1 <= self.max_context:
                window.extend(future[:, :, i : i + 1])
            else:
                window = self._slid(lookback, future[:, :, : i + 1])
        return s1_paths, s2_paths

    def embed(self, s1: Tensor, s2: Tensor) -> Tensor:
        """Token embedding [..., D] of sub-tokens int64[...], without the stamps."""
        return embedding(s1, self.s1_table) + embedding(s2, self.s2_table)

    def _slid(self, lookback: Tensor, future: Tensor) -> Window:
        """The window of the last max_context tokens, run afresh from position 0."""
        future = future[:, :, -self.max_context :]
        kept = self.max_context - future.shape[2]
        window = Window(self, lookback[:, lookback.shape[1] - kept :], future.shape[1], future.shape[2])
        window.extend(future)
        return window


class Window:
    """The running state of one window: caches of the blocks and of the dependency layer, and the last context."""

    def __init__(self, decoder: PathDecoder, prefix: Tensor, samples: int, room: int) -> None:
        """Run the prefix [B, P, D] (P may be 0) and make room for `room` own tokens of each sample."""
        self.decoder = decoder
        self.used = 0
        self.length = prefix.shape[1]
        stack, cross = decoder.stack, decoder.cross
        self.own = stack.room(prefix, samples, room)
        self.own_context = _room(cross, (prefix.shape[0], samples), room, prefix)
        if self.length == 0:
            self.shared = stack.empty_prefix(prefix)
            self.shared_context = _room(cross, (prefix.shape[0],), 0, prefix)
            return
        output, self.shared = stack.prefill(prefix, last_only=False)
        context = _normed(decoder.norm, output)
        k, v = (part.transpose(1, 2).contiguous() for part in self._context_keys(context, 0))
        self.shared_context = KeyValue(k, v)
        self.last = context[:, -1].repeat_interleave(samples, dim=0)  # [B * S, D]

    def extend(self, future: Tensor) -> None:
        """Run T more tokens of each sample, embedded [B, S, T, D]."""
        T = future.shape[2]
        output = self.decoder.stack.extend(future, self.shared, self.own, self.used)
        context = _normed(self.decoder.norm, output)
        k, v = self._context_keys(context, self.length)
        _append(self.own_context, k, v, self.used, T)
        self.used += T
        self.length += T
        self.last = context[:, :, -1].flatten(0, 1)

    def s2_logits(self, s1_new: Tensor) -> Tensor:
        """Logits [B * S, V] of s2 at the last position, given s1_new int64[B * S]."""
        decoder = self.decoder
        B, N, S, _, K = self.own_context.k.shape
        query = embedding(s1_new, decoder.query_table).view(B, S, 1, N, K)
        if decoder.consistent:
            query = decoder.cross.turns.rotate(query, self.length - 1)
        own = KeyValue(self.own_context.k[:, :, :, : self.used], self.own_context.v[:, :, :, : self.used])
        mixed = attend(_by_head(query), self.shared_context, own)
        attended = decoder.cross.out(mixed.permute(0, 2, 3, 1, 4)).view(B * S, -1)
        logits: Tensor = decoder.head.proj_s2(_normed(decoder.dep_norm, self.last + attended))
        return logits

    def _context_keys(self, context: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """Key and value of context [..., T, D] in the dependency layer, each [..., T, N, K]."""
        cross = self.decoder.cross
        width = context.shape[-1]
        fused = linear(context, cross.weight[width:], cross.bias[width:])
        k, v = fused.view(*context.shape[:-1], 2 * cross.n_heads, -1).chunk(2, dim=-2)
        return (cross.turns.rotate(k, start) if self.decoder.consistent else k), v


class BarDecoder:
    """Turns tokens of lookback and sample paths into bars, with one tokenizer."""

    def __init__(self, tokenizer: KronosTokenizer, max_context: int) -> None:
        self.max_context = max_context
        self.stack = Stack(_blocks(tokenizer.decoder), max_context)
        self.head = tokenizer.head
        quantizer, weight = tokenizer.tokenizer, tokenizer.post_quant_embed.weight.detach()
        ids = torch.arange(2 ** max(quantizer.s1_bits, quantizer.s2_bits), device=weight.device)
        s1_code = quantizer.s1_code(ids[: 2**quantizer.s1_bits])
        s2_code = quantizer.s2_code(ids[: 2**quantizer.s2_bits])
        self.s1_table = linear(s1_code, weight[:, : quantizer.s1_bits], tokenizer.post_quant_embed.bias.detach())
        self.s2_table = linear(s2_code, weight[:, quantizer.s1_bits :])

    @torch.inference_mode()
    def decode(self, tokens: tuple[Tensor, Tensor], paths: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Bars of the paths, float32[B, S, H, 6], and of the last bar of the lookback, float32[B, 6].

        tokens : s1, s2 int64[B, L] of the lookback. paths : s1, s2 int64[B, S, H].
        The last min(L + H, max_context) tokens are decoded in one causal pass. A horizon longer than max_context is
        cut into blocks of half of max_context, and each is decoded in one pass over the max_context tokens that end
        with it. The lookback's last bar comes from the first pass; where that holds no bar of the lookback, from a
        pass over the lookback alone.
        """
        lookback = self._embed(*(part[:, -self.max_context :] for part in tokens))
        future = self._embed(*paths)
        H, C = future.shape[2], self.max_context
        block = H if H <= C else (C + 1) // 2
        pieces = [
            self._pass(lookback, future[:, :, max(0, stop - C) : stop], stop - start)
            for start in range(0, H, block)
            for stop in (min(start + block, H),)
        ]
        last = pieces[0][1]
        if last is None:
            last, _ = self.stack.prefill(lookback, last_only=True)
        bars: Tensor = self.head(torch.cat([bars for bars, _ in pieces], dim=2))
        last_bar: Tensor = self.head(last[:, 0])
        return bars, last_bar

    def _pass(self, lookback: Tensor, future: Tensor, kept: int) -> tuple[Tensor, Tensor | None]:
        """Run the window that ends with `future` [B, S, T, D]; return its last `kept` outputs and the lookback's."""
        _, S, T, _ = future.shape
        room = self.stack.room(future, S, T)
        prefix = lookback[:, max(0, lookback.shape[1] - (self.max_context - T)) :]
        if prefix.shape[1] == 0:
            return self.stack.extend(future, self.stack.empty_prefix(future), room, 0)[:, :, -kept:], None
        last, shared = self.stack.prefill(prefix, last_only=True)
        return self.stack.extend(future, shared, room, 0)[:, :, -kept:], last

    def _embed(self, s1: Tensor, s2: Tensor) -> Tensor:
        return embedding(s1, self.s1_table) + embedding(s2, self.s2_table)


def _blocks(modules: Iterable[torch.nn.Module]) -> list[Block]:
    return [module for module in modules if isinstance(module, Block)]
