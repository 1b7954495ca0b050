"""Sample paths by cached decoding: the same tokens as a full forward pass at every step, at a fraction of the work.

A series' lookback (the prefix) runs once, and its keys and values are shared by the paths of a group (see `fused`).
When the window slides beyond max_context, a bar drops out that every deeper layer has attended to, so cached values
are wrong: from then on each step runs its window again, what is left of the lookback once a series.

The weights are taken (fused, embeddings folded into tables) when a decoder is made: make it after training.
Letters: B series, S samples, L lookback, H horizon, P tokens of the shared prefix, R groups of paths, M paths of a
group, D width, N heads, K size of a head, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear

from kronos_quant.errors import ConfigError
from kronos_quant.inputs import as_count
from kronos_quant.model.fused import Cache, Groups, Projections, Slots, Stack, attend, normed
from kronos_quant.model.kronos import Block, Kronos, KronosTokenizer
from kronos_quant.model.sampling import Sampling, Streams, draw_tokens

Context = Literal["exact", "trim"]
"""What happens where lookback and horizon together exceed max_context. exact: the window slides, as published.
trim: the lookback is cut to the longest that never slides; many times as fast, and another forecast."""


MOST_CONTEXTS = 8
"""The longest horizon, in multiples of max_context: the memory of the sampled bars grows with it, without end."""


def check_horizon(horizon: Any, max_context: int) -> int:
    """The horizon, a number of bars that is at most 8 x `max_context`; raises ConfigError.

    From max_context bars on, forecasts follow sampled bars alone; the published code fails beyond max_context.
    """
    count, most = as_count(horizon, "horizon"), MOST_CONTEXTS * max_context
    if count > most:
        raise ConfigError(
            f"horizon: expected at most {most} bars, {MOST_CONTEXTS} x the model's max_context, found {count}",
            hint="use a shorter horizon, or bars of a longer interval",
        )
    return count


def used_lookback(context: Context, lookback: int, horizon: int, max_context: int) -> int:
    """How many of the lookback's tokens the predictor sees before the first future bar.

    Raises ConfigError where context is trim and the horizon leaves no place for a lookback.
    """
    if context == "exact":
        return min(lookback, max_context)
    longest = max_context - horizon + 1
    if longest < 1:
        raise ConfigError(
            f"context trim: a horizon of {horizon} bars leaves no lookback in a window of {max_context}",
            hint="use context exact, or a shorter horizon",
        )
    return min(lookback, longest)


class PathDecoder:
    """Samples the future tokens of series with one predictor, whose matrix products run in `dtype`."""

    def __init__(
        self, model: Kronos, max_context: int, context: Context = "exact", dtype: torch.dtype = torch.float32
    ) -> None:
        self.max_context, self.context, self.dtype = max_context, context, dtype
        self.consistent = model.config.dependency_rotation == "consistent"
        self.stack = Stack(_blocks(model.transformer), max_context, dtype)
        self.norm_weight = model.norm.weight.detach().float()
        self.time_emb = model.time_emb
        self.cross = Projections(model.dep_layer.cross_attn, max_context, dtype)
        heads = model.head
        dep_norm = model.dep_layer.norm.weight.detach()
        self.s1_weight = heads.proj_s1.weight.detach().T.to(dtype).contiguous()
        self.s2_weight = (heads.proj_s2.weight.detach() * dep_norm).T.to(dtype).contiguous()
        self.s1_bias, self.s2_bias = (head.bias.detach().to(dtype) for head in (heads.proj_s1, heads.proj_s2))
        width = model.config.d_model
        emb_s1, emb_s2 = model.embedding.emb_s1.weight.detach(), model.embedding.emb_s2.weight.detach()
        fusion, bias = model.embedding.fusion_proj.weight.detach(), model.embedding.fusion_proj.bias.detach()
        self.s1_table = linear(emb_s1 * model.embedding.scale, fusion[:, :width], bias)
        self.s2_table = linear(emb_s2 * model.embedding.scale, fusion[:, width:])
        self.query_table = torch.addmm(self.cross.bias[:width], emb_s1.to(dtype), self.cross.weight[:, :width])

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

        tokens : s1, s2 int64[B, L] of the lookback, of which the last `used_lookback` are used. x_stamp : [B, L, 5].
        y_stamp : [B, H, 5]; its last row has no effect. seeds : int64[B].
        """
        B, H = tokens[0].shape[0], y_stamp.shape[1]
        P = used_lookback(self.context, tokens[0].shape[1], H, self.max_context)
        groups = Groups.of(B, samples, P, H)
        s1, s2 = (part[:, -P:] for part in tokens)
        lookback = self.embed(s1, s2) + self.time_emb(x_stamp[:, -P:])
        future_time = groups.spread(self.time_emb(y_stamp))[:, :, None]  # [R, H, 1, D]
        future = lookback.new_empty(groups.rows, H, groups.paths, lookback.shape[-1])
        streams = Streams.of(seeds, groups.samples)
        s1_paths, s2_paths = (s1.new_empty(B, groups.samples, H) for _ in range(2))
        window = Window(self, lookback, groups, min(H, self.max_context - P))
        for i in range(H):
            s1_new = draw_tokens(window.s1_logits(), sampling, streams, 2 * i)
            s2_new = draw_tokens(window.s2_logits(s1_new), sampling, streams, 2 * i + 1)
            s1_paths[:, :, i], s2_paths[:, :, i] = s1_new.view(B, -1), s2_new.view(B, -1)
            if i == H - 1:
                break
            shape = (groups.rows, groups.paths)
            future[:, i] = self.embed(s1_new.view(shape), s2_new.view(shape)) + future_time[:, i]
            if P + i + 1 <= self.max_context:
                window.extend(future[:, i : i + 1])
            else:
                window = self._slid(lookback, future[:, : i + 1], groups)
        return s1_paths[:, :samples], s2_paths[:, :samples]

    def cache_bytes(self, series: int, lookback: int, horizon: int, samples: int) -> int:
        """Memory of the caches with which `sample` works: nearly all that it needs."""
        P, C = used_lookback(self.context, lookback, horizon, self.max_context), self.max_context
        groups = Groups.of(series, samples, P, horizon)
        length = P + min(horizon, C - P) * groups.paths
        if P + horizon - 1 > C:  # it slides: the last window and the one before it
            own = min(horizon - 1, C)
            length = 2 * (C - own + own * groups.paths)
        width = self.query_table.shape[1]
        return 2 * groups.rows * length * width * (len(self.stack.layers) + 1) * self.dtype.itemsize

    def embed(self, s1: Tensor, s2: Tensor) -> Tensor:
        """Token embedding [..., D] of sub-tokens int64[...], without the stamps."""
        return embedding(s1, self.s1_table) + embedding(s2, self.s2_table)

    def context_keys(self, context: Tensor, positions: slice | Tensor) -> tuple[Tensor, Tensor]:
        """Key and value of context [R, tokens, D] in the dependency layer, each [R, tokens, N, K]."""
        return self.cross.keys_values(context, positions if self.consistent else None)

    def _slid(self, lookback: Tensor, future: Tensor, groups: Groups) -> Window:
        """The window of the last max_context tokens, run afresh from position 0."""
        future = future[:, -self.max_context :]
        kept = self.max_context - future.shape[1]
        window = Window(self, lookback[:, lookback.shape[1] - kept :], groups, future.shape[1])
        window.extend(future)
        return window


