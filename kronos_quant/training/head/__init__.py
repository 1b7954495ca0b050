"""The return head: a small network on the predictor's context, trained on the order of each date's returns."""

from kronos_quant.training.head.network import RankHead
from kronos_quant.training.head.ranking import HEAD, TrainedHead, train_head, usable_dates
from kronos_quant.training.head.scores import SCORES_FILE, write_scores

__all__ = ["HEAD", "SCORES_FILE", "RankHead", "TrainedHead", "train_head", "usable_dates", "write_scores"]
