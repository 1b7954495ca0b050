"""The sections of a strategy file: costs, liquidity, risk, and what only the profile `qlib` has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, model_validator

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
    """What a trade costs: commission (a fraction of the value, at least the minimum), and what exchange and state levy.

    `buy` and `sell` state a side whole, levies included, as Qlib's open_cost and close_cost do.
    """

    commission: float | None = Field(
        None, ge=0, lt=1, description="the broker's fraction of the value; null: customary on the symbol's exchange"
    )
    minimum: float | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("minimum", "min_cost"),
        description="least commission of a trade, account currency; null: customary on the symbol's exchange",
    )
    liquidity: Literal["taker", "maker"] = Field(
        "taker", description="which customary commission, where venues (crypto) have one for each"
    )
    borrow: float = Field(0.03, ge=0, lt=1, description="a year, of the value of what is short")
    levies: Literal["exchange", "none"] = Field("exchange", description="taxes and fees by exchange and date, or none")
    buy: float | None = Field(
        None,
        ge=0,
        lt=1,
        validation_alias=AliasChoices("buy", "open_cost"),
        description="fraction of the value bought that stands for commission and levies; null: those",
    )
    sell: float | None = Field(
        None,
        ge=0,
        lt=1,
        validation_alias=AliasChoices("sell", "close_cost"),
        description="fraction of the value sold that stands for commission and levies; null: those",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, data: Any) -> Any:
        return refuse_both_names(data)

    @model_validator(mode="after")
    def _used(self) -> Costs:
        if self.commission is not None and self.buy is not None and self.sell is not None:
            raise ValueError("buy and sell stand for the commission: give either them or commission")
        return self


class Liquidity(Section):
    """What the size of an order changes: how much of it fills, and at what price."""

    slippage: float = Field(0.0, ge=0, lt=0.5, description="fraction of the price that every fill is worse by")
    impact: float = Field(
        0.0,
        ge=0,
        le=10,
        description="square-root impact: volatilities that an order of a whole volume moves a price",
    )
    participation: float | None = Field(
        None, gt=0, le=1, description="largest share of a bar's volume that an order fills in it; null: any"
    )
    volume: Literal["trailing", "bar"] = Field(
        "trailing",
        description="volume meant: the mean of the bars in the sessions before, known beforehand; or the traded bar's "
        "own, an assumption about liquidity",
    )
    sessions: int = Field(20, ge=2, description="sessions of the trailing volume and volatility")
    carry_over: bool = Field(True, description="what the participation cuts is ordered again at the next bar")


EXPRESSION = re.compile(r"(?:(?P<before>[\d.eE+-]+) *\* *)?\$volume(?: *\* *(?P<after>[\d.eE+-]+))?")
"""A share of the day's volume, as Qlib writes it; the only expressions that need no Qlib to be understood."""


class VolumeShares(Section):
    """The largest share of the day's own volume that an order fills.

    Read from a number, from Qlib's (`cum` or `current`, "0.1 * $volume"), which are the same where a bar is a day, or
    from either for `all`, `buy` and `sell`, of which the smaller one holds.
    """

    buy: float = Field(gt=0, description="of a purchase")
    sell: float = Field(gt=0, description="of a sale")

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
            raise ValueError(f"must be greater than 0, found {data!r}")
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
    raise ValueError(f'expected a number, or [current, "0.1 * $volume"] as Qlib has it, found {value!r}')


class QlibSettings(Section):
    """What only the profile `qlib` asks for, by Qlib's names."""

    only_tradable: bool = Field(False, description="rank tradable symbols only, by the state of the day they trade in")
    forbid_all_trade_at_limit: bool = Field(True, description="a symbol at either limit is neither bought nor sold")
    impact_cost: float = Field(
        0.0, ge=0, description="of the value, times the square of the order's share of the day's value: added to a cost"
    )
    volume_threshold: VolumeShares | None = Field(
        None, description="largest share of the day's own volume that an order fills (0.1: 0.1 * $volume); null: any"
    )
    directory: Path | None = Field(
        None,
        description="Qlib directory whose $change decides the limits; null: market.qlib_dir of kq.yaml where that has "
        "the workspace's closes, else computed from the closes",
    )


