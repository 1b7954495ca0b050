"""What the section `risk` of a strategy file says."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from kronos_quant.config import Section


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
