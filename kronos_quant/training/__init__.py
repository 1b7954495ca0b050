"""Fine-tuning Kronos: the tokenizer, then the predictor, on one process or several.

`python -m kronos_quant.training RUN/job.json` is one rank; `launch` starts as many as are wanted. Reads top to bottom:
fit (a job), loop (a phase), batches (what it is fed with), optimise (a step), record and state (what it leaves).
"""

from kronos_quant.training.batches import TrainingData, list_windows, load_data
from kronos_quant.training.fit import FitResult, TrainingJob, fit
from kronos_quant.training.launch import Placement, launch, place
from kronos_quant.training.presets import fill_in
from kronos_quant.training.tracking import check_trackers

__all__ = [
    "FitResult",
    "Placement",
    "TrainingData",
    "TrainingJob",
    "check_trackers",
    "fill_in",
    "fit",
    "launch",
    "list_windows",
    "load_data",
    "place",
]
