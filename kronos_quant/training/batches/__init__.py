"""The batches of the training loop: the windows of each split, their order over ranks, and the batches made of them."""

from kronos_quant.training.batches.data import CrossSections, TrainingData, draw_cross_sections, load_data
from kronos_quant.training.batches.loader import BatchLoader, EpochPlan, Pass, TrainingBatch, epoch_plan, list_windows
from kronos_quant.training.batches.tokens import TokenTable, tokenize_index

__all__ = [
    "BatchLoader",
    "CrossSections",
    "EpochPlan",
    "Pass",
    "TokenTable",
    "TrainingBatch",
    "TrainingData",
    "draw_cross_sections",
    "epoch_plan",
    "list_windows",
    "load_data",
    "tokenize_index",
]
