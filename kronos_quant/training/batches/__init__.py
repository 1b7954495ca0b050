"""What the loop is fed with: the windows of each split, their order over ranks, and the batches made of them."""

from kronos_quant.training.batches.cross_sections import CrossSections, draw_cross_sections
from kronos_quant.training.batches.data import TrainingData, load_data
from kronos_quant.training.batches.feed import Batch, Feed, Pass
from kronos_quant.training.batches.order import EpochPlan
from kronos_quant.training.batches.tokens import TokenTable, tokenize_index
from kronos_quant.training.batches.window_list import list_windows

__all__ = [
    "Batch",
    "CrossSections",
    "EpochPlan",
    "Feed",
    "Pass",
    "TokenTable",
    "TrainingData",
    "draw_cross_sections",
    "list_windows",
    "load_data",
    "tokenize_index",
]