class Window:
    """The running state of one window: caches of the blocks and of the dependency layer, and the last context."""

    def __init__(self, decoder: PathDecoder, prefix: Tensor, groups: Groups, room: int) -> None:
        """Run the prefix [B, P, D] (P may be 0) and make room for `room` own tokens of each path."""
        self.decoder, self.groups = decoder, groups
        P, device = prefix.shape[1], prefix.device
        self.slots = Slots(P, room, groups.paths, decoder.dtype, device)
        self.caches = decoder.stack.room(groups.rows, self.slots.length, device)
        self.keys = Cache.empty(decoder.cross, groups.rows, self.slots.length, device)
        self.last: Tensor  # context of the newest token, float32[R * M, D]
        if P > 0:
            context = self._context(decoder.stack.prefill(prefix, self.caches, groups.groups))
            self.keys.write_series(0, groups.groups, *decoder.context_keys(context, slice(0, P)))
            self.last = context[:, -1].repeat_interleave(groups.samples, dim=0)

    def extend(self, future: Tensor) -> None:
        """Run T more tokens of each path, embedded [R, T, M, D]."""
        place = self.slots.take(future.shape[1])
        context = self._context(self.decoder.stack.extend(future.flatten(1, 2).clone(), self.caches, place))
        self.keys.write(place.start, *self.decoder.context_keys(context, place.positions))
        self.last = context[:, -self.groups.paths :].flatten(0, 1)

    def s1_logits(self) -> Tensor:
        """Logits [R * M, V] of s1 at the newest token."""
        decoder = self.decoder
        return torch.addmm(decoder.s1_bias, self.last.to(decoder.dtype), decoder.s1_weight)

    def s2_logits(self, s1_new: Tensor) -> Tensor:
        """Logits [R * M, V] of s2 at the newest token, given s1_new int64[R * M]."""
        decoder, cross, newest = self.decoder, self.decoder.cross, self.slots.newest()
        query = embedding(s1_new, decoder.query_table).view(self.groups.rows, -1, cross.n_heads, cross.head_size)
        if decoder.consistent:
            query = cross.rotate(query, newest.positions)
        attended = cross.out(attend(query, self.keys, newest)).flatten(0, 1)
        return torch.addmm(decoder.s2_bias, normed(self.last + attended, decoder.dtype), decoder.s2_weight)

    def _context(self, output: Tensor) -> Tensor:
        return normed(output, torch.float32).mul_(self.decoder.norm_weight)


