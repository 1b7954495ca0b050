"""Recipes: which model, what it sees, how paths are sampled, which score ranks, and through which steps.

A recipe is of one of three kinds: computed with a model, imported from a file, or blended of other recipes. What the
model computes is stored raw under the recipe's digest. Steps, calibration and the choice of the score are applied
when the store is read: they are cheap, so that a change of them costs no call of the model, and the digest has none
of them.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import polars as pl
from pydantic import AliasChoices, Field, model_validator

from kronos_quant.bounds import HOTTEST, LEAST_LOOKBACK, MOST_BARS_PER_SYMBOL, MOST_TOKENS, BarCount, SampleCount, Seed
from kronos_quant.config import Section
from kronos_quant.errors import ConfigError
from kronos_quant.inputs import short_repr
from kronos_quant.model import Context, ModelCard, Nucleus, Pair, check_horizon, load_pair
from kronos_quant.model.library import ModelLibrary
from kronos_quant.own_code import OwnCode
from kronos_quant.schema import DAILY
from kronos_quant.signals.calibration import Calibration, check_history
from kronos_quant.signals.moments import DecisionPoints, moment_of
from kronos_quant.signals.scores import OWN, SCORES
from kronos_quant.signals.steps import Step
from kronos_quant.workspace import WorkspaceFolder

NUMERICS_VERSION = 4
"""Raised by hand whenever the same recipe would give other numbers, or other columns, than before."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A loaded pair, where it came from, its digest (sha256 over both networks) and what its card says."""

    name: str
    pair: Pair
    digest: str
    card: ModelCard


def find_weights(workspace: WorkspaceFolder, name: str) -> Weights:
    """Load the model that a recipe names. Raises CheckpointError when there is none."""
    name, source = ModelLibrary(workspace).resolve(name)
    pair = load_pair(source, models_dir=workspace.models)
    return Weights(name, pair, pair.digest, pair.card)


