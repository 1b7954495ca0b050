"""The losses of the two phases, as modules: DDP synchronises gradients only of what runs through a module's forward.

Shapes: B windows, L lookback, T = L + H bars.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kronos_quant.model import Kronos, KronosTokenizer
from kronos_quant.training.batches.loader import TrainingBatch
from kronos_quant.training.processes import Ranks

Phase = Literal["tokenizer", "predictor"]
LossRegion = Literal["future", "all"]
Inputs = tuple[Tensor | int, ...]


class TokenizerObjective(nn.Module):
    """The published tokenizer loss: coarse and full reconstruction, commitment and entropy.

    The entropy term is a reward and can make the sum negative. The code book's entropy is not
    a mean over windows; in training it is that of a whole pass (`batch_size` windows over all ranks), whatever the
    number of ranks, and a step of several passes takes the mean of theirs. In validation it is that of each batch.
    """

    def __init__(self, tokenizer: KronosTokenizer, ranks: Ranks) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.ranks = ranks

    def inputs(self, batch: TrainingBatch, drawn: int = 0) -> Inputs:
        """The arguments of `forward` for a batch; `drawn` of its windows count in training."""
        assert batch.values is not None
        return batch.values, drawn

    def forward(self, values: Tensor, drawn: int) -> dict[str, Tensor]:
        """Loss parts on values float32[B, T, 6]; `loss` is the one to minimise."""
        if self.training and self.ranks.world > 1:
            parts = self.tokenizer.loss(values, lambda mean: self._pooled(mean, drawn))
        else:
            parts = self.tokenizer.loss(values)
        named = {field.name: getattr(parts, field.name) for field in fields(parts)}
        return {"loss": named.pop("total"), **named}

    def _pooled(self, mean: Tensor, drawn: int) -> Tensor:
        """The mean over the windows of all ranks, with the gradient of this rank's.

        A rank's loss counts as much as its windows do, and ranks add their gradients up: what reaches this rank's
        weights through its own mean is then just the share of the whole mean that is its own.
        """
        return mean + (self.ranks.pooled(mean.detach(), drawn) - mean.detach())


class PredictorObjective(nn.Module):
    """Mean cross entropy of the next bar's s1 and, given an s1, of its s2.

    teacher_forcing : s1 is the true one; else one sampled from the model (as published), and s2 learns its distribution
    whatever s1 is. Validation is always teacher forced, so that its losses are comparable.
    """

    def __init__(
        self,
        tokenizer: KronosTokenizer,
        predictor: Kronos,
        lookback: int,
        region: LossRegion,
        teacher_forcing: bool = True,
    ) -> None:
        super().__init__()
        self.predictor = predictor
        self.teacher_forcing = teacher_forcing
        self.first_target = lookback if region == "future" else 1
        # in a list, so that DDP and the optimiser do not see the frozen tokenizer
        self._frozen = [tokenizer.eval().requires_grad_(False)]

    def inputs(self, batch: TrainingBatch, drawn: int = 0) -> Inputs:
        """The arguments of `forward` for a batch: its tokens, or those of its values, encoded in float32."""
        if batch.tokens is not None:
            return (*batch.tokens, batch.stamp)
        assert batch.values is not None
        with torch.no_grad():
            return (*self._frozen[0].encode(batch.values), batch.stamp)

    def forward(self, s1: Tensor, s2: Tensor, stamp: Tensor) -> dict[str, Tensor]:
        """Cross entropies on tokens int64[B, T] twice and stamp [B, T, 5], each bar given those before it."""
        predictor, first = self.predictor, self.first_target
        context = predictor.context(s1[:, :-1], s2[:, :-1], stamp[:, :-1])
        # heads run on the bars that count only: they are wide, and most bars may not
        s1_logits = predictor.s1_logits(context[:, first - 1 :]).float()
        sibling = s1[:, 1:]
        if self.training and not self.teacher_forcing:
            drawn = torch.multinomial(s1_logits.detach().softmax(-1).flatten(0, 1), 1)
            # s2 of a bar before the region is not scored: which s1 stands there does not matter
            sibling = torch.cat((sibling[:, : first - 1], drawn.view(len(s1), -1)), dim=1)
        conditioned = predictor.dep_layer(context, predictor.embedding.emb_s1(sibling))
        s2_logits = predictor.head.proj_s2(conditioned[:, first - 1 :]).float()
        ce_s1 = F.cross_entropy(s1_logits.flatten(0, 1), s1[:, first:].flatten())
        ce_s2 = F.cross_entropy(s2_logits.flatten(0, 1), s2[:, first:].flatten())
        return {"loss": (ce_s1 + ce_s2) / 2, "ce_s1": ce_s1, "ce_s2": ce_s2}
