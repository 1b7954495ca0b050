"""Kronos, the whole network: configuration, blocks, tokenizer and predictor, top to bottom.

Source: Kronos (arXiv 2508.02739) and binary spherical quantisation, BSQ (arXiv 2406.07548). It agrees with the
published implementation in the parameter names (checkpoints load with strict=True, persistent buffers included), in
token ids, and to float32 rounding in logits, reconstructions, losses and gradients. It differs on purpose in one
place: attention is causal wherever more than the last position is scored, in evaluation too (published evaluation
lets the sibling's cross-attention see the future, so its validation loss leaks).

Caches, sampling, files and devices are elsewhere in this room.
Letters: B batch, T bars, D width, N heads, K size of a head, V vocabulary of one sub-token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kronos_quant.errors import ConfigError
from kronos_quant.model.files import Kind, Pretrained

if TYPE_CHECKING:
    from collections.abc import Callable

DependencyRotation = Literal["published", "consistent"]
Pooled: TypeAlias = "Callable[[Tensor], Tensor]"

RMS_EPS = 1e-5
ROTARY_BASE = 10000.0
HOST = torch.device("cpu")
"""Where tables are worked out whatever the default device: they round the same for all."""
DEPENDENCY_HEADS = 4
"""Heads of the dependency layer, whatever `n_heads` is."""
ENTROPY_EPS = 1e-8
MAX_BITS = 16
TIME_ROWS = {"minute": 60, "hour": 24, "weekday": 7, "day": 32, "month": 13}
"""Rows of each time embedding, in the order of the stamp columns (Monday is weekday 0)."""


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """The tokenizer's config.json. A stack of n layers holds n - 1 blocks, as published."""

    d_in: int
    d_model: int
    n_heads: int
    ff_dim: int
    n_enc_layers: int
    n_dec_layers: int
    ffn_dropout_p: float
    attn_dropout_p: float
    resid_dropout_p: float
    s1_bits: int
    s2_bits: int
    beta: float
    """Weight of the commitment loss."""
    gamma0: float
    """Weight of the entropy of a sample (minimised)."""
    gamma: float
    """Weight of the entropy of the code book (maximised)."""
    zeta: float
    """Weight of both entropies together."""
    group_size: int
    """Bits of a group; sizes one stored buffer and has no other effect, as published."""

    def __post_init__(self) -> None:
        _check_widths(self.d_model, self.n_heads, self.ff_dim, self.s1_bits, self.s2_bits)
        _check_range("d_in", self.d_in, 1, 4096)
        _check_range("n_enc_layers", self.n_enc_layers, 1, 256)
        _check_range("n_dec_layers", self.n_dec_layers, 1, 256)
        _check_range("group_size", self.group_size, 1, self.bits)
        for name in ("ffn_dropout_p", "attn_dropout_p", "resid_dropout_p"):
            _check_range(name, getattr(self, name), 0, 1)

    @property
    def bits(self) -> int:
        """Bits of a whole token."""
        return self.s1_bits + self.s2_bits


@dataclass(frozen=True, slots=True)
class PredictorConfig:
    """The predictor's config.json."""

    s1_bits: int
    s2_bits: int
    n_layers: int
    d_model: int
    n_heads: int
    ff_dim: int
    ffn_dropout_p: float
    attn_dropout_p: float
    resid_dropout_p: float
    token_dropout_p: float
    learn_te: bool
    """True: the time embeddings are trained. False: they are used as stored."""
    dependency_rotation: DependencyRotation = "published"
    """Whether generation rotates the dependency layer's query and keys, as scoring all positions always does:
    `published` does not (weights that came without this key), `consistent` does (what is trained here)."""

    def __post_init__(self) -> None:
        _check_widths(self.d_model, self.n_heads, self.ff_dim, self.s1_bits, self.s2_bits)
        _check_range("n_layers", self.n_layers, 1, 256)
        for name in ("ffn_dropout_p", "attn_dropout_p", "resid_dropout_p", "token_dropout_p"):
            _check_range(name, getattr(self, name), 0, 1)
        if self.d_model % (2 * DEPENDENCY_HEADS):
            raise ConfigError(f"d_model: must be a multiple of {2 * DEPENDENCY_HEADS}, got {self.d_model}")
        if self.dependency_rotation not in ("published", "consistent"):
            raise ConfigError(f"dependency_rotation: must be published or consistent, got {self.dependency_rotation!r}")


