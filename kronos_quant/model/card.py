"""card.json of a model folder: how its networks were trained, and which data they have seen."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictFloat,
    StrictInt,
    ValidationError,
)

from kronos_quant.bounds import LARGEST_CLIP, MOST_BARS
from kronos_quant.config import SCRATCH
from kronos_quant.errors import CheckpointError
from kronos_quant.files import write_json
from kronos_quant.model.files import CARD_FILE, read_json

DEFAULT_CLIP = 5.0
"""Bound of the normalised values of weights without a card, the published models'."""

_EXPECTED = {
    "lookback_window": "a number of bars",
    "predict_window": "a number of bars",
    "max_context": "a positive int",
    "clip": "a number above 0",
    "pretraining_cutoff": "a date",
    "targets": "train and val with two dates each",
    "sha256": "an object of files",
}


def _as_moment(value: Any) -> datetime:
    return datetime.fromisoformat(str(value))


Day = Annotated[date, BeforeValidator(lambda value: _as_moment(value).date())]
Moment = Annotated[
    datetime, BeforeValidator(_as_moment), PlainSerializer(lambda moment: moment.isoformat(timespec="minutes"))
]
Bars = Annotated[StrictInt, Field(ge=1, le=MOST_BARS)]


Figure = int | float | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class TargetRanges(_Part):
    """First and last end stamp of the bars that were targets of training, validation and test."""

    train: tuple[Moment, Moment]
    val: tuple[Moment, Moment]
    test: tuple[Moment, Moment] | None = None


class PhaseLoss(_Part):
    """Validation loss of one phase (tokenizer or predictor)."""

    start: float | None = Field(None, validation_alias=AliasChoices("start", "before"))
    """Before the first epoch."""
    best: float | None = None
    epoch: int | None = None
    """The best one; 0: none improved on the start."""


class ForecastFigures(_Part):
    """Forecasts of validation windows: their settings, and the figures of three forecasters."""

    windows: int
    times: int
    horizon: int
    samples: int
    chosen_by: str
    trained: dict[str, Figure]
    start: dict[str, Figure | str] = Field(validation_alias=AliasChoices("start", "control"))
    """Of the model that training started from, with its `name`."""
    last_close: dict[str, Figure]
    verdict: list[str]


class HeadFigures(_Part):
    """The return head: its settings, its rank IC on validation dates, and that of the decoded forecasts."""

    loss: str
    hidden: int
    dates: int
    rank_ic: float | None = None
    rank_ic_margin: float | None = None
    decoded_rank_ic: float | None = None
    difference: float | None = None
    difference_margin: float | None = None
    gain: bool = False
    verdict: str = ""


class ModelCard(_Part):
    """How the networks of a folder were trained. A folder without a card has an empty one.

    Keys that this version does not know are kept, so that cards of other versions can be read.

    >>> card = ModelCard(base="scratch (nano)", lookback_window=60)
    >>> card.from_scratch, card.clip, card.trained_until
    (True, 5.0, None)
    """

    created: str | None = None
    base: str | None = None
    pretraining_cutoff: Day | None = None
    """Last date of the bars that the base was pre-trained on; None where it is not known."""
    freq: str | None = None
    lookback_window: Bars | None = None
    predict_window: Bars | None = None
    max_context: Annotated[StrictInt, Field(ge=1, le=MOST_BARS)] | None = None
    clip: Annotated[StrictInt | StrictFloat, Field(gt=0, le=LARGEST_CLIP)] = DEFAULT_CLIP
    """Bound of the normalised values in training."""
    universe: str | None = None
    snapshot: str | None = None
    """Digest of the bars."""
    seed: int | None = None
    targets: TargetRanges | None = None
    validation_loss: dict[str, PhaseLoss] | None = None
    decoded: ForecastFigures | None = None
    dependency_rotation: str | None = None
    teacher_forcing: bool | None = None
    loss_region: str | None = None
    adapt: str | None = None
    note: str | None = None
    head: HeadFigures | None = None
    sha256: dict[str, str] | None = None
    """File -> digest, hex."""

    @property
    def from_scratch(self) -> bool:
        """Whether nothing was pre-trained."""
        return (self.base or "").startswith(SCRATCH)

    @property
    def trained_until(self) -> date | None:
        """Last date of the training and validation targets; None where they are not known."""
        return None if self.targets is None else max(self.targets.train[1], self.targets.val[1]).date()

    @property
    def unseen_from(self) -> date | None:
        """First date of the test targets; None where it is not known."""
        return None if self.targets is None or self.targets.test is None else self.targets.test[0].date()

    @property
    def last_seen(self) -> date | None:
        """Last bar that the networks, or what they were trained from, have learnt from; None: not known."""
        if self.targets is None or self.from_scratch:
            return self.trained_until if self.from_scratch else self.pretraining_cutoff
        known = self.trained_until, self.pretraining_cutoff
        return max(known) if None not in known else None  # type: ignore[type-var]

    def as_dict(self) -> dict[str, Any]:
        """What stands in card.json."""
        return self.model_dump(mode="json", exclude_unset=True)


def read_card(folder: Path | None) -> ModelCard:
    """The card of a model's folder, an empty one where there is none. Raises CheckpointError for a faulty one."""
    path = None if folder is None else folder / CARD_FILE
    if path is None or not os.path.lexists(path):
        return ModelCard()
    values = read_json(path)
    try:
        return ModelCard.model_validate(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        key = str(wrong["loc"][0])
        place = path if key == "pretraining_cutoff" else f"{path}: {key}"
        expected = _EXPECTED.get(key, wrong["msg"].lower())
        raise CheckpointError(f"{place}: expected {expected}, found {values.get(key)!r}") from error


def write_card(folder: Path, card: ModelCard) -> None:
    """Write card.json into a model's folder, whole or not at all."""
    write_json(folder / CARD_FILE, card.as_dict())
