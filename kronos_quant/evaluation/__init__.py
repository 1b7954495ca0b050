"""What scores were worth, on returns they had not seen."""

from kronos_quant.evaluation.metrics import MeanEstimate, estimate_mean, rank_correlation, rank_ic

__all__ = ["MeanEstimate", "estimate_mean", "rank_correlation", "rank_ic"]