def _check_widths(d_model: int, n_heads: int, ff_dim: int, s1_bits: int, s2_bits: int) -> None:
    _check_range("d_model", d_model, 1, 65536)
    _check_range("n_heads", n_heads, 1, 1024)
    _check_range("ff_dim", ff_dim, 1, 262144)
    _check_range("s1_bits", s1_bits, 1, MAX_BITS)
    _check_range("s2_bits", s2_bits, 1, MAX_BITS)
    if d_model % (2 * n_heads):
        raise ConfigError(f"d_model: must be a multiple of 2 * n_heads = {2 * n_heads}, got {d_model}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name}: must be from {low} to {high}, got {value}")


class Preset(NamedTuple):
    """An architecture to train from scratch, and the longest window it is meant for."""

    tokenizer: TokenizerConfig
    predictor: PredictorConfig
    max_context: int


def _tokenizer_config(d_model: int, layers: int, half_bits: int, group_size: int) -> TokenizerConfig:
    return TokenizerConfig(
        d_in=6,
        d_model=d_model,
        n_heads=4,
        ff_dim=2 * d_model,
        n_enc_layers=layers,
        n_dec_layers=layers,
        ffn_dropout_p=0.0,
        attn_dropout_p=0.0,
        resid_dropout_p=0.0,
        s1_bits=half_bits,
        s2_bits=half_bits,
        beta=0.05,
        gamma0=1.0,
        gamma=1.1,
        zeta=0.05,
        group_size=group_size,
    )


def _predictor_config(
    n_layers: int, d_model: int, n_heads: int, ff_dim: int, dropouts: tuple[float, float], half_bits: int = 10
) -> PredictorConfig:
    """dropouts : of the blocks' outputs, and of the tokens and the attention."""
    return PredictorConfig(
        s1_bits=half_bits,
        s2_bits=half_bits,
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        ff_dim=ff_dim,
        ffn_dropout_p=dropouts[0],
        attn_dropout_p=dropouts[1],
        resid_dropout_p=dropouts[0],
        token_dropout_p=dropouts[1],
        learn_te=True,
        dependency_rotation="consistent",
    )


PRESETS: dict[str, Preset] = {
    "nano": Preset(_tokenizer_config(48, 2, 8, 4), _predictor_config(2, 64, 4, 128, (0.0, 0.0), 8), 512),
    "mini": Preset(_tokenizer_config(256, 4, 10, 5), _predictor_config(4, 256, 4, 512, (0.2, 0.0)), 2048),
    "small": Preset(_tokenizer_config(256, 4, 10, 4), _predictor_config(8, 512, 8, 1024, (0.25, 0.1)), 512),
    "base": Preset(_tokenizer_config(256, 4, 10, 4), _predictor_config(12, 832, 16, 2048, (0.2, 0.0)), 512),
}
"""mini, small and base have the published sizes; nano trains in minutes on a CPU. New weights rotate consistently."""


class RMSNorm(nn.Module):
    """Root-mean-square norm, computed in float32 and cast back before the weight."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Tensor) -> Tensor:
        """Return x[..., D] normalised over its last axis."""
        wide = x.float()
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + RMS_EPS)).type_as(x) * self.weight


class Rotary(nn.Module):
    """Rotary position embedding of the half-split kind; its tables are float32 whatever the model's dtype."""

    inv_freq: Tensor

    def __init__(self, head_size: int) -> None:
        super().__init__()
        exponent = torch.arange(0, head_size, 2, device=HOST).float() / head_size
        self.register_buffer("inv_freq", 1.0 / ROTARY_BASE**exponent)
        self.register_load_state_dict_pre_hook(_keep_exact)  # type: ignore[no-untyped-call]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Rotary:
        # bfloat16 positions lose the order of distant bars: a cast moves the buffer, never narrows it
        exact = self.inv_freq
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.inv_freq.dtype != torch.float32:
            self.inv_freq = exact.to(self.inv_freq.device, torch.float32)
        return self

    def tables(self, length: int) -> tuple[Tensor, Tensor]:
        """Cosine and sine of positions 0 to length - 1, each float32[length, K]."""
        positions = torch.arange(length, device=self.inv_freq.device, dtype=torch.float32)
        angles = torch.outer(positions, self.inv_freq.float())
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()


