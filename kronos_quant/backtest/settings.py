"""The sections of a strategy file: costs, liquidity, risk, and what only the profile `qlib` has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, Field, model_validator

from kronos_quant.bounds import MOST_MONEY, SessionCount
from kronos_quant.config import Section
from kronos_quant.config.section import field_names
from kronos_quant.inputs import short_repr

LARGEST_MULTIPLE = 1_000
"""Of a fraction that may exceed 1: 100,000 %."""


def refuse_both_names(model: type[Section], data: Any) -> Any:
    """`data` unchanged; ValueError where a setting is given under two of its names."""
    for field in model.model_fields if isinstance(data, dict) else ():
        given = [name for name in field_names(model, field) if name in data]
        if len(given) > 1:
            raise ValueError(f"{given[1]} and {given[0]} are the same setting: give one of them")
    return data


def no_liquidity() -> Liquidity:
    """Neither slippage, impact nor participation, as Qlib has it."""
    return Liquidity.model_validate({"impact": 0.0, "participation": None})


class Costs(Section):
    """What a trade costs: commission (a fraction of the value, at least the minimum) plus levies of exchange and state.

    `buy` and `sell` replace commission and levies of one side, as Qlib's open_cost and close_cost do.
    """

    units: ClassVar = {
        "fraction of the value": "commission buy sell",
        "account currency": "minimum",
        "fraction per year": "borrow",
    }

    commission: float | None = Field(None, ge=0, lt=1)
    """broker's commission, fraction of the value; null: customary on the exchange"""
    minimum: float | None = Field(None, ge=0, le=MOST_MONEY, validation_alias=AliasChoices("minimum", "min_cost"))
    """minimum commission per trade, account currency; null: customary on the exchange"""
    liquidity_role: Literal["taker", "maker"] = Field(
        "taker", validation_alias=AliasChoices("liquidity_role", "liquidity"), serialization_alias="liquidity"
    )
    """customary commission to apply on venues that charge takers and makers differently (crypto)"""
    borrow: float = Field(0.03, ge=0, lt=1)
    """annual borrow fee, fraction of short market value"""
    levies: Literal["exchange", "none"] = "exchange"
    """taxes and fees of the exchange on each date, or none"""
    buy: float | None = Field(None, ge=0, lt=1, validation_alias=AliasChoices("buy", "open_cost"))
    """total cost of a purchase, fraction of the value; null: commission plus levies"""
    sell: float | None = Field(None, ge=0, lt=1, validation_alias=AliasChoices("sell", "close_cost"))
    """total cost of a sale, fraction of the value; null: commission plus levies"""

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, data: Any) -> Any:
        return refuse_both_names(cls, data)

    @model_validator(mode="after")
    def _used(self) -> Costs:
        if self.commission is not None and self.buy is not None and self.sell is not None:
            raise ValueError("buy and sell replace the commission: give either them or commission")
        return self


IMPACT_SOURCES = "Almgren et al. 2005, Toth et al. 2011, Bouchaud et al. 2018"
"""Measurements of market impact: R. Almgren, C. Thum, E. Hauptmann and H. Li, "Direct estimation of equity market
impact", Risk 18 (7), 2005 (exponent 0.6); B. Toth and others, "Anomalous price impact and the critical nature of
liquidity in financial markets", Physical Review X 1, 2011, and J.-P. Bouchaud, J. Bonart, J. Donier and M. Gould,
"Trades, quotes and prices", Cambridge University Press, 2018 (exponent 0.5, coefficient about 1)."""


class Liquidity(Section):
    """How the size of an order limits how much of it fills, and moves its price.

    Impact and participation are on by default, so that a result holds at the account that it is stated for.
    """

    units: ClassVar = {
        "fraction of the price": "slippage",
        "fraction of the volume": "participation",
        "sessions": "sessions",
    }

    slippage: float = Field(0.0, ge=0, lt=0.5)
    """slippage of every fill, fraction of the price"""
    impact: float = Field(1.0, ge=0, le=10)
    """coefficient c of market impact: price move = c x daily volatility x sqrt(order / daily volume); 0: none. Measured
    coefficients are about 1 (Almgren et al. 2005, Toth et al. 2011, Bouchaud et al. 2018)"""
    participation: float | None = Field(0.1, gt=0, le=1)
    """largest participation rate of an order in the volume, a cap that trading desks commonly set at 10 %; null: no
    limit. Symbols without a known volume have neither cap nor impact"""
    volume: Literal["trailing", "bar"] = "trailing"
    """volume that participation and impact refer to: mean of the previous sessions' bars, or that of the traded bar,
    which is look-ahead"""
    sessions: SessionCount = Field(20, ge=2)
    """sessions of the trailing volume and volatility"""
    carry_over: bool = True
    """order the part that participation cut again at the next bar"""

    @property
    def by_size(self) -> bool:
        """Whether the size of an order changes how it fills."""
        return self.impact > 0 or self.participation is not None

    def without_size(self) -> Liquidity:
        """The same without impact and participation."""
        return self.model_copy(update={"impact": 0.0, "participation": None})