class Recipe(Section):
    """signals/<name>.yaml.

    >>> Recipe(horizon=5, score="median").samples
    20
    """

    units: ClassVar = {
        "bars": "lookback_window horizon",
        "paths": "samples",
        "probability": "top_p",
        "tokens": "top_k",
        "sessions": "max_missing_bars",
    }

    model: str = Field("latest", description="`latest`, a folder, a name in models/, or the id of a training run")
    imported: str | None = Field(None, description="name of signals of `kq signal import`, instead of a model")
    members: tuple[str, ...] = Field((), description="recipes whose signals are averaged, instead of a model")
    universe: str | None = Field(None, description="universe to score; null: market.universe of kq.yaml")
    lookback_window: BarCount | None = Field(
        None, ge=LEAST_LOOKBACK, description="input bars of the model; null: as trained"
    )
    horizon: BarCount | None = Field(
        None, ge=1, description="bars to forecast, at most 8 x max_context; null: as trained"
    )
    asof: DecisionPoints = Field(
        default_factory=lambda: DecisionPoints.model_validate({}),
        description="decision times, intraday bars: close, {every: 12} bars, or {times: ['11:30', '15:00']}",
    )
    samples: SampleCount = Field(20, ge=1, description="sample paths per symbol and date; more reduce sampling noise")
    temperature: float = Field(1.0, ge=0, le=HOTTEST, description="sampling temperature; 0 takes the most likely token")
    top_p: float = Field(0.9, gt=0, le=1, description="nucleus sampling: cumulative probability kept; 1 is all")
    top_k: int = Field(0, ge=0, le=MOST_TOKENS, description="top-k sampling: most likely tokens kept; 0 is all")
    nucleus: Nucleus = Field("combined", description="with top_k and top_p: apply both, or top_k alone as published")
    context: Context = Field(
        "exact", description="beyond the context length: exact slides the window; trim cuts the lookback, much faster"
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="precision of the network's matrix products; bars are encoded in float32"
    )
    seed: Seed = Field(0, ge=0, description="random seed of the sampling; each symbol and date has its own stream")
    return_base: Literal["decoded", "actual"] = Field(
        "decoded",
        validation_alias=AliasChoices("return_base", "base"),
        serialization_alias="base",
        description="last close that returns of the paths refer to: decoded by the tokenizer, or actual",
    )
    max_missing_bars: BarCount = Field(
        10,
        ge=0,
        validation_alias=AliasChoices("max_missing_bars", "max_missing"),
        serialization_alias="max_missing",
        description="sessions without a bar allowed inside the lookback window",
    )
    paths: bool = Field(False, description="also store the returns of every path (column paths)")
    own_score: Path | None = Field(None, description="Python file with score(returns), for --allow-code: column own")
    score: str = Field(
        "last",
        description="column that ranks: last (expected return at the horizon), mean, max or min (of the "
        "mean path), median, p_rise, shortfall, mean_over_spread, published or own; of imported signals, a column of "
        "their file",
    )
    steps: tuple[Step, ...] = Field((), description="transformations of the score before it ranks, in this order")
    calibration: Calibration | None = Field(None, description="conformal calibration of the quantiles; null: none")

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
                raise ValueError(f"{', '.join(idle)}: only for recipes with a model ({kinds[0]} is given)")
        if len(set(self.members)) < len(self.members):
            raise ValueError(f"members: each once, found {', '.join(self.members)}")
        known = (*SCORES, *([OWN] if self.own_score or self.members else []))
        if self.imported is None and self.score not in known:
            raise ValueError(f"score: expected one of {', '.join(known)}, found {short_repr(self.score)}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRecipe(ABC):
    """A recipe with its blanks filled in; `digest` is the key of its stored signals."""

    recipe: Recipe
    universe: str
    horizon: int
    freq: str
    weights: str
    """Digest of both networks; of an import or a blend, of what it is made from."""
    name: str = ""
    """Of its file, and `model` what it stands for: for people, no part of the digest."""
    model: str = ""

    def __post_init__(self) -> None:
        if self.freq == DAILY:  # of intraday bars a session holds several
            check_history(self.recipe.calibration, self.horizon, self.name)

    @property
    def digest(self) -> str:
        """Changes with whatever changes a stored number."""
        return hashlib.sha256(json.dumps(self.content(), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def moment(self) -> pl.Expr:
        """Of a stored row, the moment whose scores it is ranked against."""
        return moment_of(self.freq, at_close=self.at_close)

    @property
    def raw_score(self) -> str:
        """The column that the steps begin with."""
        return self.recipe.score

    @property
    def ranks_by(self) -> str:
        """The column that ranks: the recipe's score, or `score` where steps make another of it."""
        return RANKED if self.recipe.steps else self.raw_score

    @property
    @abstractmethod
    def at_close(self) -> bool:
        """Whether there is one moment per session, whatever bar a symbol saw last."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What the digest is computed from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedRecipe(ResolvedRecipe):
    """A recipe that is computed with a model."""

    lookback: int
    clip: float
    """With `max_context`, what the model's card adds to its weights."""
    max_context: int
    own_score: OwnCode | None = None

    @property
    def at_close(self) -> bool:
        """Whether signals are made after the last bar of a session alone."""
        return self.freq == DAILY or self.recipe.asof.at_close

    def content(self) -> dict[str, Any]:
        """What the digest is computed from."""
        # under the first names of the settings, so that what is stored keeps its key; the fields left out choose among
        # what is stored, or are replaced by a digest of what they name
        content = self.recipe.model_dump(mode="json", by_alias=True, exclude=_NOT_STORED) | {
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRecipe(ResolvedRecipe):
    """A recipe of signals that were imported; its key is their name, `weights` the digest of their file."""

    @property
    def at_close(self) -> bool:
        """Only of daily bars: the rows of others say which bar they were made after."""
        return self.freq == DAILY

    def content(self) -> dict[str, Any]:
        """What the digest is computed from."""
        return {"imported": self.recipe.imported, "freq": self.freq}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendedRecipe(ResolvedRecipe):
    """The average of other recipes."""

    members: tuple[ResolvedRecipe, ...]

    @property
    def at_close(self) -> bool:
        """Whether all members have one moment per session."""
        return self.freq == DAILY or all(member.at_close for member in self.members)

    @property
    def raw_score(self) -> str:
        """The mean of what the members rank by."""
        return RANKED

    def content(self) -> dict[str, Any]:
        """What the digest is computed from."""
        return {"members": [member.digest for member in self.members], "freq": self.freq}


ZERO_SHOT = "zero-shot"
"""What the name of the recipe of the model before its fine-tuning begins with."""
RANKED = "score"
"""The column of the score after its steps."""
_NOT_STORED = {"score", "model", "imported", "members", "own_score", "steps", "calibration"}


def resolve_recipe(
    recipe: Recipe, weights: Weights, universe: str, freq: str, name: str = "", own_score: OwnCode | None = None
) -> ComputedRecipe:
    """Fill a recipe in from the model's card and the workspace's universe; freq : of the bars.

    Raises ConfigError where a blank stays, and where no date could ever be calibrated.
    """
    lookback = recipe.lookback_window or weights.card.lookback_window
    horizon = recipe.horizon or weights.card.predict_window
    for field, value in (("lookback_window", lookback), ("horizon", horizon)):
        if value is None:
            raise ConfigError(
                f"{field}: {weights.name} has no card that gives it", hint=f"Set `{field}:` in the recipe."
            )
    assert lookback is not None
    horizon = check_horizon(horizon, weights.pair.max_context)
    if recipe.samples * horizon > MOST_BARS_PER_SYMBOL:
        raise ConfigError(
            f"samples x horizon: expected at most {MOST_BARS_PER_SYMBOL:,} bars per symbol, found {recipe.samples:,} x "
            f"{horizon:,}"
        )
    if freq == DAILY and not recipe.asof.at_close:
        raise ConfigError("asof: daily bars have one decision time, the close", hint="Leave asof out of the recipe.")
    return ComputedRecipe(
        recipe=recipe,
        universe=recipe.universe or universe,
        horizon=horizon,
        freq=freq,
        weights=weights.digest,
        name=name,
        model=weights.name,
        lookback=lookback,
        clip=float(weights.card.clip),
        max_context=weights.pair.max_context,
        own_score=own_score,
    )


def resolve_imported(recipe: Recipe, universe: str, freq: str, name: str = "", weights: str = "") -> ImportedRecipe:
    """The recipe of imported signals, one bar ahead unless it says another horizon; weights : digest of their table."""
    return ImportedRecipe(
        recipe=recipe,
        universe=recipe.universe or universe,
        horizon=recipe.horizon or 1,
        freq=freq,
        weights=weights,
        name=name,
        model=f"imported as {recipe.imported}",
    )


def resolve_blend(recipe: Recipe, members: tuple[ResolvedRecipe, ...], freq: str, name: str = "") -> BlendedRecipe:
    """The recipe of an average of others.

    Raises ConfigError where they have different horizons or universes, or other ones than the blend says.
    """
    horizons, universes = {member.horizon for member in members}, {member.universe for member in members}
    horizons |= {recipe.horizon} if recipe.horizon else set()
    universes |= {recipe.universe} if recipe.universe else set()
    for field, values in (("horizon", horizons), ("universe", universes)):
        if len(values) > 1:
            found = ", ".join(f"{member.name} {getattr(member, field)}" for member in members)
            raise ConfigError(f"{name}: members: expected one {field}, found {found}")
    return BlendedRecipe(
        recipe=recipe,
        universe=members[0].universe,
        horizon=members[0].horizon,
        freq=freq,
        weights=hashlib.sha256("".join(member.digest for member in members).encode()).hexdigest(),
        name=name,
        model=" + ".join(member.model for member in members),
        members=members,
    )


def zero_shot_name(recipe: str) -> str:
    """The name, in the store, of the signals of a recipe with the base of its model: see `kq evaluate`."""
    return f"{ZERO_SHOT} of {recipe}"
