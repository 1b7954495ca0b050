"""What the return head learns from the order of a date."""

import math

import pytest
import torch
from scipy.stats import rankdata

from kronos_quant.training.head.losses import SHARPNESS, date_ranks, listwise, pairwise


def test_ranks_are_scipys_and_lie_around_0():
    returns = torch.tensor([0.1, -0.2, 0.1, 0.0, 0.3])
    expected = (rankdata(returns.numpy()) - 0.5) / 5 - 0.5
    assert date_ranks(returns).tolist() == pytest.approx(expected.tolist())
    assert date_ranks(torch.zeros(4)).tolist() == [0, 0, 0, 0]


def test_listwise_by_hand():
    ranks, scores = torch.tensor([-0.25, 0.25]), torch.tensor([0.0, 1.0])
    # softmax of -1 and 1 against that of 0 and 1
    target = 1 / (1 + math.exp(-SHARPNESS / 2))
    said = 1 / (1 + math.exp(-1.0))
    expected = -(target * math.log(said) + (1 - target) * math.log(1 - said))
    assert listwise(scores, ranks).item() == pytest.approx(expected, rel=1e-6)


def test_pairwise_by_hand():
    ranks, scores = torch.tensor([-0.25, 0.25]), torch.tensor([0.0, 1.0])
    # two pairs that are half a rank apart and rightly ordered, of four; a symbol is no pair with itself
    assert pairwise(scores, ranks).item() == pytest.approx(2 * 0.5 * math.log(1 + math.exp(-1.0)) / 4, rel=1e-6)


@pytest.mark.parametrize("loss", [listwise, pairwise])
def test_the_right_order_costs_less_than_none_and_the_wrong_one_more(loss):
    ranks = date_ranks(torch.randn(20, generator=torch.Generator().manual_seed(0)))
    right, none, wrong = (loss(scale * ranks, ranks).item() for scale in (3.0, 0.0, -3.0))
    assert right < none < wrong
