"""The model a recipe names: `latest` becomes a folder and a digest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kronos_quant.errors import CheckpointError
from kronos_quant.model import CARD_FILE, Pair, find_model, load_pair
from kronos_quant.runs import finished_runs
from kronos_quant.training.fit import BEST
from kronos_quant.workspace import Workspace

LATEST = "latest"
DEFAULT_CLIP = 5.0
"""For weights without a card: the published model's bound of the normalised values."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A loaded pair, where it came from, its digest (sha256 over both networks) and what its card says."""

    name: str
    pair: Pair
    digest: str
    card: dict[str, Any]

    @property
    def clip(self) -> float:
        """The bound of the normalised values that the model was trained with."""
        return float(self.card.get("clip", DEFAULT_CLIP))


def find_weights(workspace: Workspace, name: str) -> Weights:
    """Load the model that a recipe names. Raises CheckpointError when there is none."""
    trained = {run.id: run.path / BEST for run in finished_runs(workspace.runs, "train")}
    if name == LATEST:
        if not trained:
            raise CheckpointError(
                f"{workspace.root}: no trained model yet, and the recipe says `model: {LATEST}`",
                hint="kq train, or set `model:` in the recipe to a folder or a name in models/",
            )
        name = max(trained)
    source = trained.get(name, _given(workspace, name))
    pair = load_pair(source, models_dir=workspace.models)
    return Weights(name, pair, pair.digest, _read_card(find_model(source, workspace.models)))


def _given(workspace: Workspace, name: str) -> Path | str:
    """A folder given relative to the workspace, or whatever else the name may mean (a Hub id is a string)."""
    inside = workspace.root / name
    return inside if inside.is_dir() else name


def _read_card(folder: Path | None) -> dict[str, Any]:
    """What a model trained here says of itself; nothing for any other."""
    card = folder / CARD_FILE if folder is not None else None
    if card is None or not card.is_file():
        return {}
    try:
        read: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{card}: not valid JSON: {error}", hint="train again, or delete it") from error
    return read
