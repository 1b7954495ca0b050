"""What a strategy file (strategies/*.yaml) says."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, PositiveInt, field_validator, model_validator

from kronos_quant.backtest.settings import Costs, Liquidity, QlibSettings, Risk, refuse_both_names
from kronos_quant.config import Section

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Strategy(Section):
    """A back-test as a YAML file: which scores, which rule, which costs, which period."""

    signal: str = Field("default", min_length=1, description="recipe in signals/ whose scores are traded")
    scores: Path | None = Field(
        None,
        description="Parquet or CSV file of date, symbol and score that is traded instead of a recipe's signals; of an "
        "intraday market, asof (end of the last bar seen), symbol and score",
    )
    score: str | None = Field(None, min_length=1, description="score that ranks; null: the recipe's own")
    strategy: Literal["topk_dropout", "topk_rebalance", "long_short_quantile", "buy_and_hold", "python"] = Field(
        "topk_dropout", description="the rule; python: the function `decide` of the file `code`"
    )
    code: Path | None = Field(None, description="Python file of `strategy: python`; runs only with --allow-code")
    every: int = Field(
        1,
        ge=1,
        description="sessions (in an intraday market: bars with scores) between two decisions of a rebalancing rule",
    )
    weighting: Literal["equal", "score", "inverse_volatility"] = Field(
        "equal", description="weights of topk_rebalance within the symbols held"
    )
    quantile: float = Field(0.2, gt=0, le=0.5, description="share of the symbols in each leg of long_short_quantile")
    short: bool = Field(False, description="whether the function of `code` may sell short")
    profile: Literal["exchange", "qlib"] = Field(
        "exchange", description="what decides fills and costs: the exchange's real rules, or Qlib's, surprises included"
    )
    qlib: QlibSettings = Field(
        default_factory=lambda: QlibSettings.model_validate({}), description="settings of the profile qlib"
    )
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
        description="first session whose scores are used (they trade at the next bar); "
        "null: the first after the model's training and validation data",
    )
    end: date | None = Field(None, description="last session; null: the newest")
    fill: Literal["open", "close"] = Field("open", description="price of the next bar at which orders fill")
    liquidity: Liquidity = Field(
        default_factory=lambda: Liquidity.model_validate({}), description="slippage, impact and participation"
    )
    risk: Risk = Field(
        default_factory=lambda: Risk.model_validate({}), description="rules that cut orders and sell holdings"
    )
    max_missing: float | None = Field(
        None,
        ge=0,
        le=1,
        description="largest share of the bars that may lack a score (from a symbol's first one on; those of members "
        "of the universe without any, too) before the back-test is refused; null: it is only said",
    )
    account: float = Field(1e8, gt=0, description="initial cash, account currency")
    benchmark: str = Field("auto", min_length=1, description="symbol of an index; auto: the data's own; none: without")
    universe: str | None = Field(None, min_length=1, description="universe traded; null: the recipe's")
    costs: Costs = Field(default_factory=lambda: Costs.model_validate({}), description="trading costs")
    lot: int | Literal["exchange"] = Field(
        "exchange", description="raw shares are bought in multiples of it; 0: fractions; exchange: each symbol's own"
    )
    lots: dict[str, PositiveInt] = Field(
        default_factory=dict, description="board lots by symbol, raw shares, where `lot: exchange` does not know them"
    )
    price_limit: float | Literal["exchange", "none"] = Field(
        "exchange", description="daily limit as a fraction of the close before; exchange: each symbol's own"
    )
    risk_degree: float = Field(0.95, gt=0, le=1, description="fraction of the free cash that a session's buys spend")
    delisting_return: float = Field(0.0, ge=-1, le=1, description="return from the last close of a delisted holding")
    sessions_per_year: int | None = Field(
        None, ge=1, description="annualisation of the figures; null: that of the exchange"
    )

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, data: Any) -> Any:
        return refuse_both_names(data)

    @field_validator("start", "end", mode="before")
    @classmethod
    def _a_date(cls, value: Any) -> Any:
        if value is None or type(value) is date or (isinstance(value, str) and DATE.fullmatch(value)):
            return value
        raise ValueError(f"must be a date such as 2025-06-05, found {value!r}")

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
        if self.strategy == "topk_dropout" and self.n_drop > self.topk:
            raise ValueError(f"n_drop must be at most topk ({self.topk}), found {self.n_drop}")
        if self.profile != "qlib" and "qlib" in self.model_fields_set and self.qlib != QlibSettings.model_validate({}):
            raise ValueError("the section qlib needs `profile: qlib`")
        if self.profile == "qlib":
            self._only_what_qlib_has()
        if (self.strategy == "python") != (self.code is not None):
            raise ValueError("`strategy: python` and `code:` go together: give both or neither")
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"start must not be after end ({self.end}), found {self.start}")
        return self

    def _only_what_qlib_has(self) -> None:
        """Refuse settings that the profile qlib would pass over."""
        if self.strategy != "topk_dropout":
            raise ValueError(f"Qlib has topk_dropout only, found {self.strategy}")
        if self.liquidity != Liquidity.model_validate({}):
            raise ValueError("liquidity needs `profile: exchange`")
        if self.risk != Risk.model_validate({}):
            raise ValueError("risk needs `profile: exchange`")
