"""Fine-tuning Kronos: the tokenizer, then the predictor, on one process or several.

`python -m kronos_quant.training RUN/job.json` is one rank; `launch` starts as many as are wanted. Reads top to bottom:
fit (a job), phases (its parts), loop (a phase), batches (what it is fed with), optimise (a step), validation (what its
epochs are measured by), record and state (what it leaves).
"""

from kronos_quant.training.batches import TrainingData, list_windows, load_data
from kronos_quant.training.fit import FitResult, fit
from kronos_quant.training.job import TrainingJob
from kronos_quant.training.logs import check_trackers
from kronos_quant.training.processes import Placement, end_with_parent, launch, place

__all__ = [
    "FitResult",
    "Placement",
    "TrainingData",
    "TrainingJob",
    "check_trackers",
    "end_with_parent",
    "fit",
    "launch",
    "list_windows",
    "load_data",
    "place",
]
