"""What the return head learns from the order of one date's returns.

Shapes: N symbols of a date.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

SHARPNESS = 4.0
"""Of the listwise target: the best of a date weighs e^4 times as much as the worst."""


def date_ranks(returns: Tensor) -> Tensor:
    """The ranks of float[N] returns, float32 from -0.5 to 0.5; equal returns share their mean rank."""
    below = (returns[:, None] > returns).float().sum(1)
    equal = (returns[:, None] == returns).float().sum(1)
    return (below + equal / 2) / len(returns) - 0.5


def listwise(scores: Tensor, ranks: Tensor) -> Tensor:
    """Cross entropy of the scores' softmax with that of the ranks (ListNet, Cao et al. 2007); scalar."""
    return -(torch.softmax(SHARPNESS * ranks, 0) * torch.log_softmax(scores, 0)).sum()


def pairwise(scores: Tensor, ranks: Tensor) -> Tensor:
    """Logistic loss of every pair, weighted by how far apart its ranks are (RankNet, Burges et al. 2005); scalar."""
    ahead = ranks[:, None] - ranks
    return (softplus(-(scores[:, None] - scores) * ahead.sign()) * ahead.abs()).mean()


LOSSES = {"listwise": listwise, "pairwise": pairwise}
