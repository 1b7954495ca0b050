"""Training a part of the predictor: its last layers, or a low-rank update (LoRA, arXiv 2106.09685) of its projections.

Frozen parameters take neither a gradient nor AdamW's two moments, and are not part of a training's state. Checkpoints
are always whole predictors under the published names: an update is added to the weights it belongs to.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from kronos_quant.config import AdaptConfig
from kronos_quant.errors import ConfigError
from kronos_quant.model import Kronos, PredictorConfig
from kronos_quant.training.job import plain_predictor

SCALE = 2.0
"""Scale of the update: alpha over rank, as it is usually set."""


class LoraLinear(nn.Module):
    """A frozen linear layer and a low-rank update of it, which is 0 at first."""

    def __init__(self, frozen: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight, self.bias = frozen.weight, frozen.bias
        # the bound of torch's own linear layers
        drawn = torch.rand((rank, frozen.in_features), generator=generator) * 2 - 1
        self.lora_in = nn.Parameter((drawn / frozen.in_features**0.5).to(frozen.weight.device))
        self.lora_out = nn.Parameter(torch.zeros(frozen.out_features, rank, device=frozen.weight.device))

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        narrow = linear(x, self.lora_in).flatten(0, -2)
        plain = linear(x, self.weight, self.bias)
        # one sum and no product of its own: what a step holds at once decides whether it fits
        return torch.addmm(plain.flatten(0, -2), narrow, self.lora_out.T, alpha=SCALE).view_as(plain)

    def merged(self) -> Tensor:
        """One weight [out, in] that does the same."""
        return self.weight + SCALE * self.lora_out @ self.lora_in


def check_adapt(adapt: AdaptConfig, predictor: PredictorConfig, from_scratch: bool) -> None:
    """Raise ConfigError where the predictor has no such part, or there are no weights to adapt."""
    if adapt.whole:
        return
    if from_scratch:
        raise ConfigError(
            f"train.adapt: {adapt} needs weights to start from, and model.base is scratch", hint="train.adapt: full"
        )
    if adapt.last_layers is not None and adapt.last_layers > predictor.n_layers:
        raise ConfigError(f"train.adapt: {adapt}: the predictor has {predictor.n_layers} layers")


def adapt_predictor(predictor: Kronos, adapt: AdaptConfig, seed: int) -> Kronos:
    """The predictor to train: itself with the rest frozen, or a copy with low-rank updates (`lora`).

    The copy shares the tensors of `predictor`, which training does not change. seed : of the first updates.
    """
    if adapt.last_layers is not None:
        predictor.requires_grad_(False)
        learning = [*predictor.transformer[-adapt.last_layers :], predictor.norm, predictor.dep_layer, predictor.head]
        for part in learning:
            part.requires_grad_(True)
        return predictor
    if adapt.lora is None:
        return predictor
    generator = torch.Generator().manual_seed(seed)
    updated = plain_predictor(predictor.config, predictor.state_dict()).requires_grad_(False)
    for part in (updated.transformer, updated.dep_layer):
        for owner in list(part.modules()):
            for name, layer in list(owner.named_children()):
                if isinstance(layer, nn.Linear):
                    setattr(owner, name, LoraLinear(layer, adapt.lora, generator))
    return updated


@torch.no_grad()
def merged_predictor(trained: Kronos) -> Kronos:
    """The predictor with its low-rank updates added to its weights; itself where it has none."""
    updates = {name: layer for name, layer in trained.named_modules() if isinstance(layer, LoraLinear)}
    if not updates:
        return trained
    weights = {name: value for name, value in trained.state_dict().items() if ".lora_" not in name}
    merged = {f"{name}.weight": layer.merged() for name, layer in updates.items()}
    return plain_predictor(trained.config, weights | merged).eval()