def _keep_exact(rotary: Rotary, weights: dict[str, Tensor], prefix: str, *others: object) -> None:
    """Replace frequencies that a cast of a whole file has rounded: distant positions would run together."""
    key = f"{prefix}inv_freq"
    if key in weights and weights[key].dtype != torch.float32:
        weights[key] = rotary.inv_freq


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate x[..., K] by angles that broadcast to it; computed in float32, returned in x's dtype."""
    wide = x.float()
    low, high = wide.chunk(2, dim=-1)
    return (wide * cos + torch.cat((-high, low), dim=-1) * sin).type_as(x)


class Attention(nn.Module):
    """Causal multi-head attention with rotary positions 0 to T - 1 on query and key."""

    def __init__(self, d_model: int, n_heads: int, attn_dropout_p: float = 0.0, resid_dropout_p: float = 0.0) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attn_dropout_p = attn_dropout_p
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)
        self.rotary = Rotary(d_model // n_heads)
        self.resid_dropout = nn.Dropout(resid_dropout_p)

    def forward(self, query: Tensor, source: Tensor) -> Tensor:
        """Attend from query[B, T, D] to source[B, T, D], position t seeing 0 to t."""
        cos, sin = self.rotary.tables(query.shape[1])
        mixed = F.scaled_dot_product_attention(
            rotate(self.heads(self.q_proj(query)), cos, sin),
            rotate(self.heads(self.k_proj(source)), cos, sin),
            self.heads(self.v_proj(source)),
            dropout_p=self.attn_dropout_p if self.training else 0.0,
            is_causal=True,
        )
        return self.joined(mixed)

    def heads(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, N, T, K]."""
        return x.view(*x.shape[:-1], self.n_heads, -1).transpose(1, 2)

    def joined(self, mixed: Tensor) -> Tensor:
        """[B, N, T, K] -> [B, T, D], projected."""
        out: Tensor = self.resid_dropout(self.out_proj(mixed.transpose(1, 2).flatten(2)))
        return out


class FeedForward(nn.Module):
    """SwiGLU without bias."""

    def __init__(self, d_model: int, ff_dim: int, ffn_dropout_p: float) -> None:
        super().__init__()
        self.w1 = nn.Linear(d_model, ff_dim, bias=False)
        self.w3 = nn.Linear(d_model, ff_dim, bias=False)
        self.w2 = nn.Linear(ff_dim, d_model, bias=False)
        self.ffn_dropout = nn.Dropout(ffn_dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        out: Tensor = self.ffn_dropout(self.w2(F.silu(self.w1(x)) * self.w3(x)))
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: TokenizerConfig | PredictorConfig) -> None:
        super().__init__()
        self.norm1 = RMSNorm(config.d_model)
        self.self_attn = Attention(config.d_model, config.n_heads, config.attn_dropout_p, config.resid_dropout_p)
        self.norm2 = RMSNorm(config.d_model)
        self.ffn = FeedForward(config.d_model, config.ff_dim, config.ffn_dropout_p)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        normed = self.norm1(x)
        x = x + self.self_attn(normed, normed)
        out: Tensor = x + self.ffn(self.norm2(x))
        return out


class BinarySphericalQuantizer(nn.Module):
    """Holds the published integer buffers. They are the powers of two descending; token ids do not use them."""

    basis: Tensor
    group_basis: Tensor

    def __init__(self, bits: int, group_size: int) -> None:
        super().__init__()
        self.register_buffer("basis", 2 ** torch.arange(bits - 1, -1, -1, device=HOST))
        self.register_buffer("group_basis", 2 ** torch.arange(group_size - 1, -1, -1, device=HOST))


class BSQuantizer(nn.Module):
    """Unit vectors to binary codes and sub-token ids, and back."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.s1_bits, self.s2_bits, self.bits = config.s1_bits, config.s2_bits, config.bits
        self.bsq = BinarySphericalQuantizer(config.bits, config.group_size)

    def forward(self, z: Tensor) -> Tensor:
        """Quantise unit vectors z[..., bits] to +-1 / sqrt(bits), straight through for the gradient."""
        # the step comes before the scaling, so the gradient to z carries 1 / sqrt(bits)
        signs = torch.where(z > 0, 1.0, -1.0).type_as(z)
        out: Tensor = (z + (signs - z).detach()) / self.bits**0.5
        return out

    def ids(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The sub-tokens of z[..., bits]: s1, s2 as int64[...]; bit i from the left of each weighs 2^i."""
        bits = (z > 0).long()
        return self._number(bits[..., : self.s1_bits]), self._number(bits[..., self.s1_bits :])

    def code(self, s1: Tensor, s2: Tensor) -> Tensor:
        """The code of sub-tokens int64[...]: float32[..., bits], the same values as `forward` gives."""
        return torch.cat((self.part(s1, self.s1_bits), self.part(s2, self.s2_bits)), dim=-1)

    def part(self, ids: Tensor, bits: int) -> Tensor:
        """The coarse or the fine part of a code, from sub-tokens int64[...] of so many bits: float32[..., bits]."""
        ones = (ids[..., None] >> torch.arange(bits, device=ids.device)) & 1
        out: Tensor = (ones.float() * 2.0 - 1.0) / self.bits**0.5
        return out

    def entropies(self, z: Tensor, pooled: Pooled = lambda mean: mean) -> tuple[Tensor, Tensor]:
        """Mean entropy of a sample's bits, and entropy of the averaged bits (code book), both in nats, scalar."""
        p = torch.sigmoid(-4.0 * z / self.bits**0.5)
        average = pooled(p.flatten(0, -2).mean(0))
        return _bit_entropy(p, 1.0 - p).mean(), _bit_entropy(average, 1.0 - average)

    @staticmethod
    def _number(bits: Tensor) -> Tensor:
        return (bits << torch.arange(bits.shape[-1], device=bits.device)).sum(-1)


def _bit_entropy(p: Tensor, q: Tensor) -> Tensor:
    """Entropy of independent bits with probabilities p and q = 1 - p, summed over the last axis."""
    return -(p * torch.log(p + ENTROPY_EPS) + q * torch.log(q + ENTROPY_EPS)).sum(-1)


@dataclass(frozen=True, slots=True)
class TokenizerLoss:
    """The tokenizer's loss and its parts, each a scalar tensor; only `total` is meant for backward()."""

    total: Tensor
    """(recon_s1 + recon + bsq) / 2; may be negative, because `bsq` rewards the entropy of the code book."""
    recon_s1: Tensor
    """Mean squared error of the reconstruction from s1 alone."""
    recon: Tensor
    """Mean squared error of the full reconstruction."""
    bsq: Tensor
    """beta * commitment + zeta * (gamma0 * sample_entropy - gamma * codebook_entropy)."""
    commitment: Tensor
    sample_entropy: Tensor
    codebook_entropy: Tensor
    s1_perplexity: Tensor
    """exp of the entropy of the s1 used in this batch: 1 when one code is used, 2^s1_bits when all are used alike."""
    s2_perplexity: Tensor


class KronosTokenizer(Pretrained):
    """Bars to pairs of integers (s1 coarse, s2 fine) and back, through a causal transformer on either side."""

    kind: ClassVar[Kind] = "tokenizer"
    config_type = TokenizerConfig
    config: TokenizerConfig

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.d_in, config.d_model)
        self.encoder = nn.ModuleList(Block(config) for _ in range(config.n_enc_layers - 1))
        self.quant_embed = nn.Linear(config.d_model, config.bits)
        self.tokenizer = BSQuantizer(config)
        self.post_quant_embed_pre = nn.Linear(config.s1_bits, config.d_model)
        self.post_quant_embed = nn.Linear(config.bits, config.d_model)
        self.decoder = nn.ModuleList(Block(config) for _ in range(config.n_dec_layers - 1))
        self.head = nn.Linear(config.d_model, config.d_in)

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights afresh, as the framework's own defaults do, from `generator`."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
                if module.bias is not None:
                    bound = module.in_features**-0.5
                    nn.init.uniform_(module.bias, -bound, bound, generator=generator)
            elif isinstance(module, RMSNorm):
                nn.init.ones_(module.weight)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Sub-tokens of normalised, clipped bars.

        x : float32[B, T, 6] in the order open, high, low, close, volume, amount. Returns s1, s2 int64[B, T].
        """
        with torch.no_grad():
            return self.tokenizer.ids(self.directions(x))

    def decode(self, s1: Tensor, s2: Tensor) -> Tensor:
        """Bars float32[B, T, 6] of sub-tokens int64[B, T], in one causal pass from position 0."""
        return self.decode_code(self.tokenizer.code(s1, s2))

    def decode_code(self, code: Tensor) -> Tensor:
        """Bars float32[B, T, 6] of codes [B, T, bits]."""
        return self._decoded(self.post_quant_embed(code))

    def directions(self, x: Tensor) -> Tensor:
        """The encoder's unit vectors, float32[B, T, bits]; their signs are the bits."""
        h: Tensor = self.embed(x)
        for block in self.encoder:
            h = block(h)
        return F.normalize(self.quant_embed(h).float(), dim=-1)

    def loss(self, x: Tensor, pooled: Pooled = lambda mean: mean) -> TokenizerLoss:
        """Loss of the reconstruction of x[B, T, 6], the same in training and in evaluation.

        pooled : makes of a mean over x the mean over all that shares a batch with it; the code book's use is of that
        """
        config = self.config
        z = self.directions(x)
        code = self.tokenizer(z)
        recon_s1 = F.mse_loss(self._decoded(self.post_quant_embed_pre(code[..., : config.s1_bits])), x)
        recon = F.mse_loss(self.decode_code(code), x)
        commitment = (code.detach() - z).square().sum(-1).mean()
        sample_entropy, codebook_entropy = self.tokenizer.entropies(z, pooled)
        entropy = config.gamma0 * sample_entropy - config.gamma * codebook_entropy
        bsq = config.beta * commitment + config.zeta * entropy
        s1, s2 = self.tokenizer.ids(z)
        return TokenizerLoss(
            total=(recon_s1 + recon + bsq) / 2,
            recon_s1=recon_s1.detach(),
            recon=recon.detach(),
            bsq=bsq.detach(),
            commitment=commitment.detach(),
            sample_entropy=sample_entropy.detach(),
            codebook_entropy=codebook_entropy.detach(),
            s1_perplexity=_perplexity(s1, config.s1_bits, pooled),
            s2_perplexity=_perplexity(s2, config.s2_bits, pooled),
        )

    def _decoded(self, h: Tensor) -> Tensor:
        for block in self.decoder:
            h = block(h)
        out: Tensor = self.head(h)
        return out


def _perplexity(ids: Tensor, bits: int, pooled: Pooled) -> Tensor:
    flat = ids.flatten()
    counts = torch.zeros(2**bits, device=ids.device).scatter_add_(0, flat, torch.ones_like(flat, dtype=torch.float32))
    share = pooled(counts / flat.numel())
    entropy: Tensor = torch.special.entr(share).sum()
    return entropy.exp()


class TokenEmbedding(nn.Module):
    """Both sub-tokens of a bar to one vector."""

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        self.scale = config.d_model**0.5
        self.emb_s1 = nn.Embedding(2**config.s1_bits, config.d_model)
        self.emb_s2 = nn.Embedding(2**config.s2_bits, config.d_model)
        self.fusion_proj = nn.Linear(2 * config.d_model, config.d_model)

    def forward(self, s1: Tensor, s2: Tensor) -> Tensor:
        """int64[B, T] twice -> [B, T, D]."""
        out: Tensor = self.fusion_proj(torch.cat((self.emb_s1(s1), self.emb_s2(s2)), dim=-1) * self.scale)
        return out


class FixedEmbedding(nn.Module):
    """A frozen table, used as stored: sin in even and cos in odd columns when it is new."""

    def __init__(self, rows: int, d_model: int) -> None:
        super().__init__()
        self.emb = nn.Embedding(rows, d_model)
        self.emb.weight.requires_grad_(False)

    def init_weights(self) -> None:
        """Fill the table with the sinusoids that the paper means."""
        rows, d_model = self.emb.weight.shape
        frequency = ROTARY_BASE ** (-torch.arange(0, d_model, 2, device=HOST).float() / d_model)
        angles = torch.outer(torch.arange(rows, device=HOST).float(), frequency)
        self.emb.weight.data.copy_(torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1))

    def forward(self, index: Tensor) -> Tensor:
        """int64[...] -> [..., D]."""
        out: Tensor = self.emb(index)
        return out