class Risk(Section):
    """Rules that cut what a strategy asks for, and sell what it would keep. Every rule is off unless it is set.

    All of them decide at the close of a bar, from what is known then, and act at the next fill; weights are of the
    account at the last closes, and what prices do until the next decision is not undone. In the order in which they
    apply: drawdown halt, stop-loss and take-profit, maximum weight, group cap, exposure caps, volatility target, cash
    buffer, turnover cap. What a rule sells or cuts is an order whose reason names it.
    """

    max_weight: float | None = Field(
        None, gt=0, le=1, description="largest share of the account in one symbol, long or short; more is sold"
    )
    max_group: float | None = Field(
        None, gt=0, le=10, description="largest share of the account in one group, its long and short holdings added up"
    )
    groups: Path | None = Field(
        None,
        description="CSV of symbol, group and, where it changes, start and end (inclusive); null: the industries of "
        "`kq ingest intervals industry`. Symbols without a group have no group cap",
    )
    max_gross: float | None = Field(
        None, gt=0, le=10, description="largest value of all holdings / account, long and short added up"
    )
    max_net: float | None = Field(
        None, gt=0, le=10, description="largest difference between the long and the short holdings / account"
    )
    band: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="how far above these bounds, as a fraction of them, what is held may drift before it is sold down; "
        "what a strategy asks for keeps to the bounds themselves",
    )
    stop_loss: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="a holding that closes this fraction worse than its mean entry price is sold whole",
    )
    take_profit: float | None = Field(
        None, gt=0, description="a holding that closes this fraction above its mean entry price is sold whole"
    )
    stay_out: int = Field(
        5, ge=0, description="sessions from a stop-loss or take-profit until the symbol may be bought again"
    )
    max_turnover: float | None = Field(
        None,
        gt=0,
        description="largest value bought and sold in a session / account. topk_dropout leaves out whole orders, half "
        "of it for sales; other rules go part of the way to their weights. What other risk rules sell comes first",
    )
    volatility_target: float | None = Field(
        None,
        gt=0,
        description="a year: the portfolio is cut so far that, as it stands, it would have moved no more than this in "
        "the sessions before. It is not stretched: nothing is borrowed",
    )
    volatility_sessions: int = Field(
        60, ge=10, description="sessions of that volatility; with fewer than 10 known it bounds nothing"
    )
    cash_buffer: float = Field(0.0, ge=0, lt=1, description="share of the account that purchases leave in cash")
    drawdown_halt: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="an account that closes this fraction below its highest close sells everything, and the strategy "
        "is not asked",
    )
    resume_after: int | None = Field(
        None,
        ge=1,
        description="sessions after which a halted strategy trades again, its highest close counted anew; null: never",
    )

    @property
    def active(self) -> bool:
        """Whether any rule is set."""
        limits = (self.max_weight, self.max_group, self.max_gross, self.max_net, self.stop_loss, self.take_profit)
        others = (self.max_turnover, self.volatility_target, self.drawdown_halt)
        return self.cash_buffer > 0 or any(bound is not None for bound in (*limits, *others))

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

    def said(self) -> list[str]:
        """The rules that are set, in words: one line, or none."""
        stops = f", then {self.stay_out} sessions without the symbol" if self.stay_out else ""
        halt = "for good" if self.resume_after is None else f"for {self.resume_after} sessions"
        parts = (
            (self.max_weight, "at most {:.2%} of the account in a symbol"),
            (self.max_group, "at most {:.2%} in a group"),
            (self.max_gross, "all holdings at most {:.2%}"),
            (self.max_net, "long less short at most {:.2%}"),
            (self.stop_loss, f"stop-loss {{:.2%}} below entry{stops}"),
            (self.take_profit, f"take-profit {{:.2%}} above entry{stops}"),
            (self.volatility_target, f"volatility at most {{:.2%}} a year over {self.volatility_sessions} sessions"),
            (self.cash_buffer or None, "{:.2%} kept in cash"),
            (self.max_turnover, "turnover at most {:.2%} a session"),
            (self.drawdown_halt, f"halt at a drawdown of {{:.2%}}, {halt}"),
        )
        words = [form.format(bound) for bound, form in parts if bound is not None]
        return ["; ".join(words)] if words else []