EXPRESSION = re.compile(r"(?:(?P<before>[\d.eE+-]+) *\* *)?\$volume(?: *\* *(?P<after>[\d.eE+-]+))?")
"""A share of the day's volume, as Qlib writes it; the only expressions that can be read without Qlib."""


FIELD = re.compile(r"\$(\w+)")
"""A field in an expression of Qlib's."""

LONGEST = 500
"""Characters of an expression."""

_TOKEN = re.compile(
    r"\$[a-zA-Z]\w*|[A-Z][A-Za-z]*(?=\s*\()|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|<=|>=|==|!=|[-+*/()<>&|,]|\s+"
)
"""A field, an operator, a number or a sign."""


def check_expression(text: object) -> str:
    """The expression itself. Raises ValueError for what is none, or says more than Qlib's fields and operators.

    Qlib turns an expression into Python and runs it: a strategy file is safe to read only without other names.

    >>> check_expression("$change >= 0.095")
    '$change >= 0.095'
    """
    expected = 'an expression such as "$change >= 0.095"'
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise ValueError(f"expected {expected}, found {short_repr(text)}")
    place, before = 0, ""
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None or (found[0] in "*/" and found[0] == before):
            raise ValueError(f"expected {expected}, found {short_repr(text[place:])} in it, which is no part of one")
        place, before = found.end(), found[0]
    if not FIELD.search(text):
        raise ValueError(f"expected {expected}, found no field in {short_repr(text)}")
    return text


class VolumeShares(Section):
    """The largest share of the day's volume that an order fills.

    A number, Qlib's pair (`cum` or `current`, "0.1 * $volume"; the same for daily bars), or one of the two for each of
    `all`, `buy` and `sell`; the smaller applies.
    """

    units: ClassVar = {"fraction of the volume": "buy sell"}

    buy: float = Field(gt=0, le=LARGEST_MULTIPLE)
    """share of the day's volume, purchases"""
    sell: float = Field(gt=0, le=LARGEST_MULTIPLE)
    """share of the day's volume, sales"""

    @model_validator(mode="before")
    @classmethod
    def _of_qlibs(cls, data: Any) -> Any:
        given = data if isinstance(data, dict) else {"all": data}
        unknown = [str(name) for name in given if name not in ("all", "buy", "sell")]
        if unknown:
            raise ValueError(f"expected all, buy and sell, found {', '.join(unknown)}")
        shares = {name: volume_share(value) for name, value in given.items()}
        sides = {side: [shares[name] for name in ("all", side) if name in shares] for side in ("buy", "sell")}
        if not all(sides.values()):
            raise ValueError("Qlib wants both sides: give a number, or all, or buy and sell")
        if not all(share > 0 for share in shares.values()):
            raise ValueError(f"must be greater than 0, found {short_repr(data)}")
        return {side: min(of_side) for side, of_side in sides.items()}


def volume_share(value: Any) -> float:
    """The share that a number, or a pair of Qlib's, stands for. Raises ValueError for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    pair = isinstance(value, (list, tuple)) and len(value) == 2 and value[0] in ("cum", "current")
    found = EXPRESSION.fullmatch(value[1].strip()) if pair and isinstance(value[1], str) else None
    try:
        if found is not None and not (found["before"] and found["after"]):
            return float(found["before"] or found["after"] or 1.0)
    except ValueError:
        pass
    raise ValueError(f'expected a number, or [current, "0.1 * $volume"] as Qlib has it, found {short_repr(value)}')


class QlibSettings(Section):
    """Settings of the profile `qlib` only, under Qlib's names."""

    only_tradable: bool | None = None
    """former place of the strategy's only_tradable"""
    forbid_all_trade_at_limit: bool = True
    """neither buy nor sell a symbol at either price limit"""
    impact_cost: float = Field(0.0, ge=0, le=LARGEST_MULTIPLE)
    """added to a cost rate: this times the square of the order's share of the day's value"""
    volume_threshold: VolumeShares | None = None
    """largest share of the day's volume that an order fills (0.1: 0.1 * $volume); null: no limit"""
    directory: Path | None = None
    """Qlib directory whose $change decides the price limits; null: market.qlib_dir of kq.yaml if it has the workspace's
    closes, else $change is computed from the closes"""


