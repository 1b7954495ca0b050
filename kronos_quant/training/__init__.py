"""Fine-tuning Kronos: the tokenizer, then the predictor, in one process or several.

`python -m kronos_quant.training RUN/job.json` is one rank; `launch` starts several. Read top to bottom: run (a run in a
workspace), fit (a job), phases (its parts), loop (a phase), batches (its input), optimise (a step), validation (how
epochs are measured), state (the files of a run).
"""

from kronos_quant.model.library import BEST
from kronos_quant.training.batches.data import load_data
from kronos_quant.training.batches.loader import list_windows
from kronos_quant.training.fit import fit
from kronos_quant.training.job import TrainingJob
from kronos_quant.training.processes import Placement, launch, place

__all__ = ["BEST", "Placement", "TrainingJob", "fit", "launch", "list_windows", "load_data", "place"]
