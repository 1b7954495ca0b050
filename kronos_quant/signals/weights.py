"""The model a recipe names: `latest` becomes a folder and a digest."""

from __future__ import annotations

from dataclasses import dataclass

from kronos_quant.model import ModelCard, Pair, load_pair
from kronos_quant.model.library import ModelLibrary
from kronos_quant.workspace import WorkspaceFolder


@dataclass(frozen=True, slots=True)
class Weights:
    """A loaded pair, where it came from, its digest (sha256 over both networks) and what its card says."""

    name: str
    pair: Pair
    digest: str
    card: ModelCard

    @property
    def clip(self) -> float:
        """The bound of the normalised values that the model was trained with."""
        return float(self.card.clip)


def find_weights(workspace: WorkspaceFolder, name: str) -> Weights:
    """Load the model that a recipe names. Raises CheckpointError when there is none."""
    name, source = ModelLibrary(workspace).resolve(name)
    pair = load_pair(source, models_dir=workspace.models)
    return Weights(name, pair, pair.digest, pair.card)
