"""Back-test: a strategy file, bars and scores -> fills, an account, a BacktestResult.

The names load on first use, so that reading a strategy file loads neither numba nor vectorbt.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kronos_quant.backtest.engine import run_kernel, simulate
    from kronos_quant.backtest.panel import Panel, build_panel
    from kronos_quant.backtest.result import BacktestResult
    from kronos_quant.backtest.rules import Rules, rules_of
    from kronos_quant.backtest.settings import Costs
    from kronos_quant.backtest.strategy import Strategy
    from kronos_quant.backtest.vectorbt_check import vectorbt_portfolio

_HOMES = {
    "BacktestResult": "result",
    "Costs": "settings",
    "Panel": "panel",
    "Rules": "rules",
    "Strategy": "strategy",
    "build_panel": "panel",
    "rules_of": "rules",
    "run_kernel": "engine",
    "simulate": "engine",
    "vectorbt_portfolio": "vectorbt_check",
}

__all__ = [
    "BacktestResult",
    "Costs",
    "Panel",
    "Rules",
    "Strategy",
    "build_panel",
    "rules_of",
    "run_kernel",
    "simulate",
    "vectorbt_portfolio",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
