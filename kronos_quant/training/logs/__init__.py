"""What a training tells while it runs: its log, the trackers that hear it, and how fast it goes."""

from kronos_quant.training.logs.journal import LOG, Journal, read_rows
from kronos_quant.training.logs.speed import Speed, launched_at, read_launches, speed_lines
from kronos_quant.training.logs.tracking import Tracker, check_trackers, open_trackers

__all__ = [
    "LOG",
    "Journal",
    "Speed",
    "Tracker",
    "check_trackers",
    "launched_at",
    "open_trackers",
    "read_launches",
    "read_rows",
    "speed_lines",
]
