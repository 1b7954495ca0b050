"""The processes that train together: how they are placed, launched, meet, and are asked to stop."""

from kronos_quant.training.processes.interrupts import Halted, Stop, end_with_parent, stop_signals
from kronos_quant.training.processes.launch import INTERRUPTED, LAUNCHER, Placement, launch, place
from kronos_quant.training.processes.ranks import Ranks, join_ranks

__all__ = [
    "INTERRUPTED",
    "LAUNCHER",
    "Halted",
    "Placement",
    "Ranks",
    "Stop",
    "end_with_parent",
    "join_ranks",
    "launch",
    "place",
    "stop_signals",
]