class TimeEmbedding(nn.Module):
    """The sum of five embeddings of a bar's stamp."""

    def __init__(self, d_model: int, learned: bool) -> None:
        super().__init__()
        for name, rows in TIME_ROWS.items():
            self.add_module(f"{name}_embed", nn.Embedding(rows, d_model) if learned else FixedEmbedding(rows, d_model))

    def tables(self) -> list[nn.Module]:
        """The five embeddings, in the order of the stamp columns."""
        return [self.get_submodule(f"{name}_embed") for name in TIME_ROWS]

    def forward(self, stamps: Tensor) -> Tensor:
        """Stamps [B, T, 5], integers in any dtype -> [B, T, D]."""
        columns = stamps.long().unbind(-1)
        total, *others = [table(column) for table, column in zip(self.tables(), columns, strict=True)]
        for part in others:
            total = total + part
        out: Tensor = total
        return out


class DependencyLayer(nn.Module):
    """Conditions a bar's s2 on its s1: cross-attention from the s1 embedding to the context."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.cross_attn = Attention(d_model, DEPENDENCY_HEADS)
        self.norm = RMSNorm(d_model)

    def forward(self, context: Tensor, sibling: Tensor) -> Tensor:
        """context, sibling [B, T, D] -> [B, T, D], causal."""
        out: Tensor = self.norm(context + self.cross_attn(sibling, context))
        return out


class DualHead(nn.Module):
    """One linear head for each sub-token."""

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        self.proj_s1 = nn.Linear(config.d_model, 2**config.s1_bits)
        self.proj_s2 = nn.Linear(config.d_model, 2**config.s2_bits)


class Kronos(Pretrained):
    """The predictor: tokens and stamps of past bars to the next bar's s1, then its s2 given that s1."""

    kind: ClassVar[Kind] = "predictor"
    config_type = PredictorConfig
    config: PredictorConfig

    def __init__(self, config: PredictorConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = TokenEmbedding(config)
        self.time_emb = TimeEmbedding(config.d_model, config.learn_te)
        self.token_drop = nn.Dropout(config.token_dropout_p)
        self.transformer = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = RMSNorm(config.d_model)
        self.dep_layer = DependencyLayer(config.d_model)
        self.head = DualHead(config)
        self.init_weights()

    def init_weights(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights afresh from `generator`.

        Linears Xavier normal with zero bias, learned embeddings normal with standard deviation D^-0.5, norms 1.
        """
        fixed = {module.emb for module in self.modules() if isinstance(module, FixedEmbedding)}
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding) and module not in fixed:
                nn.init.normal_(module.weight, std=self.config.d_model**-0.5, generator=generator)
            elif isinstance(module, RMSNorm):
                nn.init.ones_(module.weight)
            elif isinstance(module, FixedEmbedding):
                module.init_weights()

    def forward(
        self, s1: Tensor, s2: Tensor, stamps: Tensor | None, s1_next: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits of the bar after each position, causal in training and in evaluation.

        s1, s2 : int64[B, T]. stamps : [B, T, 5] of the same bars, or None for no time embedding.
        s1_next : int64[B, T], the s1 of the bar after each position, on which its s2 is conditioned: the true one
        (teacher forcing) or a sampled one is the caller's choice. None takes the most probable s1.
        Returns (s1_logits, s2_logits), [B, T, V] each.
        """
        context = self.context(s1, s2, stamps)
        s1_logits = self.s1_logits(context)
        sibling = s1_logits.argmax(-1) if s1_next is None else s1_next
        return s1_logits, self.s2_logits(context, sibling)

    def context(self, s1: Tensor, s2: Tensor, stamps: Tensor | None) -> Tensor:
        """Context [B, T, D] of sub-tokens int64[B, T] and stamps [B, T, 5]."""
        h: Tensor = self.embedding(s1, s2)
        if stamps is not None:
            h = h + self.time_emb(stamps)
        h = self.token_drop(h)
        for block in self.transformer:
            h = block(h)
        out: Tensor = self.norm(h)
        return out

    def s1_logits(self, context: Tensor) -> Tensor:
        """Logits [..., V] of the next s1, from context [..., D]."""
        out: Tensor = self.head.proj_s1(context)
        return out

    def s2_logits(self, context: Tensor, s1_next: Tensor) -> Tensor:
        """Logits [B, T, V] of the next s2 at every position, from context [B, T, D] and s1_next int64[B, T]."""
        out: Tensor = self.head.proj_s2(self.dep_layer(context, self.embedding.emb_s1(s1_next)))
        return out
