"""`kq sweep`: one strategy over a grid of settings, on the cores of this machine or on a Ray cluster."""

from kronos_quant.workflows.sweep.job import run_sweep
from kronos_quant.workflows.sweep.summary import SweepSummary

__all__ = ["SweepSummary", "run_sweep"]
