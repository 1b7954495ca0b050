"""The model a recipe names: `latest` becomes a folder and a digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kronos_quant.errors import CheckpointError
from kronos_quant.model import ModelCard, Pair, find_model, load_pair, read_card
from kronos_quant.runs import finished_runs
from kronos_quant.training import BEST
from kronos_quant.workspace import WorkspaceFolder

LATEST = "latest"


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
    name, source = model_place(workspace, name)
    pair = load_pair(source, models_dir=workspace.models)
    return Weights(name, pair, pair.digest, read_card(find_model(source, workspace.models)))


def trained_models(workspace: WorkspaceFolder) -> dict[str, Path]:
    """The id of each finished training run -> the folder of its best networks, oldest first."""
    return {run.id: run.path / BEST for run in finished_runs(workspace.runs, "train")}


def model_place(workspace: WorkspaceFolder, name: str) -> tuple[str, Path | str]:
    """What a model's name stands for: `latest` as the run it means, and a folder, or a Hub id as it is.

    Raises CheckpointError for `latest` when nothing was trained yet.
    """
    trained = trained_models(workspace)
    if name == LATEST:
        if not trained:
            raise CheckpointError(
                f"{workspace.root}: no trained model yet, and the recipe says `model: {LATEST}`",
                hint="Run kq train, or set `model:` in the recipe to a folder or a name in models/.",
            )
        name = max(trained)
    return name, trained.get(name, _given(workspace, name))


def _given(workspace: WorkspaceFolder, name: str) -> Path | str:
    """A folder given relative to the workspace, or whatever else the name may mean (a Hub id is a string)."""
    inside = workspace.root / name
    return inside if inside.is_dir() else name
