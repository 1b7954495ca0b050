"""The model a recipe names: `latest` becomes a folder and a digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kronos_quant.errors import CheckpointError, ConfigError
from kronos_quant.model import CARD_FILE, Pair, find_model, load_pair, read_json
from kronos_quant.runs import finished_runs
from kronos_quant.training.fit import BEST
from kronos_quant.workspace import WorkspaceFolder

LATEST = "latest"
DEFAULT_CLIP = 5.0
"""For weights without a card: the published model's bound of the normalised values."""
_LARGEST_CLIP = 1e6
_LONGEST_WINDOW = 10**6


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


@dataclass(frozen=True, slots=True)
class Origin:
    """What imported signals and blends have in the place of weights."""

    name: str
    digest: str
    card: dict[str, Any]

    @property
    def pair(self) -> Pair:
        """Raises ConfigError: there is no model of its own."""
        raise ConfigError(f"{self.name}: has no model of its own", hint="choose a recipe that names a model")


def find_weights(workspace: WorkspaceFolder, name: str) -> Weights:
    """Load the model that a recipe names. Raises CheckpointError when there is none."""
    name, source = model_place(workspace, name)
    pair = load_pair(source, models_dir=workspace.models)
    return Weights(name, pair, pair.digest, _read_card(find_model(source, workspace.models)))


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
                hint="kq train, or set `model:` in the recipe to a folder or a name in models/",
            )
        name = max(trained)
    return name, trained.get(name, _given(workspace, name))


def _given(workspace: WorkspaceFolder, name: str) -> Path | str:
    """A folder given relative to the workspace, or whatever else the name may mean (a Hub id is a string)."""
    inside = workspace.root / name
    return inside if inside.is_dir() else name


def _read_card(folder: Path | None) -> dict[str, Any]:
    """What a model trained here says of itself; nothing for any other."""
    path = folder / CARD_FILE if folder is not None else None
    if path is None or not path.is_file():
        return {}
    card = read_json(path)
    for key in ("lookback_window", "predict_window"):
        if not isinstance(card.get(key, 1), int) or not 1 <= card.get(key, 1) <= _LONGEST_WINDOW:
            raise CheckpointError(f"{path}: {key}: expected a number of bars, found {card[key]!r}")
    clip = card.get("clip", DEFAULT_CLIP)
    if not isinstance(clip, int | float) or not 0 < clip <= _LARGEST_CLIP:
        raise CheckpointError(f"{path}: clip: expected a number above 0, found {clip!r}")
    return card
