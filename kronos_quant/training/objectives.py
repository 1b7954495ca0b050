"""What each phase minimises, as modules: DDP synchronises gradients only of what runs through a module's forward.

Shapes: B windows, L lookback, T = L + H bars.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kronos_quant.model import Kronos, KronosTokenizer

Phase = Literal["tokenizer", "predictor"]
LossRegion = Literal["future", "all"]


class TokenizerObjective(nn.Module):
    """The published tokenizer loss: coarse and full reconstruction, commitment and entropy.

    The entropy part rewards a varied code and can make the sum negative: that is normal.
    """

    def __init__(self, tokenizer: KronosTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, values: Tensor, stamp: Tensor) -> dict[str, Tensor]:
        """Loss parts on values float32[B, T, 6]; `loss` is the one to minimise."""
        parts = self.tokenizer.loss(values)
        named = {field.name: getattr(parts, field.name) for field in fields(parts)}
        return {"loss": named.pop("total"), **named}


class PredictorObjective(nn.Module):
    """Mean cross entropy of the next bar's s1 and, given the true s1 (teacher forcing), its s2."""

    def __init__(self, tokenizer: KronosTokenizer, predictor: Kronos, lookback: int, region: LossRegion) -> None:
        super().__init__()
        self.predictor = predictor
        self.first_target = lookback if region == "future" else 1
        # in a list, so that DDP and the optimiser do not see the frozen tokenizer
        self._frozen = [tokenizer.eval().requires_grad_(False)]

    def forward(self, values: Tensor, stamp: Tensor) -> dict[str, Tensor]:
        """Cross entropies on values float32[B, T, 6] and stamp int64[B, T, 5]."""
        with torch.no_grad():
            s1, s2 = self._frozen[0].encode(values)
        s1_logits, s2_logits = self.predictor(s1[:, :-1], s2[:, :-1], stamp[:, :-1], s1_next=s1[:, 1:])
        first = self.first_target
        ce_s1 = F.cross_entropy(s1_logits[:, first - 1 :].flatten(0, 1), s1[:, first:].flatten())
        ce_s2 = F.cross_entropy(s2_logits[:, first - 1 :].flatten(0, 1), s2[:, first:].flatten())
        return {"loss": (ce_s1 + ce_s2) / 2, "ce_s1": ce_s1, "ce_s2": ce_s2}
