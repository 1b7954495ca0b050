from .engine import run_kernel, simulate
from .frames import backtest_frames
from .panel import Panel, build_panel
from .result import BacktestResult
from .rules import Rules, rules_of
from .settings import Costs
from .strategy import Strategy
from .vectorbt_check import vectorbt_portfolio

__all__ = [
    "BacktestResult",
    "Costs",
    "Panel",
    "Rules",
    "Strategy",
    "backtest_frames",
    "build_panel",
    "rules_of",
    "run_kernel",
    "simulate",
    "vectorbt_portfolio",
]
