"""Until when the models behind a recipe have seen data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from kronos_quant.evaluation import Boundary
from kronos_quant.workflows.signals import SignalSource


def boundaries_of(source: SignalSource) -> tuple[Boundary, ...]:
    """Until when a recipe's models have seen data, by their cards: for training, and for what they started from."""
    if source.recipe.recipe.imported is not None:
        return (Boundary("data behind the imported signals", None),)
    if source.members:
        return _latest(boundary for member in source.members for boundary in boundaries_of(member))
    card = source.weights.card
    found = [Boundary("training data", card.trained_until)]
    if not card.from_scratch:
        found.append(Boundary("pre-training data", card.pretraining_cutoff))
    return tuple(found)


def _latest(boundaries: Iterable[Boundary]) -> tuple[Boundary, ...]:
    """One boundary of each kind: the latest, or none where one is not known."""
    kinds: dict[str, list[date | None]] = {}
    for boundary in boundaries:
        kinds.setdefault(boundary.what, []).append(boundary.until)
    known = {what: [until for until in found if until is not None] for what, found in kinds.items()}
    return tuple(Boundary(what, max(known[what]) if len(known[what]) == len(kinds[what]) else None) for what in kinds)