class BarEncoder:
    """Turns normalised bars into tokens with one tokenizer, in float32."""

    def __init__(self, tokenizer: KronosTokenizer, max_context: int) -> None:
        self.tokenizer, self.max_context = tokenizer, max_context
        self.stacks = {max_context: Stack(_blocks(tokenizer.encoder), max_context)}
        """By the longest lookback of each; one that was used stays, for a graph may replay it."""

    @torch.inference_mode()
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Sub-tokens s1, s2 int64[B, L] of clipped bars x[B, L, 6]; L may exceed max_context."""
        bars = x.shape[1]
        longest = self.max_context if bars <= self.max_context else 1 << (bars - 1).bit_length()
        if longest not in self.stacks:
            self.stacks[longest] = Stack(_blocks(self.tokenizer.encoder), longest)
        tokenizer = self.tokenizer
        # the signs of the bits need no unit vectors
        encoded = self.stacks[longest].prefill(tokenizer.embed(x), (), 1)
        return tokenizer.tokenizer.ids(tokenizer.quant_embed(encoded))


class BarDecoder:
    """Turns tokens of lookback and sample paths into bars, with one tokenizer, whose blocks multiply in `dtype`."""

    def __init__(self, tokenizer: KronosTokenizer, max_context: int, dtype: torch.dtype = torch.float32) -> None:
        self.max_context, self.dtype = max_context, dtype
        self.stack = Stack(_blocks(tokenizer.decoder), max_context, dtype)
        self.head = tokenizer.head
        quantizer, weight = tokenizer.tokenizer, tokenizer.post_quant_embed.weight.detach()
        ids = torch.arange(2 ** max(quantizer.s1_bits, quantizer.s2_bits), device=weight.device)
        s1_code, s2_code = (quantizer.part(ids[: 2**bits], bits) for bits in (quantizer.s1_bits, quantizer.s2_bits))
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
        (B, S, H), C = paths[0].shape, self.max_context
        lookback = self._embed(*(part[:, -C:] for part in tokens))
        groups = Groups.of(B, S, lookback.shape[1], H)
        future = self._embed(*(groups.filled(part) for part in paths))  # [R, H, M, D]
        block = H if H <= C else (C + 1) // 2
        pieces = [
            self._pass(lookback, future[:, max(0, stop - C) : stop], groups, stop - start)
            for start in range(0, H, block)
            for stop in (min(start + block, H),)
        ]
        last = pieces[0][1]
        if last is None:
            last = self.stack.prefill(lookback, (), 1, last_only=True)
        bars: Tensor = self.head(torch.cat([bars for bars, _ in pieces], dim=1))  # [R, H, M, 6]
        return bars.transpose(1, 2).reshape(B, groups.samples, H, -1)[:, :S], self.head(last[:, 0])

    def _pass(self, lookback: Tensor, future: Tensor, groups: Groups, kept: int) -> tuple[Tensor, Tensor | None]:
        """Run the window that ends with `future` [R, T, M, D]; return its last `kept` outputs and the lookback's."""
        T = future.shape[1]
        prefix = lookback[:, max(0, lookback.shape[1] - (self.max_context - T)) :]
        slots = Slots(prefix.shape[1], T, groups.paths, self.dtype, future.device)
        caches = self.stack.room(groups.rows, slots.length, future.device)
        last = None
        if prefix.shape[1] > 0:
            last = self.stack.prefill(prefix, caches, groups.groups, last_only=True)
        output = self.stack.extend(future.flatten(1, 2).clone(), caches, slots.take(T))
        return output.view(future.shape)[:, -kept:], last

    def _embed(self, s1: Tensor, s2: Tensor) -> Tensor:
        return embedding(s1, self.s1_table) + embedding(s2, self.s2_table)


def _blocks(modules: Iterable[torch.nn.Module]) -> list[Block]:
    return [module for module in modules if isinstance(module, Block)]
