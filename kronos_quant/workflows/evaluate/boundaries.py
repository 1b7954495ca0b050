"""Until when the models behind a recipe have seen data."""

from __future__ import annotations

from kronos_quant.evaluation import Boundary
from kronos_quant.signals import SignalSource


def boundaries_of(source: SignalSource) -> tuple[Boundary, ...]:
    """Until when a recipe's models have seen data, by their cards: for training, and for what they started from."""
    return tuple(Boundary(what, until) for what, until in source.data_ends().items())
