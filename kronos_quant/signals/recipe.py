"""Recipes: which model, what it sees, how paths are sampled, and which score ranks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from kronos_quant.config import Section
from kronos_quant.errors import ConfigError
from kronos_quant.signals.weights import Weights

NUMERICS_VERSION = 1
"""Raised by hand whenever the same recipe would give other numbers than before."""

ScoreName = Literal["mean", "last", "max", "min", "median", "p_rise"]


class Recipe(Section):
    """signals/<name>.yaml."""

    model: str = Field("latest", description="`latest`, a folder, a name in models/, or the id of a training run")
    universe: str | None = Field(None, description="whom to score; null: market.universe of kq.yaml")
    lookback_window: int | None = Field(None, ge=3, description="bars the model sees; null: as trained")
    horizon: int | None = Field(None, ge=1, description="bars to forecast; null: as trained")
    samples: int = Field(20, ge=1, description="sample paths a symbol")
    temperature: float = Field(1.0, ge=0, description="of the sampling; 0 takes the likeliest token")
    top_p: float = Field(0.9, gt=0, le=1, description="nucleus of the sampling; 1 is all")
    top_k: int = Field(0, ge=0, description="likeliest tokens kept; 0 is all")
    seed: int = Field(0, ge=0, description="of the sampling; each symbol and date has its own stream")
    base: Literal["decoded", "actual"] = Field("decoded", description="last close that returns are measured from")
    max_missing: int = Field(10, ge=0, description="sessions without a bar allowed inside the lookback")
    score: ScoreName = Field("last", description="the column that ranks")


@dataclass(frozen=True, slots=True)
class ResolvedRecipe:
    """A recipe with its blanks filled and its weights named; `digest` is the key of its signals."""

    recipe: Recipe
    universe: str
    lookback: int
    horizon: int
    weights: str
    """Digest of both networks."""
    clip: float
    max_context: int
    """With `clip`, what the model's card adds to its weights."""
    freq: str

    @property
    def digest(self) -> str:
        """Changes with whatever changes a stored number."""
        content = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """What the digest is computed from."""
        # `score` only chooses among columns that are all stored; `model` is replaced by the digest of its weights
        return self.recipe.model_dump(mode="json", exclude={"score", "model"}) | {
            "universe": self.universe,
            "lookback_window": self.lookback,
            "horizon": self.horizon,
            "weights": self.weights,
            "clip": self.clip,
            "max_context": self.max_context,
            "freq": self.freq,
            "numerics": NUMERICS_VERSION,
        }


def resolve_recipe(recipe: Recipe, weights: Weights, universe: str, freq: str) -> ResolvedRecipe:
    """Fill a recipe in from the model's card and the workspace's universe; raises ConfigError when a blank stays."""
    lookback = recipe.lookback_window or weights.card.get("lookback_window")
    horizon = recipe.horizon or weights.card.get("predict_window")
    for name, value in (("lookback_window", lookback), ("horizon", horizon)):
        if value is None:
            raise ConfigError(
                f"{name}: {weights.name} does not say what it was trained with", hint=f"set `{name}:` in the recipe"
            )
    assert lookback is not None
    assert horizon is not None
    return ResolvedRecipe(
        recipe=recipe,
        universe=recipe.universe or universe,
        lookback=lookback,
        horizon=horizon,
        weights=weights.digest,
        clip=weights.clip,
        max_context=weights.pair.max_context,
        freq=freq,
    )