class Risk(Section):
    """Rules that cut what a strategy orders, and sell what it would keep. Every rule is off unless it is set.

    All of them decide at the close of a bar, from what is known then, and act at the next fill; weights are of the
    account at the last closes, and price moves until the next decision are not undone. Order of application: drawdown
    halt, stop-loss and take-profit, maximum weight, group cap, exposure caps, volatility target, cash buffer, turnover
    cap. The reason of an order that a rule made or cut names the rule.
    """

    units: ClassVar = {
        "fraction of the account": "max_weight max_group max_gross max_net cash_buffer",
        "fraction of the maximum": "band",
        "fraction of the entry price": "stop_loss take_profit",
        "fraction of the account, two-sided": "max_turnover",
        "fraction per year": "volatility_target",
        "fraction of the high": "drawdown_halt",
        "sessions": "stay_out volatility_sessions resume_after",
    }

    max_weight: float | None = Field(None, gt=0, le=1)
    """maximum weight of one symbol, long or short, fraction of the account"""
    max_group: float | None = Field(None, gt=0, le=10)
    """maximum weight of one group, long plus short, fraction of the account"""
    groups: Path | None = None
    """CSV of symbol, group and optionally start and end (inclusive); null: the industries of `kq ingest intervals
    industry FILE`. Symbols without a group have no group cap"""
    max_gross: float | None = Field(None, gt=0, le=10)
    """maximum gross exposure, long plus short, fraction of the account"""
    max_net: float | None = Field(None, gt=0, le=10)
    """maximum absolute net exposure, long minus short, fraction of the account"""
    band: float = Field(0.05, ge=0, lt=1)
    """tolerance above these maxima, fraction of them, before holdings that drifted are sold down; new orders respect
    the maxima themselves"""
    stop_loss: float | None = Field(None, gt=0, lt=1)
    """loss at the close from the mean entry price, fraction, at which a holding is sold entirely"""
    take_profit: float | None = Field(None, gt=0, le=LARGEST_MULTIPLE)
    """gain at the close from the mean entry price, fraction, at which a holding is sold"""
    stay_out: SessionCount = Field(5, ge=0)
    """sessions after a stop-loss or take-profit in which the symbol is not bought"""
    max_turnover: float | None = Field(None, gt=0, le=LARGEST_MULTIPLE)
    """maximum two-sided turnover per session, (buys + sells) / account. topk_dropout omits whole orders, half of the
    limit is for sales; other rules move part of the way. Sales by other rules come first"""
    volatility_target: float | None = Field(None, gt=0, le=LARGEST_MULTIPLE)
    """target annualised volatility, fraction. Positions are scaled down (never up) so that the current portfolio's
    trailing volatility does not exceed it"""
    volatility_sessions: SessionCount = Field(60, ge=10)
    """sessions of the trailing volatility; with fewer than 10 known there is no limit"""
    cash_buffer: float = Field(0.0, ge=0, lt=1)
    """cash that purchases never spend, fraction of the account"""
    drawdown_halt: float | None = Field(None, gt=0, lt=1)
    """drawdown of the account at the close, fraction, at which all holdings are sold and trading stops"""
    resume_after: SessionCount | None = Field(None, ge=1)
    """sessions until trading resumes after a halt, with a new high-water mark; null: never"""

    @property
    def active(self) -> bool:
        """Whether any rule is set."""
        return bool(self.lines())

    @model_validator(mode="after")
    def _of_use(self) -> Risk:
        bounded = (self.max_weight, self.max_group, self.max_gross, self.max_net, self.volatility_target)
        needs = (
            ("band", "max_weight, max_group, max_gross, max_net or volatility_target", bounded != (None,) * 5),
            ("groups", "max_group", self.max_group is not None),
            ("stay_out", "stop_loss or take_profit", self.stop_loss is not None or self.take_profit is not None),
            ("volatility_sessions", "volatility_target", self.volatility_target is not None),
            ("resume_after", "drawdown_halt", self.drawdown_halt is not None),
        )
        for name, rule, there in needs:
            if getattr(self, name) != type(self).model_fields[name].default and not there:
                raise ValueError(f"{name} needs {rule}")
        return self

    def lines(self) -> list[str]:
        """The rules that are set, in words: one line, or none."""
        stops = f", then {self.stay_out} sessions without the symbol" if self.stay_out else ""
        halt = "for good" if self.resume_after is None else f"for {self.resume_after} sessions"
        parts = (
            (self.max_weight, "maximum weight {:.2%} per symbol"),
            (self.max_group, "maximum weight {:.2%} per group"),
            (self.max_gross, "gross exposure at most {:.2%}"),
            (self.max_net, "net exposure at most {:.2%}"),
            (self.stop_loss, f"stop-loss {{:.2%}} below entry{stops}"),
            (self.take_profit, f"take-profit {{:.2%}} above entry{stops}"),
            (self.volatility_target, f"volatility at most {{:.2%}} per year over {self.volatility_sessions} sessions"),
            (self.cash_buffer or None, "cash buffer {:.2%}"),
            (self.max_turnover, "turnover at most {:.2%} per session"),
            (self.drawdown_halt, f"halt at a drawdown of {{:.2%}}, {halt}"),
        )
        words = [form.format(bound) for bound, form in parts if bound is not None]
        return ["; ".join(words)] if words else []


