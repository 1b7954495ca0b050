"""`kq evaluate`: the scorecard of the signals that are in the store."""

from kronos_quant.workflows.evaluate.boundaries import boundaries_of
from kronos_quant.workflows.evaluate.running import EvaluationReport, run_evaluation
from kronos_quant.workflows.evaluate.stored import Stored

__all__ = ["EvaluationReport", "Stored", "boundaries_of", "run_evaluation"]
