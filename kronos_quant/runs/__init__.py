"""What a run leaves: its folder and its manifest."""

from kronos_quant.runs.folder import (
    Run,
    continue_run,
    finished_runs,
    held_run,
    list_runs,
    prepare_run,
    staged_run,
    start_run,
    unfinished_runs,
)
from kronos_quant.runs.manifest import Inputs, package_versions

__all__ = [
    "Inputs",
    "Run",
    "continue_run",
    "finished_runs",
    "held_run",
    "list_runs",
    "package_versions",
    "prepare_run",
    "staged_run",
    "start_run",
    "unfinished_runs",
]