class Optimise(Section):
    """What `weighting: optimise` maximises, and the bounds that it keeps.

    The portfolio x has no short positions and adds up to 1; it is `target_exposure` of the account. At each rebalancing
    x maximises scores - risk_aversion / 2 x variance - cost x turnover until the next one; with `benchmark`, variance,
    industries and styles are those of x less the index. Bounds that nothing fulfils together are left out one after the
    other, and the report names them.
    """

    units: ClassVar = {
        "fraction of the value": "cost",
        "fraction of the portfolio": "max_weight max_active max_industry",
        "standard deviations": "max_style",
        "fraction of the portfolio, two-sided": "max_turnover",
        "fraction per year": "tracking_error",
        "sessions": "sessions",
    }

    risk_aversion: float = Field(10.0, ge=0, le=LARGEST_MULTIPLE)
    """weight of the variance against the scores; 0: none. 1 maximises the growth of wealth, 5 to 20 are usual"""
    cost: float = Field(0.001, ge=0, lt=1)
    """cost of a trade that the optimiser reckons with, fraction of the value"""
    information_coefficient: float | None = Field(None, gt=0, le=1)
    """scores become returns: this x volatility x standardised score (Grinold 1994); null: the scores are returns until
    the next rebalancing"""
    max_weight: float | None = Field(None, gt=0, le=1)
    """maximum weight of one symbol, fraction of the portfolio; null: 1 / topk"""
    benchmark: str | None = Field(None, min_length=1)
    """index of `kq ingest weights INDEX FILE` that the portfolio is measured against; null: none"""
    max_active: float | None = Field(None, gt=0, le=1)
    """maximum difference of a symbol's weight from the index's, fraction of the portfolio; null: no bound"""
    tracking_error: float | None = Field(None, gt=0, le=LARGEST_MULTIPLE)
    """maximum tracking error against the index, estimated, fraction per year; null: no bound"""
    max_industry: float | None = Field(None, gt=0, le=1)
    """maximum weight of one industry, with `benchmark` its difference from the index's, fraction of the portfolio;
    null: no bound. Industries: `risk.groups`, else those of `kq ingest intervals industry FILE`"""
    max_style: float | None = Field(None, gt=0, le=LARGEST_MULTIPLE)
    """maximum exposure to momentum, volatility and size (traded value), with `benchmark` its difference from the
    index's, standard deviations; null: no bound"""
    max_turnover: float | None = Field(None, gt=0, le=4)
    """maximum two-sided turnover of one rebalancing after the first, fraction of the portfolio; null: no bound"""
    covariance: Literal["ledoit_wolf", "oas", "sample"] = "ledoit_wolf"
    """estimator of the covariance of returns: shrinkage by Ledoit and Wolf (2004) or by Chen et al. (2010), or none"""
    sessions: SessionCount = Field(250, ge=20)
    """sessions of returns that the covariance is estimated from"""

    @model_validator(mode="after")
    def _of_use(self) -> Optimise:
        for name in ("max_active", "tracking_error"):
            if getattr(self, name) is not None and self.benchmark is None:
                raise ValueError(f"{name} needs benchmark: an index of `kq ingest weights INDEX FILE`")
        return self
