"""Fine-tuning Kronos: the tokenizer, then the predictor, on one process or several.

`python -m kronos_quant.training RUN/job.json` is one rank; `launch` starts as many as are wanted.
"""

from kronos_quant.training.fit import FitResult, TrainingJob, fit
from kronos_quant.training.launch import Placement, launch, place
from kronos_quant.training.presets import fill_in

__all__ = ["FitResult", "Placement", "TrainingJob", "fill_in", "fit", "launch", "place"]
