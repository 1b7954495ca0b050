"""A strategy file (strategies/*.yaml): which scores, which rule, which costs, which period."""

from __future__ import annotations

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import AliasChoices, Field, field_validator, model_validator

from kronos_quant.backtest.settings import (
    Costs,
    Liquidity,
    Optimise,
    QlibSettings,
    Risk,
    check_expression,
    no_liquidity,
    refuse_both_names,
)
from kronos_quant.bounds import MOST_MONEY, MOST_SHARES, BarCount, SessionCount, ShareCount, SymbolCount
from kronos_quant.config import Day, Section
from kronos_quant.inputs import short_repr

SHARE_SETTINGS = {"cash_fraction", "target_exposure"}
"""A rule has one of them; `risk_degree` is Qlib's name of either."""

MOST_PER_YEAR = 1_000
"""Sessions per year: a session is a day, and data may hold what a calendar does not."""

WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d) *- *([01]\d|2[0-3]):([0-5]\d)")

USUAL_SHARE = 0.95
"""The default of both."""

FORMER_DEFAULTS: dict[str, Any] = {
    "liquidity.impact": 0.0,
    "liquidity.participation": None,
    "only_tradable": None,
    "qlib.only_tradable": None,
}
"""What leaving a setting out meant when stored digests began, by its name there, where that has changed since: the same
file is another trial now, and one that states the former value is the same as before."""


def share_setting(rule: str) -> str:
    """Which of SHARE_SETTINGS a rule has."""
    return "cash_fraction" if rule == "topk_dropout" else "target_exposure"


def window_of(text: str) -> tuple[time, time]:
    """Begin and end of a part of a session.

    Raises ValueError for anything else.

    >>> window_of("09:30-10:00")
    (datetime.time(9, 30), datetime.time(10, 0))
    """
    found = WINDOW.fullmatch(text)
    if found is None:
        raise ValueError(f"must be two times such as 09:30-10:00, found {short_repr(text)}")
    first, last = (time(int(hour), int(minute)) for hour, minute in (found.groups()[:2], found.groups()[2:]))
    if first >= last:
        raise ValueError(f"must end after it begins, found {text}")
    return first, last


