"""The section `risk` as the kernels take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kronos_quant.backtest.panel import Panel
from kronos_quant.backtest.risk.settings import Risk
from kronos_quant.errors import DataError

if TYPE_CHECKING:
    from kronos_quant.backtest.kernel.arrays import Guard

NEVER = -1


def guard_of(risk: Risk, panel: Panel, sessions_per_year: int) -> Guard:
    """The rules of a strategy on a panel. Raises DataError for a group cap where no symbol has a group."""
    from kronos_quant.backtest.kernel.arrays import Guard

    member, groups = np.empty((0, 0), dtype=np.int64), 0
    if risk.max_group is not None:
        if panel.groups is None or (panel.groups.member < 0).all():
            raise DataError(
                f"risk.max_group: none of {len(panel.symbols)} symbols has a group",
                hint="kq ingest intervals industry FILE, or name a file as risk.groups",
            )
        member, groups = np.ascontiguousarray(panel.groups.member), len(panel.groups.names)
    return Guard(
        on=risk.active,
        stop=_bound(risk.stop_loss),
        profit=_bound(risk.take_profit),
        stay_out=risk.stay_out,
        weight=_bound(risk.max_weight),
        group_most=_bound(risk.max_group),
        member=member,
        groups=groups,
        band=risk.band,
        gross=_bound(risk.max_gross),
        net=_bound(risk.max_net),
        volatility=_bound(risk.volatility_target) / np.sqrt(sessions_per_year),
        window=risk.volatility_sessions,
        turnover=_bound(risk.max_turnover),
        buffer=risk.cash_buffer,
        drawdown=_bound(risk.drawdown_halt),
        resume=NEVER if risk.resume_after is None else risk.resume_after,
    )


def _bound(value: float | None) -> float:
    return np.inf if value is None else value
