"""The sections inside `train`: random changes of windows, the return head, adapters, Comet."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from kronos_quant.bounds import EpochCount, SessionCount
from kronos_quant.config.section import Section
from kronos_quant.inputs import short_repr

LARGEST_RATE = 10.0
"""Learning rate: AdamW moves every weight by about this in a step."""
LARGEST_DECAY = 10.0
LARGEST_LAYER, MOST_LAYERS = 65_536, 1_000


class AugmentConfig(Section):
    """Random changes of the training windows, redrawn every epoch; 0 is off. See `training.batches.augment`."""

    units: ClassVar = {"standard deviations": "noise", "fraction": "magnitude time_warp slice"}

    noise: float = Field(
        0.0, ge=0, le=1, description="standard deviation of added noise, in standard deviations of the lookback"
    )
    magnitude: float = Field(0.0, ge=0, lt=1, description="largest relative scaling of deviations from the mean")
    time_warp: float = Field(0.0, ge=0, lt=1, description="largest relative speed-up or slow-down of time")
    slice: float = Field(0.0, ge=0, lt=1, description="largest share of bars cut off; the rest is stretched")

    @property
    def any(self) -> bool:
        """Whether a window is changed at all."""
        return bool(self.noise or self.magnitude or self.time_warp or self.slice)


class HeadConfig(Section):
    """A return head: a small network that ranks symbols by the predictor's context. See `training.head`."""

    units: ClassVar = {"epochs": "epochs", "units": "hidden", "dates": "dates"}

    epochs: EpochCount = Field(
        0, ge=0, description="passes over the dates, after the predictor is trained; 0: no return head"
    )
    loss: Literal["listwise", "pairwise"] = Field("listwise", description="ranking loss over the returns of a date")
    hidden: int = Field(0, ge=0, le=LARGEST_LAYER, description="units of the hidden layer; 0: a linear map")
    dates: SessionCount = Field(400, ge=1, description="training dates used, evenly spaced")
    learning_rate: float = Field(1e-3, gt=0, le=LARGEST_RATE, description="AdamW learning rate, one step per date")
    weight_decay: float = Field(0.1, ge=0, le=LARGEST_DECAY, description="AdamW weight decay, decoupled")


class AdaptConfig(Section):
    """Which part of the predictor is trained: `full`, `{last_layers: N}` or `{lora: RANK}`. See `training.adapt`."""

    units: ClassVar = {"layers": "last_layers", "rank": "lora"}

    last_layers: int | None = Field(
        None, ge=1, le=MOST_LAYERS, description="number of last layers trained, with the output heads"
    )
    lora: int | None = Field(
        None, ge=1, le=LARGEST_LAYER, description="rank of the low-rank update of every projection"
    )

    @model_validator(mode="before")
    @classmethod
    def _full(cls, values: Any) -> Any:
        if isinstance(values, dict | cls):
            return values
        if values != "full":
            raise ValueError(f"expected full, {{last_layers: N}} or {{lora: RANK}}, found {short_repr(values)}")
        return {}

    @model_validator(mode="after")
    def _one(self) -> AdaptConfig:
        if self.last_layers is not None and self.lora is not None:
            raise ValueError("expected one of last_layers and lora, found both")
        return self

    @property
    def whole(self) -> bool:
        """Whether all of it is trained."""
        return self.last_layers is None and self.lora is None

    def __str__(self) -> str:
        if self.whole:
            return "full"
        return f"last_layers {self.last_layers}" if self.lora is None else f"lora {self.lora}"


class CometConfig(Section):
    """Where Comet ML puts the experiment; the account's key is read from COMET_API_KEY and never from a file."""

    project_name: str | None = Field(None, description="Comet project; null: COMET_PROJECT_NAME, else Comet's default")
    workspace: str | None = Field(
        None, description="Comet workspace; null: COMET_WORKSPACE, else the account's default"
    )
