"""Recipes: which model, what it sees, how paths are sampled, which score ranks, and through which steps.

A recipe is of one of three kinds: computed with a model, imported from a file, or blended of other recipes. What the
model computes is stored raw under the recipe's digest. Steps, calibration and the choice of the score are applied
when the store is read: they are cheap, so that a change of them costs no call of the model, and the digest has none
of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from kronos_quant.config import Section
from kronos_quant.errors import ConfigError
from kronos_quant.model import Context, Nucleus
from kronos_quant.schema import DAILY
from kronos_quant.signals.calibration import Calibration, check_history
from kronos_quant.signals.moments import DecisionPoints, moment_of
from kronos_quant.signals.own_score import OwnScore
from kronos_quant.signals.scores import OWN, SCORES
from kronos_quant.signals.steps import Step
from kronos_quant.signals.weights import Origin, Weights

NUMERICS_VERSION = 4
"""Raised by hand whenever the same recipe would give other numbers, or other columns, than before."""


class Recipe(Section):
    """signals/<name>.yaml."""

    model: str = Field("latest", description="`latest`, a folder, a name in models/, or the id of a training run")
    imported: str | None = Field(None, description="instead of a model: signals of `kq signal import --name`")
    members: tuple[str, ...] = Field((), description="instead of a model: recipes whose signals are averaged")
    universe: str | None = Field(None, description="whom to score; null: market.universe of kq.yaml")
    lookback_window: int | None = Field(None, ge=3, description="bars the model sees; null: as trained")
    horizon: int | None = Field(None, ge=1, description="bars to forecast; null: as trained")
    asof: DecisionPoints = Field(
        default_factory=lambda: DecisionPoints.model_validate({}),
        description="when, of intraday bars: close, {every: 12} bars, or {times: ['11:30', '15:00']}",
    )
    samples: int = Field(20, ge=1, description="sample paths a symbol")
    temperature: float = Field(1.0, ge=0, description="of the sampling; 0 takes the likeliest token")
    top_p: float = Field(0.9, gt=0, le=1, description="nucleus of the sampling; 1 is all")
    top_k: int = Field(0, ge=0, description="likeliest tokens kept; 0 is all")
    nucleus: Nucleus = Field("combined", description="with top_k and top_p: both, or top_k alone as published")
    context: Context = Field(
        "exact", description="beyond the model's window: slide it, or trim the lookback (many times as fast)"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the network's matrix products; bars are encoded in float32"
    )
    seed: int = Field(0, ge=0, description="of the sampling; each symbol and date has its own stream")
    base: Literal["decoded", "actual"] = Field("decoded", description="last close that returns are measured from")
    max_missing: int = Field(10, ge=0, description="sessions without a bar allowed inside the lookback")
    paths: bool = Field(False, description="store every path's returns too (column paths)")
    own_score: Path | None = Field(None, description="Python file with score(returns), for --allow-code: column own")
    score: str = Field("last", description="the column that ranks")
    steps: tuple[Step, ...] = Field((), description="what becomes of the score before it ranks, in this order")
    calibration: Calibration | None = Field(None, description="calibrated quantiles beside the raw ones")

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        given = self.model_fields_set
        kinds = [name for name in ("model", "imported", "members") if name in given and getattr(self, name)]
        if len(kinds) > 1:
            raise ValueError(f"one of model, imported and members, found {' and '.join(kinds)}")
        if kinds in (["imported"], ["members"]):
            useful = {*kinds, "universe", "horizon", "steps", "calibration"} | ({"score"} if self.imported else set())
            idle = sorted(given - useful)
            if idle:
                raise ValueError(f"{', '.join(idle)}: of no use without a model ({kinds[0]} is given)")
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"members: each once, found {', '.join(self.members)}")
        known = (*SCORES, *([OWN] if self.own_score or self.members else []))
        if self.imported is None and self.score not in known:
            raise ValueError(f"score: expected one of {', '.join(known)}, found {self.score!r}")
        return self


@dataclass(frozen=True, slots=True)
class ResolvedRecipe:
    """A recipe with its blanks filled and its weights named; `digest` is the key of its signals."""

    recipe: Recipe
    universe: str
    lookback: int
    horizon: int
    weights: str
    """Digest of both networks; of an imported table or a blend, of what it is made from."""
    clip: float
    max_context: int
    """With `clip`, what the model's card adds to its weights."""
    freq: str
    name: str = ""
    """Of its file, and `model` what it stands for: for people, no part of the digest."""
    model: str = ""
    own_score: OwnScore | None = None
    members: tuple[ResolvedRecipe, ...] = ()

    @property
    def digest(self) -> str:
        """Changes with whatever changes a stored number."""
        content = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def at_close(self) -> bool:
        """Whether there is one moment a session, whatever bar a symbol saw last; a blend's are those of its members."""
        if self.members:
            return all(member.at_close for member in self.members)
        return self.freq == DAILY or (self.recipe.imported is None and self.recipe.asof.at_close)

    @property
    def moment(self) -> pl.Expr:
        """Of a stored row, the moment whose scores it is ranked against."""
        return moment_of(self.freq, at_close=self.at_close)

    @property
    def ranks_by(self) -> str:
        """The column that ranks: the recipe's score, or `score` where steps or a blend make another of it."""
        return RANKED if self.recipe.steps or self.members else self.recipe.score

    def as_dict(self) -> dict[str, Any]:
        """What the digest is computed from."""
        if self.recipe.imported is not None:
            return {"imported": self.recipe.imported, "freq": self.freq}
        if self.members:
            return {"members": [member.digest for member in self.members], "freq": self.freq}
        # the fields left out choose among what is stored, or are replaced by a digest of what they name
        content = self.recipe.model_dump(mode="json", exclude=_NOT_STORED) | {
            "universe": self.universe,
            "lookback_window": self.lookback,
            "horizon": self.horizon,
            "weights": self.weights,
            "clip": self.clip,
            "max_context": self.max_context,
            "freq": self.freq,
            "numerics": NUMERICS_VERSION,
        }
        return content | ({"own_score": self.own_score.digest} if self.own_score else {})


