"""What a run leaves: its folder and its manifest."""

from kronos_quant.runs.folder import Run, finished_runs, staged_run, start_run
from kronos_quant.runs.manifest import Inputs, package_versions

__all__ = ["Inputs", "Run", "finished_runs", "package_versions", "staged_run", "start_run"]
