"""The rules of published generation, position by position: what the cached decoders are compared with."""

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from kronos_quant.model import Kronos, KronosTokenizer


def decode_s1(tokenizer: KronosTokenizer, s1: Tensor) -> Tensor:
    """The coarse bars float32[B, T, 6] of s1 int64[B, T] alone."""
    return tokenizer._decoded(tokenizer.post_quant_embed_pre(tokenizer.tokenizer.part(s1, tokenizer.config.s1_bits)))


def s2_logits_last(model: Kronos, context: Tensor, s1_next: Tensor) -> Tensor:
    """Logits [B, V] of the next s2 after the last position, by the rule of generation.

    context : [B, T, D]. s1_next : int64[B]. With `dependency_rotation` published nothing is rotated; with consistent
    the query stands at T - 1 and the keys at 0 to T - 1, as in `s2_logits`.
    """
    if model.config.dependency_rotation == "consistent":
        return model.s2_logits(context, s1_next[:, None].expand(context.shape[:2]))[:, -1]
    attention, query = model.dep_layer.cross_attn, model.embedding.emb_s1(s1_next)
    mixed = scaled_dot_product_attention(
        attention.heads(attention.q_proj(query)[:, None]),
        attention.heads(attention.k_proj(context)),
        attention.heads(attention.v_proj(context)),
    )
    return model.head.proj_s2(model.dep_layer.norm(context[:, -1] + attention.joined(mixed)[:, 0]))
