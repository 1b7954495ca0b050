"""The steps as they stand in a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from kronos_quant.config import Section

Exposure = Literal["volatility", "momentum", "size", "industry"]


class Winsorise(Section):
    """Pull the extreme scores of each date in."""

    step: Literal["winsorise"]
    limit: float = Field(0.01, gt=0, lt=0.5, description="share of the symbols at each end that is pulled in")


class ZScore(Section):
    """Less the date's mean, over its standard deviation."""

    step: Literal["zscore"]


class Rank(Section):
    """The place among the date's symbols, from -0.5 to 0.5."""

    step: Literal["rank"]


class Neutralise(Section):
    """What no combination of the exposures explains on the date."""

    step: Literal["neutralise"]
    exposures: tuple[Exposure, ...] = Field(("volatility", "momentum"), min_length=1, description="what to take out")
    sessions: int = Field(20, ge=2, description="sessions up to the date that an exposure is measured over")

    @field_validator("exposures")
    @classmethod
    def _each_once(cls, value: tuple[Exposure, ...]) -> tuple[Exposure, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"each exposure once, found {', '.join(value)}")
        return value


class Smooth(Section):
    """The mean of the score and those before it."""

    step: Literal["smooth"]
    sessions: int = Field(3, ge=2, description="sessions averaged, the score's own among them")


Step = Annotated[Winsorise | ZScore | Rank | Neutralise | Smooth, Field(discriminator="step")]
