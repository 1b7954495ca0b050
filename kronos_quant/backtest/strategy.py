"""What a strategy file (strategies/*.yaml) says."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import AliasChoices, Field, field_validator, model_validator

from kronos_quant.config import Section

SAME_SETTINGS = (
    # the names of the Kronos fine-tuning guide, then Qlib's
    ("topk", "n_symbol_hold"),
    ("n_drop", "n_symbol_drop"),
    ("buy", "open_cost"),
    ("sell", "close_cost"),
    ("minimum", "min_cost"),
)


def refuse_both_names(data: Any) -> Any:
    """`data` unchanged; ValueError where a setting is given under both of its names."""
    if isinstance(data, dict):
        for name, alias in SAME_SETTINGS:
            if name in data and alias in data:
                raise ValueError(f"{alias} and {name} are the same setting: give one of them")
    return data


class Costs(Section):
    """What a trade costs: the larger of rate x value and the minimum."""

    buy: float = Field(
        0.001,
        ge=0,
        lt=1,
        validation_alias=AliasChoices("buy", "open_cost"),
        description="fraction of the value bought",
    )
    sell: float = Field(
        0.0015,
        ge=0,
        lt=1,
        validation_alias=AliasChoices("sell", "close_cost"),
        description="fraction of the value sold",
    )
    minimum: float = Field(
        5.0,
        ge=0,
        validation_alias=AliasChoices("minimum", "min_cost"),
        description="least cost of a trade, account currency",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, data: Any) -> Any:
        return refuse_both_names(data)


class Strategy(Section):
    """A back-test as a YAML file: which scores, which rule, which costs, which period."""

    signal: str = Field("default", min_length=1, description="recipe in signals/ whose scores are traded")
    score: str | None = Field(None, min_length=1, description="score that ranks; null: the recipe's own")
    strategy: Literal["topk_dropout"] = Field("topk_dropout", description="the rule")
    topk: int = Field(
        50,
        ge=1,
        validation_alias=AliasChoices("topk", "n_symbol_hold"),
        description="symbols held after each session",
    )
    n_drop: int = Field(
        5,
        ge=0,
        validation_alias=AliasChoices("n_drop", "n_symbol_drop"),
        description="most symbols replaced in a session; 0 never sells",
    )
    hold_thresh: int = Field(5, ge=0, description="sessions from buying a symbol to its earliest sale")
    start: date | None = Field(
        None,
        description="first session whose scores are used (they trade at the next); "
        "null: the first after the model's training and validation data",
    )
    end: date | None = Field(None, description="last session; null: the newest")
    fill: Literal["open", "close"] = Field("open", description="price of the next session at which orders fill")
    account: float = Field(1e8, gt=0, description="initial cash, account currency")
    benchmark: str = Field("auto", min_length=1, description="symbol of an index; auto: the data's own; none: without")
    universe: str | None = Field(None, min_length=1, description="universe traded; null: the recipe's")
    costs: Costs = Field(default_factory=lambda: Costs.model_validate({}), description="trading costs")
    lot: int | Literal["exchange"] = Field(
        "exchange", description="raw shares are bought in multiples of it; 0: fractions; exchange: each symbol's own"
    )
    price_limit: float | Literal["exchange", "none"] = Field(
        "exchange", description="daily limit as a fraction of the close before; exchange: each symbol's own"
    )
    risk_degree: float = Field(0.95, gt=0, le=1, description="fraction of the free cash that a session's buys spend")
    delisting_return: float = Field(0.0, ge=-1, le=1, description="return from the last close of a delisted holding")
    sessions_per_year: int = Field(252, ge=1, description="annualisation of the figures")

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, data: Any) -> Any:
        return refuse_both_names(data)

    @field_validator("lot", mode="before")
    @classmethod
    def _lot_in_shares(cls, value: Any) -> Any:
        # a union of number and word would report one error for each of its branches
        if value == "exchange" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return value
        raise ValueError(f"must be a whole number of shares (0: fractions) or exchange, found {value!r}")

    @field_validator("price_limit", mode="before")
    @classmethod
    def _limit_as_a_fraction(cls, value: Any) -> Any:
        if value in ("exchange", "none") or (isinstance(value, float) and 0 < value < 1):
            return value
        raise ValueError(f"must be a fraction between 0 and 1, exchange or none, found {value!r}")

    @model_validator(mode="after")
    def _fields_together(self) -> Strategy:
        if self.n_drop > self.topk:
            raise ValueError(f"n_drop must be at most topk ({self.topk}), found {self.n_drop}")
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"start must not be after end ({self.end}), found {self.start}")
        return self