class Strategy(Section):
    """A back-test as settings: which scores, which rule, which costs, which period.

    `kq config fields strategy` lists every setting with its default, permitted values, unit and meaning.

    >>> Strategy(topk=10, n_drop=2).cash_fraction
    0.95
    """

    units: ClassVar = {
        "sessions": "every hold_thresh sessions_per_year",
        "symbols": "topk n_drop",
        "fraction": "quantile max_missing_scores price_limit delisting_return",
        "fraction of the free cash": "cash_fraction",
        "fraction of the account": "target_exposure",
        "account currency": "account",
        "raw shares": "lot lots",
    }

    recipe: str = Field(
        "default", min_length=1, validation_alias=AliasChoices("recipe", "signal"), serialization_alias="signal"
    )
    """recipe in signals/ whose scores are traded"""
    scores_file: Path | None = Field(
        None, validation_alias=AliasChoices("scores_file", "scores"), serialization_alias="scores"
    )
    """Parquet or CSV file of date, symbol and score, traded instead of a recipe's signals; in an intraday market asof
    (end of the last bar seen), symbol and score"""
    score_column: str | None = Field(
        None, min_length=1, validation_alias=AliasChoices("score_column", "score"), serialization_alias="score"
    )
    """column of the signals that ranks; null: the recipe's score"""
    strategy: Literal["topk_dropout", "topk_rebalance", "long_short_quantile", "buy_and_hold", "python"] = Field(
        "topk_dropout"
    )
    """trading rule; python: the function `decide` of the file `code`"""
    code: Path | None = None
    """Python file of `strategy: python`; it runs only where that is allowed (--allow-code)"""
    every: BarCount = Field(1, ge=1)
    """sessions between two rebalancings; in an intraday market, bars with scores"""
    weighting: Literal["equal", "score", "inverse_volatility", "optimise"] = "equal"
    """weights of topk_rebalance among the symbols held; optimise: those of the section `optimise`"""
    optimise: Optimise = Field(default_factory=lambda: Optimise.model_validate({}))
    """objective and bounds of `weighting: optimise`"""
    quantile: float = Field(0.2, gt=0, le=0.5)
    """fraction of the symbols in each leg of long_short_quantile"""
    short: bool = False
    """whether the function of `code` may sell short"""
    profile: Literal["exchange", "qlib"] = "exchange"
    """rules of fills and costs: those of the exchange, or those of Qlib 0.9.7"""
    qlib: QlibSettings = Field(default_factory=lambda: QlibSettings.model_validate({}))
    """settings of the profile qlib"""
    topk: SymbolCount = Field(50, ge=1, validation_alias=AliasChoices("topk", "n_symbol_hold"))
    """symbols held after each session"""
    n_drop: SymbolCount = Field(5, ge=0, validation_alias=AliasChoices("n_drop", "n_symbol_drop"))
    """maximum number of symbols replaced per session; 0 never sells"""
    hold_thresh: SessionCount = Field(5, ge=0)
    """minimum holding period, sessions"""
    only_tradable: bool | None = None
    """order only symbols with a bar in the session before: suspended holdings keep their places of topk, are not sold
    and do not count in n_drop, and suspended candidates are not bought; a suspension that begins in the traded session
    is not known. `profile: qlib`: rank only symbols that are tradable on the trading day. null: true, with
    `profile: qlib` false"""
    start: Day | None = None
    """first session whose scores are used (they trade at the next bar); null: the first after the model's training and
    validation data"""
    end: Day | None = None
    """last session; null: the newest"""
    fill: Literal["open", "close", "vwap", "twap"] = "open"
    """price of the next bar at which orders fill; vwap: amount / volume of the bar, or of the minute bars in
    `fill_window`; twap: mean of their closes"""
    fill_window: str | None = None
    """part of the next session, such as 09:30-10:00, whose minute bars give vwap or twap; null: the whole session"""
    liquidity: Liquidity = Field(default_factory=lambda: Liquidity.model_validate({}))
    """slippage, market impact and participation"""
    risk: Risk = Field(default_factory=lambda: Risk.model_validate({}))
    """rules that cut orders and sell holdings"""
    max_missing_scores: float | None = Field(
        None,
        ge=0,
        le=1,
        validation_alias=AliasChoices("max_missing_scores", "max_missing"),
        serialization_alias="max_missing",
    )
    """maximum fraction of bars without a score (counted from a symbol's first score; for members of the universe
    without any, all bars); a larger one is an error. null: it is only reported"""
    account: float = Field(100000000.0, gt=0, le=MOST_MONEY)
    """initial cash, account currency"""
    dividends: Literal["auto", "cash", "reinvest"] = "auto"
    """cash: dividends of `kq ingest dividends` are paid at their pay date, new shares are whole, rights lapse;
    reinvest: they buy shares at the ex-date's prices, before tax; auto: cash where some are known in the period"""
    dividend_tax: Literal["exchange", "none"] = "exchange"
    """tax on cash dividends and bonus shares by holding period, as persons and funds pay it in China; none: untaxed"""
    benchmark: str = Field("auto", min_length=1)
    """symbol of an index; auto: the index in the data; or none"""
    universe: str | None = Field(None, min_length=1)
    """universe traded; null: that of the recipe"""
    costs: Costs = Field(default_factory=lambda: Costs.model_validate({}))
    """trading costs"""
    lot: Annotated[ShareCount, Ge(0)] | Literal["exchange"] = "exchange"
    """board lot, raw shares; 0: fractional shares; exchange: that of each symbol"""
    lots: dict[str, Annotated[ShareCount, Ge(1)]] = Field(default_factory=dict)
    """board lots by symbol, raw shares, where `lot: exchange` does not know them"""
    price_limit: Annotated[float, Gt(0), Lt(1)] | Literal["exchange", "none"] | tuple[str, str] = "exchange"
    """daily price limit, fraction of the previous close; exchange: that of each symbol. `profile: qlib` also takes two
    expressions of Qlib's, which forbid to buy and to sell: ["$change >= 0.095", "$change <= -0.095"]"""
    unknown_instruments: Literal["refuse", "trade"] = "refuse"
    """what to do with symbols of the mainland that are neither share, fund nor convertible bond by their code: refuse,
    or trade without price limits and levies"""
    cash_fraction: float = Field(USUAL_SHARE, gt=0, le=1, serialization_alias="risk_degree")
    """topk_dropout: fraction of the free cash that the purchases of a session spend"""
    target_exposure: float = Field(USUAL_SHARE, gt=0, le=1, serialization_alias="risk_degree")
    """the other rules: fraction of the account that is invested (long_short_quantile: both legs)"""
    delisting_return: float = Field(0.0, ge=-1, le=1)
    """return of a holding that is delisted, from its last close"""
    sessions_per_year: int | None = Field(None, ge=1, le=MOST_PER_YEAR)
    """sessions per year for annualised figures; null: that of the exchange"""

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        refuse_both_names(cls, data)
        if data.get("profile") == "qlib" and not data.get("liquidity"):
            data = data | {"liquidity": no_liquidity()}
        own = share_setting(data.get("strategy", "topk_dropout"))
        if "risk_degree" in data and own in data:
            raise ValueError(f"risk_degree and {own} are the same setting here: give one of them")
        return {own if name == "risk_degree" else name: value for name, value in data.items()}

    @field_validator("lot", mode="before")
    @classmethod
    def _lot_in_shares(cls, value: Any) -> Any:
        # a union of number and word would report one error for each of its branches
        if value == "exchange" or (
            isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_SHARES
        ):
            return value
        expected = f"a whole number of shares (0: fractions), at most {MOST_SHARES:,}, or exchange"
        raise ValueError(f"must be {expected}, found {short_repr(value)}")

    @field_validator("price_limit", mode="before")
    @classmethod
    def _limit_as_a_fraction(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)) and len(value) == 2:
            return tuple(check_expression(text) for text in value)
        if value in ("exchange", "none") or (isinstance(value, float) and 0 < value < 1):
            return value
        raise ValueError(f"must be a fraction between 0 and 1, exchange or none, found {short_repr(value)}")

    @field_validator("fill_window")
    @classmethod
    def _window_of_a_day(cls, value: str | None) -> str | None:
        if value is not None:
            window_of(value)
        return value

    @model_validator(mode="after")
    def _fields_together(self) -> Strategy:
        if self.fill_window is not None and self.fill not in ("vwap", "twap"):
            raise ValueError(f"fill_window needs `fill: vwap` or `fill: twap`, found {self.fill}")
        if self.strategy == "topk_dropout" and self.n_drop > self.topk and self.profile != "qlib":
            raise ValueError(f"n_drop must be at most topk ({self.topk}), found {self.n_drop}")
        if self.limit_expressions is not None and self.profile != "qlib":
            raise ValueError("price_limit: expressions need `profile: qlib`")
        if self.profile != "qlib" and "qlib" in self.model_fields_set and self.qlib != QlibSettings.model_validate({}):
            raise ValueError("the section qlib needs `profile: qlib`")
        if self.only_tradable is not None and self.qlib.only_tradable is not None:
            raise ValueError("qlib.only_tradable and only_tradable are the same setting: give one of them")
        if self.profile == "qlib":
            self._only_what_qlib_has()
        if not self.optimises and self.optimise != Optimise.model_validate({}):
            raise ValueError("the section optimise needs `strategy: topk_rebalance` and `weighting: optimise`")
        if (self.strategy == "python") != (self.code is not None):
            raise ValueError("`strategy: python` and `code:` go together: give both or neither")
        own = share_setting(self.strategy)
        for name in SHARE_SETTINGS - {own}:
            if getattr(self, name) != USUAL_SHARE:
                raise ValueError(f"{name} does not apply to {self.strategy}: use {own}")
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError(f"start must not be after end ({self.end}), found {self.start}")
        return self

    def _only_what_qlib_has(self) -> None:
        """Refuse settings that the profile qlib would pass over."""
        if self.strategy != "topk_dropout":
            raise ValueError(f"Qlib has topk_dropout only, found {self.strategy}")
        if self.fill not in ("open", "close"):
            raise ValueError(f"fill: {self.fill} needs `profile: exchange`")
        if self.liquidity != no_liquidity():
            raise ValueError("liquidity needs `profile: exchange`")
        if self.risk != Risk.model_validate({}):
            raise ValueError("risk needs `profile: exchange`")
        if self.dividends == "cash":
            raise ValueError("Qlib reinvests dividends: `dividends: cash` needs `profile: exchange`")

    @property
    def limit_expressions(self) -> tuple[str, str] | None:
        """The expressions that forbid to buy and to sell, where `price_limit` has them."""
        return self.price_limit if isinstance(self.price_limit, tuple) else None

    @property
    def window(self) -> tuple[time, time] | None:
        """Begin and end of `fill_window`."""
        return None if self.fill_window is None else window_of(self.fill_window)

    @property
    def optimises(self) -> bool:
        """Whether an optimiser sets the weights."""
        return self.strategy == "topk_rebalance" and self.weighting == "optimise"

    @property
    def orders_only_tradable(self) -> bool:
        """What `only_tradable` is, or was given as in its former place, or is by default."""
        given = self.qlib.only_tradable if self.only_tradable is None else self.only_tradable
        return self.profile != "qlib" if given is None else given

    @property
    def sells_short(self) -> bool:
        """Whether the rule may hold negative weights."""
        return self.short or self.strategy == "long_short_quantile"

    def digest_settings(self, exclude: set[str] | None = None, *, defaults: bool = True) -> dict[str, Any]:
        """The settings as plain values under the names that stored digests were computed over.

        exclude : settings to leave out; defaults : whether those at their default (FORMER_DEFAULTS before the present
        ones) are there
        """
        left_out = SHARE_SETTINGS - {share_setting(self.strategy)} | (exclude or set())
        values = self.model_dump(mode="json", by_alias=True, exclude=left_out)
        if defaults:
            return values
        stated = self.model_dump(mode="json", by_alias=True, exclude=left_out, exclude_defaults=True)
        # what is done, in the profile's former place, and nothing where it is not done
        values["only_tradable"] = values["qlib"]["only_tradable"] = None
        place = values["qlib"] if self.profile == "qlib" else values
        place["only_tradable"] = self.orders_only_tradable or None
        for name, former in FORMER_DEFAULTS.items():
            state_against(former, values, stated, name.split("."))
        return stated


def state_against(former: Any, values: dict[str, Any], stated: dict[str, Any], path: list[str]) -> None:
    """Put a setting into those that are stated where it differs from a former default, and take it out where not.

    values : all settings; path : sections and name
    """
    name, *below = path
    if name not in values:
        return
    if not below:
        stated.pop(name, None)
        if values[name] != former:
            stated[name] = values[name]
        return
    section = stated.pop(name, {})
    state_against(former, values[name], section, below)
    if section:
        stated[name] = section
