"""The return head: from the predictor's context of the last bar seen to one number that ranks.

Shapes: n windows, D width of the predictor.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kronos_quant.files import write_aside, write_json

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
LEAST_STD = 1e-6
"""A column of the contexts that does not vary is not blown up."""


class RankHead(nn.Module):
    """A linear map of the standardised context, or a hidden layer of `hidden` units between.

    contexts : float32[n, D], whose mean and spread are those to standardise by. seed : of the first weights
    """

    mean: Tensor
    std: Tensor

    def __init__(self, contexts: Tensor, hidden: int, seed: int) -> None:
        super().__init__()
        self.hidden, width = hidden, contexts.shape[1]
        self.register_buffer("mean", contexts.mean(0))
        self.register_buffer("std", contexts.std(0).clamp(min=LEAST_STD))
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            parts = (nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, 1)) if hidden else (nn.Linear(width, 1),)
            self.layers = nn.Sequential(*parts)

    def forward(self, contexts: Tensor) -> Tensor:
        """Contexts float32[n, D] -> scores float32[n]; only their order means something."""
        scores: Tensor = self.layers((contexts - self.mean) / self.std)[:, 0]
        return scores

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors into `folder`, each whole."""
        write_json(folder / CONFIG_FILE, {"d_model": len(self.mean), "hidden": self.hidden})
        with write_aside(folder / WEIGHTS_FILE) as partial:
            save_file(self.state_dict(), partial, metadata={"format": "pt"})
