"""What a validation measures besides the losses: forecasts decoded and set beside what came and the last close."""

from kronos_quant.training.validation.figures import Figures, Score, mean_by_blocks, score_forecast, score_ranking
from kronos_quant.training.validation.forecasts import DecodedValidation, closes_ahead
from kronos_quant.training.validation.verdict import UNTRAINED, ZERO_SHOT, decoded_lines, in_short, verdict

__all__ = [
    "UNTRAINED",
    "ZERO_SHOT",
    "DecodedValidation",
    "Figures",
    "Score",
    "closes_ahead",
    "decoded_lines",
    "in_short",
    "mean_by_blocks",
    "score_forecast",
    "score_ranking",
    "verdict",
]