RANKED = "score"
"""The column of the score after its steps."""
_NOT_STORED = {"score", "model", "imported", "members", "own_score", "steps", "calibration"}


def resolve_recipe(
    recipe: Recipe, weights: Weights, universe: str, freq: str, name: str = "", own_score: OwnScore | None = None
) -> ResolvedRecipe:
    """Fill a recipe in from the model's card and the workspace's universe; raises ConfigError when a blank stays."""
    lookback = recipe.lookback_window or weights.card.lookback_window
    horizon = recipe.horizon or weights.card.predict_window
    for field, value in (("lookback_window", lookback), ("horizon", horizon)):
        if value is None:
            raise ConfigError(
                f"{field}: {weights.name} does not say what it was trained with", hint=f"set `{field}:` in the recipe"
            )
    assert lookback is not None
    assert horizon is not None
    if freq == DAILY and not recipe.asof.at_close:
        raise ConfigError("asof: daily bars have no moments but the close", hint="leave asof out of the recipe")
    _check_calibration(recipe, horizon, freq, name)
    return ResolvedRecipe(
        recipe=recipe,
        universe=recipe.universe or universe,
        lookback=lookback,
        horizon=horizon,
        weights=weights.digest,
        clip=weights.clip,
        max_context=weights.pair.max_context,
        freq=freq,
        name=name,
        model=weights.name,
        own_score=own_score,
    )


def resolve_imported(recipe: Recipe, origin: Origin, universe: str, freq: str, name: str = "") -> ResolvedRecipe:
    """The recipe of signals that were imported; what it does not say of the horizon is one session."""
    universe, horizon = recipe.universe or universe, recipe.horizon or 1
    _check_calibration(recipe, horizon, freq, name)
    return ResolvedRecipe(recipe, universe, 0, horizon, origin.digest, 0, 0, freq, name, origin.name)


def resolve_blend(recipe: Recipe, members: tuple[ResolvedRecipe, ...], freq: str, name: str = "") -> ResolvedRecipe:
    """The recipe of an average of others.

    Raises ConfigError where they forecast different horizons or universes, or lie on other ones than the blend says.
    """
    horizons, universes = {member.horizon for member in members}, {member.universe for member in members}
    horizons |= {recipe.horizon} if recipe.horizon else set()
    universes |= {recipe.universe} if recipe.universe else set()
    for field, values in (("horizon", horizons), ("universe", universes)):
        if len(values) > 1:
            told = ", ".join(f"{member.name} {getattr(member, field)}" for member in members)
            raise ConfigError(f"{name}: members: expected one {field}, found {told}")
    _check_calibration(recipe, members[0].horizon, freq, name)
    digest = hashlib.sha256("".join(member.digest for member in members).encode()).hexdigest()
    model = " + ".join(member.model for member in members)
    lookback = max(member.lookback for member in members)
    return ResolvedRecipe(
        recipe, members[0].universe, lookback, members[0].horizon, digest, 0, 0, freq, name, model, None, members
    )


def _check_calibration(recipe: Recipe, horizon: int, freq: str, name: str) -> None:
    """Raise ConfigError where no date could ever be calibrated; of intraday bars a session holds several."""
    if freq == DAILY:
        check_history(recipe.calibration, horizon, name)
