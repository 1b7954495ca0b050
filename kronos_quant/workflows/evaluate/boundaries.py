"""Until when the models behind a recipe have seen data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from kronos_quant.config import SCRATCH
from kronos_quant.errors import CheckpointError
from kronos_quant.evaluation import Boundary
from kronos_quant.training.card import CUTOFF
from kronos_quant.workflows.signals import SignalSource


def boundaries_of(source: SignalSource) -> tuple[Boundary, ...]:
    """Until when a recipe's models have seen data, by their cards: for training, and for what they started from."""
    if source.recipe.recipe.imported is not None:
        return (Boundary("data behind the imported signals", None),)
    if source.members:
        return _latest(boundary for member in source.members for boundary in boundaries_of(member))
    card = source.weights.card
    targets = card.get("targets")
    trained = max(_day(targets[part][1]) for part in ("train", "val")) if targets else None
    found = [Boundary("training data", trained)]
    if not str(card.get("base", "")).startswith(SCRATCH):
        cutoff = card.get(CUTOFF)
        found.append(Boundary("pre-training data", None if cutoff is None else _day(cutoff)))
    return tuple(found)


def _latest(boundaries: Iterable[Boundary]) -> tuple[Boundary, ...]:
    """One boundary of each kind: the latest, or none where one is not known."""
    kinds: dict[str, list[date | None]] = {}
    for boundary in boundaries:
        kinds.setdefault(boundary.what, []).append(boundary.until)
    known = {what: [until for until in found if until is not None] for what, found in kinds.items()}
    return tuple(Boundary(what, max(known[what]) if len(known[what]) == len(kinds[what]) else None) for what in kinds)


def _day(text: object) -> date:
    try:
        return datetime.fromisoformat(str(text)).date()
    except ValueError:
        raise CheckpointError(f"card.json: expected a date, found {text!r}") from None
